//! Phase 2: proposing, counting acceptances, sending again what got lost (Paxos Made Simple, 2.2 and section 3).

use super::message::{Accepted, Ballot, Body, Proposal, Round, Slot, Timer, Value};
use super::reads::PendingRead;
use super::{Held, Paxos, Role, Turn};
use crate::contract::{Answer, ClientId, Fact, NodeId, Refusal, RequestId, Session};
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::session::{Act, Stamps, Submission};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader<M: Machine> {
    /// In which ballot it leads.
    pub(super) ballot: Ballot,
    /// Who accepted, by slot: the slots that are proposed and not yet chosen. They follow the chosen ones without a gap.
    pub(super) open: BTreeMap<Slot, NodeSet>,
    /// How many bytes wait in them.
    pub(super) open_bytes: u64,
    /// The next slot to propose in.
    pub(super) next: Slot,
    /// Its seal, once it has proposed one. It proposes nothing behind that.
    pub(super) sealed: Option<Slot>,
    /// What was proposed from here on was proposed since the last heartbeat, and need not be sent again yet.
    fresh: Slot,
    /// What is known of each other node that was heard or sent something again.
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// Which acceptors have answered since a quorum of them had.
    pub(super) answers: NodeSet,
    /// How many heartbeats went by without that; counted no further than it matters.
    silence: u64,
    /// The newest round begun.
    pub(super) round: Round,
    /// Reads that wait, at most one a client.
    pub(super) reads: Vec<PendingRead<M::Query>>,
    /// Its share of replicated time, where sessions expire.
    stamps: Option<Stamps>,
}

/// What a leader knows of another node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    /// How far it knows the log to be chosen, once it was heard in this ballot. May be more than its leader knows.
    pub(super) chosen: Option<Slot>,
    /// The last slot that was sent to it again. When it accepts that, the next ones follow.
    resent: Option<Slot>,
}

/// Whose request it is: the client, its session, its number.
pub(super) type Asker = (ClientId, Session, RequestId);

/// What a value takes in the log beside a command.
const VALUE_BYTES: u64 = 32;

/// About how many bytes a value takes.
pub(super) fn bytes_of<M: Machine>(value: &Value<M::Command>) -> u64 {
    match value {
        Value::Command(submission) => VALUE_BYTES + submission.weight::<M>(),
        Value::Noop | Value::Seal(_) => VALUE_BYTES,
    }
}

impl<M: Machine> Paxos<M> {
    /// Phase 1 is complete. Proposes again what the promises reported, and from now on whatever clients ask.
    pub(super) fn lead(
        &mut self,
        ballot: Ballot,
        proposals: Vec<Proposal<M::Command>>,
        turn: &mut Turn<'_, M>,
    ) {
        let stamped = proposals
            .iter()
            .filter_map(|proposal| match &proposal.value {
                Value::Command(submission) => Some(submission.at_ms),
                Value::Noop | Value::Seal(_) => None,
            });
        let stamped_ms = stamped.fold(self.sessions.now_ms(), u64::max);
        assert!(
            ballot == self.promised,
            "who leads has promised no higher ballot"
        );
        let first = self.chosen.next();
        let expire = self.knobs().session_ms > 0;
        self.role = Role::Leader(Leader {
            ballot,
            open: BTreeMap::new(),
            open_bytes: 0,
            next: first,
            sealed: None,
            fresh: first,
            peers: BTreeMap::new(),
            answers: NodeSet::EMPTY,
            silence: 0,
            round: Round(0),
            reads: Vec::new(),
            stamps: expire.then(|| Stamps::begin(stamped_ms, turn.now)),
        });
        let epoch = ballot.epoch();
        turn.effects.note(Fact::BecameLeader { epoch });
        turn.effects.cancel_timer(Timer::Election);
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        if proposals.is_empty() {
            self.tell_all(turn);
        }
        self.propose(proposals, turn);
        for _ in 0..self.habits().noops_per_leadership {
            self.propose_next(Value::Noop, turn);
        }
    }

    /// Takes a client's command: puts it into a slot, unless it is in one or was applied: a retry runs nothing twice.
    pub(super) fn take_command(
        &mut self,
        asker: Asker,
        command: M::Command,
        turn: &mut Turn<'_, M>,
    ) {
        let (client, session, request_id) = asker;
        let Role::Leader(leader) = &self.role else {
            return turn.effects.reply(client, request_id, self.not_leader());
        };
        let answered = self.sessions.answered(client, session, request_id);
        let expires = self.knobs().session_ms > 0;
        let known = answered.is_some() || self.is_open(asker);
        if !(self.habits().puts_into_log)(known) {
            // Without an answer yet, it is in a slot: the answer comes when that is chosen.
            if let Some(answer) = answered {
                turn.effects.reply(client, request_id, answer);
            }
            return;
        }
        let submission = Submission {
            client,
            session,
            request_id,
            at_ms: leader.stamps.map_or(0, |stamps| stamps.at(turn.now)),
            act: match expires && session == Session(0) {
                true => Act::Open,
                false => Act::Run(command),
            },
        };
        let value = Value::Command(Arc::new(submission));
        match self.has_room(bytes_of::<M>(&value)) {
            Ok(()) => self.propose_next(value, turn),
            Err(refusal) => turn
                .effects
                .reply(client, request_id, Answer::Refused(refusal)),
        }
    }

