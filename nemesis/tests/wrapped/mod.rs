//! A system like any other, with somebody who stands between a node and its inputs: to look, or to meddle.

#![allow(dead_code, reason = "each test file takes what it needs")]
use stormglass_impls::knobs::Reads;
use stormglass_impls::manage::Manage;

use std::any::Any;
use std::ops::ControlFlow;
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{Effects, Input, NodeId, Now};
use stormglass_impls::facts::FactKind;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{
    Budget, DecodeError, DiskImage, Erased, Harmless, InvariantInfo, Member, Mutant, Setup, System,
    Watch, Word,
};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::{simulator, turmoil};

/// One step of a node, with the node itself to be asked for it.
pub(crate) type Step = Box<dyn FnMut(&mut dyn Member, Now, Input<Erased>, &mut Effects<Erased>)>;

/// Gives for each boot of a node who stands before it.
pub(crate) type Meddler = Rc<dyn Fn(NodeId) -> Step>;

struct Wrapped {
    system: Rc<dyn System>,
    meddler: Meddler,
}

struct Meddled(Box<dyn Member>, Step);

impl Member for Meddled {
    fn step(&mut self, now: Now, input: Input<Erased>, effects: &mut Effects<Erased>) {
        (self.1)(self.0.as_mut(), now, input, effects);
    }

    fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn progress(&self) -> u64 {
        self.0.progress()
    }
}

impl System for Wrapped {
    fn name(&self) -> &'static str {
        self.system.name()
    }

    fn summary(&self) -> &'static str {
        self.system.summary()
    }

    fn mutants(&self) -> &'static [Mutant] {
        self.system.mutants()
    }

    fn harmless(&self) -> &'static [Harmless] {
        self.system.harmless()
    }

    fn budget(&self) -> Budget {
        self.system.budget()
    }

    fn message_kinds(&self) -> &'static [&'static str] {
        self.system.message_kinds()
    }

    fn facts(&self) -> &'static [FactKind] {
        self.system.facts()
    }

    fn message_kind(&self, message: &Parcel) -> &'static str {
        self.system.message_kind(message)
    }

    fn invariants(&self) -> &'static [InvariantInfo] {
        self.system.invariants()
    }

    fn blank_disk(&self) -> Box<dyn DiskImage> {
        self.system.blank_disk()
    }

    fn read_disk(&self, bytes: &[u8]) -> Result<Box<dyn DiskImage>, DecodeError> {
        self.system.read_disk(bytes)
    }

    fn reads(&self) -> &'static [Reads] {
        self.system.reads()
    }

    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Box<dyn Member> {
        let member = self.system.boot(setup, disk, now, effects);
        Box::new(Meddled(member, (self.meddler)(setup.id)))
    }

    fn decode(&self, word: Word, bytes: &[u8]) -> Result<Parcel, DecodeError> {
        self.system.decode(word, bytes)
    }

    fn manage(&self, manage: Manage) -> Option<Parcel> {
        self.system.manage(manage)
    }

    fn watch(&self) -> Box<dyn Watch> {
        self.system.watch()
    }
}

/// Runs a trial with somebody before every node.
pub(crate) fn run(trial: &Trial, meddler: Meddler) -> Run {
    trial.validate().expect("a sound trial");
    let system = catalog::system(&trial.cluster).expect("a known cluster");
    let system = Rc::new(Wrapped { system, meddler });
    let binding = trial.workload.binding(&trial.cluster);
    let binding = binding.expect("the cluster offers what the workload asks");
    let progress = &mut |_| ControlFlow::Continue(());
    match trial.arena {
        Arena::Simulator => simulator::run(trial, system, binding, progress),
        Arena::Turmoil => {
            turmoil::run(trial, system, binding.into(), progress).expect("the simulation works")
        }
        Arena::Live => unreachable!("what is watched so closely is simulated"),
    }
}
