//! Differential fuzzing: random small histories, judged by every fast judge and by the oracle that tries every order.
//!
//! `cargo test` runs a short version of each; `cargo test --release -p stormglass-checker --test fuzz -- MODEL HISTORIES` the long one.

use serde_json::Value;
use stormglass_checker::oracle::is_legal;
use stormglass_checker::{
    Case, Certificate, Event, Evidence, Finding, History, Judge, Kind, Limits, Observed, Operation,
    Outcome, Part, Specification, Verdict, check, verify,
};

use super::{Random, event, history};

/// A true object, and what its clients ask of it.
pub(crate) trait Player {
    /// The next call: key, function and argument.
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value);
    /// Carries the call out. `Err` when a comparison is refused.
    fn carry_out(&mut self, key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()>;
    /// Whose call or effect comes next, and the moment of it: after the last event and before the next.
    fn turn(&mut self, _process: u64, _time_ns: u64) {}
    /// The revision the last operation carried out has to do with, if the object numbers them.
    fn version(&self) -> Option<u64> {
        None
    }
    /// Another result that such a call might have had: what a lie would look like.
    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value;
}

/// The size of a history.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) clients: usize,
    pub(crate) operations: usize,
    /// How many operations of a hundred end without being known.
    pub(crate) crashes_percent: u64,
}

/// What the oracle can try.
pub(crate) const SMALL: Size = Size {
    clients: 3,
    operations: 7,
    crashes_percent: 15,
};

/// The time from one event to the next, as [`history`] numbers them.
const EVENT_NS: u64 = 1000;

enum Client {
    Idle,
    Called(Option<&'static str>, &'static str, Value),
    /// Carried out; this is its return.
    Done(Option<&'static str>, &'static str, Kind, Value, Option<u64>),
}

/// A history that a true object gave. Each operation takes effect at one moment between call and return, or, where its outcome is unknown, perhaps
/// never; some fail and have no effect.
pub(crate) fn play(player: &mut impl Player, size: Size, random: &mut Random) -> History {
    let mut clients: Vec<(u64, Client)> = (0..size.clients as u64)
        .map(|number| (number, Client::Idle))
        .collect();
    let mut next_process = size.clients as u64;
    let mut events: Vec<Event> = Vec::new();
    let (mut called, mut open) = (0, 0);
    // Some histories end with calls that have not returned.
    let cut = random.below(4) == 0;
    while called < size.operations || open > 0 && !cut {
        let at = random.below(size.clients as u64) as usize;
        let (process, client) = &mut clients[at];
        player.turn(
            *process,
            (events.len() as u64 * EVENT_NS).saturating_sub(EVENT_NS / 2),
        );
        let mut push = |kind, key: Option<&str>, f, value, version| {
            let mut made = event(*process, kind, f, value);
            made.key = key.map(str::to_owned);
            made.version = version;
            if kind == Kind::Fail {
                made.error = Some("mismatch".to_owned());
            }
            events.push(made);
        };
        *client = match std::mem::replace(client, Client::Idle) {
            Client::Idle if called == size.operations => Client::Idle,
            Client::Idle => {
                let (key, f, input) = player.call(random);
                called += 1;
                open += 1;
                push(Kind::Invoke, key, f, input.clone(), None);
                Client::Called(key, f, input)
            }
            Client::Called(key, f, input) => {
                let lost = random.below(100) < size.crashes_percent;
                if lost && random.below(2) == 0 {
                    Client::Done(key, f, Kind::Info, Value::Null, None)
                } else {
                    let result = player.carry_out(key, f, &input);
                    let version = player.version();
                    match result {
                        _ if lost => Client::Done(key, f, Kind::Info, Value::Null, None),
                        Ok(value) => Client::Done(key, f, Kind::Ok, value, version),
                        Err(()) => Client::Done(key, f, Kind::Fail, input, None),
                    }
                }
            }
            Client::Done(key, f, kind, value, version) => {
                open -= 1;
                push(kind, key, f, value, version);
                if kind == Kind::Info {
                    *process = next_process;
                    next_process += 1;
                }
                Client::Idle
            }
        };
    }
    history(events)
}

