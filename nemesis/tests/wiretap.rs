//! What is heard of a trial: everything, as it went, and nothing changes by it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_impls::wire::Party;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::wiretap::{Fate, Letter, Messages, listening};
use stormglass_nemesis::{arena, swarm};
use stormglass_workloads::workload::WorkloadConfig;

/// A short storm in which much happens to frames.
fn trial(cluster: &str, arena: Arena, seed: u64) -> Trial {
    let workload = WorkloadConfig::usual(cluster);
    let mut trial = Trial::calm(cluster, workload, arena, seed);
    (trial.nodes, trial.clients, trial.storm_ms) = (3, 2, 9_000);
    let system = catalog::system(cluster).expect("it is in the catalogue");
    let kinds = swarm::kinds_of(&trial, system.as_ref());
    let is_of_links = |kind: &_| {
        let info = stormglass_nemesis::faults::FAULTS.iter();
        let mut info = info.filter(|info| info.kind == *kind);
        info.any(|info| ["partition", "message", "slow"].contains(&info.family))
    };
    let kinds = kinds.into_iter().filter(is_of_links).collect();
    trial.schedule = swarm::storm(&trial, system.as_ref(), kinds).schedule();
    trial
}

fn run(trial: &Trial) -> Run {
    arena::run(trial, &mut |_| ControlFlow::Continue(())).expect("the trial is sound")
}

fn is_between_nodes(letter: &Letter) -> bool {
    matches!((letter.from, letter.to), (Party::Node(_), Party::Node(_)))
}

fn hear(cluster: &str, arena: Arena, seeds: u64) -> BTreeMap<String, u64> {
    let mut fates = BTreeMap::new();
    for seed in 1..=seeds {
        let trial = trial(cluster, arena, seed);
        let silent = run(&trial);
        let (listened, messages) = listening(0..u64::MAX, || run(&trial));
        assert!(
            listened == silent,
            "{cluster}, seed {seed}: who listens changes nothing"
        );
        let messages: Messages = messages.expect("somebody listened");
        assert_eq!(
            messages.left_out, 0,
            "the trial is short enough to hear all of it"
        );
        let count = |fate: Fate| {
            messages
                .letters
                .iter()
                .filter(|letter| letter.fate == fate)
                .count() as u64
        };
        let traffic = listened.record.traffic;
        let sent = messages.letters.len() as u64 - count(Fate::Unsent);
        assert_eq!(
            sent, traffic.sent,
            "{cluster}, seed {seed}: every frame is heard once"
        );
        assert_eq!(count(Fate::Cut), traffic.cut, "{cluster}, seed {seed}");
        assert_eq!(count(Fate::Lost), traffic.lost, "{cluster}, seed {seed}");
        assert_eq!(count(Fate::Reset), traffic.reset, "{cluster}, seed {seed}");
        assert_eq!(
            count(Fate::Corrupted),
            traffic.corrupted,
            "{cluster}, seed {seed}"
        );
        let (mut passed, mut arrived) = (0, 0);
        for letter in messages
            .letters
            .iter()
            .filter(|letter| is_between_nodes(letter))
        {
            *fates.entry(format!("{:?}", letter.fate)).or_default() += 1;
            assert!(
                letter
                    .arrived_ns
                    .iter()
                    .all(|at_ns| *at_ns >= letter.sent_ns),
                "{letter:?}"
            );
            let most = match letter.fate {
                Fate::Unsent | Fate::Cut | Fate::Lost | Fate::Reset | Fate::Corrupted => 0,
                Fate::Duplicated => 2,
                _ => 1,
            };
            assert!(letter.arrived_ns.len() <= most, "{letter:?}");
            if letter.fate == Fate::Passed {
                passed += 1;
                arrived += letter.arrived_ns.len();
            }
        }
        // What is on a connection that breaks, or under way at the end, does not arrive; it is not much.
        assert!(
            arrived * 10 >= passed * 7,
            "{cluster}, seed {seed}: {arrived} of {passed} arrived"
        );
        assert!(arrived > 20, "{cluster}, seed {seed}: {arrived}");
    }
    fates
}

#[test]
fn in_the_simulator_every_frame_is_heard_with_what_became_of_it() {
    let fates = hear("raft-cache", Arena::Simulator, 25);
    for fate in [
        "Passed",
        "Cut",
        "Lost",
        "Reset",
        "Slowed",
        "Held",
        "Reordered",
        "Duplicated",
        "Corrupted",
    ] {
        assert!(fates.contains_key(fate), "{fate} was never met: {fates:?}");
    }
    hear("zab-cache", Arena::Simulator, 5);
}

#[cfg(feature = "turmoil")]
#[test]
fn on_real_sockets_as_well() {
    let fates = hear("raft-cache", Arena::Turmoil, 3);
    assert!(fates.len() > 4, "{fates:?}");
}

#[test]
fn a_window_keeps_what_was_sent_in_it_with_its_arrival_outside() {
    let trial = trial("raft-cache", Arena::Simulator, 3);
    let (_, whole) = listening(0..u64::MAX, || run(&trial));
    let (_, part) = listening(500_000_000..900_000_000, || run(&trial));
    let (whole, part) = (whole.unwrap(), part.unwrap());
    let within: Vec<&Letter> = whole
        .letters
        .iter()
        .filter(|letter| (500_000_000..900_000_000).contains(&letter.sent_ns))
        .collect();
    assert!(within.len() > 10);
    assert_eq!(part.letters.len(), within.len());
    let same = part
        .letters
        .iter()
        .zip(&within)
        .filter(|(one, other)| one == *other)
        .count();
    // Like words on one way are told apart by their order alone: one that was sent before the window may be taken for one within.
    assert!(same * 10 >= within.len() * 9, "{same} of {}", within.len());
}
