//! Bugs that real systems shipped, each the replacement of one [rule](super::rules).

use super::rules::Rules;
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
        id: "raft/read-without-quorum",
        mechanism: "a leader answers reads from its own state without asking whether it still leads",
        source: "etcd#741",
        seen_by: "linearizability",
    },
    Mutant {
        id: "raft/commit-old-term",
        mechanism: "a leader counts replicas of an earlier term's entry as committed (figure 8)",
        source: "LogCabin#44, PySyncObj#169",
        seen_by: "leader-completeness, state-machine-safety",
    },
];

/// The rules with a mutant planted; those of the paper without one. `None` when there is no such mutant.
pub fn rules(mutant: Option<&str>) -> Option<Rules> {
    let paper = Rules::PAPER;
    Some(match mutant {
        None => paper,
        Some("raft/vote-not-persisted") => Rules {
            vote_to_persist: |_| None,
            ..paper
        },
        Some("raft/read-without-quorum") => Rules {
            may_serve_read: |_, _| true,
            ..paper
        },
        Some("raft/commit-old-term") => Rules {
            may_commit: |_, _, replicas, nodes| replicas > nodes / 2,
            ..paper
        },
        Some(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_mutant_can_be_planted() {
        for mutant in MUTANTS {
            assert!(
                rules(Some(mutant.id)).is_some(),
                "{} is listed but has no rules",
                mutant.id
            );
        }
        assert!(rules(Some("raft/no-such")).is_none());
    }
}
