//! The search: breadth first, level by level, on several threads.
//!
//! All states of one level are looked at before any of the next. So the first level on which a law is broken is the shortest way to break it,
//! and what was seen of whole levels does not depend on threads: the counts and the counterexample are the same in every run.

use super::action::Action;
use super::bounds::Witness;
use super::coverage::Shape;
use super::space::{Space, SpaceError, Worker};
use super::state::State;
use super::visited::Visited;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// How far a search may go before it gives up, and with how many threads it goes.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Threads.
    pub threads: usize,
    /// The most memory, in bytes, of what a search keeps.
    pub bytes_max: usize,
    /// The most states.
    pub states_max: usize,
    /// Asked now and then: whether to stop, and why. A search itself has no clock.
    pub stop: &'a (dyn Fn() -> Option<Reason> + Sync),
    /// Whether to collect the shapes of all states.
    pub shapes: bool,
    /// Told of each level that is done.
    pub tell: &'a (dyn Fn(&Counts) + Sync),
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self {
            threads: 1,
            bytes_max: 4 << 30,
            states_max: usize::MAX,
            stop: &|| None,
            shapes: false,
            tell: &|_| {},
        }
    }
}

/// Why a search did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It would have needed more memory.
    Memory,
    /// It came to as many states as it may.
    States,
    /// It took as long as it may.
    Time,
    /// Somebody interrupted it.
    Interrupted,
}

/// What a search counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// States that were reached, each as often as it was.
    pub generated: u64,
    /// Different states among them.
    pub unique: u64,
    /// The level of the deepest of them: so many actions from the beginning.
    pub depth: usize,
    /// The most states that waited on two levels.
    pub frontier_peak: u64,
    /// The most bytes that the search kept at a time.
    pub bytes_peak: u64,
}

impl Counts {
    /// A bound on how likely it is that two different states had one fingerprint, and so one of them was never looked at: n²/2⁶⁵.
    pub fn collision_bound(&self) -> f64 {
        (self.unique as f64).powi(2) / 2f64.powi(65)
    }
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All there is within the bounds was looked at, and every law holds.
    Exhausted,
    /// It gave up. Every law holds in all states of the levels that are done.
    Bounded {
        /// Why.
        reason: Reason,
        /// How many levels are done, the first state's among them.
        levels_done: usize,
    },
    /// A law is broken, and by no shorter way.
    Broken {
        /// Which.
        property: String,
        /// What was seen.
        message: String,
        /// The way there.
        trace: Vec<Action>,
    },
}

/// What came of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it counted.
    pub counts: Counts,
    /// What the bounds want to be seen and was not.
    pub missing: Vec<Witness>,
    /// What was seen.
    pub seen: Vec<Witness>,
    /// The shapes of all states, if they were wanted.
    pub shapes: BTreeSet<Shape>,
}

/// States in few bytes, in pieces that a thread takes one at a time.
type Pieces = Vec<Vec<u8>>;

/// How many states a piece has, at most.
const PIECE: usize = 64;

/// A broken law: the state's fingerprint and its parent's. The smallest is told of.
type Breach = (u64, u64);

/// What one thread brings home from a level.
#[derive(Default)]
struct Harvest {
    pieces: Pieces,
    last: Vec<u8>,
    in_last: usize,
    states: u64,
    generated: u64,
    seen: u16,
    breach: Option<Breach>,
    shapes: BTreeSet<Shape>,
}

impl Harvest {
    fn add(&mut self, space: &Space, state: &State) {
        space.encode(state, &mut self.last);
        self.states += 1;
        self.in_last += 1;
        if self.in_last == PIECE {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.in_last > 0 {
            let mut piece = std::mem::take(&mut self.last);
            piece.shrink_to_fit();
            self.last = Vec::with_capacity(piece.len() + 64);
            self.pieces.push(piece);
            self.in_last = 0;
        }
    }
}

/// One level under way.
struct Level<'a> {
    space: &'a Space,
    visited: &'a Visited,
    limits: &'a Limits<'a>,
    number: usize,
    pieces: &'a [Vec<u8>],
    bytes_frontier: usize,
    taken: AtomicUsize,
    bytes_next: AtomicUsize,
    stopped: AtomicBool,
    reason: Mutex<Option<Reason>>,
    bytes_peak: AtomicU64,
}

