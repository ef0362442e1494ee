//! A tree of nodes, and what changes make of it: the documented behaviour, written down once more.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::words::{
    Change, Done, Error, Op, Read, SessionId, Stat, Watched, What, ZxidNumber, open_to_all,
};

/// What stands in the log.
#[derive(Clone, Debug)]
pub enum Act {
    /// A session is opened; it is named by the zxid.
    Open,
    /// A client's change.
    Do(Op),
    /// A session ends.
    Expire,
}

/// What happened to which node.
pub type News = Vec<(Change, String)>;

#[derive(Clone, Debug)]
struct Node {
    data: String,
    stat: Stat,
    creates: u32,
}

/// The tree and the open sessions.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
    sessions: BTreeSet<SessionId>,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node {
            data: String::new(),
            stat: Stat::default(),
            creates: 0,
        };
        Self {
            nodes: BTreeMap::from([("/".to_string(), root)]),
            sessions: BTreeSet::new(),
        }
    }
}

fn above(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(slash) => &path[..slash],
    }
}

impl Tree {
    /// What is known of a node.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        Some(self.nodes.get(path)?.stat)
    }

    /// The sessions that are open.
    pub fn sessions(&self) -> &BTreeSet<SessionId> {
        &self.sessions
    }

    /// Does what stands in the log at a zxid.
    pub fn apply(
        &mut self,
        zxid: ZxidNumber,
        session: SessionId,
        act: &Act,
    ) -> (Result<Done, Error>, News) {
        let mut news = News::new();
        let result = match act {
            Act::Open => {
                self.sessions.insert(SessionId(zxid));
                Ok(Done::Fine)
            }
            Act::Expire => Ok(self.end(session, zxid, &mut news)),
            Act::Do(_) if !self.sessions.contains(&session) => Err(Error::SessionExpired),
            Act::Do(Op::Close) => Ok(self.end(session, zxid, &mut news)),
            Act::Do(Op::Multi(ops)) => {
                let before = self.nodes.clone();
                let parts = ops.iter().zip(0..).map(|(op, at)| {
                    let done = self.change(op, session, zxid, &mut news);
                    done.map_err(|error| Error::Multi {
                        at,
                        error: Box::new(error),
                    })
                });
                let done: Result<Vec<Done>, Error> = parts.collect();
                if done.is_err() {
                    self.nodes = before;
                    news.clear();
                }
                done.map(Done::Multi)
            }
            Act::Do(op) => self.change(op, session, zxid, &mut news),
        };
        (result, news)
    }

    fn end(&mut self, session: SessionId, zxid: ZxidNumber, news: &mut News) -> Done {
        self.sessions.remove(&session);
        let own = self.nodes.iter();
        let own = own
            .filter(|(_, node)| session != SessionId::NONE && node.stat.ephemeral_owner == session);
        let own: Vec<String> = own.map(|(path, _)| path.clone()).collect();
        for path in own {
            self.remove(&path, zxid, news);
        }
        Done::Fine
    }

    fn remove(&mut self, path: &str, zxid: ZxidNumber, news: &mut News) {
        self.nodes.remove(path);
        self.child_changed(path, zxid, false);
        news.push((Change::Deleted, path.to_string()));
        news.push((Change::ChildrenChanged, above(path).to_string()));
    }

    fn child_changed(&mut self, path: &str, zxid: ZxidNumber, came: bool) {
        if let Some(node) = self.nodes.get_mut(above(path)) {
            node.creates += u32::from(came);
            node.stat.pzxid = zxid;
            node.stat.cversion += 1;
            match came {
                true => node.stat.children += 1,
                false => node.stat.children -= 1,
            }
        }
    }

    fn change(
        &mut self,
        op: &Op,
        session: SessionId,
        zxid: ZxidNumber,
        news: &mut News,
    ) -> Result<Done, Error> {
        let fits = |node: &Node, version: &Option<u32>| match version {
            Some(version) if *version != node.stat.version => Err(Error::BadVersion),
            _ => Ok(()),
        };
        match op {
            Op::Create {
                path, data, mode, ..
            } => {
                let parent = self.nodes.get(above(path)).ok_or(Error::NoNode)?;
                let path = match mode.is_sequential() {
                    true => format!("{path}{:010}", parent.creates),
                    false => path.clone(),
                };
                if self.nodes.contains_key(&path) {
                    return Err(Error::NodeExists);
                }
                if parent.stat.ephemeral_owner != SessionId::NONE {
                    return Err(Error::NoChildrenForEphemerals);
                }
                let stat = Stat {
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime_ms: zxid,
                    mtime_ms: zxid,
                    data_length: data.len() as u32,
                    ephemeral_owner: match mode.is_ephemeral() {
                        true => session,
                        false => SessionId::NONE,
                    },
                    ..Stat::default()
                };
                let data = data.clone();
                let node = Node {
                    data,
                    stat,
                    creates: 0,
                };
                self.nodes.insert(path.clone(), node);
                self.child_changed(&path, zxid, true);
                news.push((Change::Created, path.clone()));
                news.push((Change::ChildrenChanged, above(&path).to_string()));
                Ok(Done::Created { path, stat })
            }
            Op::Delete { path, version } => {
                let node = self.nodes.get(path).ok_or(Error::NoNode)?;
                fits(node, version)?;
                if node.stat.children > 0 {
                    return Err(Error::NotEmpty);
                }
                self.remove(path, zxid, news);
                Ok(Done::Fine)
            }
            Op::Set {
                path,
                data,
                version,
            } => {
                let node = self.nodes.get_mut(path).ok_or(Error::NoNode)?;
                fits(node, version)?;
                node.data.clone_from(data);
                node.stat.data_length = data.len() as u32;
                node.stat.version += 1;
                node.stat.mzxid = zxid;
                node.stat.mtime_ms = zxid;
                news.push((Change::DataChanged, path.clone()));
                Ok(Done::Set(node.stat))
            }
            Op::SetAcl { path, version, .. } => {
                let node = self.nodes.get_mut(path).ok_or(Error::NoNode)?;
                if version.is_some_and(|version| version != node.stat.aversion) {
                    return Err(Error::BadVersion);
                }
                node.stat.aversion += 1;
                Ok(Done::Set(node.stat))
            }
            Op::Check { path, version } => {
                let node = self.nodes.get(path).ok_or(Error::NoNode)?;
                fits(node, version)?;
                Ok(Done::Fine)
            }
            Op::AddAuth { .. } => Ok(Done::Fine),
            Op::Multi(_) | Op::Close => Err(Error::BadArguments),
        }
    }

    /// Reads a node.
    pub fn read(&self, read: &Read) -> Result<Done, Error> {
        let node = self.nodes.get(&read.path);
        if read.what == What::Exists {
            return Ok(Done::Exists(node.map(|node| node.stat)));
        }
        let node = node.ok_or(Error::NoNode)?;
        Ok(match read.what {
            What::Data => Done::Data(node.data.clone(), node.stat),
            What::Children => Done::Children(self.names(&read.path), node.stat),
            What::Exists | What::Acl => Done::Acl(open_to_all(), node.stat),
        })
    }

    fn names(&self, path: &str) -> Vec<String> {
        let below = format!("{}/", path.trim_end_matches('/'));
        let nodes = self.nodes.range(below.clone()..);
        let nodes = nodes.take_while(|(path, _)| path.starts_with(&below));
        let names = nodes.map(|(path, _)| &path[below.len()..]);
        let names = names.filter(|name| !name.is_empty() && !name.contains('/'));
        names.map(str::to_string).collect()
    }
}

/// What a watch is told that its client brings to another server, by how its node is there, and up to which zxid the client was told of everything:
/// a watch misses nothing. Written from that promise, and from no server's rule.
pub fn missed_change(what: Watched, now: Option<&Stat>, told: ZxidNumber) -> Option<Change> {
    let Some(stat) = now else {
        // Of a node that has come and gone again nothing is left to tell.
        return (what != Watched::Exists).then_some(Change::Deleted);
    };
    let (zxid, change) = match what {
        Watched::Exists => return Some(Change::Created),
        Watched::Data => (stat.mzxid, Change::DataChanged),
        Watched::Children => (stat.pzxid, Change::ChildrenChanged),
    };
    (zxid > told).then_some(change)
}
