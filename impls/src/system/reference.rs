//! Gives a core the face of a system.

use super::{
    Broken, Budget, DecodeError, DiskImage, Erased, Harmless, InvariantInfo, Member, Mutant,
    Reference, Setup, System, Watch, Word,
};
use crate::contract::{Data, Disk, Effect, Effects, Input, Node, NodeId, Now};
use crate::explored::{Memory, Names, NodeState};
use crate::facts::FactKind;
use crate::knobs::Reads;
use crate::manage::{Manage, Report};
use crate::node_set::NodeSet;
use crate::parcel::Parcel;
use crate::snapshot::Image;
use std::any::Any;
use std::hash::Hasher;
use std::marker::PhantomData;

pub(crate) struct Typed<N: Node> {
    pub(crate) core: N,
    /// What the step under way wants done. Empty between steps; it is kept for its memory.
    effects: Effects<N>,
}

impl<N: Node> Typed<N> {
    pub(crate) fn of(core: N) -> Self {
        let effects = Effects::default();
        Self { core, effects }
    }
}

impl<N: Node<Config = Setup>> Member for Typed<N> {
    fn step(&mut self, now: Now, input: Input<Erased>, effects: &mut Effects<Erased>) {
        self.core.step(now, restore(input), &mut self.effects);
        erase(&mut self.effects, effects);
    }

    fn as_any(&self) -> &dyn Any {
        &self.core
    }

    fn describe(&self) -> String {
        format!("{:?}", self.core)
    }

    fn progress(&self) -> u64 {
        self.core.progress()
    }

    fn state(&self) -> Option<&dyn NodeState> {
        Some(self)
    }
}

pub(crate) struct TypedDisk<N: Node>(pub(crate) N::Disk);

impl<N: Node> DiskImage for TypedDisk<N> {
    fn apply(&mut self, write: &Parcel) {
        self.0.apply(
            write
                .open::<N::Write>()
                .expect("a disk is given the writes of its own system"),
        );
    }

    fn duplicate(&self) -> Box<dyn DiskImage> {
        Box::new(TypedDisk::<N>(self.0.clone()))
    }

    fn encode(&self) -> Vec<u8> {
        let bytes = postcard::to_allocvec(&self.0);
        bytes.expect("postcard fails only on maps of unknown length, and data has none")
    }

    fn as_any(&self) -> &dyn Any {
        &self.0
    }
}

impl<N: Node<Config = Setup>> Reference<N> {
    /// A core and the faults that it promises to survive, and nothing else: no bugs to plant, no invariants, and nobody manages it. What there is
    /// besides is set field by field.
    pub fn new(name: &'static str, summary: &'static str, budget: Budget) -> Self {
        Self {
            name,
            summary,
            mutants: &[],
            harmless: &[],
            budget,
            reads: &[],
            invariants: &[],
            manage: |_| None,
            report: |_| None,
            backup: None,
            watch: || Box::new(Unwatched),
            core: PhantomData,
        }
    }

