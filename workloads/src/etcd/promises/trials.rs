//! The promises, tried on histories that keep them all, and on the same with a lie in them.

use super::ALL;
use super::generate::{Plan, history};
use super::ground::Ground;
use super::stale::stale_reads;
use super::story::Story;

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
        rights: seed % 7 == 0,
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
        let (some, of) = stale_reads(&story);
        stale += some;
        reads += of;
    }
    assert!(stale > reads / 100, "{stale} of {reads} reads were stale");
    assert!(stale < reads, "{stale} of {reads} reads were stale");
}
