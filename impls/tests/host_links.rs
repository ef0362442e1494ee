//! The connections of a host inside turmoil: what a gate, a crash, a network or a stranger can do to them.

mod host_support;

use host_support::storm::{MS, rising, storm};
use host_support::{Beat, Given, TallyTimer, TestGate, Trace, beats, count};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{ClientId, Input, NodeId};
use stormglass_impls::host::connection::{Outbox, dial};
use stormglass_impls::host::frame::Frame;
use stormglass_impls::host::turmoil::TurmoilNet;
use stormglass_impls::host::{Fate, frame};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::wire::{Greeting, Party};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::Decoder;

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
    let (wire, _) = dial(&TurmoilNet, &outbox, "n1:7000").await.unwrap();
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
    let mut storm = storm(2);
    storm.run_ms(100);
    let hello = |connection, caller| Greeting::Hello { connection, caller };
    let node = |id| Party::Node(NodeId(id));
    // What strangers say who were given this number.
    let said = move |number: u64| {
        let greeted = |greetings: &[Greeting]| {
            let framed = greetings.iter().copied().map(frame::encode_greeting);
            framed.flatten().collect::<Vec<u8>>()
        };
        let damaged = |greeting| [greeted(&[greeting]), vec![0xff; 64]].concat();
        vec![
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            vec![0xff; 64],
            vec![0; 64],
            frame::encode(b"a message").unwrap().to_vec(),
            greeted(&[hello(number, node(0))]),
            greeted(&[hello(number, node(1))]),
            greeted(&[hello(number, node(9))]),
            greeted(&[hello(number + 1, node(2))]),
            greeted(&[hello(number - 1, node(2))]),
            greeted(&[Greeting::Welcome { connection: number }]),
            greeted(&[Greeting::Paired { taken: number }]),
            greeted(&[hello(number, node(2)), hello(number, node(2))]),
            greeted(&[hello(number, node(2)), Greeting::Welcome { connection: 0 }]),
            greeted(&[hello(number, Party::Client(ClientId(4))); 2]),
            damaged(hello(number, node(2))),
            damaged(hello(number, Party::Client(ClientId(4)))),
        ]
    };
    storm.client("stranger", async move {
        for which in 0..said(1).len() {
            let mut stream = turmoil::net::TcpStream::connect("n1:7000").await.unwrap();
            let bytes = &said(welcome(&mut stream).await)[which];
            stream.write_all(bytes).await.unwrap();
            let mut back = Vec::new();
            let closed =
                tokio::time::timeout(Duration::from_millis(100), stream.read_to_end(&mut back))
                    .await;
            assert!(closed.is_ok(), "{bytes:?} was tolerated");
        }
        // Who says nothing is let go after a while.
        let mut stream = turmoil::net::TcpStream::connect("n1:7000").await.unwrap();
        let mut back = Vec::new();
        let closed =
            tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut back)).await;
        assert!(closed.is_ok(), "the silent caller was let go");
    });
    assert_eq!(storm.add("c1", 5), Some(5));
    storm.run_ms(500);
    let heard = beats(&storm.trace, 1, 2).len();
    storm.run_ms(500);
    assert!(beats(&storm.trace, 1, 2).len() > heard + 10);
}

/// The number that a node gives a connection.
async fn welcome(stream: &mut turmoil::net::TcpStream) -> u64 {
    let mut arrived = bytes::BytesMut::new();
    loop {
        match frame::FrameCodec.decode(&mut arrived).unwrap() {
            Some(Frame::Greeting(Greeting::Welcome { connection })) => return connection,
            Some(other) => panic!("a node welcomes its callers, and does not say {other:?}"),
            None => assert!(stream.read_buf(&mut arrived).await.unwrap() > 0),
        }
    }
}

#[test]
fn a_late_greeting_of_an_older_connection_replaces_no_newer_one() {
    let mut storm = storm(2);
    storm.run_ms(1);
    storm.sim.crash("n2"); // The true n2 stays away.
    let gate = Rc::clone(&storm.gate);
    storm.client("courier", async move {
        let mut older = turmoil::net::TcpStream::connect("n1:7000").await.unwrap();
        let number = welcome(&mut older).await;
        let (newer, _) = peer(&gate, 1).await;
        send(&newer, 10);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let beat = frame::encode(&Parcel::new(Beat(9)).encode()).unwrap();
        let hello =
            |connection, caller| frame::encode_greeting(Greeting::Hello { connection, caller });
        let late = [hello(number, Party::Node(NodeId(2))), beat].concat();
        older.write_all(&late).await.unwrap();
        let mut back = Vec::new();
        let closed = older.read_to_end(&mut back);
        tokio::time::timeout(Duration::from_millis(50), closed)
            .await
            .expect("it is too late")
            .unwrap();
        send(&newer, 11);
        tokio::time::sleep(Duration::from_millis(10)).await;
    });
    let heard: Vec<u64> = beats(&storm.trace, 1, 2)
        .iter()
        .map(|(_, beat)| *beat)
        .collect();
    assert_eq!(heard, [10, 11]);
}

