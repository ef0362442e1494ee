//! The two forms of the Raft invariants agree: what the plain form sees in whole logs, the incremental form has seen by then.
//!
//! A small random scheduler drives a cluster as badly as Raft allows: messages in any order, repeated and lost, timers at any time,
//! crashes that keep any prefix of what was being written, members that change and leaders that are told to hand over. Both forms look
//! after every single step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use stormglass_impls::catalog;
use stormglass_impls::contract::{
    ClientId, Effect, Effects, Input, NodeId, Now, RequestId, Session,
};
use stormglass_impls::knobs::{Knobs, Reads};
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
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
    knobs: Knobs,
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
    /// How often each invariant was put to the test.
    witnesses: Vec<(&'static str, u64)>,
}

/// How many nodes there are.
const NODES: u8 = 5;

/// How many of them have a vote in the beginning.
const VOTERS: u8 = 4;

/// A node that failed an assertion found out by itself that something is wrong.
const PANIC: &str = "an assertion of a node";

/// A seed decides what is turned on. Together, some seeds have everything.
fn knobs(seed: u64) -> Knobs {
    let bit = |at: u64| seed >> at & 1 == 1;
    Knobs {
        entries_per_append_max: if bit(0) { 1 } else { 64 },
        snapshot_every: if bit(1) { 3 } else { 0 },
        entries_kept: if bit(2) { 2 } else { 0 },
        snapshot_chunk_bytes: if bit(3) { 16 } else { 64 << 10 },
        pre_vote: bit(4),
        check_quorum: bit(5),
        reads: if bit(5) && bit(6) {
            Reads::Lease
        } else {
            Reads::Quorum
        },
        appends_in_flight_max: if bit(7) { 1 } else { 256 },
        ..Knobs::default()
    }
}

/// What a client or an operator asks next.
fn ask(dice: &mut Dice) -> Ask<Command, Query> {
    let key = "k".to_string();
    match dice.below(16) {
        0..4 => Ask::Query(Query::Get { key }),
        4..6 => {
            let goal = 1 + dice.below((1 << NODES) - 1);
            let members = NodeId::all(NODES).filter(|node| goal >> node.index() & 1 == 1);
            Ask::Manage(Manage::Members(members.collect::<NodeSet>()))
        }
        6 => Ask::Manage(Manage::Transfer(NodeId(
            1 + dice.below(usize::from(NODES)) as u8,
        ))),
        _ => Ask::Command(Command::Append {
            key,
            suffix: "x".into(),
        }),
    }
}

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
        knobs: knobs(seed),
        mutant: mutant.map(str::to_string),
        messages: Vec::new(),
        watch: system.watch(),
        incremental: None,
        system,
    };
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut requests = 0;
    let mut plain = None;
    for step in 0..3_000 {
        let node = NodeId(dice.below(usize::from(NODES)) as u8 + 1);
        match dice.below(100) {
            _ if cluster.machines[node.index()].member.is_none() => cluster.boot(node),
            0 => cluster.crash(node, &mut dice),
            1..5 => cluster.fire(node, &mut dice),
            5..12 => {
                requests += 1;
                let client = ClientId(1 + dice.below(2) as u32);
                let request = Input::Request {
                    session: Session(0),
                    client,
                    request_id: RequestId(requests),
                    body: Parcel::new(ask(&mut dice)),
                };
                cluster.step(node, request);
            }
            12..40 => cluster.sync(node),
            _ => cluster.deliver(&mut dice),
        }
        let up = cluster.machines.iter().zip(NodeId::all(NODES));
        let up: Vec<(NodeId, &dyn Member)> = up
            .filter_map(|(machine, node)| Some((node, machine.member.as_deref()?)))
            .collect();
        let broken = cluster.watch.audit(&up).err();
        plain = broken.map(|broken| broken.invariant);
        if let Some(plain) = plain {
            assert!(
                cluster.incremental.is_some(),
                "seed {seed}, step {step}: the plain form finds {plain}, the incremental form found nothing"
            );
        }
        if cluster.incremental.is_some() {
            break;
        }
    }
    Found {
        incremental: cluster.incremental,
        plain,
        witnesses: cluster.watch.witnesses(),
    }
}

impl Cluster {
    fn boot(&mut self, node: NodeId) {
        let setup = Setup {
            knobs: self.knobs.clone(),
            voters: NodeSet::first(VOTERS),
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
            self.watch.synced(node);
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
        let now = Now::default();
        let outcome = catch_unwind(AssertUnwindSafe(|| member.step(now, input, &mut effects)));
        if outcome.is_err() {
            assert!(self.mutant.is_some(), "a correct node fails no assertion");
            self.incremental = self.incremental.or(Some(PANIC));
            return;
        }
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
    for seed in 1..=256 {
        let found = run(seed, None);
        assert_eq!(
            (found.incremental, found.plain),
            (None, None),
            "seed {seed}"
        );
    }
}

/// An invariant that is never put to the test holds for no reason.
#[test]
fn every_invariant_is_put_to_the_test() {
    let mut tested = BTreeMap::<&str, u64>::new();
    for seed in 1..=64 {
        for (invariant, count) in run(seed, None).witnesses {
            *tested.entry(invariant).or_default() += count;
        }
    }
    println!("{tested:?}");
    let system = catalog::system("raft-cache").unwrap();
    for invariant in system.invariants() {
        assert!(
            tested.get(invariant.name).is_some_and(|count| *count > 0),
            "{} was never tested",
            invariant.name
        );
    }
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("raft-cache").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=64 {
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

/// Each of these breaks something that can be seen in whole logs, and each something else, so that the two forms of every law are compared.
#[test]
fn what_the_plain_form_finds_the_incremental_form_has_found() {
    for mutant in [
        "raft/leader-votes-other",
        "raft/no-up-to-date-check",
        "raft/commit-beyond-new",
        "raft/no-truncate-tail",
        "raft/commit-not-monotonic",
        "raft/new-leader-truncates",
        "raft/stale-refusal",
        "raft/snapshot-off-by-one",
        "raft/ignores-uncommitted-config",
        "raft/two-changes-at-once",
    ] {
        let (mut incremental, mut plain, mut seeds) = (0, 0, 0);
        let mut laws = BTreeSet::new();
        // Many runs to compare; and where the plain form seldom finds anything, as many more as it takes.
        while seeds < 256 || (plain == 0 && seeds < 8_192) {
            seeds += 1;
            let found = run(seeds, Some(mutant));
            incremental += u64::from(found.incremental.is_some());
            plain += u64::from(found.plain.is_some());
            laws.extend(found.incremental);
        }
        println!(
            "{mutant}: incremental {incremental}, plain at the same step {plain} of {seeds}: {laws:?}"
        );
        assert!(
            plain > 0,
            "the plain form never finds {mutant}, so this test compares nothing"
        );
    }
}
