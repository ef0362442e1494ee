//! The recipes against a service of one member: each does what it is for, and goes on whatever is lost.

use super::reference::Reference;
use super::*;
use crate::client::member::{Call, Returned};
use crate::draw::Draws;
use crate::etcd::binding::EtcdBinding;
use crate::etcd::dialect::FUNCTIONS;
use crate::etcd::kinds::{KINDS, KindInfo};
use crate::etcd::kv::Kv;
use crate::workload::{Binding, Completion, Operation, Workload};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::contract::NodeId;
use stormglass_impls::etcd::words::Error;

/// What became of an operation of a client; `None` when that was lost.
type Step = (u32, Asked, Option<Ended>);

/// A run of some clients against the service.
struct Run {
    workload: Kv,
    service: Reference,
    draws: Draws,
    /// In how many of a hundred operations nobody learns what became of it.
    lost_percent: u64,
    /// What was lost and is done later, after so many steps.
    late: BTreeMap<u64, (u32, Asked)>,
    steps: Vec<Step>,
}

impl Run {
    fn new(kind: EtcdKind, seed: u64, lost_percent: u64) -> Self {
        Self::of(EtcdConfig::of(kind), seed, lost_percent)
    }

    fn of(config: EtcdConfig, seed: u64, lost_percent: u64) -> Self {
        Self {
            workload: Kv::new(config, seed),
            service: Reference::new(),
            draws: Draws::new(seed, "losses"),
            lost_percent,
            late: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    /// Each client takes its turns when its pauses are over.
    fn go(mut self, clients: u32, turns: u64) -> Vec<Step> {
        let mut agenda: BTreeSet<(u64, u32, u64)> = BTreeSet::new();
        agenda.extend((0..clients).map(|client| (u64::from(client), client, 0)));
        while let Some((now_ms, client, n)) = agenda.pop_first() {
            self.service.advance(now_ms);
            let operation = self.workload.operation(client, n);
            let asked = Asked::read(&operation.value).unwrap();
            assert_eq!(operation.f, asked.function());
            assert!(FUNCTIONS.contains(&operation.f));
            let stands_still_ms = match asked.call() {
                Call::Rest { ms } => ms,
                Call::Ask(_) => 0,
            };
            self.turn(client, n, operation, asked);
            let pause_ms = self.workload.think_time_ns(client, n) / 1_000_000;
            if n + 1 < turns {
                agenda.insert((now_ms + stands_still_ms + pause_ms, client, n + 1));
            }
        }
        self.steps
    }

    fn turn(&mut self, client: u32, n: u64, operation: Operation, asked: Asked) {
        let step = self.steps.len() as u64;
        if let Some((other, late)) = self.late.remove(&step) {
            self.done(other, &late);
        }
        let is_lost = self
            .draws
            .percent(&[client.into(), n, 0], self.lost_percent);
        let Some(call) = Some(asked.call()).filter(|call| is_lost && matches!(call, Call::Ask(_)))
        else {
            let ended = self.answered(client, &operation, &asked);
            return self.steps.push((client, asked, Some(ended)));
        };
        // A watch goes with the connection on which it was lost.
        let is_local = matches!(
            call,
            Call::Ask(Request {
                ask: Ask::Watch(_) | Ask::CancelWatch { .. },
                ..
            })
        );
        match self.draws.within(&[client.into(), n, 1], 0..=2) {
            _ if is_local => {}
            0 => {}
            1 => {
                self.done(client, &asked);
            }
            _ => {
                let after = 1 + self.draws.within(&[client.into(), n, 2], 0..=200);
                self.late.insert(step + after, (client, asked.clone()));
            }
        }
        self.workload.lost(client, &operation);
        self.steps.push((client, asked, None));
    }

    /// The service does something: gives what the client core would give back.
    fn done(&mut self, client: u32, asked: &Asked) -> Returned {
        let reply = match asked.call() {
            Call::Rest { .. } => None,
            Call::Ask(request) => Some(self.service.ask(client, &request)),
        };
        Returned {
            reply,
            server: NodeId(1),
            events: Vec::new(),
        }
    }

    fn answered(&mut self, client: u32, operation: &Operation, asked: &Asked) -> Ended {
        let mut returned = self.done(client, asked);
        returned.events = self.service.tell(client);
        let bytes = postcard::to_allocvec(&returned).unwrap();
        let completion = EtcdBinding.completion(operation, &bytes).unwrap();
        let completion = self.workload.settled(client, operation, completion);
        self.workload.completed(client, operation, &completion);
        let Completion::Ok(value) = completion else {
            panic!("an answer is an answer");
        };
        Ended::read(&value).unwrap()
    }
}

/// The last part of a run, in which it shows whether clients are stuck.
fn end_of(steps: &[Step]) -> &[Step] {
    &steps[steps.len() * 2 / 3..]
}

/// Who did what its workload is for.
fn essential(info: &KindInfo, steps: &[Step]) -> Vec<u32> {
    let is = |(client, asked, ended): &Step| {
        let ended = ended.as_ref()?;
        (info.essential.is)(asked.function(), ended).then_some(*client)
    };
    steps.iter().filter_map(is).collect()
}

#[test]
fn every_recipe_does_what_it_is_for_and_the_same_again_from_the_same_seed() {
    for info in KINDS {
        for seed in 1..=3 {
            let steps = Run::new(info.kind, seed, 0).go(5, 150);
            let done = essential(info, &steps).len();
            assert!(done > 0, "{} {seed}: no {}", info.name, info.essential.name);
            let again = Run::new(info.kind, seed, 0).go(5, 150);
            assert_eq!(steps, again, "{} {seed}", info.name);
        }
    }
}

#[test]
fn no_recipe_is_stuck_whatever_is_lost() {
    for info in KINDS {
        for (seed, clients) in [(1, 3), (2, 5), (3, 10)] {
            let steps = Run::new(info.kind, seed, 12).go(clients, 300);
            let lost = steps.iter().filter(|(.., ended)| ended.is_none()).count();
            assert!(lost > steps.len() / 20, "{} {seed}: {lost} lost", info.name);
            let done = essential(info, end_of(&steps)).len();
            assert!(done > 0, "{} {seed}: no {}", info.name, info.essential.name);
        }
    }
}

#[test]
fn no_recipe_is_stuck_where_leases_are_short_and_clients_slow() {
    for info in KINDS {
        let config = EtcdConfig {
            ttl_ms: 400,
            think_time_ms_min: 100,
            think_time_ms_max: 300,
            ..EtcdConfig::of(info.kind)
        };
        let steps = Run::of(config, 4, 12).go(10, 300);
        let done = essential(info, end_of(&steps)).len();
        assert!(done > 0, "{}: no {}", info.name, info.essential.name);
    }
}

#[test]
fn all_clients_of_a_line_get_their_turn_whatever_is_lost() {
    for kind in [EtcdKind::Lock, EtcdKind::FencedLock, EtcdKind::Election] {
        for seed in 1..=4 {
            let steps = Run::new(kind, seed, 8).go(5, 600);
            let first = essential(kind.info(), end_of(&steps));
            let first: BTreeSet<u32> = first.into_iter().collect();
            assert_eq!(first.len(), 5, "{kind:?} {seed}");
        }
    }
}

/// What a run must show for a kind to be put to the test: by function, how many of its operations at least did something, of a hundred.
#[test]
fn each_function_of_a_recipe_mostly_does_something() {
    for info in KINDS {
        let steps = Run::new(info.kind, 1, 5).go(5, 400);
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (_, asked, ended) in &steps {
            let Some(ended) = ended else { continue };
            let (fine, all) = counts.entry(asked.function()).or_default();
            *all += 1;
            *fine += u64::from(ended.result.is_ok());
        }
        for (f, (fine, all)) in counts {
            let percent = 100 * fine / all;
            assert!(percent >= 20, "{} {f}: {fine} of {all}", info.name);
        }
    }
}

/// A change on a condition that never holds would test nothing, and one that always does little more.
#[test]
fn conditions_hold_and_fail() {
    let kinds = [
        EtcdKind::Register,
        EtcdKind::Counter,
        EtcdKind::Append,
        EtcdKind::Txn,
    ];
    for kind in kinds {
        let steps = Run::new(kind, 1, 5).go(10, 300);
        let conditional = steps.iter().filter_map(|(_, asked, ended)| {
            let is_free = |op: &Op| matches!(op, Op::Txn(txn) if txn.compare.is_empty());
            let Asked::Ask(Request {
                ask: Ask::Write(op),
                ..
            }) = asked
            else {
                return None;
            };
            let (held, ..) = carried_out(asked, ended.as_ref()?)?;
            (!is_free(op)).then_some(held)
        });
        let (all, held) = (
            conditional.clone().count(),
            conditional.filter(|held| *held),
        );
        let percent = 100 * held.count() / all;
        assert!((15..95).contains(&percent), "{kind:?}: {percent} of 100");
    }
}

/// Every value that an operation puts anywhere.
fn values(asked: &Asked) -> Vec<String> {
    let Asked::Ask(Request {
        ask: Ask::Write(op),
        ..
    }) = asked
    else {
        return Vec::new();
    };
    match op {
        Op::Put(put) => vec![put.value.clone()],
        Op::Txn(txn) => {
            let parts = txn.success.iter().chain(&txn.failure);
            let puts = parts.filter_map(|part| match part {
                TxnOp::Put(put) => Some(put.value.clone()),
                TxnOp::Range(_) | TxnOp::DeleteRange(_) => None,
            });
            puts.collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn no_value_is_put_twice_where_values_say_who_put_them() {
    // Counts come again, an element of a set is its name, and a leader puts its value where it stands, too.
    let unnamed = [EtcdKind::Counter, EtcdKind::Set, EtcdKind::Election];
    for info in KINDS.iter().filter(|info| !unnamed.contains(&info.kind)) {
        let steps = Run::new(info.kind, 1, 10).go(5, 200);
        let mut seen = BTreeSet::new();
        for value in steps.iter().flat_map(|(_, asked, _)| values(asked)) {
            assert!(seen.insert(value.clone()), "{}: {value}", info.name);
        }
    }
}

/// Holders are paused, some of them for longer than their lease lives: what the lock protects meets stores that come too late, and not many.
#[test]
fn some_stores_come_when_the_lock_is_another_s() {
    let runs = (1..=4).map(|seed| Run::new(EtcdKind::FencedLock, seed, 8).go(5, 400));
    let steps: Vec<Step> = runs.flatten().collect();
    let stores = steps
        .iter()
        .filter_map(|(_, _, ended)| ended.as_ref()?.stored);
    let taken = stores.clone().filter(|stored| stored.taken).count();
    let refused = stores.filter(|stored| !stored.taken).count();
    let some = refused > 0 && taken > 10 * refused;
    assert!(some, "{refused} stores came too late, {taken} did not");
}

#[test]
fn rights_are_met_and_missed() {
    for (seed, clients) in [(1, 3), (2, 10)] {
        let steps = Run::new(EtcdKind::Permissions, seed, 5).go(clients, 400);
        let answers = || {
            end_of(&steps)
                .iter()
                .filter_map(|(.., ended)| ended.as_ref())
        };
        let all = answers().count();
        let share = |result: &dyn Fn(&Ended) -> bool| {
            100 * answers().filter(|one| result(one)).count() / all
        };
        let is = |error: Error| move |one: &Ended| one.result == Err(error.clone());
        let fine = share(&|one| one.result.is_ok());
        let denied = share(&is(Error::PermissionDenied));
        let old = share(&is(Error::OldAuthRevision));
        assert!((25..80).contains(&fine), "{fine} of 100 were fine");
        assert!((5..60).contains(&denied), "{denied} of 100 were denied");
        assert!((1..30).contains(&old), "{old} of 100 were too late");
        let changes = end_of(&steps)
            .iter()
            .filter(|(_, asked, _)| asked.function() == "auth");
        assert!(changes.count() > 5, "rights change all the time");
    }
}

#[test]
fn final_reads_show_what_is_there_to_whoever_may_see_it() {
    for info in KINDS {
        let mut run = Run::new(info.kind, 1, 5);
        let finals = run.workload.final_reads();
        assert!(!finals.is_empty(), "{}", info.name);
        let workload = Kv::new(EtcdConfig::of(info.kind), 1);
        run.workload = workload;
        let mut service = std::mem::replace(&mut run.service, Reference::new());
        let mut refusals = 0;
        for operation in &finals {
            let Call::Ask(request) = Asked::read(&operation.value).unwrap().call() else {
                panic!("a read asks");
            };
            let reply = service.ask(0, &request);
            match operation.f {
                "get" => assert!(reply.result.is_ok(), "{}: {reply:?}", info.name),
                _ => refusals += u64::from(reply.result == Err(Error::PermissionDenied)),
            }
        }
        let is_permissions = info.kind == EtcdKind::Permissions;
        assert_eq!(refusals, u64::from(is_permissions), "{}", info.name);
    }
}
