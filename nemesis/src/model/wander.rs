//! Ways that lead nowhere in particular walk in every arena, too. A counterexample takes the shortest way and so meets little; what is drawn here meets
//! all that a model can do: deaths, breaks, and links that come up and go down among messages in order.

use super::action::Action;
use super::bounds::{Ask, Bounds, Disk, Network};
use super::space::{Reductions, Space, Worker};
use super::trace::Trace;
use stormglass_impls::catalog;
use stormglass_workloads::draw::Draws;
use stormglass_workloads::workload::{Plain, WorkloadConfig};

/// How many steps a way has.
const STEPS: u64 = 40;

/// What is done at each step: breaks and deaths are few among all that can be, and wanted in every way.
fn is_wanted(action: &Action, step: u64) -> bool {
    match action {
        Action::Crash { .. } => step.is_multiple_of(13),
        Action::Reset { .. } => step.is_multiple_of(7),
        _ => !step.is_multiple_of(7) && !step.is_multiple_of(13),
    }
}

fn wander(bounds: &Bounds, seed: u64) -> Trace {
    let space = Space::new(bounds.clone(), None, Reductions::NONE).expect("the bounds make sense");
    let draws = Draws::new(seed, "wander");
    let (mut worker, mut state) = (Worker::default(), space.initial());
    let mut way = Vec::new();
    for step in 1..=STEPS {
        let (mut here, mut wanted) = (Vec::new(), Vec::new());
        space.expand(&mut worker, &state, |action, next| {
            if is_wanted(&action, step) {
                wanted.push((action, next.clone()));
            }
            here.push((action, next));
        });
        let mut from = if wanted.is_empty() { here } else { wanted };
        if from.is_empty() {
            break;
        }
        let at = draws.within(&[step], 0..=from.len() as u64 - 1) as usize;
        let (action, next) = from.swap_remove(at);
        way.push(action);
        state = next;
    }
    Trace::of(&space, None, None, &way).expect("a way of the model can be walked")
}

/// Three nodes of a cluster, a write and a read, and links and nodes that go down.
fn bounds(cluster: &str) -> Bounds {
    Bounds {
        name: "wander".into(),
        cluster: cluster.into(),
        summary: "any way at all".into(),
        nodes: 3,
        spares: 0,
        knobs: Vec::new(),
        epoch_max: 99,
        log_max: 99,
        clients: vec![
            vec![Ask::Write("k".into(), 1.into())],
            vec![Ask::Read("k".into())],
        ],
        asks_max: 1,
        crashes: 2,
        resets: 3,
        timers: Vec::new(),
        disk: Disk::Atomic,
        inputs_while_writing: 0,
        network: Network::Fifo,
        prelude: Vec::new(),
        shows: Vec::new(),
    }
}

#[test]
fn any_way_on_which_messages_arrive_in_order_walks_in_every_arena() {
    let plain = Plain::Read("k");
    for system in catalog::systems() {
        let cluster = system.name();
        let binding = WorkloadConfig::usual(cluster).binding(cluster);
        if binding.is_none_or(|binding| binding.plain(plain).is_none()) {
            continue; // A search asks for keys.
        }
        for seed in 1..=4 {
            let trace = wander(&bounds(cluster), seed);
            let walked = trace.walk_simulator().expect("it can be walked");
            assert_eq!(trace.parting(&walked), None, "{cluster}, {seed}: simulator");
            #[cfg(feature = "turmoil")]
            {
                let walked = trace.walk_turmoil().expect("it can be walked");
                assert_eq!(trace.parting(&walked), None, "{cluster}, {seed}: turmoil");
            }
        }
    }
}
