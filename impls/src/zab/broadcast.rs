//! Phase 3: the leader proposes, a quorum accepts, all deliver (Zab 2011, section 4.1).

use super::impossible::Impossible;
use super::leader::{Stretch, bytes_of};
use super::log::Snapshot;
use super::message::{Message, Place, Timer, Txn, Value, Zxid};
use super::rules::Stage;
use super::{Held, Phase, Role, Turn, Zab};
use crate::contract::{Answer, ClientId, Fact, NodeId, Refusal, RequestId, Session};
use crate::machine::Machine;
use crate::session::{Act, Stamps, Submission};
use std::sync::Arc;

/// Whose request it is: the client, its session, its number.
pub(super) type Asker = (ClientId, Session, RequestId);

impl<M: Machine> Zab<M> {
    /// A quorum has this leader's history: all of it is committed, and from now on it proposes what clients ask.
    pub(super) fn begin_broadcast(&mut self, initial: Place, turn: &mut Turn<'_, M>) {
        let expire = self.knobs().session_ms > 0;
        let stamped = self.log.after(self.delivered).iter();
        let stamped = stamped.filter_map(|txn| match &txn.value {
            Value::Command(submission) => Some(submission.at_ms),
            Value::Noop => None,
        });
        let stamped_ms = stamped.fold(self.sessions.now_ms(), u64::max);
        let acked = self.log.last();
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        leader.stretch = Stretch::Broadcast { initial };
        leader.stamps = expire.then(|| Stamps::begin(stamped_ms, turn.now));
        leader.own_acked = acked;
        leader.patience = 0;
        let epoch = leader.epoch.expect("a quorum has its history").0;
        turn.effects.note(Fact::BecameLeader { epoch });
        turn.effects.cancel_timer(Timer::Election);
        self.deliver_through(initial, turn);
        let committed = self.delivered_zxid();
        for peer in self.audience(|stage| stage == Stage::Current) {
            self.send(peer, Message::UpToDate { committed }, turn);
        }
        for _ in 0..self.habits().noops_per_leadership {
            self.propose(Value::Noop, turn);
        }
    }

    /// Takes a client's command: proposes it, unless it is open or was delivered: a retry runs nothing twice.
    pub(super) fn take_command(
        &mut self,
        asker: Asker,
        command: M::Command,
        turn: &mut Turn<'_, M>,
    ) {
        let (client, session, request_id) = asker;
        let stamps = match &self.role {
            Role::Leading(leader) if leader.broadcasts() => leader.stamps,
            _ => return turn.effects.reply(client, request_id, self.not_leader()),
        };
        let answered = self.sessions.answered(client, session, request_id);
        let known = answered.is_some() || self.is_open(asker);
        if !(self.habits().puts_into_log)(known) {
            // Without an answer yet, it is open: the answer comes when it is delivered.
            if let Some(answer) = answered {
                turn.effects.reply(client, request_id, answer);
            }
            return;
        }
        let expires = self.knobs().session_ms > 0;
        let submission = Submission {
            client,
            session,
            request_id,
            at_ms: stamps.map_or(0, |stamps| stamps.at(turn.now)),
            act: match expires && session == Session(0) {
                true => Act::Open,
                false => Act::Run(command),
            },
        };
        let value = Value::Command(Arc::new(submission));
        if let Err(refusal) = self.make_room(bytes_of::<M>(&value), turn) {
            let refused = Answer::Refused(refusal);
            return turn.effects.reply(client, request_id, refused);
        }
        self.propose(value, turn);
    }

    /// Whether this node leads and a quorum has its history.
    pub(super) fn broadcasts(&self) -> bool {
        matches!(&self.role, Role::Leading(leader) if leader.broadcasts())
    }

    /// Whether a command is proposed and not yet delivered.
    fn is_open(&self, (client, session, request_id): Asker) -> bool {
        let mut open = self.log.after(self.delivered).iter();
        open.any(|txn| match &txn.value {
            Value::Command(known) => {
                (known.client, known.session, known.request_id) == (client, session, request_id)
            }
            Value::Noop => false,
        })
    }

