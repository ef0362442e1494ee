//! Snapshots: taking them, sending them in parts, installing them (Raft 7).

use super::boot::mutants_of;
use super::members::Members;
use super::message::{Body, Index, Position, Round, Snapshot, Write};
use super::turn::Turn;
use super::{Raft, Role};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;
use crate::session::Sessions;
use crate::snapshot::{Assembly, Image};

/// For how many bytes of its newest snapshot a node waits for one more entry: making an image costs as much as the state is large, and so its share
/// of the cost of an entry stays the same however large the state grows.
const IMAGE_BYTES_AN_ENTRY: u64 = 256;

/// A part of a snapshot on its way.
pub(super) struct Part {
    pub(super) last: Position,
    pub(super) members: Members,
    pub(super) total: usize,
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

impl<M: Machine> Raft<M> {
    /// Makes a snapshot when enough was applied since the last one, and forgets what stands well before it.
    pub(super) fn take_snapshot(&mut self, turn: &mut Turn<'_, M>) {
        let (every, kept) = (self.knobs().snapshot_every, self.knobs().entries_kept);
        let newest = self.snapshot.as_ref();
        let (since, bytes) = newest.map_or((0, 0), |snapshot| {
            (snapshot.last.index.0, snapshot.image.len() as u64)
        });
        let pause = every.max(bytes / IMAGE_BYTES_AN_ENTRY);
        if every == 0 || self.commit.0 < since + pause {
            return;
        }
        let rules = *self.rules();
        let end = (rules.snapshot_end)(self.commit, self.log.last().index);
        let last = self.log.position(end);
        let snapshot = Snapshot {
            last: last.expect("what is applied is in the log"),
            members: self.log.members_at(end),
            image: self.sessions.image(rules.goes_into_snapshot),
        };
        turn.effects.note(Fact::SnapshotTaken { index: end.0 });
        turn.writes.push(Write::Snapshot(snapshot.clone()));
        let up_to = Index(end.0.saturating_sub(kept));
        if up_to > self.log.base().index {
            let members = self.log.members_at(up_to);
            self.log.compact(up_to, members);
            turn.writes.push(Write::Compact { up_to, members });
        }
        self.snapshot = Some(snapshot);
    }

    /// A part of a snapshot from the leader of this term. It is kept until the whole is there, and then installed.
    pub(super) fn take_part(
        &mut self,
        leader: NodeId,
        part: Part,
        round: Round,
        turn: &mut Turn<'_, M>,
    ) {
        self.follow_leader(leader, turn);
        let Part {
            last,
            members,
            total,
            offset,
            bytes,
        } = part;
        if !(self.rules().may_install)(self.commit, last.index) {
            let matched = self.commit;
            self.claim(leader, Body::Accepted { matched, round }, turn);
            return;
        }
        let Role::Follower { incoming, .. } = &mut self.role else {
            unreachable!("who heard its leader follows it");
        };
        let assembly = match incoming {
            Some(assembly) if assembly.of == last => assembly,
            _ => incoming.insert(Assembly::new(last, total)),
        };
        assembly.add(offset, &bytes);
        let offset = assembly.length();
        if let Some(image) = assembly.finish() {
            *incoming = None;
            self.install(
                Snapshot {
                    last,
                    members,
                    image,
                },
                turn,
            );
            let matched = last.index;
            self.claim(leader, Body::Accepted { matched, round }, turn);
        } else {
            let received = Body::Received {
                last,
                offset,
                round,
            };
            self.claim(leader, received, turn);
        }
    }

    /// Takes over a snapshot in place of the log up to its last entry.
    fn install(&mut self, snapshot: Snapshot, turn: &mut Turn<'_, M>) {
        let (last, members) = (snapshot.last, snapshot.members);
        let here = self.log.position(last.index).map(|here| here.term);
        let keeps_tail = (self.rules().keeps_tail)(here, last.term);
        let before = self.log.members();
        self.log.install(last, members, keeps_tail);
        let (_, of_machine) = mutants_of::<M>(self.setup());
        self.sessions = Sessions::begun(Some(&snapshot.image), of_machine);
        self.commit = last.index;
        let index = last.index.0;
        turn.effects.note(Fact::SnapshotInstalled { index });
        self.note_members(before, turn);
        turn.writes.push(Write::Install {
            snapshot: snapshot.clone(),
            keeps_tail,
        });
        self.snapshot = Some(snapshot);
    }

    /// The part of a snapshot that begins at an offset, as a message.
    pub(super) fn part(
        last: Position,
        members: Members,
        image: &Image,
        offset: usize,
        (length_max, round): (usize, Round),
    ) -> Body<M::Command> {
        Body::Chunk {
            last,
            members,
            total: image.len(),
            offset,
            bytes: image.chunk(offset, length_max).to_vec(),
            round,
        }
    }
}
