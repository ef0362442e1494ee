//! Histories made to order: to measure a judge, and to compare it with others.
//!
//! Clients call a true object. Each operation takes effect at one moment between its call and its return, so a history without a
//! planted violation is legal by construction: linearizable, and for transactions strictly serializable. As many operations as asked for are
//! in flight from the first call until nothing is left to call; who calls and what returns next is drawn.

mod objects;
mod violation;

use crate::draw::Draws;
use objects::{Call, Refused, TrueObject};
use serde_json::Value;
use stormglass_checker::operation::MISMATCH;
use stormglass_checker::{Event, History, Kind, Process};
use thiserror::Error;

pub use violation::{Lie, Planted, Violation};

/// What the clients of a generated history work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Registers whose values are `0..domain`: read, write and compare-and-set. What a compare-and-set expects is drawn, so that one in
    /// `domain` succeeds.
    Register {
        /// How many values there are.
        domain: u64,
    },
    /// Registers to which no value is written twice: read and write.
    UniqueWrites,
    /// Registers to which no value is written twice: read, write and compare-and-set. Half of the compare-and-sets expect what the register
    /// holds when they are called, half the value last asked to be written.
    UniqueCas,
    /// A key-value store with get, put and append of text. No text is written twice.
    Kv,
    /// Transactions of one to four reads of lists and appends to them, as Jepsen writes them: `[["append",3,1],["r",4,[1,2]]]`. A key takes
    /// [`APPENDS_A_KEY`] appends and is then replaced by a fresh one.
    ListAppend,
}

/// How many appends are called on a list before its key is retired, so that lists stay short.
pub const APPENDS_A_KEY: u64 = 32;

/// How often each function is called, as weights. A function that the object does not have must have the weight 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Reads: `read`, `get`, and `r` in a transaction.
    pub reads: u64,
    /// Overwriting: `write`, `put`.
    pub writes: u64,
    /// Compare-and-set: `cas`.
    pub cas: u64,
    /// Appending: `append`.
    pub appends: u64,
}

/// How many operations end unknown. Only operations that change something do, since a read of unknown result tells nothing. Half of them take
/// effect, and half of those only after the client gave up, if the history goes on that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crashes {
    /// Of a thousand that change something.
    PerThousand(u64),
    /// So many, spread over the history.
    Exactly(usize),
}

/// A history to be generated. Everything drawn comes from `seed`: the same plan gives the same history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is worked on.
    pub object: Object,
    /// How many operations are called.
    pub operations: usize,
    /// How many clients there are.
    pub clients: usize,
    /// How many operations are in flight at once; at most one a client. Those that crashed no longer count.
    pub in_flight: usize,
    /// How many keys there are. A single register has no key. Of lists: so many at a time.
    pub keys: u64,
    /// What is called how often.
    pub shares: Shares,
    /// What ends unknown.
    pub crashes: Crashes,
    /// What is falsified at the end.
    pub violation: Option<Violation>,
    /// Seeds every draw.
    pub seed: u64,
}

/// A plan that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Nothing of what is needed.
    #[error("there are no {0}. Remedy: ask for at least one")]
    Nothing(&'static str),
    /// A client has one operation in flight at a time.
    #[error(
        "{in_flight} operations cannot be in flight with {clients} clients: a client has one at a time. Remedy: as many clients, or fewer in flight"
    )]
    InFlight {
        /// What was asked for.
        in_flight: usize,
        /// What there is.
        clients: usize,
    },
    /// The object has no such function.
    #[error(
        "{object} has no {function}. Remedy: give {function} the share 0, or choose another object"
    )]
    Function {
        /// The object.
        object: &'static str,
        /// What it does not have.
        function: &'static str,
    },
    /// No function has a share.
    #[error(
        "every share is 0, so there is nothing to call. Remedy: give one of the object's functions a share"
    )]
    NoShares,
    /// A share of more than the whole.
    #[error("{name} is {value}, more than {most}. Remedy: at most {most}")]
    TooMuch {
        /// Which number.
        name: &'static str,
        /// What was given.
        value: u64,
        /// The most there can be.
        most: u64,
    },
    /// More are to crash than change something.
    #[error(
        "{asked} operations cannot crash: only {there} change anything, and a read of unknown result tells nothing. Remedy: more operations, or fewer crashes"
    )]
    Crashes {
        /// What was asked for.
        asked: usize,
        /// What there is.
        there: usize,
    },
    /// No read can be falsified in the way asked for.
    #[error(
        "no read can be made {lie}: {why}. Remedy: more operations, a larger share of reads, or a later place"
    )]
    NothingToFalsify {
        /// The kind of lie.
        lie: &'static str,
        /// What it needs.
        why: &'static str,
    },
}

/// What came of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The history.
    pub history: History,
    /// What was falsified.
    pub planted: Option<Planted>,
}

