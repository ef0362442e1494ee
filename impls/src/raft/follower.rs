//! Taking entries from a leader (Raft 5.3).

use super::message::{Body, Entry, Index, Position, Round, Write};
use super::{Raft, Role, Turn};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;

impl<M: Machine> Raft<M> {
    /// An append from the leader of this term.
    pub(super) fn take_append(
        &mut self,
        leader: NodeId,
        base: Position,
        entries: Vec<Entry<M::Command>>,
        leader_commit: Index,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        assert!(!self.is_leader(), "a term has one leader");
        assert_continues(base, &entries);
        if !matches!(self.role, Role::Follower { leader: Some(known) } if known == leader) {
            self.follow(self.term, Some(leader), turn);
        }
        self.await_leader(turn);
        if !self.log.contains(base) {
            let hint = self.log.hint(base.index);
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
        let matched = Index(base.index.0 + entries.len() as u64);
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
            assert!(first > self.commit, "a committed entry is never removed");
            let goes = self.rules().conflict_removes;
            let old = self.log.after(first.previous()).iter();
            new.extend(
                old.filter(|entry| !goes(entry.position.index, first, last_new))
                    .cloned(),
            );
            self.log.truncate(first);
            turn.writes.push(Write::Truncate { from: first });
            turn.effects.note(Fact::Truncated { from: first.0 });
        }
        new.iter().for_each(|entry| self.log.push(entry.clone()));
        turn.writes.push(Write::Append(new));
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
