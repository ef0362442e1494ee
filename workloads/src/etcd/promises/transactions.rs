//! Transactions take effect one after the other, in an order that time allows, whatever revisions say.
//!
//! > KV Service operations are atomic and occur in a total order, consistent with real-time order of those operations.
//! >
//! > *etcd API guarantees*, Strict serializability
//!
//! Keys below `lists/` hold lists: elements with a space between two. A client reads a list, and in a transaction that compares when the list
//! was set last, or what it holds, it puts the same list with one element more. That is a read of the list and an append to it; a read by itself, or in the branch that is taken,
//! is a read. The transaction checker of crate `checker` finds what cannot be put in order; it knows nothing of revisions. A history in which such a key is
//! changed in another way is not judged.
//!
//! Counterexample: two transactions read the same list and each appends to it.

use super::ground::Ground;
use super::story::Deed;
use super::{Breach, Promise};
use serde_json::{Value, json};
use stormglass_checker::History;
use stormglass_checker::history::{Event, Kind, Process};
use stormglass_checker::transactions::{
    Anomaly, AnomalyKind, Level, TransactionKind, TransactionOptions, TransactionVerdict,
    check_transactions,
};
use stormglass_impls::etcd::words::{
    Ask, Compare, CompareResult, Done, KeyValue, Keys, Op, Put, TO_THE_END, Target, Txn, TxnOp,
};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "transactions",
    quote: "\"KV Service operations are atomic and occur in a total order, consistent with real-time order of those operations\" (etcd API guarantees, \
            Strict serializability)",
    judge,
};

/// What the names of lists begin with.
const LISTS: &str = "lists/";

fn is_list(key: &str) -> bool {
    key.starts_with(LISTS)
}

/// Whether a range may hold lists.
fn may_hold_lists(keys: &Keys) -> bool {
    let lists = Keys::prefix(LISTS);
    match keys.range_end.as_deref() {
        None => is_list(&keys.key),
        Some(end) => {
            let begins_before = lists
                .range_end
                .as_ref()
                .is_some_and(|last| keys.key < *last);
            begins_before && (end == TO_THE_END || end > LISTS)
        }
    }
}

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let Some(derived) = Derived::of(ground) else {
        return Ok(());
    };
    let options = TransactionOptions {
        kind: TransactionKind::ListAppend,
        level: Level::StrictSerializable,
        reported_max: 1,
        limits: ground.limits,
        ..TransactionOptions::default()
    };
    match check_transactions(&derived.history, &options) {
        Ok(judgement) => match &judgement.verdict {
            TransactionVerdict::Valid => Ok(()),
            TransactionVerdict::Invalid { kinds } => derived.collision(kinds, &judgement.anomalies),
            TransactionVerdict::Unknown { reason, limit } => {
                ground.undecided.set(Some((*reason, *limit)));
                Ok(())
            }
        },
        // A client took a number that it had given up: the history was read, so that cannot be.
        Err(error) => Breach::of([], format!("The lists cannot be judged: {error}.")),
    }
}

/// What the operations on lists were, in the words of the transaction checker.
struct Derived {
    history: History,
    /// Whose event it is.
    deeds: Vec<usize>,
}

/// What is done in one transaction; `None` for a way that lists are not changed.
type Micro = Option<Vec<Value>>;

impl Derived {
    /// `None` when there are no lists, or when they are changed in other ways.
    fn of(ground: &Ground<'_>) -> Option<Self> {
        let mut lines: Vec<(usize, Kind, &Deed, Vec<Value>)> = Vec::new();
        for deed in &ground.story.deeds {
            let micro = micro(deed)?;
            if micro.is_empty() {
                continue;
            }
            let asked = micro.iter().map(without_result).collect();
            lines.push((deed.call, Kind::Invoke, deed, asked));
            if deed.ended.is_some() {
                lines.push((deed.answer, Kind::Ok, deed, micro));
            }
        }
        lines.sort_by_key(|(at, ..)| *at);
        let deeds = lines.iter().map(|(_, _, deed, _)| deed.id).collect();
        let events = lines.into_iter().map(|(at, kind, deed, micro)| Event {
            index: at as u64,
            time: at as u64,
            // Who gave up goes on as another.
            process: Process::Client(match deed.ended {
                Some(_) => deed.process,
                None => u64::MAX - deed.id as u64,
            }),
            kind,
            f: "txn".to_string(),
            key: None,
            value: Value::Array(micro),
            version: None,
            error: None,
        });
        let history = History {
            events: events.collect(),
        };
        (!history.events.is_empty()).then_some(Self { history, deeds })
    }