    /// Whether a command is proposed and not yet chosen.
    fn is_open(&self, (client, session, request_id): Asker) -> bool {
        let Role::Leader(leader) = &self.role else {
            return false;
        };
        let next = leader.next;
        let mut open = self
            .log
            .after(self.chosen)
            .take_while(|entry| entry.slot < next);
        open.any(|entry| match &entry.value {
            Value::Command(known) => {
                (known.client, known.session, known.request_id) == (client, session, request_id)
            }
            Value::Noop | Value::Seal(_) => false,
        })
    }

    /// Whether a leader may propose something more, of so many bytes: not behind its seal, and not while too much is open.
    pub(super) fn has_room(&self, bytes: u64) -> Result<(), Refusal> {
        let Role::Leader(leader) = &self.role else {
            return Err(Refusal::NotLeader { leader: None });
        };
        let knobs = self.knobs();
        if leader.sealed.is_some() {
            return Err(Refusal::ChangeUnderWay);
        }
        if leader.open.len() >= knobs.uncommitted_max
            || leader.open_bytes + bytes > knobs.uncommitted_bytes_max
        {
            // A leader that nobody answers will not have room soon: its clients had better ask another node.
            return Err(match leader.silence >= self.silence_max() {
                true => Refusal::NotLeader { leader: None },
                false => Refusal::Overloaded {
                    retry_after_ms: knobs.heartbeat_interval_ms,
                },
            });
        }
        Ok(())
    }

    /// Phase 2a for a value in the next slot.
    pub(super) fn propose_next(&mut self, value: Value<M::Command>, turn: &mut Turn<'_, M>) {
        if let Role::Leader(leader) = &self.role
            && leader.sealed.is_none()
        {
            let slot = leader.next;
            self.propose(vec![Proposal { slot, value }], turn);
        }
    }

    /// Phase 2a. The leader is the first acceptor of its own proposals; they leave before its own acceptance is durable, for they claim nothing.
    fn propose(&mut self, proposals: Vec<Proposal<M::Command>>, turn: &mut Turn<'_, M>) {
        let (Some(first), Role::Leader(leader)) = (proposals.first(), &mut self.role) else {
            return;
        };
        let first = first.slot;
        let ballot = leader.ballot;
        let mut slots = Vec::new();
        for Proposal { slot, value } in proposals {
            assert!(slot == leader.next, "a leader proposes slot after slot");
            assert!(leader.sealed.is_none(), "nothing is proposed behind a seal");
            if let Value::Seal(_) = value {
                leader.sealed = Some(slot);
            }
            leader.next = slot.next();
            leader.open.insert(slot, NodeSet::EMPTY);
            leader.open_bytes += bytes_of::<M>(&value);
            slots.push(Accepted {
                slot,
                ballot,
                value,
            });
        }
        for entry in slots {
            turn.held.push(Held::OwnAcceptance(ballot, entry.slot));
            self.accept(entry, turn);
        }
        for acceptor in self.fellow_acceptors() {
            let mut from = Some(first);
            while let Some(next) = from {
                from = self.send_accept(acceptor, next, |_, _| true, turn);
            }
        }
    }

    /// Sends an acceptor the open proposals from a slot on that are wanted, as many as a message holds. Gives the slot to go on with.
    fn send_accept(
        &self,
        acceptor: NodeId,
        from: Slot,
        wanted: impl Fn(Slot, NodeSet) -> bool,
        turn: &mut Turn<'_, M>,
    ) -> Option<Slot> {
        let Role::Leader(leader) = &self.role else {
            return None;
        };
        let knobs = self.knobs();
        let open = leader.open.range(from..);
        let wanted = open.filter(|(slot, acceptances)| wanted(**slot, **acceptances));
        let (mut proposals, mut bytes, mut rest) = (Vec::new(), 0, None);
        for (slot, _) in wanted {
            let value = &self
                .log
                .get(*slot)
                .expect("what is open is in the log")
                .value;
            bytes += bytes_of::<M>(value);
            let full =
                proposals.len() == knobs.entries_per_append_max || bytes > knobs.append_bytes_max;
            if full && !proposals.is_empty() {
                rest = Some(*slot);
                break;
            }
            proposals.push(Proposal {
                slot: *slot,
                value: value.clone(),
            });
        }
        if !proposals.is_empty() {
            let (ballot, chosen) = (leader.ballot, self.chosen);
            self.send(
                acceptor,
                Body::Accept {
                    ballot,
                    proposals,
                    chosen,
                },
                turn,
            );
        }
        rest
    }

