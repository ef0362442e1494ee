//! Leading: appending to the log, committing it, serving commands (Raft 5.3, 5.4.2).

use super::membership::Transfer;
use super::message::{Entry, Index, Payload, Position, Timer, Write};
use super::progress::Progress;
use super::reads::{PendingRead, Rounds};
use super::turn::{Held, Turn};
use super::{Raft, Role};
use crate::contract::{Answer, ClientId, DelayRange, Fact, NodeId, Refusal, RequestId, Session};
use crate::knobs::{Knobs, Reads};
use crate::machine::Machine;
use crate::node_set::NodeSet;
use crate::session::{Act, Stamps, Submission};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader<M: Machine> {
    /// How far each of the other members is.
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// How far the leader's own log is durable.
    durable: Index,
    /// The rounds by which it asks whether it still leads.
    pub(super) rounds: Rounds,
    /// Reads that wait, at most one a client, those of older rounds first.
    pub(super) reads: Vec<PendingRead<M::Query>>,
    /// What waits to be committed.
    open: Open,
    /// The replicated time of what it appends, where sessions expire.
    stamps: Option<Stamps>,
    /// Whom it is handing over to.
    pub(super) transfer: Option<Transfer>,
    /// Whether it told anybody in this term to take over.
    pub(super) handed_over: bool,
}

/// The commands in the log that are not committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Open {
    /// The newest of each client.
    newest: BTreeMap<ClientId, RequestId>,
    bytes: u64,
}

/// What every configuration must have, or nothing would ever move.
pub(super) fn assert_sound(knobs: &Knobs) {
    assert!(
        knobs.entries_per_append_max > 0,
        "an append that can hold no entry replicates nothing"
    );
    assert!(
        knobs.appends_in_flight_max > 0,
        "a window that lets nothing pass replicates nothing"
    );
    assert!(
        knobs.snapshot_chunk_bytes > 0,
        "a snapshot in parts of nothing never arrives"
    );
    assert!(
        knobs.reads != Reads::Lease || knobs.check_quorum,
        "a lease rests on trust in leaders, which check_quorum brings"
    );
}

/// About how many bytes an entry takes: its command's, and some for the rest.
pub(super) fn weight<M: Machine>(payload: &Payload<M::Command>) -> u64 {
    const REST: u64 = 16;
    match payload {
        Payload::Command(submission) => REST + submission.weight::<M>(),
        Payload::Noop | Payload::Members(_) => REST,
    }
}

impl Open {
    fn add<M: Machine>(&mut self, payload: &Payload<M::Command>) {
        self.bytes += weight::<M>(payload);
        if let Payload::Command(submission) = payload {
            let newest = self.newest.entry(submission.client);
            let newest = newest.or_insert(submission.request_id);
            *newest = submission.request_id.max(*newest);
        }
    }

    fn remove<M: Machine>(&mut self, payload: &Payload<M::Command>) {
        self.bytes = self.bytes.saturating_sub(weight::<M>(payload));
        if let Payload::Command(submission) = payload
            && self.newest.get(&submission.client) == Some(&submission.request_id)
        {
            self.newest.remove(&submission.client);
        }
    }
}

impl<M: Machine> Raft<M> {
    /// Won the election. The first entry of a term is a no-op: it commits what earlier terms left (dissertation 6.4, step 1).
    pub(super) fn lead(&mut self, turn: &mut Turn<'_, M>) {
        let last = self.log.last().index;
        let tail = (self.rules().tail_of_new_leader)(self.commit, last);
        if tail < last {
            self.remove_from(tail.next(), turn);
        }
        let last = self.log.last().index;
        let mut open = Open::default();
        let uncommitted = self.log.after(self.commit).iter();
        let uncommitted = uncommitted.map(|entry| &entry.payload);
        uncommitted
            .clone()
            .for_each(|payload| open.add::<M>(payload));
        let stamped = uncommitted.filter_map(|payload| match payload {
            Payload::Command(submission) => Some(submission.at_ms),
            Payload::Noop | Payload::Members(_) => None,
        });
        let newest_ms = stamped.fold(self.sessions.now_ms(), u64::max);
        let expire = self.knobs().session_ms > 0;
        self.trusts = false;
        self.role = Role::Leader(Leader {
            progress: self
                .peers()
                .map(|peer| (peer, Progress::unknown(last)))
                .collect(),
            durable: Index(0),
            rounds: Rounds::default(),
            reads: Vec::new(),
            open,
            stamps: expire.then(|| Stamps::begin(newest_ms, turn.now)),
            transfer: None,
            handed_over: false,
        });
        turn.effects.note(Fact::BecameLeader { epoch: self.term.0 });
        turn.effects.cancel_timer(Timer::Election);
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.await_quorum(turn);
        for _ in 0..self.habits().noops_per_election {
            self.append(Payload::Noop, turn);
        }
    }

