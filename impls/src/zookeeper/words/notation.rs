//! The words as traces and reports show them: `create /a=1`, `/a created`, `changed /a at 1:4`.
//!
//! A request reads as the command of a script that makes it. What is as usual is left out: a list that lets anyone do anything, a number
//! that is 0, and of a node what goes without saying when it has only been made.

use super::{
    Acl, Act, Body, Change, Command, Done, Error, Event, Mode, Op, Output, Read, Reply, Request,
    Rights, SessionId, Stat, Watch, Watched, What, Who, ZxidNumber, open_to_all,
};
use std::fmt::{self, Debug, Display, Formatter};

/// `1:4`, or `none`.
struct At(ZxidNumber);

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            zxid => write!(f, "{}:{}", zxid >> 32, zxid & 0xffff_ffff),
        }
    }
}

/// Words with one thing between each two.
struct Between<'a, T>(&'a str, &'a [T]);

impl<T: Debug> Display for Between<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, word) in self.1.iter().enumerate() {
            f.write_str(if at > 0 { self.0 } else { "" })?;
            word.fmt(f)?;
        }
        Ok(())
    }
}

impl Debug for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Request::Connect {
                session,
                timeout_ms,
                seen,
                told,
                watches,
            } => {
                f.write_str("connect")?;
                if let Some(session) = session {
                    write!(f, " {session}")?;
                }
                write!(f, " for {timeout_ms} ms")?;
                if *seen > 0 {
                    write!(f, " seen={}", At(*seen))?;
                }
                if told != seen {
                    write!(f, " told={}", At(*told))?;
                }
                match watches.is_empty() {
                    true => Ok(()),
                    false => write!(f, " watches=[{}]", Between(" ", watches)),
                }
            }
            Request::Ping => f.write_str("ping"),
            Request::Read(read) => read.fmt(f),
            Request::Write(op) => op.fmt(f),
            Request::Sync => f.write_str("sync"),
            Request::Manage(manage) => manage.fmt(f),
        }
    }
}

impl Debug for Read {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = match self.what {
            What::Exists => "exists",
            What::Data => "get",
            What::Children => "children",
            What::Acl => "rights",
        };
        let watches = if self.watch { " and watch" } else { "" };
        write!(f, "{name} {}{watches}", self.path)
    }
}

impl Debug for Watch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Watched::Data => "data",
            Watched::Exists => "exists",
            Watched::Children => "children",
        };
        write!(f, "{what}:{}", self.path)
    }
}

impl Debug for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let version = match self {
            Op::Create {
                path,
                data,
                mode,
                acl,
            } => {
                write!(f, "create {path}={data}")?;
                if *mode != Mode::Persistent {
                    write!(f, " {mode:?}")?;
                }
                if *acl != open_to_all() {
                    write!(f, " [{}]", Between(" ", acl))?;
                }
                &None
            }
            Op::Delete { path, version } => {
                write!(f, "delete {path}")?;
                version
            }
            Op::Set {
                path,
                data,
                version,
            } => {
                write!(f, "set {path}={data}")?;
                version
            }
            Op::SetAcl { path, acl, version } => {
                write!(f, "acl {path} [{}]", Between(" ", acl))?;
                version
            }
            Op::Check { path, version } => {
                write!(f, "check {path}")?;
                version
            }
            Op::Multi(ops) => return write!(f, "multi [{}]", Between(", ", ops)),
            Op::AddAuth { user, password } => return write!(f, "login {user}:{password}"),
            Op::Close => return f.write_str("close"),
        };
        version.map_or(Ok(()), |version| write!(f, " version={version}"))
    }
}

impl Debug for Mode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Persistent => "persistent",
            Mode::PersistentSequential => "sequential",
            Mode::Ephemeral => "ephemeral",
            Mode::EphemeralSequential => "ephemeral-sequential",
        })
    }
}

/// `world:r`, `auth:cdrwa`, or `digest:ann#5c1e:rw`: of the digest, enough to tell two passwords apart.
impl Debug for Acl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.who, self.rights)
    }
}

impl Debug for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Who::Anyone => f.write_str("world"),
            Who::Auth => f.write_str("auth"),
            Who::Digest { user, digest } => write!(f, "digest:{user}#{:04x}", digest & 0xffff),
        }
    }
}

impl Debug for Rights {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// `czxid=1:3 mzxid=1:4 version=1 length=5`.
impl Debug for Stat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "czxid={}", At(self.czxid))?;
        for (name, zxid) in [("mzxid", self.mzxid), ("pzxid", self.pzxid)] {
            if zxid != self.czxid {
                write!(f, " {name}={}", At(zxid))?;
            }
        }
        let mtime_ms = if self.mtime_ms == self.ctime_ms {
            0
        } else {
            self.mtime_ms
        };
        let numbers = [
            ("ctime", self.ctime_ms),
            ("mtime", mtime_ms),
            ("version", self.version.into()),
            ("cversion", self.cversion.into()),
            ("aversion", self.aversion.into()),
            ("length", self.data_length.into()),
            ("children", self.children.into()),
        ];
        for (name, number) in numbers {
            if number > 0 {
                write!(f, " {name}={number}")?;
            }
        }
        if self.ephemeral_owner != SessionId::NONE {
            write!(f, " owner={}", self.ephemeral_owner)?;
        }
        Ok(())
    }
}

