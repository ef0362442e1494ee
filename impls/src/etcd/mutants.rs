//! Bugs that etcd shipped, each the replacement of one [rule](super::rules).

use super::auth::Auth;
use super::rules::{Rules, StateRules};
use crate::system::Mutant;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "etcd/index-outside-txn",
        mechanism: "the index up to which the backend has everything is written after the data: a crash between applies commands twice",
        source: "etcd#13766, etcd#11652",
        seen_by: "applied-with-data, equal-stores, revisions-grow",
    },
    Mutant {
        id: "etcd/ack-before-fsync",
        mechanism: "a copy of the log counts before it is durable: what was answered is gone after a crash",
        source: "etcd#14370",
        seen_by: "committed-on-quorum, revision-order",
    },
    Mutant {
        id: "etcd/revision-decreases",
        mechanism: "a member that restarts takes its newest key for its revision: deletions and compactions have revisions, too, and go back",
        source: "etcd#17780, etcd#14685",
        seen_by: "equal-stores, revisions-grow",
    },
    Mutant {
        id: "etcd/restored-delete-lost",
        mechanism: "a member that restarts does not know of a deletion whose key has nothing older: no watch is told of it",
        source: "etcd#18089",
        seen_by: "equal-changes, watch-reliable",
    },
    Mutant {
        id: "etcd/compacted-delete-lost",
        mechanism: "a compaction takes away a deletion at its very revision: a watch that begins there is not told of it",
        source: "etcd#19179",
        seen_by: "watch-reliable",
    },
    Mutant {
        id: "etcd/txn-half-done",
        mechanism: "a transaction that reads a compacted revision fails, and what it has done before stays",
        source: "etcd#18667",
        seen_by: "revision-order",
    },
    Mutant {
        id: "etcd/auth-forgotten",
        mechanism: "a member that restarts does not look at rights until they change: it lets through what the others refuse",
        source: "etcd#14571",
        seen_by: "equal-stores, permissions",
    },
    Mutant {
        id: "etcd/stale-leader-revokes",
        mechanism: "who leads no more still ends leases when it believes their time is over, though they are kept alive elsewhere",
        source: "etcd#15247, etcd PR#16822",
        seen_by: "lease-kept",
    },
    Mutant {
        id: "etcd/keep-alive-unproven",
        mechanism: "a leader keeps leases alive without asking whether it still leads: it does so with one that is over",
        source: "etcd#15247",
        seen_by: "lease-over, lease-kept",
    },
    Mutant {
        id: "etcd/watch-starved-loss",
        mechanism: "a watch that falls behind goes on with what comes next, and what it was to be told is lost",
        source: "etcd#17529",
        seen_by: "watch-reliable",
    },
    Mutant {
        id: "etcd/duplicate-event",
        mechanism: "a watch that was behind is told of the last revision again once it is in step",
        source: "etcd#17247",
        seen_by: "watch-unique",
    },
    Mutant {
        id: "etcd/progress-ahead",
        mechanism: "a watch that is behind is said to have been told everything",
        source: "etcd#15220",
        seen_by: "watch-bookmarkable",
    },
    Mutant {
        id: "etcd/watch-goes-back",
        mechanism: "a watch that begins in the future is told of everything that happens before",
        source: "etcd#15271",
        seen_by: "watch-ordered, watch-resumable",
    },
    Mutant {
        id: "etcd/future-progress",
        mechanism: "a watch that begins in the future is told of progress before that",
        source: "etcd#20221",
        seen_by: "watch-resumable, watch-bookmarkable",
    },
];

/// The rules with a mutant planted. `None` when there is no such mutant.
pub fn rules(id: &str) -> Option<Rules> {
    let (documented, state) = (Rules::DOCUMENTED, StateRules::DOCUMENTED);
    let of_state = |state| Rules {
        state,
        ..documented
    };
    Some(match id {
        "etcd/index-outside-txn" => Rules {
            moves_together: || false,
            ..documented
        },
        "etcd/ack-before-fsync" => Rules {
            planted_below: || Some("raft/ack-before-fsync"),
            ..documented
        },
        "etcd/revision-decreases" => of_state(StateRules {
            restored_revision: |newest, _| newest.set,
            ..state
        }),
        "etcd/restored-delete-lost" => of_state(StateRules {
            restores: |version, is_first| version.version > 0 || !is_first,
            ..state
        }),
        "etcd/compacted-delete-lost" => of_state(StateRules {
            keeps_newest: |newest, _| newest.version > 0,
            ..state
        }),
        "etcd/txn-half-done" => of_state(StateRules {
            undoes_failed_txn: || false,
            ..state
        }),
        "etcd/auth-forgotten" => of_state(StateRules {
            restored_auth: |mut stored: Auth| {
                stored.enabled = false;
                stored
            },
            ..state
        }),
        "etcd/stale-leader-revokes" => Rules {
            lessor_goes_with_leadership: || false,
            ..documented
        },
        "etcd/keep-alive-unproven" => Rules {
            proves_leadership: || false,
            ..documented
        },
        "etcd/watch-starved-loss" => Rules {
            falls_behind_at: |_, current| current + 1,
            ..documented
        },
        "etcd/duplicate-event" => Rules {
            in_step_from: |next| next - 1,
            ..documented
        },
        "etcd/progress-ahead" => Rules {
            progress_of: |next, current, _| (next <= current + 1).then_some(current),
            ..documented
        },
        "etcd/watch-goes-back" => Rules {
            is_told: |_, _| true,
            ..documented
        },
        "etcd/future-progress" => Rules {
            progress_of: |_, current, in_step| in_step.then_some(current),
            ..documented
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
            assert!(rules(mutant.id).is_some(), "{} has no rules", mutant.id);
        }
        assert!(rules("etcd/no-such").is_none());
    }
}
