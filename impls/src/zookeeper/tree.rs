//! The tree of nodes, and what keeps it: every change goes through [`Tree::edit`], [`Tree::insert`] or [`Tree::remove`], so that a multi can be taken
//! back and the digest goes with the content.

use super::words::{Acl, SessionId, Stat, ZxidNumber, open_to_all};
use crate::fnv::Fnv;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Znode {
    /// What it holds.
    pub data: String,
    /// Who may do what.
    pub acl: Vec<Acl>,
    /// The names of its children.
    pub children: BTreeSet<String>,
    /// How many children it has ever had.
    pub creates: u32,
    /// See [`Stat::czxid`], and so on.
    pub czxid: ZxidNumber,
    /// See [`Stat::mzxid`].
    pub mzxid: ZxidNumber,
    /// See [`Stat::pzxid`].
    pub pzxid: ZxidNumber,
    /// See [`Stat::ctime_ms`].
    pub ctime_ms: u64,
    /// See [`Stat::mtime_ms`].
    pub mtime_ms: u64,
    /// See [`Stat::version`].
    pub version: u32,
    /// See [`Stat::aversion`].
    pub aversion: u32,
    /// See [`Stat::ephemeral_owner`].
    pub ephemeral_owner: SessionId,
}

impl Znode {
    /// What is known of it.
    pub fn stat(&self) -> Stat {
        let children = self.children.len() as u32;
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid,
            ctime_ms: self.ctime_ms,
            mtime_ms: self.mtime_ms,
            version: self.version,
            // Every child that came, and every one that went.
            cversion: self.creates * 2 - children,
            aversion: self.aversion,
            ephemeral_owner: self.ephemeral_owner,
            data_length: self.data.len() as u32,
            children,
        }
    }
}

/// All nodes by their paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tree {
    nodes: BTreeMap<String, Znode>,
    /// The sum of what the nodes hash to. Equal trees have equal digests.
    #[serde(skip)]
    digest: u64,
    /// While a multi is under way: what it has done, newest last.
    #[serde(skip)]
    journal: Option<Vec<Undo>>,
}

/// Something that can be taken back. A node may have many children, so that no copy of them is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Undo {
    /// A node was changed: what it was, but for its children.
    Edit(String, Znode),
    /// A node came.
    Insert(String),
    /// A node went.
    Remove(String, Znode),
    /// A name was added to a parent's children.
    Link(String),
    /// A name was taken from them.
    Unlink(String),
}

impl Default for Tree {
    fn default() -> Self {
        let root = Znode {
            data: String::new(),
            acl: open_to_all(),
            children: BTreeSet::new(),
            creates: 0,
            czxid: 0,
            mzxid: 0,
            pzxid: 0,
            ctime_ms: 0,
            mtime_ms: 0,
            version: 0,
            aversion: 0,
            ephemeral_owner: SessionId::NONE,
        };
        let digest = hash_of("/", &root);
        Self {
            nodes: BTreeMap::from([("/".to_string(), root)]),
            digest,
            journal: None,
        }
    }
}

impl Tree {
    /// A node.
    pub fn get(&self, path: &str) -> Option<&Znode> {
        self.nodes.get(path)
    }

    /// All nodes, by path.
    pub fn nodes(&self) -> impl Iterator<Item = (&String, &Znode)> {
        self.nodes.iter()
    }

    /// What the whole tree hashes to.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The digest anew, from the content.
    pub fn digest_anew(&self) -> u64 {
        let hashes = self.nodes.iter().map(|(path, node)| hash_of(path, node));
        hashes.fold(0, u64::wrapping_add)
    }

    /// Finds the digest of a tree that was read from a snapshot.
    pub fn settle_in(&mut self) {
        self.digest = self.digest_anew();
    }

    /// Changes a node that is there, but not its children.
    pub fn edit(&mut self, path: &str, change: impl FnOnce(&mut Znode)) {
        let Some(node) = self.nodes.get_mut(path) else {
            return;
        };
        if let Some(journal) = &mut self.journal {
            let children = std::mem::take(&mut node.children);
            journal.push(Undo::Edit(path.to_string(), node.clone()));
            node.children = children;
        }
        let before = hash_of(path, node);
        change(node);
        self.digest = self.digest.wrapping_sub(before);
        self.digest = self.digest.wrapping_add(hash_of(path, node));
    }

    /// Adds a node, and its name to its parent.
    pub fn insert(&mut self, path: &str, node: Znode) {
        let (parent, _) = parted(path);
        let zxid = node.czxid;
        self.edit(parent, |parent| {
            parent.creates += 1;
            parent.pzxid = zxid;
        });
        self.link(path);
        self.note(|| Undo::Link(path.to_string()));
        self.put(path, node);
        self.note(|| Undo::Insert(path.to_string()));
    }

