//! The promises, tried on histories that keep them all, and on the same with a lie in them.

mod by_hand;
mod lies;
mod oracle;

use super::generate::{Plan, history};
use super::story::Story;
use super::{Promise, multi, session_view, stale::stale_reads, sync, tree, watches, write_order};
use crate::promises::told::Told;
use lies::{forgotten, told};

const PROMISES: [Promise; 6] = [
    tree::PROMISE,
    write_order::PROMISE,
    session_view::PROMISE,
    sync::PROMISE,
    watches::PROMISE,
    multi::PROMISE,
];

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        operations: 20 + seed % 180,
        clients: 2 + seed % 5,
        nodes: 1 + seed % 3,
        lost_permille: [0, 20, 60, 200][seed as usize % 4],
        expired_permille: [0, 5, 20][seed as usize % 3],
    }
}

fn story(plan: Plan) -> Story {
    Story::read(&history(plan)).expect("a history that was made can be read")
}

#[test]
fn a_service_that_keeps_all_promises_is_never_accused() {
    let (mut stale, mut reads) = (0, 0);
    for seed in 0..4000 {
        let story = story(plan(seed));
        for promise in PROMISES {
            let judged = promise.judged(&story);
            assert_eq!(judged, Ok(()), "{} with seed {seed}", promise.name);
        }
        let forgotten = forgotten(&story, seed, 5 + seed % 60, true);
        for promise in PROMISES {
            let judged = promise.judged(&forgotten);
            assert_eq!(judged, Ok(()), "{}, seed {seed}, forgotten", promise.name);
        }
        let (some, of) = stale_reads(&story);
        stale += some;
        reads += of;
    }
    assert!(stale > reads / 100, "{stale} of {reads} reads were stale");
    assert!(stale < reads, "{stale} of {reads} reads were stale");
}

#[test]
fn lies_are_caught_by_the_promise_that_they_break() {
    let mut all = vec![Told::default(); lies::EXPECTED.len()];
    for seed in 0..500 {
        let honest = story(plan(seed));
        for (so_far, (lie, promise, _)) in all.iter_mut().zip(lies::EXPECTED) {
            if let Some(story) = told(*lie, &honest, seed) {
                so_far.add(promise.judged(&story).is_err());
            }
        }
    }
    let missed = all.iter().zip(lies::EXPECTED);
    let missed = missed.filter_map(|(all, (lie, promise, percent_min))| {
        all.falls_short(lie, promise.name, 100, *percent_min)
    });
    let missed: Vec<String> = missed.collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// Small enough to try everything.
fn small(seed: u64) -> Story {
    story(Plan {
        seed,
        operations: 4 + seed % 6,
        clients: 2,
        nodes: 1,
        lost_permille: [0, 100, 250][seed as usize % 3],
        expired_permille: [0, 40][seed as usize % 2],
    })
}

#[test]
fn nobody_is_accused_whom_the_definition_acquits() {
    let (mut illegal, mut caught, mut acquitted, mut too_long) = (0, 0, 0, 0);
    for seed in 0..12_000 {
        let honest = forgotten(
            &small(seed),
            seed,
            [0, 20, 50][seed as usize / 2 % 3],
            false,
        );
        let lying = lies::EXPECTED.iter();
        let lying = lying.filter_map(|(lie, ..)| Some((Some(*lie), told(*lie, &honest, seed)?)));
        for (lie, story) in lying.chain([(None, forgotten(&honest, 0, 0, false))]) {
            let broken = PROMISES.iter().find_map(|promise| {
                let breach = promise.judged(&story).err()?;
                Some((promise.name, breach))
            });
            match oracle::is_legal(&story) {
                Some(true) => {
                    acquitted += 1;
                    assert_eq!(broken, None, "seed {seed}, {lie:?}");
                }
                Some(false) => {
                    assert!(
                        lie.is_some(),
                        "the definition forbids what was made, seed {seed}"
                    );
                    illegal += 1;
                    caught += u64::from(broken.is_some());
                }
                None => too_long += 1,
            }
        }
    }
    println!("{acquitted} legal, {illegal} illegal, {caught} caught, {too_long} took too long");
    assert!(acquitted > 2000, "{acquitted} were legal");
    assert!(illegal > 2000, "{illegal} were illegal");
    assert!(
        caught * 100 > illegal * 80,
        "{caught} of {illegal} were caught"
    );
}