/// Bends one history: a result becomes another, or a return moves.
pub(crate) fn mutate(history: &mut History, player: &impl Player, random: &mut Random) {
    for _ in 0..=random.below(2) {
        let returns: Vec<usize> = (0..history.events.len())
            .filter(|at| history.events[*at].kind == Kind::Ok)
            .collect();
        if returns.is_empty() {
            return;
        }
        let at = returns[random.below(returns.len() as u64) as usize];
        match random.below(4) {
            0 if at > 0 => {
                // A return that comes one event earlier.
                let same = history.events[at - 1].process == history.events[at].process;
                if !same {
                    history.events.swap(at - 1, at);
                }
            }
            1 => {
                let kind = if random.below(2) == 0 {
                    Kind::Fail
                } else {
                    Kind::Info
                };
                // A process takes no new call after an info, so only a last one can become one.
                let process = history.events[at].process;
                let last = history.events[at + 1..]
                    .iter()
                    .all(|event| event.process != process);
                if kind == Kind::Fail || last {
                    history.events[at].kind = kind;
                }
            }
            2 if history.events[at].version.is_some() => {
                // Another version, near the true one.
                let version = history.events[at].version.map(|version| version + 2);
                history.events[at].version =
                    version.map(|version| version.saturating_sub(random.below(4)));
            }
            _ => {
                let event = &history.events[at];
                let value = player.lie(random, &event.f, &event.value);
                history.events[at].value = value;
            }
        }
    }
}

/// How often each verdict was met, and how often a monitor gave it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) valid: u64,
    pub(crate) invalid: u64,
    pub(crate) monitored_valid: u64,
    pub(crate) monitored_invalid: u64,
    /// Culprits that leave so much open that not every order of the others could be tried.
    pub(crate) untried: u64,
}

