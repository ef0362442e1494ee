//! The host inside turmoil: nodes that beat to each other and add up what a client asks, over crashes, slow disks and pauses.

mod host_support;

use host_support::storm::{MS, Storm, rising, simulation, storm};
use host_support::{Caller, Given, TallyTimer, beats, count};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{ClientId, Input, NodeId};
use stormglass_impls::host::turmoil::{TurmoilDisk, TurmoilNet};
use stormglass_impls::host::wal::Wal;
use stormglass_impls::host::{Fate, Fsync};
use stormglass_impls::parcel::Parcel;

#[test]
fn nodes_hear_each_other_and_a_client_is_answered() {
    let mut storm = storm(3);
    storm.run_ms(1_000);
    for node in 1..=3 {
        for peer in (1..=3).filter(|peer| *peer != node) {
            let heard = beats(&storm.trace, node, peer);
            assert!(
                heard.len() > 25 && rising(&heard),
                "n{node} heard n{peer} {} times",
                heard.len()
            );
            let up = count(&storm.trace, node, |input| {
                *input == Input::LinkUp(NodeId(peer))
            });
            let down = count(&storm.trace, node, |input| {
                matches!(input, Input::LinkDown(_))
            });
            assert_eq!((up, down), (1, 0), "one link, and it held");
        }
    }
    assert_eq!(storm.add("c1", 5), Some(5));
    assert_eq!(storm.add("c2", 7), Some(12));
    storm.run_ms(10);
    assert_eq!(
        count(&storm.trace, 1, |input| *input
            == Input::ClientGone(ClientId(1))),
        2
    );
}

#[test]
fn a_crash_right_after_creation_keeps_the_log() {
    let mut sim = simulation();
    let found = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&found);
    sim.host("n1", move || {
        let told = Rc::clone(&told);
        async move {
            let (mut wal, recovered) = Wal::open(TurmoilDisk, Path::new("/wal"), "tally").await?;
            told.borrow_mut().push(recovered.writes.len());
            wal.append(&[b"one".to_vec()]).await?;
            wal.sync().await?;
            std::future::pending().await
        }
    });
    for _ in 0..3 {
        sim.step().unwrap();
        sim.crash("n1");
        sim.bounce("n1");
    }
    sim.step().unwrap();
    assert_eq!(*found.borrow(), [0, 1, 2, 3]);
}

#[test]
fn a_crash_right_after_a_log_was_written_anew_keeps_it() {
    let mut sim = simulation();
    let found = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&found);
    sim.host("n1", move || {
        let told = Rc::clone(&told);
        async move {
            let (mut wal, recovered) = Wal::open(TurmoilDisk, Path::new("/wal"), "tally").await?;
            let lives = recovered.checkpoint.map_or(0, |lives| lives.len());
            told.borrow_mut().push((lives, recovered.writes.len()));
            // The mark behind this write is never synced: it must not turn up in the new log.
            wal.append(&[b"one".to_vec()]).await?;
            wal.sync().await?;
            let draft = wal.draft(&vec![b'x'; lives + 1]).await?;
            match lives {
                // The draft is lost with the crash, and what was there is not.
                2 if recovered.writes.len() < 3 => {}
                _ => wal.adopt(draft).await?,
            }
            if lives == 1 {
                wal.append(&[b"more".to_vec()]).await?;
                wal.sync().await?;
            }
            std::future::pending().await
        }
    });
    for _ in 0..6 {
        sim.step().unwrap();
        sim.crash("n1");
        sim.bounce("n1");
    }
    sim.step().unwrap();
    assert_eq!(
        *found.borrow(),
        [(0, 0), (1, 0), (2, 1), (2, 2), (2, 3), (3, 0), (4, 0)]
    );
}

#[test]
fn a_crash_loses_what_was_not_synced_and_it_was_never_called_persisted() {
    let mut storm = storm(1);
    assert_eq!(storm.add("c1", 5), Some(5));
    let persisted = |storm: &Storm| count(&storm.trace, 1, |input| *input == Input::Persisted);
    assert_eq!(persisted(&storm), 1);
    for (attempt, hold) in [Fsync::Hold, Fsync::After { ns: 5_000 * MS }]
        .into_iter()
        .enumerate()
    {
        storm.gate.sync(1, hold);
        assert_eq!(
            storm.add(&format!("lost {attempt}"), 100),
            None,
            "the sync has not begun"
        );
        storm.sim.crash("n1");
        storm.sim.bounce("n1");
        storm.gate.sync(1, Fsync::After { ns: 0 });
        storm.run_ms(10);
        assert_eq!(
            persisted(&storm),
            attempt + 1,
            "what the crash took was never called persisted"
        );
        let sum = storm.add(&format!("kept {attempt}"), 1);
        assert_eq!(
            sum,
            Some(6 + attempt as u64),
            "the sum was recovered from the log, without the lost write"
        );
    }
}

#[test]
fn what_arrives_during_a_sync_shares_the_next_one() {
    let mut storm = storm(1);
    let syncs = Rc::new(Cell::new(0));
    let told = Rc::clone(&syncs);
    storm.gate.on_sync(move |_| {
        told.set(told.get() + 1);
        Fsync::After { ns: 50 * MS }
    });
    storm.run_ms(1);
    let gate = Rc::clone(&storm.gate);
    storm.client("clients", async move {
        let mut asked = tokio::task::JoinSet::new();
        for client in 1..=5 {
            let gate = Rc::clone(&gate);
            asked.spawn_local(async move {
                let mut caller = Caller::connect(TurmoilNet, &gate, client, "n1:7000")
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(5 * u64::from(client))).await;
                (caller.add(1).await, caller)
            });
        }
        let mut sums = Vec::new();
        while let Some(answer) = asked.join_next().await {
            sums.push(answer.unwrap().0);
        }
        assert_eq!(sums, (1..=5).map(Some).collect::<Vec<_>>());
    });
    // The first alone, the others together; anew, when the log had outgrown its beginning.
    let persisted = count(&storm.trace, 1, |input| *input == Input::Persisted);
    assert_eq!(persisted, 5, "each is reported");
    assert!((2..=4).contains(&syncs.get()), "{} syncs", syncs.get());
    storm.sim.crash("n1");
    storm.sim.bounce("n1");
    assert_eq!(storm.add("c9", 1), Some(6));
}

