//! What each node was, when: as far as its facts tell.

use crate::reigns::Outage;
use std::collections::BTreeMap;
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::record::Record;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// It follows, or waits to.
    Follower,
    /// It stands for election.
    Candidate,
    /// It believes that it leads.
    Leader,
}

/// A node in one role for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stint {
    pub(crate) node: NodeId,
    pub(crate) role: Role,
    /// The term, ballot or epoch of the last vote, candidacy or reign that it noted; a follower may know of a later one.
    pub(crate) epoch: u64,
    /// When it began, in nanoseconds.
    pub(crate) from_ns: u64,
    /// When it was over, in nanoseconds.
    pub(crate) until_ns: u64,
}

/// What happens to a node. What stops it comes before what starts it, and that before what it notes in the same instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Down,
    Up,
    Is(Role, u64),
}

/// The stints of all nodes, by node and time. There are none of a node that noted nothing, and none while a node is down.
pub(crate) fn stints(record: &Record, outages: &[Outage], ended_ns: u64) -> Vec<Stint> {
    let mut turns: BTreeMap<NodeId, Vec<(u64, Turn)>> = BTreeMap::new();
    for fact in &record.facts {
        let turn = match fact.fact {
            Fact::Campaigned { epoch } => Turn::Is(Role::Candidate, epoch),
            Fact::BecameLeader { epoch } => Turn::Is(Role::Leader, epoch),
            // Who stands for election votes for itself.
            Fact::Voted { epoch, candidate } if candidate != fact.node => {
                Turn::Is(Role::Follower, epoch)
            }
            Fact::SteppedDown { epoch } => Turn::Is(Role::Follower, epoch),
            _ => continue,
        };
        turns
            .entry(fact.node)
            .or_default()
            .push((fact.time_ns, turn));
    }
    for outage in outages {
        if let Some(turns) = turns.get_mut(&outage.node) {
            turns.push((outage.from_ns, Turn::Down));
            turns.push((outage.until_ns, Turn::Up));
        }
    }
    let mut stints = Vec::new();
    for (node, mut turns) in turns {
        // What a node notes in one instant stays in its order.
        turns.sort_by_key(|(time_ns, turn)| {
            let rank = match turn {
                Turn::Down => 0,
                Turn::Up => 1,
                Turn::Is(..) => 2,
            };
            (*time_ns, rank)
        });
        let mut epoch = 0;
        for (at, (from_ns, turn)) in turns.iter().enumerate() {
            let role = match *turn {
                Turn::Down => continue,
                Turn::Up => Role::Follower,
                Turn::Is(role, noted) => {
                    epoch = noted;
                    role
                }
            };
            let until_ns = turns.get(at + 1).map_or(ended_ns, |(time_ns, _)| *time_ns);
            if *from_ns < until_ns {
                stints.push(Stint {
                    node,
                    role,
                    epoch,
                    from_ns: *from_ns,
                    until_ns,
                });
            }
        }
    }
    stints
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_nemesis::record::FactRecord;

    fn record(facts: &[(u64, u8, Fact)]) -> Record {
        let facts: Vec<_> = facts
            .iter()
            .map(|(time_ns, node, fact)| FactRecord {
                time_ns: *time_ns,
                node: NodeId(*node),
                fact: *fact,
            })
            .collect();
        let mut record: Record = serde_json::from_str(
            r#"{"schema_version":2,"digest":"","marks":{"every":1,"digits":""},"inputs":0,"interrupted":false,"ended_ns":100,
                "healed_ns":100,"traffic":{"sent":0,"cut":0,"lost":0,"slowed":0,"held":0,"reordered":0,"duplicated":0,"corrupted":0,
                "rejected":0,"reset":0},"wear":{"inputs_held":0,"steps_slowed":0,"clock_readings_bent":0,"syncs_slowed":0,"syncs_lied":0,
                "disks_failed":0,"unsynced_lost":0,"synced_lost":0,"writes_torn":0,"writes_misdirected":0,"disks_refused":0},
                "faults":[],"facts":[],"violations":[]}"#,
        )
        .unwrap();
        record.facts = facts;
        record
    }

    #[test]
    fn a_node_is_what_it_last_noted_and_nothing_while_it_is_down() {
        let own = NodeId(1);
        let record = record(&[
            (10, 1, Fact::Campaigned { epoch: 2 }),
            (
                10,
                1,
                Fact::Voted {
                    epoch: 2,
                    candidate: own,
                },
            ),
            (20, 1, Fact::BecameLeader { epoch: 2 }),
            (
                60,
                1,
                Fact::Voted {
                    epoch: 3,
                    candidate: NodeId(2),
                },
            ),
        ]);
        let outage = Outage {
            node: own,
            from_ns: 30,
            until_ns: 50,
        };
        let told: Vec<_> = stints(&record, &[outage], 100)
            .iter()
            .map(|stint| (stint.role, stint.epoch, stint.from_ns, stint.until_ns))
            .collect();
        assert_eq!(
            told,
            [
                (Role::Candidate, 2, 10, 20),
                (Role::Leader, 2, 20, 30),
                (Role::Follower, 2, 50, 60),
                (Role::Follower, 3, 60, 100),
            ]
        );
    }
}
