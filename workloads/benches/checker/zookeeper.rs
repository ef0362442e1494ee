//! What judging the promises of a ZooKeeper-style service costs: processor time, over one history of 100,000 operations.

use super::measure::measure;
use super::milliseconds;
use stormglass_workloads::zookeeper::promises::generate::{Plan, history};
use stormglass_workloads::zookeeper::promises::stale::stale_reads;
use stormglass_workloads::zookeeper::promises::story::Story;
use stormglass_workloads::zookeeper::promises::{
    Promise, multi, session_view, sync, tree, watches, write_order,
};

const PROMISES: [Promise; 6] = [
    tree::PROMISE,
    write_order::PROMISE,
    session_view::PROMISE,
    sync::PROMISE,
    watches::PROMISE,
    multi::PROMISE,
];

/// Ten clients over many nodes, with few faults; and fifty over few, with many.
const PLANS: [(&str, Plan); 2] = [
    (
        "calm",
        Plan {
            seed: 1,
            operations: 100_000,
            clients: 10,
            nodes: 10,
            lost_permille: 2,
            expired_permille: 1,
        },
    ),
    (
        "stormy",
        Plan {
            seed: 2,
            operations: 100_000,
            clients: 50,
            nodes: 3,
            lost_permille: 60,
            expired_permille: 5,
        },
    ),
];

/// Prints the table. False when a promise is said to be broken.
pub(crate) fn print() -> bool {
    println!();
    println!("| ZooKeeper's promises, 100,000 operations | time | says |");
    println!("| --- | --- | --- |");
    let mut all_kept = true;
    for (name, plan) in PLANS {
        let history = history(plan);
        let (story, reading_ns) = measure(|| (), |()| Story::read(&history));
        let Ok(story) = story else {
            println!("| {name}: it cannot be read | | |");
            return false;
        };
        println!("| {name}: reading | {} | |", milliseconds(reading_ns));
        let mut sum_ns = reading_ns;
        for promise in PROMISES {
            let (judged, judging_ns) = measure(|| (), |()| (promise.judge)(&story));
            sum_ns += judging_ns;
            all_kept &= judged.is_ok();
            let says = if judged.is_ok() { "kept" } else { "BROKEN" };
            let time = milliseconds(judging_ns);
            println!("| {name}: {} | {time} | {says} |", promise.name);
        }
        let ((stale, reads), counting_ns) = measure(|| (), |()| stale_reads(&story));
        sum_ns += counting_ns;
        let time = milliseconds(counting_ns);
        println!("| {name}: stale reads | {time} | {stale} of {reads} |");
        println!("| {name}: all | {} | |", milliseconds(sum_ns));
    }
    all_kept
}
