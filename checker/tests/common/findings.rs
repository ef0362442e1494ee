//! What monitors find, held against every order and the search: orders are verified, culprits must collide by themselves.

use rustc_hash::FxHashSet;
use stormglass_checker::{
    Certificate, Effect, Finding, History, Limits, Observed, Operation, Outcome, Part,
    Specification, SpecificationError, Verdict, check, verify,
};

use super::Random;
use super::fuzz::{Player, Size, mutate, play};

/// A specification without its monitor, so that the search judges.
pub(crate) struct Plain<S>(pub(crate) S);

impl<S: Specification> Specification for Plain<S> {
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

/// Histories larger than the oracle can try.
pub(crate) const LARGER: Size = Size {
    clients: 4,
    operations: 12,
    crashes_percent: 12,
};

/// How often each verdict was met, and how often a monitor gave it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) valid: u64,
    pub(crate) invalid: u64,
    pub(crate) monitored_valid: u64,
    pub(crate) monitored_invalid: u64,
    /// Culprits that leave so much open that not every order of the others could be tried.
    pub(crate) untried: u64,
}

/// The search is asked for one history in this many: to gather its evidence takes long.
const HISTORIES_A_SEARCH: u64 = 64;

/// Judges `histories` random histories of one key, half of them bent, by the monitor and by trying every order, some by the
/// search too, and verifies what the monitor found.
///
/// # Errors
/// The first history on which they disagree, as text.
pub(crate) fn findings<S: Specification, P: Player>(
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    size: Size,
    histories: u64,
    seed: u64,
) -> Result<Found, String> {
    let mut tally = Found::default();
    for number in 0..histories {
        let mut random = Random(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut player = player(&mut random);
        let mut history = play(&mut player, size, &mut random);
        if number % 2 == 1 {
            mutate(&mut history, &player, &mut random);
        }
        let with_search = number % HISTORIES_A_SEARCH < 2;
        compare(&Plain(specification()), &history, with_search, &mut tally).map_err(|problem| {
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
    plain: &Plain<S>,
    history: &History,
    with_search: bool,
    tally: &mut Found,
) -> Result<(), String> {
    let operations = history.operations().map_err(text)?;
    let legal = some_order(plain, &operations, 5_000_000)?.ok_or("too many configurations")?;
    if with_search {
        let limits = Limits::default();
        let verdict = check(plain, history, &limits).map_err(text)?.verdict;
        if matches!(verdict, Verdict::Valid(_)) != legal {
            return Err(format!("the search disagrees: {verdict:?}"));
        }
    }
    if legal {
        tally.valid += 1;
    } else {
        tally.invalid += 1;
    }
    match monitor(&plain.0, &operations)? {
        None => Ok(()),
        Some(Finding::Legal(order)) => {
            tally.monitored_valid += 1;
            let part = Part { key: None, order };
            let certificate = Certificate { parts: vec![part] };
            verify(plain, &operations, &certificate)
        }
        Some(Finding::Illegal(culprits)) => {
            tally.monitored_invalid += 1;
            if legal {
                return Err(format!("an order is legal, not illegal by {culprits:?}"));
            }
            match some_order(plain, &set_free(&operations, &culprits), 100_000)? {
                Some(true) => Err(format!("the culprits do not collide: {culprits:?}")),
                Some(false) => Ok(()),
                None => {
                    tally.untried += 1;
                    Ok(())
                }
            }
        }
    }
}

/// Tries every order of at most 64 operations, each configuration once: what has happened, and the state. `None` when there are too many.
fn some_order<S: Specification>(
    specification: &S,
    operations: &[Operation],
    configurations_max: usize,
) -> Result<Option<bool>, String> {
    let mut part = Vec::new();
    for operation in operations {
        if let Some(op) = specification.parse(operation).map_err(text)? {
            part.push((operation, op));
        }
    }
    let certain = (0..part.len()).filter(|at| part[*at].0.outcome != Outcome::Unknown);
    let certain = certain.fold(0_u64, |mask, at| mask | 1 << at);
    let mut seen = FxHashSet::default();
    let mut open = vec![(0_u64, specification.initial())];
    while let Some((done, state)) = open.pop() {
        if done & certain == certain {
            return Ok(Some(true));
        }
        if seen.len() > configurations_max {
            return Ok(None);
        }
        for (at, (operation, op)) in part.iter().enumerate() {
            let waits = part
                .iter()
                .enumerate()
                .any(|(other, (earlier, _))| done & 1 << other == 0 && earlier.precedes(operation));
            if done & 1 << at != 0 || waits {
                continue;
            }
            if let Some(next) = specification.step(&state, op) {
                let configuration = (done | 1 << at, next);
                if seen.insert(configuration.clone()) {
                    open.push(configuration);
                }
            }
        }
    }
    Ok(Some(false))
}

/// What the monitor says of operations that are all on one key, with ids in place of positions.
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

/// The same operations, of which only the culprits are certain: any other may happen at any time, or never.
fn set_free(operations: &[Operation], culprits: &[usize]) -> Vec<Operation> {
    let kept = |operation: &&Operation| {
        culprits.contains(&operation.id) || operation.outcome != Outcome::Mismatch
    };
    let free = |operation: &Operation| match culprits.contains(&operation.id) {
        true => operation.clone(),
        false => Operation {
            outcome: Outcome::Unknown,
            call: 0,
            ret: None,
            ..operation.clone()
        },
    };
    operations.iter().filter(kept).map(free).collect()
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
