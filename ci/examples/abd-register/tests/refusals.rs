//! What cannot be asked of a core, or cannot befall it, is said before anything is run: with the field, and the remedy.

use abd_register::{NO_WRITE_BACK, system};
use std::time::Duration;
use stormglass::chaos::Core;
use stormglass::workloads::workload::WorkloadConfig;
use stormglass::{Arena, Chaos, ChaosError, RegisterConfig};

fn chaos() -> Chaos<Core> {
    Chaos::core(system())
        .asks_once()
        .time(Duration::from_secs(3))
        .seeds([1])
        .out(env!("CARGO_TARGET_TMPDIR"))
}

fn cause(chaos: &Chaos<Core>) -> String {
    match chaos.run() {
        Err(ChaosError::Setup(cause)) => cause,
        other => panic!("it is refused as a setup, not {other:?}"),
    }
}

#[test]
fn a_workload_that_cannot_be_asked_is_refused_with_what_it_asks() {
    let with_cas = WorkloadConfig::Register(RegisterConfig::default());
    let refused = cause(&chaos().workload(with_cas));
    for word in [
        "cas",
        "abd-register",
        "a quorum of registers cannot compare and set",
        "writes_percent",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    let locks = WorkloadConfig::named("lock", "zookeeper").expect("there are locks");
    let refused = cause(&chaos().asks_once().workload(locks.clone()));
    assert!(refused.contains("asks_once"), "{refused}");
    let refused = cause(&Chaos::core(system()).workload(locks));
    assert!(
        refused.contains("lock is asked in the words of a reference cluster"),
        "{refused}"
    );
}

#[test]
fn a_fault_that_cannot_befall_it_is_refused_with_the_reason() {
    for (faults, reason) in [
        ("wipe", "beyond what abd-register promises"),
        ("bit-flip", "cannot be made in the simulator arena"),
        ("membership", "no fault of the family membership"),
        (
            "kill-fresh-leader",
            "waits for the fact \"became_leader\", which abd-register never notes",
        ),
        ("plague", "there is no fault \"plague\""),
    ] {
        let refused = cause(&chaos().faults(faults));
        assert!(
            refused.contains(faults) && refused.contains(reason),
            "{refused}"
        );
    }
    let refused = cause(&chaos().arenas([Arena::Turmoil]).faults("bit-flip"));
    assert!(refused.contains("beyond what"), "{refused}");
    assert!(cause(&chaos().arenas([])).contains("arenas"));
    assert!(cause(&chaos().arenas([Arena::Live])).contains("live"));
    assert!(cause(&chaos().seeds([])).contains("seeds"));
}

#[test]
fn a_bug_that_it_does_not_have_is_refused_with_those_it_has() {
    let error = chaos().mutant("abd/no-such").run().unwrap_err().to_string();
    assert!(
        error.contains("abd/no-such") && error.contains(NO_WRITE_BACK),
        "{error}"
    );
}

#[test]
fn both_arenas_run_the_same_trial() {
    let trial = chaos().trial(1).unwrap();
    assert_eq!(trial.arena, Arena::Simulator);
    let in_turmoil = chaos()
        .arenas([Arena::Turmoil, Arena::Simulator])
        .trial(1)
        .unwrap();
    assert_eq!(
        (in_turmoil.arena, &in_turmoil.schedule),
        (Arena::Turmoil, &trial.schedule)
    );
    assert!(!trial.schedule.is_empty());
    let survived = chaos().run().unwrap();
    let seeds: Vec<u64> = survived.digests.iter().map(|(seed, _)| *seed).collect();
    assert_eq!(seeds, [1, 1]);
    assert_eq!(chaos().run().unwrap().digests, survived.digests);
}

/// What the test of `storms.rs` says about retries is so: this core takes one for another write.
#[test]
fn who_asks_again_writes_again() {
    let broken = Chaos::core(system())
        .time(Duration::from_secs(10))
        .seeds(0..40);
    let broken = broken.out(env!("CARGO_TARGET_TMPDIR"));
    let error = broken.arenas([Arena::Simulator]).run().unwrap_err();
    assert!(
        error
            .failure()
            .is_some_and(|failure| failure.explanation.is_some()),
        "{error}"
    );
}

#[test]
fn a_kept_trial_of_a_planted_bug_is_run_without_it() {
    // Long enough to break with the bug: `storms.rs` sees it there.
    let chaos = || chaos().time(Duration::from_secs(10));
    let folder = std::env::temp_dir().join(format!("abd-register-{}", std::process::id()));
    let broken = chaos().mutant(NO_WRITE_BACK);
    std::fs::create_dir_all(&folder).unwrap();
    let trial = broken.trial(12).unwrap();
    assert!(broken.seeds([12]).run().is_err(), "it shows the bug");
    std::fs::write(folder.join("kept.json"), trial.to_json()).unwrap();
    let survived = chaos().regressions(&folder).run();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(survived.unwrap().regressions, 1);
}
