//! How facts are read from answers.

use super::{Known, Ledger, Moment, Names, Seen, There, Wish, parent};
use crate::zookeeper::dialect::{Asked, Ended};
use crate::zookeeper::promises::story::{Deed, Story};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::words::{Done, Error, Op, Read, Stat, What, ZxidNumber};

/// See [the module](self).
pub(super) struct Gatherer<'a> {
    /// Where in `known` each path is.
    places: BTreeMap<String, usize>,
    known: Vec<Known<'a>>,
    /// Sequential nodes of unknown outcome, by what their names begin with.
    stems: BTreeMap<&'a str, Vec<Wish>>,
    /// The path of a child, put together here again and again.
    scratch: String,
}

/// Whose answer it is, and at which zxid.
#[derive(Clone, Copy)]
struct Source {
    by: usize,
    zxid: ZxidNumber,
}

impl<'a> Gatherer<'a> {
    pub(super) fn gather(story: &'a Story, ledger: &Ledger) -> BTreeMap<String, Known<'a>> {
        let mut gatherer = Gatherer {
            places: BTreeMap::new(),
            known: Vec::new(),
            stems: BTreeMap::new(),
            scratch: String::new(),
        };
        for deed in &story.deeds {
            match (&deed.ended, &deed.asked) {
                (Some(ended), asked) => gatherer.answered(deed, asked, ended),
                (None, Asked::Write(op)) => {
                    let (floor, _) = ledger.floor(deed.id);
                    let by = deed.id;
                    gatherer.wished(op, Wish { by, floor });
                }
                (None, _) => {}
            }
        }
        gatherer.name_sequential_wishes();
        let Gatherer { places, known, .. } = gatherer;
        let mut known: Vec<_> = known.into_iter().map(Some).collect();
        let paths = places.into_iter();
        let paths = paths.filter_map(|(path, place)| Some((path, known[place].take()?)));
        paths.collect()
    }

    fn known(&mut self, path: &str) -> &mut Known<'a> {
        let place = match self.places.get(path) {
            Some(place) => *place,
            None => {
                let place = self.known.len();
                self.places.insert(path.to_string(), place);
                self.known.push(Known::default());
                place
            }
        };
        &mut self.known[place]
    }

    fn absent(&mut self, path: &str, at: Moment, source: Source) {
        self.known(path).absent.push((at, source.by));
    }

    fn there(&mut self, path: &str, at: Moment, source: Source) {
        self.there_in(path, at, source, None);
    }

    fn there_in(&mut self, path: &str, at: Moment, source: Source, version: Option<(bool, u32)>) {
        let by = source.by;
        self.known(path).there.push(There { at, by, version });
    }