    fn collision(&self, kinds: &[AnomalyKind], anomalies: &[Anomaly]) -> Result<(), Breach> {
        let mut found = anomalies.iter();
        let Some(anomaly) = found.find(|anomaly| kinds.contains(&anomaly.kind)) else {
            return Breach::of([], format!("The lists cannot be put in order: {kinds:?}."));
        };
        let participants = anomaly.evidence.participants().into_iter();
        let culprits = participants.filter_map(|one| self.deeds.get(one.call).copied());
        Breach::of(
            culprits,
            format!("{}: {}", anomaly.kind, anomaly.explanation),
        )
    }
}

/// The same without what a read found.
fn without_result(micro: &Value) -> Value {
    match micro.get(0).and_then(Value::as_str) {
        Some("r") => json!(["r", micro[1], null]),
        _ => micro.clone(),
    }
}

fn micro(deed: &Deed) -> Micro {
    let ask = deed.request().map(|request| &request.ask);
    match (ask, deed.done()) {
        (Some(Ask::Range(range)), Some(Done::Range { kvs, .. })) => {
            let is_now = range.revision == 0 && !range.serializable;
            let is_one = range.keys.range_end.is_none() && is_list(&range.keys.key);
            Some(match is_now && is_one {
                true => vec![read(&range.keys.key, kvs)],
                false => Vec::new(),
            })
        }
        (Some(Ask::Write(Op::Put(put))), _) => (!is_list(&put.key)).then(Vec::new),
        (Some(Ask::Write(Op::DeleteRange(delete))), _) => {
            (!may_hold_lists(&delete.keys)).then(Vec::new)
        }
        (
            Some(Ask::Write(Op::Txn(txn))),
            Some(Done::Txn {
                succeeded,
                responses,
            }),
        ) => of_txn(txn, *succeeded, responses),
        (Some(Ask::Write(Op::Txn(txn))), None) if deed.ended.is_none() => lost(txn),
        _ => Some(Vec::new()),
    }
}

fn read(key: &str, kvs: &[KeyValue]) -> Value {
    let list = kvs.first().map_or("", |kv| kv.value.as_str());
    json!(["r", key, elements(list)])
}

fn elements(list: &str) -> Vec<&str> {
    list.split(' ')
        .filter(|element| !element.is_empty())
        .collect()
}

fn of_txn(txn: &Txn, succeeded: bool, responses: &[Done]) -> Micro {
    let branch = if succeeded {
        &txn.success
    } else {
        &txn.failure
    };
    let mut micro = Vec::new();
    for (part, done) in branch.iter().zip(responses) {
        match (part, done) {
            (TxnOp::Range(range), Done::Range { kvs, .. }) => {
                let is_one = range.keys.range_end.is_none() && range.revision == 0;
                if is_one && is_list(&range.keys.key) {
                    micro.push(read(&range.keys.key, kvs));
                }
            }
            (TxnOp::Put(put), _) if is_list(&put.key) => {
                let (before, element) = appended(txn, succeeded, put)?;
                micro.push(json!(["r", put.key, before]));
                micro.push(json!(["append", put.key, element]));
            }
            (TxnOp::DeleteRange(delete), _) if may_hold_lists(&delete.keys) => return None,
            _ => {}
        }
    }
    Some(micro)
}

/// What was in a list that a put makes longer by one, if it is certain that it was.
fn appended<'a>(txn: &Txn, succeeded: bool, put: &'a Put) -> Option<(Vec<&'a str>, &'a str)> {
    let mut before = elements(&put.value);
    let element = before.pop()?;
    let is_certain = |compare: &Compare| {
        let is_of_it = compare.keys.range_end.is_none() && compare.keys.key == put.key;
        let says = match &compare.target {
            Target::ModRevision(_) => true,
            Target::Value(list) => elements(list) == before,
            Target::Version(number) | Target::CreateRevision(number) => {
                *number == 0 && before.is_empty()
            }
            Target::Lease(_) => false,
        };
        is_of_it && says && compare.result == CompareResult::Equal
    };
    let is_certain = txn.compare.iter().any(is_certain);
    (succeeded && is_certain).then_some((before, element))
}

