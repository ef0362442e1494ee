//! Bugs that real systems shipped, and one that a review found here, each the replacement of one [rule](super::rules).

use super::message::Term;
use super::rules::{self, Rules, is_free, is_majority};
use crate::system::Mutant;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "raft/vote-not-persisted",
        mechanism: "the vote is lost on restart, so a node can vote twice in one term",
        source: "akka-raft#56, akka-raft#62",
        seen_by: "election-safety",
    },
    Mutant {
        id: "raft/term-not-persisted",
        mechanism: "the term is lost on restart: the node goes back to terms it has left, and votes in them again",
        source: "WRaft#118",
        seen_by: "monotonic-term, election-safety",
    },
    Mutant {
        id: "raft/ack-before-fsync",
        mechanism: "entries are accepted, and counted by the leader that wrote them, before they are durable",
        source: "etcd#14370",
        seen_by: "leader-completeness, state-machine-safety, monotonic-term",
    },
    Mutant {
        id: "raft/stale-vote-response",
        mechanism: "a candidate counts a vote that was given to it in an older term",
        source: "akka-raft#46, akka-raft#47",
        seen_by: "election-safety, leader-completeness, monotonic-term",
    },
    Mutant {
        id: "raft/leader-votes-other",
        mechanism: "a leader grants its vote to another candidate of its own term",
        source: "DaosRaft#70",
        seen_by: "election-safety",
    },
    Mutant {
        id: "raft/no-up-to-date-check",
        mechanism: "a vote is granted without comparing the logs",
        source: "Raft 5.4.1, RedisLabs/raft#2",
        seen_by: "leader-completeness, state-machine-safety",
    },
    Mutant {
        id: "raft/commit-old-term",
        mechanism: "a leader counts replicas of an earlier term's entry as committed (figure 8)",
        source: "LogCabin#44, PySyncObj#169",
        seen_by: "leader-completeness, state-machine-safety",
    },
    Mutant {
        id: "raft/commit-beyond-new",
        mechanism: "a follower commits up to the end of its own log, not up to the last entry that its leader sent",
        source: "copycat#265, scylladb#9965",
        seen_by: "state-machine-safety",
    },
    Mutant {
        id: "raft/no-truncate-tail",
        mechanism: "a conflicting entry is replaced in place, and the stale tail behind it stays",
        source: "mofa#1151",
        seen_by: "log-matching",
    },
    Mutant {
        id: "raft/commit-not-monotonic",
        mechanism: "a follower takes its leader's commit index even where that is behind its own",
        source: "PySyncObj#166",
        seen_by: "monotonic-commit",
    },
    Mutant {
        id: "raft/read-without-quorum",
        mechanism: "a leader answers reads from its own state without asking whether it still leads",
        source: "etcd#741",
        seen_by: "linearizability",
    },
    Mutant {
        id: "raft/read-before-noop",
        mechanism: "a new leader serves reads before an entry of its own term is committed",
        source: "etcd#7331, Raft dissertation 6.4",
        seen_by: "linearizability",
    },
    Mutant {
        id: "raft/stale-round",
        mechanism: "the answer to an older leadership's append carries that leadership's round and confirms a read nobody confirmed",
        source: "Stormglass, found in review of this Raft",
        seen_by: "linearizability",
    },
];

/// The rules with a mutant planted. `None` when there is no such mutant.
pub fn rules(id: &str) -> Option<Rules> {
    let paper = Rules::PAPER;
    Some(match id {
        "raft/vote-not-persisted" => Rules {
            vote_to_persist: |_| None,
            ..paper
        },
        "raft/term-not-persisted" => Rules {
            term_to_persist: |_| Term(0),
            ..paper
        },
        "raft/ack-before-fsync" => Rules {
            may_claim: |copy, writes_under_way| copy || writes_under_way == 0,
            ..paper
        },
        "raft/stale-vote-response" => Rules {
            may_count_vote: |_, _| true,
            ..paper
        },
        "raft/leader-votes-other" => Rules {
            may_grant_vote: |leads, vote, candidate, own, candidates| {
                leads || rules::may_grant_vote(leads, vote, candidate, own, candidates)
            },
            ..paper
        },
        "raft/no-up-to-date-check" => Rules {
            may_grant_vote: |leads, vote, candidate, _, _| !leads && is_free(vote, candidate),
            ..paper
        },
        "raft/commit-old-term" => Rules {
            may_commit: |_, _, replicas, nodes| is_majority(replicas, nodes),
            ..paper
        },
        "raft/commit-beyond-new" => Rules {
            follower_commit: |own, leader, _, last| own.max(leader.min(last)),
            ..paper
        },
        "raft/no-truncate-tail" => Rules {
            conflict_removes: |entry, conflict, last_new| (conflict..=last_new).contains(&entry),
            ..paper
        },
        "raft/commit-not-monotonic" => Rules {
            follower_commit: |_, leader, last_new, _| leader.min(last_new),
            ..paper
        },
        "raft/read-without-quorum" => Rules {
            may_serve_read: |_, _| true,
            ..paper
        },
        "raft/read-before-noop" => Rules {
            knows_read_index: |_, _| true,
            ..paper
        },
        "raft/stale-round" => Rules {
            round_to_answer: |round, _, _| round,
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
        assert!(rules("raft/no-such").is_none());
    }
}
