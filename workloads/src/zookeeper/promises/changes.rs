//! What was done to single nodes, and what was seen of them. Multis are taken apart.

use super::facts::Ledger;
use super::story::{Deed, Story};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Done, Error, Op, SessionId, Stat, ZxidNumber};

/// A change of one node that was answered ok.
pub(super) struct Made<'a> {
    /// When.
    pub(super) zxid: ZxidNumber,
    /// Its place in a multi.
    pub(super) part: usize,
    /// By which operation.
    pub(super) deed: usize,
    /// In which session.
    pub(super) session: SessionId,
    /// What was asked.
    pub(super) op: &'a Op,
    /// What was done.
    pub(super) done: &'a Done,
}

/// A change of one node of which nobody knows whether it was made.
pub(super) struct Doubt<'a> {
    /// If it was, then at a zxid beyond this one: the newest that anybody had been answered when it was asked.
    pub(super) after: ZxidNumber,
    /// What was asked.
    pub(super) op: &'a Op,
}

/// What is known of a node, at a zxid.
pub(super) struct Sighting<'a> {
    /// When.
    pub(super) zxid: ZxidNumber,
    /// Whether it was read, and so after all that happened at the zxid.
    pub(super) read: bool,
    /// Its place in a multi.
    pub(super) part: usize,
    /// By which operation.
    pub(super) deed: usize,
    /// Which node.
    pub(super) path: &'a str,
    /// How it was.
    pub(super) stat: &'a Stat,
}

/// The names of a node's children, at a zxid.
pub(super) struct Listing<'a> {
    /// When.
    pub(super) zxid: ZxidNumber,
    /// By which operation.
    pub(super) deed: usize,
    /// In which session.
    pub(super) session: SessionId,
    /// Of which node.
    pub(super) path: &'a str,
    /// Its children.
    pub(super) names: &'a [String],
}

/// See [the module](self).
pub(super) struct Changes<'a> {
    /// By zxid and part.
    pub(super) made: Vec<Made<'a>>,
    /// By call.
    pub(super) doubts: Vec<Doubt<'a>>,
    /// By zxid; what was read last.
    pub(super) sightings: Vec<Sighting<'a>>,
    /// By zxid.
    pub(super) listings: Vec<Listing<'a>>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(story: &'a Story, ledger: &Ledger) -> Self {
        let mut all = Self {
            made: Vec::new(),
            doubts: Vec::new(),
            sightings: Vec::new(),
            listings: Vec::new(),
        };
        for deed in &story.deeds {
            match (&deed.ended, deed.op()) {
                (None, Some(op)) => {
                    let (after, _) = ledger.floor(deed.id);
                    let doubts = parts(op).iter().map(|op| Doubt { after, op });
                    all.doubts.extend(doubts);
                }
                (Some(ended), Some(op)) => {
                    if let Ok(done) = &ended.result {
                        all.write(deed, op, done, ended.zxid);
                    }
                }
                (Some(ended), None) => {
                    if let (Ok(done), Some(path)) = (&ended.result, deed.asked.path()) {
                        all.read(deed, path, done, ended.zxid);
                    }
                }
                (None, None) => {}
            }
        }
        all.made.sort_by_key(|made| (made.zxid, made.part));
        all.sightings
            .sort_by_key(|seen| (seen.zxid, seen.read, seen.part));
        all.listings.sort_by_key(|listing| listing.zxid);
        all
    }

    fn write(&mut self, deed: &Deed, op: &'a Op, done: &'a Done, zxid: ZxidNumber) {
        let session = deed.session().unwrap_or_default();
        let of_parts: &[Done] = match (op, done) {
            (Op::Multi(_), Done::Multi(done)) => done,
            (Op::Multi(_), _) => &[],
            _ => std::slice::from_ref(done),
        };
        for (part, (op, done)) in parts(op).iter().zip(of_parts).enumerate() {
            let seen = match (op, done) {
                (Op::Create { .. }, Done::Created { path, stat }) => Some((path.as_str(), stat)),
                (Op::Set { path, .. } | Op::SetAcl { path, .. }, Done::Set(stat)) => {
                    Some((path.as_str(), stat))
                }
                _ => None,
            };
            let (read, deed) = (false, deed.id);
            self.sightings.extend(seen.map(|(path, stat)| Sighting {
                zxid,
                read,
                part,
                deed,
                path,
                stat,
            }));
            self.made.push(Made {
                zxid,
                part,
                deed,
                session,
                op,
                done,
            });
        }
    }

    fn read(&mut self, deed: &Deed, path: &'a str, done: &'a Done, zxid: ZxidNumber) {
        let (Done::Exists(Some(stat))
        | Done::Data(_, stat)
        | Done::Children(_, stat)
        | Done::Acl(_, stat)) = done
        else {
            return;
        };
        self.sightings.push(Sighting {
            zxid,
            read: true,
            part: 0,
            deed: deed.id,
            path,
            stat,
        });
        if let Done::Children(names, _) = done {
            self.listings.push(Listing {
                zxid,
                deed: deed.id,
                session: deed.session().unwrap_or_default(),
                path,
                names,
            });
        }
    }
}

/// The changes of single nodes that a change consists of.
pub(super) fn parts(op: &Op) -> &[Op] {
    match op {
        Op::Multi(ops) => ops,
        _ => std::slice::from_ref(op),
    }
}

/// The path of a child.
pub(super) fn child_of(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        _ => format!("{parent}/{name}"),
    }
}

/// What a path or a name begins with, and the number of ten digits at its end. What is no sequential node's has none.
pub(super) fn numbered(path: &str) -> Option<(&str, u64)> {
    let (stem, digits) = path.split_at_checked(path.len().checked_sub(10)?)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| all_digits)?;
    Some((stem, number))
}

/// Whether a node is below a directory of directories: `/locks/k0/n-0000000001` is below `/locks`, in `/locks/k0`.
pub(super) fn is_in(path: &str, root: &str) -> bool {
    let directory = parted(path).0;
    is_directory_of(directory, root)
}

/// Whether a node is such a directory: `/locks/k0` is one of `/locks`.
pub(super) fn is_directory_of(path: &str, root: &str) -> bool {
    let name = path.strip_prefix(root);
    name.is_some_and(|name| name.len() > 1 && name.starts_with('/'))
}

/// Whether a change may make a node.
pub(super) fn may_make(op: &Op, made: &str) -> bool {
    match op {
        Op::Create { path, mode, .. } if mode.is_sequential() => {
            numbered(made).is_some_and(|(stem, _)| stem == path)
        }
        Op::Create { path, .. } => path == made,
        _ => false,
    }
}

/// Whether an answer proves that its session was open when it was given its zxid: nothing else is done in one that has ended.
pub(super) fn proves_life(deed: &Deed) -> Option<(SessionId, ZxidNumber)> {
    let (session, zxid) = (deed.session()?, deed.own_zxid()?);
    let ended = deed.ended.as_ref()?;
    (ended.result != Err(Error::SessionExpired)).then_some((session, zxid))
}

/// Each with the next.
pub(super) fn neighbours<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
    all.iter().zip(all.iter().skip(1))
}

/// A zxid as people write it: `2.7`.
pub(super) fn shown(zxid: ZxidNumber) -> String {
    format!("{}.{}", zxid >> 32, zxid & 0xffff_ffff)
}
