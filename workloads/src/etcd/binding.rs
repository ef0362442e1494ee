//! Puts operations into the words of the service's clients, and reads what comes back.

use super::dialect::{Asked, Ended};
use crate::client::member::Returned;
use crate::workload::{Binding, Completion, Operation, Plain};
use serde_json::Value;
use stormglass_impls::contract::NodeId;
use stormglass_impls::etcd::words::{
    Ask, Compare, CompareResult, Done, Keys, Op, Put, Range, Target, Txn, TxnOp,
};

/// The service's clients.
pub struct EtcdBinding;

impl Binding for EtcdBinding {
    fn request(&self, operation: &Operation) -> Vec<u8> {
        match Asked::read(&operation.value) {
            Ok(asked) => {
                let bytes = postcard::to_allocvec(&asked.call());
                bytes.expect("postcard fails only on maps of unknown length, and words have none")
            }
            // No call at all: the client says that it makes no sense.
            Err(_) => Vec::new(),
        }
    }

    fn completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String> {
        let returned = postcard::from_bytes(reply).map_err(|error| error.to_string())?;
        completed(operation, returned)
    }

    fn bare_request(&self, operation: &Operation) -> Vec<u8> {
        match Asked::read(&operation.value) {
            Ok(Asked::Ask(request)) => {
                let bytes = postcard::to_allocvec(&request);
                bytes.expect("postcard fails only on maps of unknown length, and words have none")
            }
            // A member knows nothing of that.
            _ => Vec::new(),
        }
    }

    fn bare_completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String> {
        let reply = postcard::from_bytes(reply).map_err(|error| error.to_string())?;
        let returned = Returned {
            reply: Some(reply),
            server: NOBODY,
            events: Vec::new(),
        };
        completed(operation, returned)
    }

    fn plain(&self, plain: Plain<'_>) -> Option<(Operation, String)> {
        let put = |key: &str, value: &Value| Put {
            key: key.to_string(),
            value: value.to_string(),
            lease: 0,
            prev_kv: false,
        };
        let ask = match plain {
            Plain::Read(key) => Ask::Range(Range::of(Keys::one(key))),
            Plain::Write(key, value) => Ask::Write(Op::Put(put(key, value))),
            Plain::Cas(key, expected, new) => Ask::Write(Op::Txn(Txn {
                compare: vec![Compare {
                    keys: Keys::one(key),
                    result: CompareResult::Equal,
                    target: Target::Value(expected.to_string()),
                }],
                success: vec![TxnOp::Put(put(key, new))],
                failure: Vec::new(),
            })),
        };
        Some(in_words(Asked::ask(ask)))
    }

    fn spoken(&self, value: &Value) -> Option<(Operation, String)> {
        let asked = Asked::read(value).ok()?;
        matches!(asked, Asked::Ask(_)).then(|| in_words(asked))
    }
}

/// What came of an operation, by what its client was given.
fn completed(operation: &Operation, returned: Returned) -> Result<Completion, String> {
    let asked = Asked::read(&operation.value)?;
    let stands_still = matches!(asked, Asked::Rest { .. } | Asked::Store { .. });
    let (revision, term, result) = match returned.reply {
        Some(reply) if !stands_still => (reply.header.revision, reply.header.term, reply.result),
        None if stands_still => (0, 0, Ok(Done::Heard)),
        Some(_) => return Err(format!("somebody answered a {}", operation.f)),
        None => return Err(format!("nobody answered a {}", operation.f)),
    };
    if let Ok(done) = &result
        && !is_of(&asked, done)
    {
        return Err(format!("{done:?} is no answer to {}", operation.f));
    }
    let ended = Ended {
        revision,
        term,
        server: returned.server.0,
        result,
        events: returned.events,
        stored: None,
    };
    Ok(Completion::Ok(ended.value()))
}

/// Who answers where nobody knows who did.
const NOBODY: NodeId = NodeId(0);

fn in_words(asked: Asked) -> (Operation, String) {
    let text = match &asked {
        Asked::Ask(request) => format!("{request:?}"),
        other => format!("{other:?}"),
    };
    (asked.operation(), text)
}

/// Whether that can come of this.
fn is_of(asked: &Asked, done: &Done) -> bool {
    match asked.function() {
        "get" | "local-get" => matches!(done, Done::Range { .. }),
        "put" => matches!(done, Done::Put { .. }),
        "delete" => matches!(done, Done::DeleteRange { .. }),
        "txn" => matches!(done, Done::Txn { .. }),
        "compact" => matches!(done, Done::Compact),
        "grant" => matches!(done, Done::Grant { .. }),
        "revoke" => matches!(done, Done::Revoke),
        "keep-alive" => matches!(done, Done::KeepAlive { .. }),
        "time-to-live" => matches!(done, Done::TimeToLive { .. }),
        "watch" => matches!(done, Done::Watch { .. }),
        "auth" | "authenticate" => matches!(done, Done::Auth { .. }),
        _ => matches!(done, Done::Heard),
    }
}
