//! What was changed stays changed until it is changed again, and nothing is there that nobody wrote.
//!
//! > Reliability: Once an update has been applied, it will persist from that time forward until a client overwrites the update.
//! >
//! > *ZooKeeper Programmer's Guide*, Consistency Guarantees
//!
//! All servers apply one log, so the tree at a zxid is one tree, and what anybody was answered about a node at any zxid must fit together: one
//! incarnation from its czxid on, its data from its mzxid on, its children from its pzxid on. What changed it was asked for by somebody. Ephemeral nodes
//! may go unasked; whether they do so when they should is another promise.

mod origins;

use super::facts::{Facts, Known, Life, Moment, Seen, parent};
use super::ground::Ground;
use super::{Breach, Promise};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::words::ZxidNumber;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "tree",
    quote: "\"Once an update has been applied, it will persist from that time forward until a client overwrites the update\" (ZooKeeper Programmer's Guide, Consistency Guarantees)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let facts = ground.facts();
    for (path, known) in &facts.paths {
        let lives = known.lives();
        one_node_at_a_time(path, known, &lives)?;
        for seen in known.incarnations() {
            one_story_of_a_node(path, seen)?;
        }
        absent_outside(path, known, &lives)?;
        there_by_creation(path, known, &lives)?;
        versions_as_said(path, known, &lives)?;
        as_many_names(path, known)?;
        origins::judge(path, known, &facts.ledger, story)?;
    }
    origins::one_write_for_a_datum(facts, story)?;
    children(facts)
}

fn breach<T>(culprits: &[usize], explanation: String) -> Result<T, Breach> {
    Err(Breach {
        culprits: culprits.to_vec(),
        explanation,
    })
}

/// A node was gone before another was made in its place.
fn one_node_at_a_time(path: &str, known: &Known<'_>, lives: &[Life<'_>]) -> Result<(), Breach> {
    for pair in lives.windows(2) {
        if pair[0].until >= pair[1].from && !known.is_loose {
            let (old, new) = (&pair[0].last, &pair[1].last);
            let said = format!(
                "{path} was made at zxid {} and was not deleted before zxid {}, but was made anew at zxid {}.",
                old.stat.czxid,
                pair[0].until.zxid(),
                new.stat.czxid
            );
            return breach(&[old.by, new.by], said);
        }
    }
    Ok(())
}

