//! What clients and servers say to each other, and what goes into the log.
//!
//! The names are ZooKeeper's. A zxid is one number here, as ZooKeeper writes it: the epoch in the upper half, the counter in the lower.

mod notation;

use crate::contract::ClientId;
use crate::manage::{Manage, Report};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A zxid as one number: `epoch << 32 | counter`. 0 is before all.
pub type ZxidNumber = u64;

/// A session: the zxid at which it was opened. 0 is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

impl SessionId {
    /// No session.
    pub const NONE: SessionId = SessionId(0);
}

/// `s2.7`: opened in epoch 2 by its 7th transaction.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}.{}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// The same, or `none`.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            SessionId::NONE => f.write_str("none"),
            _ => fmt::Display::fmt(self, f),
        }
    }
}

/// What a client asks the server that it is connected to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Begins a connection. Nothing else is answered before it is, and everything that an older connection of this client waited for is forgotten.
    Connect {
        /// The session to go on with; none opens one.
        session: Option<SessionId>,
        /// How long the session shall live without a sign of its client, in milliseconds. The server grants what is nearest to that.
        timeout_ms: u64,
        /// The newest zxid that the client has seen: a server that is behind it refuses.
        seen: ZxidNumber,
        /// Of all that happened to its watches up to here the client was told. It may have seen more: the answer to a connect, or one of several events,
        /// came before the connection broke, and the events behind it did not.
        told: ZxidNumber,
        /// The watches that are still to fire. One whose event has happened since `told` fires at once. Watches end with their session: a server drops
        /// those that come with the opening of one.
        watches: Vec<Watch>,
    },
    /// A sign of life.
    Ping,
    /// Reads what this server has delivered.
    Read(Read),
    /// Changes something, through the log.
    Write(Op),
    /// Waits until this server has delivered all that was committed when the leader heard of this.
    Sync,
    /// Runs the cluster. Needs no connection.
    Manage(Manage),
}

/// Reads one node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Read {
    /// What of it.
    pub what: What,
    /// Which.
    pub path: String,
    /// Whether to tell when that changes, once.
    pub watch: bool,
}

/// What is read of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Whether it is there.
    Exists,
    /// Its data.
    Data,
    /// The names of its children.
    Children,
    /// Who may do what.
    Acl,
}

/// A watch, from the time of a read until it fires.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watch {
    /// What is watched.
    pub what: Watched,
    /// Of which node.
    pub path: String,
}

/// What a watch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watched {
    /// A node that was there when its data was read, or its existence asked for: fires when the data changes or the node goes.
    Data,
    /// A node that was not there when its existence was asked for: fires when it comes.
    Exists,
    /// The children of a node: fires when a child comes or goes, or the node itself goes.
    Children,
}

/// A change. Those without a parent path of their own can stand in a [`Op::Multi`]; a multi, a login and a close cannot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Makes a node.
    Create {
        /// Where; a sequential node gets ten digits more.
        path: String,
        /// What it holds.
        data: String,
        /// How it lives and is named.
        mode: Mode,
        /// Who may do what.
        acl: Vec<Acl>,
    },
    /// Removes a node that has no children.
    Delete {
        /// Which.
        path: String,
        /// Only if its version is this.
        version: Option<u32>,
    },
    /// Sets the data of a node.
    Set {
        /// Of which.
        path: String,
        /// To what.
        data: String,
        /// Only if its version is this.
        version: Option<u32>,
    },
    /// Sets who may do what with a node.
    SetAcl {
        /// With which.
        path: String,
        /// Who, and what.
        acl: Vec<Acl>,
        /// Only if the version of its list is this.
        version: Option<u32>,
    },
    /// Changes nothing, and fails if the node is not there or its version is another.
    Check {
        /// Which node.
        path: String,
        /// Which version.
        version: Option<u32>,
    },
    /// All of these at one zxid, or none.
    Multi(Vec<Op>),
    /// The session is from now on that user, too, for the scheme `digest`.
    AddAuth {
        /// Who.
        user: String,
        /// The password. Whoever gives the same is the same.
        password: String,
    },
    /// Ends the session, and with it its ephemeral nodes.
    Close,
}

