//! The replicated state: the tree, the sessions, and what a command makes of them. Rights are judged here, where the command is applied, by the lists as
//! they are at that zxid.

use super::mutants;
use super::rules::{Ephemerals, TreeRules, Users};
use super::tree::{Tree, Znode, is_path, parted};
use super::words::{
    Acl, Act, Change, Command, Done, Error, Mode, Op, Output, Read, Rights, SessionId, What, Who,
    ZxidNumber, digest_of,
};
use crate::aside::Aside;
use crate::contract::ClientId;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The replicated state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Znodes {
    tree: Tree,
    sessions: BTreeMap<SessionId, Known>,
    /// The zxid of the last command applied.
    last: ZxidNumber,
    /// Which nodes go with which session: what the tree says, by session.
    #[serde(skip)]
    ephemerals: Ephemerals,
    #[serde(skip)]
    rules: Aside<TreeRules>,
    /// What was done since somebody asked.
    #[serde(skip)]
    news: Aside<Vec<News>>,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Known {
    /// Whose it is.
    pub client: ClientId,
    /// How long it lives without a sign of its client, in milliseconds.
    pub timeout_ms: u64,
    /// Which users it is.
    pub users: Users,
}

/// Something that a command did, for the server around the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A node changed.
    Changed {
        /// How.
        change: Change,
        /// Which.
        path: String,
        /// At which zxid.
        zxid: ZxidNumber,
    },
    /// A session was opened. Its number is the zxid.
    Opened {
        /// Which.
        session: SessionId,
        /// How long it lives without a sign of its client, in milliseconds.
        timeout_ms: u64,
    },
    /// A session ended.
    Ended {
        /// Which.
        session: SessionId,
        /// At which zxid.
        zxid: ZxidNumber,
    },
}

impl News {
    /// At which zxid it happened.
    pub(super) fn zxid(&self) -> ZxidNumber {
        match self {
            News::Changed { zxid, .. } | News::Ended { zxid, .. } => *zxid,
            News::Opened { session, .. } => session.0,
        }
    }
}

impl Machine for Znodes {
    type Command = Command;
    type Query = ();
    type Output = Output;

    fn apply(&mut self, zxid: u64, command: &Command) -> Output {
        self.last = zxid;
        let result = match &command.act {
            Act::Open { client, timeout_ms } => self.open(SessionId(zxid), *client, *timeout_ms),
            Act::Expire => self.end(command.session, zxid),
            Act::Do(op) => self.act(command, op, zxid),
        };
        Output { zxid, result }
    }

    /// The zxid of the last command: what a sync waits for.
    fn query(&self, (): &()) -> Output {
        Output {
            zxid: self.last,
            result: Ok(Done::Fine),
        }
    }

    fn weight(command: &Command) -> u64 {
        match &command.act {
            Act::Open { .. } | Act::Expire => 16,
            Act::Do(op) => 16 + weight(op),
        }
    }

    fn has_mutant(id: &str) -> bool {
        mutants::rules(id).is_some() || super::harmless::rules(id).is_some()
    }

    fn settle_in(&mut self, mutant: Option<&str>) {
        self.rules = Aside(super::rules::Rules::planted(mutant).tree);
        self.tree.settle_in();
        self.ephemerals = (self.rules.0.ephemerals_of)(&self.tree);
    }

    fn for_snapshot(&self) -> Option<Self> {
        let tree = (self.rules.0.snapshot_of)(&self.tree, self.last)?;
        Some(Self {
            tree,
            ..self.clone()
        })
    }
}

/// About how many bytes a change takes.
fn weight(op: &Op) -> u64 {
    let bytes = match op {
        Op::Create { path, data, .. } | Op::Set { path, data, .. } => path.len() + data.len() + 24,
        Op::Delete { path, .. } | Op::SetAcl { path, .. } | Op::Check { path, .. } => {
            path.len() + 24
        }
        Op::AddAuth { user, password } => user.len() + password.len(),
        Op::Multi(ops) => return ops.iter().map(weight).sum(),
        Op::Close => 0,
    };
    bytes as u64
}

impl Znodes {
    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The sessions that are open.
    pub fn sessions(&self) -> &BTreeMap<SessionId, Known> {
        &self.sessions
    }

    /// The zxid of the last command applied.
    pub fn last(&self) -> ZxidNumber {
        self.last
    }

    /// An ephemeral node whose session has ended, if there is one among those that this server knows to go with a session.
    pub(super) fn orphan(&self) -> Option<(SessionId, &String)> {
        let mut owners = self.ephemerals.iter();
        let (session, own) = owners.find(|(session, _)| !self.sessions.contains_key(session))?;
        Some((*session, own.first()?))
    }

