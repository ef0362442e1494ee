//! The laws, one function each, over what a step changed.

use super::super::Raft;
use super::super::message::{Entry, Index, Snapshot, Term};
use super::{Broken, Committed, RaftWatch, broken, incomplete};
use crate::contract::NodeId;
use crate::machine::Machine;
use crate::node_set::NodeSet;

/// How many snapshots are remembered. Nodes are seldom further apart.
const SNAPSHOTS_MAX: usize = 64;

impl<M: Machine> RaftWatch<M> {
    /// Remembers who led, and checks a new leader's log.
    pub(super) fn election_safety(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        if !raft.is_leader() || self.leaders.get(&raft.term()) == Some(&node) {
            return Ok(());
        }
        self.test("election-safety");
        match self.leaders.insert(raft.term(), node) {
            Some(before) => broken(
                "election-safety",
                format!("{before} and {node} both lead in term {}", raft.term()),
            ),
            None => self.leader_completeness(node, raft),
        }
    }

    /// A vote went out: from `node` to `candidate`, in a term.
    pub(super) fn one_vote_a_term(
        &mut self,
        node: NodeId,
        term: Term,
        candidate: NodeId,
    ) -> Result<(), Broken> {
        self.test("one-vote-a-term");
        match self.seen(node).vote.replace((term, candidate)) {
            Some((before, other)) if before == term && other != candidate => broken(
                "one-vote-a-term",
                format!("{node} votes in term {term} for {other} and for {candidate}"),
            ),
            _ => Ok(()),
        }
    }

    /// `node` removes entries. Asked after the step: who leads now led when it removed them, or was elected in that very step.
    pub(super) fn leader_append_only(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
    ) -> Result<(), Broken> {
        self.test("leader-append-only");
        match raft.is_leader() {
            true => broken(
                "leader-append-only",
                format!("{node} leads in term {} and removes entries", raft.term()),
            ),
            false => Ok(()),
        }
    }

    /// By log matching, a log that holds the last of those entries holds all before it.
    fn leader_completeness(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let mut earlier = self.committed.iter();
        let earlier = earlier.rfind(|committed| committed.term < raft.term());
        let Some(last) = earlier.map(|committed| committed.position) else {
            return Ok(());
        };
        self.test("leader-completeness");
        match self.seen(node).log.holds(last) {
            true => Ok(()),
            false => incomplete(node, raft, last),
        }
    }

    /// `entries` are new in the log of `node`, behind an entry of the term `before`. They may be gone from it by the end of the same step, but
    /// they were there.
    pub(super) fn log_matching(
        &mut self,
        node: NodeId,
        mut before: Term,
        entries: &[Entry<M::Command>],
    ) -> Result<(), Broken> {
        for entry in entries {
            let (known, was_seen) = self.entries.known(entry.position, before, &entry.payload);
            if known.0 != before || known.1 != entry.payload {
                let place = entry.position;
                let text = if known.0 != before {
                    let other = known.0;
                    format!(
                        "{node} holds {place:?} behind term {before}, elsewhere it stands behind term {other}"
                    )
                } else {
                    let (here, there) = (&entry.payload, &known.1);
                    format!("{node} holds {here:?} at {place:?}, elsewhere it is {there:?}")
                };
                return broken("log-matching", text);
            }
            if was_seen {
                self.test("log-matching");
            }
            before = entry.position.term;
        }
        Ok(())
    }

    /// Asked of a leader that is the first to commit: the last of those entries, and with it all before it, is durable at a majority.
    pub(super) fn committed_on_quorum(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
    ) -> Result<(), Broken> {
        let commit = raft.commit();
        if !raft.is_leader() || commit.0 as usize <= self.committed.len() {
            return Ok(());
        }
        let Some(last) = self.seen(node).log.position(commit) else {
            return Ok(());
        };
        self.test("committed-on-quorum");
        let holders: NodeSet = (1..)
            .map(NodeId)
            .zip(&self.nodes)
            .filter(|(_, seen)| seen.durable.holds(last))
            .map(|(holder, _)| holder)
            .collect();
        // What is committed may itself have led to a change of members, which did not count then.
        let members = raft.log().members_at(commit);
        match members.agree(holders) || raft.log().members().agree(holders) {
            true => Ok(()),
            false => broken(
                "committed-on-quorum",
                format!(
                    "{node} commits {last:?}, which is durable at {holders} of the members {members:?}"
                ),
            ),
        }
    }

    /// `node` removes its entries from an index on. Who is still in an older term than the one in which they were committed may be told to by a
    /// leader of that older term: it counted for nothing when they were.
    pub(super) fn committed_immutable(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
        from: Index,
    ) -> Result<(), Broken> {
        self.test("committed-immutable");
        // There is nothing before the first entry, whatever a broken node says.
        let from = from.max(Index(1));
        let first = self.seen(node).log.position(from);
        let committed = self.committed.get(from.previous().0 as usize);
        let committed = committed.filter(|known| known.term <= raft.term());
        let gone = first.filter(|first| committed.is_some_and(|known| known.position == *first));
        match gone {
            None => Ok(()),
            Some(gone) => broken(
                "committed-immutable",
                format!("{node} removes the committed entry {gone:?}"),
            ),
        }
    }

