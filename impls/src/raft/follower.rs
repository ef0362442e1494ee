//! Taking entries from a leader (Raft 5.3).

use super::members::Members;
use super::message::{Body, Entry, Index, Payload, Position, Round, Write};
use super::turn::Turn;
use super::{Raft, Role};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;

impl<M: Machine> Raft<M> {
    /// An append from the leader of this term.
    pub(super) fn take_append(
        &mut self,
        leader: NodeId,
        base: Position,
        entries: Vec<Entry<M::Command>>,
        (leader_commit, round): (Index, Round),
        turn: &mut Turn<'_, M>,
    ) {
        assert_continues(base, &entries);
        self.follow_leader(leader, turn);
        // What stands before this log's own base is committed, and the same in every leader's log.
        let known = self.log.base().index.0.saturating_sub(base.index.0) as usize;
        let compacted = known > 0;
        let hint = self.log.hint(base.index);
        let here = self.log.position(base.index).map(|here| here.term);
        if (self.rules().base_conflicts)(here, base.term) {
            self.remove_from(base.index, turn);
        }
        if !compacted && !self.log.contains(base) {
            self.claim(
                leader,
                Body::Rejected {
                    base: base.index,
                    hint,
                    round,
                },
                turn,
            );
            return;
        }
        let matched = Index(base.index.0 + entries.len() as u64).max(self.log.base().index);
        let entries = entries.into_iter().skip(known).collect();
        self.take_entries(entries, turn);
        let last = self.log.last().index;
        let commit = (self.rules().follower_commit)(self.commit, leader_commit, matched, last);
        self.commit_to(commit, turn);
        self.claim(leader, Body::Accepted { matched, round }, turn);
    }

    /// Adds what is new. Entries that are already there stay, and so does what follows them: an old append arriving late must not
    /// shorten the log. Only an entry of another term at the same index shows that this log and what follows is wrong.
    fn take_entries(&mut self, entries: Vec<Entry<M::Command>>, turn: &mut Turn<'_, M>) {
        let known = entries
            .iter()
            .take_while(|entry| self.log.contains(entry.position))
            .count();
        let mut new: Vec<_> = entries.into_iter().skip(known).collect();
        let index = |entry: Option<&Entry<_>>| entry.map(|entry| entry.position.index);
        let (Some(first), Some(last_new)) = (index(new.first()), index(new.last())) else {
            return;
        };
        if first <= self.log.last().index {
            let goes = self.rules().conflict_removes;
            let old = self.log.after(first.previous()).iter();
            new.extend(
                old.filter(|entry| !goes(entry.position.index, first, last_new))
                    .cloned(),
            );
            self.remove_from(first, turn);
        }
        let before = self.log.members();
        new.iter().for_each(|entry| self.log.push(entry.clone()));
        if new
            .iter()
            .any(|entry| matches!(entry.payload, Payload::Members(_)))
        {
            self.note_members(before, turn);
        }
        turn.writes.push(Write::Append(new));
    }

    /// Removes the entries from an index on, which are another leader's. That none of them is committed is for the rules to see to and for
    /// an invariant to watch.
    pub(super) fn remove_from(&mut self, from: Index, turn: &mut Turn<'_, M>) {
        let before = self.log.members();
        self.log.truncate(from);
        turn.writes.push(Write::Truncate { from });
        turn.effects.note(Fact::Truncated { from: from.0 });
        self.note_members(before, turn);
    }

    /// Says that the members in the log are others than before, if they are.
    pub(super) fn note_members(&self, before: Members, turn: &mut Turn<'_, M>) {
        let now = self.log.members();
        if now != before {
            let voters = now.voters.union(now.outgoing);
            turn.effects.note(Fact::MembersChanged { voters });
        }
    }

    /// The leader of this term was heard: it is followed.
    pub(super) fn follow_leader(&mut self, leader: NodeId, turn: &mut Turn<'_, M>) {
        assert!(!self.is_leader(), "a term has one leader");
        if !matches!(self.role, Role::Follower { leader: Some(known), .. } if known == leader) {
            self.follow(self.term, Some(leader), turn);
        }
        self.heard_leader(turn);
    }
}

/// The law of what a leader sends: its entries follow their base without a gap, and terms never fall along a log.
fn assert_continues<C>(base: Position, entries: &[Entry<C>]) {
    let mut before = base;
    for Entry { position, .. } in entries {
        assert!(
            position.index == before.index.next(),
            "an append has no gap"
        );
        assert!(
            position.term >= before.term,
            "terms never fall along an append"
        );
        before = *position;
    }
}