impl Object {
    /// Its name in messages and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::UniqueWrites => "unique-writes",
            Self::UniqueCas => "unique-cas",
            Self::Kv => "kv",
            Self::ListAppend => "list-append",
        }
    }

    /// The usual mix. That of [`Object::Kv`] is as in porcupine's recorded runs.
    pub fn usual_shares(self) -> Shares {
        let (reads, writes, cas, appends) = match self {
            Self::Register { .. } | Self::UniqueCas => (1, 1, 1, 0),
            Self::UniqueWrites => (1, 1, 0, 0),
            Self::Kv => (42, 6, 0, 52),
            Self::ListAppend => (1, 0, 0, 1),
        };
        Shares {
            reads,
            writes,
            cas,
            appends,
        }
    }

    /// The usual number of keys.
    pub fn usual_keys(self) -> u64 {
        match self {
            Self::Register { .. } | Self::UniqueWrites | Self::UniqueCas => 1,
            Self::Kv => 10,
            Self::ListAppend => 3,
        }
    }
}

impl Plan {
    /// A legal history of `operations` operations, `in_flight` at a time and by as many clients, in the usual mix.
    pub fn new(object: Object, operations: usize, in_flight: usize, seed: u64) -> Self {
        Self {
            object,
            operations,
            clients: in_flight,
            in_flight,
            keys: object.usual_keys(),
            shares: object.usual_shares(),
            crashes: Crashes::Exactly(0),
            violation: None,
            seed,
        }
    }

    /// The same with so many crashed operations.
    pub fn crashing(self, crashes: Crashes) -> Self {
        Self { crashes, ..self }
    }

    /// The same with one read falsified: the first that was called `at_percent` of the way through, or if there is none the last before.
    pub fn lying(self, lie: Lie, at_percent: u64) -> Self {
        Self {
            violation: Some(Violation { lie, at_percent }),
            ..self
        }
    }

    /// Generates the history.
    ///
    /// # Errors
    /// When the plan contradicts itself, or there is no read to falsify.
    pub fn generate(&self) -> Result<Generated, PlanError> {
        self.validate()?;
        let crashes = self.draw_crashes()?;
        let mut history = Schedule::new(self, crashes).run();
        let planted = match self.violation {
            Some(violation) => Some(violation::plant(self, violation, &mut history)?),
            None => None,
        };
        Ok(Generated { history, planted })
    }

    fn validate(&self) -> Result<(), PlanError> {
        let domain = match self.object {
            Object::Register { domain } => domain,
            _ => 1,
        };
        for (number, name) in [
            (self.operations as u64, "operations"),
            (self.clients as u64, "clients"),
            (self.in_flight as u64, "operations in flight"),
            (self.keys, "keys"),
            (domain, "values"),
        ] {
            if number == 0 {
                return Err(PlanError::Nothing(name));
            }
        }
        if self.in_flight > self.clients {
            return Err(PlanError::InFlight {
                in_flight: self.in_flight,
                clients: self.clients,
            });
        }
        let Shares {
            reads,
            writes,
            cas,
            appends,
        } = self.shares;
        let usual = self.object.usual_shares();
        for (share, there, function) in [
            (writes, usual.writes, "writes"),
            (cas, usual.cas, "cas"),
            (appends, usual.appends, "appends"),
        ] {
            if share > 0 && there == 0 {
                let object = self.object.name();
                return Err(PlanError::Function { object, function });
            }
        }
        if [reads, writes, cas, appends] == [0; 4] {
            return Err(PlanError::NoShares);
        }
        // Sums of shares and numbers made of keys stay far from the end of the range.
        let at_percent = self.violation.map_or(0, |violation| violation.at_percent);
        let per_thousand = match self.crashes {
            Crashes::PerThousand(share) => share,
            Crashes::Exactly(_) => 0,
        };
        for (value, most, name) in [
            (
                self.operations as u64,
                100_000_000,
                "the number of operations",
            ),
            (self.clients as u64, 10_000_000, "the number of clients"),
            (reads, 1_000_000, "the share of reads"),
            (writes, 1_000_000, "the share of writes"),
            (cas, 1_000_000, "the share of cas"),
            (appends, 1_000_000, "the share of appends"),
            (self.keys, 1_000_000_000, "the number of keys"),
            (domain, 1 << 53, "the number of values"),
            (at_percent, 100, "the place of the violation in percent"),
            (per_thousand, 1000, "the share of crashes in a thousand"),
        ] {
            if value > most {
                return Err(PlanError::TooMuch { name, value, most });
            }
        }
        Ok(())
    }

