//! Learning what is chosen, and applying it (Paxos Made Simple, 2.3 and section 3).

use super::message::{Ballot, Era, Slot, Value};
use super::{Paxos, Role, Turn};
use crate::contract::Fact;
use crate::machine::Machine;
use crate::node_set::NodeSet;

impl<M: Machine> Paxos<M> {
    /// The leader of a ballot says that the log is chosen up to a slot. What of it this node accepted in that ballot it knows now; the rest it
    /// has to be told.
    pub(super) fn learn_from(&mut self, ballot: Ballot, chosen: Slot, turn: &mut Turn<'_, M>) {
        let rules = *self.rules();
        let mut known = Vec::new();
        let mut applied = self.chosen;
        for entry in self.log.after(self.chosen) {
            let in_order = (rules.applies_next)(applied, entry.slot);
            if entry.slot > chosen || !in_order || !(rules.may_learn)(entry.ballot, ballot) {
                break;
            }
            applied = entry.slot;
            known.push(entry.slot);
        }
        for slot in known {
            self.apply(slot, turn);
        }
    }

    /// Applies what was chosen in a slot. A leader tells the client.
    pub(super) fn apply(&mut self, slot: Slot, turn: &mut Turn<'_, M>) {
        assert!(slot > self.chosen, "what is applied is not applied again");
        self.chosen = slot;
        let entry = self.log.get(slot).expect("what is chosen is in the log");
        match &entry.value {
            Value::Noop => {}
            Value::Command(submission) => {
                let (client, request_id) = (submission.client, submission.request_id);
                let expire_after_ms = self.setup().knobs.session_ms;
                let answer = self
                    .sessions
                    .apply((slot.0, slot.0), submission, expire_after_ms);
                if let (Role::Leader(_), Some(answer)) = (&self.role, answer) {
                    turn.effects.reply(client, request_id, answer);
                }
            }
            Value::Seal(acceptors) => self.end_era(*acceptors, turn),
        }
        self.compact(turn);
    }

    /// A seal was chosen: its era ends here. What was accepted behind it is void.
    fn end_era(&mut self, acceptors: NodeSet, turn: &mut Turn<'_, M>) {
        self.begin_era(acceptors);
        if self.log.last() > self.chosen {
            self.log.truncate(self.chosen);
            turn.truncated = turn.truncated.or(Some(self.chosen));
        }
        turn.effects
            .note(Fact::MembersChanged { voters: acceptors });
        match self.is_leader() {
            true => self.hand_on(turn),
            false => self.follow(None, turn),
        }
    }

    fn begin_era(&mut self, acceptors: NodeSet) {
        self.era = Era {
            number: self.era.number + 1,
            after: self.chosen,
            acceptors,
        };
    }

    /// Comes back to where the disk knows the log to be chosen: from the snapshot, and over what follows it.
    pub(super) fn replay(&mut self, chosen: Slot) {
        if let Some(snapshot) = &self.snapshot {
            let state = Self::open_image(&snapshot.image);
            (self.era, self.sessions) = state;
            self.chosen = snapshot.slot;
        }
        let expire_after_ms = self.setup().knobs.session_ms;
        let known: Vec<_> = self.log.after(self.chosen).cloned().collect();
        for entry in known.into_iter().take_while(|entry| entry.slot <= chosen) {
            self.chosen = entry.slot;
            match &entry.value {
                Value::Noop => {}
                Value::Command(submission) => {
                    self.sessions
                        .apply((entry.slot.0, entry.slot.0), submission, expire_after_ms);
                }
                Value::Seal(acceptors) => self.begin_era(*acceptors),
            }
        }
        assert!(
            self.chosen == chosen,
            "what is chosen on a disk is there: up to {chosen}, not {}",
            self.chosen
        );
    }
}
