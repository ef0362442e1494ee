//! Random histories, honest and bent, against the oracle.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stormglass_checker::transactions::{
    Level, TransactionJudgement, TransactionKind, TransactionOptions, TransactionVerdict,
    check_transactions,
};
use stormglass_checker::{History, Kind};

use super::Random;
use super::oracle::{TRANSACTIONS_MAX, is_legal};
use super::oracle_committed::is_read_committed;
use super::store::{Asked, Isolation, Store};

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaign {
    pub(crate) lists: bool,
    pub(crate) final_read: bool,
    /// Some histories repeat values, of which nothing can be concluded.
    pub(crate) repeated: bool,
    pub(crate) histories: u64,
    pub(crate) seed: u64,
}

/// What was met.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    /// Of each level: how often the oracle found no order, and how often the checker did not rule the level out then.
    pub(crate) illegal: BTreeMap<Level, u64>,
    pub(crate) missed: BTreeMap<Level, u64>,
    pub(crate) legal: BTreeMap<Level, u64>,
    /// How often each kind of anomaly was found.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    /// A history in which an anomaly was missed.
    pub(crate) example: Option<String>,
}

/// The levels that the oracle knows.
pub(crate) const KNOWN: [Level; 5] = [
    Level::ReadCommitted,
    Level::SnapshotIsolation,
    Level::Serializable,
    Level::StrongSessionSerializable,
    Level::StrictSerializable,
];

/// True when the judgement leaves `level`.
pub(crate) fn leaves(judgement: &TransactionJudgement, level: Level) -> bool {
    judgement.strongest.iter().any(|left| left.implies(level))
}

/// Tries a number of histories from a seed; the first false alarm ends it.
///
/// # Errors
/// The history of which the checker says what is not so, as text.
pub(crate) fn run(campaign: Campaign) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for number in 0..campaign.histories {
        let mut random = Random(
            campaign
                .seed
                .wrapping_add(number)
                .wrapping_mul(0x2545_f491_4f6c_dd1d),
        );
        let isolation = Isolation::ALL[random.place(Isolation::ALL.len())];
        let asked = Asked {
            isolation,
            lists: campaign.lists,
            transactions: 2 + random.place(5),
            clients: 1 + random.place(4),
            keys: 1 + random.place(3),
            operations_max: 1 + random.place(4),
            lost_one_in: [0, 4, 8][random.place(3)],
            repeated_one_in: [0, 0, 0, 8][random.place(4)] * usize::from(campaign.repeated),
            final_read: campaign.final_read,
        };
        let mut history = Store::run(asked, &mut random);
        let bent = random.one_in(2);
        if bent {
            for _ in 0..=random.place(2) {
                bend(&mut history, &mut random, campaign.lists);
            }
        }
        let problem = judge_one(
            &history,
            campaign.lists,
            (!bent).then_some(isolation),
            asked.repeated_one_in == 0,
            &mut tally,
        );
        if let Err(problem) = problem {
            return Err(format!(
                "history {number} of seed {}: {problem}\n{}",
                campaign.seed,
                text(&history)
            ));
        }
    }
    Ok(tally)
}

