//! What a leader knows of each of the others, and what it sends it next (Raft 5.3; dissertation 10.2).
//!
//! Three stages. *Probing*, the leader does not know where the follower's log agrees with its own: it sends one append and waits, for an answer or
//! for the next heartbeat. *Replicating*, it sends ahead, as far as a window of messages and bytes lets it; what does not fit
//! gathers and goes as a batch when something is accepted. *Sending a snapshot*, because what comes next is compacted: one part at a
//! time, each begun where the follower says that the last one ended.

use super::leader::weight;
use super::message::{Body, Entry, Hint, Index, Position, Round, Snapshot};
use super::turn::Turn;
use super::{Raft, Role};
use crate::contract::{Effects, NodeId, Now};
use crate::machine::Machine;
use std::collections::VecDeque;

/// How far a follower or learner is, as its leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The next entry to send. Always above `matched`.
    pub next: Index,
    /// The last entry it is known to hold durably. Never falls.
    pub matched: Index,
    /// The newest round it has answered.
    pub(super) round: Round,
    /// Whether it was heard since the leader last looked.
    pub(super) heard: bool,
    pub(super) stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// `waits`: an append is under way that will say where the logs agree.
    Probing { waits: bool },
    /// The appends with entries that are under way, oldest first: the last entry and the bytes of each.
    Replicating { in_flight: VecDeque<(Index, u64)> },
    /// `offset`: how many bytes the follower has. `waits`: a part is under way.
    Sending {
        snapshot: Snapshot,
        offset: usize,
        waits: bool,
    },
}

impl Progress {
    /// Nothing is known of it but that it may have the leader's log.
    pub(super) fn unknown(last: Index) -> Self {
        Self {
            next: last.next(),
            matched: Index(0),
            round: Round(0),
            heard: false,
            stage: Stage::Probing { waits: false },
        }
    }

    /// How many appends and bytes are under way.
    fn under_way(&self) -> (usize, u64) {
        match &self.stage {
            Stage::Replicating { in_flight } => (
                in_flight.len(),
                in_flight.iter().map(|(_, bytes)| bytes).sum(),
            ),
            Stage::Probing { .. } | Stage::Sending { .. } => (0, 0),
        }
    }
}

impl<M: Machine> Raft<M> {
    /// Sends a follower what its stage allows: entries, a probe, a part of a snapshot, or nothing.
    pub(super) fn send_more(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        while self.send_one(peer, turn) {}
    }

    /// A leader tells one follower how far the log is committed, before the time has come to be heard.
    pub(crate) fn tell_commit(&mut self, peer: NodeId, now: Now, effects: &mut Effects<Self>) {
        let mut turn = Turn {
            effects,
            now,
            before: (self.term, self.vote),
            writes: Vec::new(),
            held: Vec::new(),
        };
        self.send_round(peer, &mut turn);
        self.close(turn);
    }

    /// Lets a follower hear from its leader: what there is to send, or an append without entries. What was sent before may be lost, so
    /// nothing waits for its answer any more.
    pub(super) fn send_heartbeat(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        let Some(progress) = self.progress_of(peer) else {
            return;
        };
        match &mut progress.stage {
            Stage::Probing { waits } | Stage::Sending { waits, .. } => *waits = false,
            Stage::Replicating { .. } => {}
        }
        if !self.send_one(peer, turn) {
            self.send_empty(peer, turn);
        } else {
            self.send_more(peer, turn);
        }
    }

    /// Lets a follower hear of a new round at once.
    pub(super) fn send_round(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        if !self.send_one(peer, turn) {
            self.send_empty(peer, turn);
        }
    }

    /// An append without entries, behind what was sent.
    fn send_empty(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) {
        let (commit, round) = (self.commit, self.round());
        let Some(progress) = self.progress_of(peer) else {
            return;
        };
        let behind = progress.next.previous();
        let base = self.log.position(behind).unwrap_or(self.log.base());
        let entries = Vec::new();
        let append = Body::Append {
            base,
            entries,
            commit,
            round,
        };
        self.send(peer, append, turn);
    }