/// What may have been done by a transaction of unknown outcome.
fn lost(txn: &Txn) -> Micro {
    let mut micro = Vec::new();
    for part in &txn.success {
        if let TxnOp::Put(put) = part
            && is_list(&put.key)
        {
            let (_, element) = appended(txn, true, put)?;
            micro.push(json!(["append", put.key, element]));
        }
    }
    let elsewhere = |part: &TxnOp| match part {
        TxnOp::Range(_) => false,
        TxnOp::Put(put) => is_list(&put.key),
        TxnOp::DeleteRange(delete) => may_hold_lists(&delete.keys),
    };
    let may_be_other = txn.failure.iter().any(elsewhere);
    (!may_be_other).then_some(micro)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, a_put, equal, put, shown, txn};
    use super::PROMISE;
    use crate::etcd::promises::judge;
    use stormglass_checker::limits::Reason;
    use stormglass_checker::{Limits, Verdict};
    use stormglass_impls::etcd::words::{Done, Error, Keys, Op, Target, TxnOp};

    const LIST: &str = "lists/l";

    fn append(service: &mut Service, client: usize, element: &str) -> Result<Done, Error> {
        let kvs = service.get(client, Keys::one(LIST));
        let op = longer(
            kvs.first()
                .map_or((0, ""), |kv| (kv.mod_revision, &kv.value)),
            element,
        );
        service.write(client, op)
    }

    fn longer((set, list): (u64, &str), element: &str) -> Op {
        let value = format!("{list} {element}");
        let put = TxnOp::Put(a_put(LIST, value.trim_start(), 0));
        txn(
            vec![equal(LIST, Target::ModRevision(set))],
            vec![put],
            vec![],
        )
    }

    #[test]
    fn appends_one_after_the_other_are_as_promised() {
        let mut service = Service::new(3);
        append(&mut service, 0, "1").unwrap();
        append(&mut service, 1, "2").unwrap();
        let late = service.write(2, longer((2, "1"), "3")).unwrap();
        assert!(matches!(
            late,
            Done::Txn {
                succeeded: false,
                ..
            }
        ));
        service.get(2, Keys::one(LIST));
        service.keeps(PROMISE);
    }

    #[test]
    fn what_takes_too_long_to_judge_is_not_known() {
        let mut service = Service::new(1);
        append(&mut service, 0, "1").unwrap();
        append(&mut service, 0, "2").unwrap();
        let verdict = |steps: u64| {
            let limits = Limits {
                steps,
                ..Limits::default()
            };
            let findings = judge(&[PROMISE], &service.history, &limits).unwrap();
            findings.judgement.verdict
        };
        assert!(matches!(verdict(1_000_000), Verdict::Valid(_)));
        let Verdict::Unknown(unknown) = verdict(1) else {
            panic!("a step is not enough");
        };
        assert_eq!((unknown.reason, unknown.limit), (Reason::Steps, 1));
    }

    #[test]
    fn two_appends_to_one_list_are_a_lost_update() {
        let mut service = Service::new(3);
        append(&mut service, 0, "1").unwrap();
        append(&mut service, 1, "2").unwrap();
        service.write(2, longer((2, "1"), "3")).unwrap();
        let responses = vec![Done::Put { prev_kv: None }];
        service.lie(0, |ended| {
            let succeeded = true;
            ended.result = Ok(Done::Txn {
                succeeded,
                responses,
            });
        });
        service.get(0, Keys::one(LIST));
        let breach = service.breaks(PROMISE, "");
        assert!(breach.culprits.len() >= 2, "{breach:?}");
    }

    #[test]
    fn a_list_that_was_longer_before_is_a_breach_whatever_its_revision() {
        let mut service = Service::new(3);
        append(&mut service, 0, "1").unwrap();
        append(&mut service, 0, "2").unwrap();
        service.get(1, Keys::one(LIST));
        service.get(2, Keys::one(LIST));
        service.lie(0, |ended| shown(ended)[0].value = "1".to_string());
        service.breaks(PROMISE, "realtime");
    }

    #[test]
    fn lists_that_are_set_in_another_way_are_not_judged() {
        let mut service = Service::new(2);
        append(&mut service, 0, "1").unwrap();
        service.write(1, put(LIST, "7 8", 0)).unwrap();
        service.get(0, Keys::one(LIST));
        service.keeps(PROMISE);
    }
}
