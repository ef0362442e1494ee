//! A harmless change of Zab is a change all the same: each test says what can be seen of it. And it is harmless: the same script, with an
//! election, a cut, a retry and a read, ends as it ends without the change.

use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{DelayRange, Effect, Effects, Input, NodeId, Now};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::play::play;
use stormglass_impls::system::{Erased, Setup, System};
use stormglass_impls::zab::message::Timer;

/// n2 and n3 elect n3, and n1 joins them. n3 takes a command twice, and once more when it is done. Cut off, it takes three more in vain, while n2
/// comes to lead and takes another. n3 crashes, is back, and gives up what it holds alone. At last a client reads.
const SCRIPT: &str = "
(cluster nodes=3)
partition n1
stabilize
fire n3 settle
fire n2 settle
stabilize
heal
stabilize
append n3 k=a
retry n3
stabilize
retry n3
stabilize
partition n3
append n3 k=lost client=c2
append n3 k=lost client=c3
append n3 k=lost client=c4
stabilize
fire n2 settle
fire n1 settle
stabilize
append n2 k=b client=c5
stabilize
crash n3
heal
restart n3
stabilize
get n2 k client=c6
stabilize
status
audit
---
";

const SETTLES_AT_ONCE: &str = "harmless/settles-at-once";

fn system() -> Rc<dyn System> {
    catalog::system("zab-cache").expect("there is zab-cache")
}

/// The lines of the script's trace, without their indentation.
fn trace(change: Option<&str>) -> Vec<String> {
    let waits = change != Some(SETTLES_AT_ONCE);
    // Who settles at once has nothing to wait for.
    let lines = SCRIPT.lines();
    let lines = lines.filter(|line| waits || !line.ends_with("settle"));
    let script: String = lines.map(|line| format!("{line}\n")).collect();
    let trace = play(&system(), change, &script).expect("the script can be played");
    trace.lines().map(|line| line.trim().to_string()).collect()
}

fn count(change: Option<&str>, wanted: impl Fn(&str) -> bool) -> usize {
    let lines = trace(change);
    lines.iter().filter(|line| wanted(line)).count()
}

#[test]
fn with_any_change_the_script_ends_as_it_should() {
    let system = system();
    let changes = system.harmless().iter().map(|harmless| Some(harmless.id));
    for change in changes.chain([None]) {
        let lines = trace(change);
        let says = |wanted: &str| lines.iter().any(|line| line == wanted);
        assert!(says("c1 #1 ← n3 Done(Stored)"), "{change:?}");
        assert!(says("c5 #1 ← n2 Done(Stored)"), "{change:?}");
        assert!(says("c6 #1 ← n2 Done(Value(Some(\"ab\")))"), "{change:?}");
        assert!(says("every invariant holds"), "{change:?}");
        let broken = lines.iter().find(|line| line.starts_with("BROKEN"));
        assert_eq!(broken, None, "{change:?}");
        // Nothing of what was taken in vain is left anywhere.
        let history = |state: &str| {
            let status = lines.iter().rfind(|line| line.starts_with(state));
            let history = status.and_then(|line| line.split("log=").nth(1));
            history.unwrap_or_else(|| panic!("{change:?}: no {state}"))
        };
        let end = history("n2 leader ");
        assert!(!end.contains("=c2#1"), "{change:?}: {end}");
        assert_eq!(history("n1 follower of n2 "), end, "{change:?}");
        assert_eq!(history("n3 follower of n2 "), end, "{change:?}");
    }
}

#[test]
fn a_retry_that_is_logged_again_takes_a_zxid_more() {
    let proposed = |change| {
        count(change, |line| {
            line.starts_with("n3 disk append") && line.contains("=c1#1]")
        })
    };
    assert_eq!(proposed(None), 1);
    assert_eq!(proposed(Some("harmless/retry-logged-again")), 3);
}

#[test]
fn no_ops_begin_every_leadership() {
    let appended = |change| {
        count(change, |line| {
            line.contains(" disk ") && line.contains("=noop")
        })
    };
    assert_eq!(appended(None), 0);
    assert!(appended(Some("harmless/noops-at-first")) > 0);
}

#[test]
fn reversed_peers_are_told_last_to_first() {
    let first = |change| {
        let mut lines = trace(change).into_iter();
        lines.find(|line| line.starts_with("n3 → ") && line.ends_with("Propose [1:1=c1#1]"))
    };
    let [usual, reversed] = [None, Some("harmless/peers-reversed")].map(first);
    assert_eq!(usual.as_deref(), Some("n3 → n1 Propose [1:1=c1#1]"));
    assert_eq!(reversed.as_deref(), Some("n3 → n2 Propose [1:1=c1#1]"));
}

#[test]
fn who_settles_at_once_waits_for_no_better_vote() {
    let waits = |change| {
        count(change, |line| {
            line.contains(" waits for ") && line.contains("settle")
        })
    };
    assert!(waits(None) > 0);
    assert_eq!(waits(Some(SETTLES_AT_ONCE)), 0);
}

#[test]
fn a_snapshot_takes_the_place_of_every_difference() {
    let sent = |change, what: &str| {
        count(change, |line| {
            line.split_whitespace().nth(1) == Some("→") && line.contains(what)
        })
    };
    let usual = ["Diff", "Trunc", "Snap"].map(|what| sent(None, what));
    let snapshot_always = Some("harmless/snapshot-always");
    let changed = ["Diff", "Trunc", "Snap"].map(|what| sent(snapshot_always, what));
    assert_eq!(usual, [3, 1, 0]);
    assert_eq!(changed, [0, 0, 4]);
}

/// How long a leader that is alone waits between heartbeats.
fn heartbeat(change: Option<&str>) -> Option<DelayRange> {
    let system = system();
    let setup = Setup {
        mutant: change.map(str::to_string),
        ..Setup::of(NodeId(1), 1)
    };
    let mut effects = Effects::<Erased>::default();
    let mut node = system.boot(&setup, &*system.blank_disk(), Now::default(), &mut effects);
    effects.drain().for_each(drop);
    let settled = Input::TimerFired(Parcel::new(Timer::Settle));
    node.step(Now::default(), settled, &mut effects);
    effects.drain().find_map(|effect| match effect {
        Effect::SetTimer { timer, range } => {
            (timer.take::<Timer>() == Timer::Heartbeat).then_some(range)
        }
        _ => None,
    })
}

#[test]
fn an_extra_heartbeat_comes_after_half_the_time() {
    let [usual, changed] = [None, Some("harmless/extra-heartbeat")].map(heartbeat);
    assert_eq!(usual, Some(DelayRange::from_ms(50, 50)));
    assert_eq!(changed, Some(DelayRange::from_ms(25, 25)));
}
