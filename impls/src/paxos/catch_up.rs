//! Telling those who are behind what was chosen, by log or by snapshot; and dropping what is in a snapshot.
//!
//! Who is behind asks, and who asks is answered with a lesson: a few messages of values, or a piece of a snapshot. When a lesson is over and has brought
//! something new, the next question follows. So nobody has to remember anything about others. A heartbeat that finds a node behind, and no lesson that
//! has brought anything since the last one, makes it ask again.

use super::leader::bytes_of;
use super::log::Snapshot;
use super::message::{Accepted, Body, Era, Part, Slot};
use super::{Paxos, Turn};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;
use crate::session::Sessions;
use crate::snapshot::{Assembly, Image};

impl<M: Machine> Paxos<M> {
    /// Somebody tells how far it knows the log to be chosen. Who knows less asks; who knows more teaches at once. To tell the other in turn how far it is
    /// would begin a game of catch between two who both learn meanwhile, and every copy of a message another.
    pub(super) fn compare(&mut self, from: NodeId, chosen: Slot, turn: &mut Turn<'_, M>) {
        if chosen > self.chosen {
            self.fetch(from, turn);
        } else {
            self.teach(from, chosen, None, turn);
        }
    }

    /// Asks a node for what was chosen after the last slot known here. A leader does not ask: what it misses it decides.
    pub(super) fn fetch(&self, from: NodeId, turn: &mut Turn<'_, M>) {
        if self.is_leader() {
            return;
        }
        let part = self.assembly.as_ref().map(|assembly| Part {
            of: assembly.of,
            length: assembly.length(),
        });
        let after = self.chosen;
        self.send(from, Body::Fetch { after, part }, turn);
    }

    /// Answers one who is behind: with values, or with a piece of the snapshot that holds them.
    pub(super) fn teach(
        &self,
        to: NodeId,
        after: Slot,
        part: Option<Part>,
        turn: &mut Turn<'_, M>,
    ) {
        if after >= self.chosen {
            return;
        }
        if after >= self.log.dropped() {
            return self.teach_values(to, after, turn);
        }
        let snapshot = self.snapshot.as_ref();
        let Snapshot { slot, image } = snapshot.expect("what was dropped is in a snapshot");
        let begun = part.filter(|part| part.of == *slot);
        let offset = begun.map_or(0, |part| part.length);
        let bytes = image.chunk(offset, self.knobs().snapshot_chunk_bytes);
        self.send(
            to,
            Body::Chunk {
                of: *slot,
                total: image.len(),
                offset,
                bytes: bytes.to_vec(),
            },
            turn,
        );
    }

    /// A lesson: the chosen values after a slot, as many messages of them as may be on their way to one node.
    fn teach_values(&self, to: NodeId, after: Slot, turn: &mut Turn<'_, M>) {
        let knobs = self.knobs();
        let chosen = self.chosen;
        let (mut lesson, mut bytes_all) = (Vec::new(), 0);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let values = self.log.after(after);
        for entry in values.take_while(|entry| entry.slot <= chosen) {
            let weight = bytes_of::<M>(&entry.value);
            let full = entries.len() == knobs.entries_per_append_max
                || bytes + weight > knobs.append_bytes_max;
            if full && !entries.is_empty() {
                lesson.push(std::mem::take(&mut entries));
                bytes = 0;
            }
            let enough = lesson.len() >= knobs.appends_in_flight_max.max(1)
                || bytes_all + weight > knobs.bytes_in_flight_max;
            if enough && !lesson.is_empty() {
                break;
            }
            (bytes, bytes_all) = (bytes + weight, bytes_all + weight);
            entries.push(entry.clone());
        }
        if !entries.is_empty() {
            lesson.push(entries);
        }
        let last = lesson.last().and_then(|entries| entries.last());
        let ends = last.map_or(after, |entry| entry.slot);
        for entries in lesson {
            let body = Body::Learn {
                entries,
                ends,
                chosen,
            };
            self.send(to, body, turn);
        }
    }

