//! Taking entries from a leader (Raft 5.3).

use super::message::{Body, Entry, Index, Position, Round, Timer, Write};
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
        if !matches!(self.role, Role::Follower { leader: Some(known) } if known == leader) {
            self.follow(self.term, Some(leader), turn);
        }
        turn.effects
            .set_timer(Timer::Election, self.setup().knobs.election_timeout);
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
        let commit = (self.rules().follower_commit)(self.commit, leader_commit, matched);
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
        let new: Vec<_> = entries.into_iter().skip(known).collect();
        let Some(first) = new.first().map(|entry| entry.position.index) else {
            return;
        };
        if first <= self.log.last().index {
            assert!(first > self.commit, "a committed entry is never removed");
            self.log.truncate(first);
            turn.writes.push(Write::Truncate { from: first });
            turn.effects.note(Fact::Truncated { from: first.0 });
        }
        new.iter().for_each(|entry| self.log.push(entry.clone()));
        turn.writes.push(Write::Append(new));
    }
}
