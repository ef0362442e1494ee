//! Truths that share nothing with the specifications: each object once more, in the plainest words, and every order tried.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stormglass_checker::{Effect, Operation, Outcome, Specification, SpecificationError};

/// True when some order of `operations` is allowed by `step`, which tells what follows; none when nothing may.
pub(crate) fn legal<State>(
    operations: &[Operation],
    state: &State,
    step: &dyn Fn(&State, &Operation) -> Option<State>,
) -> bool {
    some_order(operations, &mut vec![false; operations.len()], state, step)
}

fn some_order<State>(
    operations: &[Operation],
    placed: &mut Vec<bool>,
    state: &State,
    step: &dyn Fn(&State, &Operation) -> Option<State>,
) -> bool {
    let all = 0..operations.len();
    let must = |at: usize| !placed[at] && operations[at].outcome != Outcome::Unknown;
    if !all.clone().any(must) {
        return true;
    }
    for at in all.clone() {
        let late = |other: usize| !placed[other] && operations[other].precedes(&operations[at]);
        if placed[at] || all.clone().any(late) {
            continue;
        }
        if let Some(next) = step(state, &operations[at]) {
            placed[at] = true;
            if some_order(operations, placed, &next, step) {
                return true;
            }
            placed[at] = false;
        }
    }
    false
}

/// A text with another appended; `None` when it is no text.
pub(crate) fn append(before: &Value, more: &Value) -> Option<Value> {
    let text = match before {
        Value::Null => "",
        Value::String(text) => text,
        _ => return None,
    };
    Some(json!(format!("{text}{}", more.as_str()?)))
}

type Held = BTreeMap<String, Value>;

/// Carries a transaction out and fills in its reads; `None` when a comparison does not hold.
pub(crate) fn transact(held: &mut Held, steps: &Value) -> Option<Value> {
    let mut result = steps.clone();
    let get = |held: &Held, key: &Value| held.get(key.as_str()?).cloned();
    for step in steps.as_array()? {
        if step[0] == "=" && get(held, &step[1]).unwrap_or_default() != step[2] {
            return None;
        }
    }
    for (at, step) in steps.as_array()?.iter().enumerate() {
        match step[0].as_str()? {
            "r" => result[at][2] = get(held, &step[1]).unwrap_or_default(),
            "w" => {
                held.insert(step[1].as_str()?.to_owned(), step[2].clone());
            }
            _ => {}
        }
    }
    Some(result)
}

/// The key-value store that holds whole values by name.
pub(crate) fn kv(operations: &[Operation], missing: &Value) -> bool {
    let get = |held: &Held, key: &str| held.get(key).unwrap_or(missing).clone();
    legal(operations, &Held::new(), &|held, operation| {
        let mut next = held.clone();
        let (input, outcome) = (&operation.input, &operation.outcome);
        let Some(key) = operation.key.clone() else {
            let result = transact(&mut next, input);
            return match outcome {
                Outcome::Ok(value) => (result.as_ref() == Some(value)).then_some(next),
                // Without a comparison, the refusal tells nothing.
                Outcome::Mismatch if !input.as_array()?.iter().any(|step| step[0] == "=") => {
                    Some(held.clone())
                }
                Outcome::Mismatch => result.is_none().then(|| held.clone()),
                Outcome::Unknown => Some(if result.is_some() { next } else { held.clone() }),
            };
        };
        let before = get(held, &key);
        let after = match (operation.f.as_str(), outcome) {
            ("get", Outcome::Ok(value)) => {
                let value = if value.is_null() { missing } else { value };
                return (before == *value).then_some(next);
            }
            ("delete", Outcome::Mismatch) => return (before == *missing).then_some(next),
            ("cas", _) => {
                let holds = before == input[0];
                match outcome {
                    Outcome::Ok(_) if !holds => return None,
                    Outcome::Mismatch => return (!holds).then_some(next),
                    _ if holds => input[1].clone(),
                    _ => return Some(next),
                }
            }
            (_, Outcome::Mismatch) | ("get", _) => return Some(next),
            ("put", _) => input.clone(),
            ("append", _) => append(&before, input)?,
            _ => missing.clone(),
        };
        next.insert(key, after);
        Some(next)
    })
}