    fn seen(
        &mut self,
        path: &str,
        source: Source,
        stat: &'a Stat,
        (data, whole): (Option<&'a str>, bool),
    ) {
        self.known(path).seen.push(Seen {
            at: Moment::after(source.zxid),
            by: source.by,
            stat,
            whole,
            data,
            is_before_set: false,
        });
    }

    fn answered(&mut self, deed: &Deed, asked: &'a Asked, ended: &'a Ended) {
        let source = Source {
            by: deed.id,
            zxid: ended.zxid,
        };
        match (asked, &ended.result) {
            (Asked::Read(read), Ok(done)) => self.read(read, done, source),
            (Asked::Read(read), Err(error)) => self.read_failed(read, error, source),
            (Asked::Write(Op::Multi(ops)), Ok(Done::Multi(done))) => self.multi(ops, done, source),
            (Asked::Write(Op::Multi(ops)), Err(Error::Multi { at, error })) => {
                self.multi_failed(ops, *at, error, source);
            }
            (Asked::Write(op), Ok(done)) => self.done(op, done, true, source),
            (Asked::Write(op), Err(error)) => self.failed(op, error, source),
            (Asked::Sync | Asked::Rest { .. } | Asked::Store { .. }, _) => {}
        }
    }

    fn read(&mut self, read: &'a Read, done: &'a Done, source: Source) {
        let path = &read.path;
        let at = Moment::after(source.zxid);
        match done {
            Done::Exists(None) => self.absent(path, at, source),
            Done::Exists(Some(stat)) | Done::Acl(_, stat) => {
                self.seen(path, source, stat, (None, true));
            }
            Done::Data(data, stat) => self.seen(path, source, stat, (Some(data), true)),
            Done::Children(names, stat) => {
                self.seen(path, source, stat, (None, true));
                let list = Names {
                    at,
                    by: source.by,
                    names,
                    children: stat.children,
                };
                self.known(path).names.push(list);
                let mut child = std::mem::take(&mut self.scratch);
                for name in names {
                    child.clear();
                    child.push_str(path.strip_suffix('/').unwrap_or(path));
                    child.push('/');
                    child.push_str(name);
                    self.there(&child, at, source);
                }
                self.scratch = child;
            }
            Done::Opened(_) | Done::Created { .. } | Done::Fine | Done::Set(_) | Done::Multi(_) => {
            }
        }
    }

    fn read_failed(&mut self, read: &Read, error: &Error, source: Source) {
        let at = Moment::after(source.zxid);
        match error {
            Error::NoNode if read.what != What::Exists => self.absent(&read.path, at, source),
            Error::NoAuth => self.there(&read.path, at, source),
            _ => {}
        }
    }

    /// Something was done. Unless it was part of a multi that changed the node in other ways, too: then only the node's existence is spoken of elsewhere.
    fn done(&mut self, op: &'a Op, done: &'a Done, whole: bool, source: Source) {
        let (before, after) = (Moment::before(source.zxid), Moment::after(source.zxid));
        match (op, done) {
            (Op::Create { data, .. }, Done::Created { path, stat }) => {
                self.absent(path, before, source);
                self.seen(path, source, stat, (Some(data), whole));
                self.there(parent(path), after, source);
            }
            (Op::Delete { path, version }, _) => {
                let version = version.map(|version| (true, version));
                self.there_in(path, before, source, version);
                self.absent(path, after, source);
                self.there(parent(path), after, source);
                self.known(path).deleted.push((source.zxid, source.by));
            }
            (
                Op::Set {
                    path,
                    data,
                    version,
                },
                Done::Set(stat),
            ) => {
                let version = version.map(|version| (true, version));
                self.there_in(path, before, source, version);
                self.seen(path, source, stat, (Some(data), whole));
                self.known(path).seen.push(Seen {
                    at: before,
                    by: source.by,
                    stat,
                    whole: false,
                    data: None,
                    is_before_set: true,
                });
            }
            (Op::SetAcl { path, .. }, Done::Set(stat)) => {
                self.seen(path, source, stat, (None, whole));
            }
            (Op::Check { path, version }, _) => {
                self.there_in(path, after, source, version.map(|version| (true, version)));
            }
            _ => {}
        }
    }

    fn failed(&mut self, op: &Op, error: &Error, source: Source) {
        let at = Moment::after(source.zxid);
        match (op, error) {
            (Op::Create { path, .. }, Error::NoNode) => self.absent(parent(path), at, source),
            (Op::Create { path, mode, .. }, Error::NodeExists) if !mode.is_sequential() => {
                self.there(path, at, source);
            }
            (
                Op::Create { path, .. },
                Error::NoAuth | Error::NoChildrenForEphemerals | Error::NodeExists,
            ) => self.there(parent(path), at, source),
            (
                Op::Delete { path, .. }
                | Op::Set { path, .. }
                | Op::SetAcl { path, .. }
                | Op::Check { path, .. },
                Error::NoNode,
            ) => self.absent(path, at, source),
            (Op::Delete { path, version } | Op::Set { path, version, .. }, Error::BadVersion)
            | (Op::Check { path, version }, Error::BadVersion) => {
                let version = version.map(|version| (false, version));
                self.there_in(path, at, source, version);
            }
            (Op::Delete { path, version }, Error::NotEmpty) => {
                let version = version.map(|version| (true, version));
                self.there_in(path, at, source, version);
            }
            (
                Op::Delete { path, .. } | Op::Set { path, .. } | Op::SetAcl { path, .. },
                Error::NoAuth | Error::BadVersion,
            )
            | (Op::Check { path, .. }, Error::NoAuth) => self.there(path, at, source),
            _ => {}
        }
    }

    /// All parts of a multi were done. What is said of a node that several parts change holds only between them.
    fn multi(&mut self, ops: &'a [Op], done: &'a [Done], source: Source) {
        let changed = || ops.iter().zip(done).filter_map(changed_path);
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        let mut parents: BTreeMap<&str, u32> = BTreeMap::new();
        for (path, comes_or_goes) in changed() {
            *times.entry(path).or_default() += 1;
            if comes_or_goes {
                *parents.entry(parent(path)).or_default() += 1;
            }
        }
        for (path, _) in times.iter().filter(|(_, times)| **times > 1) {
            self.known(path).is_loose = true;
        }
        for (op, done) in ops.iter().zip(done) {
            let path = match op {
                Op::Check { path, .. } => Some((path.as_str(), 1)),
                _ => changed_path((op, done)).map(|(path, _)| (path, 2)),
            };
            let Some((path, too_often)) = path else {
                continue;
            };
            if times.get(path).is_some_and(|times| *times >= too_often) {
                continue;
            }
            self.done_in_multi(op, done, !parents.contains_key(path), source);
        }
    }

    /// The same, where other parts may have made or removed the parent.
    fn done_in_multi(&mut self, op: &'a Op, done: &'a Done, whole: bool, source: Source) {
        let (before, after) = (Moment::before(source.zxid), Moment::after(source.zxid));
        match (op, done) {
            (Op::Create { data, .. }, Done::Created { path, stat }) => {
                self.absent(path, before, source);
                self.seen(path, source, stat, (Some(data), whole));
            }
            (Op::Delete { path, version }, _) => {
                let version = version.map(|version| (true, version));
                self.there_in(path, before, source, version);
                self.absent(path, after, source);
                self.known(path).deleted.push((source.zxid, source.by));
            }
            _ => self.done(op, done, whole, source),
        }
    }

    /// A part of a multi failed, after the parts before it had been done for a while. It says something if none of these concerned its node.
    fn multi_failed(&mut self, ops: &'a [Op], at: u32, error: &Error, source: Source) {
        let Some((op, earlier)) = ops
            .get(at as usize)
            .map(|op| (op, ops.iter().take(at as usize)))
        else {
            return;
        };
        let Some(path) = crate::zookeeper::dialect::path_of(op) else {
            return;
        };
        let mut touched = BTreeSet::new();
        for path in earlier.filter_map(crate::zookeeper::dialect::path_of) {
            touched.insert(path);
            touched.insert(parent(path));
        }
        if !touched.contains(path) && !touched.contains(parent(path)) {
            self.failed(op, error, source);
        }
    }

    fn wished(&mut self, op: &'a Op, wish: Wish) {
        match op {
            Op::Create { path, mode, .. } if mode.is_sequential() => {
                self.stems.entry(path).or_default().push(wish);
            }
            Op::Create { path, .. } => self.known(path).wished_creates.push(wish),
            Op::Delete { path, .. } => self.known(path).wished_deletes.push(wish),
            Op::Set { path, .. } => self.known(path).wished_sets.push(wish),
            Op::Multi(ops) => ops.iter().for_each(|op| self.wished(op, wish)),
            Op::SetAcl { .. } | Op::Check { .. } | Op::AddAuth { .. } | Op::Close => {}
        }
    }

    /// A sequential node that somebody saw may be any of those that were wished with its stem.
    fn name_sequential_wishes(&mut self) {
        if self.stems.is_empty() {
            return;
        }
        for (path, place) in &self.places {
            let stem = stem(path).and_then(|stem| self.stems.get(stem));
            let known = &mut self.known[*place];
            known.wished_creates.extend(stem.into_iter().flatten());
        }
    }
}

/// What the name of a sequential node begins with.
pub fn stem(path: &str) -> Option<&str> {
    let (stem, digits) = path.split_at_checked(path.len().checked_sub(10)?)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then_some(stem)
}

/// The node that a part of a multi changed, and whether the part made or removed it.
fn changed_path<'a>((op, done): (&'a Op, &'a Done)) -> Option<(&'a str, bool)> {
    match (op, done) {
        (Op::Create { .. }, Done::Created { path, .. }) => Some((path, true)),
        (Op::Delete { path, .. }, _) => Some((path, true)),
        (Op::Set { path, .. } | Op::SetAcl { path, .. }, _) => Some((path, false)),
        _ => None,
    }
}