#[test]
fn a_slow_disk_delays_the_answer_and_nothing_else() {
    let mut storm = storm(2);
    storm.run_ms(100);
    storm.gate.sync(1, Fsync::After { ns: 200 * MS });
    let start = storm.sim.elapsed();
    assert_eq!(storm.add("c1", 5), Some(5));
    assert!(storm.sim.elapsed() - start >= Duration::from_millis(200));
    let (start, end) = (
        start.as_nanos() as u64,
        storm.sim.elapsed().as_nanos() as u64,
    );
    let heard = beats(&storm.trace, 2, 1)
        .iter()
        .filter(|(at, _)| (start..end).contains(at))
        .count();
    assert!(heard >= 5, "n1 beat on while its disk was busy: {heard}");
}

#[test]
fn a_node_that_is_held_wakes_to_its_timers_and_then_to_its_mail() {
    let mut storm = storm(3);
    storm.run_ms(500);
    storm.gate.hold(1);
    storm.run_ms(400);
    let held = storm.trace.borrow().len();
    storm.gate.release(1);
    storm.run_ms(5);
    let trace = storm.trace.borrow();
    let woke: Vec<&Given> = trace[held..]
        .iter()
        .filter(|given| given.node == NodeId(1))
        .collect();
    assert!(
        trace[..held]
            .iter()
            .rev()
            .take(50)
            .all(|given| given.node != NodeId(1)),
        "it was held"
    );
    let inputs: Vec<_> = woke
        .iter()
        .filter_map(|given| given.input.clone())
        .collect();
    assert_eq!(inputs[0], Input::TimerFired(Parcel::new(TallyTimer::Beat)));
    assert!(matches!(inputs[1], Input::Deliver { .. }));
    let mail = woke[1..]
        .iter()
        .take_while(|given| given.at_ns == woke[0].at_ns)
        .count();
    assert!(
        mail > 25,
        "all that came meanwhile was kept, and is taken at once: {mail}"
    );
    assert!(
        *storm.gate.ready_max.borrow() > 25,
        "the gate was shown all of it"
    );
}

#[test]
fn a_newer_connection_of_a_client_gets_the_answers() {
    let mut storm = storm(1);
    storm.gate.sync(1, Fsync::After { ns: 100 * MS });
    let gate = Rc::clone(&storm.gate);
    storm.client("c1", async move {
        let mut old = Caller::connect(TurmoilNet, &gate, 1, "n1:7000")
            .await
            .unwrap();
        let asked = old.add(5);
        let mut asked = std::pin::pin!(asked);
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut asked).await;
        assert!(waited.is_err(), "the disk is slow");
        let mut new = Caller::connect(TurmoilNet, &gate, 1, "n1:7000")
            .await
            .unwrap();
        assert!(
            new.next().await.is_some(),
            "the newest connection gets the answer"
        );
        assert_eq!(asked.await, None, "and the older one is closed");
    });
    let gone = count(&storm.trace, 1, |input| {
        *input == Input::ClientGone(ClientId(1))
    });
    assert_eq!(gone, 1, "when the newer greeted");
}

/// What a stormy simulation gives its nodes, as text.
fn stormy_trace() -> String {
    let mut storm = storm(3);
    let frames = Cell::new(0_u64);
    storm.gate.on_frame(move |_, _, _, _| {
        frames.set(frames.get() + 1);
        match frames.get() % 11 {
            3 => Fate::Drop,
            5 => Fate::Delay { ns: 7 * MS },
            7 => Fate::Copy {
                after_ns: 0,
                times: 1,
                delay_ns: 9 * MS,
            },
            9 if frames.get().is_multiple_of(7) => Fate::Corrupt {
                after_ns: 0,
                bit: frames.get(),
            },
            _ => Fate::Pass,
        }
    });
    for client in 1..=2_u32 {
        let gate = Rc::clone(&storm.gate);
        storm.client_aside(&format!("c{client}"), async move {
            for number in 1.. {
                let Ok(mut caller) = Caller::connect(TurmoilNet, &gate, client, "n1:7000").await
                else {
                    continue;
                };
                while caller.add(number).await.is_some() {
                    tokio::time::sleep(Duration::from_millis(13)).await;
                }
            }
        });
    }
    for round in 0..4 {
        storm.run_ms(400);
        storm.gate.hold(3);
        storm.sim.crash("n2");
        storm.run_ms(70 + round);
        storm.sim.bounce("n2");
        storm.gate.release(3);
        storm.sim.crash("n1");
        storm.run_ms(30);
        storm.sim.bounce("n1");
    }
    let trace = storm.trace.borrow();
    assert!(trace.len() > 500, "something happened: {}", trace.len());
    trace.iter().map(|given| format!("{given:?}\n")).collect()
}

#[test]
fn the_same_simulation_twice_gives_the_same_inputs_at_the_same_times() {
    assert!(stormy_trace() == stormy_trace(), "the traces differ");
}
