//! The promises, tried on histories that keep them all, and on the same with a lie in them.

mod lies;
mod oracle;

use super::generate::{Dice, Plan, history};
use super::ground::Ground;
use super::stale::stale_reads;
use super::story::Story;
use super::{
    ALL, FENCED_ONLY, Promise, revision_order, revisions_grow, serializable_reads, watches,
};
use crate::promises::told::Told;
use lies::{forgotten, told};
use serde_json::Value;
use std::iter;

/// Those that the definition speaks of.
const OF_KEYS: [Promise; 9] = [
    revision_order::PROMISE,
    revisions_grow::PROMISE,
    serializable_reads::PROMISE,
    watches::ordered::PROMISE,
    watches::unique::PROMISE,
    watches::reliable::PROMISE,
    watches::atomic::PROMISE,
    watches::resumable::PROMISE,
    watches::bookmarkable::PROMISE,
];

pub(super) fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        operations: 20 + seed % 180,
        clients: 2 + seed % 5,
        keys: 1 + seed % 4,
        lost_permille: [0, 20, 60, 200][seed as usize % 4],
        watch_permille: [0, 60, 200][seed as usize % 3],
        lease_permille: [0, 50, 200][seed as usize / 3 % 3],
        compact_permille: [0, 20, 60][seed as usize / 2 % 3],
        rights: seed.is_multiple_of(7),
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
        let ground = Ground::of(&story);
        for promise in ALL {
            let judged = (promise.judge)(&ground);
            assert_eq!(judged, Ok(()), "{} with seed {seed}", promise.name);
        }
        // It is no lie not to know.
        let forgotten = forgotten(&story, seed, 5 + seed % 60);
        let ground = Ground::of(&forgotten);
        for promise in ALL {
            let judged = (promise.judge)(&ground);
            assert_eq!(judged, Ok(()), "{}, seed {seed}, forgotten", promise.name);
        }
        let (some, of) = stale_reads(&story);
        stale += some;
        reads += of;
    }
    assert!(stale > reads / 100, "{stale} of {reads} reads were stale");
    assert!(stale < reads, "{stale} of {reads} reads were stale");
}

/// How often each lie is told.
const TOLD_MAX: u64 = 200;

#[test]
fn lies_are_caught_by_the_promise_that_they_break() {
    let mut all = vec![Told::default(); lies::EXPECTED.len()];
    for seed in 0..6000 {
        let wanted = all.iter_mut().zip(lies::EXPECTED);
        let mut wanted = wanted.filter(|(so_far, _)| so_far.times < TOLD_MAX);
        let Some(first) = wanted.next() else { break };
        let honest = story(plan(seed));
        for (so_far, (lie, promises, _)) in iter::once(first).chain(wanted) {
            if let Some(story) = told(*lie, &honest, seed) {
                let ground = Ground::of(&story);
                let is_broken = |promise: &Promise| (promise.judge)(&ground).is_err();
                so_far.add(promises.iter().any(is_broken));
            }
        }
    }
    let missed = all.iter().zip(lies::EXPECTED);
    let missed = missed.filter_map(|(all, (lie, promises, percent_min))| {
        all.falls_short(lie, promises[0].name, 40, *percent_min)
    });
    let missed: Vec<String> = missed.collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// Clients of a story that is small enough to try everything.
const FEW: u64 = 2;

fn small(seed: u64) -> Story {
    story(Plan {
        seed,
        operations: 4 + seed % 6,
        clients: FEW,
        keys: 1,
        lost_permille: [0, 100, 250][seed as usize % 3],
        watch_permille: [0, 200, 400][seed as usize / 2 % 3],
        lease_permille: [0, 200][seed as usize / 5 % 2],
        compact_permille: 0,
        rights: false,
    })
}

#[test]
fn nobody_is_accused_whom_the_definition_acquits() {
    let (mut illegal, mut caught, mut acquitted, mut too_long) = (0, 0, 0, 0);
    for seed in 0..12_000 {
        let honest = forgotten(&small(seed), seed, [0, 20, 50][seed as usize / 2 % 3]);
        let lying = lies::EXPECTED.iter();
        let lying = lying.filter(|(lie, ..)| lies::is_of_keys(*lie));
        let lying = lying.filter_map(|(lie, ..)| Some((Some(*lie), told(*lie, &honest, seed)?)));
        for (lie, story) in lying.chain([(None, honest.clone())]) {
            let ground = Ground::of(&story);
            let broken = OF_KEYS.iter().find_map(|promise| {
                let breach = (promise.judge)(&ground).err()?;
                Some((promise.name, breach))
            });
            match oracle::is_legal(&story, FEW) {
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
        caught * 100 > illegal * 95,
        "{caught} of {illegal} were caught"
    );
}

/// Puts another number somewhere into an answer.
fn distort(value: &mut Value, dice: &mut Dice) {
    const NUMBERS: [u64; 8] = [0, 1, 2, 3, 1 << 32, (1 << 62) - 1, 1 << 62, u64::MAX];
    match value {
        Value::Number(_) => *value = NUMBERS[dice.below(8) as usize].into(),
        Value::Array(list) if !list.is_empty() => {
            let place = dice.below(list.len() as u64) as usize;
            distort(&mut list[place], dice);
        }
        Value::Object(map) if !map.is_empty() => {
            let place = dice.below(map.len() as u64) as usize;
            let inner = map.values_mut().nth(place);
            inner.into_iter().for_each(|inner| distort(inner, dice));
        }
        _ => {}
    }
}

#[test]
fn no_number_makes_a_judge_panic() {
    let (mut read, mut broken) = (0, 0);
    for seed in 0..3000 {
        let mut dice = Dice::new(seed, "distort");
        let mut history = history(plan(seed));
        for _ in 0..1 + dice.below(4) {
            let place = dice.below(history.events.len() as u64) as usize;
            distort(&mut history.events[place].value, &mut dice);
        }
        let Ok(story) = Story::read(&history) else {
            continue;
        };
        read += 1;
        let ground = Ground::of(&story);
        let all = ALL.iter().chain(FENCED_ONLY);
        let breaches = all.filter(|promise| (promise.judge)(&ground).is_err());
        broken += u64::from(breaches.count() > 0);
    }
    assert!(read > 1000 && broken > 300, "{broken} of {read}");
}