/// How a node lives, and how it is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Until it is deleted.
    Persistent,
    /// The same, with a number at the end of its name: how many children its parent has had.
    PersistentSequential,
    /// Until its session ends.
    Ephemeral,
    /// The same, with a number.
    EphemeralSequential,
}

impl Mode {
    /// Whether a node goes with its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, Mode::Ephemeral | Mode::EphemeralSequential)
    }

    /// Whether its name gets a number.
    pub fn is_sequential(self) -> bool {
        matches!(self, Mode::PersistentSequential | Mode::EphemeralSequential)
    }
}

/// Somebody, and what they may do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Acl {
    /// Who.
    pub who: Who,
    /// What.
    pub rights: Rights,
}

/// Who is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// `world:anyone`.
    Anyone,
    /// `auth`: all users that the session is which sets the list. Never stored: it becomes them.
    Auth,
    /// `digest`: who gave this user's password.
    Digest {
        /// The user.
        user: String,
        /// What [`digest_of`] makes of user and password.
        digest: u64,
    },
}

/// Rights: any of the five, as bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(pub u8);

impl Rights {
    /// Reads data and children.
    pub const READ: Rights = Rights(1);
    /// Sets data.
    pub const WRITE: Rights = Rights(2);
    /// Makes children.
    pub const CREATE: Rights = Rights(4);
    /// Removes children.
    pub const DELETE: Rights = Rights(8);
    /// Sets the list.
    pub const ADMIN: Rights = Rights(16);
    /// All five.
    pub const ALL: Rights = Rights(31);

    /// Whether these hold all of those.
    pub fn holds(self, wanted: Rights) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// `cdrwa`, in ZooKeeper's order, with what is there.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (Rights::CREATE, 'c'),
            (Rights::DELETE, 'd'),
            (Rights::READ, 'r'),
            (Rights::WRITE, 'w'),
            (Rights::ADMIN, 'a'),
        ];
        let held = letters.iter().filter(|(right, _)| self.holds(*right));
        f.write_str(&held.map(|(_, letter)| letter).collect::<String>())
    }
}

/// The list of ZooKeeper's `OPEN_ACL_UNSAFE`: anyone may do anything.
pub fn open_to_all() -> Vec<Acl> {
    vec![Acl {
        who: Who::Anyone,
        rights: Rights::ALL,
    }]
}

/// What stands in lists for a user with a password. It keeps nobody out who wants in: here it only has to tell users apart, and
/// ZooKeeper's SHA-1 would do no more for that.
pub fn digest_of(user: &str, password: &str) -> u64 {
    let bytes = user.bytes().chain([b':']).chain(password.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What is known of a node. Histories show it as a list of these numbers, in this order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "StatList", into = "StatList")]
pub struct Stat {
    /// The zxid at which it was made.
    pub czxid: ZxidNumber,
    /// The zxid at which its data was last set.
    pub mzxid: ZxidNumber,
    /// The zxid at which a child last came or went.
    pub pzxid: ZxidNumber,
    /// When it was made, in milliseconds since the Unix epoch, by the clock of whoever led.
    pub ctime_ms: u64,
    /// When its data was last set, likewise.
    pub mtime_ms: u64,
    /// How often its data was set since it was made.
    pub version: u32,
    /// How often a child came or went.
    pub cversion: u32,
    /// How often its list was set.
    pub aversion: u32,
    /// Whose it is, if it is ephemeral; no session if it is not.
    pub ephemeral_owner: SessionId,
    /// How many bytes its data has.
    pub data_length: u32,
    /// How many children it has.
    pub children: u32,
}

/// See [`Stat`].
type StatList = (
    ZxidNumber,
    ZxidNumber,
    ZxidNumber,
    u64,
    u64,
    u32,
    u32,
    u32,
    SessionId,
    u32,
    u32,
);

impl From<StatList> for Stat {
    fn from(list: StatList) -> Self {
        Self {
            czxid: list.0,
            mzxid: list.1,
            pzxid: list.2,
            ctime_ms: list.3,
            mtime_ms: list.4,
            version: list.5,
            cversion: list.6,
            aversion: list.7,
            ephemeral_owner: list.8,
            data_length: list.9,
            children: list.10,
        }
    }
}