impl Debug for Done {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Done::Opened(session) => write!(f, "{session} opened"),
            Done::Created { path, stat } => {
                write!(f, "{path} created")?;
                let newborn = Stat {
                    czxid: stat.czxid,
                    mzxid: stat.czxid,
                    pzxid: stat.czxid,
                    ctime_ms: stat.ctime_ms,
                    mtime_ms: stat.ctime_ms,
                    data_length: stat.data_length,
                    ephemeral_owner: stat.ephemeral_owner,
                    ..Stat::default()
                };
                match (*stat == newborn, stat.ephemeral_owner) {
                    (false, _) => write!(f, " {stat:?}"),
                    (true, SessionId::NONE) => Ok(()),
                    (true, owner) => write!(f, " of {owner}"),
                }
            }
            Done::Fine => f.write_str("done"),
            Done::Set(stat) => write!(f, "set {stat:?}"),
            Done::Multi(parts) => write!(f, "[{}]", Between(", ", parts)),
            Done::Exists(None) => f.write_str("absent"),
            Done::Exists(Some(stat)) => write!(f, "there {stat:?}"),
            Done::Data(data, stat) => write!(f, "{data:?} {stat:?}"),
            Done::Children(names, stat) => write!(f, "[{}] {stat:?}", names.join(" ")),
            Done::Acl(acl, stat) => write!(f, "[{}] {stat:?}", Between(" ", acl)),
        }
    }
}

/// ZooKeeper's name for it.
impl Debug for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NoNode => "NoNode",
            Error::NodeExists => "NodeExists",
            Error::BadVersion => "BadVersion",
            Error::NotEmpty => "NotEmpty",
            Error::NoChildrenForEphemerals => "NoChildrenForEphemerals",
            Error::NoAuth => "NoAuth",
            Error::InvalidAcl => "InvalidAcl",
            Error::BadArguments => "BadArguments",
            Error::SessionExpired => "SessionExpired",
            Error::Multi { at, error } => return write!(f, "{error:?} in part {at}"),
        })
    }
}

impl Debug for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.body, At(self.zxid))
    }
}

impl Debug for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Body::Connected {
                session,
                timeout_ms,
            } => write!(f, "connected to {session} for {timeout_ms} ms"),
            Body::Behind => f.write_str("behind"),
            Body::NotServing => f.write_str("not serving"),
            Body::Expired => f.write_str("expired"),
            Body::Pong => f.write_str("pong"),
            Body::Done(result) => f.write_str(&said(result)),
            Body::Status(report) => report.fmt(f),
        }
    }
}

/// What was done, or why not.
fn said(result: &Result<Done, Error>) -> String {
    match result {
        Ok(done) => format!("{done:?}"),
        Err(error) => format!("failed: {error:?}"),
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Event::Fired { change, path, zxid } => {
                write!(f, "{change:?} {path} at {}", At(*zxid))
            }
            Event::Closed => f.write_str("closed"),
        }
    }
}

impl Debug for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Created => "created",
            Change::Deleted => "deleted",
            Change::DataChanged => "changed",
            Change::ChildrenChanged => "children changed of",
        })
    }
}

impl Debug for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.act.fmt(f)?;
        match self.session {
            SessionId::NONE => Ok(()),
            session => write!(f, " in {session}"),
        }
    }
}

impl Debug for Act {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Act::Open { client, timeout_ms } => write!(f, "open for {client}, {timeout_ms} ms"),
            Act::Do(op) => op.fmt(f),
            Act::Expire => f.write_str("expire"),
        }
    }
}

impl Debug for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", said(&self.result), At(self.zxid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_the_command_that_makes_it() {
        let create = Op::Create {
            path: "/a".to_string(),
            data: "1".to_string(),
            mode: Mode::EphemeralSequential,
            acl: open_to_all(),
        };
        let delete = Op::Delete {
            path: "/b".to_string(),
            version: Some(2),
        };
        let multi = Request::Write(Op::Multi(vec![create, delete]));
        let shown = "multi [create /a=1 ephemeral-sequential, delete /b version=2]";
        assert_eq!(format!("{multi:?}"), shown);
    }

    #[test]
    fn of_a_node_only_what_does_not_go_without_saying_is_shown() {
        let stat = Stat {
            czxid: 1 << 32 | 3,
            mzxid: 1 << 32 | 4,
            pzxid: 1 << 32 | 3,
            version: 1,
            data_length: 5,
            ..Stat::default()
        };
        let shown = "czxid=1:3 mzxid=1:4 version=1 length=5";
        assert_eq!(format!("{stat:?}"), shown);
    }
}