    /// Which operations crash and how, ascending by operation.
    fn draw_crashes(&self) -> Result<Vec<(u64, Crash)>, PlanError> {
        let asked = match self.crashes {
            Crashes::Exactly(0) | Crashes::PerThousand(0) => return Ok(Vec::new()),
            crashes => crashes,
        };
        let draws = Draws::new(self.seed, "crash");
        let changing = (0..self.operations as u64).filter(|number| objects::changes(self, *number));
        let mut ranked: Vec<(u64, u64)> = changing.map(|n| (draws.at(&[n]), n)).collect();
        match asked {
            Crashes::PerThousand(share) => {
                ranked.retain(|(_, number)| draws.within(&[*number, 1], 0..=999) < share);
                ranked.sort_unstable();
            }
            Crashes::Exactly(asked) => {
                let there = ranked.len();
                if asked > there {
                    return Err(PlanError::Crashes { asked, there });
                }
                ranked.sort_unstable();
                ranked.truncate(asked);
            }
        }
        // The order is a random one here, so every second and every fourth are a half and a quarter drawn.
        let crashed = ranked.iter().enumerate().map(|(at, (_, number))| {
            let crash = match at % 4 {
                0 => Crash::InTime,
                2 => Crash::Late,
                _ => Crash::Never,
            };
            (*number, crash)
        });
        let mut crashed: Vec<(u64, Crash)> = crashed.collect();
        crashed.sort_unstable_by_key(|(number, _)| *number);
        Ok(crashed)
    }
}

/// What really becomes of an operation whose client never learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    /// It takes effect before its client gives up.
    InTime,
    /// It takes effect at some time after its client gave up.
    Late,
    /// It never takes effect.
    Never,
}

/// An operation that has been called.
struct Open {
    number: u64,
    client: usize,
    call: Call,
    /// What it returns, once it has taken effect.
    done: Option<Result<Value, Refused>>,
}

/// Clients at work on a true object.
struct Schedule<'a> {
    plan: &'a Plan,
    crashes: Vec<(u64, Crash)>,
    object: Box<dyn TrueObject + 'a>,
    /// Clients without an operation.
    idle: Vec<usize>,
    /// The process each client is at present. After a crash it takes a number that nobody had.
    processes: Vec<u64>,
    open: Vec<Open>,
    /// Those whose clients gave up and that are still to take effect.
    late: Vec<Call>,
    events: Vec<Event>,
}

impl<'a> Schedule<'a> {
    fn new(plan: &'a Plan, crashes: Vec<(u64, Crash)>) -> Self {
        Self {
            plan,
            crashes,
            object: objects::start(plan),
            idle: (0..plan.clients).collect(),
            processes: (0..plan.clients as u64).collect(),
            open: Vec::with_capacity(plan.in_flight),
            late: Vec::new(),
            events: Vec::with_capacity(plan.operations * 2),
        }
    }

    fn run(mut self) -> History {
        let next = Draws::new(self.plan.seed, "next");
        let mut called = 0;
        for step in 0.. {
            while self.open.len() < self.plan.in_flight && called < self.plan.operations as u64 {
                self.call(called);
                called += 1;
            }
            if self.open.is_empty() {
                break;
            }
            let last = (self.open.len() + self.late.len() - 1) as u64;
            let at = next.within(&[step], 0..=last) as usize;
            match at.checked_sub(self.open.len()) {
                None => self.advance(at),
                Some(at) => {
                    let call = self.late.swap_remove(at);
                    // Nobody is there to learn what it did.
                    let _ = self.object.carry_out(&call);
                }
            }
        }
        History {
            events: self.events,
        }
    }

    fn call(&mut self, number: u64) {
        let draws = Draws::new(self.plan.seed, "client");
        let at = draws.within(&[number], 0..=self.idle.len() as u64 - 1) as usize;
        let client = self.idle.swap_remove(at);
        let call = self.object.call(number, client as u64);
        self.record(client, Kind::Invoke, &call, call.input.clone());
        self.open.push(Open {
            number,
            client,
            call,
            done: None,
        });
    }

    /// Lets an operation take its effect, or if it has, return.
    fn advance(&mut self, at: usize) {
        let crash = self
            .crashes
            .binary_search_by_key(&self.open[at].number, |(number, _)| *number)
            .ok()
            .map(|found| self.crashes[found].1);
        let open = &mut self.open[at];
        if open.done.is_none() && !matches!(crash, Some(Crash::Late | Crash::Never)) {
            open.done = Some(self.object.carry_out(&open.call));
            return;
        }
        let Open {
            client, call, done, ..
        } = self.open.swap_remove(at);
        self.idle.push(client);
        match (crash, done) {
            (None, Some(Ok(output))) => self.record(client, Kind::Ok, &call, output),
            (None, _) => self.record(client, Kind::Fail, &call, call.input.clone()),
            (Some(crash), _) => {
                self.record(client, Kind::Info, &call, call.input.clone());
                self.processes[client] += self.plan.clients as u64;
                if crash == Crash::Late {
                    self.late.push(call);
                }
            }
        }
    }

    fn record(&mut self, client: usize, kind: Kind, call: &Call, value: Value) {
        let index = self.events.len() as u64;
        let error = match kind {
            Kind::Fail => Some(MISMATCH.to_owned()),
            Kind::Info => Some("timeout".to_owned()),
            Kind::Invoke | Kind::Ok => None,
        };
        self.events.push(Event {
            index,
            // A millisecond an event, for whoever draws it.
            time: index * 1_000_000,
            process: Process::Client(self.processes[client]),
            kind,
            f: call.f.to_owned(),
            key: call.key.clone(),
            value,
            version: None,
            error,
        });
    }
}

#[cfg(test)]
mod tests;
