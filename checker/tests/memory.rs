//! The limit of memory, in a process of its own so that the process can be weighed.

use stormglass_checker::{
    Append, Counter, History, Judgement, Limits, Reason, Specification, Unknown, Verdict, check,
};

const LIMIT: u64 = 64 << 20;

/// The most memory the process ever had; `None` where the system does not tell.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok()
}

/// Forty operations of unknown outcome, and a read that returned.
fn unknowns(f: &str, value: impl Fn(u32) -> u64, read: &str) -> History {
    let mut text = String::new();
    for number in 0..40 {
        let value = value(number);
        for kind in ["invoke", "info"] {
            text += &format!(
                "{{\"process\":{number},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n"
            );
        }
    }
    text += "{\"process\":99,\"type\":\"invoke\",\"f\":\"read\"}\n";
    text += &format!("{{\"process\":99,\"type\":\"ok\",\"f\":\"read\",\"value\":{read}}}\n");
    History::parse_jsonl("unknowns", text.as_bytes()).unwrap()
}

/// Judges until the limit is reached; also what the process grew by, in KiB.
fn grown<S: Specification>(specification: &S, history: &History) -> (Judgement, Option<u64>) {
    let before = resident_kib();
    let limits = Limits {
        bytes: LIMIT,
        ..Limits::default()
    };
    let judgement = check(specification, history, &limits).unwrap();
    let grown = before.zip(resident_kib()).map(|(before, after)| {
        println!(
            "{} KiB more at the peak: {:?}",
            after - before,
            judgement.work
        );
        assert!(
            after - before < LIMIT / 1024 * 5 / 4,
            "the process grew by {} KiB",
            after - before
        );
        after - before
    });
    if grown.is_none() {
        eprintln!("SKIPPED: the size of the process: /proc/self/status has no VmHWM here");
    }
    (judgement, grown)
}

fn bytes_ran_out(judgement: Judgement) -> Unknown {
    let work = judgement.work;
    let Verdict::Unknown(found) = judgement.verdict else {
        panic!("there are 2^40 subsets to try")
    };
    assert_eq!((found.reason, found.limit), (Reason::Bytes, LIMIT));
    assert!(
        work.bytes_peak <= LIMIT && work.bytes_peak > LIMIT / 2,
        "{work:?}"
    );
    found
}

/// Lists come first: the peak of a process never falls.
#[test]
fn memory_stays_under_its_limit() {
    // Every list that could be is a beginning of the one that was read, or like all others.
    let all: Vec<u32> = (0..40).map(|number| number / 2).collect();
    let backwards: Vec<String> = all.iter().rev().map(u32::to_string).collect();
    let read = format!("[{},77]", backwards.join(","));
    let lists = unknowns("append", |number| u64::from(number / 2), &read);
    let (judgement, _) = grown(&Append::default(), &lists);
    assert!(
        matches!(judgement.verdict, Verdict::Invalid(_)),
        "nobody appended 77: {:?}",
        judgement.work
    );

    let sums = unknowns("add", |exponent| 3_u64.pow(exponent), "2");
    let (judgement, grown) = grown(&Counter, &sums);
    let found = bytes_ran_out(judgement);
    assert_eq!(
        (found.progress.events_judged, found.progress.events_total),
        (81, 82)
    );
    assert!(
        grown.is_none_or(|grown| grown > LIMIT / 1024 / 2),
        "the search filled its limit"
    );
}
