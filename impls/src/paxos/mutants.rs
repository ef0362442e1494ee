//! Bugs that real systems shipped, each the replacement of one [rule](super::rules).

use super::message::Ballot;
use super::rules::{Claim, Rules};
use crate::contract::NodeId;
use crate::system::Mutant;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "paxos/no-quorum",
        mechanism: "a value counts as chosen with the acceptance of its own proposer",
        source: "Paxos Made Simple, 2.2",
        seen_by: "chosen-on-quorum, agreement, linearizability",
    },
    Mutant {
        id: "paxos/ignores-accepted",
        mechanism: "a proposer does not adopt an accepted value, and puts a no-op in its place",
        source: "Paxos Made Simple, 2.2, P2c",
        seen_by: "chosen-is-stable, agreement, linearizability",
    },
    Mutant {
        id: "paxos/adopts-any",
        mechanism: "a proposer adopts the accepted value that it hears of first, not that of the highest ballot",
        source: "Paxos Made Simple, 2.2, P2c",
        seen_by: "chosen-is-stable, agreement, linearizability",
    },
    Mutant {
        id: "paxos/promise-volatile",
        mechanism: "an acceptor forgets its promise on restart",
        source: "Paxos Made Live, 5.1",
        seen_by: "promise-monotone, ballots-unique",
    },
    Mutant {
        id: "paxos/greater-for-greater-equal",
        mechanism: "an acceptor refuses the very ballot it promised: nothing is ever accepted",
        source: "MyPaxos#19",
        seen_by: "progress",
    },
    Mutant {
        id: "paxos/ballot-reused",
        mechanism: "a prepare leaves before its ballot is durable: after a crash the proposer uses the same ballot again",
        source: "phxpaxos#145",
        seen_by: "ballots-unique, one-value-per-ballot-and-slot",
    },
    Mutant {
        id: "paxos/ballot-without-node",
        mechanism: "a ballot is a number alone, and two nodes can have the same",
        source: "Paxos Made Simple, 2.5",
        seen_by: "ballots-unique, validity, one-value-per-ballot-and-slot",
    },
    Mutant {
        id: "paxos/accept-does-not-promise",
        mechanism: "accepting does not raise the promise, so an older ballot can overwrite what was accepted",
        source: "CASSANDRA-17162",
        seen_by: "accept-implies-promise, agreement",
    },
    Mutant {
        id: "paxos/read-skips-round",
        mechanism: "a quorum read does not complete the proposal in progress that it finds",
        source: "scylladb#6299, CASSANDRA-12126",
        seen_by: "linearizability",
    },
    Mutant {
        id: "paxos/state-expires",
        mechanism: "what an acceptor accepted two ballots ago is forgotten, chosen or not",
        source: "scylladb#6149",
        seen_by: "chosen-is-stable, agreement, linearizability",
    },
    Mutant {
        id: "paxos/reconfigure-without-state",
        mechanism: "new acceptors take part in their era before they have the state it begins with",
        source: "scylladb#5251",
        seen_by: "chosen-is-stable, agreement, linearizability",
    },
    Mutant {
        id: "paxos/void-seal-stands",
        mechanism: "a new leader keeps a seal behind which a higher ballot proposed: what was chosen there is dropped",
        source: "Stoppable Paxos 2008",
        seen_by: "chosen-is-stable",
    },
    Mutant {
        id: "paxos/learns-another-ballot",
        mechanism: "a learner that hears that a slot is chosen takes what it accepted there itself, in whatever ballot",
        source: "Paxos Made Simple, 2.3",
        seen_by: "learned-implies-chosen, agreement",
    },
    Mutant {
        id: "paxos/gap-passed-over",
        mechanism: "a learner that misses a slot goes on with the next",
        source: "Paxos Made Simple, section 3",
        seen_by: "no-gap-applied, linearizability",
    },
    Mutant {
        id: "paxos/snapshot-off-by-one",
        mechanism: "a snapshot says that it holds one slot more than it does: whoever installs it never applies that one",
        source: "redisraft#43",
        seen_by: "snapshot-agreement, linearizability",
    },
];

/// The rules with a mutant planted. `None` when there is no such mutant.
pub fn rules(id: &str) -> Option<Rules> {
    let paper = Rules::PAPER;
    Some(match id {
        "paxos/no-quorum" => Rules {
            is_chosen: |acceptances, _| acceptances > 0,
            ..paper
        },
        "paxos/ignores-accepted" => Rules {
            adopts: |_| None,
            ..paper
        },
        "paxos/adopts-any" => Rules {
            adopts: |reported| (!reported.is_empty()).then_some(0),
            ..paper
        },
        "paxos/promise-volatile" => Rules {
            promise_to_persist: |_| Ballot::NONE,
            ..paper
        },
        "paxos/greater-for-greater-equal" => Rules {
            may_accept: |promised, accept| accept > promised,
            ..paper
        },
        "paxos/ballot-reused" => Rules {
            may_claim: |claim, writes_under_way| claim == Claim::Ballot || writes_under_way == 0,
            ..paper
        },
        "paxos/ballot-without-node" => Rules {
            ballot_after: |highest_seen, _| Ballot {
                number: highest_seen.number + 1,
                node: NodeId(0),
            },
            ..paper
        },
        "paxos/accept-does-not-promise" => Rules {
            promised_by_accepting: |promised, _| promised,
            ..paper
        },
        "paxos/read-skips-round" => Rules {
            may_serve_read: |_, _| true,
            ..paper
        },
        "paxos/state-expires" => Rules {
            must_report: |accepted, prepare| accepted.number + 2 > prepare.number,
            ..paper
        },
        "paxos/reconfigure-without-state" => Rules {
            may_take_part: |_, _| true,
            ..paper
        },
        "paxos/void-seal-stands" => Rules {
            seal_stands: |_, _| true,
            ..paper
        },
        "paxos/learns-another-ballot" => Rules {
            may_learn: |_, _| true,
            ..paper
        },
        "paxos/gap-passed-over" => Rules {
            applies_next: |applied, slot| slot > applied,
            ..paper
        },
        "paxos/snapshot-off-by-one" => Rules {
            snapshot_covers: |applied| applied.next(),
            ..paper
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_mutant_can_be_planted() {
        for mutant in MUTANTS {
            assert!(
                rules(mutant.id).is_some(),
                "{} is listed but has no rules",
                mutant.id
            );
        }
        assert!(rules("paxos/no-such").is_none());
    }
}
