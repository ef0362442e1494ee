//! What a measurement counts: the time of one thread on a processor.

use std::time::Instant;

/// Nanoseconds this thread was on a processor; wall time since `started` where that is not known.
pub(crate) fn nanoseconds(started: &Instant) -> u64 {
    let scheduled = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = scheduled
        .as_deref()
        .and_then(|text| text.split_whitespace().next());
    first
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| started.elapsed().as_nanos() as u64)
}
