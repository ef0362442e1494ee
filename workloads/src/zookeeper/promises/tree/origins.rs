//! Everything that is seen was made so by a write: one that was answered with just that zxid, or one of unknown outcome.

use super::breach;
use crate::zookeeper::promises::Breach;
use crate::zookeeper::promises::facts::{Facts, Known, Ledger, Seen, Wish, parent};
use crate::zookeeper::promises::story::{Deed, Story};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::words::{Done, Op, ZxidNumber};

/// Each zxid in a node's stats, where it belongs to a known write, belongs to one that did this; the others need enough writes of unknown outcome.
pub(super) fn judge(
    path: &str,
    known: &Known<'_>,
    ledger: &Ledger,
    story: &Story,
) -> Result<(), Breach> {
    let mut last = None;
    for seen in &known.seen {
        let zxids = (
            seen.stat.czxid,
            seen.stat.mzxid,
            seen.stat.pzxid,
            seen.whole,
        );
        if last.replace(zxids) != Some(zxids) {
            written_as_said(path, seen, ledger, story)?;
        }
    }
    if known.is_loose {
        return Ok(());
    }
    enough_creates(path, known, ledger)?;
    enough_sets(path, known, ledger)
}

fn written_as_said(
    path: &str,
    seen: &Seen<'_>,
    ledger: &Ledger,
    story: &Story,
) -> Result<(), Breach> {
    let stat = seen.stat;
    let said = [
        (stat.czxid, "made", Deed::makes as fn(&Deed, &str) -> bool),
        (stat.mzxid, "set last", Deed::writes),
        (
            stat.pzxid,
            "given or robbed of a child last",
            Deed::changes_children,
        ),
    ];
    let certain = if seen.whole { 3 } else { 2 };
    for (zxid, what, does) in said.into_iter().take(certain) {
        let Some(by) = ledger.owner(zxid) else {
            continue;
        };
        if !does(&story.deeds[by], path) {
            let said = format!(
                "{path} was said to be {what} at zxid {zxid}, which belongs to something else."
            );
            return breach(&[by, seen.by], said);
        }
    }
    own_as_said(path, seen, ledger, story)
}

/// Whoever made a node, or set its data, was told just that zxid.
fn own_as_said(path: &str, seen: &Seen<'_>, ledger: &Ledger, story: &Story) -> Result<(), Breach> {
    let zxid = seen.at.zxid();
    if ledger.owner(zxid) != Some(seen.by) {
        return Ok(());
    }
    let deed = &story.deeds[seen.by];
    let made = !deed.makes(path) || seen.stat.czxid == zxid;
    let set = !deed.writes(path) || seen.stat.mzxid == zxid;
    if !made || !set {
        let said = format!(
            "{path} was changed at zxid {zxid}, and whoever did it was told of zxid {}.",
            seen.stat.mzxid
        );
        return breach(&[seen.by], said);
    }
    Ok(())
}

impl Deed {
    /// What it did to single nodes: nothing if it failed or nobody knows.
    fn parts(&self) -> Vec<(&Op, &Done)> {
        let done = self
            .ended
            .as_ref()
            .and_then(|ended| ended.result.as_ref().ok());
        match (self.op(), done) {
            (Some(Op::Multi(ops)), Some(Done::Multi(done))) => ops.iter().zip(done).collect(),
            (Some(op), Some(done)) => vec![(op, done)],
            _ => Vec::new(),
        }
    }

    fn makes(&self, path: &str) -> bool {
        let mut parts = self.parts().into_iter();
        parts.any(|(_, done)| matches!(done, Done::Created { path: made, .. } if made == path))
    }

    fn writes(&self, path: &str) -> bool {
        let mut parts = self.parts().into_iter();
        let sets = parts.any(|(op, _)| matches!(op, Op::Set { path: set, .. } if set == path));
        sets || self.makes(path)
    }

    fn wrote(&self, path: &str, data: &str) -> bool {
        let mut parts = self.parts().into_iter();
        parts.any(|part| match part {
            (Op::Create { data: written, .. }, Done::Created { path: made, .. }) => {
                made == path && written == data
            }
            (
                Op::Set {
                    path: set,
                    data: written,
                    ..
                },
                _,
            ) => set == path && written == data,
            _ => false,
        })
    }

    fn changes_children(&self, path: &str) -> bool {
        let mut parts = self.parts().into_iter();
        let changes = parts.any(|(op, done)| match (op, done) {
            (Op::Create { .. }, Done::Created { path: made, .. }) => parent(made) == path,
            (Op::Delete { path: gone, .. }, _) => parent(gone) == path,
            // The ephemeral nodes of the session go with it.
            (Op::Close, _) => true,
            _ => false,
        });
        changes || self.makes(path)
    }
}