    /// Compares what was newly committed with the one committed log, and extends that.
    pub(super) fn state_machine_safety(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
    ) -> Result<(), Broken> {
        let commit = raft.commit();
        let seen = self.seen(node);
        let from = std::mem::replace(&mut seen.commit, commit);
        for index in from.0 + 1..=commit.0 {
            // What a snapshot brought is compared at its end.
            let Some(position) = self.nodes[node.index()].log.position(Index(index)) else {
                continue;
            };
            match self.committed.get(index as usize - 1) {
                None if self.committed.len() as u64 + 1 == index => {
                    self.committed.push(Committed {
                        position,
                        term: raft.term(),
                    });
                }
                Some(known) if known.position == position => self.test("state-machine-safety"),
                other => {
                    let there = other.map_or("nothing".to_string(), |known| {
                        format!("{:?}", known.position)
                    });
                    let text =
                        format!("{node} applied the entry {position:?} where {there} was applied");
                    return broken("state-machine-safety", text);
                }
            }
        }
        Ok(())
    }

    pub(super) fn monotonic_term(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let seen = self.seen(node);
        let before = std::mem::replace(&mut seen.term, raft.term());
        if raft.term() < before {
            return broken(
                "monotonic-term",
                format!("the term of {node} fell from {before} to {}", raft.term()),
            );
        }
        if raft.term() > before {
            self.test("monotonic-term");
        }
        Ok(())
    }

    pub(super) fn monotonic_commit(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let seen = self.seen(node);
        let before = seen.commit;
        if raft.commit() < before {
            // A fall is told once; what the node commits from there on is looked at again.
            seen.commit = raft.commit();
            return broken(
                "monotonic-commit",
                format!(
                    "the commit index of {node} fell from {before} to {}",
                    raft.commit()
                ),
            );
        }
        if raft.commit() > before {
            self.test("monotonic-commit");
        }
        Ok(())
    }

    pub(super) fn snapshot_order(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        if raft.snapshot().is_none() {
            return Ok(());
        }
        self.test("snapshot-order");
        out_of_order(node, raft)
    }

    pub(super) fn snapshots_agree(
        &mut self,
        node: NodeId,
        snapshot: &Snapshot,
    ) -> Result<(), Broken> {
        let (last, image) = (snapshot.last, &snapshot.image);
        let first = self.snapshots.entry(last.index);
        let (other, known) = first.or_insert_with(|| (node, image.clone())).clone();
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_first();
        }
        if known != *image {
            return broken(
                "snapshots-agree",
                format!("the snapshots of {other} and {node} up to {last:?} differ"),
            );
        }
        if other != node {
            self.test("snapshots-agree");
        }
        Ok(())
    }

    pub(super) fn next_above_match(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        if raft.is_leader() {
            self.test("next-above-match");
        }
        progress_wrong(node, raft)
    }

    pub(super) fn one_change_at_a_time(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
    ) -> Result<(), Broken> {
        if raft.log().members_index() <= raft.commit() {
            return Ok(());
        }
        self.test("one-change-at-a-time");
        changes_wrong(node, raft, Index(self.committed.len() as u64))
    }
}

/// Where a node's snapshot, commit index and log should stand, and do not.
pub(super) fn out_of_order<M: Machine>(node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
    let Some(snapshot) = raft.snapshot() else {
        return Ok(());
    };
    let (base, end) = (raft.log().base().index, snapshot.last.index);
    let (commit, last) = (raft.commit(), raft.log().last().index);
    match base <= end && end <= commit && commit <= last {
        true => Ok(()),
        false => broken(
            "snapshot-order",
            format!(
                "{node} compacted up to {base}, has a snapshot up to {end}, committed up to {commit}, and its log ends at {last}"
            ),
        ),
    }
}

/// A leader that sends what is there already, or takes more for granted than it has.
pub(super) fn progress_wrong<M: Machine>(node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
    let last = raft.log().last().index;
    for (peer, progress) in raft.progress_of_peers() {
        let (next, matched) = (progress.next, progress.matched);
        if next <= matched || matched > last {
            return broken(
                "next-above-match",
                format!(
                    "{node} sends {peer} the entry {next} next, of whom it knows that it holds {matched}; its own log ends at {last}"
                ),
            );
        }
    }
    Ok(())
}

/// A leader with two changes of members under way. A new leader need not know how far its log is committed: what matters is how far it is.
pub(super) fn changes_wrong<M: Machine>(
    node: NodeId,
    raft: &Raft<M>,
    committed: Index,
) -> Result<(), Broken> {
    let changes = raft.log().changes_after(committed);
    match raft.is_leader() && changes > 1 {
        false => Ok(()),
        true => broken(
            "one-change-at-a-time",
            format!("{node} leads with {changes} changes of members that are not committed"),
        ),
    }
}
