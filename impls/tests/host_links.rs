//! The connections of a host inside turmoil: what a gate, a crash, a network or a stranger can do to them.

mod host_support;

use host_support::storm::{MS, rising, storm};
use host_support::{Beat, TestGate, beats, count};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{ClientId, Input, NodeId};
use stormglass_impls::host::connection::{Outbox, dial};
use stormglass_impls::host::turmoil::TurmoilNet;
use stormglass_impls::host::{Fate, frame};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::wire::{Hello, Party};

fn between(from: Party, to: Party, sender: u8, receiver: u8) -> bool {
    (from, to) == (Party::Node(NodeId(sender)), Party::Node(NodeId(receiver)))
}

#[test]
fn a_corrupt_frame_is_never_delivered_and_the_link_is_made_anew() {
    let mut storm = storm(2);
    let (corrupted, rule_corrupted) = (Rc::new(RefCell::new(Vec::new())), Rc::default());
    let _: &Rc<Cell<u64>> = &rule_corrupted;
    let (told, frames) = (Rc::clone(&corrupted), Rc::clone(&rule_corrupted));
    storm.gate.on_frame(move |from, to, _, bytes| {
        if !between(from, to, 1, 2) {
            return Fate::Pass;
        }
        frames.set(frames.get() + 1);
        if frames.get().is_multiple_of(5) {
            let beat: Beat = postcard::from_bytes(frame::payload(bytes).unwrap()).unwrap();
            told.borrow_mut().push(beat.0);
            // Every bit of a beat's frame in turn.
            Fate::Corrupt {
                after_ns: 0,
                bit: frames.get() / 5,
            }
        } else {
            Fate::Pass
        }
    });
    storm.run_ms(30_000);
    let heard = beats(&storm.trace, 2, 1);
    let corrupted = corrupted.borrow();
    assert!(
        corrupted.len() > 104,
        "every bit was flipped once: {}",
        corrupted.len()
    );
    assert!(
        heard.len() > 300 && rising(&heard),
        "the beats go on: {}",
        heard.len()
    );
    assert!(
        heard.iter().all(|(_, beat)| !corrupted.contains(beat)),
        "what was corrupted was not delivered"
    );
    let down = count(&storm.trace, 2, |input| {
        *input == Input::LinkDown(NodeId(1))
    });
    assert!(
        down.abs_diff(corrupted.len()) <= 1,
        "{} corrupted, {down} links broken",
        corrupted.len()
    );
}

#[test]
fn delayed_frames_keep_their_order_and_copies_hold_nothing_up() {
    let mut storm = storm(3);
    let sent = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&sent);
    storm.gate.on_frame(move |from, to, _, _| {
        if between(from, to, 1, 2) {
            let now_ns = turmoil::sim_elapsed().unwrap().as_nanos() as u64;
            let delay_ns = [90, 0, 40, 10][told.borrow().len() % 4] * MS;
            told.borrow_mut().push(now_ns + delay_ns);
            Fate::Delay { ns: delay_ns }
        } else if between(from, to, 1, 3) {
            Fate::Copy {
                after_ns: 0,
                times: 2,
                delay_ns: 35 * MS,
            }
        } else {
            Fate::Pass
        }
    });
    storm.run_ms(3_000);
    let delayed = beats(&storm.trace, 2, 1);
    assert!(delayed.len() > 80 && rising(&delayed));
    for ((at, beat), due) in delayed.iter().zip(sent.borrow().iter()) {
        assert!(
            at >= due,
            "beat {beat} came at {at}, before its delay was over at {due}"
        );
    }
    let copied = beats(&storm.trace, 3, 1);
    let first_of = |beat: u64| copied.iter().position(|(_, seen)| *seen == beat).unwrap();
    let beats_seen = copied.iter().map(|(_, beat)| *beat).max().unwrap();
    let times = |beat: u64| copied.iter().filter(|(_, seen)| *seen == beat).count();
    let first = copied[0].1;
    for beat in first..beats_seen - 4 {
        assert_eq!(times(beat), 3, "beat {beat}");
        let (original, last) = (
            first_of(beat),
            copied.iter().rposition(|(_, seen)| *seen == beat).unwrap(),
        );
        assert!(
            copied[original..last].iter().any(|(_, seen)| *seen > beat),
            "a later beat overtook the copies"
        );
        assert!(
            first_of(beat) < first_of(beat + 1),
            "the originals keep their order"
        );
    }
}