pub(crate) fn text(history: &History) -> String {
    let lines = history
        .events
        .iter()
        .map(|event| format!("{} {} {}", event.process, event.kind.name(), event.value));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a committed transaction read what nobody but itself wrote, and only later. Values are written once.
fn saw_its_future(history: &History) -> bool {
    history.events.iter().any(|event| {
        let micros = event.value.as_array().map_or(&[][..], Vec::as_slice);
        let future = |(at, read): (usize, &Value)| {
            let saw = |write: &Value| {
                write[0] != "r"
                    && write[1] == read[1]
                    && match &read[2] {
                        Value::Array(list) => list.contains(&write[2]),
                        value => *value == write[2],
                    }
            };
            read[0] == "r" && micros[at..].iter().any(saw)
        };
        event.kind == Kind::Ok && micros.iter().enumerate().any(future)
    })
}

fn judge_one(
    history: &History,
    lists: bool,
    honest: Option<Isolation>,
    unique: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let options = TransactionOptions {
        kind: match lists {
            true => TransactionKind::ListAppend,
            false => TransactionKind::Register,
        },
        reported_max: 1,
        ..TransactionOptions::default()
    };
    let judgement = check_transactions(history, &options).map_err(|error| error.to_string())?;
    tally.histories += 1;
    for count in &judgement.counts {
        *tally.kinds.entry(count.kind.name()).or_default() += 1;
    }
    let valid = judgement.verdict == TransactionVerdict::Valid;
    if valid != leaves(&judgement, Level::StrictSerializable) {
        return Err(format!("the verdict does not fit: {judgement:?}"));
    }
    if let Some(isolation) = honest
        && !leaves(&judgement, isolation.level())
    {
        return Err(format!("the store is {isolation:?}: {}", told(&judgement)));
    }
    if unique && saw_its_future(history) && leaves(&judgement, Level::ReadCommitted) {
        return Err("a transaction read what it wrote only later".into());
    }
    let mut legal_above = false;
    for level in KNOWN.into_iter().rev() {
        // Whatever keeps a level keeps the weaker ones.
        let legal = match legal_above {
            true => true,
            false if level == Level::ReadCommitted && unique => is_read_committed(history, lists),
            // Of repeated values that oracle does not know which was read.
            false if level == Level::ReadCommitted => continue,
            false => match is_legal(history, level, lists) {
                Some(legal) => legal,
                None => return Err(format!("more than {TRANSACTIONS_MAX} transactions")),
            },
        };
        legal_above = legal;
        let left = leaves(&judgement, level);
        match legal {
            true => *tally.legal.entry(level).or_default() += 1,
            false => *tally.illegal.entry(level).or_default() += 1,
        }
        if legal && !left {
            return Err(format!("{level} is kept: {}", told(&judgement)));
        }
        if !legal && left {
            *tally.missed.entry(level).or_default() += 1;
            if tally.example.is_none() {
                tally.example = Some(format!("{level}\n{}", text(history)));
            }
        }
    }
    Ok(())
}

fn told(judgement: &TransactionJudgement) -> String {
    let told = judgement.anomalies.iter();
    told.map(|anomaly| anomaly.explanation.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Makes a history say what did not happen, without making it malformed.
pub(crate) fn bend(history: &mut History, random: &mut Random, lists: bool) {
    let events = &mut history.events;
    let returns: Vec<usize> = (0..events.len())
        .filter(|at| events[*at].kind == Kind::Ok)
        .collect();
    if returns.is_empty() {
        return;
    }
    let at = returns[random.place(returns.len())];
    match random.place(6) {
        0 if at > 0 && events[at - 1].process != events[at].process => {
            events.swap(at - 1, at);
        }
        1 => {
            let process = events[at].process;
            let last = events[at + 1..]
                .iter()
                .all(|event| event.process != process);
            let kind = match random.one_in(2) {
                true => Kind::Fail,
                false if last => Kind::Info,
                false => return,
            };
            events[at].kind = kind;
            for micro in events[at].value.as_array_mut().into_iter().flatten() {
                if micro[0] == "r" {
                    micro[2] = Value::Null;
                }
            }
        }
        _ => {
            let reads = |event: &stormglass_checker::Event| -> Vec<usize> {
                let micros = event.value.as_array().into_iter().flatten();
                let places = micros.enumerate().filter(|(_, micro)| micro[0] == "r");
                places.map(|(place, _)| place).collect()
            };
            let places = reads(&events[at]);
            if places.is_empty() {
                return;
            }
            let place = places[random.place(places.len())];
            let known: Vec<Value> = events
                .iter()
                .filter(|event| event.kind == Kind::Invoke)
                .flat_map(|event| event.value.as_array().into_iter().flatten())
                .filter(|micro| micro[0] != "r" && micro[1] == events[at].value[place][1])
                .map(|micro| micro[2].clone())
                .collect();
            let result = &mut events[at].value[place][2];
            *result = match lists {
                true => lie_about_list(result, &known, random),
                false => match random.place(8) {
                    0 => Value::Null,
                    1 => json!(999),
                    _ if known.is_empty() => Value::Null,
                    _ => known[random.place(known.len())].clone(),
                },
            };
        }
    }
}

fn lie_about_list(result: &Value, known: &[Value], random: &mut Random) -> Value {
    let mut list = result.as_array().cloned().unwrap_or_default();
    match random.place(8) {
        0..=2 => {
            list.pop();
        }
        3 | 4 if !known.is_empty() => list.push(known[random.place(known.len())].clone()),
        5 if list.len() > 1 => {
            let place = random.place(list.len() - 1);
            list.swap(place, place + 1);
        }
        6 => {
            let place = random.place(list.len() + 1);
            list.insert(place, json!(999));
        }
        _ => list.clear(),
    }
    Value::Array(list)
}