    /// Sends one message with entries or a part of a snapshot, if the stage allows one. In doubt an append without entries asks where the
    /// logs agree. Gives whether something was sent.
    fn send_one(&mut self, peer: NodeId, turn: &mut Turn<'_, M>) -> bool {
        let knobs = self.knobs();
        let (entries_max, bytes_max) = (knobs.entries_per_append_max, knobs.append_bytes_max);
        let window = (knobs.appends_in_flight_max, knobs.bytes_in_flight_max);
        let part_bytes_max = knobs.snapshot_chunk_bytes;
        let (commit, round) = (self.commit, self.round());
        let Role::Leader(leader) = &mut self.role else {
            return false;
        };
        let Some(progress) = leader.progress.get_mut(&peer) else {
            return false;
        };
        let base = self.log.position(progress.next.previous());
        if let (None, Some(snapshot)) = (base, &self.snapshot)
            && !matches!(progress.stage, Stage::Sending { .. })
        {
            progress.stage = Stage::Sending {
                snapshot: snapshot.clone(),
                offset: 0,
                waits: false,
            };
        }
        let body = match (&mut progress.stage, base) {
            (Stage::Probing { waits: true } | Stage::Sending { waits: true, .. }, _) => {
                return false;
            }
            (
                Stage::Sending {
                    snapshot,
                    offset,
                    waits,
                },
                _,
            ) => {
                *waits = true;
                let Snapshot {
                    last,
                    members,
                    image,
                } = snapshot;
                Self::part(*last, *members, image, *offset, (part_bytes_max, round))
            }
            (_, None) => unreachable!("a leader without a snapshot has its whole log"),
            (Stage::Probing { waits }, Some(base)) => {
                *waits = true;
                let (entries, _) = batch::<M>(self.log.after(base.index), entries_max, bytes_max);
                Body::Append {
                    base,
                    entries,
                    commit,
                    round,
                }
            }
            (Stage::Replicating { .. }, Some(base)) => {
                let (count, bytes) = progress.under_way();
                let full = count >= window.0 || (count > 0 && bytes >= window.1);
                if full || base.index >= self.log.last().index {
                    return false;
                }
                let (entries, bytes) =
                    batch::<M>(self.log.after(base.index), entries_max, bytes_max);
                let last = Index(base.index.0 + entries.len() as u64);
                progress.next = last.next();
                if let Stage::Replicating { in_flight } = &mut progress.stage {
                    in_flight.push_back((last, bytes));
                }
                Body::Append {
                    base,
                    entries,
                    commit,
                    round,
                }
            }
        };
        self.send(peer, body, turn);
        true
    }

    /// A follower holds the log up to `matched`.
    pub(super) fn accepted(
        &mut self,
        from: NodeId,
        matched: Index,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        let last = self.log.last().index;
        let Some(progress) = self.heard(from, round) else {
            return;
        };
        assert!(matched <= last, "a follower accepts what its leader has");
        let holds_more = matched > progress.matched;
        progress.matched = progress.matched.max(matched);
        progress.next = progress.next.max(matched.next());
        match &mut progress.stage {
            Stage::Probing { .. } => progress.replicate(),
            Stage::Replicating { in_flight } => {
                while in_flight.front().is_some_and(|(last, _)| *last <= matched) {
                    in_flight.pop_front();
                }
            }
            Stage::Sending { snapshot, .. } if matched >= snapshot.last.index => {
                progress.replicate();
            }
            Stage::Sending { .. } => {}
        }
        // Most answers confirm a heartbeat, and only a new copy of an entry can make it committed.
        if holds_more {
            self.advance_commit(turn);
        }
        self.serve_reads(turn);
        self.send_more(from, turn);
        self.hand_over_if_ready(turn);
    }

    /// A follower does not have a base: goes back to where its log may agree. Refusing is an answer all the same: it confirms the round.
    pub(super) fn rejected(
        &mut self,
        from: NodeId,
        base: Index,
        hint: Hint,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        let resume = (self.habits().resume_at)(base, self.log.resume(hint));
        let after_refusal = self.rules().after_refusal;
        let Some(progress) = self.heard(from, round) else {
            return;
        };
        let sending = matches!(progress.stage, Stage::Sending { .. });
        let next = after_refusal(base, resume, progress.matched, progress.next);
        if let (false, Some(next)) = (sending, next) {
            progress.next = next;
            progress.stage = Stage::Probing { waits: false };
        }
        self.serve_reads(turn);
        self.send_more(from, turn);
    }

    /// A follower has a snapshot up to an offset: the next part begins there, be it further on or back. Where the part under way begins there already,
    /// this was heard before: one part for every copy of an answer would be more and more of them.
    pub(super) fn received(
        &mut self,
        from: NodeId,
        last: Position,
        received: usize,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        let Some(progress) = self.heard(from, round) else {
            return;
        };
        if let Stage::Sending {
            snapshot,
            offset,
            waits,
        } = &mut progress.stage
            && snapshot.last == last
            && *offset != received
        {
            (*offset, *waits) = (received, false);
        }
        self.serve_reads(turn);
        self.send_more(from, turn);
    }

    /// A follower answered in this term.
    fn heard(&mut self, from: NodeId, round: Round) -> Option<&mut Progress> {
        let progress = self.progress_of(from)?;
        progress.round = progress.round.max(round);
        progress.heard = true;
        Some(progress)
    }

    pub(super) fn progress_of(&mut self, peer: NodeId) -> Option<&mut Progress> {
        match &mut self.role {
            Role::Leader(leader) => leader.progress.get_mut(&peer),
            _ => None,
        }
    }
}

impl Progress {
    /// It is known where the logs agree.
    fn replicate(&mut self) {
        self.next = self.matched.next();
        self.stage = Stage::Replicating {
            in_flight: VecDeque::new(),
        };
    }
}

/// The first of these entries that fit into one append, at least one; and their bytes.
fn batch<M: Machine>(
    entries: &[Entry<M::Command>],
    count_max: usize,
    bytes_max: u64,
) -> (Vec<Entry<M::Command>>, u64) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for entry in entries.iter().take(count_max) {
        let with = bytes + weight::<M>(&entry.payload);
        if !batch.is_empty() && with > bytes_max {
            break;
        }
        bytes = with;
        batch.push(entry.clone());
    }
    (batch, bytes)
}
