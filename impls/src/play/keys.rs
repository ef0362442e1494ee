//! The commands that ask an etcd-style service, and what they ask.

use super::arguments::ns;
use super::cluster::Fault;
use crate::etcd::words::{
    Ask, AuthOp, Compare, CompareResult, DeleteRange, Identity, Keys, LeaseId, Op, Permission, Put,
    Range, Request, Target, Txn, TxnOp, Watch,
};
use goldenscript::{Argument, ArgumentConsumer, Command};
use std::str::FromStr;

/// The system that understands them.
pub(super) const SYSTEM: &str = "etcd";

/// The commands, without those that ask every system.
pub(super) const COMMANDS: &[&str] = &[
    "get",
    "put",
    "del",
    "txn",
    "compact",
    "grant",
    "revoke",
    "keepalive",
    "time",
    "watch",
    "unwatch",
    "progress",
    "auth",
    "login",
    "snapshot",
];

type Args<'a, 'b> = &'a mut ArgumentConsumer<'b>;

/// What is asked.
pub(super) fn ask(command: &Command, args: Args<'_, '_>) -> Result<Request, Fault> {
    let as_user = args.take_key("as").map(identity).transpose()?;
    let ask = match command.name.as_str() {
        "get" => Ask::Range(range(args)?),
        "put" => Ask::Write(Op::Put(put(args)?)),
        "del" => Ask::Write(Op::DeleteRange(delete(args)?)),
        "txn" => Ask::Write(Op::Txn(txn(command, args)?)),
        "compact" => {
            let revision = positional(args, "up to which revision? compact n1 3")?;
            Ask::Write(Op::Compact { revision })
        }
        "grant" => {
            let ttl = args.take_key("ttl").unwrap_or("1s");
            let ttl_ms = ns(ttl)? / 1_000_000;
            let lease = lease(args)?;
            Ask::Write(Op::Grant { lease, ttl_ms })
        }
        "revoke" => {
            let lease = lease(args)?;
            Ask::Write(Op::Revoke { lease })
        }
        "keepalive" => {
            let lease = lease(args)?;
            Ask::KeepAlive { lease }
        }
        "time" => {
            let lease = lease(args)?;
            Ask::TimeToLive { lease }
        }
        "watch" => Ask::Watch(watch(args)?),
        "unwatch" => {
            let watch = positional(args, "which watch? unwatch n1 1")?;
            Ask::CancelWatch { watch }
        }
        "progress" => {
            let watch = positional(args, "of which watch? progress n1 1")?;
            Ask::Progress { watch }
        }
        "auth" => Ask::Write(Op::Auth(auth(args)?)),
        "login" => {
            let usage = "who logs in? login n1 ann=secret";
            let (user, password) = args.next_key().ok_or(usage)?;
            let (user, password) = (user.to_string(), password.to_string());
            Ask::Authenticate { user, password }
        }
        _ => Ask::Snapshot,
    };
    Ok(Request { as_user, ask })
}

/// `ann@3`: ann, as of auth revision 3.
fn identity(text: &str) -> Result<Identity, Fault> {
    let known = text.split_once('@').and_then(|(user, revision)| {
        let (user, auth_revision) = (user.to_string(), revision.parse().ok()?);
        Some(Identity {
            user,
            auth_revision,
        })
    });
    known.ok_or(format!(
        "as={text} is nobody: ann@3 is, as of auth revision 3"
    ))
}

fn positional<T: FromStr>(args: Args<'_, '_>, usage: &str) -> Result<T, Fault> {
    let text = args.next_pos().ok_or(usage)?;
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn lease(args: Args<'_, '_>) -> Result<LeaseId, Fault> {
    positional(args, "which lease? grant n1 7 ttl=1s")
}

fn keyed(args: Args<'_, '_>, key: &str) -> Result<u64, Fault> {
    match args.take_key(key) {
        None => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{key}={text} is not a number")),
    }
}

fn flag(args: Args<'_, '_>, key: &str) -> Result<bool, Fault> {
    match args.take_key(key) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(format!("{key}={other} is not true or false")),
    }
}

/// `a`, `a end=c`, `a end=".."`, `a prefix=true`.
fn keys(args: Args<'_, '_>) -> Result<Keys, Fault> {
    let (end, prefix) = (args.take_key("end"), flag(args, "prefix")?);
    let key = args.next_pos().ok_or("which key?")?;
    Ok(match (end, prefix) {
        (None, false) => Keys::one(key),
        (None, true) => Keys::prefix(key),
        (Some(".."), false) => Keys::from(key),
        (Some(end), false) => Keys {
            key: key.to_string(),
            range_end: Some(end.to_string()),
        },
        (Some(_), true) => return Err("a prefix has its own end".to_string()),
    })
}

fn range(args: Args<'_, '_>) -> Result<Range, Fault> {
    Ok(Range {
        revision: keyed(args, "rev")?,
        limit: keyed(args, "limit")?,
        serializable: flag(args, "serializable")?,
        keys: keys(args)?,
    })
}

fn put(args: Args<'_, '_>) -> Result<Put, Fault> {
    let (lease, prev_kv) = (keyed(args, "lease")?, flag(args, "prev")?);
    let (key, value) = args.next_key().ok_or("what is put where? put n1 a=1")?;
    Ok(Put {
        key: key.to_string(),
        value: value.to_string(),
        lease,
        prev_kv,
    })
}

