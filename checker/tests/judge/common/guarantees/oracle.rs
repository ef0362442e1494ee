//! The judges of the judges: every order of all operations, and every order of the writes of a key, straight from the definitions.

use std::collections::BTreeMap;

use stormglass_checker::{Effect, Guarantee, Operation, Outcome, Register, Specification};

/// True when some order of all operations is legal and keeps what `guarantee` (ordered sequential, or sequential) asks.
pub(crate) fn some_order<S: Specification>(
    specification: &S,
    operations: &[Operation],
    guarantee: Guarantee,
) -> bool {
    let parsed: Vec<(&Operation, S::Op)> = operations
        .iter()
        .filter_map(|operation| {
            Some((
                operation,
                specification
                    .parse(operation)
                    .expect("an operation of the object")?,
            ))
        })
        .collect();
    let before = |first: usize, second: usize| {
        let ((first, _), (second, op)) = (&parsed[first], &parsed[second]);
        let program = first.process == second.process && first.call < second.call;
        let timed =
            guarantee == Guarantee::OrderedSequential && specification.effect(op) != Effect::Reads;
        program || timed && first.precedes(second)
    };
    let mut placed = vec![false; parsed.len()];
    extend(
        specification,
        &parsed,
        &before,
        &mut placed,
        &BTreeMap::new(),
    )
}

fn extend<S: Specification>(
    specification: &S,
    parsed: &[(&Operation, S::Op)],
    before: &dyn Fn(usize, usize) -> bool,
    placed: &mut [bool],
    states: &BTreeMap<Option<String>, S::State>,
) -> bool {
    let must = |at: usize| parsed[at].0.outcome != Outcome::Unknown;
    if (0..parsed.len()).all(|at| placed[at] || !must(at)) {
        return true;
    }
    for at in 0..parsed.len() {
        // One of unknown outcome that was passed over never happened; it is the last of its process.
        let early =
            (0..parsed.len()).any(|other| !placed[other] && must(other) && before(other, at));
        if placed[at] || early {
            continue;
        }
        let (operation, op) = &parsed[at];
        let key = operation.key.clone().filter(|_| specification.per_key());
        let state = states
            .get(&key)
            .cloned()
            .unwrap_or_else(|| specification.initial());
        let Some(next) = specification.step(&state, op) else {
            continue;
        };
        let mut states = states.clone();
        states.insert(key, next);
        placed[at] = true;
        if extend(specification, parsed, before, placed, &states) {
            return true;
        }
        placed[at] = false;
    }
    false
}

/// What one operation on a register read and wrote.
struct Act<'a> {
    operation: &'a Operation,
    seen: Option<u64>,
    left: Option<u64>,
}

