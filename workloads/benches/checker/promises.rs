//! What judging the promises of a service costs: processor time, over one history of 100,000 operations, and of 100,000 events where watches tell them.

use super::measure::measure;
use super::milliseconds;
use stormglass_checker::{History, Limits};
use stormglass_workloads::etcd::promises as etcd;
use stormglass_workloads::promises::story::Story;
use stormglass_workloads::promises::{Promise, Service, judge};
use stormglass_workloads::zookeeper::promises as zookeeper;

/// Prints the tables of those services whose names the words choose. False when a promise is said to be broken.
pub(crate) fn print(words: &[&String]) -> bool {
    let is_chosen =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut all_kept = true;
    if is_chosen("zookeeper") {
        all_kept &= of_zookeeper();
    }
    if is_chosen("etcd") {
        all_kept &= of_etcd();
    }
    all_kept
}

/// Ten clients over many nodes, with few faults; and fifty over few, with many.
fn of_zookeeper() -> bool {
    use zookeeper::generate::{Plan, history};
    heading("ZooKeeper's");
    let calm = Plan {
        seed: 1,
        operations: 100_000,
        clients: 10,
        nodes: 10,
        lost_permille: 2,
        expired_permille: 1,
    };
    let stormy = Plan {
        seed: 2,
        clients: 50,
        nodes: 3,
        lost_permille: 60,
        expired_permille: 5,
        ..calm
    };
    table("calm", &history(calm), zookeeper::ALL)
        & table("stormy", &history(stormy), zookeeper::ALL)
}

/// The same over keys; and few clients that watch much.
fn of_etcd() -> bool {
    use etcd::generate::{Plan, history};
    heading("etcd's");
    let calm = Plan {
        seed: 1,
        operations: 100_000,
        clients: 10,
        keys: 10,
        lost_permille: 2,
        watch_permille: 2,
        lease_permille: 20,
        compact_permille: 1,
        rights: false,
    };
    let stormy = Plan {
        seed: 2,
        clients: 50,
        keys: 3,
        lost_permille: 60,
        watch_permille: 5,
        rights: true,
        ..calm
    };
    let watched = Plan {
        seed: 3,
        operations: 55_000,
        watch_permille: 20,
        ..calm
    };
    let watched = history(watched);
    let told = told(&watched);
    table("calm", &history(calm), etcd::ALL)
        & table("stormy", &history(stormy), etcd::ALL)
        & table(&format!("{told} events"), &watched, etcd::ALL)
}

/// How many changes watches tell in a history.
fn told(history: &History) -> usize {
    let story = Story::<etcd::Etcd>::read(history);
    let deeds = story.map_or(Vec::new(), |story| story.deeds);
    let events = deeds.iter().flat_map(|deed| deed.events());
    let changes = events.map(|event| match event {
        stormglass_impls::etcd::words::Event::Changes { changes, .. } => changes.len(),
        _ => 0,
    });
    changes.sum()
}

fn heading(whose: &str) {
    println!();
    println!("| {whose} promises, 100,000 operations | time | says |");
    println!("| --- | --- | --- |");
}

/// Prints the rows of one history. False when a promise is said to be broken.
fn table<S: Service>(name: &str, history: &History, promises: &[Promise<S>]) -> bool {
    let mut all_kept = true;
    let (story, reading_ns) = measure(|| (), |()| Story::<S>::read(history));
    let Ok(story) = story else {
        println!("| {name}: it cannot be read | | |");
        return false;
    };
    println!("| {name}: reading | {} | |", milliseconds(reading_ns));
    for promise in promises {
        let (judged, judging_ns) = measure(|| (), |()| promise.judged(&story));
        all_kept &= judged.is_ok();
        let says = if judged.is_ok() { "kept" } else { "BROKEN" };
        let time = milliseconds(judging_ns);
        println!("| {name}: {} alone | {time} | {says} |", promise.name);
    }
    let limits = Limits::default();
    let (findings, all_ns) = measure(|| (), |()| judge(promises, history, &limits));
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
    all_kept
}