    /// Why nothing more may be proposed now, of so many bytes. An epoch whose counter is used up ends here.
    pub(super) fn make_room(&mut self, bytes: u64, turn: &mut Turn<'_, M>) -> Result<(), Refusal> {
        let knobs = self.knobs();
        let open = (self.log.last_place().0 - self.delivered.0) as usize;
        let Role::Leading(leader) = &self.role else {
            return Err(Refusal::NotLeader { leader: None });
        };
        let is_full = open >= knobs.uncommitted_max
            || leader.open_bytes + bytes > knobs.uncommitted_bytes_max;
        let used_up = self.next_zxid().is_none();
        // What is open in an epoch that is used up can still be committed in it.
        if is_full || (used_up && open > 0) {
            return Err(Refusal::Overloaded {
                retry_after_ms: knobs.heartbeat_interval_ms,
            });
        }
        if used_up {
            self.look(turn);
            return Err(Refusal::NotLeader { leader: None });
        }
        Ok(())
    }

    /// Which transaction this leader proposes next, if its epoch has room for one.
    fn next_zxid(&self) -> Option<Zxid> {
        let Role::Leading(leader) = &self.role else {
            return None;
        };
        let counter_max = self.knobs().zxids_per_epoch_max;
        (self.rules().next_zxid)(self.log.last(), leader.epoch?, counter_max)
    }

    /// Proposes. The leader is the first to accept; the proposal leaves before that is durable, for it claims nothing.
    pub(super) fn propose(&mut self, value: Value<M::Command>, turn: &mut Turn<'_, M>) {
        let Some(zxid) = self.next_zxid() else {
            return;
        };
        let hears_proposals = self.rules().hears_proposals;
        if let Role::Leading(leader) = &mut self.role {
            leader.open_bytes += bytes_of::<M>(&value);
        }
        let txn = Txn { zxid, value };
        self.log.append(txn.clone());
        turn.appended.push(txn.clone());
        turn.held.push(Held::OwnProposal(zxid));
        for peer in self.audience(hears_proposals) {
            let txns = vec![txn.clone()];
            self.send(peer, Message::Propose { txns }, turn);
        }
    }

    /// A follower is sent transactions: of the history that it comes to have, or proposals, which it accepts.
    pub(super) fn take_proposals(
        &mut self,
        proposed: Vec<Txn<M::Command>>,
        turn: &mut Turn<'_, M>,
    ) {
        match self.phase() {
            Some(Phase::Synchronisation {
                taking: Some(taking),
            }) => return taking.txns.extend(proposed),
            Some(Phase::Synchronised | Phase::Broadcast) => {}
            _ => return self.fail(Impossible::ProposedTooSoon, turn),
        }
        for txn in proposed {
            if txn.zxid <= self.log.last() {
                return self.fail(Impossible::OutOfOrder, turn);
            }
            self.log.append(txn.clone());
            turn.appended.push(txn);
        }
        let zxid = self.log.last();
        if let Role::Following(follower) = &self.role {
            self.claim(follower.leader, Message::Ack { zxid }, turn);
        }
    }

    /// A follower has accepted everything up to a proposal.
    pub(super) fn take_ack(&mut self, from: NodeId, zxid: Zxid, turn: &mut Turn<'_, M>) {
        let last = self.log.last();
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let Some(peer) = leader.peers.get_mut(&from) else {
            return;
        };
        if peer.stage != Stage::Current || zxid > last || zxid < peer.acked {
            self.impossible(Impossible::AcknowledgesTheUnknown, turn);
            return self.part_with(from, turn);
        }
        peer.acked = zxid;
        self.count_acks(turn);
    }

    /// The leader itself has accepted everything up to a proposal.
    pub(super) fn own_proposal_durable(&mut self, zxid: Zxid, turn: &mut Turn<'_, M>) {
        if let Role::Leading(leader) = &mut self.role {
            leader.own_acked = zxid;
        }
        self.count_acks(turn);
    }

