//! Verdicts agree with those of others: on histories made to order, with crashes, about half of them with a lie: a read falsified, or a
//! refused comparison made an accepted one, or the other way round.
//!
//! `cargo test` judges a thousand histories of registers, and todc-utils beside it. Each night, porcupine-rs does so too, over ten thousand:
//! `STORMGLASS_AGREEMENT=10000 cargo test --release -p stormglass-workloads --features porcupine --test agreement -- --nocapture`.

#[path = "../benches/peers/mod.rs"]
mod peers;

use peers::Says;
use peers::objects::{Register as PlainRegister, Sequential, Text};
use std::collections::BTreeMap;
use stormglass_checker::operation::MISMATCH;
use stormglass_checker::specifications::kv::{Kv, Missing};
use stormglass_checker::{
    Event, History, Kind, Limits, Register, Specification, Verdict, check, verify,
};
use stormglass_workloads::draw::Draws;
use stormglass_workloads::generate::{Crashes, Lie, Object, Plan};

/// How many histories to judge.
fn wanted(short: u64) -> u64 {
    let long = std::env::var("STORMGLASS_AGREEMENT").ok();
    long.and_then(|long| long.parse().ok()).unwrap_or(short)
}

/// The plan of one history: 5 to 60 operations of 2 to 6 clients, some of them crashed, and a lie in a third.
fn plan(object: Object, seed: u64) -> Plan {
    let draws = Draws::new(seed, "agreement");
    // Appends make a new text in every order they can take, and more yet where some crashed. A search is then measured by what it
    // remembers, which is not what is asked here.
    let (keys, clients_max, crashes_max) = match object {
        Object::Kv => (3..=5, 3, 40),
        _ => (1..=2, 6, 150),
    };
    let in_flight = draws.within(&[1], 2..=clients_max) as usize;
    let plan = Plan {
        keys: draws.within(&[2], keys),
        ..Plan::new(object, draws.within(&[3], 5..=60) as usize, in_flight, seed)
    };
    let plan = plan.crashing(Crashes::PerThousand(draws.within(&[4], 0..=crashes_max)));
    match draws.within(&[5], 0..=5) {
        0 => plan.lying(Lie::Impossible, draws.within(&[6], 0..=100)),
        1 => plan.lying(Lie::Stale, draws.within(&[6], 0..=100)),
        _ => plan,
    }
}

/// Makes an accepted compare-and-set a refused one, or the other way round: a lie that no read tells. In a sixth of the histories.
fn turn_a_comparison(history: &mut History, seed: u64) -> bool {
    let draws = Draws::new(seed, "comparison");
    let compared = history
        .events
        .iter_mut()
        .filter(|event| event.f == "cas" && matches!(event.kind, Kind::Ok | Kind::Fail));
    let mut compared: Vec<&mut Event> = compared.collect();
    if compared.is_empty() || draws.within(&[1], 0..=5) > 0 {
        return false;
    }
    let at = draws.within(&[2], 0..=compared.len() as u64 - 1) as usize;
    let event = &mut compared[at];
    (event.kind, event.error) = match event.kind {
        Kind::Ok => (Kind::Fail, Some(MISMATCH.to_owned())),
        _ => (Kind::Ok, None),
    };
    true
}

fn ours<S: Specification>(specification: &S, history: &History) -> Says {
    let judgement = check(specification, history, &Limits::default());
    match judgement.expect("the history is well formed").verdict {
        Verdict::Valid(certificate) => {
            let operations = history.operations().expect("the history is well formed");
            verify(specification, &operations, &certificate).expect("the certificate holds");
            Says::Valid
        }
        Verdict::Invalid(_) => Says::Invalid,
        Verdict::Unknown(_) => Says::Unknown,
    }
}

/// What todc says of a history, and porcupine where it is asked for. They must agree with each other, too.
fn theirs<O: Sequential>(history: &History) -> Says {
    let parts = peers::prepare::<O>(history);
    let all = |judge: fn(&[peers::Asked<O::Op>]) -> Says| {
        Says::from(parts.iter().all(|part| judge(part) == Says::Valid))
    };
    let todc = all(|part| peers::todc::judge::<O>(peers::todc::prepare::<O>(part)));
    #[cfg(feature = "porcupine")]
    {
        let porcupine = all(|part| peers::porcupine::judge(&peers::porcupine::prepare::<O>(part)));
        assert_eq!(porcupine, todc, "porcupine-rs and todc-utils disagree");
    }
    todc
}

/// Judges histories of an object by both; returns how often each was said of each kind of history.
fn agree<O: Sequential, S: Specification>(
    objects: &[Object],
    histories: u64,
    specification: impl Fn() -> S,
) -> BTreeMap<&'static str, [u64; 2]> {
    let mut counts: BTreeMap<&'static str, [u64; 2]> = BTreeMap::new();
    let mut skipped = 0;
    for seed in 0..histories {
        let object = objects[(seed % objects.len() as u64) as usize];
        let plan = plan(object, seed);
        // A short history may have no read to falsify.
        let Ok(mut made) = plan.generate() else {
            skipped += 1;
            continue;
        };
        let turned = turn_a_comparison(&mut made.history, seed);
        let ours = ours(&specification(), &made.history);
        let theirs = theirs::<O>(&made.history);
        assert_eq!(ours, theirs, "{plan:?} gives a history of which we differ");
        let lie = plan.violation.map(|violation| violation.lie);
        let (kind, must) = match (lie, object) {
            (None | Some(Lie::Stale), _) if turned => ("comparison turned", None),
            (None, _) => ("true", Some(Says::Valid)),
            (Some(Lie::Impossible), _) => ("impossible", Some(Says::Invalid)),
            (Some(Lie::Stale), Object::Register { .. }) => ("stale, repeated values", None),
            (Some(Lie::Stale), _) => ("stale, unique values", Some(Says::Invalid)),
        };
        assert!(must.is_none_or(|must| must == ours), "{plan:?}: {ours:?}");
        counts.entry(kind).or_default()[usize::from(ours == Says::Invalid)] += 1;
    }
    println!(
        "{histories} histories, {skipped} without a read to falsify; [valid, invalid] of each kind: {counts:?}"
    );
    assert!(skipped * 4 < histories, "most plans give a history");
    counts
}

#[test]
fn registers() {
    let objects = [
        Object::Register { domain: 2 },
        Object::UniqueWrites,
        Object::Register { domain: 5 },
        Object::UniqueCas,
    ];
    let histories = wanted(1000);
    let counts = agree::<PlainRegister, _>(&objects, histories, Register::default);
    let of = |kind, at: usize| counts.get(kind).map_or(0, |counts| counts[at]);
    assert!(of("true", 0) > histories / 3);
    assert!(of("impossible", 1) > histories / 10);
    assert!(of("stale, unique values", 1) > histories / 20);
    for (at, verdict) in [(0, "valid"), (1, "invalid")] {
        let stale = of("stale, repeated values", at);
        assert!(stale > histories / 80, "{stale} stale ones {verdict}");
        let turned = of("comparison turned", at);
        assert!(turned > histories / 80, "{turned} turned ones {verdict}");
    }
}

#[test]
fn key_value_stores() {
    let histories = wanted(1000) / 4;
    let counts = agree::<Text, _>(&[Object::Kv], histories, || Kv::new(Missing::Empty));
    assert!(counts.len() == 3, "{counts:?}");
}
