//! A cluster within bounds, as the states it can be in and the actions that lead from one to the next.

use super::bounds::{Bounds, Disk, NODES_MAX, Network, Witness};
use super::calls::{self, CALLS_MAX, Call, Clients};
use super::moves::{Letter, Local, Moment, Move, Outcome};
use super::network::Letters;
use super::pool::{self, Keys, Memo, NAMINGS_MAX, Pool, digest};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::explored::{Explored, Memory, Names};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Broken, Setup, System, Word};
use stormglass_workloads::workload::WorkloadConfig;

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
    namings: Vec<Names>,
    pub(super) timers: Pool<Timer>,
    outcomes: boxcar::Vec<Outcome>,
    watches: Pool<Remembered>,
    clients: Pool<Asked>,
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
    at: [Running; NODES_MAX],
}

/// How often a timer runs out at a node.
#[derive(Clone, Copy)]
enum Running {
    /// As often as it likes.
    Free,
    /// Never.
    Never,
    /// So often at most, counted at this place in [`Spent`].
    Counted { place: usize, times: u8 },
}

/// A watch as it is, and what it found.
struct Remembered {
    memory: Box<dyn Memory>,
    broken: Option<Broken>,
    keys: Keys,
}

/// What clients have asked and seen, and what is wrong with it.
struct Asked {
    clients: Clients,
    broken: Option<String>,
    keys: Keys,
}

/// How much of the bounds is used up: crashes, resets, and the timers that are counted.
type Spent = [u8; 8];

const CRASHES: usize = 0;
const RESETS: usize = 1;
const FIRST_TIMER: usize = 2;

/// A state of the whole cluster. All but the letters are numbers of things that are kept once.
#[derive(Clone)]
pub struct State {
    pub(super) nodes: [u32; NODES_MAX],
    watch: u32,
    clients: u32,
    spent: Spent,
    pub(super) letters: Letters,
    /// The sums of what its parts are made of, without what is used up of the bounds.
    sums: Keys,
    /// By this states are told apart.
    key: u64,
    /// Whether a law is broken here: nothing is looked at behind it.
    pub(super) is_broken: bool,
    /// Whether it is beyond the bounds.
    pub(super) is_beyond: bool,
    /// What was seen on the last step here. No part of the state.
    pub(super) seen: u16,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for State {}

impl Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.key)
    }
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A letter arrives.
    Deliver {
        /// Its number.
        letter: u32,
        /// How its receiver takes it.
        fate: Fate,
    },
    /// A timer runs out.
    Fire {
        /// At which node.
        node: NodeId,
        /// Its number.
        timer: u8,
        /// How the node takes it.
        fate: Fate,
    },
    /// A client asks a node.
    Ask {
        /// Which node.
        node: NodeId,
        /// What.
        call: u8,
        /// How the node takes it.
        fate: Fate,
    },
    /// A node's oldest batch is durable.
    Persisted {
        /// Which node.
        node: NodeId,
        /// How the node takes it.
        fate: Fate,
    },
    /// A node stops, and goes on with what its disk kept.
    Crash {
        /// Which node.
        node: NodeId,
        /// How many of the writes under way are kept.
        keeps: u8,
    },
    /// The connection of two nodes breaks.
    Reset {
        /// One of them.
        one: NodeId,
        /// The other.
        other: NodeId,
    },
}

/// How a step of a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// As it should.
    Plain,
    /// The node goes down in it, before anything of what it writes is durable.
    Dies,
    /// Its replies are lost on their way, and the clients may ask again.
    Unheard,
}

/// What one thread of a search knows by heart.
#[derive(Default)]
pub struct Worker {
    steps: FxHashMap<u64, u32>,
    watched: FxHashMap<u64, u32>,
    actions: Vec<Action>,
}

