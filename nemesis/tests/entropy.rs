//! Chance from outside is caught: a container ordered by a random hash and a select without bias, planted here, make two runs of one
//! trial differ, and the comparison names the first event that does.

#![cfg(feature = "turmoil")]

// The planted select is written under another name, because every `select` of this project must be biased, and a check sees to that.
use tokio::select as toss;

#[path = "wrapped/mod.rs"]
mod wrapped;

use serde_json::Value;
use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{Effect, Effects, NodeId};
use stormglass_impls::system::Erased;
use stormglass_nemesis::desk::Ending;
use stormglass_nemesis::foreign::{self, Client, Foreign, Make, Node, Start};
use stormglass_nemesis::observer::describing;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::replay::{Difference, difference};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::register::RegisterConfig;
use stormglass_workloads::workload::{Operation, WorkloadConfig};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::sleep;
use turmoil::net::{TcpListener, TcpStream};
use wrapped::{Meddler, Step};

const ARENAS: [Arena; 2] = [Arena::Simulator, Arena::Turmoil];

fn trial(arena: Arena) -> Trial {
    let workload = WorkloadConfig::register();
    Trial {
        storm_ms: 2_000,
        ..Trial::calm("raft-cache", workload, arena, 1)
    }
}

/// A run with every event described.
type Described = (Run, Vec<String>);

/// The number of the first event that differs, from 1, found by comparing all of them.
fn first_difference(one: &Described, other: &Described) -> Option<u64> {
    let same = one.1.iter().zip(&other.1);
    let same = same.take_while(|(one, other)| one == other).count();
    (same < one.1.len().max(other.1.len())).then_some(same as u64 + 1)
}

/// Checks what the comparison says against all descriptions, for every pair of three runs.
///
/// A mark along the way holds sixteen bits, so one time in 65,536 it happens to be the same where the events already differ, and the
/// event after it is named. That this befalls two pairs of three is out of the question.
fn assert_named(runs: &[Described; 3], context: &str) {
    let mut exact = 0;
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let (one, other) = (&runs[one], &runs[other]);
        let wanted = first_difference(one, other).expect("chance is at work");
        let Some(Difference::Input { first, last, .. }) = difference(&one.0, &other.0) else {
            panic!("{context}: no event differs, and event {wanted} does");
        };
        assert_eq!(
            first, last,
            "{context}: a short run is compared event by event"
        );
        assert!(
            first >= wanted,
            "{context}: event {first} is named, and is the same"
        );
        exact += usize::from(first == wanted);
    }
    assert!(exact >= 2, "{context}: {exact} of 3 are named exactly");
}

/// Before every node somebody who, when it tells its peers something, leaves out the one that comes last in the order of a hash.
#[expect(
    clippy::disallowed_types,
    reason = "this is the mistake that is to be caught"
)]
fn forgetful() -> Meddler {
    use std::collections::HashSet;
    Rc::new(|_| -> Step {
        Box::new(|member, now, input, effects| {
            let mut wanted = Effects::<Erased>::default();
            member.step(now, input, &mut wanted);
            let wanted: Vec<Effect<Erased>> = wanted.drain().collect();
            let peers: HashSet<NodeId> = wanted.iter().filter_map(receiver).collect();
            let last = peers.iter().last().filter(|_| peers.len() > 1);
            for effect in wanted
                .iter()
                .filter(|effect| receiver(effect).as_ref() != last || last.is_none())
            {
                effects.push(effect.clone());
            }
        })
    })
}

fn receiver(effect: &Effect<Erased>) -> Option<NodeId> {
    match effect {
        Effect::Send { to, .. } => Some(*to),
        _ => None,
    }
}

/// Before every node nobody.
fn honest() -> Meddler {
    Rc::new(|_| -> Step {
        Box::new(|member, now, input, effects| member.step(now, input, effects))
    })
}

/// The tutorial: two runs of a trial are the same, event by event, until somebody lets a hash decide whom a node tells something.
#[test]
fn the_order_of_a_hash_is_caught_and_the_first_event_named() {
    for arena in ARENAS {
        let trial = trial(arena);
        let run = |meddler: Meddler| describing(0..u64::MAX, || wrapped::run(&trial, meddler));
        let honest = [(); 2].map(|()| run(honest()));
        assert_eq!(first_difference(&honest[0], &honest[1]), None, "{arena:?}");
        assert_eq!(difference(&honest[0].0, &honest[1].0), None, "{arena:?}");

        assert_named(&[(); 3].map(|()| run(forgetful())), arena.name());
    }
}

/// A server that keeps a register, and answers after one or two milliseconds, as a toss of tokio's decides where `tosses`.
async fn serve(tosses: bool) -> io::Result<()> {
    let register = RefCell::new(Value::Null);
    let listener = TcpListener::bind(("0.0.0.0", 80)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await?;
        let question: Value = serde_json::from_str(&line)?;
        if !question.is_null() {
            register.replace(question);
        }
        let wait_ms = match tosses {
            // Both are ready. Without a bias, chance decides.
            true => toss! {
                () = async {} => 1,
                () = async {} => 2,
            },
            false => 1,
        };
        sleep(Duration::from_millis(wait_ms)).await;
        let answer = format!("{}\n", register.borrow());
        stream.write_all(answer.as_bytes()).await?;
    }
}

struct Asks;

impl Client for Asks {
    async fn call(&mut self, operation: &Operation) -> Ending {
        let asked = async {
            let mut stream = TcpStream::connect(("n1", 80)).await?;
            let question = format!("{}\n", operation.value);
            stream.write_all(question.as_bytes()).await?;
            let mut line = String::new();
            BufReader::new(&mut stream).read_line(&mut line).await?;
            Ok::<Value, io::Error>(serde_json::from_str(&line)?)
        };
        match asked.await {
            Ok(value) if operation.f == "read" => Ending::value(value),
            Ok(_) => Ending::done(operation),
            Err(error) => Ending::unknown(error),
        }
    }
}

fn run_foreign(tosses: bool) -> Described {
    let register = RegisterConfig {
        keys: 1,
        reads_percent: 50,
        writes_percent: 50,
        ..RegisterConfig::default()
    };
    let trial = Trial {
        cluster: "one register".to_string(),
        nodes: 1,
        clients: 2,
        workload: WorkloadConfig::Register(register),
        ..trial(Arena::Turmoil)
    };
    let cluster = Foreign {
        start: Start::new(move |_: Node| serve(tosses)),
        client: Make::new(|_| Asks),
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    describing(0..u64::MAX, || {
        foreign::run(&trial, &cluster, go_on).expect("a sound trial runs")
    })
}

/// Sixty calls are sixty tosses: two runs are the same by accident one time in 2 to the sixtieth.
#[test]
fn a_select_without_bias_is_caught_in_a_foreign_server() {
    let steady = [(); 2].map(|()| run_foreign(false));
    assert_eq!(difference(&steady[0].0, &steady[1].0), None);
    assert!(
        steady[0].0.record.inputs > 60,
        "{} events",
        steady[0].0.record.inputs
    );

    assert_named(&[(); 3].map(|()| run_foreign(true)), "a foreign server");
}
