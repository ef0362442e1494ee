//! Processor time of this process, and an end to what takes too long.

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The processor time at which the work that is being measured began; `u64::MAX` between two.
static BEGAN: AtomicU64 = AtomicU64::new(u64::MAX);

/// What all work measured so far took, each once.
static SPENT: AtomicU64 = AtomicU64::new(0);

/// Short work is repeated for so long.
const ROUNDS_NS: u64 = 100_000_000;

/// In so many rounds, of which the one in the middle counts: a neighbour on the machine that empties the caches for a while spoils only some.
const ROUNDS: u64 = 5;

/// A round repeats no more often, since what is judged is prepared for all of it.
const REPEATS_MAX: u64 = 1000;

/// Nanoseconds of processor time of all threads of this process.
fn now() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds that `work` takes on what `prepare` makes, without making it, and what it returns.
pub(crate) fn measure<T, R>(prepare: impl Fn() -> T, work: impl Fn(T) -> R) -> (R, u64) {
    let input = prepare();
    let before = now();
    BEGAN.store(before, Ordering::SeqCst);
    let result = black_box(work(black_box(input)));
    let first = now() - before;
    BEGAN.store(u64::MAX, Ordering::SeqCst);
    SPENT.fetch_add(first, Ordering::SeqCst);
    if first > ROUNDS_NS {
        return (result, first);
    }
    let repeats = (ROUNDS_NS / ROUNDS / first.max(1)).clamp(1, REPEATS_MAX);
    let round = |_| {
        let inputs: Vec<T> = (0..repeats).map(|_| prepare()).collect();
        let before = now();
        for input in inputs {
            black_box(work(black_box(input)));
        }
        (now() - before) / repeats
    };
    let mut rounds: Vec<u64> = (0..ROUNDS).map(round).collect();
    rounds.sort_unstable();
    (result, rounds[rounds.len() / 2])
}

/// Ends this process when its work, repeats apart, takes more processor time than `most`, and says so on standard output.
pub(crate) fn end_after(most: Duration) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            // What was spent is read first: work that ends in between is then forgotten for once, and never counted twice.
            let spent = SPENT.load(Ordering::SeqCst);
            let running = now().saturating_sub(BEGAN.load(Ordering::SeqCst));
            if u128::from(spent + running) > most.as_nanos() {
                println!("> {} s", most.as_secs());
                std::process::exit(0);
            }
        }
    });
}
