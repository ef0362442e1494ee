//! The commands that ask a ZooKeeper-style service, and what they ask.
//!
//! A word of a script cannot begin with `/`, so a path may be written without its first one: `create n1 a/b=1` makes `/a/b`.

use super::arguments::ns;
use super::cluster::Fault;
use crate::zookeeper::words::{
    Acl, Mode, Op, Read, Request, Rights, SessionId, Watch, Watched, What, Who, ZxidNumber,
    digest_of, open_to_all,
};
use goldenscript::{Argument, ArgumentConsumer, Command};

/// The system that understands them.
pub(super) const SYSTEM: &str = "zookeeper";

/// The commands, without those that ask every system.
pub(super) const COMMANDS: &[&str] = &[
    "connect", "ping", "get", "exists", "children", "rights", "create", "set", "delete", "check",
    "acl", "login", "multi", "close", "sync",
];

/// What is asked.
pub(super) fn ask(command: &Command, args: &mut ArgumentConsumer<'_>) -> Result<Request, Fault> {
    Ok(match command.name.as_str() {
        "connect" => connect(args)?,
        "ping" => Request::Ping,
        "sync" => Request::Sync,
        "get" => read(What::Data, args)?,
        "exists" => read(What::Exists, args)?,
        "children" => read(What::Children, args)?,
        "rights" => read(What::Acl, args)?,
        "login" => {
            let usage = "who logs in? login n1 ann=secret";
            let (user, password) = args.next_key().ok_or(usage)?;
            let (user, password) = (user.to_string(), password.to_string());
            Request::Write(Op::AddAuth { user, password })
        }
        "close" => Request::Write(Op::Close),
        "multi" => {
            let parts = std::iter::from_fn(|| args.next_pos());
            let ops: Result<Vec<Op>, Fault> = parts.map(|part| part_of(command, part)).collect();
            Request::Write(Op::Multi(ops?))
        }
        name => Request::Write(op(name, args)?),
    })
}

/// Begins a connection. A client that names no session wants a new one.
fn connect(args: &mut ArgumentConsumer<'_>) -> Result<Request, Fault> {
    let session = match args.take_key("session") {
        None => None,
        Some(text) => {
            let wrong = format!("session={text} is no session, as 1.1");
            let number = zxid(text.trim_start_matches('s')).ok_or(wrong)?;
            Some(SessionId(number))
        }
    };
    let timeout = args.take_key("timeout").unwrap_or("400ms");
    let seen = args.take_key("seen").unwrap_or("0.0");
    let seen = zxid(seen).ok_or(format!("seen={seen} is no zxid, as 1.4"))?;
    let told = match args.take_key("told") {
        None => seen,
        Some(text) => zxid(text).ok_or(format!("told={text} is no zxid, as 1.4"))?,
    };
    let watches = listed(args.take_key("watches").unwrap_or(""));
    Ok(Request::Connect {
        session,
        timeout_ms: ns(timeout)? / 1_000_000,
        seen,
        told,
        watches: watches.map(watch).collect::<Result<_, _>>()?,
    })
}

/// `1.4` or `1:4`: epoch and counter.
fn zxid(text: &str) -> Option<ZxidNumber> {
    let (epoch, counter) = text.split_once(['.', ':'])?;
    let (epoch, counter): (u32, u32) = (epoch.parse().ok()?, counter.parse().ok()?);
    Some(u64::from(epoch) << 32 | u64::from(counter))
}

/// The words of a list.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|word| !word.is_empty())
}

fn path(text: &str) -> String {
    match text.starts_with('/') {
        true => text.to_string(),
        false => format!("/{text}"),
    }
}

/// `data:a`.
fn watch(text: &str) -> Result<Watch, Fault> {
    let kinds = [
        ("data", Watched::Data),
        ("exists", Watched::Exists),
        ("children", Watched::Children),
    ];
    let known = text.split_once(':').and_then(|(kind, of)| {
        let (_, what) = kinds.iter().find(|(name, _)| *name == kind)?;
        let (what, path) = (*what, path(of));
        Some(Watch { what, path })
    });
    known.ok_or(format!(
        "{text} is no watch: data:a is one, and exists:a, and children:a"
    ))
}