/// The mutex, by the name of its holder.
pub(crate) fn mutex(operations: &[Operation], anyone_releases: bool) -> bool {
    legal(operations, &None, &|holder: &Option<u64>, operation| {
        let mine = holder.is_some_and(|holder| anyone_releases || holder == operation.process);
        match (operation.f.as_str(), &operation.outcome) {
            ("acquire", Outcome::Mismatch) => holder.is_some().then_some(*holder),
            ("acquire", _) if holder.is_none() => Some(Some(operation.process)),
            ("release", Outcome::Mismatch) if !mine => Some(*holder),
            ("release", Outcome::Ok(_) | Outcome::Unknown) if mine => Some(None),
            _ => None,
        }
    })
}

/// The fenced lock, with every token that an acquire of unknown outcome might have got.
pub(crate) fn fenced_lock(operations: &[Operation], expires: bool) -> bool {
    /// Greatest granted, holder, greatest accepted.
    type Lock = (u64, Option<u64>, u64);
    const TOKENS: u64 = 12;
    // Tokens of the players begin with 1, but 0 may be granted, too: all are moved up by one.
    let begin: BTreeSet<Lock> = BTreeSet::from([(0, None, 0)]);
    legal(operations, &begin, &|locks, operation| {
        let mut next = BTreeSet::new();
        let token = |value: &Value| value.as_u64().map_or(0, |token| token + 1);
        let input = token(&operation.input);
        for (granted, holder, accepted) in locks.iter().copied() {
            let holds = holder == Some(input);
            let free = (granted, None, accepted);
            let same = (granted, holder, accepted);
            let grant = |token: u64| {
                let may = token > granted && (expires || holder.is_none());
                may.then_some((token, Some(token), accepted))
            };
            match (operation.f.as_str(), &operation.outcome) {
                ("acquire", Outcome::Ok(value)) if value.as_u64().is_none() => {}
                ("acquire", Outcome::Ok(value)) => next.extend(grant(token(value))),
                ("acquire", Outcome::Unknown) => next.extend((1..TOKENS).filter_map(grant)),
                ("acquire", Outcome::Mismatch) if holder.is_some() => next.extend([same]),
                ("release", Outcome::Mismatch) if !holds || expires => next.extend([same]),
                ("release", Outcome::Ok(_) | Outcome::Unknown) if holds => next.extend([free]),
                ("release", Outcome::Ok(_) | Outcome::Unknown) if expires => next.extend([same]),
                ("write", Outcome::Mismatch) if input < accepted => next.extend([same]),
                ("write", Outcome::Ok(_) | Outcome::Unknown) if input >= accepted => {
                    next.extend([(granted, holder, input)]);
                }
                _ => {}
            }
        }
        (!next.is_empty()).then_some(next)
    })
}

/// The cache that chooses before each operation whether to drop what it holds, and chooses each token when it stores.
pub(crate) fn evicting_cache(operations: &[Operation]) -> bool {
    /// The value as text with its token, and all tokens given so far.
    type Cache = (Option<(String, u64)>, BTreeSet<u64>);
    const TOKENS: u64 = 9;
    let begin: BTreeSet<Cache> = BTreeSet::from([(None, BTreeSet::new())]);
    // Tokens matter only where somebody looks at them.
    let tokens = operations
        .iter()
        .any(|operation| matches!(operation.f.as_str(), "gets" | "cas"));
    legal(operations, &begin, &|caches, operation| {
        let mut next = BTreeSet::new();
        let dropped = caches.iter().map(|(_, given)| (None, given.clone()));
        for (stored, given) in dropped.chain(caches.iter().cloned()) {
            let mut store = |value: &Value| {
                let fresh = (0..if tokens { TOKENS } else { 1 })
                    .filter(|token| !tokens || !given.contains(token));
                for token in fresh {
                    let mut given = given.clone();
                    given.insert(token);
                    next.insert((Some((value.to_string(), token)), given));
                }
            };
            let input = &operation.input;
            let done = match (operation.f.as_str(), &operation.outcome) {
                ("get", Outcome::Ok(value)) => {
                    let held = stored.as_ref().map_or("null", |(value, _)| value.as_str());
                    let seen = value.to_string();
                    held == seen
                }
                ("gets", Outcome::Ok(value)) => match &stored {
                    None => value.is_null(),
                    Some((held, token)) => {
                        let seen = value[0].to_string();
                        *held == seen && value[1] == *token
                    }
                },
                ("get" | "gets", _) | ("set", Outcome::Mismatch) => true,
                ("add", Outcome::Mismatch) => stored.is_some(),
                ("replace" | "delete", Outcome::Mismatch) => stored.is_none(),
                ("cas", Outcome::Mismatch) => {
                    !stored.as_ref().is_some_and(|(_, token)| input[0] == *token)
                }
                (f, _) => {
                    let may = match f {
                        "set" => true,
                        "add" => stored.is_none(),
                        "cas" => stored.as_ref().is_some_and(|(_, token)| input[0] == *token),
                        _ => stored.is_some(),
                    };
                    match f {
                        "delete" if may => {
                            next.insert((None, given));
                        }
                        "cas" if may => store(&input[1]),
                        _ if may => store(input),
                        _ => {}
                    }
                    continue;
                }
            };
            if done {
                next.insert((stored, given));
            }
        }
        (!next.is_empty()).then_some(next)
    })
}