    /// Learns chosen values. A leader learns by counting alone: what it proposed in a slot it must not take for chosen on another's word.
    pub(super) fn take_learned(
        &mut self,
        from: NodeId,
        entries: Vec<Accepted<M::Command>>,
        (ends, chosen): (Slot, Slot),
        turn: &mut Turn<'_, M>,
    ) {
        if self.is_leader() {
            return;
        }
        let before = self.chosen;
        for entry in entries {
            let slot = entry.slot;
            if slot != self.chosen.next() {
                continue;
            }
            // What was accepted with the same value stays, with its ballot: it may be one of the acceptances that made it chosen.
            let held = self.log.get(slot);
            if held.is_none_or(|held| held.value != entry.value) {
                turn.learned.push(entry.clone());
                self.log.insert(entry);
            }
            self.apply(slot, turn);
        }
        self.caught_up(before, turn);
        if before < self.chosen {
            self.is_taught = true;
            if self.chosen >= ends && self.chosen < chosen {
                self.fetch(from, turn);
            }
        }
    }

    /// Takes a piece of a snapshot, and installs it when it is whole.
    pub(super) fn take_chunk(
        &mut self,
        from: NodeId,
        of: Slot,
        (total, offset, bytes): (usize, usize, &[u8]),
        turn: &mut Turn<'_, M>,
    ) {
        if self.is_leader() || of <= self.chosen {
            return;
        }
        if self.assembly.as_ref().is_none_or(|known| known.of != of) {
            self.assembly = Some(Assembly::new(of, total));
        }
        let assembly = self.assembly.as_mut().expect("it was begun");
        let before = assembly.length();
        assembly.add(offset, bytes);
        let grew = assembly.length() > before;
        if let Some(image) = assembly.finish() {
            self.install(Snapshot { slot: of, image }, turn);
        }
        if grew {
            self.is_taught = true;
            self.fetch(from, turn);
        }
    }

    /// Goes on from a snapshot. What was accepted behind it stays accepted, unless an era ended in it.
    fn install(&mut self, snapshot: Snapshot, turn: &mut Turn<'_, M>) {
        let slot = snapshot.slot;
        let before = self.chosen;
        let (era, sessions) = Self::open_image(&snapshot.image);
        let ended = era.number > self.era.number;
        self.log.drop_through(slot);
        if ended {
            self.log.truncate(slot);
            turn.truncated = Some(slot);
        }
        (self.era, self.sessions, self.chosen) = (era, sessions, slot);
        self.assembly = None;
        self.snapshot = Some(snapshot.clone());
        turn.snapshot = Some((snapshot, slot));
        turn.effects.note(Fact::SnapshotInstalled { index: slot.0 });
        if ended {
            let voters = era.acceptors;
            turn.effects.note(Fact::MembersChanged { voters });
            if self.is_candidate() {
                self.follow(None, turn);
            }
        }
        self.caught_up(before, turn);
    }

    /// This node knows more than before: a candidate may have waited for that.
    fn caught_up(&mut self, before: Slot, turn: &mut Turn<'_, M>) {
        if self
            .assembly
            .as_ref()
            .is_some_and(|part| part.of <= self.chosen)
        {
            self.assembly = None;
        }
        if self.chosen > before {
            self.lead_if_prepared(turn);
        }
    }

    /// Makes a snapshot when it is time for one, and drops the log before it but for what is kept for those who are a little behind.
    pub(super) fn compact(&mut self, turn: &mut Turn<'_, M>) {
        let every = self.knobs().snapshot_every;
        let last = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.slot.0);
        if every == 0 || self.chosen.0 - last < every {
            return;
        }
        let slot = (self.rules().snapshot_covers)(self.chosen);
        let image = Image::of(&(self.era, &self.sessions));
        let snapshot = Snapshot { slot, image };
        let drops = Slot(slot.0.saturating_sub(self.knobs().entries_kept));
        self.log.drop_through(drops);
        self.snapshot = Some(snapshot.clone());
        turn.snapshot = Some((snapshot, drops));
        turn.effects.note(Fact::SnapshotTaken { index: slot.0 });
    }

    /// What a snapshot holds.
    ///
    /// # Panics
    /// When it is the image of something else: what a snapshot holds was written by a node of the same system.
    pub(super) fn open_image(image: &Image) -> (Era, Sessions<M>) {
        let state = image.open();
        state.unwrap_or_else(|error| panic!("a snapshot holds an era and a machine: {error}"))
    }
}