#[test]
fn frames_can_be_dropped_one_way_while_the_connection_lives() {
    let mut storm = storm(2);
    storm.run_ms(200);
    storm.gate.on_frame(|from, to, _, _| {
        if between(from, to, 1, 2) {
            Fate::Drop
        } else {
            Fate::Pass
        }
    });
    let before = (
        beats(&storm.trace, 2, 1).len(),
        beats(&storm.trace, 1, 2).len(),
    );
    storm.run_ms(5_000);
    let after = (
        beats(&storm.trace, 2, 1).len(),
        beats(&storm.trace, 1, 2).len(),
    );
    assert!(
        after.0 <= before.0 + 1 && after.1 > before.1 + 150,
        "{before:?} {after:?}"
    );
    assert_eq!(
        count(&storm.trace, 2, |input| matches!(input, Input::LinkDown(_))),
        0
    );
    storm.gate.on_frame(|_, _, _, _| Fate::Pass);
    storm.run_ms(200);
    assert!(beats(&storm.trace, 2, 1).len() > after.0 + 4);
}

#[test]
fn a_gate_that_refuses_dials_keeps_a_link_from_being_made() {
    let mut storm = storm(2);
    storm.gate.unreachable.borrow_mut().insert(NodeId(2));
    storm.run_ms(3_000);
    assert!(beats(&storm.trace, 2, 1).is_empty() && beats(&storm.trace, 1, 2).len() > 100);
    assert_eq!(
        count(&storm.trace, 1, |input| matches!(input, Input::LinkUp(_))),
        0,
        "half a link is none"
    );
    storm.gate.unreachable.borrow_mut().clear();
    storm.run_ms(1_000);
    assert!(!beats(&storm.trace, 2, 1).is_empty());
    assert_eq!(
        count(&storm.trace, 1, |input| matches!(input, Input::LinkUp(_))),
        1
    );
}

/// A peer made by hand: greets as `n2` and sends beats.
async fn peer(
    gate: &Rc<TestGate>,
    connection: u64,
) -> (Rc<Outbox<TestGate>>, tokio::task::JoinHandle<()>) {
    let (from, to) = (Party::Node(NodeId(2)), Party::Node(NodeId(1)));
    let outbox = Outbox::new(Rc::clone(gate), from, to, connection);
    outbox.greet(Hello::Peer(NodeId(2)));
    let wire = dial(&TurmoilNet, &outbox, "n1:7000").await.unwrap();
    let served = Rc::clone(&outbox);
    let ended = tokio::task::spawn_local(async move {
        wire.serve(&served, async |_| Ok(())).await;
    });
    (outbox, ended)
}

fn send(outbox: &Outbox<TestGate>, beat: u64) {
    outbox.send(&Parcel::new(Beat(beat)).encode());
}

#[test]
fn nothing_of_an_older_connection_arrives_after_a_newer_greeting() {
    let mut storm = storm(2);
    storm.gate.unreachable.borrow_mut().insert(NodeId(1)); // The true n2 stays away.
    storm.run_ms(10);
    storm.gate.unreachable.borrow_mut().clear();
    let gate = Rc::clone(&storm.gate);
    storm.client("courier", async move {
        let (old, old_ended) = peer(&gate, 1).await;
        for beat in 1..=3 {
            send(&old, beat);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Both speak in the same millisecond, the older first: its words are on the way when the newer greets.
        let (new, _) = peer(&gate, 2).await;
        send(&old, 4);
        send(&new, 10);
        for beat in 5..=8 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            send(&old, beat);
            send(&new, beat + 6);
        }
        tokio::time::timeout(Duration::from_secs(1), old_ended)
            .await
            .expect("the older connection was closed")
            .unwrap();
    });
    storm.run_ms(10);
    let heard: Vec<u64> = beats(&storm.trace, 1, 2)
        .iter()
        .map(|(_, beat)| *beat)
        .collect();
    let newer_from = heard
        .iter()
        .position(|beat| *beat == 10)
        .expect("the newer connection is heard");
    assert_eq!(heard[..3], [1, 2, 3]);
    assert!(newer_from <= 4, "{heard:?}");
    assert_eq!(
        heard[newer_from..],
        [10, 11, 12, 13, 14],
        "nothing of the older after"
    );
}

#[test]
fn a_lost_segment_does_not_wedge_a_link_for_ever() {
    let mut storm = storm(2);
    storm.run_ms(500);
    // A few segments vanish: turmoil's stream will never deliver another byte of this connection, and says so to nobody.
    storm.sim.partition_oneway("n1", "n2");
    storm.run_ms(60);
    storm.sim.repair_oneway("n1", "n2");
    let heard = beats(&storm.trace, 2, 1).len();
    storm.run_ms(1_000);
    assert!(
        beats(&storm.trace, 2, 1).len() <= heard + 1,
        "the stream is wedged"
    );
    storm.run_ms(2_000);
    assert!(
        beats(&storm.trace, 2, 1).len() > heard + 20,
        "the link was made anew"
    );
    let beats_all = beats(&storm.trace, 2, 1);
    assert!(rising(&beats_all));
    assert_eq!(
        count(&storm.trace, 1, |input| *input
            == Input::LinkDown(NodeId(2))),
        1
    );
}

