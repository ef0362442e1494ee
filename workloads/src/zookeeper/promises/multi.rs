//! All parts of a multi are done, at one zxid, or none is.
//!
//! > Atomicity: Updates either succeed or fail -- there are no partial results.
//! >
//! > *ZooKeeper Programmer's Guide*, Consistency Guarantees
//!
//! Of a multi that was answered the zxid is known. Of one that was not it is when somebody read data that only this multi wrote. Then all its parts must
//! hold right after that zxid. Of a multi that failed nothing may be seen.

use super::facts::{Facts, Known, Moment, stem};
use super::ground::Ground;
use super::story::{Deed, Story};
use super::{Breach, Promise};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::words::{Done, Op, ZxidNumber};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "multi",
    quote: "\"Updates either succeed or fail -- there are no partial results\" (ZooKeeper Programmer's Guide, Consistency Guarantees)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    if !story.deeds.iter().any(|deed| parts(deed).is_some()) {
        return Ok(());
    }
    let facts = ground.facts();
    let seen = Seeing::of(facts);
    let writers = writers(story);
    let mut later = BTreeMap::new();
    for deed in &story.deeds {
        let Some(ops) = parts(deed) else { continue };
        let zxid = match deed.ended.as_ref().map(|ended| (&ended.result, ended.zxid)) {
            Some((Ok(Done::Multi(done)), zxid)) => {
                one_zxid(deed, ops, done, zxid)?;
                let done = done.iter().map(Some).collect();
                Some((zxid, done))
            }
            Some((Err(_), zxid)) => {
                nothing_seen(deed, ops, zxid, &seen, &writers)?;
                None
            }
            Some((Ok(_), _)) => None,
            None => {
                let zxid = seen.placed(deed, ops, facts, &writers);
                zxid.map(|zxid| (zxid, vec![None; ops.len()]))
            }
        };
        if let Some((zxid, done)) = zxid {
            all_seen(deed, (ops, &done), zxid, (facts, &mut later))?;
        }
    }
    Ok(())
}

fn parts(deed: &Deed) -> Option<&[Op]> {
    match deed.op()? {
        Op::Multi(ops) => Some(ops),
        _ => None,
    }
}

/// Whose data a text is: the only write that has it, unless there are two.
fn writers(story: &Story) -> BTreeMap<&str, Option<usize>> {
    let mut writers: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for deed in &story.deeds {
        let ops = match deed.op() {
            Some(Op::Multi(ops)) => ops,
            Some(op) => std::slice::from_ref(op),
            None => continue,
        };
        for data in ops.iter().filter_map(|op| Some(written(op)?.1)) {
            let writer = writers.entry(data).or_insert(Some(deed.id));
            *writer = writer.filter(|by| *by == deed.id);
        }
    }
    writers
}

/// What a part writes, and where.
fn written(op: &Op) -> Option<(&str, &str)> {
    match op {
        Op::Create { path, data, .. } | Op::Set { path, data, .. } => Some((path, data)),
        _ => None,
    }
}

/// What somebody was shown, whoever it was.
struct Seeing<'a> {
    /// At which zxids nodes were said to have been made or set, and to whom.
    zxids: BTreeMap<ZxidNumber, usize>,
    /// Since when some node held this, where, and to whom that was said.
    data: BTreeMap<&'a str, (ZxidNumber, &'a str, usize)>,
}

impl<'a> Seeing<'a> {
    fn of(facts: &'a Facts<'_>) -> Self {
        let (mut zxids, mut data) = (BTreeMap::new(), BTreeMap::new());
        for (path, known) in &facts.paths {
            for seen in &known.seen {
                let stat = seen.stat;
                zxids.entry(stat.czxid).or_insert(seen.by);
                zxids.entry(stat.mzxid).or_insert(seen.by);
                if seen.whole {
                    zxids.entry(stat.pzxid).or_insert(seen.by);
                }
                if let Some(text) = seen.data {
                    let first = (stat.mzxid, path.as_str(), seen.by);
                    data.entry(text).or_insert(first);
                }
            }
        }
        Self { zxids, data }
    }

    /// The zxid of a multi of unknown outcome, if something that only it wrote was seen where it wrote it.
    fn placed(
        &self,
        deed: &Deed,
        ops: &[Op],
        facts: &Facts<'_>,
        writers: &BTreeMap<&str, Option<usize>>,
    ) -> Option<ZxidNumber> {
        let mut texts = ops.iter().filter_map(written);
        texts.find_map(|(path, text)| {
            let (zxid, held_by, _) = self.data.get(text)?;
            let only = writers.get(text) == Some(&Some(deed.id)) && !text.is_empty();
            let here = *held_by == path || stem(held_by) == Some(path);
            (only && here && facts.ledger.owner(*zxid).is_none()).then_some(*zxid)
        })
    }
}

/// All parts of a multi were done at its zxid.
fn one_zxid(deed: &Deed, ops: &[Op], done: &[Done], zxid: ZxidNumber) -> Result<(), Breach> {
    let other = ops.iter().zip(done).find_map(|part| {
        let named = match part {
            (Op::Create { .. }, Done::Created { stat, .. }) if stat.czxid != zxid => stat.czxid,
            (Op::Create { .. }, Done::Created { stat, .. }) | (Op::Set { .. }, Done::Set(stat)) => {
                stat.mzxid
            }
            _ => return None,
        };
        (named != zxid).then_some(named)
    });
    if let Some(other) = other {
        return Err(Breach {
            culprits: vec![deed.id],
            explanation: format!(
                "A multi was done at zxid {zxid}, and a part of it at zxid {other}."
            ),
        });
    }
    if ops.len() != done.len() {
        return Err(Breach {
            culprits: vec![deed.id],
            explanation: format!(
                "A multi of {} parts was done at zxid {zxid}, and {} were.",
                ops.len(),
                done.len()
            ),
        });
    }
    Ok(())
}

