//! Processor time of the main thread, and an end to what takes too long.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The processor time at which the work that is being measured began; `u64::MAX` between two.
static BEGAN: AtomicU64 = AtomicU64::new(u64::MAX);

/// What all work measured so far took, each once.
static SPENT: AtomicU64 = AtomicU64::new(0);

/// Linux tells processor time only once a tick, so that short work is repeated for so long and the mean taken.
const BATCH: Duration = Duration::from_millis(100);

/// Nanoseconds the main thread of this process was on a processor, whichever thread asks. `None` where Linux does not tell.
fn processor_nanoseconds() -> Option<u64> {
    let scheduled = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    scheduled.split_whitespace().next()?.parse().ok()
}

/// The same, for the thread that measures; wall time where that is not known.
fn now(since: &Instant) -> u64 {
    processor_nanoseconds().unwrap_or_else(|| since.elapsed().as_nanos() as u64)
}

/// Nanoseconds that `work` takes on what `prepare` makes, without making it, and what it returns.
#[allow(
    clippy::disallowed_methods,
    reason = "a measurement asks for the time; no verdict does"
)]
pub(crate) fn measure<T, R>(prepare: impl Fn() -> T, work: impl Fn(T) -> R) -> (R, u64) {
    let input = prepare();
    let started = Instant::now();
    let before = now(&started);
    BEGAN.store(before, Ordering::Relaxed);
    let result = black_box(work(black_box(input)));
    let first = started.elapsed();
    let nanoseconds = now(&started) - before;
    BEGAN.store(u64::MAX, Ordering::Relaxed);
    SPENT.fetch_add(nanoseconds, Ordering::Relaxed);
    if first > BATCH {
        return (result, nanoseconds);
    }
    let repeats = (BATCH.as_nanos() / first.as_nanos().max(1)).clamp(1, 2000) as u64;
    let inputs: Vec<T> = (0..repeats).map(|_| prepare()).collect();
    let before = now(&started);
    for input in inputs {
        black_box(work(black_box(input)));
    }
    (result, (now(&started) - before) / repeats)
}

/// Ends this process when its work, repeats apart, takes more processor time than `most`, and says so on standard output.
pub(crate) fn end_after(most: Duration) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let began = BEGAN.load(Ordering::Relaxed);
            let spent = SPENT.load(Ordering::Relaxed)
                + processor_nanoseconds().map_or(0, |now| now.saturating_sub(began));
            if u128::from(spent) > most.as_nanos() {
                println!("> {} s", most.as_secs());
                std::process::exit(0);
            }
        }
    });
}