/// What was seen of one incarnation of a node fits together.
fn one_story_of_a_node(path: &str, seen: &[Seen<'_>]) -> Result<(), Breach> {
    for seen in seen {
        if let Some(why) = impossible_alone(seen) {
            let said = format!("{path} was shown as no node can be: {why}.");
            return breach(&[seen.by], said);
        }
    }
    for pair in seen.windows(2) {
        if let Some(why) = impossible_together(&pair[0], &pair[1]) {
            let said = format!(
                "{path}, made at zxid {}, was shown at zxid {} and at zxid {}, and these do not fit: {why}.",
                pair[0].stat.czxid,
                pair[0].at.zxid(),
                pair[1].at.zxid()
            );
            return breach(&[pair[0].by, pair[1].by], said);
        }
    }
    data_of_each_set(path, seen)?;
    children_between_changes(path, seen)
}

fn impossible_alone(seen: &Seen<'_>) -> Option<&'static str> {
    let stat = seen.stat;
    let zxid = seen.at.zxid();
    if stat.czxid > stat.mzxid || stat.czxid > stat.pzxid {
        return Some("it was changed before it was made");
    }
    if stat.czxid.max(stat.mzxid).max(stat.pzxid) > zxid {
        return Some("it was changed at a later zxid than it was seen at");
    }
    if stat.version == 0 && stat.mzxid != stat.czxid {
        return Some("its data was set, and its version says never");
    }
    if seen.is_before_set {
        return (stat.version == 0).then_some("its data was set, and its version says never");
    }
    if stat.cversion < stat.children || !(stat.cversion - stat.children).is_multiple_of(2) {
        return Some("so many children cannot be left after so many came and went");
    }
    if stat.pzxid == 0 && stat.cversion != 0 {
        return Some("children came or went, and its pzxid says never");
    }
    if seen
        .data
        .is_some_and(|data| data.len() != stat.data_length as usize)
    {
        return Some("its data has another length than its stat says");
    }
    None
}

fn impossible_together(one: &Seen<'_>, next: &Seen<'_>) -> Option<&'static str> {
    let (a, b) = (one.stat, next.stat);
    if a.ephemeral_owner != b.ephemeral_owner {
        return Some("its owner changed");
    }
    if a.ctime_ms != b.ctime_ms {
        return Some("the time at which it was made changed");
    }
    if next.version() < one.version() {
        return Some("its version went back");
    }
    if b.aversion < a.aversion {
        return Some("the version of its list went back");
    }
    if !one.is_before_set && !next.is_before_set {
        if (a.mzxid == b.mzxid) != (a.version == b.version) {
            return Some(
                "its version goes with one setting of its data, and its mzxid with another",
            );
        }
        if a.mzxid == b.mzxid && a.mtime_ms != b.mtime_ms {
            return Some("the time at which its data was set changed without a set");
        }
        if a.mzxid != b.mzxid && Moment::after(b.mzxid) <= one.at {
            return Some("its data was set between its mzxid and when it was seen");
        }
    }
    None
}

/// Each setting of its data set one thing.
fn data_of_each_set(path: &str, seen: &[Seen<'_>]) -> Result<(), Breach> {
    let mut held: BTreeMap<ZxidNumber, (&str, usize)> = BTreeMap::new();
    for seen in seen {
        let Some(data) = seen.data else { continue };
        let (first, by) = *held.entry(seen.stat.mzxid).or_insert((data, seen.by));
        if first != data {
            let said = format!(
                "{path} was set once at zxid {}, and held both {first:?} and {data:?}.",
                seen.stat.mzxid
            );
            return breach(&[by, seen.by], said);
        }
    }
    Ok(())
}

/// Between two changes of its children they stay the same.
fn children_between_changes(path: &str, seen: &[Seen<'_>]) -> Result<(), Breach> {
    let mut whole = seen.iter().filter(|seen| seen.whole);
    let Some(mut one) = whole.next() else {
        return Ok(());
    };
    for next in whole {
        let (a, b) = (one.stat, next.stat);
        let same = a.pzxid == b.pzxid;
        let fits = match same {
            true => a.cversion == b.cversion && a.children == b.children,
            false => Moment::after(b.pzxid) > one.at && a.cversion < b.cversion,
        };
        if !fits {
            let said = format!(
                "The children of {path} were changed last at zxid {} as seen at zxid {}, and at zxid {} as seen at zxid {}: their numbers, {} and {} after {} and {} changes, do not fit that.",
                a.pzxid,
                one.at.zxid(),
                b.pzxid,
                next.at.zxid(),
                a.children,
                b.children,
                a.cversion,
                b.cversion
            );
            return breach(&[one.by, next.by], said);
        }
        one = next;
    }
    Ok(())
}

/// A node is not missing while it is there.
fn absent_outside(path: &str, known: &Known<'_>, lives: &[Life<'_>]) -> Result<(), Breach> {
    for (at, by) in &known.absent {
        if let Some(life) = life_at(lives, *at) {
            let said = format!(
                "{path} was there from zxid {} until zxid {} at least, and was missing at zxid {}.",
                life.from.zxid(),
                life.until.zxid(),
                at.zxid()
            );
            return breach(&[life.last.by, *by], said);
        }
    }
    Ok(())
}

/// The incarnation that was there at a moment.
fn life_at<'b, 'a>(lives: &'b [Life<'a>], at: Moment) -> Option<&'b Life<'a>> {
    let next = lives.partition_point(|life| life.from <= at);
    let life = &lives[next.checked_sub(1)?];
    (at <= life.until).then_some(life)
}

/// A node that was missing is there again only after somebody made it.
fn there_by_creation(path: &str, known: &Known<'_>, lives: &[Life<'_>]) -> Result<(), Breach> {
    if known.is_loose {
        return Ok(());
    }
    let floor = known.wished_creates.first();
    let first_wish = floor.map_or(ZxidNumber::MAX, |wish| wish.floor);
    let mut absent = known.absent.iter().peekable();
    let mut missing = None;
    for there in &known.there {
        while let Some((at, by)) = absent.next_if(|(at, _)| *at <= there.at) {
            missing = Some((*at, *by));
        }
        let Some((missing_at, by)) = missing else {
            continue;
        };
        let born = lives.partition_point(|life| life.from <= there.at);
        let born = born.checked_sub(1).map(|last| lives[last].from);
        let made = born.is_some_and(|born| born > missing_at);
        if !made && first_wish >= there.at.zxid() {
            let said = format!(
                "{path} was missing at zxid {} and there at zxid {}, and nobody made it in between.",
                missing_at.zxid(),
                there.at.zxid()
            );
            return breach(&[by, there.by], said);
        }
        if !made && missing_at == there.at {
            let said = format!(
                "{path} was both missing and there at zxid {}.",
                missing_at.zxid()
            );
            return breach(&[by, there.by], said);
        }
    }
    Ok(())
}

/// Where a version was said to be this, or not to be this, it was so.
fn versions_as_said(path: &str, known: &Known<'_>, lives: &[Life<'_>]) -> Result<(), Breach> {
    let said = known
        .there
        .iter()
        .filter_map(|there| Some((there, there.version?)));
    for (there, (is, version)) in said {
        let Some(life) = life_at(lives, there.at) else {
            continue;
        };
        let czxid = life.last.stat.czxid;
        let from = known.seen.partition_point(|seen| seen.stat.czxid < czxid);
        let to = known.seen.partition_point(|seen| seen.stat.czxid <= czxid);
        let seen = &known.seen[from..to];
        let next = seen.partition_point(|seen| seen.at <= there.at);
        let older = next.checked_sub(1).map(|last| seen[last]);
        let newer = seen.get(next);
        let low = older.map_or(0, |seen| seen.version());
        let high = newer.map_or(u32::MAX, Seen::version);
        let held = newer.is_some_and(|newer| Moment::after(newer.stat.mzxid) <= there.at);
        let exact = match (
            low == high,
            held,
            older.filter(|older| older.at == there.at),
        ) {
            (true, ..) => Some(low),
            (_, true, _) => Some(high),
            (_, _, Some(older)) => Some(older.version()),
            _ => None,
        };
        let fits = match (is, exact) {
            (true, Some(exact)) => version == exact,
            (false, Some(exact)) => version != exact,
            (true, None) => (low..=high).contains(&version),
            (false, None) => true,
        };
        if !fits {
            let other = newer.copied().or(older).unwrap_or(life.last);
            let is = if is { "was" } else { "was not" };
            let said = format!(
                "Somebody was told that the version of {path} {is} {version} at zxid {}, and others saw that it was from {low} to {high}.",
                there.at.zxid()
            );
            return breach(&[there.by, other.by], said);
        }
    }
    Ok(())
}

