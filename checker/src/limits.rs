//! How much work a judgement may cost, and how much it did cost.
//!
//! The problem is NP-complete (Gibbons and Korach, "Testing Shared Memories", SIAM J. Comput. 1997), so every judge that always answers
//! takes exponential time now and then. Limits end it with [`Unknown`](crate::Verdict::Unknown), which says which limit was reached, at
//! which event, and how many parts are still open. Unknown says nothing about the history; it is never a pass.
//!
//! - *Steps* are counted work: calls of the specification, and configurations compared. The same history, specification and limits give the
//!   same steps on every machine, so a judgement that ends by steps can be repeated anywhere.
//! - *Bytes* are counted as well, not measured: what the search holds at one time. The history itself is not counted, nor are monitors,
//!   which take space in proportion to it.
//! - *Time* depends on the machine. It can turn an answer into unknown and nothing else.
//!
//! A monitor counts a step an operation before it begins. Evidence has bounds of its own, see [`evidence`](crate::evidence).

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How much a judgement may cost. Reaching a limit gives [`Verdict::Unknown`](crate::Verdict::Unknown), never another
/// verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps of the search: calls of the specification, and configurations compared.
    pub steps: u64,
    /// Memory of the search at one time: configurations, states, and the links certificates are read from. The
    /// history itself is not counted.
    pub bytes: u64,
    /// Wall-clock time until the verdict, evidence and all. The same history may be judged on one machine and unknown on a slower one, or have
    /// less evidence there, so prefer steps. The steps of gathering evidence come on top: a few times those of the search.
    pub time: Option<Duration>,
    /// How many parts of a history are judged at the same time. It changes the time until the verdict and nothing else.
    pub threads: usize,
}

impl Limits {
    /// The limit as a number: steps, bytes or nanoseconds.
    pub(crate) fn of(&self, reason: Reason) -> u64 {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match reason {
            Reason::Steps => self.steps,
            Reason::Bytes => self.bytes,
            Reason::Time => self.time.map_or(0, nanoseconds),
        }
    }
}

impl Default for Limits {
    /// Four thousand million steps (some minutes), 1 GiB, no limit of time, one thread.
    fn default() -> Self {
        Self {
            steps: 4_000_000_000,
            bytes: 1 << 30,
            time: None,
            threads: 1,
        }
    }
}

/// The work a judgement cost. The same history and specification always give the same numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Steps of the search that decided the verdict; those that shorten evidence are bounded apart.
    pub steps: u64,
    /// The most configurations held at one event.
    pub frontier_peak: u64,
    /// The most memory accounted for at one time, in bytes.
    pub bytes_peak: u64,
}

impl Work {
    /// Adds the work of another part.
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps = self.steps.saturating_add(other.steps);
        self.frontier_peak = self.frontier_peak.max(other.frontier_peak);
        self.bytes_peak = self.bytes_peak.max(other.bytes_peak);
    }
}

