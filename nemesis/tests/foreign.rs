//! Servers that are not ours, in turmoil: a small one in two parts, and what becomes of its faults, errors and panics.
//!
//! Node 2 keeps one register in its memory. Node 1 asks node 2, for clients who know only node 1. So whatever befalls the link or node 2,
//! the clients feel.

#![cfg(feature = "turmoil")]

use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use stormglass_checker::{History, Kind};
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::desk::Ending;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::foreign::{self, Caller, Client, Foreign, Make, Node, Start};
use stormglass_nemesis::judge::{Ruling, judge};
use stormglass_nemesis::record::{FaultRecord, FaultStatus, Run, Violation, ViolationKind};
use stormglass_nemesis::schedule::{
    Action, Disturbance, Fault, Leaves, Links, Target, Trigger, When,
};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::register::RegisterConfig;
use stormglass_workloads::workload::{Operation, WorkloadConfig};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use turmoil::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_millis(200);

async fn line(stream: &mut TcpStream) -> io::Result<Value> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}

async fn ask(node: &str, question: &Value) -> io::Result<Value> {
    let asked = async {
        let mut stream = TcpStream::connect((node, 80)).await?;
        stream.write_all(format!("{question}\n").as_bytes()).await?;
        line(&mut stream).await
    };
    let asked = tokio::time::timeout(PATIENCE, asked).await;
    asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The server: null reads, anything else is written.
async fn serve(node: Node) -> io::Result<()> {
    let register = Rc::new(RefCell::new(Value::Null));
    let listener = TcpListener::bind(("0.0.0.0", 80)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let (node, register) = (node.clone(), Rc::clone(&register));
        tokio::task::spawn_local(async move {
            let question = line(&mut stream).await?;
            assert_ne!(question, "panic", "asked to panic");
            let answer = if node.id == 1 {
                ask("n2", &question).await?
            } else {
                if !question.is_null() {
                    register.replace(question);
                }
                register.borrow().clone()
            };
            stream.write_all(format!("{answer}\n").as_bytes()).await
        });
    }
}

struct Plain;

impl Client for Plain {
    async fn call(&mut self, operation: &Operation) -> Ending {
        match ask("n1", &operation.value).await {
            Ok(value) if operation.f == "read" => Ending::value(value),
            Ok(_) => Ending::done(operation),
            Err(error) => Ending::unknown(error),
        }
    }
}

/// A client that is a closure without state.
struct Closure<F>(F);

impl<F: AsyncFn(&Operation) -> Ending> Client for Closure<F> {
    async fn call(&mut self, operation: &Operation) -> Ending {
        (self.0)(operation).await
    }
}

fn plain() -> Foreign {
    Foreign {
        start: Start::new(serve),
        client: Make::new(|_| Plain),
    }
}

fn trial(schedule: Vec<Fault>) -> Trial {
    let register = RegisterConfig {
        keys: 1,
        reads_percent: 50,
        writes_percent: 50,
        think_time_ms_min: 10,
        think_time_ms_max: 30,
        ..RegisterConfig::default()
    };
    Trial {
        nodes: 2,
        clients: 1,
        storm_ms: 3_000,
        recovery_ms: 1_000,
        schedule,
        ..Trial::calm(
            "two parts",
            WorkloadConfig::Register(register),
            Arena::Turmoil,
            7,
        )
    }
}

fn fault(id: u32, at_ms: u64, lasts_ms: u64, (kind, action): (FaultKind, Action)) -> Fault {
    Fault {
        id,
        kind,
        action,
        when: When::AtMs(at_ms),
        lasts_ms,
    }
}

fn cut(kind: FaultKind, links: Links) -> (FaultKind, Action) {
    let disturbance = Disturbance::Cut;
    (kind, Action::Disturb { links, disturbance })
}

fn run(trial: &Trial, cluster: &Foreign) -> Run {
    foreign::run(trial, cluster, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn broken(trial: &Trial, cluster: &Foreign) -> Violation {
    let run = run(trial, cluster);
    assert_eq!(judge(trial, &run).unwrap().ruling, Ruling::Violation);
    run.record
        .violations
        .into_iter()
        .next()
        .expect("something broke inside")
}

fn status(record: &FaultRecord) -> (&FaultStatus, u64) {
    (&record.status, record.effects)
}

/// The calls that were answered, called and answered within a time.
fn answered_within(history: &History, from_ns: u64, until_ns: u64) -> Vec<u64> {
    let pairs = history.events.chunks(2).filter(|pair| pair.len() == 2);
    let ok = pairs.filter(|pair| pair[1].kind == Kind::Ok);
    ok.filter(|pair| from_ns <= pair[0].time && pair[1].time <= until_ns)
        .map(|pair| pair[1].time - pair[0].time)
        .collect()
}

const MS: u64 = 1_000_000;
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

#[test]
fn a_cut_cuts_is_counted_by_link_and_heals() {
    let split = cut(
        FaultKind::PartitionHalves,
        Links::Between {
            left: vec![ONE],
            right: vec![TWO],
        },
    );
    let trial = trial(vec![fault(0, 1_000, 800, split)]);
    let run = run(&trial, &plain());
    assert_eq!(status(&run.record.faults[0]), (&FaultStatus::Installed, 2));
    let answered = |from, until| answered_within(&run.history, from * MS, until * MS).len();
    assert!(answered(0, 1_000) > 10);
    assert_eq!(answered(1_000, 1_800), 0, "nothing passes the cut");
    assert!(answered(1_800, 3_000) > 10, "the cut is over");
    assert_eq!(judge(&trial, &run).unwrap().ruling, Ruling::Valid);
}

#[test]
fn a_one_way_cut_is_one_link() {
    for (from, to) in [(ONE, TWO), (TWO, ONE)] {
        let cut = cut(
            FaultKind::PartitionOneWay,
            Links::OneWay {
                from: vec![from],
                to: vec![to],
            },
        );
        let run = run(&trial(vec![fault(0, 1_000, 800, cut)]), &plain());
        assert_eq!(status(&run.record.faults[0]), (&FaultStatus::Installed, 1));
        assert!(answered_within(&run.history, 1_000 * MS, 1_800 * MS).is_empty());
    }
}

#[test]
fn overlapping_cuts_end_when_the_last_does() {
    let one_way = || {
        cut(
            FaultKind::PartitionOneWay,
            Links::OneWay {
                from: vec![ONE],
                to: vec![TWO],
            },
        )
    };
    let schedule = vec![
        fault(0, 1_000, 800, one_way()),
        fault(1, 1_500, 800, one_way()),
    ];
    let run = run(&trial(schedule), &plain());
    assert!(answered_within(&run.history, 1_000 * MS, 2_300 * MS).is_empty());
    assert!(answered_within(&run.history, 2_300 * MS, 3_000 * MS).len() > 5);
}

#[test]
fn a_slow_link_is_slow_by_what_the_fault_says() {
    let links = Links::OneWay {
        from: vec![ONE],
        to: vec![ONE, TWO],
    };
    let disturbance = Disturbance::Slow {
        delay_ms_min: 20,
        delay_ms_max: 25,
    };
    let slow = (FaultKind::SlowLinks, Action::Disturb { links, disturbance });
    let trial = trial(vec![fault(0, 1_000, 1_000, slow)]);
    let run = run(&trial, &plain());
    assert_eq!(status(&run.record.faults[0]), (&FaultStatus::Installed, 1));
    // A connection, a question and an answer cross the link: the call for the connection, then there and back.
    let slowed = answered_within(&run.history, 1_000 * MS, 2_000 * MS);
    assert!(
        slowed.len() > 5 && slowed.iter().all(|ns| (60 * MS..100 * MS).contains(ns)),
        "{slowed:?}"
    );
    let before = answered_within(&run.history, 0, 1_000 * MS);
    assert!(before.iter().all(|ns| *ns < 30 * MS), "{before:?}");
}

#[test]
fn a_cut_to_a_node_that_is_down_is_not_shown() {
    let cut = cut(
        FaultKind::PartitionOneWay,
        Links::OneWay {
            from: vec![ONE],
            to: vec![TWO],
        },
    );
    let crash = (
        FaultKind::Crash,
        Action::Crash {
            target: Target::Node(TWO),
            leaves: Leaves::Synced,
        },
    );
    let schedule = vec![fault(0, 1_000, 1_000, crash), fault(1, 1_200, 400, cut)];
    let run = run(&trial(schedule), &plain());
    assert_eq!(status(&run.record.faults[0]), (&FaultStatus::Installed, 1));
    let FaultStatus::Indeterminate { .. } = run.record.faults[1].status else {
        panic!("{:?}", run.record.faults[1]);
    };
}

#[test]
fn what_was_only_in_memory_is_lost_in_a_crash_and_missed() {
    let crash = (
        FaultKind::Crash,
        Action::Crash {
            target: Target::Node(TWO),
            leaves: Leaves::Synced,
        },
    );
    let trial = trial(vec![fault(0, 1_500, 100, crash)]);
    let judged = judge(&trial, &run(&trial, &plain())).unwrap();
    assert_eq!(judged.ruling, Ruling::Violation);
    assert!(
        judged.violations.is_empty(),
        "the clients saw it: {:?}",
        judged.violations
    );
}

#[test]
fn faults_that_need_a_leader_a_fact_or_a_gate_are_refused_or_skipped_with_their_reason() {
    let around = Links::Around {
        target: Target::Leader,
    };
    let isolate = fault(0, 500, 100, cut(FaultKind::PartitionOne, around));
    let run = run(&trial(vec![isolate]), &plain());
    let FaultStatus::Skipped { reason } = &run.record.faults[0].status else {
        panic!("{:?}", run.record.faults[0]);
    };
    assert!(reason.contains("no node leads"), "{reason}");

    let fact = Trigger::BecameLeader;
    let crash = (
        FaultKind::Crash,
        Action::Crash {
            target: Target::Subject,
            leaves: Leaves::Some,
        },
    );
    let on_fact = Fault {
        when: When::OnFact {
            fact,
            from_ms: 0,
            after_ms: 1,
        },
        ..fault(1, 0, 100, crash)
    };
    let pause = (
        FaultKind::Pause,
        Action::Pause {
            target: Target::Node(ONE),
        },
    );
    for refused in [on_fact, fault(1, 500, 100, pause)] {
        let error = foreign::run(&trial(vec![refused]), &plain(), &mut |_| {
            ControlFlow::Continue(())
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("schedule: fault 1: kind"), "{error}");
    }
}

#[test]
fn the_same_trial_gives_the_same_run() {
    let split = cut(
        FaultKind::PartitionHalves,
        Links::Between {
            left: vec![ONE],
            right: vec![TWO],
        },
    );
    let trial = trial(vec![fault(0, 1_000, 300, split)]);
    let (one, other) = (run(&trial, &plain()), run(&trial, &plain()));
    assert_eq!(one, other);
    assert!(one.record.inputs > 100);
    let reseeded = Trial {
        seed: trial.seed + 1,
        ..trial.clone()
    };
    assert_ne!(run(&reseeded, &plain()).record.digest, one.record.digest);
}

#[test]
fn a_panic_of_a_forgotten_task_is_a_violation_of_its_node() {
    let cluster = Foreign {
        client: Make::new(|_| {
            Closure(
                async |_: &Operation| match ask("n1", &json!("panic")).await {
                    Ok(value) => Ending::value(value),
                    Err(error) => Ending::unknown(error),
                },
            )
        }),
        ..plain()
    };
    let violation = broken(&trial(Vec::new()), &cluster);
    assert_eq!(
        (violation.kind, violation.node),
        (ViolationKind::Panic, Some(ONE))
    );
    assert!(
        violation.message.contains("asked to panic"),
        "{violation:?}"
    );
    assert!(violation.message.contains("foreign.rs:"), "{violation:?}");
    assert!(
        violation.time_ns < 1_000 * MS,
        "the first violation ends the trial: {violation:?}"
    );
}

#[test]
fn an_error_and_a_panic_of_a_node_are_violations() {
    let failing = Foreign {
        start: Start::new(|node: Node| async move {
            if node.id == 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Err("out of oil".to_string());
            }
            pending::<Result<(), String>>().await
        }),
        ..plain()
    };
    let violation = broken(&trial(Vec::new()), &failing);
    let (kind, node) = (ViolationKind::Host, Some(TWO));
    assert_eq!((violation.kind, violation.node), (kind, node));
    assert_eq!(violation.message, "out of oil");

    let panicking = Foreign {
        start: Start::new(|node: Node| async move {
            assert_ne!(node.id, 2, "no oil at all");
            pending::<Result<(), String>>().await
        }),
        ..plain()
    };
    let violation = broken(&trial(Vec::new()), &panicking);
    let (kind, node) = (ViolationKind::Panic, Some(TWO));
    assert_eq!((violation.kind, violation.node), (kind, node));
}

#[test]
fn a_panic_in_what_a_crash_drops_is_a_violation() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let cluster = Foreign {
        start: Start::new(|node: Node| async move {
            let _fragile = (node.id == 2).then(|| Fragile);
            serve(node).await
        }),
        ..plain()
    };
    let crash = (
        FaultKind::Crash,
        Action::Crash {
            target: Target::Node(TWO),
            leaves: Leaves::Synced,
        },
    );
    let violation = broken(&trial(vec![fault(0, 500, 100, crash)]), &cluster);
    assert_eq!(violation.kind, ViolationKind::Panic);
    assert!(violation.message.contains("dropped"), "{violation:?}");
    assert_eq!(violation.time_ns, 500 * MS, "{violation:?}");
    // What is dropped because the trial is over is nobody's fault.
    assert_eq!(run(&trial(Vec::new()), &cluster).record.violations, []);
}

#[test]
fn a_panic_of_a_client_is_a_violation() {
    let cluster = Foreign {
        client: Make::new(|_| Closure(async |_: &Operation| panic!("cannot read that"))),
        ..plain()
    };
    let trial = trial(Vec::new());
    let judged = judge(&trial, &run(&trial, &cluster)).unwrap();
    assert_eq!(judged.sentence, "A client panicked.");
}

#[test]
fn a_client_without_an_answer_meets_the_deadline_and_is_made_anew() {
    let made = Rc::new(RefCell::new(Vec::<Caller>::new()));
    let seen = Rc::clone(&made);
    let cluster = Foreign {
        client: Make::new(move |caller| {
            seen.borrow_mut().push(caller);
            Closure(async |_: &Operation| pending().await)
        }),
        ..plain()
    };
    let violation = broken(&trial(Vec::new()), &cluster);
    assert_eq!(violation.kind, ViolationKind::Progress);
    let made = made.borrow();
    assert_eq!(made.len(), 2, "a deadline of 2 s, a trial of 4 s: {made:?}");
    assert_eq!(
        (made[0].nodes[0].as_str(), made[1].nodes[0].as_str()),
        ("n1", "n2")
    );
}

#[test]
fn a_client_that_is_refused_or_answered_at_once_does_not_stop_time() {
    let calls = Rc::new(Cell::new(0));
    for answered in [false, true] {
        let counted = Rc::clone(&calls);
        let cluster = Foreign {
            client: Make::new(move |_| {
                let counted = Rc::clone(&counted);
                Closure(async move |_: &Operation| {
                    counted.set(counted.get() + 1);
                    if answered {
                        Ending::value(Value::Null)
                    } else {
                        Ending::unknown("refused")
                    }
                })
            }),
            ..plain()
        };
        let mut trial = trial(Vec::new());
        let tireless = RegisterConfig {
            keys: 1,
            reads_percent: 100,
            writes_percent: 0,
            think_time_ms_min: 0,
            think_time_ms_max: 0,
            ..RegisterConfig::default()
        };
        trial.workload = WorkloadConfig::Register(tireless);
        run(&trial, &cluster);
        let calls = calls.replace(0);
        assert!((50..=4_000).contains(&calls), "{calls}");
    }
}

#[test]
fn what_a_foreign_cluster_cannot_do_is_refused() {
    for (field, change) in [
        (
            "arena",
            (|trial| trial.arena = Arena::Simulator) as fn(&mut Trial),
        ),
        ("mutant", |trial| {
            trial.mutant = Some("raft/commit-old-term".into())
        }),
        ("nodes", |trial| trial.nodes = 0),
    ] {
        let mut trial = trial(Vec::new());
        change(&mut trial);
        let error = foreign::run(&trial, &plain(), &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().starts_with(field), "{error}");
    }
}