/// True when on each key some choice of what took effect, of what each read saw and of the order of the writes keeps the
/// session guarantee.
pub(crate) fn sessions_hold(
    register: &Register,
    operations: &[Operation],
    guarantee: Guarantee,
) -> bool {
    let mut keys: Vec<&Option<String>> =
        operations.iter().map(|operation| &operation.key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().all(|key| {
        let acts: Vec<Act<'_>> = operations
            .iter()
            .filter(|operation| operation.key == *key)
            .filter_map(|operation| {
                let op = register
                    .parse(operation)
                    .expect("an operation of the object")?;
                let access = register.access(&op).expect("a register tells");
                Some(Act {
                    operation,
                    seen: access.seen,
                    left: access.left,
                })
            })
            .collect();
        let unknown: Vec<usize> = (0..acts.len())
            .filter(|at| acts[*at].operation.outcome == Outcome::Unknown)
            .collect();
        (0..1u32 << unknown.len()).any(|chosen| {
            let effective: Vec<&Act<'_>> = (0..acts.len())
                .filter(|at| {
                    unknown
                        .iter()
                        .position(|it| it == at)
                        .is_none_or(|bit| chosen >> bit & 1 == 1)
                })
                .map(|at| &acts[at])
                .collect();
            key_holds(register, &effective, guarantee)
        })
    })
}

fn key_holds(register: &Register, acts: &[&Act<'_>], guarantee: Guarantee) -> bool {
    let writes: Vec<usize> = (0..acts.len())
        .filter(|at| acts[*at].left.is_some())
        .collect();
    let known = |at: usize| acts[at].operation.outcome != Outcome::Unknown;
    let initial = register.initial();
    // For each read the writes it may have seen; `None` is the initial content.
    let mut sources: Vec<(usize, Vec<Option<usize>>)> = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        let Some(seen) = act.seen else { continue };
        let mut may: Vec<Option<usize>> = writes
            .iter()
            .filter(|write| acts[**write].left == Some(seen))
            .map(|write| Some(*write))
            .collect();
        // The number of what the register holds at first.
        if format!("{initial:?}") == format!("Scalar({seen})") {
            may.push(None);
        }
        if let (Some(version), None) = (act.operation.version, act.left) {
            let numbered: Vec<usize> = writes
                .iter()
                .copied()
                .filter(|write| known(*write) && acts[*write].operation.version == Some(version))
                .collect();
            if let [write] = numbered.as_slice()
                && acts[*write].left == Some(seen)
            {
                may = vec![Some(*write)];
            }
        }
        sources.push((at, may));
    }
    let mut chosen = BTreeMap::new();
    choose(&sources, &mut chosen, &mut |chosen| {
        let mut order = writes.clone();
        permute(&mut order, 0, &mut |order| {
            order_holds(acts, order, chosen, guarantee)
        })
    })
}

type Chosen = BTreeMap<usize, Option<usize>>;

fn choose(
    sources: &[(usize, Vec<Option<usize>>)],
    chosen: &mut Chosen,
    accept: &mut dyn FnMut(&Chosen) -> bool,
) -> bool {
    let Some(((read, may), rest)) = sources.split_first() else {
        return accept(chosen);
    };
    may.iter().any(|source| {
        chosen.insert(*read, *source);
        choose(rest, chosen, accept)
    })
}

fn permute(order: &mut Vec<usize>, from: usize, accept: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if from == order.len() {
        return accept(order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        let found = permute(order, from + 1, accept);
        order.swap(from, at);
        if found {
            return true;
        }
    }
    false
}

fn order_holds(acts: &[&Act<'_>], order: &[usize], chosen: &Chosen, guarantee: Guarantee) -> bool {
    let version = |write: usize| {
        let operation = acts[write].operation;
        operation
            .version
            .filter(|_| operation.outcome != Outcome::Unknown)
    };
    for (at, first) in order.iter().enumerate() {
        for second in &order[at + 1..] {
            if let (Some(first), Some(second)) = (version(*first), version(*second))
                && first > second
            {
                return false;
            }
        }
    }
    let place = |write: Option<usize>| {
        write.map_or(0, |write| {
            1 + order
                .iter()
                .position(|at| *at == write)
                .expect("in the order")
        })
    };
    // Each process: what it read and wrote, one after the other, as (is a read, place).
    let mut sessions: BTreeMap<u64, Vec<(bool, usize)>> = BTreeMap::new();
    for (at, act) in acts.iter().enumerate() {
        let session = sessions.entry(act.operation.process).or_default();
        if act.seen.is_some() {
            session.push((true, place(chosen[&at])));
        }
        if act.left.is_some() {
            session.push((false, place(Some(at))));
        }
    }
    let all = guarantee == Guarantee::AllSessions;
    let asked = |one| all || guarantee == one;
    sessions.values().all(|session| {
        session.iter().enumerate().all(|(at, first)| {
            session[at + 1..]
                .iter()
                .all(|second| match (first.0, second.0) {
                    (false, true) => !asked(Guarantee::ReadYourWrites) || first.1 <= second.1,
                    (true, true) => !asked(Guarantee::MonotonicReads) || first.1 <= second.1,
                    (false, false) => !asked(Guarantee::MonotonicWrites) || first.1 < second.1,
                    (true, false) => !asked(Guarantee::WritesFollowReads) || first.1 < second.1,
                })
        })
    })
}

/// What the definition of convergence says, key by key: `Some(true)` kept, `Some(false)` broken, `None` open.
pub(crate) fn converges(register: &Register, operations: &[Operation]) -> Option<bool> {
    let mut result = Some(true);
    let acts: Vec<Act<'_>> = operations
        .iter()
        .filter_map(|operation| {
            let op = register
                .parse(operation)
                .expect("an operation of the object")?;
            let access = register.access(&op).expect("a register tells");
            Some(Act {
                operation,
                seen: access.seen,
                left: access.left,
            })
        })
        .collect();
    let unknown = |act: &Act<'_>| act.operation.outcome == Outcome::Unknown;
    let mut keys: Vec<&Option<String>> =
        operations.iter().map(|operation| &operation.key).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let of_key = || acts.iter().filter(|act| act.operation.key == *key);
        let is_final = |act: &&Act<'_>| {
            act.left.is_none()
                && act.seen.is_some()
                && acts.iter().all(|other| {
                    other.left.is_none()
                        || unknown(other)
                        || other.operation.precedes(act.operation)
                })
        };
        let finals: Vec<&Act<'_>> = of_key().filter(is_final).collect();
        let last = |act: &&&Act<'_>| {
            !finals.iter().any(|later| {
                later.operation.process == act.operation.process
                    && later.operation.call > act.operation.call
            })
        };
        let finals: Vec<&&Act<'_>> = finals.iter().filter(last).collect();
        if finals.is_empty() {
            result = result.and(None);
        }
        // Which single content could all replicas hold at last, and which could still be on its way?
        let untouched = of_key().all(|act| act.left.is_none() || unknown(act));
        let initial = |content: u64| {
            untouched && format!("{:?}", register.initial()) == format!("Scalar({content})")
        };
        let possible =
            |content: u64| of_key().any(|act| act.left == Some(content)) || initial(content);
        let late = |content: u64| of_key().any(|act| unknown(act) && act.left == Some(content));
        if finals.iter().any(|act| !possible(act.seen.unwrap())) {
            return Some(false);
        }
        for first in &finals {
            for second in &finals {
                if first.seen != second.seen {
                    if !late(first.seen.unwrap()) && !late(second.seen.unwrap()) {
                        return Some(false);
                    }
                    result = result.and(None);
                }
            }
        }
    }
    result
}