/// The cache with a time to live: whether moments exist is asked of all constraints at once (Bellman and Ford).
pub(crate) fn ttl_cache(operations: &[Operation], slack: u64) -> bool {
    legal(operations, &Vec::new(), &|order: &Vec<usize>, operation| {
        let mut order = order.clone();
        order.push(operation.id);
        moments_exist(operations, &order, slack as i128).then_some(order)
    })
}

fn moments_exist(operations: &[Operation], order: &[usize], slack: i128) -> bool {
    // `(a, b, d)`: the moment of a is at most that of b plus d. The last moment stands for the time 0.
    let zero = order.len();
    let mut constraints: Vec<(usize, usize, i128)> = Vec::new();
    let mut stored: Option<(usize, Value, Option<i128>)> = None;
    for (at, id) in order.iter().enumerate() {
        let operation = &operations[*id];
        constraints.push((zero, at, -i128::from(operation.call_time)));
        if let (true, Some(time)) = (operation.outcome != Outcome::Unknown, operation.ret_time) {
            constraints.push((at, zero, i128::from(time)));
        }
        if at > 0 {
            constraints.push((at - 1, at, 0));
        }
        let missed = match (operation.f.as_str(), &operation.outcome) {
            ("get", Outcome::Ok(value)) if !value.is_null() => {
                let Some((set, held, ttl)) = &stored else {
                    return false;
                };
                if held != value {
                    return false;
                }
                if let Some(ttl) = ttl {
                    constraints.push((at, *set, ttl + slack));
                }
                false
            }
            ("get", Outcome::Ok(_)) | ("delete", Outcome::Mismatch) => true,
            ("get", _) | ("set", Outcome::Mismatch) => false,
            ("set", _) => {
                let ttl = operation.input[1].as_u64().map(i128::from);
                stored = Some((at, operation.input[0].clone(), ttl));
                false
            }
            _ => {
                stored = None;
                false
            }
        };
        if let (true, Some((set, _, ttl))) = (missed, stored.take_if(|_| missed)) {
            let Some(ttl) = ttl else {
                return false;
            };
            constraints.push((set, at, -(ttl - slack).max(0)));
        }
    }
    let mut bounds = vec![0_i128; order.len() + 1];
    for _ in 0..=order.len() + 1 {
        let mut changed = false;
        for (left, right, most) in &constraints {
            let bound = bounds[*right] + most;
            if bounds[*left] > bound {
                bounds[*left] = bound;
                changed = true;
            }
        }
        if !changed {
            return true;
        }
    }
    false
}

/// The increments that were counted are any of those that happened.
pub(crate) fn lossy_counter(operations: &[Operation]) -> bool {
    legal(
        operations,
        &(0, 0),
        &|(least, most): &(u64, u64), operation| match (operation.f.as_str(), &operation.outcome) {
            ("increment", _) => Some((*least, *most + 1)),
            (_, Outcome::Ok(value)) => {
                let seen = value.as_u64()?;
                (*least <= seen && seen <= *most).then_some((seen, seen))
            }
            _ => Some((*least, *most)),
        },
    )
}

/// A specification without its hints, which must change the cost and nothing else.
pub(crate) struct WithoutHints<S>(pub(crate) S);

impl<S: Specification> Specification for WithoutHints<S> {
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
    fn describe_state(&self, state: &S::State) -> String {
        self.0.describe_state(state)
    }
    fn effect(&self, _op: &S::Op) -> Effect {
        Effect::Depends
    }
    fn state_bytes(&self, state: &S::State) -> u64 {
        self.0.state_bytes(state)
    }
}