fn delete(args: Args<'_, '_>) -> Result<DeleteRange, Fault> {
    Ok(DeleteRange {
        prev_kv: flag(args, "prev")?,
        keys: keys(args)?,
    })
}

/// `txn n1 if="mod(a)=2 value(b)=x" "put a=1" "get a" else="del b; get b"`.
fn txn(command: &Command, args: Args<'_, '_>) -> Result<Txn, Fault> {
    let compare = args.take_key("if").unwrap_or("");
    let compare = compare.split_whitespace().map(compared);
    let compare = compare.collect::<Result<_, Fault>>()?;
    let failure = args.take_key("else").unwrap_or("").to_string();
    let failure = failure.split(';').filter(|part| !part.trim().is_empty());
    let failure = failure.map(|part| part_of(command, part));
    let failure = failure.collect::<Result<_, Fault>>()?;
    let parts = std::iter::from_fn(|| args.next_pos());
    let success = parts.map(|part| part_of(command, part));
    Ok(Txn {
        compare,
        success: success.collect::<Result<_, Fault>>()?,
        failure,
    })
}

/// A part of a transaction: a command without a member.
fn part_of(command: &Command, text: &str) -> Result<TxnOp, Fault> {
    let mut words = text.split_whitespace().map(str::to_string);
    let mut part = command.clone();
    part.name = words.next().ok_or("a part of a transaction is empty")?;
    part.args = words
        .map(|word| match word.split_once('=') {
            Some((key, value)) => Argument::KeyValue(key.to_string(), value.to_string()),
            None => Argument::Positional(word),
        })
        .collect();
    let mut args = part.consume_args();
    let op = match part.name.as_str() {
        "get" => TxnOp::Range(range(&mut args)?),
        "put" => TxnOp::Put(put(&mut args)?),
        "del" => TxnOp::DeleteRange(delete(&mut args)?),
        name => return Err(format!("{name} is no part of a transaction")),
    };
    args.reject_next().map_err(|error| error.to_string())?;
    Ok(op)
}

/// `mod(a)=2`, `create(a)>0`, `version(a)!=1`, `value(a)<x`, `lease(a)=7`.
fn compared(text: &str) -> Result<Compare, Fault> {
    let wrong = || format!("{text} compares nothing: mod(a)=2 does, and value(a)!=x");
    let number = |text: &str| text.parse().map_err(|_| wrong());
    let (target, rest) = text.split_once('(').ok_or_else(wrong)?;
    let (key, rest) = rest.split_once(')').ok_or_else(wrong)?;
    let signs = [
        ("!=", CompareResult::NotEqual),
        ("=", CompareResult::Equal),
        (">", CompareResult::Greater),
        ("<", CompareResult::Less),
    ];
    let signed = signs.iter().find_map(|(sign, result)| {
        let value = rest.strip_prefix(sign)?;
        Some((*result, value))
    });
    let (result, value) = signed.ok_or_else(wrong)?;
    let target = match target {
        "version" => Target::Version(number(value)?),
        "create" => Target::CreateRevision(number(value)?),
        "mod" => Target::ModRevision(number(value)?),
        "lease" => Target::Lease(number(value)?),
        "value" => Target::Value(value.to_string()),
        _ => return Err(wrong()),
    };
    let keys = Keys::one(key);
    Ok(Compare {
        keys,
        result,
        target,
    })
}

fn watch(args: Args<'_, '_>) -> Result<Watch, Fault> {
    Ok(Watch {
        start_revision: keyed(args, "from")?,
        prev_kv: flag(args, "prev")?,
        progress_notify: flag(args, "progress")?,
        fragment: flag(args, "fragment")?,
        watch: positional(args, "which number has the watch? watch n1 1 a")?,
        keys: keys(args)?,
    })
}

fn auth(args: Args<'_, '_>) -> Result<AuthOp, Fault> {
    let usage = "auth n1 enable, disable, user ann secret, deluser ann, role r, delrole r, \
                 grant ann r, revoke ann r, permit r readwrite a end=c, or forbid r a end=c";
    let what = args.next_pos().ok_or(usage)?;
    let mut word = || args.next_pos().map(str::to_string).ok_or(usage);
    Ok(match what {
        "enable" => AuthOp::Enable,
        "disable" => AuthOp::Disable,
        "user" => AuthOp::AddUser {
            user: word()?,
            password: word()?,
        },
        "deluser" => AuthOp::DeleteUser { user: word()? },
        "role" => AuthOp::AddRole { role: word()? },
        "delrole" => AuthOp::DeleteRole { role: word()? },
        "grant" => AuthOp::GrantRole {
            user: word()?,
            role: word()?,
        },
        "revoke" => AuthOp::RevokeRole {
            user: word()?,
            role: word()?,
        },
        "permit" => {
            let (role, permission) = (word()?, word()?);
            let permission = match permission.as_str() {
                "read" => Permission::Read,
                "write" => Permission::Write,
                "readwrite" => Permission::ReadWrite,
                _ => return Err(format!("{permission} is not read, write or readwrite")),
            };
            AuthOp::GrantPermission {
                role,
                permission,
                keys: keys(args)?,
            }
        }
        "forbid" => AuthOp::RevokePermission {
            role: word()?,
            keys: keys(args)?,
        },
        _ => return Err(usage.to_string()),
    })
}
