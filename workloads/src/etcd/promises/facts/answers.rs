//! Whether an answer can be one to what was asked.

use stormglass_impls::etcd::words::{Ask, Done, Error, Keys, Op, Put, TO_THE_END, Txn, TxnOp};

/// Whether this can be the answer.
///
/// # Errors
/// Why not, as the end of a sentence.
pub(super) fn fits(ask: &Ask, result: &Result<Done, Error>) -> Result<(), String> {
    match result {
        Ok(done) if is_of(ask, done) => Ok(()),
        Ok(done) => Err(format!(
            "was answered with {done:?}, as no such operation is"
        )),
        Err(error) if has_reason(ask, error) => Ok(()),
        Err(error) => Err(format!(
            "was refused with {error:?}, and there is no such reason to refuse {ask:?}"
        )),
    }
}

fn is_of(ask: &Ask, done: &Done) -> bool {
    match ask {
        Ask::Range(_) => matches!(done, Done::Range { .. }),
        Ask::Write(op) => match op {
            Op::Put(_) => matches!(done, Done::Put { .. }),
            Op::DeleteRange(_) => matches!(done, Done::DeleteRange { .. }),
            Op::Txn(_) => matches!(done, Done::Txn { .. }),
            Op::Compact { .. } => matches!(done, Done::Compact),
            Op::Grant { lease, .. } => matches!(done, Done::Grant { lease: of, .. } if of == lease),
            Op::Revoke { .. } => matches!(done, Done::Revoke),
            Op::Auth(_) => matches!(done, Done::Auth { .. }),
        },
        Ask::KeepAlive { lease } => {
            matches!(done, Done::KeepAlive { lease: of, .. } if of == lease)
        }
        Ask::TimeToLive { lease } => {
            matches!(done, Done::TimeToLive { lease: of, .. } if of == lease)
        }
        Ask::Authenticate { .. } => matches!(done, Done::Auth { .. }),
        Ask::Watch(_) => matches!(done, Done::Watch { .. }),
        Ask::CancelWatch { .. } | Ask::Progress { .. } => matches!(done, Done::Heard),
        // No workload asks for these.
        Ask::Snapshot | Ask::Manage(_) => true,
    }
}

/// Whether there can be such a reason to refuse it. Whether there was is for those to say who know what there was.
fn has_reason(ask: &Ask, error: &Error) -> bool {
    let op = match ask {
        Ask::Write(op) => Some(op),
        _ => None,
    };
    match error {
        // Who may do what is judged apart.
        Error::PermissionDenied | Error::UserEmpty | Error::OldAuthRevision => true,
        Error::AuthFailed | Error::AuthNotEnabled => matches!(ask, Ask::Authenticate { .. }),
        Error::RootMissing
        | Error::UserExists
        | Error::UserNotFound
        | Error::RoleExists
        | Error::RoleNotFound
        | Error::RoleNotGranted
        | Error::PermissionNotGranted => matches!(op, Some(Op::Auth(_))),
        Error::Compacted { .. } | Error::FutureRevision => {
            matches!(ask, Ask::Range(_)) || matches!(op, Some(Op::Txn(_) | Op::Compact { .. }))
        }
        Error::WatchNotFound => matches!(ask, Ask::CancelWatch { .. } | Ask::Progress { .. }),
        Error::DuplicateKey => matches!(op, Some(Op::Txn(_))),
        Error::LeaseExists => matches!(op, Some(Op::Grant { .. })),
        Error::LeaseNotFound => needs_lease(ask),
        Error::BadArguments => !is_plain(ask),
    }
}

fn parts(txn: &Txn) -> impl Iterator<Item = &TxnOp> {
    txn.success.iter().chain(&txn.failure)
}

fn needs_lease(ask: &Ask) -> bool {
    match ask {
        Ask::KeepAlive { .. } | Ask::TimeToLive { .. } | Ask::Write(Op::Revoke { .. }) => true,
        Ask::Write(Op::Put(put)) => put.lease != 0,
        Ask::Write(Op::Txn(txn)) => {
            parts(txn).any(|part| matches!(part, TxnOp::Put(put) if put.lease != 0))
        }
        _ => false,
    }
}

/// Whether its arguments are such as nobody minds.
fn is_plain(ask: &Ask) -> bool {
    let of_keys = |keys: &Keys| {
        let end = keys.range_end.as_deref();
        let is_forwards = end.is_none_or(|end| end == TO_THE_END || end > keys.key.as_str());
        is_forwards && !keys.key.is_empty()
    };
    let of_put = |put: &Put| !put.key.is_empty();
    let of_part = |part: &TxnOp| match part {
        TxnOp::Range(range) => of_keys(&range.keys),
        TxnOp::Put(put) => of_put(put),
        TxnOp::DeleteRange(delete) => of_keys(&delete.keys),
    };
    match ask {
        Ask::Range(range) => of_keys(&range.keys),
        Ask::Watch(watch) => of_keys(&watch.keys),
        Ask::Write(Op::Put(put)) => of_put(put),
        Ask::Write(Op::DeleteRange(delete)) => of_keys(&delete.keys),
        Ask::Write(Op::Txn(txn)) => {
            txn.compare.iter().all(|compare| of_keys(&compare.keys)) && parts(txn).all(of_part)
        }
        Ask::Write(Op::Grant { lease, ttl_ms }) => *lease != 0 && *ttl_ms != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::etcd::promises::reference::Service;
    use crate::etcd::promises::revision_order::PROMISE;
    use stormglass_impls::etcd::words::{Done, Error, Keys};

    /// A key is put, which is answered with something, and read, which is, too.
    fn answered(put: Result<Done, Error>, read: Result<Done, Error>) -> Service {
        let mut service = Service::new(1);
        service.put(0, "a", "1");
        service.lie(0, |ended| ended.result = put);
        service.get(0, Keys::one("b"));
        service.lie(0, |ended| ended.result = read);
        service
    }

    fn nothing() -> Result<Done, Error> {
        let (kvs, count) = (Vec::new(), 0);
        Ok(Done::Range { kvs, count })
    }

    #[test]
    fn an_answer_to_something_else_is_a_breach() {
        let put = || Ok(Done::Put { prev_kv: None });
        answered(put(), nothing()).keeps(PROMISE);
        answered(put(), Ok(Done::Heard)).breaks(PROMISE, "as no such operation is");
        answered(put(), put()).breaks(PROMISE, "as no such operation is");
        answered(Ok(Done::Heard), nothing()).breaks(PROMISE, "as no such operation is");
    }

    #[test]
    fn a_refusal_for_no_reason_that_there_can_be_is_a_breach() {
        let put = || Ok(Done::Put { prev_kv: None });
        for error in [
            Error::LeaseNotFound,
            Error::LeaseExists,
            Error::BadArguments,
        ] {
            let refused = answered(put(), Err(error.clone()));
            refused.breaks(PROMISE, "no such reason to refuse");
            let refused = answered(Err(error), nothing());
            refused.breaks(PROMISE, "no such reason to refuse");
        }
    }
}