    /// What was done since this was last asked.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news.0)
    }

    fn changed(&mut self, change: Change, path: &str, zxid: ZxidNumber) {
        let path = path.to_string();
        self.news.0.push(News::Changed { change, path, zxid });
    }

    fn open(
        &mut self,
        session: SessionId,
        client: ClientId,
        timeout_ms: u64,
    ) -> Result<Done, Error> {
        let known = Known {
            client,
            timeout_ms,
            users: Users::new(),
        };
        self.sessions.insert(session, known);
        let news = News::Opened {
            session,
            timeout_ms,
        };
        self.news.0.push(news);
        Ok(Done::Opened(session))
    }

    /// A session ends, and its ephemeral nodes with it.
    fn end(&mut self, session: SessionId, zxid: ZxidNumber) -> Result<Done, Error> {
        self.sessions.remove(&session);
        let gone = self.ephemerals.remove(&session).unwrap_or_default();
        for path in gone {
            self.remove(&path, zxid);
        }
        self.news.0.push(News::Ended { session, zxid });
        Ok(Done::Fine)
    }

    fn act(&mut self, command: &Command, op: &Op, zxid: ZxidNumber) -> Result<Done, Error> {
        let session = command.session;
        let known = self.sessions.get(&session);
        if !(self.rules.0.may_act)(known.is_some()) {
            return Err(Error::SessionExpired);
        }
        let by = By {
            session,
            users: known.map(|known| known.users.clone()).unwrap_or_default(),
            zxid,
            at_ms: command.at_ms,
        };
        match op {
            Op::Multi(ops) => self.multi(ops, &by),
            Op::AddAuth { user, password } => {
                let digest = digest_of(user, password);
                if let Some(known) = self.sessions.get_mut(&session) {
                    known.users.insert((user.clone(), digest));
                }
                Ok(Done::Fine)
            }
            Op::Close => self.end(session, zxid),
            _ => self.change(op, &by),
        }
    }

    /// All of these, or none.
    fn multi(&mut self, ops: &[Op], by: &By) -> Result<Done, Error> {
        let news = self.news.0.len();
        let ephemerals = ops.iter().any(may_touch_ephemerals);
        let ephemerals = ephemerals.then(|| self.ephemerals.clone());
        self.tree.begin();
        let parts = ops.iter().zip(0..);
        let done: Result<Vec<Done>, Error> = parts
            .map(|(op, at)| {
                let done = match op {
                    Op::Multi(_) | Op::AddAuth { .. } | Op::Close => Err(Error::BadArguments),
                    _ => self.change(op, by),
                };
                done.map_err(|error| Error::Multi {
                    at,
                    error: Box::new(error),
                })
            })
            .collect();
        let stays = (self.rules.0.stays)(done.is_ok());
        self.tree.end(stays);
        if !stays {
            self.news.0.truncate(news);
            if let Some(ephemerals) = ephemerals {
                self.ephemerals = ephemerals;
            }
        }
        done.map(Done::Multi)
    }

    /// One change to one node.
    fn change(&mut self, op: &Op, by: &By) -> Result<Done, Error> {
        match op {
            Op::Create {
                path,
                data,
                mode,
                acl,
            } => self.create(path, data, (*mode, acl), by),
            Op::Delete { path, version } => self.delete(path, *version, by),
            Op::Set {
                path,
                data,
                version,
            } => {
                let node = self.node(path)?;
                self.allow(&node.acl, &by.users, &[Rights::WRITE])?;
                expect(node.version, *version)?;
                self.tree.edit(path, |node| {
                    node.data.clone_from(data);
                    node.version += 1;
                    node.mzxid = by.zxid;
                    node.mtime_ms = by.at_ms;
                });
                self.changed(Change::DataChanged, path, by.zxid);
                Ok(Done::Set(self.node(path)?.stat()))
            }
            Op::SetAcl { path, acl, version } => {
                let node = self.node(path)?;
                self.allow(&node.acl, &by.users, &[Rights::ADMIN])?;
                let acl = stored(acl, &by.users)?;
                expect(node.aversion, *version)?;
                self.tree.edit(path, |node| {
                    node.acl = acl;
                    node.aversion += 1;
                });
                Ok(Done::Set(self.node(path)?.stat()))
            }
            Op::Check { path, version } => {
                let node = self.node(path)?;
                self.allow(&node.acl, &by.users, &[Rights::READ])?;
                expect(node.version, *version)?;
                Ok(Done::Fine)
            }
            Op::Multi(_) | Op::AddAuth { .. } | Op::Close => Err(Error::BadArguments),
        }
    }

    fn create(
        &mut self,
        path: &str,
        data: &str,
        (mode, acl): (Mode, &[Acl]),
        by: &By,
    ) -> Result<Done, Error> {
        // A sequential node may be named by its number alone.
        let stem_is_path = mode.is_sequential() && path.len() > 1 && is_path(&format!("{path}0"));
        if !stem_is_path && !is_path(path) {
            return Err(Error::BadArguments);
        }
        let acl = stored(acl, &by.users)?;
        let above = self.node(parted(path).0)?;
        self.allow(&above.acl, &by.users, &[Rights::CREATE])?;
        let path = match mode.is_sequential() {
            true => format!("{path}{:010}", (self.rules.0.sequence_of)(above)),
            false => path.to_string(),
        };
        if self.tree.get(&path).is_some() {
            return Err(Error::NodeExists);
        }
        if above.ephemeral_owner != SessionId::NONE {
            return Err(Error::NoChildrenForEphemerals);
        }
        let ephemeral_owner = match mode.is_ephemeral() {
            true => by.session,
            false => SessionId::NONE,
        };
        let node = Znode {
            data: data.to_string(),
            acl,
            children: BTreeSet::new(),
            creates: 0,
            czxid: by.zxid,
            mzxid: by.zxid,
            pzxid: by.zxid,
            ctime_ms: by.at_ms,
            mtime_ms: by.at_ms,
            version: 0,
            aversion: 0,
            ephemeral_owner,
        };
        let stat = node.stat();
        self.tree.insert(&path, node);
        if mode.is_ephemeral() {
            let own = self.ephemerals.entry(by.session).or_default();
            own.insert(path.clone());
        }
        self.changed(Change::Created, &path, by.zxid);
        self.changed(Change::ChildrenChanged, parted(&path).0, by.zxid);
        Ok(Done::Created { path, stat })
    }

    fn delete(&mut self, path: &str, version: Option<u32>, by: &By) -> Result<Done, Error> {
        if path == "/" || !is_path(path) {
            return Err(Error::BadArguments);
        }
        let above = self.node(parted(path).0)?;
        let node = self.node(path)?;
        self.allow(&above.acl, &by.users, &[Rights::DELETE])?;
        expect(node.version, version)?;
        if !node.children.is_empty() {
            return Err(Error::NotEmpty);
        }
        let owner = node.ephemeral_owner;
        if let Some(own) = self.ephemerals.get_mut(&owner) {
            own.remove(path);
            if own.is_empty() {
                self.ephemerals.remove(&owner);
            }
        }
        self.remove(path, by.zxid);
        Ok(Done::Fine)
    }

    fn remove(&mut self, path: &str, zxid: ZxidNumber) {
        self.tree.remove(path, zxid);
        self.changed(Change::Deleted, path, zxid);
        self.changed(Change::ChildrenChanged, parted(path).0, zxid);
    }

    fn node(&self, path: &str) -> Result<&Znode, Error> {
        self.tree.get(path).ok_or(match is_path(path) {
            true => Error::NoNode,
            false => Error::BadArguments,
        })
    }

    /// Whether any of these rights is there. The right to nothing everybody has, in the list or not.
    fn allow(&self, acl: &[Acl], users: &Users, any_of: &[Rights]) -> Result<(), Error> {
        let allows =
            |wanted: &Rights| *wanted == Rights(0) || (self.rules.0.allows)(acl, users, *wanted);
        match any_of.iter().any(allows) {
            true => Ok(()),
            false => Err(Error::NoAuth),
        }
    }

    /// Reads a node, in a session.
    pub(super) fn read(&self, session: SessionId, read: &Read) -> Result<Done, Error> {
        let known = self.sessions.get(&session);
        let users = known.map(|known| known.users.clone()).unwrap_or_default();
        if read.what == What::Exists {
            return match self.node(&read.path) {
                Ok(node) => Ok(Done::Exists(Some(node.stat()))),
                Err(Error::NoNode) => Ok(Done::Exists(None)),
                Err(error) => Err(error),
            };
        }
        let node = self.node(&read.path)?;
        let any_of = match read.what {
            What::Acl => (self.rules.0.rights_to_see_acl)(),
            What::Exists | What::Data | What::Children => &[Rights::READ],
        };
        self.allow(&node.acl, &users, any_of)?;
        let stat = node.stat();
        Ok(match read.what {
            What::Exists => Done::Exists(Some(stat)),
            What::Data => Done::Data(node.data.clone(), stat),
            What::Children => Done::Children(node.children.iter().cloned().collect(), stat),
            What::Acl => Done::Acl(node.acl.clone(), stat),
        })
    }
}

/// Who changes something, when.
struct By {
    session: SessionId,
    users: Users,
    zxid: ZxidNumber,
    at_ms: u64,
}

fn expect(version: u32, expected: Option<u32>) -> Result<(), Error> {
    match expected.is_none_or(|expected| expected == version) {
        true => Ok(()),
        false => Err(Error::BadVersion),
    }
}

/// A list as it is stored: `auth` becomes the users that the session is.
fn stored(acl: &[Acl], users: &Users) -> Result<Vec<Acl>, Error> {
    let mut stored = Vec::new();
    for entry in acl {
        if entry.who != Who::Auth {
            stored.push(entry.clone());
            continue;
        }
        if users.is_empty() {
            return Err(Error::InvalidAcl);
        }
        stored.extend(users.iter().map(|(user, digest)| Acl {
            who: Who::Digest {
                user: user.clone(),
                digest: *digest,
            },
            rights: entry.rights,
        }));
    }
    match stored.is_empty() {
        true => Err(Error::InvalidAcl),
        false => Ok(stored),
    }
}

/// Whether which nodes go with which session may be another afterwards.
fn may_touch_ephemerals(op: &Op) -> bool {
    match op {
        Op::Create { mode, .. } => mode.is_ephemeral(),
        Op::Delete { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