    pub(crate) fn boot_typed(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Typed<N> {
        let disk: &N::Disk = disk
            .as_any()
            .downcast_ref()
            .expect("a node is booted from a disk of its own system");
        let mut typed = Effects::default();
        let core = N::boot(setup, disk.clone(), now, &mut typed);
        erase(&mut typed, effects);
        Typed {
            core,
            effects: typed,
        }
    }
}

impl<N: Node<Config = Setup>> System for Reference<N> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn mutants(&self) -> &'static [Mutant] {
        self.mutants
    }

    fn harmless(&self) -> &'static [Harmless] {
        self.harmless
    }

    fn budget(&self) -> Budget {
        self.budget
    }

    fn message_kinds(&self) -> &'static [&'static str] {
        N::MESSAGE_KINDS
    }

    fn message_kind(&self, message: &Parcel) -> &'static str {
        N::message_kind(
            message
                .open()
                .expect("a message is named by its own system"),
        )
    }

    fn facts(&self) -> &'static [FactKind] {
        N::FACTS
    }

    fn invariants(&self) -> &'static [InvariantInfo] {
        self.invariants
    }

    fn blank_disk(&self) -> Box<dyn DiskImage> {
        Box::new(TypedDisk::<N>(N::Disk::default()))
    }

    fn refuses(&self, setup: &Setup) -> Option<String> {
        N::refuses(setup)
    }

    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Box<dyn Member> {
        Box::new(self.boot_typed(setup, disk, now, effects))
    }

    fn reads(&self) -> &'static [Reads] {
        self.reads
    }

    fn read_disk(&self, bytes: &[u8]) -> Result<Box<dyn DiskImage>, DecodeError> {
        match read_whole::<N::Disk>(bytes) {
            Ok(disk) => Ok(Box::new(TypedDisk::<N>(disk))),
            Err(cause) => Err(DecodeError {
                word: Word::Disk,
                system: self.name.to_string(),
                length: bytes.len(),
                cause,
            }),
        }
    }

    fn decode(&self, word: Word, bytes: &[u8]) -> Result<Parcel, DecodeError> {
        fn read<T: Data>(bytes: &[u8]) -> Result<Parcel, String> {
            read_whole::<T>(bytes).map(Parcel::new)
        }
        let read = match word {
            Word::Message => read::<N::Message>,
            Word::Request => read::<N::Request>,
            Word::Reply => read::<N::Reply>,
            Word::Event => read::<N::Event>,
            Word::Write => read::<N::Write>,
            Word::Disk => read::<N::Disk>,
        };
        read(bytes).map_err(|cause| DecodeError {
            word,
            system: self.name.to_string(),
            length: bytes.len(),
            cause,
        })
    }

    fn manage(&self, manage: Manage) -> Option<Parcel> {
        (self.manage)(manage).map(Parcel::new)
    }

    fn report(&self, reply: &[u8]) -> Option<Report> {
        (self.report)(&read_whole(reply).ok()?)
    }

    fn ask_for_backup(&self) -> Option<Parcel> {
        let backup = self.backup.as_ref()?;
        Some(Parcel::new((backup.ask)()))
    }

    fn stored(&self, reply: &[u8]) -> Option<Vec<u8>> {
        let backup = self.backup.as_ref()?;
        let image = (backup.stored)(&read_whole(reply).ok()?)?;
        Some(image.bytes().to_vec())
    }

    fn restore(
        &self,
        stored: &[u8],
        cluster: u64,
        voters: NodeSet,
    ) -> Option<Result<Box<dyn DiskImage>, String>> {
        let backup = self.backup.as_ref()?;
        let disk = (backup.restore)(&Image::new(stored.to_vec()), cluster, voters);
        Some(disk.map(|disk| Box::new(TypedDisk::<N>(disk)) as Box<dyn DiskImage>))
    }

    fn watch(&self) -> Box<dyn Watch> {
        (self.watch)()
    }
}

/// The watch of a system that states no invariants, and over nodes that nobody can look into.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn booted(&mut self, _: NodeId, _: &dyn Member) -> Result<(), Broken> {
        Ok(())
    }

    fn stepped(&mut self, _: NodeId, _: &dyn Member, _: &[Effect<Erased>]) -> Result<(), Broken> {
        Ok(())
    }

    fn audit(&self, _: &[(NodeId, &dyn Member)]) -> Result<(), Broken> {
        Ok(())
    }
}

impl Memory for Unwatched {
    fn duplicate(&self) -> Box<dyn Memory> {
        Box::new(Unwatched)
    }

    fn feed(&self, _: Option<&Names>, _: &mut dyn Hasher) {}
}

fn read_whole<T: Data>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes::<T>(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

fn restore<N: Node>(input: Input<Erased>) -> Input<N> {
    match input {
        Input::Deliver { from, message } => Input::Deliver {
            from,
            message: message.take(),
        },
        Input::LinkUp(peer) => Input::LinkUp(peer),
        Input::LinkDown(peer) => Input::LinkDown(peer),
        Input::TimerFired(timer) => Input::TimerFired(timer.take()),
        Input::Request {
            client,
            session,
            request_id,
            body,
        } => Input::Request {
            client,
            session,
            request_id,
            body: body.take(),
        },
        Input::ClientGone(client) => Input::ClientGone(client),
        Input::Persisted => Input::Persisted,
    }
}

/// Takes the effects of a core, and appends them with their types put away.
fn erase<N: Node>(typed: &mut Effects<N>, effects: &mut Effects<Erased>) {
    effects.extend(typed.drain().map(|effect| match effect {
        Effect::Send { to, message } => Effect::Send {
            to,
            message: Parcel::new(message),
        },
        Effect::ResetLink(peer) => Effect::ResetLink(peer),
        Effect::Persist(writes) => Effect::Persist(writes.into_iter().map(Parcel::new).collect()),
        Effect::SetTimer { timer, range } => Effect::SetTimer {
            timer: Parcel::new(timer),
            range,
        },
        Effect::CancelTimer(timer) => Effect::CancelTimer(Parcel::new(timer)),
        Effect::Reply {
            client,
            request_id,
            answer,
        } => Effect::Reply {
            client,
            request_id,
            answer: answer.map(Parcel::new),
        },
        Effect::Notify { client, event } => Effect::Notify {
            client,
            event: Parcel::new(event),
        },
        Effect::Note(fact) => Effect::Note(fact),
    }));
}
