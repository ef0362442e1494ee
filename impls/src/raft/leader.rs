//! Leading: replicating the log, committing it, serving commands and reads (Raft 5.3, 5.4.2; dissertation 6.4).

use super::message::{Body, Entry, Hint, Index, Payload, Position, Round, Timer, Write};
use super::{Held, Raft, Role, Turn};
use crate::contract::{Answer, ClientId, Fact, NodeId, RequestId, Session};
use crate::machine::Machine;
use crate::session::{Act, Submission, Told};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader<M: Machine> {
    /// How far each peer is.
    progress: BTreeMap<NodeId, Progress>,
    /// How far the leader's own log is durable.
    durable: Index,
    /// The newest round begun.
    round: Round,
    /// Reads that wait, at most one a client.
    pub(super) reads: Vec<PendingRead<M::Query>>,
}

/// How far a peer is, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Progress {
    /// The next entry to send. Always above `matched`.
    next: Index,
    /// The last entry the peer is known to hold durably. Never falls.
    matched: Index,
    /// The newest round the peer has answered.
    round: Round,
}

/// A read that waits until it is certain that this node led after the read came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRead<Q> {
    pub(super) client: ClientId,
    pub(super) request_id: RequestId,
    query: Q,
    /// The round that began after the read came.
    round: Round,
}

impl<M: Machine> Raft<M> {
    /// Won the election. The first entry of a term is a no-op: it commits what earlier terms left (dissertation 6.4, step 1).
    pub(super) fn lead(&mut self, turn: &mut Turn<'_, M>) {
        let next = self.log.last().index.next();
        let fresh = Progress {
            next,
            matched: Index(0),
            round: Round(0),
        };
        self.role = Role::Leader(Leader {
            progress: self.peers().map(|peer| (peer, fresh)).collect(),
            durable: Index(0),
            round: Round(0),
            reads: Vec::new(),
        });
        turn.effects.note(Fact::BecameLeader { epoch: self.term.0 });
        turn.effects.cancel_timer(Timer::Election);
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        for _ in 0..self.habits().noops_per_election {
            self.append(Payload::Noop, turn);
        }
    }

    /// Puts a client's command into the log, unless it is there or was applied: a retry runs nothing twice.
    pub(super) fn propose(
        &mut self,
        client: ClientId,
        session: Session,
        request_id: RequestId,
        command: M::Command,
        turn: &mut Turn<'_, M>,
    ) {
        let same = |entry: &Entry<M::Command>| match &entry.payload {
            Payload::Command(known) => (known.client, known.request_id) == (client, request_id),
            Payload::Noop => false,
        };
        let answered = self.sessions.answered(client, session, request_id);
        let known = answered.is_some() || self.log.after(self.commit).iter().any(same);
        if !(self.habits().puts_into_log)(known) {
            // Without an answer yet, it is in the log: the answer comes when it commits.
            if let Some(answer) = answered {
                turn.effects.reply(client, request_id, answer);
            }
            return;
        }
        self.append(
            Payload::Command(Arc::new(Submission {
                client,
                session,
                request_id,
                at_ms: 0,
                act: Act::Run(command),
            })),
            turn,
        );
    }

