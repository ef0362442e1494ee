//! A pure core of one's own: a value that is moved by inputs and answers with effects, as [`contract`] says.
//!
//! It knows no network, no disk and no clock, so the same trial can be run twice: in the simulator, on a heap of events, and in turmoil, on its network
//! and its file system, inside the host that also runs the reference clusters on real sockets.

use super::{Chaos, ChaosError, Missing, Plan, UnderTest};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::rc::Rc;
use stormglass_checker::CheckError;
#[cfg(doc)]
use stormglass_impls::contract;
use stormglass_impls::contract::Node;
use stormglass_impls::knobs::Knobs;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Reference, Setup, System, Word};
use stormglass_nemesis::arena::{self, ArenaError};
use stormglass_nemesis::faults::{self, FaultKind};
use stormglass_nemesis::foreign;
use stormglass_nemesis::judge::{Judged, judge_of};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::swarm;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::{Binding, Completion, Operation, WorkloadConfig};

/// A core that the clients of a workload can ask: what an operation is in its words.
pub trait Answers: Node<Config = Setup> {
    /// The request for an operation. The error says why it cannot be asked, as a clause: then no test asks it.
    ///
    /// # Errors
    /// As said.
    fn request(operation: &Operation) -> Result<Self::Request, String>;

    /// What a reply says of the operation that was asked.
    ///
    /// # Errors
    /// When it is no answer to that: a violation.
    fn completion(operation: &Operation, reply: &Self::Reply) -> Result<Completion, String>;
}

/// A core under test, its types put away.
#[derive(Clone)]
pub struct Core {
    system: Rc<dyn System>,
    bind: fn(Rc<dyn System>) -> Box<dyn Binding>,
    /// Why an operation cannot be asked of it, if it cannot.
    refuses: fn(&Operation) -> Option<String>,
    arenas: Vec<Arena>,
}

/// An operation in the words of a core, and back.
struct Words<N> {
    system: Rc<dyn System>,
    core: PhantomData<N>,
}

impl<N: Answers> Binding for Words<N> {
    fn request(&self, operation: &Operation) -> Vec<u8> {
        let request = N::request(operation);
        let request = request.expect("what cannot be asked is found before a trial is run");
        Parcel::new(request).encode()
    }

    fn completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String> {
        let reply = self.system.decode(Word::Reply, reply);
        let reply = reply.map_err(|error| error.to_string())?;
        N::completion(operation, &reply.take())
    }
}

impl Chaos {
    /// A test of a core, under its system's name: three nodes, five clients, reads and writes of six registers, of all faults that it promises to
    /// survive some for each seed, 20 simulated seconds, seeds 0 to 9, each in the simulator and in turmoil.
    pub fn core<N: Answers>(system: Reference<N>) -> Chaos<Core> {
        let plan = Plan::new(system.name);
        let node = Core {
            system: Rc::new(system),
            bind: |system| {
                Box::new(Words::<N> {
                    system,
                    core: PhantomData,
                })
            },
            refuses: |operation| N::request(operation).err(),
            arenas: vec![Arena::Simulator, Arena::Turmoil],
        };
        Chaos {
            plan,
            node,
            client: Missing,
        }
    }
}

impl Chaos<Core> {
    /// Where each trial is run. A fault that one of these cannot make befalls none of them, so that the trial is the same.
    pub fn arenas(mut self, arenas: impl IntoIterator<Item = Arena>) -> Self {
        self.node.arenas = arenas.into_iter().collect();
        self
    }

    /// The bug to plant, by its id: one of the system's own list.
    pub fn mutant(mut self, id: &str) -> Self {
        self.plan.pattern.mutant = Some(id.to_string());
        self
    }

    /// What can be set about a protocol, as every node is told it.
    pub fn knobs(mut self, knobs: Knobs) -> Self {
        self.plan.pattern.knobs = knobs;
        self
    }

    /// Lets no client ask again once nobody knows what became of its request. For a core that takes a retry for another request; one that knows
    /// them by their numbers is better tested without this.
    pub fn asks_once(mut self) -> Self {
        self.plan.pattern.asks_once = true;
        self
    }
}

impl UnderTest for Chaos<Core> {
    const HAS_ARENAS: bool = true;

    fn arenas(&self) -> Vec<Arena> {
        self.node.arenas.clone()
    }

    fn arrange(&self, faults: &str, trial: &mut Trial) -> Result<(), ChaosError> {
        let core = &self.node;
        if core.arenas.is_empty() {
            let cause = "arenas: there are none, so nothing is tested";
            return Err(ChaosError::Setup(cause.to_string()));
        }
        let kinds = faults::named(faults, &|kind| core.cannot_suffer(kind));
        let kinds = kinds.map_err(ChaosError::Setup)?;
        if !kinds.is_empty() {
            swarm::draw_faults(trial, core.system.as_ref(), &kinds);
        }
        core.check(trial)
            .map_err(|error| ChaosError::arena(trial.seed, error))
    }

    fn ride(&self, trial: &Trial) -> Result<Run, ArenaError> {
        let core = &self.node;
        core.check(trial)?;
        let system = Rc::clone(&core.system);
        let binding = (core.bind)(Rc::clone(&system));
        // A server may be under test in another thread, and the tasks of this core would disturb it.
        let _alone = (trial.arena == Arena::Turmoil).then(foreign::alone);
        arena::run_of(trial, (system, binding), &mut |_| ControlFlow::Continue(()))
    }

    fn judge(&self, trial: &Trial, run: &Run) -> Result<Judged, CheckError> {
        judge_of(trial, run, Some(&self.node.system.budget()))
    }
}

impl Core {
    /// Why a kind of fault cannot befall it, as a clause behind the name of the fault.
    fn cannot_suffer(&self, kind: FaultKind) -> Option<String> {
        let (info, name) = (kind.info(), self.system.name());
        if let Some(arena) = self
            .arenas
            .iter()
            .find(|arena| !info.arenas.contains(arena))
        {
            return Some(format!("cannot be made in the {} arena", arena.name()));
        }
        if !info.demand.is_within(&self.system.budget()) {
            return Some(format!(
                "goes beyond what {name} promises to survive, which is its budget"
            ));
        }
        let fact = kind.awaits()?;
        (!self.system.facts().contains(&fact)).then(|| {
            format!(
                "waits for the fact {:?}, which {name} never notes",
                fact.name()
            )
        })
    }

    /// Checks that a trial can be run, and that all its workload asks can be asked.
    fn check(&self, trial: &Trial) -> Result<(), ArenaError> {
        if trial.arena == Arena::Live {
            let cause = "arena: a core of one's own runs in the simulator and in turmoil; live clusters are reference clusters";
            return Err(ArenaError::Unsound(cause.to_string()));
        }
        arena::check(trial, self.system.as_ref())?;
        let name = self.system.name();
        let WorkloadConfig::Register(registers) = &trial.workload else {
            return Err(ArenaError::Unsound(format!(
                "workload: {} is asked in the words of a reference cluster; {name} can be asked the register workload",
                trial.workload.name()
            )));
        };
        let fixed = trial.calls.iter().flatten().map(|call| call.f.as_str());
        let asked = registers.asked().into_iter().chain(fixed);
        for f in asked {
            let Some(operation) = registers.sample(f) else {
                continue; // The trial's own check has named it.
            };
            if let Some(cause) = (self.refuses)(&operation) {
                return Err(ArenaError::Unsound(format!(
                    "workload: register asks {f} of {name}, which cannot be asked that: {cause}; set reads_percent and writes_percent so that it is left out"
                )));
            }
        }
        Ok(())
    }
}
