//! Stores of known isolation, and clients that run transactions on them.

use serde_json::{Value, json};
use stormglass_checker::transactions::Level;
use stormglass_checker::{Event, History, Kind};

use super::{Random, event, numbered};

/// How the store isolates transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All of a transaction at one moment.
    Serial,
    /// As serial, but who only reads may see any older state.
    Stale,
    /// Reads the state of its beginning; aborts if what it writes was written since.
    Snapshot,
    /// Locks what it writes; each read sees what is committed then.
    ReadCommitted,
    /// Locks what it writes; each read sees what is there.
    ReadUncommitted,
}

impl Isolation {
    pub(crate) const ALL: [Self; 5] = [
        Self::Serial,
        Self::Stale,
        Self::Snapshot,
        Self::ReadCommitted,
        Self::ReadUncommitted,
    ];

    /// The level that it keeps.
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Serial => Level::StrictSerializable,
            Self::Stale => Level::Serializable,
            Self::Snapshot => Level::SnapshotIsolation,
            Self::ReadCommitted => Level::ReadCommitted,
            Self::ReadUncommitted => Level::ReadUncommitted,
        }
    }
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) isolation: Isolation,
    /// Lists; otherwise registers.
    pub(crate) lists: bool,
    pub(crate) transactions: usize,
    pub(crate) clients: usize,
    pub(crate) keys: usize,
    pub(crate) operations_max: usize,
    /// One in so many aborts, and one in so many ends unknown. 0 for none.
    pub(crate) lost_one_in: usize,
    /// One in so many writes repeats an old value. 0 for none.
    pub(crate) repeated_one_in: usize,
    /// At the end, when all has returned, one transaction reads every key.
    pub(crate) final_read: bool,
}

/// A key's content: all that was written, of which a register shows the last.
type Content = Vec<u64>;

#[derive(Clone, Copy)]
enum Micro {
    Read(usize),
    Write(usize, u64),
}

struct Running {
    micros: Vec<Micro>,
    /// The results of reads, in order.
    results: Vec<Value>,
    next: usize,
    /// When it began, in commits.
    snapshot: Option<usize>,
    kind: Kind,
    done: bool,
}

struct Client {
    process: u64,
    running: Option<Running>,
}

pub(crate) struct Store {
    asked: Asked,
    /// All states that were ever committed, oldest first. Only the last one when none older is ever read.
    states: Vec<Vec<Content>>,
    /// For read uncommitted: what is there.
    dirty: Vec<Content>,
    /// For each key, who holds the lock.
    locks: Vec<Option<usize>>,
    /// For each key, the commit that wrote it last.
    written_at: Vec<usize>,
    commits: usize,
    written: u64,
}

impl Store {
    /// Runs all transactions.
    pub(crate) fn run(asked: Asked, random: &mut Random) -> History {
        let mut store = Self {
            asked,
            states: vec![vec![Vec::new(); asked.keys]],
            dirty: vec![Vec::new(); asked.keys],
            locks: vec![None; asked.keys],
            written_at: vec![0; asked.keys],
            commits: 0,
            written: 0,
        };
        let mut clients: Vec<Client> = (0..asked.clients as u64)
            .map(|process| Client {
                process,
                running: None,
            })
            .collect();
        let mut next_process = asked.clients as u64;
        let mut events = Vec::new();
        let mut called = 0;
        while called < asked.transactions || clients.iter().any(|client| client.running.is_some()) {
            let number = random.place(asked.clients);
            let client = &mut clients[number];
            match &mut client.running {
                None if called == asked.transactions => {}
                None => {
                    called += 1;
                    let running = store.plan(random);
                    events.push(event(
                        client.process,
                        Kind::Invoke,
                        store.value(&running, false),
                    ));
                    client.running = Some(running);
                }
                Some(running) if running.done => {
                    events.push(event(
                        client.process,
                        running.kind,
                        store.value(running, running.kind == Kind::Ok),
                    ));
                    if running.kind == Kind::Info {
                        client.process = next_process;
                        next_process += 1;
                    }
                    client.running = None;
                }
                Some(running) => store.step(number, running, random),
            }
        }
        if asked.final_read {
            store.read_all(&mut events, next_process);
        }
        numbered(events)
    }

    fn plan(&mut self, random: &mut Random) -> Running {
        let count = 1 + random.place(self.asked.operations_max);
        let micros = (0..count).map(|_| {
            let key = random.place(self.asked.keys);
            if random.one_in(2) {
                return Micro::Read(key);
            }
            let repeated = self.asked.repeated_one_in;
            if repeated > 0 && self.written > 0 && random.one_in(repeated) {
                return Micro::Write(key, 1 + random.place(self.written as usize) as u64);
            }
            self.written += 1;
            Micro::Write(key, self.written)
        });
        let micros = micros.collect();
        let lost = self.asked.lost_one_in;
        let kind = match lost {
            0 => Kind::Ok,
            _ if random.one_in(lost) => Kind::Fail,
            _ if random.one_in(lost) => Kind::Info,
            _ => Kind::Ok,
        };
        Running {
            micros,
            results: Vec::new(),
            next: 0,
            snapshot: None,
            kind,
            done: false,
        }
    }

