//! What judging the promises of a ZooKeeper-style service costs: processor time, over one history of 100,000 operations.

use super::measure::measure;
use super::milliseconds;
use stormglass_checker::Limits;
use stormglass_workloads::zookeeper::promises::ALL;
use stormglass_workloads::zookeeper::promises::generate::{Plan, history};
use stormglass_workloads::zookeeper::promises::judge;
use stormglass_workloads::zookeeper::promises::story::Story;

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
        for promise in ALL {
            let (judged, judging_ns) = measure(|| (), |()| promise.judged(&story));
            all_kept &= judged.is_ok();
            let says = if judged.is_ok() { "kept" } else { "BROKEN" };
            let time = milliseconds(judging_ns);
            println!("| {name}: {} alone | {time} | {says} |", promise.name);
        }
        let limits = Limits::default();
        let (findings, all_ns) = measure(|| (), |()| judge(ALL, &history, &limits));
        let measures = findings.map_or(Vec::new(), |findings| findings.measures);
        let measures = measures
            .iter()
            .map(|one| format!("{} of {} {}", one.count, one.of, one.name));
        let says: Vec<String> = measures.collect();
        let time = milliseconds(all_ns);
        println!(
            "| {name}: all, as a run is judged | {time} | {} |",
            says.join(", ")
        );
    }
    all_kept
}
