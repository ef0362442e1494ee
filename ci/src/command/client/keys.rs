//! Asks an etcd-style service.

use super::{Answered, Exit, What};
use serde_json::json;
use stormglass_impls::etcd::words::{
    Ask, Compare, CompareResult, DeleteRange, Done, Error, Keys, Op, Put, Range, Reply, Request,
    Revision, Target, Txn, TxnOp,
};

/// What is asked, if such a service has words for it.
pub(super) fn words(what: &What) -> Option<Vec<u8>> {
    let ask = match what {
        What::Get {
            key,
            prefix,
            rev,
            serializable,
        } => Ask::Range(Range {
            revision: rev.unwrap_or(0),
            serializable: *serializable,
            ..Range::of(keys(key, *prefix))
        }),
        What::Put { key, value, lease } => Ask::Write(Op::Put(put(key, value, lease.unwrap_or(0)))),
        What::Delete { key, prefix } => Ask::Write(Op::DeleteRange(DeleteRange {
            keys: keys(key, *prefix),
            prev_kv: false,
        })),
        What::Cas { key, old, new } => Ask::Write(Op::Txn(Txn {
            compare: vec![Compare {
                keys: Keys::one(key),
                result: CompareResult::Equal,
                target: Target::Value(old.clone()),
            }],
            success: vec![TxnOp::Put(put(key, new, 0))],
            failure: Vec::new(),
        })),
        What::Compact { revision } => Ask::Write(Op::Compact {
            revision: *revision,
        }),
        What::Grant { lease, ttl } => Ask::Write(Op::Grant {
            lease: *lease,
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        }),
        What::Revoke { lease } => Ask::Write(Op::Revoke { lease: *lease }),
        What::KeepAlive { lease } => Ask::KeepAlive { lease: *lease },
        What::Snapshot { .. } => Ask::Snapshot,
        What::Append { .. }
        | What::Create { .. }
        | What::Set { .. }
        | What::Ls { .. }
        | What::Stat { .. } => return None,
    };
    Some(encode(ask))
}

/// A linearizable read, for the revision that its answer names.
pub(super) fn newest() -> Vec<u8> {
    encode(Ask::Range(Range::of(Keys::one("newest"))))
}

fn encode(ask: Ask) -> Vec<u8> {
    let request = postcard::to_allocvec(&Request { as_user: None, ask });
    request.expect("what is asked is plain data")
}

fn keys(key: &str, prefix: bool) -> Keys {
    match prefix {
        true => Keys::prefix(key),
        false => Keys::one(key),
    }
}

fn put(key: &str, value: &str, lease: u64) -> Put {
    Put {
        key: key.to_string(),
        value: value.to_string(),
        lease,
        prev_kv: false,
    }
}

/// The revision of the store that answered.
pub(super) fn revision(reply: &[u8]) -> Option<Revision> {
    let reply: Reply = postcard::from_bytes(reply).ok()?;
    Some(reply.header.revision)
}

/// What it answered. One key that was asked for is shown by its value alone.
pub(super) fn answered(what: &What, reply: &[u8]) -> Option<Answered> {
    let Reply { header, result } = postcard::from_bytes(reply).ok()?;
    let json = json!({ "revision": header.revision, "term": header.term, "result": result });
    let of_one = matches!(what, What::Get { prefix: false, .. });
    let (text, exit) = match result {
        Ok(Done::Range { kvs, .. }) => match (&kvs[..], of_one) {
            ([], _) => ("absent".to_string(), Exit::NothingSelected),
            ([kv], true) => (kv.value.clone(), Exit::Valid),
            (kvs, _) => {
                let lines = kvs.iter().map(|kv| format!("{} = {}", kv.key, kv.value));
                (lines.collect::<Vec<_>>().join("\n"), Exit::Valid)
            }
        },
        Ok(Done::Put { .. }) => (format!("revision {}", header.revision), Exit::Valid),
        Ok(Done::DeleteRange { deleted: 0, .. }) => ("absent".to_string(), Exit::NothingSelected),
        Ok(Done::DeleteRange { deleted, .. }) => (format!("{deleted} deleted"), Exit::Valid),
        Ok(Done::Txn {
            succeeded: true, ..
        }) => (format!("revision {}", header.revision), Exit::Valid),
        Ok(Done::Txn { .. }) => ("mismatch".to_string(), Exit::NothingSelected),
        Ok(Done::Compact) => ("compacted".to_string(), Exit::Valid),
        Ok(Done::Grant { ttl_ms, .. }) => (format!("granted for {ttl_ms} ms"), Exit::Valid),
        Ok(Done::KeepAlive { ttl_ms, .. }) => (format!("lives for {ttl_ms} ms"), Exit::Valid),
        Ok(Done::Revoke) => ("revoked".to_string(), Exit::Valid),
        Ok(_) => return None,
        Err(error) => (cause(&error), Exit::NothingSelected),
    };
    Some(Answered { json, text, exit })
}

fn cause(error: &Error) -> String {
    match error {
        Error::Compacted { compact_revision } => format!("compacted up to {compact_revision}"),
        Error::FutureRevision => "no such revision yet".to_string(),
        Error::LeaseNotFound => "no such lease".to_string(),
        Error::LeaseExists => "there is such a lease already".to_string(),
        Error::BadArguments => "no key, or no time".to_string(),
        Error::PermissionDenied | Error::UserEmpty => "no right to it".to_string(),
        error => format!("{error:?}"),
    }
}
