//! How traces and scripts show the words: short, and much like `etcdctl` takes them.

use super::{
    Ask, AuthOp, Change, Command, Compare, CompareResult, DeleteRange, Done, Event, Grant, Header,
    Identity, KeyValue, Keys, Op, Permission, Put, Range, Reply, Request, TO_THE_END, Target, Txn,
    TxnOp, Watch,
};
use std::fmt::{self, Debug, Display};

/// `get k @5 limit 2`, and ` as ann@3` where somebody asks.
impl Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ask.fmt(f)?;
        match &self.as_user {
            Some(identity) => write!(f, " as {identity:?}"),
            None => Ok(()),
        }
    }
}

impl Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.auth_revision)
    }
}

impl Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ask::Range(range) => range.fmt(f),
            Ask::Write(op) => op.fmt(f),
            Ask::Watch(watch) => watch.fmt(f),
            Ask::CancelWatch { watch } => write!(f, "cancel watch {watch}"),
            Ask::Progress { watch } => write!(f, "progress of watch {watch}"),
            Ask::KeepAlive { lease } => write!(f, "keep lease {lease} alive"),
            Ask::TimeToLive { lease } => write!(f, "time of lease {lease}"),
            Ask::Authenticate { user, .. } => write!(f, "authenticate {user}"),
            Ask::Snapshot => write!(f, "snapshot"),
            Ask::Manage(manage) => write!(f, "{manage:?}"),
        }
    }
}

/// `k`, `[a, b)`, `[a, ..)`.
impl Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range_end.as_deref() {
            None => f.write_str(&self.key),
            Some(TO_THE_END) => write!(f, "[{}, ..)", self.key),
            Some(end) => write!(f, "[{}, {end})", self.key),
        }
    }
}

impl Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "get {}", self.keys)?;
        if self.revision != 0 {
            write!(f, " @{}", self.revision)?;
        }
        if self.limit != 0 {
            write!(f, " limit {}", self.limit)?;
        }
        match self.serializable {
            true => f.write_str(" serializable"),
            false => Ok(()),
        }
    }
}

impl Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Put(put) => put.fmt(f),
            Op::DeleteRange(delete) => delete.fmt(f),
            Op::Txn(txn) => txn.fmt(f),
            Op::Compact { revision } => write!(f, "compact {revision}"),
            Op::Grant { lease, ttl_ms } => write!(f, "grant lease {lease} {ttl_ms} ms"),
            Op::Revoke { lease } => write!(f, "revoke lease {lease}"),
            Op::Auth(op) => op.fmt(f),
        }
    }
}

impl Debug for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "put {}={}", self.key, self.value)?;
        if self.lease != 0 {
            write!(f, " lease {}", self.lease)?;
        }
        f.write_str(if self.prev_kv { " prev" } else { "" })
    }
}

impl Debug for DeleteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prev = if self.prev_kv { " prev" } else { "" };
        write!(f, "del {}{prev}", self.keys)
    }
}

/// `txn if [..] then [..] else [..]`.
impl Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (compare, success) = (&self.compare, &self.success);
        write!(f, "txn if {compare:?} then {success:?}")?;
        match self.failure.is_empty() {
            true => Ok(()),
            false => write!(f, " else {:?}", self.failure),
        }
    }
}

impl Debug for TxnOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TxnOp::Range(range) => range.fmt(f),
            TxnOp::Put(put) => put.fmt(f),
            TxnOp::DeleteRange(delete) => delete.fmt(f),
        }
    }
}

/// `mod(k)=5`.
impl Debug for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, sign) = (&self.keys, self.result);
        match &self.target {
            Target::Version(version) => write!(f, "version({keys}){sign}{version}"),
            Target::CreateRevision(revision) => write!(f, "create({keys}){sign}{revision}"),
            Target::ModRevision(revision) => write!(f, "mod({keys}){sign}{revision}"),
            Target::Value(value) => write!(f, "value({keys}){sign}{value}"),
            Target::Lease(lease) => write!(f, "lease({keys}){sign}{lease}"),
        }
    }
}

impl Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Version(version) => write!(f, "version {version}"),
            Target::CreateRevision(revision) => write!(f, "create revision {revision}"),
            Target::ModRevision(revision) => write!(f, "mod revision {revision}"),
            Target::Value(value) => write!(f, "value {value}"),
            Target::Lease(lease) => write!(f, "lease {lease}"),
        }
    }
}

impl Display for CompareResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CompareResult::Equal => "=",
            CompareResult::NotEqual => "!=",
            CompareResult::Greater => ">",
            CompareResult::Less => "<",
        })
    }
}

impl Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Permission::Read => "read",
            Permission::Write => "write",
            Permission::ReadWrite => "readwrite",
        })
    }
}

