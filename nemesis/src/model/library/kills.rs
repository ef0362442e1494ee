//! Which bounds show which mutant.

/// A mutant, and the bounds within which a search finds it.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// The mutant.
    pub mutant: &'static str,
    /// The name of the bounds; or why no bounds show it.
    pub bounds: Result<&'static str, &'static str>,
}

const fn kill(mutant: &'static str, bounds: &'static str) -> Kill {
    Kill {
        mutant,
        bounds: Ok(bounds),
    }
}

const fn beyond(mutant: &'static str, why: &'static str) -> Kill {
    Kill {
        mutant,
        bounds: Err(why),
    }
}

const LIVENESS: &str =
    "nothing wrong happens, only nothing at all: a search for broken laws does not see it";
const WATCHES: &str =
    "the clients of a search ask and are answered: they hear nothing of what they watch";
const SESSIONS: &str = "the clients of a search have no sessions and no watches, only keys";
const CLOCKS: &str = "a lease needs clocks that move, and clocks stand still here";

/// The bounds of each mutant.
pub const KILLS: &[Kill] = &[
    kill("raft/vote-not-persisted", "crash"),
    kill("raft/term-not-persisted", "crash"),
    kill("raft/ack-before-fsync", "crash"),
    kill("raft/stale-vote-response", "two-terms"),
    kill("raft/leader-votes-other", "two-terms"),
    kill("raft/no-up-to-date-check", "two-terms"),
    kill("raft/commit-old-term", "figure-8"),
    kill("raft/commit-beyond-new", "read"),
    kill("raft/no-truncate-tail", "two-terms"),
    kill("raft/commit-not-monotonic", "two-terms"),
    kill("raft/read-without-quorum", "read"),
    kill("raft/read-before-noop", "read"),
    kill("raft/stale-round", "read-again"),
    beyond("raft/prevote-low-term-stuck", LIVENESS),
    kill("raft/new-leader-truncates", "two-terms"),
    kill("raft/purged-prev-deletes", "snapshot"),
    kill("raft/stale-refusal", "two-terms"),
    kill("raft/snapshot-off-by-one", "snapshot"),
    kill("raft/snapshot-index-back", "snapshot"),
    kill("raft/snapshot-keeps-conflict", "snapshot"),
    kill("raft/session-forgotten", "retry"),
    kill("raft/reconfigure-before-noop", "passing-changes"),
    kill("raft/ignores-uncommitted-config", "membership"),
    beyond("raft/leaver-never-stands", LIVENESS),
    kill("raft/two-changes-at-once", "two-changes"),
    kill("raft/joint-new-majority-only", "joint"),
    beyond("raft/lease-ignores-drift", CLOCKS),
    beyond("raft/lease-through-transfer", CLOCKS),
    kill("paxos/no-quorum", "synod"),
    kill("paxos/ignores-accepted", "two-ballots"),
    kill("paxos/adopts-any", "three-proposals"),
    kill("paxos/promise-volatile", "crash"),
    beyond("paxos/greater-for-greater-equal", LIVENESS),
    kill("paxos/ballot-reused", "crash"),
    kill("paxos/ballot-without-node", "synod"),
    kill("paxos/accept-does-not-promise", "synod"),
    kill("paxos/read-skips-round", "read"),
    kill("paxos/state-expires", "three-ballots"),
    kill("paxos/reconfigure-without-state", "membership"),
    kill("paxos/void-seal-stands", "void-seal"),
    kill("paxos/learns-another-ballot", "heartbeat"),
    kill("paxos/gap-passed-over", "heartbeat"),
    kill("paxos/snapshot-off-by-one", "snapshot"),
    beyond("zab/vote-not-total-order", LIVENESS),
    kill("zab/uncommitted-kept", "two-writes"),
    kill("zab/accepted-epoch-volatile", "crash"),
    kill("zab/epoch-file-order", "crash"),
    kill("zab/ack-before-sync", "takes-over"),
    kill("zab/epoch-before-history", "takes-over-committed"),
    kill("zab/diff-for-truncate", "overtaken"),
    kill("zab/committed-log-hole", "snapshot"),
    kill("zab/propose-to-acked-only", "two-epochs"),
    kill("zab/counter-overflows", "roll-over"),
    kill("zab/commits-alone", "two-writes"),
    beyond("zookeeper/partial-multi-snapshot", SESSIONS),
    beyond("zookeeper/stale-ephemeral", SESSIONS),
    beyond("zookeeper/accepts-newer-session", SESSIONS),
    beyond("zookeeper/create-after-close", SESSIONS),
    beyond("zookeeper/multi-half-done", SESSIONS),
    beyond("zookeeper/sequence-goes-back", SESSIONS),
    beyond("zookeeper/watch-lost", SESSIONS),
    beyond("zookeeper/event-after-data", SESSIONS),
    beyond("zookeeper/sync-without-quorum", SESSIONS),
    beyond("zookeeper/acl-open-to-all", SESSIONS),
    kill("etcd/index-outside-txn", "backend"),
    kill("etcd/ack-before-fsync", "backend"),
    kill("etcd/revision-decreases", "compacted"),
    kill("etcd/restored-delete-lost", "compacted"),
    kill("etcd/compacted-delete-lost", "compacted"),
    kill("etcd/txn-half-done", "txn"),
    kill("etcd/auth-forgotten", "rights"),
    beyond("etcd/stale-leader-revokes", CLOCKS),
    kill("etcd/keep-alive-unproven", "lease"),
    beyond("etcd/watch-starved-loss", WATCHES),
    beyond("etcd/duplicate-event", WATCHES),
    beyond("etcd/progress-ahead", WATCHES),
    beyond("etcd/watch-goes-back", WATCHES),
    beyond("etcd/future-progress", WATCHES),
];

/// What the bounds of a mutant are, if it is known.
pub fn kill_of(mutant: &str) -> Option<&'static Kill> {
    KILLS.iter().find(|known| known.mutant == mutant)
}