#[test]
fn a_held_greeting_does_not_wedge_a_link_for_ever() {
    let mut storm = storm(2);
    storm.sim.hold("n1", "n2");
    storm.run_ms(3_000);
    assert!(beats(&storm.trace, 1, 2).is_empty());
    storm.sim.release("n1", "n2");
    storm.run_ms(3_000);
    for (node, peer) in [(1, 2), (2, 1)] {
        let heard = beats(&storm.trace, node, peer);
        assert!(heard.len() > 20 && rising(&heard), "n{node} hears n{peer}");
    }
}

#[test]
fn a_crashed_peer_is_noticed_and_found_again() {
    let mut storm = storm(2);
    storm.run_ms(500);
    storm.sim.crash("n2");
    storm.run_ms(3_000);
    assert_eq!(
        count(&storm.trace, 1, |input| *input
            == Input::LinkDown(NodeId(2))),
        1
    );
    storm.sim.bounce("n2");
    storm.run_ms(1_000);
    assert_eq!(
        count(&storm.trace, 1, |input| *input == Input::LinkUp(NodeId(2))),
        2
    );
    assert!(
        beats(&storm.trace, 1, 2)
            .iter()
            .filter(|(at, _)| *at > 3_500 * MS)
            .count()
            > 20
    );
}

#[test]
fn a_taken_frame_can_be_delivered_later_by_a_courier() {
    let mut storm = storm(2);
    storm.run_ms(200);
    let taken = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&taken);
    storm.gate.on_frame(move |from, to, connection, bytes| {
        if connection < 100 && between(from, to, 2, 1) {
            kept.borrow_mut()
                .push(frame::payload(bytes).unwrap().to_vec());
            return Fate::Take;
        }
        Fate::Pass
    });
    storm.run_ms(5); // What was sent before still arrives.
    let before = beats(&storm.trace, 1, 2).len();
    storm.run_ms(500);
    assert_eq!(beats(&storm.trace, 1, 2).len(), before);
    let (gate, payloads) = (Rc::clone(&storm.gate), Rc::clone(&taken));
    storm.client("courier", async move {
        for position in [2, 0] {
            let (outbox, _) = peer(&gate, 100 + position as u64).await;
            outbox.send(&payloads.borrow()[position]);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    storm.run_ms(5);
    let heard: Vec<Vec<u8>> = beats(&storm.trace, 1, 2)[before..]
        .iter()
        .map(|(_, beat)| Parcel::new(Beat(*beat)).encode())
        .collect();
    assert_eq!(
        heard,
        [taken.borrow()[2].clone(), taken.borrow()[0].clone()]
    );
}

#[test]
fn senseless_callers_are_turned_away_and_harm_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut storm = storm(2);
    storm.run_ms(100);
    let mut first = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 64],
        vec![0; 64],
    ];
    for hello in [
        Hello::Peer(NodeId(0)),
        Hello::Peer(NodeId(1)),
        Hello::Peer(NodeId(9)),
    ] {
        first.push(
            frame::encode(&postcard::to_allocvec(&hello).unwrap())
                .unwrap()
                .to_vec(),
        );
    }
    for hello in [Hello::Peer(NodeId(2)), Hello::Client(ClientId(4))] {
        let mut bytes = frame::encode(&postcard::to_allocvec(&hello).unwrap())
            .unwrap()
            .to_vec();
        bytes.extend_from_slice(&frame::encode(&[0xff; 40]).unwrap());
        first.push(bytes);
    }
    storm.client("stranger", async move {
        for bytes in first {
            let mut stream = turmoil::net::TcpStream::connect("n1:7000").await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            let mut back = Vec::new();
            let closed =
                tokio::time::timeout(Duration::from_millis(100), stream.read_to_end(&mut back))
                    .await;
            assert!(closed.is_ok(), "{bytes:?} was tolerated");
        }
        // Who says nothing is let go after a while.
        let mut stream = turmoil::net::TcpStream::connect("n1:7000").await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(2), stream.read_u8()).await;
        assert!(closed.expect("the silent caller was let go").is_err());
    });
    assert_eq!(storm.add("c1", 5), Some(5));
}
