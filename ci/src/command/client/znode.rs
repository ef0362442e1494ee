//! Asks a tree of znodes.

use super::{Answered, Exit, What};
use serde_json::{Value, json};
use stormglass_impls::zookeeper::words::{
    self, Body, Done, Error, Mode, Op, Read, Request, Stat, open_to_all,
};
use stormglass_workloads::client::session::{Call, Returned};

/// What is asked, if a tree of znodes has words for it.
pub(super) fn words(what: &What) -> Option<Vec<u8>> {
    let read = |what, path: &String| {
        let (path, watch) = (path.clone(), false);
        Request::Read(Read { what, path, watch })
    };
    let request = match what {
        What::Get { key, .. } => read(words::What::Data, key),
        What::Ls { path } => read(words::What::Children, path),
        What::Stat { path } => read(words::What::Exists, path),
        What::Create {
            path,
            data,
            sequential,
        } => Request::Write(Op::Create {
            path: path.clone(),
            data: data.clone(),
            mode: match sequential {
                true => Mode::PersistentSequential,
                false => Mode::Persistent,
            },
            acl: open_to_all(),
        }),
        What::Set {
            path,
            data,
            version,
        } => Request::Write(Op::Set {
            path: path.clone(),
            data: data.clone(),
            version: *version,
        }),
        What::Delete { key, .. } => Request::Write(Op::Delete {
            path: key.clone(),
            version: None,
        }),
        _ => return None,
    };
    let call = postcard::to_allocvec(&Call::Ask(request));
    Some(call.expect("what is asked is plain data"))
}

/// What it answered.
pub(super) fn answered(reply: &[u8]) -> Option<Answered> {
    let returned: Returned = postcard::from_bytes(reply).ok()?;
    let Body::Done(result) = returned.reply.body else {
        return None;
    };
    let stat = result.as_ref().ok().and_then(stat_of).map(named);
    let json = json!({ "zxid": returned.reply.zxid, "result": result, "stat": stat });
    let (text, exit) = match result {
        Ok(Done::Created { path, .. }) => (path, Exit::Valid),
        Ok(Done::Fine) => ("deleted".to_string(), Exit::Valid),
        Ok(Done::Set(stat)) => (format!("version {}", stat.version), Exit::Valid),
        Ok(Done::Data(data, _)) => (data, Exit::Valid),
        Ok(Done::Children(names, _)) => (names.join("\n"), Exit::Valid),
        Ok(Done::Exists(Some(stat))) => (lines(&stat), Exit::Valid),
        Ok(Done::Exists(None)) => ("no node".to_string(), Exit::NothingSelected),
        Ok(_) => return None,
        Err(error) => (cause(&error).to_string(), Exit::NothingSelected),
    };
    Some(Answered { json, text, exit })
}

/// What is known of the node that was asked for, or made.
fn stat_of(done: &Done) -> Option<&Stat> {
    match done {
        Done::Created { stat, .. }
        | Done::Set(stat)
        | Done::Exists(Some(stat))
        | Done::Data(_, stat)
        | Done::Children(_, stat)
        | Done::Acl(_, stat) => Some(stat),
        _ => None,
    }
}

fn named(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "pzxid": stat.pzxid,
        "ctime_ms": stat.ctime_ms,
        "mtime_ms": stat.mtime_ms,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeral_owner": stat.ephemeral_owner,
        "data_length": stat.data_length,
        "children": stat.children,
    })
}

fn lines(stat: &Stat) -> String {
    let zxid = |number: u64| format!("{}:{}", number >> 32, number & 0xffff_ffff);
    format!(
        "made {}, set {}, children {}\nversion {}, of its children {}, of its list {}\n{} bytes, {} children",
        zxid(stat.czxid),
        zxid(stat.mzxid),
        zxid(stat.pzxid),
        stat.version,
        stat.cversion,
        stat.aversion,
        stat.data_length,
        stat.children,
    )
}

fn cause(error: &Error) -> &'static str {
    match error {
        Error::NoNode => "no node",
        Error::NodeExists => "the node exists",
        Error::BadVersion => "another version",
        Error::NotEmpty => "the node has children",
        Error::NoChildrenForEphemerals => "an ephemeral node has no children",
        Error::NoAuth => "no right to it",
        Error::InvalidAcl => "no list of rights",
        Error::BadArguments => "no path",
        Error::SessionExpired => "the session has ended",
        Error::Multi { .. } => "a part failed",
    }
}
