//! The registers under storms, each in the simulator and in turmoil: they survive, and with a bug planted they do not.

use std::time::Duration;
use stormglass::chaos::Core;
use stormglass::nemesis::judge::Ruling;
use stormglass::{Arena, Chaos};

fn chaos() -> Chaos<Core> {
    Chaos::core(abd_register::system())
        .asks_once()
        .time(Duration::from_secs(10))
}

#[test]
fn survives_storms() {
    let survived = chaos().seeds(0..4).check();
    assert!(survived.installed("crash") > 3, "{survived}");
    assert!(survived.installed("partition") > 3, "{survived}");
}

#[test]
fn a_read_that_is_not_written_back_is_caught() {
    let broken = chaos().mutant(abd_register::NO_WRITE_BACK).seeds(0..30);
    for arena in [Arena::Simulator, Arena::Turmoil] {
        let caught = broken.clone().arenas([arena]).run();
        let error = caught.expect_err("an old value is read after a new one");
        println!("{error}");
        let failure = error.failure().expect("a trial was run");
        assert_eq!(failure.ruling, Ruling::Violation);
        assert!(failure.repeats);
    }
}
