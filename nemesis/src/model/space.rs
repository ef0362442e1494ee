//! A cluster within bounds, as the states it can be in and the actions that lead from one to the next.

use super::action::Action;
use super::bounds::{Bounds, NODES_MAX};
use super::calls::{CALLS_MAX, Call, Clients, call_list};
use super::moves::{Letter, Local, Moment, Move, Outcome};
use super::pool::{self, Keys, Memo, NAMINGS_MAX, Pool, digest};
use super::state::{FIRST_TIMER, Spent};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::explored::{Explored, Memory, Names};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Broken, Setup, Word};

/// Ways to visit fewer states, or to look at them less often, that change no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reductions {
    /// An action that changes nothing leads nowhere: it is not even counted.
    pub no_ops: bool,
    /// A letter that its receiver will ignore for ever is taken away.
    pub stale_letters: bool,
    /// States that differ only in the names of nodes that are alike are one.
    pub symmetry: bool,
}

impl Reductions {
    /// All of them.
    pub const ALL: Reductions = Reductions {
        no_ops: true,
        stale_letters: true,
        symmetry: true,
    };
    /// None.
    pub const NONE: Reductions = Reductions {
        no_ops: false,
        stale_letters: false,
        symmetry: false,
    };
}

/// A cluster within bounds.
pub struct Space {
    pub(super) bounds: Bounds,
    pub(super) reductions: Reductions,
    pub(super) system: Arc<dyn Explored>,
    pub(super) setups: Vec<Setup>,
    pub(super) calls: Vec<Call>,
    pub(super) locals: Pool<Local>,
    pub(super) letters: Pool<Letter>,
    letter_keys: boxcar::Vec<Keys>,
    /// The other ways to name the nodes that make no difference.
    pub(super) namings: Vec<Names>,
    pub(super) timers: Pool<Timer>,
    pub(super) outcomes: boxcar::Vec<Outcome>,
    pub(super) watches: Pool<Remembered>,
    pub(super) clients: Pool<Asked>,
    steps: Memo,
    watched: Memo,
    answers: Memo,
    /// How often each law was put to the test, in different circumstances.
    tested: Mutex<BTreeMap<&'static str, u64>>,
}

/// A timer, and what the bounds say of it.
pub(super) struct Timer {
    pub(super) parcel: Parcel,
    digest: u128,
    /// What the bounds say of it at each node.
    pub(super) at: [Running; NODES_MAX],
}

/// How often a timer runs out at a node.
#[derive(Clone, Copy)]
pub(super) enum Running {
    /// As often as it likes.
    Free,
    /// Never.
    Never,
    /// So often at most, counted at this place in [`Spent`].
    Counted { place: usize, times: u8 },
}

/// A watch as it is, and what it found.
pub(super) struct Remembered {
    pub(super) memory: Box<dyn Memory>,
    pub(super) broken: Option<Broken>,
    pub(super) keys: Keys,
}

/// What clients have asked and seen, and what is wrong with it.
pub(super) struct Asked {
    pub(super) clients: Clients,
    pub(super) broken: Option<String>,
    pub(super) keys: Keys,
}

/// What one thread of a search knows by heart.
#[derive(Default)]
pub struct Worker {
    steps: FxHashMap<u64, u32>,
    watched: FxHashMap<u64, u32>,
    pub(super) actions: Vec<Action>,
}

/// No such outcome: a node was to die in a write that it does not begin.
pub(super) const NEVER: u32 = u32::MAX;

/// Why there is no such space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// No such cluster can be explored.
    #[error("there is no cluster {0} to explore")]
    NoCluster(String),
    /// The bounds are of no use.
    #[error("the bounds {name} make no sense: {cause}")]
    Bounds {
        /// Their name.
        name: String,
        /// What is wrong.
        cause: String,
    },
}

