//! The kinds of [fact](Fact) there are, for lists and reports: what each means, and what a run must have for it to happen.

use crate::contract::Fact;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($( $kind:ident $name:literal $meaning:literal $takes:literal; )*) => {
        /// A kind of fact: a [`Fact`] without its numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FactKind { $(#[doc = $meaning] $kind,)* }

        impl FactKind {
            /// All of them, in the order in which lists show them.
            pub const ALL: &'static [FactKind] = &[$(FactKind::$kind,)*];

            /// Its name, as a record has it.
            pub fn name(self) -> &'static str {
                match self { $(FactKind::$kind => $name,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(FactKind::$kind => $meaning,)* }
            }

            /// What a run must have for it to happen.
            pub fn takes(self) -> &'static str {
                match self { $(FactKind::$kind => $takes,)* }
            }
        }
    };
}

kinds! {
    Campaigned "campaigned" "a node stands for election" "a leader that is missed, or none yet";
    Voted "voted" "a node gives its vote" "an election";
    BecameLeader "became_leader" "a node leads" "an election that somebody wins";
    SteppedDown "stepped_down" "a node that led does so no more" "a leader that lives to learn that it was replaced or lost its followers";
    Truncated "truncated" "a node removes entries that contradict its leader's" "a leader that was replaced before its entries reached a majority";
    MembersChanged "members_changed" "a node learns that the cluster has other members" "a fault that changes members";
    SnapshotTaken "snapshot_taken" "a node makes a snapshot and drops the log before it" "the knob snapshot_every, and more entries than it says";
    SnapshotInstalled "snapshot_installed" "a node that was behind takes over another's snapshot" "snapshots, and a node that misses what was dropped";
    HandedOver "handed_over" "a leader asks another node to take over" "a fault that moves the leader or takes its vote";
    ShouldNotHappen "should_not_happen" "a message comes that no correct node sends at that point" "a node that is not correct";
}

impl Fact {
    /// Which kind it is of.
    pub fn kind(self) -> FactKind {
        match self {
            Fact::Campaigned { .. } => FactKind::Campaigned,
            Fact::Voted { .. } => FactKind::Voted,
            Fact::BecameLeader { .. } => FactKind::BecameLeader,
            Fact::SteppedDown { .. } => FactKind::SteppedDown,
            Fact::Truncated { .. } => FactKind::Truncated,
            Fact::MembersChanged { .. } => FactKind::MembersChanged,
            Fact::SnapshotTaken { .. } => FactKind::SnapshotTaken,
            Fact::SnapshotInstalled { .. } => FactKind::SnapshotInstalled,
            Fact::HandedOver { .. } => FactKind::HandedOver,
            Fact::ShouldNotHappen { .. } => FactKind::ShouldNotHappen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::NodeId;
    use crate::node_set::NodeSet;
    use std::collections::BTreeSet;

    /// One fact of each kind. [`Fact::kind`] does not compile when one is missing there; this list is checked against it.
    const ONE_OF_EACH: [Fact; 10] = [
        Fact::Campaigned { epoch: 1 },
        Fact::Voted {
            epoch: 1,
            candidate: NodeId(1),
        },
        Fact::BecameLeader { epoch: 1 },
        Fact::SteppedDown { epoch: 1 },
        Fact::Truncated { from: 1 },
        Fact::MembersChanged {
            voters: NodeSet::EMPTY,
        },
        Fact::SnapshotTaken { index: 1 },
        Fact::SnapshotInstalled { index: 1 },
        Fact::HandedOver { to: NodeId(1) },
        Fact::ShouldNotHappen { branch: 0 },
    ];

    #[test]
    fn every_fact_is_of_a_kind_that_is_named_as_its_record_names_it() {
        let kinds: Vec<FactKind> = ONE_OF_EACH.iter().map(|fact| fact.kind()).collect();
        assert_eq!(kinds, FactKind::ALL, "the list has every kind, once");
        for fact in ONE_OF_EACH {
            let json = serde_json::to_value(fact).unwrap();
            assert_eq!(json["fact"], fact.kind().name());
            assert_eq!(
                serde_json::to_value(fact.kind()).unwrap(),
                fact.kind().name()
            );
        }
        let told: BTreeSet<&str> = FactKind::ALL.iter().map(|kind| kind.meaning()).collect();
        assert_eq!(told.len(), FactKind::ALL.len(), "each means something else");
    }
}