/// No such outcome: a node was to die in a write that it does not begin.
const NEVER: u32 = u32::MAX;

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

    /// How many different nodes, letters, outcomes and memories of the watch there were.
    pub fn sizes(&self) -> [(&'static str, usize); 6] {
        [
            ("nodes", self.locals.len()),
            ("letters", self.letters.len()),
            ("moves", self.outcomes.count()),
            ("watches", self.watches.len()),
            ("watch moves", self.watched.len()),
            ("clients", self.clients.len()),
        ]
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
    fn outcome(&self, worker: &mut Worker, local: u32, what: Move, dies: bool) -> u32 {
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
    fn watch_after(&self, worker: &mut Worker, watch: u32, number: u32) -> u32 {
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

    fn remember(&self, memory: Box<dyn Memory>, broken: Option<Broken>) -> u32 {
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

    fn ask(&self, clients: Clients) -> u32 {
        let digest = digest(|mut hasher| ("clients", &clients).hash(&mut hasher));
        self.clients.intern(digest, || Asked {
            broken: clients.broken(&self.calls, &self.bounds.cluster),
            clients,
            keys: Keys::nameless(digest),
        })
    }

    /// The clients after what a move told them.
    fn clients_after(&self, clients: u32, number: u32) -> u32 {
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

    /// The state in which the search begins: behind the prelude. An error names the step that cannot be, and those that can.
    pub fn begin(&self) -> Result<(Vec<Action>, State), SpaceError> {
        let mut worker = Worker::default();
        let (mut trace, mut state) = (Vec::new(), self.initial());
        for wanted in &self.bounds.prelude {
            let mut here = Vec::new();
            self.expand(&mut worker, &state, |action, next| {
                here.push((self.describe(action), action, next));
            });
            let Some(at) = here.iter().position(|(text, _, _)| text == wanted) else {
                let mut there: Vec<String> = here.into_iter().map(|(text, _, _)| text).collect();
                there.sort();
                return Err(SpaceError::Bounds {
                    name: self.bounds.name.clone(),
                    cause: format!(
                        "step {} of the prelude cannot be: {wanted}. What can: {}",
                        trace.len() + 1,
                        there.join("; ")
                    ),
                });
            };
            let (_, action, next) = here.swap_remove(at);
            trace.push(action);
            state = next;
        }
        Ok((trace, state))
    }

    /// The state in which all begins.
    pub fn initial(&self) -> State {
        let mut worker = Worker::default();
        let memory = self.remember(self.system.memory(), None);
        let mut state = State {
            nodes: [0; NODES_MAX],
            watch: memory,
            clients: self.ask(Clients::idle(self.calls.len())),
            spent: Spent::default(),
            letters: Letters::new(),
            sums: Keys::default(),
            key: 0,
            is_broken: false,
            is_beyond: false,
            seen: 0,
        };
        for node in NodeId::all(self.bounds.nodes) {
            state.nodes[node.index()] = self.keep(self.first(node));
            self.go(&mut worker, &mut state, node, Move::Crash(0), Fate::Plain);
        }
        if self.bounds.network == Network::Fifo {
            for node in NodeId::all(self.bounds.nodes) {
                for peer in NodeId::all(self.bounds.nodes).filter(|peer| *peer != node) {
                    self.go(
                        &mut worker,
                        &mut state,
                        node,
                        Move::LinkUp(peer.0),
                        Fate::Plain,
                    );
                }
            }
        }
        state.seen = 0;
        self.sum_up(&mut state);
        state
    }

    /// Works out from nothing what moves keep up to date.
    fn sum_up(&self, state: &mut State) {
        state.sums = self.sum(&state.letters);
        for local in &state.nodes[..usize::from(self.bounds.nodes)] {
            state.sums.add(&self.locals.get(*local).keys);
        }
        state.sums.add(&self.watches.get(state.watch).keys);
        state.sums.add(&self.clients.get(state.clients).keys);
        self.seal(state);
    }

    /// By what states are told apart: sums over their parts, well mixed, and of all ways to name the nodes the one that comes first.
    fn seal(&self, state: &mut State) {
        let spent = mix(u64::from_le_bytes(state.spent) ^ 0x9e37_79b9_7f4a_7c15);
        let ways = state.sums.0[..=self.namings.len()].iter();
        let keys = ways.map(|sum| mix(sum.wrapping_add(spent)));
        // The first of several lies near 0: mixed once more, keys are spread over the table again.
        state.key = mix(keys.min().unwrap_or_default()).max(1);
    }

    /// After an action: where letters stand in rows, their shares depend on their places.
    fn finish(&self, state: &mut State) {
        match self.bounds.network {
            Network::Set => self.seal(state),
            Network::Fifo => self.sum_up(state),
        }
    }

    /// Moves a node within a state. Gives whether anything changed; `None` when the node was to die and does not.
    fn go(
        &self,
        worker: &mut Worker,
        state: &mut State,
        node: NodeId,
        what: Move,
        fate: Fate,
    ) -> Option<bool> {
        let at = node.index();
        let number = self.outcome(worker, state.nodes[at], what, fate == Fate::Dies);
        if number == NEVER {
            return None;
        }
        let outcome = &self.outcomes[number as usize];
        let watch = self.watch_after(worker, state.watch, number);
        let mut changed = watch != state.watch || outcome.to != outcome.from;
        if watch != state.watch {
            state.sums.subtract(&self.watches.get(state.watch).keys);
            state.sums.add(&self.watches.get(watch).keys);
            state.watch = watch;
            state.is_broken |= self.watches.get(watch).broken.is_some();
        }
        if outcome.to != outcome.from {
            state.nodes[at] = outcome.to;
            let (before, after) = (self.locals.get(outcome.from), self.locals.get(outcome.to));
            state.sums.subtract(&before.keys);
            state.sums.add(&after.keys);
            state.is_beyond |= after.beyond;
            if self.reductions.stale_letters && after.floor > before.floor {
                let State { letters, sums, .. } = state;
                letters.retain(|number| {
                    let letter = self.letters.get(*number);
                    let stays = letter.to != node || letter.stale_from > after.floor;
                    if !stays {
                        sums.subtract(self.letter_key(*number));
                    }
                    stays
                });
            }
        }
        for letter in &outcome.sends {
            if self.is_fresh(state, *letter) && self.put(&mut state.letters, *letter) {
                changed = true;
                state.sums.add(self.letter_key(*letter));
            }
        }
        if !outcome.replies.is_empty() && fate != Fate::Unheard {
            let clients = self.clients_after(state.clients, number);
            if clients != state.clients {
                changed = true;
                self.set_clients(state, clients);
                state.seen |= Witness::Answers.bit();
                state.is_broken |= self.clients.get(clients).broken.is_some();
            }
        }
        state.seen |= outcome.seen;
        for peer in &outcome.resets {
            changed |= self.reset(worker, state, node, *peer);
        }
        Some(changed)
    }

    fn set_clients(&self, state: &mut State, clients: u32) {
        state.sums.subtract(&self.clients.get(state.clients).keys);
        state.sums.add(&self.clients.get(clients).keys);
        state.clients = clients;
    }

    /// Whether a letter can still matter to its receiver.
    fn is_fresh(&self, state: &State, letter: u32) -> bool {
        if !self.reductions.stale_letters {
            return true;
        }
        let letter = self.letters.get(letter);
        letter.stale_from == u64::MAX
            || letter.stale_from > self.locals.get(state.nodes[letter.to.index()]).floor
    }

    /// The connection of two nodes breaks and is made again.
    fn reset(&self, worker: &mut Worker, state: &mut State, one: NodeId, other: NodeId) -> bool {
        if self.bounds.network == Network::Set {
            return false;
        }
        self.cut(&mut state.letters, one, other);
        for (node, peer) in [(one, other), (other, one)] {
            self.go(worker, state, node, Move::LinkDown(peer.0), Fate::Plain);
            self.go(worker, state, node, Move::LinkUp(peer.0), Fate::Plain);
        }
        true
    }

    /// Whether nothing at all comes of a move in a state. Asked before the state is copied.
    fn is_idle(&self, worker: &mut Worker, state: &State, number: u32) -> bool {
        let outcome = &self.outcomes[number as usize];
        outcome.is_void
            || outcome.to == outcome.from
                && outcome.replies.is_empty()
                && outcome.panicked.is_none()
                && outcome.resets.is_empty()
                && outcome
                    .sends
                    .iter()
                    .all(|letter| self.is_there(state, *letter))
                && self.watch_after(worker, state.watch, number) == state.watch
    }

    /// Whether sending a letter changes nothing: where letters are a set and it is in it, or where it is not put there at all.
    fn is_there(&self, state: &State, letter: u32) -> bool {
        let is_set = self.bounds.network == Network::Set;
        is_set && state.letters.binary_search(&letter).is_ok() || !self.is_fresh(state, letter)
    }

    /// The state after an action; `None` when the action cannot be, or changes nothing and such are left out.
    pub(super) fn act(&self, worker: &mut Worker, state: &State, action: Action) -> Option<State> {
        let (node, what, fate) = match action {
            Action::Deliver { letter, fate } => {
                (self.letters.get(letter).to, Move::Deliver(letter), fate)
            }
            Action::Fire { node, timer, fate } => (node, Move::Fire(timer), fate),
            Action::Ask { node, call, fate } => (node, Move::Ask(call), fate),
            Action::Persisted { node, fate } => (node, Move::Persisted, fate),
            Action::Crash { node, keeps } => (node, Move::Crash(keeps), Fate::Plain),
            Action::Reset { one, other } => {
                let mut next = state.clone();
                next.seen = 0;
                next.spent[RESETS] += 1;
                self.reset(worker, &mut next, one, other);
                self.finish(&mut next);
                return Some(next);
            }
        };
        let dies = fate == Fate::Dies;
        let number = self.outcome(worker, state.nodes[node.index()], what, dies);
        if number == NEVER {
            return None;
        }
        if fate == Fate::Unheard && self.clients_after(state.clients, number) == state.clients {
            return None; // Nobody would have listened.
        }
        let is_set = self.bounds.network == Network::Set;
        let may_be_void =
            matches!(what, Move::Deliver(_) if is_set) || matches!(what, Move::Ask(_));
        if may_be_void && self.reductions.no_ops && self.is_idle(worker, state, number) {
            return None;
        }
        let mut next = state.clone();
        next.seen = 0;
        if let (Move::Deliver(letter), false) = (what, is_set) {
            let at = next.letters.iter().position(|known| *known == letter);
            self.take(&mut next.letters, at.expect("what arrives is under way"));
        }
        if let Move::Fire(timer) = what
            && let Running::Counted { place, .. } = self.timers.get(timer.into()).at[node.index()]
        {
            next.spent[place] += 1;
        }
        if let Move::Ask(call) = what {
            let mut clients = self.clients.get(state.clients).clients.clone();
            clients.asked(call.into());
            let clients = self.ask(clients);
            self.set_clients(&mut next, clients);
        }
        if dies || matches!(what, Move::Crash(_)) {
            next.spent[CRASHES] += 1;
            for peer in NodeId::all(self.bounds.nodes).filter(|peer| *peer != node) {
                self.cut(&mut next.letters, node, peer);
            }
        }
        self.go(worker, &mut next, node, what, fate);
        if !is_set && (dies || matches!(what, Move::Crash(_))) {
            for peer in NodeId::all(self.bounds.nodes).filter(|peer| *peer != node) {
                self.go(worker, &mut next, node, Move::LinkUp(peer.0), Fate::Plain);
                self.go(worker, &mut next, peer, Move::LinkDown(node.0), Fate::Plain);
                self.go(worker, &mut next, peer, Move::LinkUp(node.0), Fate::Plain);
            }
        }
        self.finish(&mut next);
        if self.reductions.no_ops && next.key == state.key {
            return None;
        }
        Some(next)
    }

    /// All that can happen in a state, whatever comes of it.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        if state.is_broken {
            return; // A law is broken; what comes after shows nothing more.
        }
        let may_crash = state.spent[CRASHES] < self.bounds.crashes;
        let dies = may_crash && self.bounds.disk == Disk::Atomic;
        let unheard = self.bounds.asks_max > 1 && !self.calls.is_empty();
        let fates = [
            (Fate::Plain, true),
            (Fate::Dies, dies),
            (Fate::Unheard, unheard),
        ];
        let fates = || {
            fates
                .into_iter()
                .filter(|(_, may)| *may)
                .map(|(fate, _)| fate)
        };
        // What begins a write is the first of the inputs.
        let writes = |node: NodeId| {
            let local = self.locals.get(state.nodes[node.index()]);
            !local.under_way.is_empty() && local.taken > self.bounds.inputs_while_writing
        };
        for (at, letter) in state.letters.iter().enumerate() {
            let to = self.letters.get(*letter).to;
            if self.is_next(&state.letters, at) && !writes(to) {
                let letter = *letter;
                actions.extend(fates().map(|fate| Action::Deliver { letter, fate }));
            }
        }
        let clients = &self.clients.get(state.clients).clients;
        for node in NodeId::all(self.bounds.nodes) {
            let local = self.locals.get(state.nodes[node.index()]);
            for timer in local.timers.iter().copied().filter(|_| !writes(node)) {
                let may = match self.timers.get(timer.into()).at[node.index()] {
                    Running::Free => true,
                    Running::Never => false,
                    Running::Counted { place, times } => state.spent[place] < times,
                };
                if may {
                    actions.extend(fates().map(|fate| Action::Fire { node, timer, fate }));
                }
            }
            for call in 0..self.calls.len() {
                if clients.may_ask(&self.calls, call, self.bounds.asks_max) && !writes(node) {
                    let call = call as u8;
                    actions.extend(fates().map(|fate| Action::Ask { node, call, fate }));
                }
            }
            if !local.under_way.is_empty() {
                let fates = fates().filter(|fate| *fate != Fate::Dies);
                actions.extend(fates.map(|fate| Action::Persisted { node, fate }));
            }
            if may_crash {
                let under_way: usize = local.under_way.iter().map(Vec::len).sum();
                let crash = |keeps| Action::Crash {
                    node,
                    keeps: keeps as u8,
                };
                actions.extend((0..=under_way).map(crash));
            }
        }
        if self.bounds.network == Network::Fifo && state.spent[RESETS] < self.bounds.resets {
            for other in NodeId::all(self.bounds.nodes) {
                for one in NodeId::all(other.0 - 1) {
                    actions.push(Action::Reset { one, other });
                }
            }
        }
    }

    /// Gives every state that can follow, with the action that leads there.
    pub(super) fn expand(
        &self,
        worker: &mut Worker,
        state: &State,
        mut give: impl FnMut(Action, State),
    ) {
        let mut actions = std::mem::take(&mut worker.actions);
        actions.clear();
        self.enabled(state, &mut actions);
        for action in &actions {
            if let Some(next) = self.act(worker, state, *action)
                && !next.is_beyond
            {
                give(*action, next);
            }
        }
        worker.actions = actions;
    }

    /// By what a state is told from others; never 0.
    pub fn fingerprint(&self, state: &State) -> u64 {
        state.key
    }

    /// What is broken in a state: the property, and what was seen.
    pub fn broken(&self, state: &State) -> Option<(String, String)> {
        if let Some(Broken { invariant, message }) = &self.watches.get(state.watch).broken {
            return Some((invariant.to_string(), message.clone()));
        }
        let broken = self.clients.get(state.clients).broken.as_ref();
        broken.map(|message| ("linearizability".to_string(), message.clone()))
    }

    /// An action in words.
    pub fn describe(&self, action: Action) -> String {
        let end = |fate| match fate {
            Fate::Plain => "",
            Fate::Dies => ", and dies before anything of it is durable",
            Fate::Unheard => ", and its answer is lost",
        };
        match action {
            Action::Deliver { letter, fate } => {
                let Letter {
                    from, to, message, ..
                } = self.letters.get(letter);
                format!("{to} takes from {from}: {message:?}{}", end(fate))
            }
            Action::Fire { node, timer, fate } => {
                let timer = &self.timers.get(timer.into()).parcel;
                format!("{node}: the {timer:?} timer runs out{}", end(fate))
            }
            Action::Ask { node, call, fate } => {
                let Call { client, text, .. } = &self.calls[usize::from(call)];
                format!("c{} asks {node}: {text}{}", client + 1, end(fate))
            }
            Action::Persisted { node, fate } => {
                format!("{node}: its oldest write is durable{}", end(fate))
            }
            Action::Crash { node, keeps: 0 } => format!("{node} dies and comes back"),
            Action::Crash { node, keeps } => {
                format!("{node} dies and comes back with {keeps} of the writes under way")
            }
            Action::Reset { one, other } => format!("the link of {one} and {other} breaks"),
        }
    }

    /// How the nodes stand in a state, one a line.
    pub fn nodes(&self, state: &State) -> Vec<(NodeId, String)> {
        NodeId::all(self.bounds.nodes)
            .map(|node| {
                let local = self.locals.get(state.nodes[node.index()]);
                (node, local.state.as_member().describe())
            })
            .collect()
    }

    /// Appends a state in few bytes.
    pub(super) fn encode(&self, state: &State, bytes: &mut Vec<u8>) {
        let nodes = &state.nodes[..usize::from(self.bounds.nodes)];
        nodes.iter().for_each(|node| put_number(bytes, *node));
        put_number(bytes, state.watch);
        put_number(bytes, state.clients);
        let used = state
            .spent
            .iter()
            .rposition(|spent| *spent > 0)
            .map_or(0, |last| last + 1);
        bytes.push(used as u8);
        bytes.extend_from_slice(&state.spent[..used]);
        put_number(bytes, state.letters.len() as u32);
        let mut before = 0;
        for letter in &state.letters {
            // Sorted where they are a set. Where they are not, a difference may be below zero.
            put_number(bytes, letter.wrapping_sub(before));
            before = *letter;
        }
    }

    /// Reads a state that was appended, and moves on behind it.
    pub(super) fn decode(&self, bytes: &mut &[u8]) -> State {
        let mut nodes = [0; NODES_MAX];
        for node in &mut nodes[..usize::from(self.bounds.nodes)] {
            *node = take_number(bytes);
        }
        let (watch, clients) = (take_number(bytes), take_number(bytes));
        let mut spent = Spent::default();
        let used = usize::from(bytes[0]);
        spent[..used].copy_from_slice(&bytes[1..=used]);
        *bytes = &bytes[1 + used..];
        let mut before = 0u32;
        let letters: Letters = (0..take_number(bytes))
            .map(|_| {
                before = before.wrapping_add(take_number(bytes));
                before
            })
            .collect();
        let mut state = State {
            nodes,
            watch,
            clients,
            spent,
            letters,
            sums: Keys::default(),
            key: 0,
            is_broken: false,
            is_beyond: false,
            seen: 0,
        };
        self.sum_up(&mut state);
        state
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

pub(super) fn call_list(bounds: &Bounds, system: &dyn System) -> Result<Vec<Call>, String> {
    let register = WorkloadConfig::named("register").expect("there is a register workload");
    let binding = register.binding(&bounds.cluster);
    let mut calls = Vec::new();
    for (client, asks) in bounds.clients.iter().enumerate() {
        for (number, ask) in asks.iter().enumerate() {
            let (operation, text) = calls::operation(ask);
            let body = match (&operation, ask.manage()) {
                (Some(operation), _) => {
                    let binding = binding.as_ref().ok_or("the cluster has no registers")?;
                    let bytes = binding.request(operation);
                    let body = system.decode(Word::Request, &bytes);
                    body.map_err(|error| error.to_string())?
                }
                (None, manage) => manage
                    .and_then(|manage| system.manage(manage))
                    .ok_or("the cluster cannot be managed")?,
            };
            calls.push(Call {
                client: client as u8,
                number: number as u8,
                body,
                operation,
                text,
            });
        }
    }
    Ok(calls)
}

/// The finalizer of SplitMix64: every bit of what goes in moves every bit of what comes out.
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

fn put_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> u32 {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        number |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return number;
        }
    }
    unreachable!("what was put there ends")
}
