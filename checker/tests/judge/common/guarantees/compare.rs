//! Holds every judge against its oracle.

use std::collections::BTreeMap;

use serde_json::Value;
use stormglass_checker::guarantees::{Answer, Unproven, Violation, Witness, verify_order};
use stormglass_checker::oracle::is_legal;
use stormglass_checker::{
    Effect, Guarantee, History, Ladder, Limits, Operation, Outcome, Register, Specification,
    SpecificationError, ladder,
};

use super::oracle::{converges, sessions_hold, some_order};
use super::systems::{Asked, System, bend, run};
use crate::common::Random;

/// How often each guarantee was found kept, broken and unknown.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<Guarantee, [u64; 3]>,
    /// Violations that are circles of constraints, and those found by trying everything.
    pub(crate) circles: u64,
    pub(crate) exhausted: u64,
}

/// A register that keeps to itself what its operations saw, and perhaps even what they do.
struct Mute {
    register: Register,
    hints: bool,
}

impl Specification for Mute {
    type Op = <Register as Specification>::Op;
    type State = <Register as Specification>::State;

    fn name(&self) -> &str {
        "mute register"
    }
    fn promise(&self) -> &str {
        "none"
    }
    fn parse(&self, operation: &Operation) -> Result<Option<Self::Op>, SpecificationError> {
        self.register.parse(operation)
    }
    fn initial(&self) -> Self::State {
        self.register.initial()
    }
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State> {
        self.register.step(state, op)
    }
    fn describe(&self, op: &Self::Op) -> String {
        self.register.describe(op)
    }
    fn per_key(&self) -> bool {
        true
    }
    fn effect(&self, op: &Self::Op) -> Effect {
        if self.hints {
            self.register.effect(op)
        } else {
            Effect::Depends
        }
    }
}

