//! Notices a node that does not give the processor back.
//!
//! A core that loops for ever, or a server that never awaits, cannot be stopped from within its thread. So a trial runs on a thread of
//! its own with a *pulse* that the arena moves at every step; who waits for the trial watches the pulse and the processor time of that
//! thread. Processor time, because a machine that is busy with something else says nothing about a node. The thread is left behind.

use crate::record::{Marks, RECORD_VERSION, Record, Run, Traffic, Violation, ViolationKind, Wear};
use crate::trial::Trial;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use stormglass_checker::History;
use stormglass_impls::contract::NodeId;

/// How long a step may take, in processor time, unless told otherwise.
pub const STEP_CPU_MAX: Duration = Duration::from_secs(10);

/// How often the pulse is felt.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The sign of life of one trial.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    beats: AtomicU64,
    /// The node at work, or 0.
    node: AtomicU8,
    /// The simulated time of the last beat, in nanoseconds.
    at_ns: AtomicU64,
}

impl Pulse {
    /// A node begins to work.
    pub(crate) fn enter(&self, node: NodeId, now_ns: u64) {
        self.node.store(node.0, Ordering::Relaxed);
        self.at_ns.store(now_ns, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// It is done.
    pub(crate) fn leave(&self) {
        self.node.store(0, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// The pulse of the trial that this thread runs; nobody may be watching it.
pub(crate) fn pulse() -> Arc<Pulse> {
    PULSE.with_borrow(|pulse| pulse.clone()).unwrap_or_default()
}

/// A trial that stands still in the middle of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The node at work; `None` when no node was.
    pub node: Option<NodeId>,
    /// The simulated time, in nanoseconds.
    pub at_ns: u64,
    /// How much processor time it was given.
    pub given: Duration,
}

/// Runs a trial, or anything that moves a pulse, on a thread of its own. Gives up, and leaves the thread behind, when the pulse stood
/// still for that much of the thread's processor time; where the system does not tell that, for ten times as much time of the clock.
///
/// # Errors
/// Who was at work.
///
/// # Panics
/// When the work panics.
pub fn watched<T: Send + 'static>(
    given: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stuck> {
    let pulse = Arc::new(Pulse::default());
    let (done, waits) = channel();
    let (own, told) = channel();
    let felt = Arc::clone(&pulse);
    let worker = thread::spawn(move || {
        // Whoever waits is gone only when the process ends.
        let _ = own.send(own_schedule());
        PULSE.set(Some(felt));
        let result = work();
        let _ = done.send(());
        result
    });
    let schedule = told.recv().ok().flatten();
    let mut last = Look::now(&pulse, schedule.as_deref(), 0);
    let mut looks = 0;
    loop {
        match waits.recv_timeout(LOOK_EVERY) {
            // Done, or dropped by a panic.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        looks += 1;
        let look = Look::now(&pulse, schedule.as_deref(), looks);
        if look.beats != last.beats {
            last = look;
        } else if look.cpu_ns.saturating_sub(last.cpu_ns) >= given.as_nanos() as u64 {
            let node = Some(NodeId(pulse.node.load(Ordering::Relaxed))).filter(|node| node.0 > 0);
            let at_ns = pulse.at_ns.load(Ordering::Relaxed);
            return Err(Stuck { node, at_ns, given });
        }
    }
}

/// What was felt of the pulse, and when, in processor time of its thread.
struct Look {
    beats: u64,
    cpu_ns: u64,
}

impl Look {
    fn now(pulse: &Pulse, schedule: Option<&str>, looks: u64) -> Self {
        let told = schedule.and_then(|file| std::fs::read_to_string(file).ok());
        let told = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self {
            beats: pulse.beats.load(Ordering::Relaxed),
            cpu_ns: told.unwrap_or(looks * LOOK_EVERY.as_nanos() as u64 / 10),
        }
    }
}

/// The file that tells the processor time of this thread, where there is one.
fn own_schedule() -> Option<String> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    Some(format!("/proc/{}/schedstat", link.to_str()?))
}

/// What is known of a trial that got stuck: that it did, and where.
pub fn run_of(trial: &Trial, stuck: Stuck) -> Run {
    let message = format!(
        "took {} s of processor time in one step, at {} ms, and was left behind",
        stuck.given.as_secs_f64(),
        stuck.at_ns / 1_000_000
    );
    let violation = Violation {
        kind: ViolationKind::Hang,
        name: "hang".to_string(),
        time_ns: stuck.at_ns,
        node: stuck.node,
        message,
    };
    let record = Record {
        schema_version: RECORD_VERSION,
        digest: String::new(),
        marks: Marks {
            every: 1,
            digits: String::new(),
        },
        inputs: 0,
        interrupted: false,
        ended_ns: stuck.at_ns,
        healed_ns: trial.storm_ms * 1_000_000,
        traffic: Traffic::default(),
        wear: Wear::default(),
        faults: Vec::new(),
        facts: Vec::new(),
        violations: vec![violation],
    };
    Run {
        history: History::default(),
        record,
    }
}