impl Space {
    /// The space of a cluster within bounds, with a mutant planted or none.
    pub fn new(
        bounds: Bounds,
        mutant: Option<&str>,
        reductions: Reductions,
    ) -> Result<Self, SpaceError> {
        let no_cluster = || SpaceError::NoCluster(bounds.cluster.clone());
        let explored = catalog::explored(&bounds.cluster).ok_or_else(no_cluster)?;
        let system = catalog::system(&bounds.cluster).ok_or_else(no_cluster)?;
        let senseless = |cause: String| SpaceError::Bounds {
            name: bounds.name.clone(),
            cause,
        };
        if bounds.nodes == 0 || usize::from(bounds.nodes) > NODES_MAX {
            return Err(senseless(format!("1 to {NODES_MAX} nodes can be explored")));
        }
        let setups: Result<Vec<Setup>, String> = NodeId::all(bounds.nodes)
            .map(|node| bounds.setup(node, mutant))
            .collect();
        let setups = setups.map_err(senseless)?;
        if let Some(cause) = setups.iter().find_map(|setup| system.refuses(setup)) {
            return Err(senseless(cause));
        }
        let calls = call_list(&bounds, &*system).map_err(senseless)?;
        if calls.len() > CALLS_MAX {
            return Err(senseless(format!(
                "at most {CALLS_MAX} calls can be told apart"
            )));
        }
        let stranger = |timer: &&super::bounds::TimerBound| {
            let nodes = timer.nodes.iter().flatten();
            nodes.clone().any(|node| !(1..=bounds.nodes).contains(node))
        };
        if let Some(timer) = bounds.timers.iter().find(stranger) {
            let timer = &timer.timer;
            return Err(senseless(format!(
                "the timer {timer} is of a node that is not there"
            )));
        }
        let counted = bounds.timers.iter().filter(|timer| timer.times.is_some());
        if counted.count() > Spent::default().len() - FIRST_TIMER {
            return Err(senseless("too many timers are counted".into()));
        }
        let namings = match reductions.symmetry && explored.is_symmetric() {
            true => namings(&bounds),
            false => Vec::new(),
        };
        Ok(Self {
            namings,
            bounds,
            reductions,
            system: explored,
            setups,
            calls,
            locals: Pool::default(),
            letters: Pool::default(),
            letter_keys: boxcar::Vec::new(),
            timers: Pool::default(),
            outcomes: boxcar::Vec::new(),
            watches: Pool::default(),
            clients: Pool::default(),
            steps: Memo::default(),
            watched: Memo::default(),
            answers: Memo::default(),
            tested: Mutex::default(),
        })
    }