/// Runs `histories` histories of weak systems, half of them bent.
///
/// # Errors
/// The first on which a judge and its oracle disagree, as text.
pub(crate) fn fuzz(histories: u64, seed: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for number in 0..histories {
        let mut random = Random(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let systems = [
            System::Stale,
            System::Shifted,
            System::Forgetful,
            System::Wild,
        ];
        let finals = random.below(3) == 0;
        let asked = Asked {
            system: systems[random.below(4) as usize],
            clients: 2 + random.below(2) as usize,
            operations: 3 + random.below(if finals { 2 } else { 4 }) as usize,
            keys: 1 + random.below(2) as usize,
            finals,
            starts_at_one: random.below(4) == 0,
            unique: random.below(3) > 0,
            cas: random.below(2) == 0,
            versions: random.below(2) == 0,
            crashes_percent: random.below(2) * 20,
        };
        let mut history = run(asked, &mut random);
        if number % 2 == 1 {
            bend(&mut history, asked, &mut random);
        }
        compare(&history, &asked.initial(), &mut tally).map_err(|problem| {
            let mut text = Vec::new();
            let _ = history.write_jsonl(&mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            format!("history {number} of seed {seed}, {asked:?}: {problem}\n{text}")
        })?;
    }
    Ok(tally)
}

pub(crate) fn compare(history: &History, initial: &Value, tally: &mut Tally) -> Result<(), String> {
    let operations = history.operations().map_err(|error| error.to_string())?;
    let register = Register::starting_at(initial);
    let found =
        ladder(&register, history, &Limits::default()).map_err(|error| error.to_string())?;
    orders(&register, history, &operations, &found, tally)?;
    for hints in [false, true] {
        let mute = Mute {
            register: Register::starting_at(initial),
            hints,
        };
        let found =
            ladder(&mute, history, &Limits::default()).map_err(|error| error.to_string())?;
        orders(&mute, history, &operations, &found, &mut Tally::default())?;
    }
    sessions(&register, initial, &operations, &found, tally)?;
    let conv = answer(&found, Guarantee::Convergence)?;
    count(tally, Guarantee::Convergence, conv);
    if !operations.is_empty() && !matches!(conv, Answer::Unknown(Unproven::NoRegister)) {
        let said = match conv {
            Answer::Satisfied(_) => Some(true),
            Answer::Violated(_) => Some(false),
            Answer::Unknown(_) => None,
        };
        let truth = converges(&register, &operations);
        if said != truth {
            return Err(format!(
                "convergence is said to be {conv:?}, and is {truth:?}"
            ));
        }
    }
    implications(&operations, &found)
}

fn answer(ladder: &Ladder, guarantee: Guarantee) -> Result<&Answer, String> {
    ladder
        .answer(guarantee)
        .ok_or_else(|| format!("{guarantee:?} has no rung"))
}

fn count(tally: &mut Tally, guarantee: Guarantee, answer: &Answer) {
    let slot = match answer {
        Answer::Satisfied(_) => 0,
        Answer::Violated(_) => 1,
        Answer::Unknown(_) => 2,
    };
    tally.answers.entry(guarantee).or_default()[slot] += 1;
}

/// The three that ask for an order.
fn orders<S: Specification>(
    specification: &S,
    history: &History,
    operations: &[Operation],
    found: &Ladder,
    tally: &mut Tally,
) -> Result<(), String> {
    use stormglass_checker::guarantees::{ordered_sequential, sequential};
    for guarantee in [
        Guarantee::Linearizability,
        Guarantee::OrderedSequential,
        Guarantee::Sequential,
    ] {
        let truth = match guarantee {
            Guarantee::Linearizability => {
                is_legal(specification, operations).map_err(|error| error.to_string())?
            }
            _ => some_order(specification, operations, guarantee),
        };
        // The ladder takes short cuts; the judge by itself must say the same.
        let alone = match guarantee {
            Guarantee::OrderedSequential => Some(ordered_sequential::judge(
                specification,
                history,
                &Limits::default(),
            )),
            Guarantee::Sequential => Some(sequential::judge(
                specification,
                history,
                &Limits::default(),
            )),
            _ => None,
        };
        let alone = alone.transpose().map_err(|error| error.to_string())?;
        count(tally, guarantee, answer(found, guarantee)?);
        for answer in [Some(answer(found, guarantee)?), alone.as_ref()]
            .into_iter()
            .flatten()
        {
            match answer {
                Answer::Satisfied(_) if !truth => {
                    return Err(format!(
                        "{guarantee:?} is called kept, but no order is legal"
                    ));
                }
                Answer::Violated(_) if truth => {
                    return Err(format!(
                        "{guarantee:?} is called broken, but an order is legal"
                    ));
                }
                Answer::Unknown(why) => return Err(format!("{guarantee:?}: {why}")),
                Answer::Satisfied(Witness::Order(certificate))
                    if guarantee != Guarantee::Linearizability =>
                {
                    verify_order(
                        specification,
                        operations,
                        &certificate.parts[0].order,
                        guarantee,
                    )?;
                }
                Answer::Violated(violation) if guarantee != Guarantee::Linearizability => {
                    match violation.links.is_empty() {
                        true => tally.exhausted += 1,
                        false => tally.circles += 1,
                    }
                    collide(specification, operations, violation, guarantee)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The culprits have no order even when all others are free, and freeing any one of them gives an order.
fn collide<S: Specification>(
    specification: &S,
    operations: &[Operation],
    violation: &Violation,
    guarantee: Guarantee,
) -> Result<(), String> {
    if !violation.minimal {
        return Err("the culprits are not said to be minimal".into());
    }
    let culprit = |id: usize| {
        violation
            .culprits
            .iter()
            .any(|operation| operation.id == id)
    };
    let legal = |kept: &dyn Fn(usize) -> bool| {
        let trial: Vec<Operation> = operations
            .iter()
            .filter(|operation| kept(operation.id) || operation.outcome != Outcome::Mismatch)
            .map(|operation| match kept(operation.id) {
                true => operation.clone(),
                false => Operation {
                    process: 1000 + operation.id as u64,
                    outcome: Outcome::Unknown,
                    call: 0,
                    ret: None,
                    ..operation.clone()
                },
            })
            .collect();
        some_order(specification, &trial, guarantee)
    };
    if legal(&culprit) {
        return Err(format!(
            "the culprits of {guarantee:?} do not collide: {}",
            violation.explanation
        ));
    }
    for freed in &violation.culprits {
        if !legal(&|id| culprit(id) && id != freed.id) {
            return Err(format!(
                "#{} is no culprit of {guarantee:?}: {}",
                freed.id, violation.explanation
            ));
        }
    }
    for link in &violation.links {
        if !culprit(link.before) || !culprit(link.after) {
            // What a culprit saw may have been written by one that is free.
            let source = link.because.contains("saw") || link.because.contains("wrote");
            if !source {
                return Err(format!("{link:?} is about no culprit"));
            }
        }
    }
    Ok(())
}

fn sessions(
    register: &Register,
    initial: &Value,
    operations: &[Operation],
    found: &Ladder,
    tally: &mut Tally,
) -> Result<(), String> {
    for guarantee in [
        Guarantee::AllSessions,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
    ] {
        let answer = answer(found, guarantee)?;
        count(tally, guarantee, answer);
        let truth = sessions_hold(register, operations, guarantee);
        match answer {
            Answer::Satisfied(_) if !truth => {
                return Err(format!(
                    "{guarantee:?} is called kept, but is broken: {answer:?}"
                ));
            }
            Answer::Violated(violation) if truth => {
                return Err(format!(
                    "{guarantee:?} is called broken, but holds: {}",
                    violation.explanation
                ));
            }
            Answer::Violated(violation) => {
                // What is told is enough: the history without all other reads and writes of known sessions breaks it, too.
                let kept: Vec<Operation> = operations
                    .iter()
                    .filter(|operation| {
                        let told = violation
                            .culprits
                            .iter()
                            .any(|culprit| culprit.id == operation.id);
                        told || operation.f != "read"
                    })
                    .cloned()
                    .collect();
                if sessions_hold(register, &kept, guarantee) {
                    return Err(format!(
                        "{guarantee:?} is broken by more than is told: {}",
                        violation.explanation
                    ));
                }
            }
            Answer::Unknown(Unproven::NotRuledOut { .. }) if repeats(operations, initial) => {}
            Answer::Unknown(Unproven::NoRegister) => {}
            Answer::Unknown(why) => return Err(format!("{guarantee:?} is unknown: {why}")),
            Answer::Satisfied(_) => {}
        }
    }
    Ok(())
}

/// True when which write a read saw may be unclear: a value written twice, or one that was there at first.
fn repeats(operations: &[Operation], initial: &Value) -> bool {
    let written = |operation: &Operation| match operation.f.as_str() {
        "write" => Some((operation.key.clone(), operation.input.to_string())),
        "cas" => Some((operation.key.clone(), operation.input[1].to_string())),
        _ => None,
    };
    let mut all: Vec<_> = operations.iter().filter_map(written).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    let guess = operations
        .iter()
        .any(|operation| operation.f == "cas" && operation.outcome == Outcome::Unknown);
    let initial = initial.to_string();
    let first = all.iter().any(|(_, value)| *value == initial);
    all.len() < count || guess || first
}

/// What follows from a kept guarantee is not broken, where no numbers of the server say otherwise.
fn implications(operations: &[Operation], found: &Ladder) -> Result<(), String> {
    let numbered = operations
        .iter()
        .any(|operation| operation.version.is_some());
    for strong in Guarantee::ALL {
        for weak in Guarantee::ALL {
            let across = numbered && strong.is_stronger_than(Guarantee::AllSessions);
            if !strong.is_stronger_than(weak)
                || across && !weak.is_stronger_than(Guarantee::AllSessions)
            {
                continue;
            }
            let (upper, lower) = (answer(found, strong)?, answer(found, weak)?);
            if upper.is_satisfied() && lower.violation().is_some() {
                return Err(format!("{strong:?} is kept and {weak:?} is broken"));
            }
        }
    }
    let linearizable = answer(found, Guarantee::Linearizability)?.is_satisfied();
    if linearizable && answer(found, Guarantee::Convergence)?.violation().is_some() {
        return Err("linearizable, and does not converge".into());
    }
    Ok(())
}