    /// Commits what a quorum has accepted of this leader's proposals.
    pub(super) fn count_acks(&mut self, turn: &mut Turn<'_, M>) {
        let (nodes, is_committed) = (usize::from(self.setup().nodes), self.rules().is_committed);
        let committed = self.delivered_zxid();
        let Role::Leading(leader) = &self.role else {
            return;
        };
        if !leader.broadcasts() {
            return;
        }
        let current = leader.peers.values();
        let current = current.filter(|peer| peer.stage == Stage::Current);
        let mut acked: Vec<Zxid> = current.map(|peer| peer.acked).collect();
        acked.push(leader.own_acked);
        acked.sort_unstable();
        let of_quorum = acked.iter().rev().enumerate();
        let of_quorum = of_quorum
            .map(|(at, zxid)| (at + 1, *zxid))
            .find(|(count, _)| is_committed(*count, nodes));
        let Some((_, zxid)) = of_quorum.filter(|(_, zxid)| *zxid > committed) else {
            return;
        };
        let place = self.log.place_of(zxid);
        self.deliver_through(place.expect("what was acknowledged was proposed"), turn);
        for peer in self.audience(|stage| stage == Stage::Current) {
            self.send(peer, Message::Commit { zxid }, turn);
        }
    }

    /// A follower hears that everything up to a transaction is committed.
    pub(super) fn commit(&mut self, zxid: Zxid, turn: &mut Turn<'_, M>) {
        if !matches!(self.phase(), Some(Phase::Broadcast)) {
            return self.fail(Impossible::CommittedTooSoon, turn);
        }
        match self.log.place_of(zxid) {
            Some(place) => self.deliver_through(place, turn),
            // What is committed may have been dropped here, as it was delivered long ago.
            None if zxid < self.log.dropped().1 => {}
            None => self.fail(Impossible::CommitsWhatItLacks, turn),
        }
    }

    /// Delivers everything up to a place.
    fn deliver_through(&mut self, place: Place, turn: &mut Turn<'_, M>) {
        while self.delivered < place {
            self.deliver_next(turn);
        }
        self.serve_reads(turn);
        self.compact(turn);
    }

    /// Delivers the next transaction. A leader tells the client.
    fn deliver_next(&mut self, turn: &mut Turn<'_, M>) {
        let place = self.delivered.next();
        let txn = self.log.get(place).expect("what is delivered is there");
        self.delivered = place;
        let bytes = bytes_of::<M>(&txn.value);
        if let Value::Command(submission) = &txn.value {
            let (client, request_id) = (submission.client, submission.request_id);
            let expire_after_ms = self.fixed.setup().knobs.session_ms;
            let at = (place.0, txn.zxid.as_number());
            let answer = self.sessions.apply(at, submission, expire_after_ms);
            if let (Role::Leading(_), Some(answer)) = (&self.role, answer) {
                turn.effects.reply(client, request_id, answer);
            }
        }
        if let Role::Leading(leader) = &mut self.role
            && let Stretch::Broadcast { initial } = leader.stretch
            && place > initial
        {
            leader.open_bytes -= bytes;
        }
    }

    /// Makes a snapshot when it is time for one, and drops the log before it but for what is kept for those who are a little behind.
    fn compact(&mut self, turn: &mut Turn<'_, M>) {
        let (every, kept) = (self.knobs().snapshot_every, self.knobs().entries_kept);
        let last = self.snapshot.as_ref().map_or(0, |known| known.place.0);
        let place = self.delivered;
        if every == 0 || place.0 - last < every {
            return;
        }
        let snapshot = Snapshot {
            zxid: self.delivered_zxid(),
            place,
            image: self.sessions.image(|_| true),
        };
        let drops = Place(place.0.saturating_sub(kept)).max(self.log.dropped().0);
        self.log.drop_through(drops);
        self.snapshot = Some(snapshot.clone());
        turn.snapshot = Some((snapshot, drops));
        turn.effects.note(Fact::SnapshotTaken { index: place.0 });
    }
}