    /// The bounds.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// How often each law was put to the test in different circumstances.
    pub fn tested(&self) -> BTreeMap<&'static str, u64> {
        self.tested
            .lock()
            .map(|tested| tested.clone())
            .unwrap_or_default()
    }

    /// About how many bytes the things take that are kept once.
    pub fn bytes(&self) -> usize {
        // Measured over the models of this repository, with all they point to.
        const LOCAL: usize = 1_400;
        const WATCH: usize = 1_600;
        const OUTCOME: usize = 160;
        const LETTER: usize = 200;
        const ANSWER: usize = 26;
        self.locals.len() * LOCAL
            + self.watches.len() * WATCH
            + self.outcomes.count() * OUTCOME
            + self.letters.len() * LETTER
            + (self.steps.len() + self.watched.len()) * ANSWER
    }

    /// The number of a letter.
    pub(super) fn letter(&self, from: NodeId, to: NodeId, message: &Parcel) -> u32 {
        let digest = digest(|mut hasher| ("letter", from, to, message).hash(&mut hasher));
        self.letters.intern(digest, || {
            // Under the pool's lock, so that the two lists stay side by side.
            self.letter_keys.push(self.keys(digest, |names| {
                pool::digest(|mut hasher| {
                    ("letter", names.of(from), names.of(to)).hash(&mut hasher);
                    self.system.feed_word(Word::Message, message, names, hasher);
                })
            }));
            let setup = &self.setups[to.index()];
            Letter {
                from,
                to,
                message: message.clone(),
                stale_from: self.system.stale_from(setup, message).unwrap_or(u64::MAX),
            }
        })
    }

    pub(super) fn letter_key(&self, letter: u32) -> &Keys {
        &self.letter_keys[letter as usize]
    }

    /// The keys of a thing with this digest, and others under other names.
    pub(super) fn keys(&self, digest: u128, renamed: impl Fn(&Names) -> u128) -> Keys {
        let mut keys = Keys::nameless(digest);
        for (key, names) in keys.0[1..].iter_mut().zip(&self.namings) {
            *key = renamed(names) as u64;
        }
        keys
    }

    /// The number of a timer.
    pub(super) fn timer(&self, timer: &Parcel) -> u8 {
        let digest = digest(|mut hasher| timer.hash(&mut hasher));
        let number = self.timers.intern(digest, || {
            let name = format!("{timer:?}");
            let all: Vec<NodeId> = NodeId::all(NODES_MAX as u8).collect();
            Timer {
                parcel: timer.clone(),
                digest,
                at: std::array::from_fn(|at| running(&self.bounds, &name, all[at])),
            }
        });
        u8::try_from(number).expect("no protocol has that many timers")
    }

    pub(super) fn timer_digest(&self, timer: u8) -> u128 {
        self.timers.get(timer.into()).digest
    }

    /// What becomes of a node in a move, by its number; [`NEVER`] if the node was to die and does not.
    pub(super) fn outcome(&self, worker: &mut Worker, local: u32, what: Move, dies: bool) -> u32 {
        let question = what.question(local, dies);
        if let Some(known) = worker.steps.get(&question) {
            return *known;
        }
        let number = self.steps.get(question).unwrap_or_else(|| {
            let outcome = self.work_out(local, what, dies, &mut |_, _| {});
            let number = outcome.map_or(NEVER, |outcome| self.outcomes.push(outcome) as u32);
            self.steps.keep(question, number);
            number
        });
        worker.steps.insert(question, number);
        number
    }

    /// The watch after a move.
    pub(super) fn watch_after(&self, worker: &mut Worker, watch: u32, number: u32) -> u32 {
        let outcome = &self.outcomes[number as usize];
        if outcome.is_void {
            return watch;
        }
        let question = u64::from(watch) << 32 | u64::from(number);
        if let Some(known) = worker.watched.get(&question) {
            return *known;
        }
        let after = self.watched.get(question).unwrap_or_else(|| {
            let mut memory = self.watches.get(watch).memory.duplicate();
            let before = memory.witnesses();
            let mut verdict = Ok(());
            self.work_out(
                outcome.from,
                outcome.what,
                outcome.dies,
                &mut |node, moment| {
                    let told = match moment {
                        Moment::Booted(member) => memory.booted(node, member),
                        Moment::Synced => {
                            memory.synced(node);
                            Ok(())
                        }
                        Moment::Stepped(member, effects) => memory.stepped(node, member, effects),
                    };
                    verdict = std::mem::replace(&mut verdict, Ok(())).and(told);
                },
            );
            if let Some(message) = &outcome.panicked {
                verdict = Err(Broken {
                    invariant: "panic",
                    message: message.clone(),
                });
            }
            let witnesses = memory.witnesses();
            let after = self.remember(memory, verdict.err());
            if self.watched.keep(question, after) {
                let mut tested = self.tested.lock().expect("counting does not panic");
                for ((law, after), (_, before)) in witnesses.iter().zip(&before) {
                    *tested.entry(law).or_default() += after - before;
                }
            }
            after
        });
        worker.watched.insert(question, after);
        after
    }

    pub(super) fn remember(&self, memory: Box<dyn Memory>, broken: Option<Broken>) -> u32 {
        fn feed(memory: &dyn Memory, broken: Option<&Broken>, names: Option<&Names>) -> u128 {
            digest(|mut hasher| {
                "watch".hash(&mut hasher);
                match broken {
                    Some(broken) => (broken.invariant, &broken.message).hash(&mut hasher),
                    None => memory.feed(names, hasher),
                }
            })
        }
        let digest = feed(&*memory, broken.as_ref(), None);
        self.watches.intern(digest, || Remembered {
            keys: match &broken {
                // What was seen names nodes: under other names it is the same law that is broken.
                Some(broken) => Keys::nameless(pool::digest(|mut hasher| {
                    ("broken", broken.invariant).hash(&mut hasher);
                })),
                None => self.keys(digest, |names| feed(&*memory, None, Some(names))),
            },
            memory,
            broken,
        })
    }

    pub(super) fn ask(&self, clients: Clients) -> u32 {
        let digest = digest(|mut hasher| ("clients", &clients).hash(&mut hasher));
        self.clients.intern(digest, || Asked {
            broken: clients.broken(&self.calls, &self.bounds.cluster),
            clients,
            keys: Keys::nameless(digest),
        })
    }

    /// The clients after what a move told them.
    pub(super) fn clients_after(&self, clients: u32, number: u32) -> u32 {
        let question = u64::from(clients) << 32 | u64::from(number);
        self.answers.get(question).unwrap_or_else(|| {
            let mut after = self.clients.get(clients).clients.clone();
            for (call, reply) in &self.outcomes[number as usize].replies {
                after.answered(usize::from(*call), reply);
            }
            let after = self.ask(after);
            self.answers.keep(question, after);
            after
        })
    }
}

