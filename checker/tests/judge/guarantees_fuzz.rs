//! Every guarantee against an oracle that tries everything, on small histories of weak systems, half of them bent.
//!
//! The long form: `HISTORIES=1000000 cargo test --release -p stormglass-checker --test judge many_weak -- --ignored --nocapture`.

use crate::common::guarantees::compare::fuzz;
use stormglass_checker::Guarantee;

/// How many histories `cargo test` tries.
const HISTORIES: u64 = 4_000;

fn run(histories: u64, seed: u64) {
    let tally = fuzz(histories, seed).unwrap_or_else(|problem| panic!("{problem}"));
    println!("{histories} histories from seed {seed}: {tally:?}");
    for guarantee in Guarantee::ALL {
        let [kept, broken, _] = tally.answers[&guarantee];
        assert!(
            kept > histories / 20 && broken > histories / 50,
            "neither answer may be rare: {guarantee:?} {tally:?}"
        );
    }
    assert!(
        tally.circles > histories / 20 && tally.exhausted > histories / 50,
        "both ways to find a violation: {tally:?}"
    );
}

#[test]
fn weak_systems() {
    run(HISTORIES, 1);
}

#[test]
#[ignore = "takes minutes"]
fn many_weak_systems() {
    let number = |name: &str, usual| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(usual)
    };
    run(number("HISTORIES", 1_000_000), number("SEED", 1));
}