    /// Takes a read: it begins a round, and is served when a majority has answered that round.
    pub(super) fn take_read(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query: M::Query,
        turn: &mut Turn<'_, M>,
    ) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        leader.round = Round(leader.round.0 + 1);
        let round = leader.round;
        leader.reads.retain(|read| read.client != client);
        leader.reads.push(PendingRead {
            client,
            request_id,
            query,
            round,
        });
        self.peers().for_each(|peer| self.send_append(peer, turn));
        self.serve_reads(turn);
    }

    /// Lets itself be heard. A peer that missed something refuses the base, and the leader goes back for it.
    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() {
            return;
        }
        turn.effects
            .set_timer(Timer::Heartbeat, self.heartbeat_interval());
        self.peers().for_each(|peer| self.send_append(peer, turn));
    }

    /// A peer holds the log up to `matched`.
    pub(super) fn accepted(
        &mut self,
        from: NodeId,
        matched: Index,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        let last = self.log.last().index;
        let Some(progress) = self.progress_of(from) else {
            return;
        };
        assert!(matched <= last, "a follower accepts what its leader has");
        let holds_more = matched > progress.matched;
        progress.matched = progress.matched.max(matched);
        progress.next = progress.next.max(matched.next());
        progress.round = progress.round.max(round);
        let behind = progress.next <= last;
        // Most answers confirm a heartbeat, and only a new copy of an entry can make it committed.
        if holds_more {
            self.advance_commit(turn);
        }
        self.serve_reads(turn);
        if behind {
            self.send_append(from, turn);
        }
    }

    /// A peer does not have a base: goes back to where its log may agree. Refusing is an answer all the same: it confirms the round.
    pub(super) fn rejected(
        &mut self,
        from: NodeId,
        base: Index,
        hint: Hint,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        let resume = (self.habits().resume_at)(base, self.log.resume(hint));
        let Some(progress) = self.progress_of(from) else {
            return;
        };
        progress.round = progress.round.max(round);
        let stale = base <= progress.matched || base >= progress.next;
        if !stale {
            progress.next = resume.max(progress.matched.next());
        }
        self.serve_reads(turn);
        if !stale {
            self.send_append(from, turn);
        }
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

    fn progress_of(&mut self, peer: NodeId) -> Option<&mut Progress> {
        match &mut self.role {
            Role::Leader(leader) => leader.progress.get_mut(&peer),
            Role::Follower { .. } | Role::Candidate { .. } => None,
        }
    }

    fn append(&mut self, payload: Payload<M::Command>, turn: &mut Turn<'_, M>) {
        let last = self.log.last();
        assert!(self.term >= last.term, "a log is never ahead of its leader");
        let position = Position {
            index: last.index.next(),
            term: self.term,
        };
        let entry = Entry { position, payload };
        self.log.push(entry.clone());
        turn.writes.push(Write::Append(vec![entry]));
        turn.held.push(Held::OwnCopy(position, self.term));
        self.peers().for_each(|peer| self.send_append(peer, turn));
    }

    /// Sends a peer the next entries; with none left, a heartbeat. Moves on without waiting: if it is lost, the peer refuses the next
    /// base, and the leader goes back.
    fn send_append(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        let limit = self.setup().knobs.entries_per_append_max;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let round = leader.round;
        let progress = leader
            .progress
            .get_mut(&peer)
            .expect("a leader tracks every peer");
        assert!(
            progress.next > progress.matched,
            "what a peer holds is not sent again"
        );
        let base = self
            .log
            .position(progress.next.previous())
            .expect("a leader has what it sends");
        let entries: Vec<_> = self
            .log
            .after(base.index)
            .iter()
            .take(limit)
            .cloned()
            .collect();
        progress.next = Index(progress.next.0 + entries.len() as u64);
        self.send(
            peer,
            Body::Append {
                base,
                entries,
                commit: self.commit,
                round,
            },
            turn,
        );
    }

    /// Commits what a majority holds durably, as far as the rule allows.
    fn advance_commit(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let copies = || {
            leader
                .progress
                .values()
                .map(|progress| progress.matched)
                .chain([leader.durable])
        };
        let may_commit = |index: &Index| {
            let entry = self
                .log
                .position(*index)
                .expect("what was accepted is there");
            let replicas = copies().filter(|copy| copy >= index).count();
            (self.rules().may_commit)(entry.term, self.term, replicas, self.nodes())
        };
        let commit = copies()
            .filter(|copy| *copy > self.commit)
            .filter(may_commit)
            .max();
        if let Some(commit) = commit {
            self.commit_to(commit, turn);
        }
    }

    /// Serves the reads whose rounds are answered by a majority. They see everything committed so far: more than they must.
    fn serve_reads(&mut self, turn: &mut Turn<'_, M>) {
        let rules = *self.rules();
        let nodes = self.nodes();
        let committed = self
            .log
            .position(self.commit)
            .expect("a committed entry is in the log");
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if leader.reads.is_empty() || !(rules.knows_read_index)(committed.term, self.term) {
            return;
        }
        let Leader {
            progress, reads, ..
        } = leader;
        reads.retain(|read| {
            let answered = progress
                .values()
                .filter(|progress| progress.round >= read.round)
                .count();
            let served = (rules.may_serve_read)(answered + 1, nodes);
            if served {
                let output = self.sessions.query(&read.query);
                turn.effects.reply(
                    read.client,
                    read.request_id,
                    Answer::Done(Told::Output(output)),
                );
            }
            !served
        });
    }
}