/// Gives `judge` random histories with their numbers, half of them bent.
///
/// # Errors
/// The first history with which `judge` found a problem, as text.
pub(crate) fn each_history<P: Player>(
    player: impl Fn(&mut Random) -> P,
    size: Size,
    histories: u64,
    seed: u64,
    mut judge: impl FnMut(u64, &History) -> Result<(), String>,
) -> Result<(), String> {
    for number in 0..histories {
        let mut random = Random(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut player = player(&mut random);
        let mut history = play(&mut player, size, &mut random);
        if number % 2 == 1 {
            mutate(&mut history, &player, &mut random);
        }
        judge(number, &history).map_err(|problem| {
            let mut text = Vec::new();
            let _ = history.write_jsonl(&mut text);
            let text = String::from_utf8_lossy(&text);
            format!("history {number} of seed {seed}: {problem}\n{text}")
        })?;
    }
    Ok(())
}

/// Judges `histories` random histories and holds every judge against the oracle.
///
/// # Errors
/// The first history on which they disagree, as text.
pub(crate) fn fuzz<S: Specification, P: Player>(
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    size: Size,
    histories: u64,
    seed: u64,
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    each_history(player, size, histories, seed, |_, history| {
        compare(&specification(), history, &mut tally)
    })?;
    Ok(tally)
}

/// Judges one history by every fast judge and by the oracle, and compares all they say.
fn compare<S: Specification>(
    specification: &S,
    history: &History,
    tally: &mut Tally,
) -> Result<(), String> {
    let legal = |events: usize| {
        let operations = prefix(history, events).operations().map_err(text)?;
        is_legal(specification, &operations).map_err(text)
    };
    let operations = history.operations().map_err(text)?;
    let truth = legal(history.events.len())?;
    monitors_agree(specification, &operations, tally)?;
    let case = Case::new(specification, &operations).map_err(text)?;
    for judge in [Judge::Any, Judge::Depth, Judge::Frontier] {
        let legal = case.decide_by(judge, &Limits::default()).legal;
        if legal != Some(truth) {
            return Err(format!("{judge:?} says {legal:?}, and the oracle {truth}"));
        }
    }
    match check(specification, history, &Limits::default())
        .map_err(text)?
        .verdict
    {
        Verdict::Valid(certificate) => {
            tally.valid += 1;
            if !truth {
                return Err("called valid, but no order is legal".into());
            }
            verify(specification, &operations, &certificate)
        }
        Verdict::Invalid(evidence) => {
            tally.invalid += 1;
            if truth {
                return Err("called invalid, but an order is legal".into());
            }
            let expect = |holds: bool, what: &str| holds.then_some(()).ok_or(what.to_owned());
            expect(
                evidence.prefix_smallest,
                "the prefix is not said to be the smallest",
            )?;
            expect(evidence.minimal, "the culprits are not said to be minimal")?;
            expect(!legal(evidence.prefix_events)?, "the prefix is legal")?;
            expect(
                legal(evidence.prefix_events - 1)?,
                "a shorter prefix is illegal",
            )?;
            culprits_collide(specification, history, &evidence)
        }
        Verdict::Unknown(unknown) => Err(format!("{unknown:?}")),
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn prefix(history: &History, events: usize) -> History {
    History {
        events: history.events[..events].to_vec(),
    }
}

/// What a monitor says of each key by itself is what the oracle says of it.
fn monitors_agree<S: Specification>(
    specification: &S,
    operations: &[Operation],
    tally: &mut Tally,
) -> Result<(), String> {
    let mut keys: Vec<Option<String>> = vec![None];
    if specification.per_key() {
        keys = operations
            .iter()
            .map(|operation| operation.key.clone())
            .collect();
        keys.sort();
        keys.dedup();
    }
    for key in keys {
        let mut only: Vec<Operation> = operations
            .iter()
            .filter(|operation| !specification.per_key() || operation.key == key)
            .cloned()
            .collect();
        for (id, operation) in only.iter_mut().enumerate() {
            operation.id = id;
        }
        let Some(finding) = monitor(specification, &only)? else {
            continue;
        };
        let truth = is_legal(specification, &only).map_err(text)?;
        match finding {
            Finding::Legal(order) => {
                tally.monitored_valid += 1;
                if !truth {
                    return Err(format!("the monitor calls key {key:?} legal: {order:?}"));
                }
                let parts = vec![Part { key, order }];
                verify(specification, &only, &Certificate { parts })
                    .map_err(|problem| format!("the order of the monitor: {problem}"))?;
            }
            Finding::Illegal(culprits) => {
                tally.monitored_invalid += 1;
                if truth {
                    return Err(format!(
                        "the monitor calls key {key:?} illegal: {culprits:?}"
                    ));
                }
                if legal_with(specification, &only, &|id| culprits.contains(&id))? {
                    return Err(format!(
                        "the culprits of the monitor do not collide: {culprits:?}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// What the monitor says of the operations of one part, with ids in place of positions.
pub(crate) fn monitor<S: Specification>(
    specification: &S,
    operations: &[Operation],
) -> Result<Option<Finding>, String> {
    let mut part = Vec::new();
    for operation in operations {
        if let Some(op) = specification.parse(operation).map_err(text)? {
            part.push((operation, op));
        }
    }
    let observed: Vec<Observed<'_, S::Op>> = part
        .iter()
        .map(|(operation, op)| Observed {
            op,
            call: operation.call,
            deadline: operation.deadline(),
        })
        .collect();
    let ids = |positions: Vec<usize>| positions.iter().map(|at| part[*at].0.id).collect();
    Ok(specification
        .monitor(&observed)
        .map(|finding| match finding {
            Finding::Legal(order) => Finding::Legal(ids(order)),
            Finding::Illegal(culprits) => Finding::Illegal(ids(culprits)),
        }))
}

/// The culprits have no order even when all others are free, and freeing any one of them gives an order.
fn culprits_collide<S: Specification>(
    specification: &S,
    history: &History,
    evidence: &Evidence,
) -> Result<(), String> {
    let mut operations = prefix(history, evidence.prefix_events)
        .operations()
        .map_err(text)?;
    operations.retain(|operation| !specification.per_key() || operation.key == evidence.key);
    let legal_with = |kept: &dyn Fn(usize) -> bool| legal_with(specification, &operations, kept);
    let culprit = |id| evidence.culprits.iter().any(|operation| operation.id == id);
    if evidence.context.is_some() {
        return Err("a short story begins in the middle".into());
    }
    if legal_with(&culprit)? {
        return Err("the culprits do not collide".into());
    }
    for freed in &evidence.culprits {
        if !legal_with(&|id| culprit(id) && id != freed.id)? {
            return Err(format!("#{} is no culprit", freed.id));
        }
    }
    Ok(())
}

/// Whether some order is legal when every operation but those kept may happen at any time or never.
fn legal_with<S: Specification>(
    specification: &S,
    operations: &[Operation],
    kept: &dyn Fn(usize) -> bool,
) -> Result<bool, String> {
    is_legal(specification, &set_free(operations, kept)).map_err(text)
}

/// The same operations, of which only those kept are certain: any other may happen at any time, or never.
pub(crate) fn set_free(operations: &[Operation], kept: &dyn Fn(usize) -> bool) -> Vec<Operation> {
    operations
        .iter()
        .filter(|operation| kept(operation.id) || operation.outcome != Outcome::Mismatch)
        .map(|operation| match kept(operation.id) {
            true => operation.clone(),
            false => Operation {
                outcome: Outcome::Unknown,
                call: 0,
                ret: None,
                ..operation.clone()
            },
        })
        .collect()
}
