//! The two forms of the Raft invariants agree: what the plain form sees in whole logs, the incremental form has seen by then.
//!
//! A small random scheduler drives a cluster as badly as Raft allows: messages in any order, repeated and lost, timers at any time,
//! crashes that keep any prefix of what was being written. Both forms look after every single step.
use stormglass_impls::knobs::Knobs;

use std::collections::VecDeque;
use stormglass_impls::catalog;
use stormglass_impls::contract::{
    ClientId, Effect, Effects, Input, NodeId, Now, RequestId, Session,
};
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::session::Ask;
use stormglass_impls::system::{DiskImage, Erased, Member, Setup, System, Watch};

/// Numbers that look random (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

struct Machine {
    member: Option<Box<dyn Member>>,
    disk: Box<dyn DiskImage>,
    unsynced: VecDeque<Vec<Parcel>>,
    timers: Vec<Parcel>,
}

struct Cluster {
    system: std::rc::Rc<dyn System>,
    mutant: Option<String>,
    machines: Vec<Machine>,
    messages: Vec<(NodeId, NodeId, Parcel)>,
    watch: Box<dyn Watch>,
    /// What the incremental form found first.
    incremental: Option<&'static str>,
}

/// What both forms found in one run.
struct Found {
    incremental: Option<&'static str>,
    plain: Option<&'static str>,
}

const NODES: u8 = 5;

fn run(seed: u64, mutant: Option<&str>) -> Found {
    let system = catalog::system("raft-cache").unwrap();
    let machine = |_| Machine {
        member: None,
        disk: system.blank_disk(),
        unsynced: VecDeque::new(),
        timers: Vec::new(),
    };
    let mut cluster = Cluster {
        machines: NodeId::all(NODES).map(machine).collect(),
        mutant: mutant.map(str::to_string),
        messages: Vec::new(),
        watch: system.watch(),
        incremental: None,
        system,
    };
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut requests = 0;
    for step in 0..3_000 {
        let node = NodeId(dice.below(usize::from(NODES)) as u8 + 1);
        match dice.below(100) {
            _ if cluster.machines[node.index()].member.is_none() => cluster.boot(node),
            0..2 => cluster.crash(node, &mut dice),
            2..5 => cluster.fire(node, &mut dice),
            5..12 => {
                requests += 1;
                let key = "k".to_string();
                let command = Command::Append {
                    key: key.clone(),
                    suffix: "x".into(),
                };
                let ask = if dice.below(4) == 0 {
                    Ask::Query(Query::Get { key })
                } else {
                    Ask::Command(command)
                };
                let (client, request_id) = (ClientId(1), RequestId(requests));
                cluster.step(
                    node,
                    Input::Request {
                        session: Session(0),
                        client,
                        request_id,
                        body: Parcel::new(ask),
                    },
                );
            }
            12..40 => cluster.sync(node),
            _ => cluster.deliver(&mut dice),
        }
        let up = cluster.machines.iter().zip(NodeId::all(NODES));
        let up: Vec<(NodeId, &dyn Member)> = up
            .filter_map(|(machine, node)| Some((node, machine.member.as_deref()?)))
            .collect();
        let plain = cluster
            .watch
            .audit(&up)
            .err()
            .map(|broken| broken.invariant);
        if let Some(plain) = plain {
            assert!(
                cluster.incremental.is_some(),
                "seed {seed}, step {step}: the plain form finds {plain}, the incremental form found nothing"
            );
        }
        if cluster.incremental.is_some() {
            return Found {
                incremental: cluster.incremental,
                plain,
            };
        }
    }
    Found {
        incremental: None,
        plain: None,
    }
}

impl Cluster {
    fn boot(&mut self, node: NodeId) {
        let knobs = Knobs {
            entries_per_append_max: 1,
            ..Knobs::default()
        };
        let setup = Setup {
            knobs,
            mutant: self.mutant.clone(),
            ..Setup::of(node, NODES)
        };
        let mut effects = Effects::default();
        let machine = &mut self.machines[node.index()];
        let member = self
            .system
            .boot(&setup, machine.disk.as_ref(), Now::default(), &mut effects);
        let verdict = self.watch.booted(node, member.as_ref());
        machine.member = Some(member);
        self.note(verdict);
        self.carry_out(node, effects);
    }

