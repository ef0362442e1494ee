//! A harmless change of Paxos is a change all the same: each test says what can be seen of it. And it is harmless: the same script, with an
//! election, a cut, a retry and a read, ends as it ends without the change.

use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{DelayRange, Effect, Effects, Input, NodeId, Now};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::paxos::message::Timer;
use stormglass_impls::play::play;
use stormglass_impls::system::{Erased, Setup, System};

/// n1 leads and takes a command twice. Cut off, it takes three more in vain, while n2 comes to lead and takes another. Then n1 is back, and gives
/// up what it holds alone. At last clients read.
const SCRIPT: &str = "
(cluster nodes=3)
fire n1 election
stabilize
append n1 k=a
retry n1
stabilize
retry n1
partition n1
append n1 k=lost client=c2
append n1 k=lost client=c3
append n1 k=lost client=c4
fire n2 election
stabilize
append n2 k=b client=c5
stabilize
heal
fire n2 heartbeat
stabilize
get n2 k client=c6
stabilize
fire n2 heartbeat
stabilize
audit
---
";

fn system() -> Rc<dyn System> {
    catalog::system("paxos-cache").expect("there is paxos-cache")
}

/// The lines of the script's trace, without their indentation.
fn trace(change: Option<&str>) -> Vec<String> {
    let trace = play(&system(), change, SCRIPT).expect("the script can be played");
    trace.lines().map(|line| line.trim().to_string()).collect()
}

fn count(change: Option<&str>, wanted: impl Fn(&str) -> bool) -> usize {
    let lines = trace(change);
    lines.iter().filter(|line| wanted(line)).count()
}

/// What a node sends that arrives or not.
fn sends(line: &str) -> bool {
    let arrow = line.split_whitespace().nth(1);
    line.starts_with('n') && arrow.is_some_and(|arrow| arrow == "→" || arrow == "↛")
}

#[test]
fn with_any_change_the_script_ends_as_it_should() {
    let system = system();
    let changes = system.harmless().iter().map(|harmless| Some(harmless.id));
    for change in changes.chain([None]) {
        let lines = trace(change);
        let says = |wanted: &str| lines.iter().any(|line| line == wanted);
        assert!(says("c1 #1 ← n1 Done(Stored)"), "{change:?}");
        assert!(says("c5 #1 ← n2 Done(Stored)"), "{change:?}");
        assert!(says("c6 #1 ← n2 Done(Value(Some(\"ab\")))"), "{change:?}");
        assert!(says("every invariant holds"), "{change:?}");
        let broken = lines.iter().find(|line| line.starts_with("BROKEN"));
        assert_eq!(broken, None, "{change:?}");
    }
}

#[test]
fn what_is_sent_twice_goes_out_in_pairs() {
    let lines = trace(Some("harmless/sent-twice"));
    let sent: Vec<&String> = lines.iter().filter(|line| sends(line)).collect();
    assert!(sent.chunks(2).all(|pair| pair[0] == pair[1]), "{sent:#?}");
}

#[test]
fn a_retry_that_is_logged_again_takes_a_slot_more() {
    let proposed = |change| {
        count(change, |line| {
            line.starts_with("n1 disk") && line.contains("=c1#1@")
        })
    };
    assert_eq!(proposed(None), 1);
    assert_eq!(proposed(Some("harmless/retry-logged-again")), 3);
}

#[test]
fn no_ops_begin_every_leadership() {
    let proposed = |change| {
        count(change, |line| {
            line.contains("disk accept [") && line.contains("=noop@1.n1")
        })
    };
    assert_eq!(proposed(None), 0);
    assert!(proposed(Some("harmless/noops-at-first")) > 0);
}

#[test]
fn reversed_peers_are_asked_last_to_first() {
    let first = |change| trace(change).into_iter().find(|line| sends(line));
    assert_eq!(
        first(None).as_deref(),
        Some("n1 → n2 @1.n1 Prepare after=0")
    );
    assert_eq!(
        first(Some("harmless/peers-reversed")).as_deref(),
        Some("n1 → n3 @1.n1 Prepare after=0")
    );
}

/// A node that has stood for election so often, and was outbid each time: how long it waits then. And how long a leader waits between heartbeats.
fn waits(change: Option<&str>, defeats: u64, nodes: u8) -> (DelayRange, DelayRange) {
    use stormglass_impls::machine::cache::Command;
    use stormglass_impls::node_set::NodeSet;
    use stormglass_impls::paxos::message::{Ballot, Body, Era, Message, Slot};
    let system = system();
    let setup = Setup {
        mutant: change.map(str::to_string),
        ..Setup::of(NodeId(1), nodes)
    };
    let mut effects = Effects::<Erased>::default();
    let mut node = system.boot(&setup, &*system.blank_disk(), Now::default(), &mut effects);
    let mut waits = (DelayRange::from_ms(0, 0), DelayRange::from_ms(0, 0));
    let mut see = |effects: &mut Effects<Erased>| {
        for effect in effects.drain() {
            if let Effect::SetTimer { timer, range } = effect {
                match timer.take::<Timer>() {
                    Timer::Election => waits.0 = range,
                    Timer::Heartbeat => waits.1 = range,
                }
            }
        }
    };
    for defeat in 0..=defeats {
        let fired = Input::TimerFired(Parcel::new(Timer::Election));
        node.step(Now::default(), fired, &mut effects);
        node.step(Now::default(), Input::Persisted, &mut effects);
        see(&mut effects);
        if defeat == defeats {
            break;
        }
        let of = |number, node| Ballot {
            number,
            node: NodeId(node),
        };
        let body = Body::<Command>::Nack {
            ballot: of(2 * defeat + 1, 1),
            promised: of(2 * defeat + 2, 2),
        };
        let (number, after, acceptors) = (0, Slot(0), NodeSet::first(nodes));
        let era = Era {
            number,
            after,
            acceptors,
        };
        let message = Parcel::new(Message { era, body });
        let from = NodeId(2);
        node.step(
            Now::default(),
            Input::Deliver { from, message },
            &mut effects,
        );
        see(&mut effects);
    }
    waits
}

#[test]
fn an_extra_heartbeat_comes_after_half_the_time() {
    let [usual, changed] =
        [None, Some("harmless/extra-heartbeat")].map(|change| waits(change, 0, 1).1);
    assert_eq!(usual, DelayRange::from_ms(50, 50));
    assert_eq!(changed, DelayRange::from_ms(25, 25));
}

#[test]
fn who_is_defeated_waits_longer_and_longer_and_not_for_ever() {
    let longest_ms: Vec<u64> = (0..6)
        .map(|defeats| waits(None, defeats, 3).0.max_ns / 1_000_000)
        .collect();
    assert_eq!(longest_ms, [300, 450, 750, 1_350, 1_350, 1_350]);
    assert_eq!(
        waits(Some("harmless/no-backoff"), 5, 3).0,
        DelayRange::from_ms(150, 300)
    );
}
