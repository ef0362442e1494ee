//! Makes a trial that breaks something smaller, for as long as it breaks the very same property.
//!
//! A storm that finds a bug has a hundred faults and a thousand operations, and two or three of them matter. Runs are deterministic and
//! every draw is keyed by what it is for, so a candidate with less in it can simply be run: if it breaks the same property, the search
//! goes on from there.
//!
//! The order: first everything symbolic becomes concrete (`concrete`), since "the leader" may be somebody else once other faults are
//! gone. Then time is cut (`time`), then faults and operations are left out (`fewest`), then the cluster gets smaller (`size`) and what
//! is left simpler (`simpler`). That is repeated until nothing changes, under other seeds either (`luck`).

mod concrete;
mod fewest;
mod luck;
mod property;
mod search;
mod simpler;
mod size;
mod time;

pub use concrete::calls_of;
pub use property::Property;

use crate::judge::Judged;
use crate::record::Run;
use crate::trial::{Arena, Call, Trial, Vacuity};
use fewest::{ALL, fewest};
use search::{Best, Search};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// How much work may be done. Work is counted, so that the same trial shrinks to the same trial on any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShrinkLimits {
    /// The most candidates that are run.
    pub candidates_max: u64,
}

impl ShrinkLimits {
    /// What is worth the wait in an arena: a trial in turmoil costs a hundred times as much.
    pub fn of(arena: Arena) -> Self {
        let candidates_max = match arena {
            Arena::Simulator => 2_000,
            Arena::Turmoil | Arena::Live => 300,
        };
        Self { candidates_max }
    }
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many candidates were run.
    pub candidates_run: u64,
    /// How many faults the best one has.
    pub faults: usize,
    /// How many operations it calls in the storm.
    pub operations: usize,
}

/// Is told how far the search is, also while a candidate runs, and may end it early. Then the best so far counts.
pub type Watch<'a> = dyn FnMut(&Step) -> ControlFlow<()> + 'a;

/// How large a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Faults in the schedule.
    pub faults: u64,
    /// Operations called in the storm.
    pub operations: u64,
    /// Clients.
    pub clients: u64,
    /// Keys that are called.
    pub keys: u64,
    /// Nodes.
    pub nodes: u64,
    /// How long the run was, in simulated nanoseconds.
    pub simulated_ns: u64,
}

impl Size {
    /// The size of a trial, with what it came to.
    pub fn of(trial: &Trial, run: &Run) -> Self {
        let calls = calls_of(trial, run);
        let keys: BTreeSet<&Option<String>> = calls.iter().map(|call| &call.key).collect();
        Self {
            faults: trial.schedule.len() as u64,
            operations: calls.len() as u64,
            clients: trial.clients.into(),
            keys: keys.len() as u64,
            nodes: trial.nodes.into(),
            simulated_ns: run.record.ended_ns,
        }
    }

    /// Faults and operations together.
    pub fn events(&self) -> u64 {
        self.faults + self.operations
    }
}

/// A trial made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The trial.
    pub trial: Trial,
    /// What came back from it.
    pub run: Run,
    /// That, judged.
    pub judged: Judged,
    /// What it breaks, as the trial did that it was made from.
    pub property: Property,
    /// How large that trial was.
    pub before: Size,
    /// How large this one is.
    pub after: Size,
    /// How many candidates were run.
    pub candidates_run: u64,
    /// Whether nothing more could be left out; otherwise a limit was reached, or somebody ended the search.
    pub is_complete: bool,
}

impl Shrunk {
    /// The share of faults and operations that is gone, in percent.
    pub fn removed_percent(&self) -> f64 {
        let (before, after) = (self.before.events(), self.after.events());
        100.0 - after as f64 * 100.0 / before.max(1) as f64
    }
}

/// A trial that cannot be shrunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShrinkError {
    /// Nothing is broken.
    #[error("nothing is broken, so there is nothing to keep: {sentence}")]
    NothingBroken {
        /// The verdict.
        sentence: String,
    },
    /// The trial is not sound in itself.
    #[error("{0}")]
    Unsound(String),
}

/// The most rounds. Each begins with less than the one before it.
const ROUNDS_MAX: u32 = 20;

/// Into how many parts the operations are divided before anything else gets its turn.
const PARTS_AT_FIRST: usize = 16;

