//! Bugs that real systems shipped, each the replacement of one [rule](super::rules).

use super::rules::{Ephemerals, Rules, Telling, TreeRules};
use super::words::{Change, Rights};
use crate::system::Mutant;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "zookeeper/partial-multi-snapshot",
        mechanism: "a snapshot is taken in the middle of a multi: it has one of the nodes that the multi made, and not the others",
        source: "ZOOKEEPER-3127",
        seen_by: "same-tree, multi, tree",
    },
    Mutant {
        id: "zookeeper/stale-ephemeral",
        mechanism: "a server that begins with a snapshot does not know which nodes in it go with which session: they outlive it",
        source: "ZOOKEEPER-5010, ZOOKEEPER-582",
        seen_by: "no-orphans, same-tree, ephemerals",
    },
    Mutant {
        id: "zookeeper/accepts-newer-session",
        mechanism: "a server takes a client that has seen more than it has: the client's view goes back",
        source: "ZooKeeper Programmer's Guide, single system image",
        seen_by: "session-view",
    },
    Mutant {
        id: "zookeeper/create-after-close",
        mechanism: "what was asked in a session is still done when the session has ended: an ephemeral node is made that nobody will remove",
        source: "ZOOKEEPER-1208",
        seen_by: "no-orphans, ephemerals",
    },
    Mutant {
        id: "zookeeper/multi-half-done",
        mechanism: "what a multi has done before a part of it fails is not taken back",
        source: "ZOOKEEPER-1624",
        seen_by: "multi, tree",
    },
    Mutant {
        id: "zookeeper/sequence-goes-back",
        mechanism: "the number of a sequential node is the number of its parent's children: once one is removed, a number comes again",
        source: "ZOOKEEPER-1046",
        seen_by: "sequence, tree",
    },
    Mutant {
        id: "zookeeper/watch-lost",
        mechanism: "what happened to a watched node while its client was not connected is not told",
        source: "ZOOKEEPER-1412",
        seen_by: "watches",
    },
    Mutant {
        id: "zookeeper/event-after-data",
        mechanism: "a client is told of a change after it was answered with what the change made",
        source: "ZooKeeper Programmer's Guide, guarantees for watches",
        seen_by: "watches",
    },
    Mutant {
        id: "zookeeper/sync-without-quorum",
        mechanism: "a leader answers a sync without asking whether it still leads",
        source: "ZOOKEEPER-2136",
        seen_by: "sync",
    },
    Mutant {
        id: "zookeeper/acl-open-to-all",
        mechanism: "whoever asks is shown who may do what with a node, without any right to it",
        source: "ZOOKEEPER-1392, CVE-2019-0201",
        seen_by: "rights",
    },
];

/// The rules with a mutant planted. `None` when there is no such mutant.
pub fn rules(id: &str) -> Option<Rules> {
    let (documented, tree) = (Rules::DOCUMENTED, TreeRules::DOCUMENTED);
    let of_tree = |tree| Rules { tree, ..documented };
    Some(match id {
        "zookeeper/partial-multi-snapshot" => of_tree(TreeRules {
            snapshot_of: |tree, last| {
                let made = tree.nodes().filter(|(_, node)| node.czxid == last);
                let late: Vec<String> = made.map(|(path, _)| path.clone()).skip(1).collect();
                let mut half = tree.clone();
                late.iter().for_each(|path| half.remove(path, last));
                (!late.is_empty()).then_some(half)
            },
            ..tree
        }),
        "zookeeper/stale-ephemeral" => of_tree(TreeRules {
            ephemerals_of: |_| Ephemerals::new(),
            ..tree
        }),
        "zookeeper/accepts-newer-session" => Rules {
            may_connect: |_, _| true,
            ..documented
        },
        "zookeeper/create-after-close" => of_tree(TreeRules {
            may_act: |_| true,
            ..tree
        }),
        "zookeeper/multi-half-done" => of_tree(TreeRules {
            stays: |_| true,
            ..tree
        }),
        "zookeeper/sequence-goes-back" => of_tree(TreeRules {
            sequence_of: |parent| parent.children.len() as u32,
            ..tree
        }),
        "zookeeper/watch-lost" => Rules {
            missed: |_, now, _| match now {
                Some(_) => None,
                None => Some(Change::Deleted),
            },
            ..documented
        },
        "zookeeper/event-after-data" => Rules {
            order_of_telling: || [Telling::Answers, Telling::Events],
            ..documented
        },
        "zookeeper/sync-without-quorum" => Rules {
            asks_quorum_to_sync: || false,
            ..documented
        },
        "zookeeper/acl-open-to-all" => of_tree(TreeRules {
            rights_to_see_acl: || {
                const NONE: Rights = Rights(0);
                &[NONE]
            },
            ..tree
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_mutant_can_be_planted() {
        for mutant in MUTANTS {
            assert!(rules(mutant.id).is_some(), "{} has no rules", mutant.id);
        }
        assert!(rules("zookeeper/no-such").is_none());
    }
}
