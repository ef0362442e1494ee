//! Thousands of histories of clients that take locks, lead, and add to sets, as recipes do, with leases that end, answers that get lost and reads that are
//! old; and the same with clients that do not wait for their turn.

use super::generate::Dice;
use super::reference::{Service, a_put, delete, equal, grant, put, txn};
use super::{Promise, election, leases, lock, revision_order, revisions_grow, set};
use crate::etcd::dialect::Ended;
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Ask, Done, Keys, LeaseId, Op, Range, Revision, Target, TxnOp};

const PROMISES: &[Promise] = &[
    revision_order::PROMISE,
    revisions_grow::PROMISE,
    leases::kept::PROMISE,
    leases::over::PROMISE,
    lock::PROMISE,
    lock::FENCED,
    election::PROMISE,
    set::PROMISE,
];

const CLIENTS: usize = 5;

/// What a client is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Outside,
    Leased,
    Waiting,
    First,
}

/// What a client knows.
#[derive(Clone, Default)]
struct Memory {
    lease: LeaseId,
    token: Revision,
    stage: Stage,
}

/// One history.
struct Play {
    dice: Dice,
    service: Service,
    memories: Vec<Memory>,
    /// What each client has under way, and whether it was carried out.
    open: BTreeMap<usize, (Ask, bool)>,
    ghosts: Vec<Op>,
    leases: LeaseId,
    /// What the lock protects: its newest token, and how many stores there were.
    resource: (Revision, u64),
    /// How many in a hundred do not wait for their turn.
    hasty_percent: u64,
    /// How often somebody did something whose turn it was not.
    collisions: u64,
}

fn play(seed: u64, hasty_percent: u64) -> Play {
    let mut play = Play {
        dice: Dice::new(seed, "play"),
        service: Service::new(CLIENTS as u64),
        memories: vec![Memory::default(); CLIENTS],
        open: BTreeMap::new(),
        ghosts: Vec::new(),
        leases: 0,
        resource: (0, 0),
        hasty_percent,
        collisions: 0,
    };
    for _ in 0..300 {
        play.step();
    }
    play
}

impl Play {
    fn percent(&mut self, share: u64) -> bool {
        self.dice.below(100) < share
    }

    /// The keys that a client's own stands among: those of a lock, or those of an election.
    fn prefix(client: usize) -> &'static str {
        if client < 3 {
            "locks/l/"
        } else {
            "elections/e/"
        }
    }

    fn own(&self, client: usize) -> String {
        format!("{}{}", Self::prefix(client), self.memories[client].lease)
    }

    fn step(&mut self) {
        let client = self.dice.below(CLIENTS as u64) as usize;
        self.service.now_ms += self.dice.below(3);
        if self.percent(2) && self.memories[client].lease > 0 {
            // It was not kept alive for long enough.
            self.service.now_ms += 2_000;
            self.service.store.end(self.memories[client].lease);
        }
        if self.percent(5) && !self.ghosts.is_empty() {
            let ghost = self.dice.below(self.ghosts.len() as u64) as usize;
            let op = self.ghosts.swap_remove(ghost);
            let _nobody_hears = self.service.store.apply(None, &op, 0);
        }
        let is_lost = self.percent(4);
        match self.open.get(&client).cloned() {
            None => self.next(client),
            Some((ask, is_done)) if is_lost => {
                self.open.remove(&client);
                self.service.lose(client);
                if let (Ask::Write(op), false) = (ask, is_done) {
                    self.ghosts.push(op);
                }
                // Who does not know whether it has a key begins anew.
                self.memories[client] = Memory::default();
            }
            Some((ask, false)) => {
                self.service.apply(client);
                self.open.insert(client, (ask, true));
            }
            Some((ask, true)) => {
                self.open.remove(&client);
                let result = self.service.answer(client);
                match result {
                    Ok(done) => self.learn(client, &ask, &done),
                    Err(_) => self.memories[client] = Memory::default(),
                }
            }
        }
    }

    fn call(&mut self, client: usize, ask: Ask) {
        self.service.call(client, ask.clone());
        self.open.insert(client, (ask, false));
    }

    fn next(&mut self, client: usize) {
        if self.percent(25) {
            let ask = match self.dice.below(3) {
                0 => Ask::Range(Range::of(Keys::prefix("sets/s/"))),
                _ => {
                    let element = self.dice.below(1_000);
                    Ask::Write(put(&format!("sets/s/{element}"), "", 0))
                }
            };
            return self.call(client, ask);
        }
        let (own, prefix) = (self.own(client), Self::prefix(client));
        let memory = self.memories[client].clone();
        match memory.stage {
            Stage::Outside => {
                self.leases += 1;
                self.memories[client].lease = self.leases;
                self.call(client, Ask::Write(grant(self.leases, 1_000)));
            }
            Stage::Leased => {
                let put = TxnOp::Put(a_put(&own, "", memory.lease));
                let new = equal(&own, Target::CreateRevision(0));
                self.call(client, Ask::Write(txn(vec![new], vec![put], vec![])));
            }
            Stage::Waiting if self.percent(self.hasty_percent) => {
                self.memories[client].stage = Stage::First;
                let all = Keys::prefix(prefix);
                let now = self.service.now();
                let first = self.service.store.all(&all, now).next();
                let is_behind = first.is_some_and(|kv| kv.create_revision < memory.token);
                // With keys ahead at every revision since its own was made it is certainly not its turn.
                let of_old = self.service.store.all(&all, memory.token);
                let mut of_old = of_old.filter(|kv| kv.create_revision < memory.token);
                self.collisions += u64::from(
                    is_behind
                        && of_old.any(|old| self.service.store.get(&old.key, now) == Some(old)),
                );
            }
            Stage::Waiting => {
                let range = Range {
                    serializable: self.dice.below(2) == 0,
                    ..Range::of(Keys::prefix(prefix))
                };
                match range.serializable {
                    false => self.call(client, Ask::Range(range)),
                    true => self.look_behind(client, &range.keys),
                }
            }
            Stage::First if self.percent(40) => {
                self.memories[client].stage = Stage::Leased;
                let gone = delete(Keys::one(own));
                self.call(client, Ask::Write(gone));
            }
            Stage::First if client < 3 => {
                let (newest, turn) = self.resource;
                let taken = memory.token >= newest;
                self.resource = (newest.max(memory.token), turn + 1);
                self.service.store_with(client, memory.token, (taken, turn));
            }
            Stage::First => {
                let alive = equal(&own, Target::CreateRevision(memory.token));
                let put = TxnOp::Put(a_put("terms/e", &own, 0));
                self.call(client, Ask::Write(txn(vec![alive], vec![put], vec![])));
            }
        }
    }

    /// Reads what some member has, which may be old, but not older than the client's key.
    fn look_behind(&mut self, client: usize, keys: &Keys) {
        let token = self.memories[client].token;
        let behind = self.dice.below(4);
        let at = self.service.now().saturating_sub(behind).max(token);
        self.service.get_local(client, keys.clone(), at);
        let store = &self.service.store;
        let all = store.all(keys, at).map(|kv| kv.create_revision);
        if all.min() == Some(token) {
            self.memories[client].stage = Stage::First;
        }
    }

    fn learn(&mut self, client: usize, ask: &Ask, done: &Done) {
        let now = self.service.history.events.last().cloned();
        let memory = &mut self.memories[client];
        match (ask, done, memory.stage) {
            (Ask::Write(Op::Grant { .. }), _, _) => memory.stage = Stage::Leased,
            (
                Ask::Write(Op::Txn(_)),
                Done::Txn {
                    succeeded: true, ..
                },
                Stage::Leased,
            ) => {
                let ended = now.and_then(|event| Ended::read(&event.value).ok());
                memory.token = ended.map_or(0, |ended| ended.revision);
                memory.stage = Stage::Waiting;
            }
            (Ask::Write(Op::Txn(_)), Done::Txn { succeeded, .. }, _) if !succeeded => {
                *memory = Memory::default();
            }
            (Ask::Range(range), Done::Range { kvs, .. }, Stage::Waiting)
                if !range.keys.key.starts_with("sets/") =>
            {
                let first = kvs.iter().map(|kv| kv.create_revision).min();
                if first == Some(memory.token) {
                    memory.stage = Stage::First;
                }
            }
            _ => {}
        }
    }
}