/// How often a timer runs out at a node: as the first bound of that timer says that speaks of the node. Where bounds name nodes, it never runs out at
/// others.
fn running(bounds: &Bounds, timer: &str, node: NodeId) -> Running {
    let mut counted = 0;
    let mut is_bounded = false;
    for bound in &bounds.timers {
        let place = FIRST_TIMER + counted;
        counted += usize::from(bound.times.is_some());
        if bound.timer != timer {
            continue;
        }
        is_bounded = true;
        if bound
            .nodes
            .as_ref()
            .is_none_or(|nodes| nodes.contains(&node.0))
        {
            return match bound.times {
                Some(times) => Running::Counted { place, times },
                None => Running::Free,
            };
        }
    }
    match is_bounded {
        true => Running::Never,
        false => Running::Free,
    }
}

/// The ways to name the nodes that make no difference, but for the way they are named: those that change the names of nodes that are alike, of
/// three at most. Nobody is like another where nodes are named by what is asked, or by a prelude.
fn namings(bounds: &Bounds) -> Vec<Names> {
    let names_nodes = |ask: &super::bounds::Ask| ask.manage().is_some();
    if !bounds.prelude.is_empty() || bounds.clients.iter().flatten().any(names_nodes) {
        return Vec::new();
    }
    let kind = |node: NodeId| {
        let timers = bounds.timers.iter();
        let named = |bound: &super::bounds::TimerBound| {
            bound
                .nodes
                .as_ref()
                .is_none_or(|nodes| nodes.contains(&node.0))
        };
        let runs = timers.map(named);
        (
            node.0 > bounds.nodes - bounds.spares,
            runs.collect::<Vec<bool>>(),
        )
    };
    let all: Vec<NodeId> = NodeId::all(bounds.nodes).collect();
    let alike = |one: &NodeId| -> Vec<NodeId> {
        let of_kind = all.iter().filter(|other| kind(**other) == kind(*one));
        of_kind.copied().take(3).collect()
    };
    let most = all.iter().map(alike);
    let most = most.max_by_key(Vec::len).unwrap_or_default();
    let orders: &[&[usize]] = match most.len() {
        3 => &[&[0, 2, 1], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]],
        2 => &[&[1, 0]],
        _ => &[],
    };
    assert!(orders.len() < NAMINGS_MAX, "there is a key for every way");
    let named = |order: &&[usize]| {
        let mut names = all.clone();
        for (node, place) in most.iter().zip(order.iter()) {
            names[node.index()] = most[*place];
        }
        Names::new(names)
    };
    orders.iter().map(named).collect()
}
