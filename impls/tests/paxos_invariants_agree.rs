//! The two forms of the Paxos invariants agree: what the plain form sees in whole logs, the incremental form has seen by then.
//!
//! A small random scheduler drives a cluster as badly as Paxos allows: messages in any order, repeated and lost, timers at any time,
//! crashes that keep any prefix of what was being written, and an operator who changes the acceptors. Both forms look after every single
//! step. Each seed has its own knobs: quorums, snapshots, sessions, the way of reading.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{
    ClientId, Effect, Effects, Input, NodeId, Now, RequestId, Session,
};
use stormglass_impls::knobs::{Knobs, Reads};
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::paxos::message::Timer;
use stormglass_impls::session::Ask;
use stormglass_impls::system::{Broken, DiskImage, Erased, Member, Setup, System, Watch};

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
    system: Rc<dyn System>,
    setup: Setup,
    machines: Vec<Machine>,
    messages: Vec<(NodeId, NodeId, Parcel)>,
    watch: Box<dyn Watch>,
    /// What the incremental form found first.
    incremental: Option<Broken>,
    requests: u64,
    now_ms: u64,
}

/// What both forms found in one run.
struct Found {
    incremental: Option<Broken>,
    plain: Option<Broken>,
    /// How far the farthest node is at the end.
    progress: u64,
    witnesses: Vec<(&'static str, u64)>,
}

const NODES: u8 = 5;
const STEPS: usize = 3_000;

/// Knobs that differ from seed to seed.
fn knobs(dice: &mut Dice) -> Knobs {
    Knobs {
        entries_per_append_max: [1, 2, 64][dice.below(3)],
        reads: [Reads::Quorum, Reads::Log][dice.below(2)],
        snapshot_every: [0, 3, 10][dice.below(3)],
        entries_kept: [0, 2][dice.below(2)],
        snapshot_chunk_bytes: [24, 1 << 16][dice.below(2)],
        session_ms: [0, 200][dice.below(2)],
        uncommitted_max: [4, 1_000][dice.below(2)],
        quorums: [None, None, Some((4, 2)), Some((2, 4))][dice.below(4)],
        ..Knobs::default()
    }
}

fn run(seed: u64, mutant: Option<&str>) -> Found {
    let system = catalog::system("paxos-cache").unwrap();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let knobs = knobs(&mut dice);
    let voters = match knobs.quorums {
        None => NodeSet::first([3, 5][dice.below(2)]),
        Some(_) => NodeSet::first(NODES),
    };
    let machine = |_| Machine {
        member: None,
        disk: system.blank_disk(),
        unsynced: VecDeque::new(),
        timers: Vec::new(),
    };
    let mut cluster = Cluster {
        setup: Setup {
            voters,
            knobs,
            mutant: mutant.map(str::to_string),
            ..Setup::of(NodeId(1), NODES)
        },
        machines: NodeId::all(NODES).map(machine).collect(),
        messages: Vec::new(),
        watch: system.watch(),
        incremental: None,
        requests: 0,
        now_ms: 0,
        system,
    };
    for step in 0..STEPS {
        cluster.move_on(&mut dice);
        let up = cluster.machines.iter().zip(NodeId::all(NODES));
        let up: Vec<(NodeId, &dyn Member)> = up
            .filter_map(|(machine, node)| Some((node, machine.member.as_deref()?)))
            .collect();
        let plain = cluster.watch.audit(&up).err();
        let progress = up.iter().map(|(_, member)| member.progress()).max();
        if let Some(plain) = &plain {
            assert!(
                cluster.incremental.is_some(),
                "seed {seed}, step {step}: the plain form finds {plain}, the incremental form found nothing"
            );
        }
        if cluster.incremental.is_some() || step + 1 == STEPS {
            return Found {
                incremental: cluster.incremental,
                plain,
                progress: progress.unwrap_or(0),
                witnesses: cluster.watch.witnesses(),
            };
        }
    }
    unreachable!("the last step returns")
}

impl Cluster {
    fn move_on(&mut self, dice: &mut Dice) {
        let node = NodeId(dice.below(usize::from(NODES)) as u8 + 1);
        self.now_ms += 1;
        match dice.below(200) {
            _ if self.machines[node.index()].member.is_none() => self.boot(node),
            0..2 => self.crash(node, dice),
            2..20 => self.fire(node, dice),
            20..22 => {
                let voters = NodeId::all(NODES).filter(|_| dice.below(3) > 0).collect();
                self.ask(node, ClientId(9), Ask::Manage(Manage::Members(voters)));
            }
            22 => {
                let heir = NodeId(dice.below(usize::from(NODES)) as u8 + 1);
                self.ask(node, ClientId(9), Ask::Manage(Manage::Transfer(heir)));
            }
            23..45 => {
                let key = "k".to_string();
                let ask = if dice.below(4) == 0 {
                    Ask::Query(Query::Get { key })
                } else {
                    let suffix = "x".into();
                    Ask::Command(Command::Append { key, suffix })
                };
                self.ask(node, ClientId(dice.below(3) as u32), ask);
            }
            45..90 => self.sync(node),
            _ => (0..4).for_each(|_| self.deliver(dice)),
        }
    }