/// Makes a trial smaller that broke something. `run` is what came back from it, and `judged` the verdict on that.
///
/// # Errors
/// [`ShrinkError`].
pub fn shrink(
    trial: &Trial,
    run: &Run,
    judged: &Judged,
    limits: &ShrinkLimits,
    watch: &mut Watch<'_>,
) -> Result<Shrunk, ShrinkError> {
    trial.validate().map_err(ShrinkError::Unsound)?;
    let nothing = || ShrinkError::NothingBroken {
        sentence: judged.sentence.clone(),
    };
    let property = Property::of(judged).ok_or_else(nothing)?;
    let mut start = trial.clone();
    // A few operations and one fault are the point of it, and no sign of a run that tested nothing.
    start.vacuity = Vacuity {
        ok_operations_min: 0,
        ok_reads_min: 0,
        fault_must_overlap: false,
        final_reads_required: false,
    };
    let best = Best {
        trial: start,
        run: run.clone(),
        judged: judged.clone(),
    };
    let mut search = Search::new(best, property.clone(), limits.candidates_max, watch);
    let is_complete = rounds(&mut search) && !search.is_over();
    let candidates_run = search.candidates_run();
    let Best {
        trial: small,
        run: came,
        judged,
    } = search.into_best();
    Ok(Shrunk {
        property,
        before: Size::of(trial, run),
        after: Size::of(&small, &came),
        trial: small,
        run: came,
        judged,
        candidates_run,
        is_complete,
    })
}

/// Goes round until nothing changes. Says whether it came to that.
fn rounds(search: &mut Search<'_>) -> bool {
    concrete::whole(search);
    time::cut(search);
    // Large parts first, and under other seeds: going through hundreds of operations one by one takes most of the work there is.
    fewer_faults(search, true);
    fewer_calls(search, PARTS_AT_FIRST);
    concrete::one_by_one(search);
    time::tighten(search);
    luck::other_seeds(search);
    for _ in 0..ROUNDS_MAX {
        let before = search.trial().clone();
        fewer_faults(search, false);
        fewer_calls(search, ALL);
        concrete::one_by_one(search);
        time::tighten(search);
        size::smaller(search);
        simpler::faults(search);
        simpler::settings(search);
        if *search.trial() == before && !luck::other_seeds(search) {
            return true;
        }
    }
    false
}

/// Few faults that cannot be fewer by one may still be twice as many as are needed. More is tried where it costs little.
const FAULTS_TO_TRY_AGAIN: usize = 2;

fn fewer_faults(search: &mut Search<'_>, is_first: bool) {
    let whole = search.best().clone();
    let count = whole.trial.schedule.len();
    leave_out_faults(search, (0..count).collect());
    let is_cheap = whole.trial.arena == Arena::Simulator;
    if !is_first || !is_cheap || search.trial().schedule.len() <= FAULTS_TO_TRY_AGAIN {
        return;
    }
    let alone = |fault: &_| {
        let schedule = vec![Clone::clone(fault)];
        Trial {
            schedule,
            ..whole.trial.clone()
        }
    };
    if whole
        .trial
        .schedule
        .iter()
        .any(|fault| search.offer(alone(fault)))
    {
        return;
    }
    // From the other end, which keeps others of those that can stand in for each other.
    let first = search.go_back_to(whole.clone());
    leave_out_faults(search, (0..count).rev().collect());
    if search.trial().schedule.len() >= first.trial.schedule.len() {
        search.go_back_to(first);
    }
}

/// Leaves out faults, those at the end of `order` first.
fn leave_out_faults(search: &mut Search<'_>, order: Vec<usize>) {
    let whole = search.trial().clone();
    fewest(order, ALL, &mut |kept| {
        search.try_out(|| {
            let mut kept = kept.to_vec();
            kept.sort_unstable();
            let schedule = kept.iter().map(|at| whole.schedule[*at].clone()).collect();
            Trial {
                schedule,
                ..whole.clone()
            }
        })
    });
}

fn fewer_calls(search: &mut Search<'_>, parts_max: usize) {
    let whole = search.trial().clone();
    let Some(calls) = &whole.calls else {
        return size::fewer_operations(search);
    };
    for (client, key) in parts_of(calls) {
        let mut trial = search.trial().clone();
        let differs = |call: &Call| Some(call.client) != client && Some(&call.key) != key.as_ref();
        trial.calls = trial
            .calls
            .map(|calls| calls.into_iter().filter(differs).collect());
        search.offer(trial);
    }
    let mut whole = search.trial().clone();
    let calls = whole.calls.take().unwrap_or_default();
    let order = (0..calls.len()).collect();
    fewest(order, parts_max, &mut |kept| {
        search.try_out(|| Trial {
            calls: Some(kept.iter().map(|at| calls[*at].clone()).collect()),
            ..whole.clone()
        })
    });
}

/// All of one client, or all with one key: the others go on much as they did.
fn parts_of(calls: &[Call]) -> Vec<(Option<u32>, Option<Option<String>>)> {
    let clients: BTreeSet<u32> = calls.iter().map(|call| call.client).collect();
    let keys: BTreeSet<&Option<String>> = calls.iter().map(|call| &call.key).collect();
    let keys = keys.into_iter().map(|key| (None, Some(key.clone())));
    let clients = clients.into_iter().map(|client| (Some(client), None));
    keys.chain(clients).collect()
}