    fn show(&self, content: &Content) -> Value {
        match self.asked.lists {
            true => json!(content),
            false => json!(content.last()),
        }
    }

    fn value(&self, running: &Running, with_results: bool) -> Value {
        let mut results = running.results.iter();
        let micros = running.micros.iter().map(|micro| match micro {
            Micro::Read(key) if with_results => {
                json!(["r", key, results.next()])
            }
            Micro::Read(key) => json!(["r", key, null]),
            Micro::Write(key, value) if self.asked.lists => {
                json!(["append", key, value])
            }
            Micro::Write(key, value) => json!(["w", key, value]),
        });
        Value::Array(micros.collect())
    }

    fn now(&self) -> &[Content] {
        self.states.last().map_or(&[], Vec::as_slice)
    }

    /// Runs the first `until` micro-operations on `state`.
    fn run_on(&self, state: &mut [Content], running: &mut Running) {
        running.results.clear();
        for micro in &running.micros {
            match micro {
                Micro::Read(key) => running.results.push(self.show(&state[*key])),
                Micro::Write(key, value) => state[*key].push(*value),
            }
        }
    }

    /// The transaction has one more moment.
    fn step(&mut self, client: usize, running: &mut Running, random: &mut Random) {
        let takes_effect = match running.kind {
            Kind::Ok => true,
            Kind::Fail => false,
            _ => random.one_in(2),
        };
        match self.asked.isolation {
            Isolation::Serial | Isolation::Stale => {
                let reads_only = running
                    .micros
                    .iter()
                    .all(|micro| matches!(micro, Micro::Read(_)));
                let old = self.asked.isolation == Isolation::Stale && reads_only;
                let mut state = match old {
                    true => self.states[random.place(self.states.len())].clone(),
                    false => self.now().to_vec(),
                };
                self.run_on(&mut state, running);
                if takes_effect && !old {
                    self.commit(state, running);
                }
                running.done = true;
            }
            Isolation::Snapshot => match running.snapshot {
                None => running.snapshot = Some(self.commits),
                Some(snapshot) => {
                    let conflict = running.micros.iter().any(|micro| {
                        matches!(micro, Micro::Write(key, _) if self.written_at[*key] > snapshot)
                    });
                    let mut state = self.states[snapshot].clone();
                    self.run_on(&mut state, running);
                    if conflict {
                        running.kind = Kind::Fail;
                    } else if takes_effect {
                        let mut merged = self.now().to_vec();
                        for micro in &running.micros {
                            if let Micro::Write(key, _) = micro {
                                merged[*key] = state[*key].clone();
                            }
                        }
                        self.commit(merged, running);
                    }
                    running.done = true;
                }
            },
            Isolation::ReadCommitted | Isolation::ReadUncommitted => {
                self.step_locked(client, running, takes_effect);
            }
        }
    }

    fn step_locked(&mut self, client: usize, running: &mut Running, takes_effect: bool) {
        let dirty_reads = self.asked.isolation == Isolation::ReadUncommitted;
        let Some(micro) = running.micros.get(running.next).copied() else {
            self.end_locked(client, running, takes_effect);
            return;
        };
        match micro {
            Micro::Read(key) => {
                let own = self.locks[key] == Some(client);
                let content = match own || dirty_reads {
                    true => &self.dirty[key],
                    false => &self.now()[key],
                };
                running.results.push(self.show(content));
            }
            Micro::Write(key, value) => {
                if self.locks[key].is_some_and(|holder| holder != client) {
                    running.kind = Kind::Fail;
                    self.end_locked(client, running, false);
                    return;
                }
                self.locks[key] = Some(client);
                self.dirty[key].push(value);
            }
        }
        running.next += 1;
    }

    fn end_locked(&mut self, client: usize, running: &mut Running, takes_effect: bool) {
        let mut state = self.now().to_vec();
        for (key, content) in state.iter_mut().enumerate() {
            if self.locks[key] != Some(client) {
                continue;
            }
            self.locks[key] = None;
            match takes_effect {
                true => content.clone_from(&self.dirty[key]),
                false => self.dirty[key].clone_from(content),
            }
        }
        if takes_effect {
            self.commit(state, running);
        }
        running.done = true;
    }

    fn commit(&mut self, state: Vec<Content>, running: &Running) {
        self.commits += 1;
        for micro in &running.micros {
            if let Micro::Write(key, _) = micro {
                self.written_at[*key] = self.commits;
            }
        }
        let keeps_old = matches!(self.asked.isolation, Isolation::Stale | Isolation::Snapshot);
        if !keeps_old {
            self.states.clear();
        }
        self.states.push(state);
    }

    fn read_all(&self, events: &mut Vec<Event>, process: u64) {
        let keys = self.now().iter().enumerate();
        let asked = keys
            .clone()
            .map(|(key, _)| json!(["r", key, null]))
            .collect();
        let found = keys
            .map(|(key, content)| json!(["r", key, self.show(content)]))
            .collect();
        events.push(event(process, Kind::Invoke, Value::Array(asked)));
        events.push(event(process, Kind::Ok, Value::Array(found)));
    }
}