/// The children that a node was shown to have are those that were there.
fn children(facts: &Facts<'_>) -> Result<(), Breach> {
    let changes = facts.child_changes();
    let mut below: BTreeMap<&str, Vec<(&str, Life<'_>)>> = BTreeMap::new();
    for (path, known) in facts.paths.iter().filter(|(path, _)| *path != "/") {
        let lives = below.entry(parent(path)).or_default();
        lives.extend(known.lives().into_iter().map(|life| (path.as_str(), life)));
    }
    for (path, known) in &facts.paths {
        if let Some(changes) = changes.get(path.as_str()) {
            no_change_after_the_last(path, known, changes)?;
        }
        if let Some(lives) = below.get(path.as_str()) {
            parents_are_there(path, known, lives)?;
            nobody_is_left_out(path, known, lives)?;
        }
    }
    Ok(())
}

/// After the last change to its children that a node knows of there was none.
fn no_change_after_the_last(
    path: &str,
    known: &Known<'_>,
    changes: &[(ZxidNumber, usize)],
) -> Result<(), Breach> {
    for seen in known.seen.iter().filter(|seen| seen.whole) {
        let next = changes.partition_point(|(zxid, _)| *zxid <= seen.stat.pzxid);
        if let Some((zxid, by)) = changes.get(next)
            && Moment::after(*zxid) <= seen.at
        {
            let said = format!(
                "A child of {path} came or went at zxid {zxid}; at zxid {} the last such change was said to be at zxid {}.",
                seen.at.zxid(),
                seen.stat.pzxid
            );
            return breach(&[*by, seen.by], said);
        }
    }
    Ok(())
}

/// A node is there as long as any of its children.
fn parents_are_there(
    path: &str,
    known: &Known<'_>,
    lives: &[(&str, Life<'_>)],
) -> Result<(), Breach> {
    if known.absent.is_empty() {
        return Ok(());
    }
    for (child, life) in lives {
        let next = known.absent.partition_point(|(at, _)| *at < life.from);
        if let Some((at, by)) = known.absent.get(next)
            && *at <= life.until
        {
            let said = format!(
                "{path} was missing at zxid {}, and {child} was there.",
                at.zxid()
            );
            return breach(&[*by, life.last.by], said);
        }
    }
    Ok(())
}

/// No list of children lacks one that was there.
fn nobody_is_left_out(
    path: &str,
    known: &Known<'_>,
    lives: &[(&str, Life<'_>)],
) -> Result<(), Breach> {
    let mut coming: Vec<&(&str, Life<'_>)> = lives.iter().collect();
    coming.sort_by_key(|(child, life)| (life.from, *child));
    let mut coming = coming.into_iter().peekable();
    let mut there: BTreeMap<&str, &Life<'_>> = BTreeMap::new();
    let mut going: BTreeSet<(Moment, &str)> = BTreeSet::new();
    for list in &known.names {
        while let Some((child, life)) = coming.next_if(|(_, life)| life.from <= list.at) {
            there.insert(child, life);
            going.insert((life.until, child));
        }
        while let Some((until, child)) =
            going.first().copied().filter(|(until, _)| *until < list.at)
        {
            going.remove(&(until, child));
            if there.get(child).is_some_and(|life| life.until == until) {
                there.remove(child);
            }
        }
        let mut present = there.iter();
        let missing = present.find(|(child, _)| {
            let name = &child[child.rfind('/').map_or(0, |slash| slash + 1)..];
            let named = |other: &String| other.as_str().cmp(name);
            list.names.binary_search_by(named).is_err()
        });
        if let Some((child, life)) = missing {
            let said = format!(
                "{child} was there from zxid {} until zxid {} at least, and was not among the children of {path} at zxid {}.",
                life.from.zxid(),
                life.until.zxid(),
                list.at.zxid()
            );
            return breach(&[life.last.by, list.by], said);
        }
    }
    Ok(())
}

/// As many names as children.
fn as_many_names(path: &str, known: &Known<'_>) -> Result<(), Breach> {
    let mut lists = known.names.iter();
    match lists.find(|list| list.children as usize != list.names.len()) {
        Some(list) => breach(
            &[list.by],
            format!("{path} was shown with another number of children than names."),
        ),
        None => Ok(()),
    }
}