/// One period of a link as a node saw it, from up to down, with the beats of the other node in it.
struct Period {
    beats: Vec<u64>,
}

/// The periods in which a node knew the link to a peer up. `beat_of` says which beat of which node an input brings.
fn periods(
    trace: &Trace,
    node: NodeId,
    peer: NodeId,
    mut beat_of: impl FnMut(&Given) -> Option<u64>,
) -> Vec<Period> {
    let (mut periods, mut up) = (Vec::new(), false);
    for given in trace.borrow().iter().filter(|given| given.node == node) {
        let beat = beat_of(given);
        match &given.input {
            None => up = false,
            Some(Input::LinkDown(down)) if *down == peer => {
                assert!(up, "only what is up goes down");
                up = false;
            }
            Some(Input::LinkUp(come)) if *come == peer => {
                assert!(!up, "only what is down comes up");
                up = true;
                periods.push(Period { beats: Vec::new() });
            }
            _ => {
                if let (true, Some(beat)) = (up, beat) {
                    periods.last_mut().unwrap().beats.push(beat);
                }
            }
        }
    }
    periods
}

/// Between LinkUp and LinkDown a node hears what the other sent between its own LinkUp and LinkDown of the same pair of connections, from the first
/// word on and without a gap. Gives how many periods there were, and how many beats were heard in them.
fn check_the_law_of_links(trace: &Trace, nodes: u8) -> (usize, usize) {
    let (mut periods_count, mut beats_count) = (0, 0);
    for sender in NodeId::all(nodes) {
        for receiver in NodeId::all(nodes).filter(|receiver| *receiver != sender) {
            let mut last = 0;
            let sent = periods(trace, sender, receiver, |given| match &given.input {
                None => {
                    last = given.at_ns;
                    None
                }
                Some(Input::TimerFired(timer)) if timer.open() == Some(&TallyTimer::Beat) => {
                    last += 1;
                    Some(last)
                }
                _ => None,
            });
            let heard = periods(trace, receiver, sender, |given| match &given.input {
                Some(Input::Deliver { from, message }) if *from == sender => {
                    Some(message.open::<Beat>().unwrap().0)
                }
                _ => None,
            });
            let period_of: BTreeMap<u64, usize> = sent
                .iter()
                .enumerate()
                .flat_map(|(at, period)| period.beats.iter().map(move |beat| (*beat, at)))
                .collect();
            let mut used = BTreeSet::new();
            for period in &heard {
                // What the other sent while its link was down promises nothing.
                let of_up: Vec<u64> = (period.beats.iter().copied())
                    .filter(|beat| period_of.contains_key(beat))
                    .collect();
                let Some(first) = of_up.first() else { continue };
                let of = period_of[first];
                assert!(
                    used.insert(of),
                    "{sender} to {receiver}: one period, heard in two"
                );
                assert!(
                    sent[of].beats.starts_with(&of_up),
                    "{sender} sent {:?} in a period, and {receiver} heard {of_up:?} in one",
                    sent[of].beats
                );
                beats_count += of_up.len();
            }
            periods_count += heard.len();
        }
    }
    (periods_count, beats_count)
}

#[test]
fn nothing_of_an_older_period_of_a_link_arrives_in_a_newer_one() {
    let mut storm = storm(3);
    // Frames that are late, and connections that break at one of them, one way.
    let mut state = 7_u64;
    storm.gate.on_frame(move |from, to, _, _| {
        if !matches!((from, to), (Party::Node(_), Party::Node(_))) {
            return Fate::Pass;
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        match state >> 33 {
            draw if draw % 23 == 0 => Fate::Reset,
            draw if draw % 3 == 0 => Fate::Delay {
                ns: draw % 400 * MS,
            },
            _ => Fate::Pass,
        }
    });
    for round in 0..60_u64 {
        storm.run_ms(700);
        let (one, other) = (
            format!("n{}", round % 3 + 1),
            format!("n{}", (round + 1) % 3 + 1),
        );
        match round % 4 {
            // What is on its way arrives much later, in the midst of what comes then.
            0 => {
                storm.sim.hold(one.as_str(), other.as_str());
                storm.run_ms(120 + round * 5);
                storm.sim.release(one.as_str(), other.as_str());
            }
            1 => {
                storm.sim.crash(one.as_str());
                storm.run_ms(round);
                storm.sim.bounce(one.as_str());
            }
            2 => {
                storm.sim.partition_oneway(one.as_str(), other.as_str());
                storm.run_ms(60);
                storm.sim.repair_oneway(one.as_str(), other.as_str());
            }
            _ => {}
        }
    }
    let (periods, beats) = check_the_law_of_links(&storm.trace, 3);
    assert!(
        periods > 300 && beats > 3_000,
        "{beats} beats in {periods} periods"
    );
}
