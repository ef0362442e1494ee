//! Bugs that real systems shipped, and one that a review found here, each the replacement of one [rule](super::rules).

use super::message::Term;
use super::rules::{self, Rules, is_free};
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
        seen_by: "committed-on-quorum, leader-completeness, state-machine-safety, monotonic-term",
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
    Mutant {
        id: "raft/prevote-low-term-stuck",
        mechanism: "who is asked for a pre-vote in an older term says nothing, so that the one who asks never learns of the newer term",
        source: "etcd#8243, etcd#8501",
        seen_by: "progress",
    },
    Mutant {
        id: "raft/new-leader-truncates",
        mechanism: "a new leader drops what it does not know to be committed",
        source: "KAFKA-1211 (KIP-101)",
        seen_by: "leader-append-only, committed-immutable, leader-completeness",
    },
    Mutant {
        id: "raft/purged-prev-deletes",
        mechanism: "a base that is compacted is taken for a conflict, and committed entries are deleted",
        source: "openraft#511",
        seen_by: "committed-immutable",
    },
    Mutant {
        id: "raft/stale-refusal",
        mechanism: "a refusal that was overtaken takes the next entry to send back below what the follower holds",
        source: "WRaft (Tang et al., SandTable, EuroSys 2024)",
        seen_by: "next-above-match",
    },
    Mutant {
        id: "raft/snapshot-off-by-one",
        mechanism: "a snapshot says that it ends one entry later than it does",
        source: "redisraft#43",
        seen_by: "snapshot-order, snapshots-agree",
    },
    Mutant {
        id: "raft/snapshot-index-back",
        mechanism: "an older snapshot that arrives late is installed",
        source: "hashicorp/raft#248",
        seen_by: "monotonic-commit",
    },
    Mutant {
        id: "raft/snapshot-keeps-conflict",
        mechanism: "the entries behind a snapshot stay though another leader's entry stands at its end",
        source: "hashicorp/raft#697, hashicorp/raft#704",
        seen_by: "log-matching",
    },
    Mutant {
        id: "raft/session-forgotten",
        mechanism: "the client table is not in the snapshot, so that a retried command runs twice",
        source: "TigerBeetle client table notes",
        seen_by: "snapshots-agree, linearizability",
    },
    Mutant {
        id: "raft/reconfigure-before-noop",
        mechanism: "the members change before an entry of the leader's term is committed, so that two single changes can pass each other",
        source: "raft-dev 2015 (Ongaro), copycat#23",
        seen_by: "election-safety, leader-completeness",
    },
    Mutant {
        id: "raft/ignores-uncommitted-config",
        mechanism: "a node counts by the last committed members, not by the newest in its log",
        source: "NuRaft#67",
        seen_by: "committed-on-quorum, election-safety, leader-completeness",
    },
    Mutant {
        id: "raft/leaver-never-stands",
        mechanism: "who lost its vote by an entry that is not committed stands for no election, and gives its vote to nobody who lacks the entry",
        source: "Raft dissertation 4.2.2; Stormglass, found in this Raft by its own storm",
        seen_by: "progress",
    },
    Mutant {
        id: "raft/two-changes-at-once",
        mechanism: "a change of members begins while another is not committed",
        source: "Raft dissertation 4.1",
        seen_by: "one-change-at-a-time",
    },
    Mutant {
        id: "raft/joint-new-majority-only",
        mechanism: "in a joint configuration the new voters alone elect a leader",
        source: "Raft 6, figure 10",
        seen_by: "election-safety, leader-completeness",
    },
    Mutant {
        id: "raft/lease-ignores-drift",
        mechanism: "a lease lasts the whole election timeout, whatever the clocks do",
        source: "raft-rs#234, tikv#1595",
        seen_by: "linearizability",
    },
    Mutant {
        id: "raft/lease-through-transfer",
        mechanism: "a lease is kept though another node was told to take over",
        source: "openraft#1747",
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
            may_commit: |_, _, replicas, members| members.agree(replicas),
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
        "raft/prevote-low-term-stuck" => Rules {
            answers_older: |pre| !pre,
            ..paper
        },
        "raft/new-leader-truncates" => Rules {
            tail_of_new_leader: |commit, _| commit,
            ..paper
        },
        "raft/purged-prev-deletes" => Rules {
            base_conflicts: |here, base| here != Some(base),
            ..paper
        },
        "raft/stale-refusal" => Rules {
            after_refusal: |_, resume, _, _| Some(resume),
            ..paper
        },
        "raft/snapshot-off-by-one" => Rules {
            snapshot_end: |applied, last| applied.next().min(last),
            ..paper
        },
        "raft/snapshot-index-back" => Rules {
            may_install: |_, _| true,
            ..paper
        },
        "raft/snapshot-keeps-conflict" => Rules {
            keeps_tail: |here, _| here.is_some(),
            ..paper
        },
        "raft/session-forgotten" => Rules {
            goes_into_snapshot: |_| false,
            ..paper
        },
        "raft/reconfigure-before-noop" => Rules {
            may_change_members: |_, _, under_way| !under_way,
            ..paper
        },
        "raft/ignores-uncommitted-config" => Rules {
            members_in_force: |_, committed| committed,
            ..paper
        },
        "raft/leaver-never-stands" => Rules {
            may_stand: |has_vote, _| has_vote,
            ..paper
        },
        "raft/two-changes-at-once" => Rules {
            may_change_members: |committed, leader, _| committed == leader,
            ..paper
        },
        "raft/joint-new-majority-only" => Rules {
            wins_election: |votes, members| members.voters.has_majority_in(votes),
            ..paper
        },
        "raft/lease-ignores-drift" => Rules {
            lease_ns: |election_min_ns, _| election_min_ns,
            ..paper
        },
        "raft/lease-through-transfer" => Rules {
            lease_holds: |since_sent_ns, lease_ns, _| since_sent_ns < lease_ns,
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