impl From<Stat> for StatList {
    fn from(stat: Stat) -> Self {
        (
            stat.czxid,
            stat.mzxid,
            stat.pzxid,
            stat.ctime_ms,
            stat.mtime_ms,
            stat.version,
            stat.cversion,
            stat.aversion,
            stat.ephemeral_owner,
            stat.data_length,
            stat.children,
        )
    }
}

/// What was done, or read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// A session was opened.
    Opened(SessionId),
    /// A node was made.
    Created {
        /// Where: with its number, if it has one.
        path: String,
        /// What is known of it.
        stat: Stat,
    },
    /// A node was removed, a version was the one to be checked, a session is a user's, a session was closed, or the server is in step.
    Fine,
    /// Data or a list was set: what is known of the node now.
    Set(Stat),
    /// All of a multi.
    Multi(Vec<Done>),
    /// Whether a node is there.
    Exists(Option<Stat>),
    /// What a node holds.
    Data(String, Stat),
    /// The names of a node's children, sorted.
    Children(Vec<String>, Stat),
    /// Who may do what with a node.
    Acl(Vec<Acl>, Stat),
}

/// Why nothing was done, or read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Error {
    /// The node is not there, or its parent is not.
    NoNode,
    /// The node is there.
    NodeExists,
    /// The version is another.
    BadVersion,
    /// The node has children.
    NotEmpty,
    /// An ephemeral node has no children.
    NoChildrenForEphemerals,
    /// Who asks lacks the right.
    NoAuth,
    /// The list is empty, or gives rights to `auth` where the session is nobody.
    InvalidAcl,
    /// The path is none, or the request is one that a multi cannot hold.
    BadArguments,
    /// The session has ended.
    SessionExpired,
    /// A part of a multi failed, and so nothing was done.
    Multi {
        /// Which, from 0.
        at: u32,
        /// Why.
        error: Box<Error>,
    },
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// For a write, its own zxid; otherwise the last that this server had delivered.
    pub zxid: ZxidNumber,
    /// What it answers.
    pub body: Body,
}

/// See [`Reply`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// There is a connection, to this session.
    Connected {
        /// Which.
        session: SessionId,
        /// How long it lives without a sign of its client, in milliseconds.
        timeout_ms: u64,
    },
    /// There is no connection, for the client has seen more than this server has.
    Behind,
    /// There is no connection, and was none: this server has no leader, or lost it. Ask another.
    NotServing,
    /// There is no connection, for the session has ended.
    Expired,
    /// A ping came.
    Pong,
    /// It was done, or the reason why not.
    Done(Result<Done, Error>),
    /// How the node is.
    Status(Report),
}

/// What a server tells a client unasked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A watch fired.
    Fired {
        /// What happened.
        change: Change,
        /// To which node.
        path: String,
        /// At which zxid; of an event that happened before a connection began, the last that its server had delivered then.
        zxid: ZxidNumber,
    },
    /// The connection is over: this server serves no more for now.
    Closed,
}

/// What happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was made.
    Created,
    /// It was removed.
    Deleted,
    /// Its data was set.
    DataChanged,
    /// A child came or went.
    ChildrenChanged,
}

/// What goes into the log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Command {
    /// In which session it is asked; none for the opening of one.
    pub session: SessionId,
    /// When it was proposed, in milliseconds since the Unix epoch, by the leader's wall clock.
    pub at_ms: u64,
    /// What it does.
    pub act: Act,
}

/// See [`Command`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Act {
    /// Opens a session for a client.
    Open {
        /// For whom.
        client: ClientId,
        /// How long it lives without a sign of its client, in milliseconds.
        timeout_ms: u64,
    },
    /// Does what a client asked.
    Do(Op),
    /// Ends the session: its client was silent for too long.
    Expire,
}

/// What the machine gives back.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Output {
    /// The zxid of the change, or for a question the last that was applied.
    pub zxid: ZxidNumber,
    /// What was done, or why not.
    pub result: Result<Done, Error>,
}