    fn ask(&mut self, node: NodeId, client: ClientId, ask: Ask<Command, Query>) {
        self.requests += 1;
        let input = Input::Request {
            session: Session(0),
            client,
            request_id: RequestId(self.requests),
            body: Parcel::new(ask),
        };
        self.step(node, input);
    }

    fn boot(&mut self, node: NodeId) {
        let setup = Setup {
            id: node,
            ..self.setup.clone()
        };
        let mut effects = Effects::default();
        let machine = &mut self.machines[node.index()];
        let disk = machine.disk.as_ref();
        let member = self.system.boot(&setup, disk, Now::default(), &mut effects);
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
        // Most of the time a leader is heard before anybody loses patience.
        let impatient = dice.below(6) == 0;
        let wanted = |timer: &Parcel| (timer.open() == Some(&Timer::Election)) == impatient;
        if let Some(at) = timers.iter().position(wanted) {
            let timer = timers.swap_remove(at);
            self.step(node, Input::TimerFired(timer));
        }
    }

    fn sync(&mut self, node: NodeId) {
        let machine = &mut self.machines[node.index()];
        if let Some(batch) = machine.unsynced.pop_front() {
            batch.iter().for_each(|write| machine.disk.apply(write));
            self.watch.synced(node);
            self.step(node, Input::Persisted);
        }
    }

    /// Recent messages first, mostly: a cluster that hears only old news gets nowhere.
    fn deliver(&mut self, dice: &mut Dice) {
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
        let now = Now {
            monotonic_ns: self.now_ms * 1_000_000,
            wall_ns: 0,
        };
        member.step(now, input, &mut effects);
        let verdict = self
            .watch
            .stepped(node, member.as_ref(), effects.as_slice());
        self.note(verdict);
        self.carry_out(node, effects);
    }

    fn note(&mut self, verdict: Result<(), Broken>) {
        self.incremental = self.incremental.take().or(verdict.err());
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

fn assert_sound(seed: u64, change: Option<&str>, found: &Found) {
    assert_eq!(
        (&found.incremental, &found.plain),
        (&None, &None),
        "seed {seed}, {change:?}"
    );
}

#[test]
fn a_correct_cluster_breaks_nothing_in_either_form() {
    let mut tested: Vec<(&str, u64)> = Vec::new();
    let mut progress = 0;
    for seed in 1..=300 {
        let found = run(seed, None);
        assert_sound(seed, None, &found);
        progress += found.progress;
        tested.resize(found.witnesses.len(), ("", 0));
        for (sum, (law, count)) in tested.iter_mut().zip(found.witnesses) {
            *sum = (law, sum.1 + count);
        }
    }
    println!("{progress} slots in all; put to the test: {tested:?}");
    assert!(
        progress > 3_000,
        "a cluster that gets nowhere tests nothing"
    );
    let vacuous = tested.iter().find(|(_, count)| *count == 0);
    assert_eq!(vacuous, None, "a law that nothing could have broken");
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("paxos-cache").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=40 {
            assert_sound(seed, Some(harmless.id), &run(seed, Some(harmless.id)));
        }
    }
}

#[test]
fn what_the_plain_form_finds_the_incremental_form_has_found() {
    let compared = [
        "paxos/ignores-accepted",
        "paxos/promise-volatile",
        "paxos/ballot-without-node",
        "paxos/accept-does-not-promise",
        "paxos/learns-another-ballot",
        "paxos/gap-passed-over",
    ];
    for mutant in compared {
        let found: Vec<Found> = (1..=100).map(|seed| run(seed, Some(mutant))).collect();
        let laws: BTreeSet<_> = found
            .iter()
            .filter_map(|found| Some(found.incremental.as_ref()?.invariant))
            .collect();
        let plain = found.iter().filter(|found| found.plain.is_some()).count();
        println!("{mutant}: the plain form at the same step {plain} of 100: {laws:?}");
        assert!(
            !laws.is_empty(),
            "{mutant} is never found, so this test compares nothing"
        );
    }
}
