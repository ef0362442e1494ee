//! Bugs that real systems shipped, each the replacement of one [rule](super::rules).

use super::rules::{Claim, Part, Rules, Stage, Way, way_to_synchronise};
use crate::system::Mutant;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "zab/vote-not-total-order",
        mechanism: "of two votes with the same last transaction each can be the better one: an election never settles",
        source: "ZOOKEEPER-1419",
        seen_by: "progress",
    },
    Mutant {
        id: "zab/uncommitted-kept",
        mechanism: "a node says that its history ends with what it has delivered: what it has accepted beyond is never taken from it",
        source: "ZOOKEEPER-2845",
        seen_by: "global-primary-order, primary-integrity, agreement, linearizability",
    },
    Mutant {
        id: "zab/accepted-epoch-volatile",
        mechanism: "an accepted epoch is on the disk only when its history is: after a crash its node accepts it from another leader",
        source: "ZOOKEEPER-335",
        seen_by: "leadership-1, leadership-2",
    },
    Mutant {
        id: "zab/epoch-file-order",
        mechanism: "the accepted epoch is written behind the times: on the disk it is below the epoch of the history, and the node will not start",
        source: "ZOOKEEPER-2307, ZOOKEEPER-2354, ZOOKEEPER-1653",
        seen_by: "leadership-1",
    },
    Mutant {
        id: "zab/ack-before-sync",
        mechanism: "the leader's history is acknowledged before it is durable",
        source: "ZOOKEEPER-3911, ZOOKEEPER-4646",
        seen_by: "primary-integrity, agreement, linearizability",
    },
    Mutant {
        id: "zab/epoch-before-history",
        mechanism: "the epoch of a history is written before the history: a crash between makes a short history look recent",
        source: "ZOOKEEPER-4643",
        seen_by: "primary-integrity, agreement, linearizability",
    },
    Mutant {
        id: "zab/diff-for-truncate",
        mechanism: "a leader sends the difference to a follower that has to give something up first",
        source: "ZOOKEEPER-1154",
        seen_by: "agreement, prefix-consistency",
    },
    Mutant {
        id: "zab/committed-log-hole",
        mechanism: "a leader sends the difference from a log that does not go back to where the follower's history ends: a gap is passed on",
        source: "ZOOKEEPER-4925",
        seen_by: "total-order",
    },
    Mutant {
        id: "zab/propose-to-acked-only",
        mechanism: "what is proposed while a follower is synchronised is not sent to it",
        source: "Zab 1.0, phase 2",
        seen_by: "local-primary-order, should-not-happen",
    },
    Mutant {
        id: "zab/counter-overflows",
        mechanism: "a counter that is used up carries into the epoch, and a leader numbers its transactions as those of the next",
        source: "ZOOKEEPER-1277",
        seen_by: "integrity",
    },
    Mutant {
        id: "zab/commits-alone",
        mechanism: "a leader takes its own acceptance for a quorum's",
        source: "Zab 2011, section 4.1",
        seen_by: "primary-integrity, agreement, linearizability",
    },
];

/// The rules with a mutant planted. `None` when there is no such mutant.
pub fn rules(id: &str) -> Option<Rules> {
    let paper = Rules::PAPER;
    Some(match id {
        "zab/vote-not-total-order" => Rules {
            supersedes: |vote, known| {
                vote.epoch > known.epoch
                    || (vote.epoch == known.epoch && vote.last > known.last)
                    || (vote.last == known.last && vote.leader > known.leader)
            },
            ..paper
        },
        "zab/uncommitted-kept" => Rules {
            history_ends: |_, delivered| delivered,
            ..paper
        },
        "zab/accepted-epoch-volatile" => Rules {
            accepted_epoch_to_persist: |_, current| current,
            ..paper
        },
        "zab/epoch-file-order" => Rules {
            accepted_epoch_to_persist: |accepted, _| accepted.before(),
            ..paper
        },
        "zab/ack-before-sync" => Rules {
            may_claim: |claim, writes_under_way| claim == Claim::History || writes_under_way == 0,
            ..paper
        },
        "zab/epoch-before-history" => Rules {
            order_of_writes: || [Part::AcceptedEpoch, Part::CurrentEpoch, Part::History],
            ..paper
        },
        "zab/diff-for-truncate" => Rules {
            way_to_synchronise: |follower, window| match way_to_synchronise(follower, window) {
                Way::Trunc { to } => Way::Diff { after: to },
                way => way,
            },
            ..paper
        },
        "zab/committed-log-hole" => Rules {
            way_to_synchronise: |follower, window| match follower < window.dropped {
                true => Way::Diff {
                    after: window.dropped,
                },
                false => way_to_synchronise(follower, window),
            },
            ..paper
        },
        "zab/propose-to-acked-only" => Rules {
            hears_proposals: |stage| stage == Stage::Current,
            ..paper
        },
        "zab/counter-overflows" => Rules {
            next_zxid: |last, epoch, counter_max| {
                let mut next = last;
                if last.epoch < epoch {
                    (next.epoch, next.counter) = (epoch, 0);
                }
                next.counter += 1;
                if next.counter > counter_max {
                    (next.epoch, next.counter) = (next.epoch.next(), 0);
                }
                Some(next)
            },
            ..paper
        },
        "zab/commits-alone" => Rules {
            is_committed: |acks, _| acks > 0,
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
        assert!(rules("zab/no-such").is_none());
    }
}