/// Nothing is seen of a multi that failed: neither its zxid nor what only it would have written.
fn nothing_seen(
    deed: &Deed,
    ops: &[Op],
    zxid: ZxidNumber,
    seen: &Seeing<'_>,
    writers: &BTreeMap<&str, Option<usize>>,
) -> Result<(), Breach> {
    let texts = ops.iter().filter_map(written).map(|(_, text)| text);
    let own = texts.filter(|text| !text.is_empty() && writers[text] == Some(deed.id));
    let by_text = own.filter_map(|text| seen.data.get(text)).next();
    let by = by_text.map(|(.., by)| by).or_else(|| seen.zxids.get(&zxid));
    match by {
        Some(by) => Err(Breach {
            culprits: vec![deed.id, *by],
            explanation: format!(
                "A multi failed at zxid {zxid}, and something of it was seen all the same."
            ),
        }),
        None => Ok(()),
    }
}

/// All parts of a multi that was done at a zxid hold right after it.
fn all_seen<'a>(
    deed: &Deed,
    (ops, done): (&'a [Op], &[Option<&'a Done>]),
    zxid: ZxidNumber,
    (facts, later): (&Facts<'_>, &mut BTreeMap<&'a str, Later>),
) -> Result<(), Breach> {
    let mut paths: Vec<Option<&str>> = Vec::new();
    for (op, done) in ops.iter().zip(done) {
        paths.push(match (op, done) {
            (_, Some(Done::Created { path, .. })) => Some(path),
            // Which name it got nobody knows.
            (Op::Create { mode, .. }, None) if mode.is_sequential() => None,
            (Op::Create { path, .. } | Op::Delete { path, .. } | Op::Set { path, .. }, _) => {
                Some(path)
            }
            _ => None,
        });
    }
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for path in paths.iter().flatten() {
        if !once.insert(*path) {
            twice.insert(*path);
        }
    }
    for (op, path) in ops.iter().zip(paths) {
        let known = path.filter(|path| !twice.contains(path));
        let known = known.and_then(|path| Some((path, facts.paths.get(path)?)));
        let Some((path, known)) = known else { continue };
        let later = later.entry(path).or_insert_with(|| Later::of(known));
        if let Some(by) = denied(op, known, later, zxid) {
            return Err(Breach {
                culprits: vec![deed.id, by],
                explanation: format!(
                    "A multi was done at zxid {zxid}, and its part that changes {path} was not."
                ),
            });
        }
    }
    Ok(())
}

/// Who saw that a part was not done at a zxid.
fn denied(op: &Op, known: &Known<'_>, later: &Later, zxid: ZxidNumber) -> Option<usize> {
    let after = Moment::after(zxid);
    match op {
        Op::Create { mode, .. } => {
            let until = match mode.is_ephemeral() || known.is_loose {
                true => after,
                false => known.undeleted_from(after),
            };
            let older = later.made_before(after, zxid);
            older.or_else(|| absent(known, after, until))
        }
        Op::Set { .. } => {
            let older = later.set_before(after, zxid);
            older.or_else(|| absent(known, after, after))
        }
        Op::Delete { .. } => later.made_before(after, zxid),
        _ => None,
    }
}

/// Who missed the node in this time.
fn absent(known: &Known<'_>, from: Moment, until: Moment) -> Option<usize> {
    let next = known.absent.partition_point(|(at, _)| *at < from);
    let (at, by) = known.absent.get(next)?;
    (*at <= until).then_some(*by)
}

/// How old a node was said to be by those who saw it from some moment on.
struct Later(Vec<(Moment, Oldest, Oldest)>);

/// The oldest zxid, and who saw it.
type Oldest = (ZxidNumber, usize);

impl Later {
    fn of(known: &Known<'_>) -> Self {
        let seen = known.seen.iter().filter(|seen| !seen.is_before_set);
        let seen = seen.map(|seen| {
            let (made, set) = (seen.stat.czxid, seen.stat.mzxid);
            (seen.at, (made, seen.by), (set, seen.by))
        });
        let mut seen: Vec<_> = seen.collect();
        seen.sort_unstable();
        for at in (1..seen.len()).rev() {
            seen[at - 1].1 = seen[at - 1].1.min(seen[at].1);
            seen[at - 1].2 = seen[at - 1].2.min(seen[at].2);
        }
        Self(seen)
    }

    fn from(&self, from: Moment) -> Option<&(Moment, Oldest, Oldest)> {
        self.0.get(self.0.partition_point(|(at, ..)| *at < from))
    }

    /// Who saw, at a moment or later, a node that had been made before a zxid.
    fn made_before(&self, from: Moment, zxid: ZxidNumber) -> Option<usize> {
        let (_, made, _) = self.from(from)?;
        (made.0 < zxid).then_some(made.1)
    }

    /// Who saw, at a moment or later, data that had been set before a zxid.
    fn set_before(&self, from: Moment, zxid: ZxidNumber) -> Option<usize> {
        let (.., set) = self.from(from)?;
        (set.0 < zxid).then_some(set.1)
    }
}