    /// Removes a node, and its name from its parent.
    pub fn remove(&mut self, path: &str, zxid: ZxidNumber) {
        let Some(node) = self.take(path) else { return };
        self.note(|| Undo::Remove(path.to_string(), node));
        let (parent, _) = parted(path);
        self.edit(parent, |parent| parent.pzxid = zxid);
        self.unlink(path);
        self.note(|| Undo::Unlink(path.to_string()));
    }

    /// From now on all changes can be taken back.
    pub fn begin(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// Ends what [`Tree::begin`] began. The changes stay, or are taken back.
    pub fn end(&mut self, stays: bool) {
        let journal = self.journal.take().unwrap_or_default();
        if stays {
            return;
        }
        for undo in journal.into_iter().rev() {
            match undo {
                Undo::Edit(path, before) => self.edit(&path, |node| {
                    let children = std::mem::take(&mut node.children);
                    *node = Znode { children, ..before };
                }),
                Undo::Insert(path) => {
                    self.take(&path);
                }
                Undo::Remove(path, node) => self.put(&path, node),
                Undo::Link(path) => self.unlink(&path),
                Undo::Unlink(path) => self.link(&path),
            }
        }
    }

    fn note(&mut self, undo: impl FnOnce() -> Undo) {
        if let Some(journal) = &mut self.journal {
            journal.push(undo());
        }
    }

    fn put(&mut self, path: &str, node: Znode) {
        self.digest = self.digest.wrapping_add(hash_of(path, &node));
        self.nodes.insert(path.to_string(), node);
    }

    fn take(&mut self, path: &str) -> Option<Znode> {
        let node = self.nodes.remove(path)?;
        self.digest = self.digest.wrapping_sub(hash_of(path, &node));
        Some(node)
    }

    fn link(&mut self, path: &str) {
        let (parent, name) = parted(path);
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.insert(name.to_string());
        }
    }

    fn unlink(&mut self, path: &str) {
        let (parent, name) = parted(path);
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.remove(name);
        }
    }
}

/// A path's parent, and the name below it. The root is its own parent, and has no name.
pub fn parted(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(parted) => parted,
        None => ("/", path),
    }
}

/// Whether a path is one: it begins with a slash, and no name in it is empty, `.` or `..`.
pub fn is_path(path: &str) -> bool {
    let sound = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    match path.strip_prefix('/') {
        Some("") => true,
        Some(names) => names.split('/').all(sound),
        None => false,
    }
}

/// What a node hashes to, with its path: FNV-1a over what std's `Hash` feeds, the same on every machine. Its children are in the digest by
/// their own paths.
fn hash_of(path: &str, node: &Znode) -> u64 {
    let Znode {
        data,
        acl,
        children: _,
        creates,
        czxid,
        mzxid,
        pzxid,
        ctime_ms,
        mtime_ms,
        version,
        aversion,
        ephemeral_owner,
    } = node;
    let mut hasher = Fnv::default();
    (path, data, acl).hash(&mut hasher);
    (creates, czxid, mzxid, pzxid, ctime_ms, mtime_ms).hash(&mut hasher);
    (version, aversion, ephemeral_owner).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(data: &str, czxid: u64) -> Znode {
        Znode {
            data: data.to_string(),
            czxid,
            mzxid: czxid,
            pzxid: czxid,
            ..Tree::default().nodes["/"].clone()
        }
    }

    #[test]
    fn what_a_multi_changed_can_be_taken_back_whole() {
        let mut tree = Tree::default();
        tree.insert("/a", node("1", 1));
        let before = tree.clone();
        tree.begin();
        tree.insert("/a/b", node("2", 2));
        tree.edit("/a", |node| node.data = "3".into());
        tree.remove("/a/b", 2);
        tree.insert("/c", node("4", 2));
        tree.remove("/a", 2);
        tree.end(false);
        assert_eq!(tree, before);
        tree.begin();
        tree.insert("/a/b", node("2", 2));
        tree.end(true);
        assert_eq!(tree.get("/a").unwrap().stat().children, 1);
        assert_eq!(tree.digest(), tree.digest_anew());
    }

    #[test]
    fn the_digest_depends_on_the_content_and_not_on_the_way_to_it() {
        let (mut one, mut other) = (Tree::default(), Tree::default());
        one.insert("/a", node("1", 1));
        one.insert("/b", node("2", 2));
        other.insert("/a", node("0", 1));
        other.insert("/b", node("2", 2));
        assert_ne!(one.digest(), other.digest());
        other.edit("/a", |node| node.data = "1".into());
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one, other);
    }

    #[test]
    fn paths_are_told_from_what_is_none() {
        for path in ["/", "/a", "/a/b.c/..d"] {
            assert!(is_path(path), "{path}");
        }
        for path in ["", "a", "/a/", "//", "/a//b", "/.", "/a/..", "/a\0"] {
            assert!(!is_path(path), "{path:?}");
        }
        assert_eq!(parted("/a"), ("/", "a"));
        assert_eq!(parted("/a/b"), ("/a", "b"));
    }
}