impl Debug for AuthOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthOp::Enable => write!(f, "auth enable"),
            AuthOp::Disable => write!(f, "auth disable"),
            AuthOp::AddUser { user, .. } => write!(f, "user add {user}"),
            AuthOp::DeleteUser { user } => write!(f, "user delete {user}"),
            AuthOp::AddRole { role } => write!(f, "role add {role}"),
            AuthOp::DeleteRole { role } => write!(f, "role delete {role}"),
            AuthOp::GrantRole { user, role } => write!(f, "user grant-role {user} {role}"),
            AuthOp::RevokeRole { user, role } => write!(f, "user revoke-role {user} {role}"),
            AuthOp::GrantPermission {
                role,
                permission,
                keys,
            } => write!(f, "role grant-permission {role} {permission} {keys}"),
            AuthOp::RevokePermission { role, keys } => {
                write!(f, "role revoke-permission {role} {keys}")
            }
        }
    }
}

impl Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watch {} {}", self.watch, self.keys)?;
        if self.start_revision != 0 {
            write!(f, " from {}", self.start_revision)?;
        }
        let flags = [
            (self.prev_kv, " prev"),
            (self.progress_notify, " progress"),
            (self.fragment, " fragment"),
        ];
        let set = flags.iter().filter(|(set, _)| *set);
        f.write_str(&set.map(|(_, name)| *name).collect::<String>())
    }
}

/// `k=v create 2 mod 5 version 3 lease 7`; `k deleted at 6`.
impl Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (created, modified) = (self.create_revision, self.mod_revision);
        if self.version == 0 {
            return write!(f, "{} deleted at {modified}", self.key);
        }
        let (key, value, version) = (&self.key, &self.value, self.version);
        write!(
            f,
            "{key}={value} create {created} mod {modified} version {version}"
        )?;
        match self.lease {
            0 => Ok(()),
            lease => write!(f, " lease {lease}"),
        }
    }
}

impl Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { revision, .. } = self.header;
        match &self.result {
            Ok(done) => write!(f, "{done:?} @{revision}"),
            Err(error) => write!(f, "{error:?} @{revision}"),
        }
    }
}

impl Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Done::Range { kvs, count } if *count == kvs.len() as u64 => write!(f, "{kvs:?}"),
            Done::Range { kvs, count } => write!(f, "{kvs:?} of {count}"),
            Done::Put { prev_kv: None } => write!(f, "put"),
            Done::Put {
                prev_kv: Some(prev),
            } => write!(f, "put over {prev:?}"),
            Done::DeleteRange { deleted, prev_kvs } if prev_kvs.is_empty() => {
                write!(f, "deleted {deleted}")
            }
            Done::DeleteRange { deleted, prev_kvs } => {
                write!(f, "deleted {deleted} {prev_kvs:?}")
            }
            Done::Txn {
                succeeded,
                responses,
            } => {
                let branch = if *succeeded { "then" } else { "else" };
                write!(f, "{branch} {responses:?}")
            }
            Done::Compact => write!(f, "compacted"),
            Done::Grant { lease, ttl_ms } => write!(f, "lease {lease} granted for {ttl_ms} ms"),
            Done::Revoke => write!(f, "revoked"),
            Done::KeepAlive { lease, ttl_ms } => write!(f, "lease {lease} lives for {ttl_ms} ms"),
            Done::TimeToLive {
                lease,
                granted_ms,
                remaining_ms,
                keys,
            } => write!(
                f,
                "lease {lease} has {remaining_ms} of {granted_ms} ms, with {keys:?}"
            ),
            Done::Auth { auth_revision } => write!(f, "auth revision {auth_revision}"),
            Done::Watch { start_revision } => write!(f, "watching from {start_revision}"),
            Done::Heard => write!(f, "heard"),
            Done::Snapshot(image) => write!(f, "snapshot of {} bytes", image.len()),
            Done::Status(report) => report.fmt(f),
        }
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Changes {
                watch,
                changes,
                fragment,
                ..
            } => {
                let more = if *fragment { " .." } else { "" };
                write!(f, "watch {watch} {changes:?}{more}")
            }
            Event::Progress { watch, revision } => write!(f, "watch {watch} is at {revision}"),
            Event::Compacted {
                watch,
                compact_revision,
            } => write!(f, "watch {watch} is over: compacted {compact_revision}"),
        }
    }
}

impl Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kv.fmt(f)?;
        match &self.prev_kv {
            Some(prev) => write!(f, " was {prev:?}"),
            None => Ok(()),
        }
    }
}

impl Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Do { as_user: None, op } => op.fmt(f),
            Command::Do {
                as_user: Some(identity),
                op,
            } => write!(f, "{op:?} as {identity:?}"),
            Command::Expire(Grant { lease, at }) => write!(f, "expire lease {lease} of {at}"),
            Command::Checkpoint { remaining_ms } => write!(f, "checkpoint {remaining_ms:?}"),
        }
    }
}