/// As many creates of unknown outcome as incarnations that nobody was told to have made.
fn enough_creates(path: &str, known: &Known<'_>, ledger: &Ledger) -> Result<(), Breach> {
    let mut wanted = Vec::new();
    for seen in known.incarnations() {
        let czxid = seen[0].stat.czxid;
        if czxid != 0 && ledger.owner(czxid).is_none() {
            wanted.push((czxid, 1, seen[0].by));
        }
    }
    enough(wanted, &known.wished_creates).or_else(|(zxid, by)| {
        let said = format!(
            "{path} was made at zxid {zxid}: that was none of the creates that were answered, and for those of unknown outcome there are too many such zxids, or it is too early."
        );
        breach(&[by], said)
    })
}

/// As many sets of unknown outcome as versions that nobody was told to have set.
fn enough_sets(path: &str, known: &Known<'_>, ledger: &Ledger) -> Result<(), Breach> {
    let mut wanted = Vec::new();
    for seen in known.incarnations() {
        let mut version = 0;
        for seen in seen {
            // What was known before a set that was answered was said right before it.
            let own_set = ledger.owner(seen.stat.mzxid).is_some() && !seen.is_before_set;
            let more = seen.version().saturating_sub(version);
            version = seen.version();
            if more > 0 && !own_set {
                // Before a set of ours nobody knows when the version before it was set, only that it was.
                let zxid = match seen.is_before_set {
                    true => seen.at.zxid() - 1,
                    false => seen.stat.mzxid,
                };
                wanted.push((zxid, u64::from(more), seen.by));
            }
        }
    }
    wanted.sort_unstable();
    enough(wanted, &known.wished_sets).or_else(|(zxid, by)| {
        let said = format!(
            "The data of {path} was set at zxid {zxid} or before more often than by the sets that were answered, and for those of unknown outcome it is too often, or too early."
        );
        breach(&[by], said)
    })
}

/// Whether wishes, by floor, are enough for so many zxids each, by zxid.
fn enough(
    wanted: Vec<(ZxidNumber, u64, usize)>,
    wishes: &[Wish],
) -> Result<(), (ZxidNumber, usize)> {
    let mut sum = 0_u64;
    for (zxid, times, by) in wanted {
        sum += times;
        let able = wishes.partition_point(|wish| wish.floor < zxid);
        if sum > able as u64 {
            return Err((zxid, by));
        }
    }
    Ok(())
}

/// All data that was read was written, by a known write at just that zxid, or by enough of unknown outcome.
pub(super) fn one_write_for_a_datum(facts: &Facts<'_>, story: &Story) -> Result<(), Breach> {
    let mut wished: BTreeMap<&str, Vec<Wish>> = BTreeMap::new();
    for deed in story.deeds.iter().filter(|deed| deed.ended.is_none()) {
        let (floor, _) = facts.ledger.floor(deed.id);
        let by = deed.id;
        for data in deed.op().into_iter().flat_map(data_of) {
            wished.entry(data).or_default().push(Wish { by, floor });
        }
    }
    for wishes in wished.values_mut() {
        wishes.sort_unstable_by_key(|wish| (wish.floor, wish.by));
    }
    let mut unknown: BTreeMap<&str, BTreeSet<(ZxidNumber, &str, usize)>> = BTreeMap::new();
    for (path, known) in &facts.paths {
        for seen in known.seen.iter().filter(|seen| seen.stat.mzxid != 0) {
            let Some(data) = seen.data else { continue };
            let Some(by) = facts.ledger.owner(seen.stat.mzxid) else {
                unknown
                    .entry(data)
                    .or_default()
                    .insert((seen.stat.mzxid, path, seen.by));
                continue;
            };
            if by != seen.by && !story.deeds[by].wrote(path, data) {
                let said = format!(
                    "{path} held {data:?} since zxid {}, and what was done at that zxid wrote something else.",
                    seen.stat.mzxid
                );
                return breach(&[by, seen.by], said);
            }
        }
    }
    for (data, seen) in &unknown {
        let mut wanted: Vec<(ZxidNumber, u64, usize)> = Vec::new();
        for (zxid, _, by) in seen {
            if wanted.last().is_none_or(|(last, ..)| last != zxid) {
                wanted.push((*zxid, 1, *by));
            }
        }
        let wishes = wished.get(data).map_or(&[][..], Vec::as_slice);
        if let Err((zxid, by)) = enough(wanted, wishes) {
            let said = format!(
                "{data:?} was read, written at zxid {zxid}: no write that was answered has that zxid, and those of unknown outcome with this data are too few or too late."
            );
            return breach(&[by], said);
        }
    }
    Ok(())
}

/// What a write would write.
fn data_of(op: &Op) -> Vec<&str> {
    match op {
        Op::Create { data, .. } | Op::Set { data, .. } => vec![data],
        Op::Multi(ops) => ops.iter().flat_map(data_of).collect(),
        _ => Vec::new(),
    }
}