impl Level<'_> {
    /// Takes one piece after the other, until there is none or a limit is reached.
    fn work(&self, worker: &mut Worker) -> Harvest {
        let mut harvest = Harvest::default();
        let mut reported = 0;
        while !self.stopped.load(Ordering::Relaxed) {
            let at = self.taken.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(at) else {
                break;
            };
            if !self.visited.has_room(self.limits.threads) {
                // While it grows, the old table and the new one stand side by side.
                let bytes = self.bytes_beside_the_table() + self.visited.bytes_to_grow();
                if bytes > self.limits.bytes_max {
                    self.stop(Reason::Memory);
                    break;
                }
                self.bytes_peak.fetch_max(bytes as u64, Ordering::Relaxed);
                self.visited.grow(self.limits.threads);
            }
            self.expand_piece(worker, piece, &mut harvest);
            let bytes: usize = harvest
                .pieces
                .iter()
                .skip(reported)
                .map(Vec::capacity)
                .sum();
            reported = harvest.pieces.len();
            self.bytes_next.fetch_add(bytes, Ordering::Relaxed);
            if at.is_multiple_of(64) {
                self.look_at_limits();
            }
        }
        harvest.close();
        harvest
    }

    fn expand_piece(&self, worker: &mut Worker, mut piece: &[u8], harvest: &mut Harvest) {
        let view = self.visited.view();
        while !piece.is_empty() {
            let state = self.space.decode(&mut piece);
            let parent = self.space.fingerprint(&state);
            self.space.expand(worker, &state, |_, next| {
                harvest.generated += 1;
                harvest.seen |= next.seen;
                let fingerprint = self.space.fingerprint(&next);
                let is_new = view.insert(fingerprint, self.number + 1, parent);
                if next.is_broken {
                    let breach = (fingerprint, parent);
                    harvest.breach = Some(harvest.breach.map_or(breach, |known| known.min(breach)));
                }
                if is_new && self.limits.shapes {
                    harvest.shapes.insert(self.space.shape(&next));
                }
                if is_new {
                    harvest.add(self.space, &next);
                }
            });
        }
    }

    /// What is kept, but for the table: the states that wait, and the things that are kept once.
    fn bytes_beside_the_table(&self) -> usize {
        self.bytes_frontier + self.bytes_next.load(Ordering::Relaxed) + self.space.bytes()
    }

    fn look_at_limits(&self) {
        let bytes = self.visited.bytes() + self.bytes_beside_the_table();
        self.bytes_peak.fetch_max(bytes as u64, Ordering::Relaxed);
        if bytes > self.limits.bytes_max {
            self.stop(Reason::Memory);
        }
        if self.visited.len() > self.limits.states_max {
            self.stop(Reason::States);
        }
        if let Some(reason) = (self.limits.stop)() {
            self.stop(reason);
        }
    }

    fn stop(&self, reason: Reason) {
        let mut known = self.reason.lock().expect("a reason is only looked at");
        known.get_or_insert(reason);
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Searches all there is within the bounds of a space, as far as the limits allow. An error when its prelude cannot be.
pub fn search(space: &Space, limits: &Limits<'_>) -> Result<Outcome, SpaceError> {
    let threads = limits.threads.max(1);
    let visited = Visited::new();
    let (prelude, initial) = space.begin()?;
    visited.view().insert(space.fingerprint(&initial), 0, 0);
    let mut counts = Counts {
        generated: 1,
        unique: 1,
        frontier_peak: 1,
        ..Counts::default()
    };
    let mut first = Vec::new();
    space.encode(&initial, &mut first);
    let (mut pieces, mut waiting, mut seen) = (vec![first], 1u64, 0u16);
    let mut workers: Vec<Worker> = (0..threads).map(|_| Worker::default()).collect();
    let mut shapes = BTreeSet::new();
    if limits.shapes {
        shapes.insert(space.shape(&initial));
    }
    let mut number = 0;
    let end = loop {
        let level = Level {
            space,
            visited: &visited,
            limits,
            number,
            pieces: &pieces,
            bytes_frontier: pieces.iter().map(Vec::capacity).sum(),
            taken: AtomicUsize::new(0),
            bytes_next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            reason: Mutex::new(None),
            bytes_peak: AtomicU64::new(0),
        };
        let mut harvests: Vec<Harvest> = if threads == 1 || pieces.len() < 2 * threads {
            vec![level.work(&mut workers[0])]
        } else {
            std::thread::scope(|scope| {
                let level = &level;
                let running: Vec<_> = workers
                    .iter_mut()
                    .map(|worker| scope.spawn(move || level.work(worker)))
                    .collect();
                let results = running.into_iter().map(|thread| thread.join());
                results
                    .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect()
            })
        };
        level.look_at_limits();
        counts.bytes_peak = counts
            .bytes_peak
            .max(level.bytes_peak.load(Ordering::Relaxed));
        let reason = *level.reason.lock().expect("a reason is only looked at");
        let stopped = level.stopped.load(Ordering::Relaxed);
        let new: u64 = harvests.iter().map(|harvest| harvest.states).sum();
        counts.generated += harvests
            .iter()
            .map(|harvest| harvest.generated)
            .sum::<u64>();
        counts.unique += new;
        counts.frontier_peak = counts.frontier_peak.max(waiting + new);
        seen |= harvests.iter().fold(0, |bits, harvest| bits | harvest.seen);
        for harvest in &mut harvests {
            shapes.append(&mut harvest.shapes);
        }
        if new > 0 {
            counts.depth = number + 1;
        }
        (limits.tell)(&counts);
        // On a level that was not done there might have been a breach with a smaller fingerprint: it is as short, and good enough.
        let breach = harvests.iter().filter_map(|harvest| harvest.breach).min();
        if let Some((fingerprint, _)) = breach {
            break broken(space, &visited, fingerprint, (&prelude, &initial));
        }
        if stopped && let Some(reason) = reason {
            let levels_done = number;
            break End::Bounded {
                reason,
                levels_done,
            };
        }
        if new == 0 {
            break End::Exhausted;
        }
        pieces = harvests
            .iter_mut()
            .flat_map(|harvest| std::mem::take(&mut harvest.pieces))
            .collect();
        waiting = new;
        number += 1;
    };
    let witnessed = |witness: &Witness| seen & witness.bit() != 0;
    let wanted = space.bounds().shows.iter().copied();
    Ok(Outcome {
        end,
        counts,
        missing: wanted.filter(|witness| !witnessed(witness)).collect(),
        seen: Witness::ALL.into_iter().filter(witnessed).collect(),
        shapes,
    })
}

/// The shortest way to a broken state, by going back from parent to parent, and forward again along the same states.
fn broken(
    space: &Space,
    visited: &Visited,
    fingerprint: u64,
    (prelude, initial): (&[Action], &State),
) -> End {
    let view = visited.view();
    let mut way = vec![fingerprint];
    let (_, mut before) = view
        .parent(fingerprint, 64)
        .expect("a breach is among the states");
    while before != 0 {
        let (state, earlier) = view
            .parent(before, 56)
            .expect("a parent is among the states");
        way.push(state);
        before = earlier;
    }
    way.reverse();
    let mut worker = Worker::default();
    let mut state = initial.clone();
    let mut trace = prelude.to_vec();
    for wanted in &way[1..] {
        let mut steps: Vec<(String, Action, State)> = Vec::new();
        space.expand(&mut worker, &state, |action, next| {
            if space.fingerprint(&next) == *wanted {
                steps.push((space.describe(action), action, next));
            }
        });
        steps.sort_by(|one, other| one.0.cmp(&other.0));
        let (_, action, next) = steps
            .into_iter()
            .next()
            .expect("a way leads from state to state");
        trace.push(action);
        state = next;
    }
    let (property, message) = space
        .broken(&state)
        .expect("the last state is the broken one");
    End::Broken {
        property,
        message,
        trace,
    }
}