    /// An acceptor, or the leader itself, has accepted durably.
    pub(super) fn take_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        slots: &[Slot],
        turn: &mut Turn<'_, M>,
    ) {
        let is_acceptor = self.era.acceptors.contains(from);
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if ballot != leader.ballot || !is_acceptor {
            return;
        }
        leader.answers.insert(from);
        for slot in slots {
            if let Some(acceptances) = leader.open.get_mut(slot) {
                acceptances.insert(from);
            }
        }
        let resent = leader.peers.get(&from).and_then(|peer| peer.resent);
        let goes_on = resent.filter(|slot| slots.contains(slot));
        self.choose(turn);
        if let Some(slot) = goes_on {
            self.send_again(from, slot.next(), turn);
        }
    }

    /// Counts: what a quorum has accepted in this ballot is chosen, slot after slot.
    fn choose(&mut self, turn: &mut Turn<'_, M>) {
        let (quorum, is_chosen) = (self.quorums().accept, self.rules().is_chosen);
        while let Role::Leader(leader) = &mut self.role {
            let Some((slot, acceptances)) = leader.open.first_key_value() else {
                break;
            };
            if !is_chosen(acceptances.len(), quorum) {
                break;
            }
            let slot = *slot;
            let entry = self.log.get(slot).expect("what is open is in the log");
            leader.open_bytes -= bytes_of::<M>(&entry.value);
            leader.open.pop_first();
            self.defeats = 0;
            assert!(slot == self.chosen.next(), "open slots follow the chosen");
            self.apply(slot, turn);
        }
        self.serve_reads(turn);
    }

    /// Lets itself be heard, and sends again what an acceptor should have accepted by now.
    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() {
            return self.prepare_again(turn);
        }
        if self.falls_silent() && self.knobs().check_quorum {
            return self.follow(None, turn);
        }
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.tell_all(turn);
        for acceptor in self.fellow_acceptors() {
            self.send_again(acceptor, self.chosen.next(), turn);
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.fresh = leader.next;
        }
    }

    /// Counts a heartbeat, and whether a phase 2 quorum has answered since the last. Says whether none has for as long as others wait for a leader.
    fn falls_silent(&mut self) -> bool {
        let (id, quorum, max) = (self.id(), self.quorums().accept, self.silence_max());
        let Role::Leader(leader) = &mut self.role else {
            return false;
        };
        match leader.answers.with(id).len() >= quorum {
            true => (leader.answers, leader.silence) = (NodeSet::EMPTY, 0),
            false => leader.silence = (leader.silence + 1).min(max),
        }
        leader.silence >= max
    }

    /// How many heartbeats make an election timeout, the longest.
    fn silence_max(&self) -> u64 {
        let timeout_ns = self.knobs().election_timeout.max_ns;
        timeout_ns / self.heartbeat_interval().min_ns.max(1) + 1
    }

    /// A heartbeat to every node: those without a vote listen too.
    pub(super) fn tell_all(&self, turn: &mut Turn<'_, M>) {
        for peer in self.peers() {
            self.send_heartbeat(peer, turn);
        }
    }

    /// A heartbeat. Its round asks for an answer that no earlier heartbeat could have got.
    pub(super) fn send_heartbeat(&self, peer: NodeId, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let (ballot, chosen, round) = (leader.ballot, self.chosen, leader.round);
        self.send(
            peer,
            Body::Heartbeat {
                ballot,
                chosen,
                round,
            },
            turn,
        );
    }

    /// Sends an acceptor one message of what it has not accepted from a slot on. The rest follows when it has accepted this.
    fn send_again(&mut self, acceptor: NodeId, from: Slot, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let fresh = leader.fresh;
        let missed =
            move |slot, acceptances: NodeSet| slot < fresh && !acceptances.contains(acceptor);
        let rest = self.send_accept(acceptor, from, missed, turn);
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let peer = leader.peers.entry(acceptor).or_default();
        let mut sent = leader.open.range(from..rest.unwrap_or(fresh).max(from));
        let last = sent.rfind(|(slot, acceptances)| missed(**slot, **acceptances));
        peer.resent = last.map(|(slot, _)| *slot);
    }
}
