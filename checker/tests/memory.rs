//! The limit of memory, in a process of its own so that the process can be weighed.

mod common;

use common::counter::{Counter, subset_sums};
use stormglass_checker::{Limits, Reason, Verdict, check};

#[test]
fn memory_stays_under_its_limit() {
    const LIMIT: u64 = 64 << 20;
    let resident_kib = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let before = resident_kib();
    let judgement = check(
        &Counter,
        &subset_sums(),
        &Limits {
            bytes: LIMIT,
            ..Limits::default()
        },
    )
    .unwrap();
    let work = judgement.work;
    let Verdict::Unknown(found) = judgement.verdict else {
        panic!("there are 2^40 subsets to try")
    };
    assert_eq!((found.reason, found.limit), (Reason::Bytes, LIMIT));
    assert_eq!(
        (found.progress.events_judged, found.progress.events_total),
        (81, 82)
    );
    assert!(
        work.bytes_peak <= LIMIT && work.bytes_peak > LIMIT / 2,
        "{work:?}"
    );
    match before.zip(resident_kib()) {
        Some((before, after)) => {
            println!(
                "{} KiB more at the peak, {} KiB accounted",
                after - before,
                work.bytes_peak / 1024
            );
            assert!(
                after - before > LIMIT / 1024 / 2,
                "the search filled its limit"
            );
            assert!(
                after - before < LIMIT / 1024 * 5 / 4,
                "the process grew by {} KiB",
                after - before
            );
        }
        None => eprintln!("SKIPPED: the size of the process: /proc/self/status has no VmHWM here"),
    }
}