#[test]
fn recipes_over_a_service_that_keeps_its_promises_are_kept() {
    let (mut stores, mut late, mut proclaimed) = (0, 0, 0);
    for seed in 0..2500 {
        let play = play(seed, 0);
        let story = play.service.story();
        stores += lock::unsafe_stores(&story).1;
        late += play.resource.1;
        proclaimed += play
            .service
            .store
            .get("terms/e", Revision::MAX)
            .map_or(0, |kv| kv.version);
        for promise in PROMISES {
            if let Err(breach) = promise.judged(&story) {
                panic!("seed {seed}, {}: {}", promise.name, breach.explanation);
            }
        }
    }
    let witness = (stores, late - stores, proclaimed);
    assert!(
        stores > 2500 && late > stores && proclaimed > 2500,
        "{witness:?}"
    );
}

#[test]
fn who_does_not_wait_for_its_turn_is_found_out() {
    let (mut told, mut found) = (0, 0);
    for seed in 0..1000 {
        let play = play(seed, 30);
        if play.collisions == 0 {
            continue;
        }
        told += 1;
        let story = play.service.story();
        let of_turns = [lock::PROMISE, election::PROMISE];
        found += u64::from(
            of_turns
                .iter()
                .any(|promise| promise.judged(&story).is_err()),
        );
    }
    assert!(told > 300, "only in {told} histories somebody was hasty");
    assert!(found * 100 >= told * 70, "{found} of {told}");
}

#[test]
fn a_resource_without_fencing_is_found_out() {
    let (mut told, mut found) = (0, 0);
    for seed in 0..1000 {
        let mut play = play(seed, 0);
        let mut overtaken = false;
        for event in &mut play.service.history.events {
            let Ok(mut ended) = Ended::read(&event.value) else {
                continue;
            };
            if let Some(stored) = ended.stored.as_mut().filter(|stored| !stored.taken) {
                (stored.taken, overtaken) = (true, true);
                event.value = ended.value();
            }
        }
        if overtaken {
            told += 1;
            let story = play.service.story();
            assert!(lock::unsafe_stores(&story).0 > 0, "seed {seed}");
            found += u64::from(lock::FENCED.judged(&story).is_err());
        }
    }
    assert!(told > 20 && found == told, "{found} of {told}");
}
