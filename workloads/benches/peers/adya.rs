//! adya, for transactions.

use super::Says;
use adya::history::{Interner, Mop, Op, OpType, ReadValue, Scalar};
use adya::{Opts, Valid, Workload, check};
use serde_json::Value;
use std::time::Duration;
use stormglass_checker::{History, Kind, Process};

pub(crate) fn prepare(history: &History) -> adya::History {
    let mut names = Interner::default();
    let mut name = |value: &Value| names.intern(Scalar::Int(value.as_i64().unwrap_or_default()));
    let mut ops = Vec::new();
    for event in &history.events {
        let Process::Client(process) = event.process else {
            continue;
        };
        let mut value = Vec::new();
        for part in event.value.as_array().into_iter().flatten() {
            let key = name(&part[1]);
            value.push(match (part[0].as_str(), part[2].as_array()) {
                (Some("append"), _) => Mop::Append {
                    key,
                    value: name(&part[2]),
                },
                (_, Some(list)) => Mop::Read {
                    key,
                    value: ReadValue::List(list.iter().map(&mut name).collect()),
                },
                (_, None) => Mop::Read {
                    key,
                    value: ReadValue::Nil,
                },
            });
        }
        ops.push(Op {
            index: event.index,
            kind: match event.kind {
                Kind::Invoke => OpType::Invoke,
                Kind::Ok => OpType::Ok,
                Kind::Fail => OpType::Fail,
                Kind::Info => OpType::Info,
            },
            process: Some(process as i64),
            value,
            time: Some(event.time as i64),
        });
    }
    adya::History::from_ops(ops, names)
}

pub(crate) fn judge(history: &adya::History) -> Says {
    let options = Opts {
        models: vec!["strict-serializable".to_owned()],
        timeout: Duration::from_secs(10),
        ..Opts::default()
    };
    match check(history, Workload::ListAppend, &options).valid {
        Valid::True => Says::Valid,
        Valid::False => Says::Invalid,
        Valid::Unknown => Says::Unknown,
    }
}