/// Which limit was reached. Displayed as `steps`, `bytes` or `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// [`Limits::steps`].
    Steps,
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::time`].
    Time,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steps => "steps",
            Self::Bytes => "bytes",
            Self::Time => "time",
        })
    }
}

/// For a specification whose steps are themselves long: counts `steps` of the work that one of them does against the limits of the judgement under way on
/// this thread. False when a limit is reached; the step may then return anything, soon, and the verdict will be unknown.
///
/// Outside a judgement there is no limit.
#[allow(
    clippy::disallowed_methods,
    reason = "the time limit only ever turns an answer into unknown"
)]
pub fn spend(steps: u64) -> bool {
    LENT.with(|cell| {
        let mut lent = cell.get();
        lent.spent = lent.spent.saturating_add(steps);
        if lent.spent > lent.steps {
            lent.over = Some(Reason::Steps);
        } else if lent.until.is_some_and(|until| Instant::now() >= until) {
            lent.over = Some(Reason::Time);
        }
        cell.set(lent);
        lent.over.is_none()
    })
}

/// What the specification's own steps may spend, and did.
#[derive(Clone, Copy)]
struct Lent {
    steps: u64,
    until: Option<Instant>,
    spent: u64,
    over: Option<Reason>,
}

const UNLIMITED: Lent = Lent {
    steps: u64::MAX,
    until: None,
    spent: 0,
    over: None,
};

thread_local! {
    static LENT: Cell<Lent> = const { Cell::new(UNLIMITED) };
}

/// Counts work against limits. Every loop of the search passes through [`Meter::step`].
pub(crate) struct Meter {
    limits: Limits,
    /// The steps at which to stop for now; never above the limit.
    ceiling: u64,
    started: Instant,
    next_clock_reading: u64,
    bytes: u64,
    pub(crate) work: Work,
}

/// Reading a clock costs more than a step, so it is read once in this many.
const STEPS_A_CLOCK_READING: u64 = 4096;

impl Meter {
    #[allow(
        clippy::disallowed_methods,
        reason = "the time limit only ever turns an answer into unknown"
    )]
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ceiling: limits.steps,
            started: Instant::now(),
            next_clock_reading: 0,
            bytes: 0,
            work: Work::default(),
        }
    }

    /// A new meter with other limits whose time began when this one's did.
    pub(crate) fn also(&self, limits: Limits) -> Self {
        Self {
            limits,
            ceiling: limits.steps,
            started: self.started,
            next_clock_reading: 0,
            bytes: 0,
            work: Work::default(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The steps that are left.
    pub(crate) fn steps_left(&self) -> u64 {
        self.limits.steps.saturating_sub(self.work.steps)
    }

    /// Allows at most `steps` from here on, within the limit.
    pub(crate) fn allow(&mut self, steps: u64) {
        self.ceiling = self.work.steps.saturating_add(steps).min(self.limits.steps);
    }

    /// Counts `steps` of work.
    #[inline]
    pub(crate) fn step(&mut self, steps: u64) -> Result<(), Reason> {
        self.work.steps = self.work.steps.saturating_add(steps);
        if self.work.steps > self.ceiling {
            return Err(Reason::Steps);
        }
        if self.work.steps >= self.next_clock_reading {
            return self.look_up();
        }
        Ok(())
    }

    /// Reads the clock, and what the steps of a specification spent.
    #[cold]
    fn look_up(&mut self) -> Result<(), Reason> {
        self.next_clock_reading = self.work.steps + STEPS_A_CLOCK_READING;
        self.collect()?;
        let time = self.limits.time;
        if time.is_some_and(|time| self.started.elapsed() >= time) {
            return Err(Reason::Time);
        }
        Ok(())
    }

    /// From here on the steps of a specification may [`spend`] what is left.
    pub(crate) fn lend(&self) {
        let steps = self.ceiling.saturating_sub(self.work.steps);
        let until = self
            .limits
            .time
            .and_then(|time| self.started.checked_add(time));
        LENT.set(Lent {
            steps,
            until,
            ..UNLIMITED
        });
    }

    /// Counts what the steps of a specification spent. An error when they reached a limit: nothing they said since may be believed.
    pub(crate) fn collect(&mut self) -> Result<(), Reason> {
        let mut lent = LENT.get();
        if let Some(reason) = lent.over {
            self.work.steps = self
                .work
                .steps
                .saturating_add(std::mem::take(&mut lent.spent));
            LENT.set(lent);
            return Err(reason);
        }
        if lent.spent > 0 {
            self.work.steps = self.work.steps.saturating_add(lent.spent);
            lent.steps = self.ceiling.saturating_sub(self.work.steps);
            lent.spent = 0;
            LENT.set(lent);
        }
        Ok(())
    }

    /// The judgement is over, and what its steps spent is counted.
    pub(crate) fn take_back(&mut self) -> Result<(), Reason> {
        let collected = self.collect();
        LENT.set(UNLIMITED);
        collected
    }

    /// Counts memory about to be taken, and refuses before it is.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), Reason> {
        if self.bytes + bytes > self.limits.bytes {
            return Err(Reason::Bytes);
        }
        self.bytes += bytes;
        self.work.bytes_peak = self.work.bytes_peak.max(self.bytes);
        Ok(())
    }

    /// Counts memory given back.
    pub(crate) fn give(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// What is counted as taken now.
    pub(crate) fn held(&self) -> u64 {
        self.bytes
    }

    /// All that was taken since `held` was read has been freed.
    pub(crate) fn give_back_to(&mut self, held: u64) {
        self.bytes = self.bytes.min(held);
    }

    /// Makes room in `list` for one more item, growing by a quarter, and accounts for it. While the list moves, old and
    /// new are both counted.
    pub(crate) fn room<T>(&mut self, list: &mut Vec<T>) -> Result<(), Reason> {
        if list.len() < list.capacity() {
            return Ok(());
        }
        let more = (list.len() / 4).max(16);
        let size = size_of::<T>() as u64;
        let old = list.capacity() as u64 * size;
        self.take((list.len() + more) as u64 * size)?;
        list.reserve_exact(more);
        self.give(old);
        Ok(())
    }
}