    /// Looks after the longest election timeout whether a majority was heard.
    fn await_quorum(&self, turn: &mut Turn<'_, M>) {
        if self.knobs().check_quorum {
            let longest_ns = self.knobs().election_timeout.max_ns;
            let range = DelayRange {
                min_ns: longest_ns,
                max_ns: longest_ns,
            };
            turn.effects.set_timer(Timer::Quorum, range);
        }
    }

    /// A leader that a majority has not answered for an election timeout leads nobody: it steps down, so that clients look elsewhere
    /// (dissertation 6.2).
    pub(super) fn look_for_quorum(&mut self, turn: &mut Turn<'_, M>) {
        let mut heard = NodeSet::EMPTY.with(self.id());
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        for (peer, progress) in &mut leader.progress {
            if std::mem::take(&mut progress.heard) {
                heard.insert(*peer);
            }
        }
        if self.members().agree(heard) {
            self.await_quorum(turn);
        } else {
            self.follow(self.term, None, turn);
        }
    }

    /// Puts a client's command into the log, unless it is there or was applied: a retry runs nothing twice.
    pub(super) fn propose(
        &mut self,
        (client, session, request_id): (ClientId, Session, RequestId),
        command: M::Command,
        turn: &mut Turn<'_, M>,
    ) {
        let knobs = self.knobs();
        let (entries_max, bytes_max) = (knobs.uncommitted_max, knobs.uncommitted_bytes_max);
        let retry_after_ms = knobs.heartbeat_interval_ms;
        let opens = knobs.session_ms > 0 && session == Session(0);
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let answered = self.sessions.answered(client, session, request_id);
        let known = answered.is_some() || leader.open.newest.get(&client) == Some(&request_id);
        if !(self.habits().puts_into_log)(known) {
            // Without an answer yet, it is in the log: the answer comes when it commits.
            if let Some(answer) = answered {
                turn.effects.reply(client, request_id, answer);
            }
            return;
        }
        let uncommitted = (self.log.last().index.0 - self.commit.0) as usize;
        let full = uncommitted >= entries_max || leader.open.bytes >= bytes_max;
        let refusal = match (&leader.transfer, full) {
            (Some(_), _) => Some(Refusal::ChangeUnderWay),
            (None, true) => Some(Refusal::Overloaded { retry_after_ms }),
            (None, false) => None,
        };
        if let Some(refusal) = refusal {
            turn.effects
                .reply(client, request_id, Answer::Refused(refusal));
            return;
        }
        let at_ms = leader.stamps.map_or(0, |stamps| stamps.at(turn.now));
        let act = if opens { Act::Open } else { Act::Run(command) };
        let submission = Submission {
            client,
            session,
            request_id,
            at_ms,
            act,
        };
        self.append(Payload::Command(Arc::new(submission)), turn);
    }

    /// Lets itself be heard. A peer that missed something refuses the base, and the leader goes back for it.
    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() {
            return;
        }
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.begin_round_if_wanted(turn);
        self.peers()
            .for_each(|peer| self.send_heartbeat(peer, turn));
    }

    /// The leader's own log is durable up to here.
    pub(super) fn own_copy(&mut self, last: Index, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        leader.durable = leader.durable.max(last);
        self.advance_commit(turn);
        self.serve_reads(turn);
    }

    /// Puts an entry into the log and sends it.
    pub(super) fn append(&mut self, payload: Payload<M::Command>, turn: &mut Turn<'_, M>) {
        let last = self.log.last();
        assert!(self.term >= last.term, "a log is never ahead of its leader");
        let position = Position {
            index: last.index.next(),
            term: self.term,
        };
        if let Role::Leader(leader) = &mut self.role {
            leader.open.add::<M>(&payload);
        }
        let before = self.log.members();
        let entry = Entry { position, payload };
        self.log.push(entry.clone());
        self.note_members(before, turn);
        self.track_members();
        turn.writes.push(Write::Append(vec![entry]));
        turn.held.push(Held::OwnCopy(position, self.term));
        self.peers().for_each(|peer| self.send_more(peer, turn));
    }

    /// Commits what a majority holds durably, as far as the rule allows.
    pub(super) fn advance_commit(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let own = (self.id(), leader.durable);
        let copies = || {
            let peers = leader.progress.iter();
            peers
                .map(|(peer, progress)| (*peer, progress.matched))
                .chain([own])
        };
        let members = self.members();
        let may_commit = |index: &Index| {
            let entry = self
                .log
                .position(*index)
                .expect("what was accepted is there");
            let replicas: NodeSet = copies()
                .filter(|(_, copy)| copy >= index)
                .map(|(node, _)| node)
                .collect();
            (self.rules().may_commit)(entry.term, self.term, replicas, &members)
        };
        let commit = copies()
            .map(|(_, copy)| copy)
            .filter(|copy| *copy > self.commit)
            .filter(may_commit)
            .max();
        let Some(commit) = commit else { return };
        let before = self.commit;
        if let Role::Leader(leader) = &mut self.role {
            for entry in self.log.between(before, commit) {
                leader.open.remove::<M>(&entry.payload);
            }
        }
        self.commit_to(commit, turn);
        self.members_committed(turn);
    }
}