fn read(what: What, args: &mut ArgumentConsumer<'_>) -> Result<Request, Fault> {
    let watch = match args.take_key("watch") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(format!("watch={other} is not true or false")),
    };
    let path = path(args.next_pos().ok_or("which node of the tree?")?);
    Ok(Request::Read(Read { what, path, watch }))
}

/// A change of one node.
fn op(name: &str, args: &mut ArgumentConsumer<'_>) -> Result<Op, Fault> {
    let version = match args.take_key("version") {
        None => None,
        Some(text) => {
            let wrong = format!("version={text} is not a number");
            Some(text.parse().map_err(|_| wrong)?)
        }
    };
    if let "create" | "set" = name {
        let (mode, acl) = (mode(args)?, args.take_key("acl").map(list).transpose()?);
        let (place, data) = match args.next_key() {
            Some(known) => known,
            None => {
                let place = args.next_pos();
                (place.ok_or(format!("what is where? {name} n1 a=1"))?, "")
            }
        };
        let (path, data) = (path(place), data.to_string());
        return match (name, mode, acl) {
            ("create", mode, acl) => Ok(Op::Create {
                path,
                data,
                mode: mode.unwrap_or(Mode::Persistent),
                acl: acl.unwrap_or_else(open_to_all),
            }),
            (_, None, None) => Ok(Op::Set {
                path,
                data,
                version,
            }),
            _ => Err("only a node that is made has a mode and a list".to_string()),
        };
    }
    let path = path(args.next_pos().ok_or("which node of the tree?")?);
    Ok(match name {
        "delete" => Op::Delete { path, version },
        "check" => Op::Check { path, version },
        "acl" => {
            let usage = "who may do what? acl n1 a \"world:r digest:ann:secret:cdrwa\"";
            let acl = list(args.next_pos().ok_or(usage)?)?;
            Op::SetAcl { path, acl, version }
        }
        _ => return Err(format!("{name} is no part of a multi")),
    })
}

/// A part of a multi: a command that changes one node, without a server.
fn part_of(command: &Command, text: &str) -> Result<Op, Fault> {
    let mut words = text.split_whitespace().map(str::to_string);
    let mut part = command.clone();
    part.name = words.next().ok_or("a part of a multi is empty")?;
    part.args = words
        .map(|word| match word.split_once('=') {
            Some((key, value)) => Argument::KeyValue(key.to_string(), value.to_string()),
            None => Argument::Positional(word),
        })
        .collect();
    let mut args = part.consume_args();
    let op = op(&part.name, &mut args)?;
    args.reject_next().map_err(|error| error.to_string())?;
    Ok(op)
}

fn mode(args: &mut ArgumentConsumer<'_>) -> Result<Option<Mode>, Fault> {
    Ok(Some(match args.take_key("mode") {
        None => return Ok(None),
        Some("persistent") => Mode::Persistent,
        Some("sequential") => Mode::PersistentSequential,
        Some("ephemeral") => Mode::Ephemeral,
        Some("ephemeral-sequential") => Mode::EphemeralSequential,
        Some(other) => {
            return Err(format!(
                "mode={other} is not persistent, sequential, ephemeral or ephemeral-sequential"
            ));
        }
    }))
}

/// `world:r auth:cdrwa digest:ann:secret:rw`; an empty list is a list.
fn list(text: &str) -> Result<Vec<Acl>, Fault> {
    listed(text).map(entry).collect()
}

fn entry(text: &str) -> Result<Acl, Fault> {
    let wrong =
        || format!("{text} is no entry of a list: world:r is one, and digest:ann:secret:rw");
    let (who, letters) = text.rsplit_once(':').ok_or_else(wrong)?;
    let who = match who.split(':').collect::<Vec<_>>()[..] {
        ["world"] => Who::Anyone,
        ["auth"] => Who::Auth,
        ["digest", user, password] => Who::Digest {
            user: user.to_string(),
            digest: digest_of(user, password),
        },
        _ => return Err(wrong()),
    };
    let right = |letter| match letter {
        'c' => Some(Rights::CREATE),
        'd' => Some(Rights::DELETE),
        'r' => Some(Rights::READ),
        'w' => Some(Rights::WRITE),
        'a' => Some(Rights::ADMIN),
        _ => None,
    };
    let bits = letters.chars().try_fold(0, |bits, letter| {
        right(letter).map(|Rights(right)| bits | right)
    });
    let rights = Rights(bits.ok_or_else(wrong)?);
    Ok(Acl { who, rights })
}
