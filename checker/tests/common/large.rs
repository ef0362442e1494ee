//! Histories too large for the oracle: what a monitor says against what the search says without it.

use stormglass_checker::{
    Certificate, Effect, Event, Finding, History, Limits, Observed, Operation, Outcome, Part,
    Process, Specification, SpecificationError, Verdict, check, verify,
};

use super::fuzz::{Player, Size, Tally, mutate, play};
use super::{Random, history};

/// More than the oracle can try, and little enough for the search to try all of it.
pub(crate) const LARGE: Size = Size {
    clients: 4,
    operations: 12,
    crashes_percent: 10,
};

/// A specification as it is, but for its monitor.
struct Plain<'a, S>(&'a S);

impl<S: Specification> Specification for Plain<'_, S> {
    type Op = S::Op;
    type State = S::State;

    fn name(&self) -> &str {
        self.0.name()
    }
    fn promise(&self) -> &str {
        self.0.promise()
    }
    fn parse(&self, operation: &Operation) -> Result<Option<S::Op>, SpecificationError> {
        self.0.parse(operation)
    }
    fn initial(&self) -> S::State {
        self.0.initial()
    }
    fn step(&self, state: &S::State, op: &S::Op) -> Option<S::State> {
        self.0.step(state, op)
    }
    fn describe(&self, op: &S::Op) -> String {
        self.0.describe(op)
    }
    fn per_key(&self) -> bool {
        self.0.per_key()
    }
    fn effect(&self, op: &S::Op) -> Effect {
        self.0.effect(op)
    }
    fn interchangeable(&self, left: &S::Op, right: &S::Op) -> bool {
        self.0.interchangeable(left, right)
    }
}

/// Holds the monitor of an object without keys against the search, on `histories` random histories, half of them bent.
///
/// # Errors
/// The first history on which they disagree, as text.
pub(crate) fn fuzz_monitor<S: Specification, P: Player>(
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    size: Size,
    histories: u64,
    seed: u64,
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for number in 0..histories {
        let mut random = Random(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut player = player(&mut random);
        let mut history = play(&mut player, size, &mut random);
        if number % 2 == 1 {
            mutate(&mut history, &player, &mut random);
        }
        compare(&specification(), &history, &mut tally).map_err(|problem| {
            let mut text = Vec::new();
            let _ = history.write_jsonl(&mut text);
            format!(
                "history {number} of seed {seed}: {problem}\n{}",
                String::from_utf8_lossy(&text)
            )
        })?;
    }
    Ok(tally)
}

fn compare<S: Specification>(
    specification: &S,
    history: &History,
    tally: &mut Tally,
) -> Result<(), String> {
    let truth = legal(specification, history)?;
    match truth {
        true => tally.valid += 1,
        false => tally.invalid += 1,
    }
    let operations = history.operations().map_err(text)?;
    let mut parsed = Vec::new();
    for operation in &operations {
        if let Some(op) = specification.parse(operation).map_err(text)? {
            parsed.push((operation, op));
        }
    }
    let observed: Vec<Observed<'_, S::Op>> = parsed
        .iter()
        .map(|(operation, op)| Observed {
            op,
            call: operation.call,
            deadline: operation.deadline(),
        })
        .collect();
    match specification.monitor(&observed) {
        None => Ok(()),
        Some(Finding::Legal(order)) => {
            tally.monitored_valid += 1;
            let order = order.into_iter().map(|at| parsed[at].0.id).collect();
            let parts = vec![Part { key: None, order }];
            verify(specification, &operations, &Certificate { parts })
                .map_err(|problem| format!("the order of the monitor: {problem}"))
        }
        Some(Finding::Illegal(culprits)) => {
            tally.monitored_invalid += 1;
            if truth {
                return Err(format!("the monitor calls it illegal: {culprits:?}"));
            }
            let culprits: Vec<usize> = culprits.into_iter().map(|at| parsed[at].0.id).collect();
            match legal(specification, &freed(history, &operations, &culprits))? {
                true => Err(format!("the culprits do not collide: {culprits:?}")),
                false => Ok(()),
            }
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn legal<S: Specification>(specification: &S, history: &History) -> Result<bool, String> {
    let judgement = check(&Plain(specification), history, &Limits::default()).map_err(text)?;
    match judgement.verdict {
        Verdict::Valid(_) => Ok(true),
        Verdict::Invalid(_) => Ok(false),
        Verdict::Unknown(unknown) => Err(format!("{unknown:?}")),
    }
}

/// The history in which every operation but `kept` may happen at any time or never: all are called at the beginning and do not return.
fn freed(whole: &History, operations: &[Operation], kept: &[usize]) -> History {
    let mut free: Vec<Event> = Vec::new();
    let mut bound: Vec<(usize, Event)> = Vec::new();
    for operation in operations {
        let process = Process::Client(1_000 + operation.id as u64);
        let take = |at: usize| Event {
            process,
            ..whole.events[at].clone()
        };
        if kept.contains(&operation.id) {
            bound.push((operation.call, take(operation.call)));
            bound.extend(operation.ret.map(|ret| (ret, take(ret))));
        } else if operation.outcome != Outcome::Mismatch {
            free.push(take(operation.call));
        }
    }
    bound.sort_by_key(|(at, _)| *at);
    let mut events = free;
    events.extend(bound.into_iter().map(|(_, event)| event));
    history(events)
}
