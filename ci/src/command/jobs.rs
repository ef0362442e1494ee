//! Work on several threads, its results in the order of the work.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

/// How many threads this machine has for us.
pub(crate) fn available() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does the work on every item, on so many threads, and hands the results over in the order of the items: what is printed does not depend
/// on who was faster. `each` may end it; what is under way then is finished and forgotten.
pub(crate) fn in_order<T: Send, R: Send>(
    items: impl Iterator<Item = T> + Send,
    jobs: usize,
    work: impl Fn(T) -> R + Sync,
    mut each: impl FnMut(R) -> ControlFlow<()>,
) {
    let items = Mutex::new(items.enumerate());
    let over = AtomicBool::new(false);
    // As many results may wait as there are threads: a slow first one does not let the others run far ahead.
    let (done, results) = mpsc::sync_channel(jobs);
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (items, over, work, done) = (&items, &over, &work, done.clone());
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let next = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, item)) = next else { return };
                    if done.send((number, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (number, result) in results {
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&next) {
                next += 1;
                if !over.load(Ordering::Relaxed) && each(result).is_break() {
                    over.store(true, Ordering::Relaxed);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work_and_may_end_it() {
        for jobs in 1..=4 {
            let mut seen = Vec::new();
            let busy = |n: u64| {
                // The early ones take longest.
                (0..(20_u64.saturating_sub(n)) * 1_000).fold(n, |sum, m| sum ^ m ^ m)
            };
            in_order(0..20, jobs, busy, |n| {
                seen.push(n);
                match n {
                    14 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            });
            assert_eq!(seen, (0..=14).collect::<Vec<_>>(), "{jobs} jobs");
        }
    }
}