    fn crash(&mut self, node: NodeId, dice: &mut Dice) {
        let machine = &mut self.machines[node.index()];
        let writes: Vec<Parcel> = machine.unsynced.drain(..).flatten().collect();
        let kept = dice.below(writes.len() + 1);
        writes
            .iter()
            .take(kept)
            .for_each(|write| machine.disk.apply(write));
        machine.member = None;
        machine.timers.clear();
    }

    fn fire(&mut self, node: NodeId, dice: &mut Dice) {
        let timers = &mut self.machines[node.index()].timers;
        if !timers.is_empty() {
            let timer = timers.swap_remove(dice.below(timers.len()));
            self.step(node, Input::TimerFired(timer));
        }
    }

    fn sync(&mut self, node: NodeId) {
        let machine = &mut self.machines[node.index()];
        if let Some(batch) = machine.unsynced.pop_front() {
            batch.iter().for_each(|write| machine.disk.apply(write));
            self.step(node, Input::Persisted);
        }
    }

    fn deliver(&mut self, dice: &mut Dice) {
        // Recent messages first, mostly: a cluster that hears only old news gets nowhere.
        let count = self.messages.len();
        if count == 0 {
            return;
        }
        let at = if dice.below(8) == 0 {
            dice.below(count)
        } else {
            count - 1 - dice.below(count.min(8))
        };
        let (from, to, message) = match dice.below(20) {
            0 => self.messages[at].clone(),
            _ => self.messages.remove(at),
        };
        if dice.below(20) > 0 {
            self.step(to, Input::Deliver { from, message });
        }
    }

    fn step(&mut self, node: NodeId, input: Input<Erased>) {
        let mut effects = Effects::default();
        let Some(member) = &mut self.machines[node.index()].member else {
            return;
        };
        member.step(Now::default(), input, &mut effects);
        let verdict = self
            .watch
            .stepped(node, member.as_ref(), effects.as_slice());
        self.note(verdict);
        self.carry_out(node, effects);
    }

    fn note(&mut self, verdict: Result<(), stormglass_impls::system::Broken>) {
        self.incremental = self
            .incremental
            .or(verdict.err().map(|broken| broken.invariant));
    }

    fn carry_out(&mut self, node: NodeId, mut effects: Effects<Erased>) {
        let machine = &mut self.machines[node.index()];
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => self.messages.push((node, to, message)),
                Effect::Persist(writes) => machine.unsynced.push_back(writes),
                Effect::SetTimer { timer, .. } if !machine.timers.contains(&timer) => {
                    machine.timers.push(timer)
                }
                Effect::CancelTimer(timer) => machine.timers.retain(|known| *known != timer),
                _ => {}
            }
        }
    }
}

#[test]
fn a_correct_cluster_breaks_nothing_in_either_form() {
    for seed in 1..=100 {
        let found = run(seed, None);
        assert_eq!(
            (found.incremental, found.plain),
            (None, None),
            "seed {seed}"
        );
    }
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("raft-cache").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=30 {
            let found = run(seed, Some(harmless.id));
            assert_eq!(
                (found.incremental, found.plain),
                (None, None),
                "{}, seed {seed}",
                harmless.id
            );
        }
    }
}

#[test]
fn what_the_plain_form_finds_the_incremental_form_has_found() {
    for mutant in [
        "raft/vote-not-persisted",
        "raft/no-up-to-date-check",
        "raft/commit-old-term",
        "raft/no-truncate-tail",
    ] {
        let found: Vec<Found> = (1..=400).map(|seed| run(seed, Some(mutant))).collect();
        let incremental = found
            .iter()
            .filter(|found| found.incremental.is_some())
            .count();
        let plain = found.iter().filter(|found| found.plain.is_some()).count();
        let laws: std::collections::BTreeSet<_> =
            found.iter().filter_map(|found| found.incremental).collect();
        println!(
            "{mutant}: incremental {incremental}, plain at the same step {plain} of 400: {laws:?}"
        );
        assert!(
            incremental > 0,
            "{mutant} is never found, so this test compares nothing"
        );
        assert!(
            plain > 0,
            "the plain form never finds {mutant}, so this test compares nothing"
        );
    }
}
