//! How often reads were old. They may be: a server answers them by itself.

use super::facts::parent;
use super::story::{Deed, Story};
use crate::zookeeper::dialect::Asked;
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Done, Op, What, ZxidNumber};

/// What a read can show of a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shows {
    Node,
    Children,
    Acl,
}

/// How many reads showed a state older than a change to what they read that had been answered before they were called; and how many there were.
/// Only those count that were answered, and not with an error.
pub fn stale_reads(story: &Story) -> (u64, u64) {
    let mut changes: BTreeMap<(Shows, &str), Vec<(usize, ZxidNumber)>> = BTreeMap::new();
    for deed in &story.deeds {
        let Some(zxid) = deed.own_zxid() else {
            continue;
        };
        for shown in changed(deed) {
            changes.entry(shown).or_default().push((deed.answer, zxid));
        }
    }
    for changes in changes.values_mut() {
        changes.sort_unstable();
        let mut newest = 0;
        for (_, zxid) in changes {
            newest = newest.max(*zxid);
            *zxid = newest;
        }
    }
    let (mut stale, mut reads) = (0, 0);
    for deed in &story.deeds {
        let (Asked::Read(read), Some(ended)) = (&deed.asked, &deed.ended) else {
            continue;
        };
        if ended.result.is_err() {
            continue;
        }
        reads += 1;
        let shows = match read.what {
            What::Exists | What::Data => Shows::Node,
            What::Children => Shows::Children,
            What::Acl => Shows::Acl,
        };
        let changes = changes.get(&(shows, read.path.as_str()));
        let changes = changes.map_or(&[][..], Vec::as_slice);
        let before = changes.partition_point(|(answer, _)| *answer < deed.call);
        let newest = before.checked_sub(1).map(|last| changes[last].1);
        stale += u64::from(newest.is_some_and(|newest| newest > ended.zxid));
    }
    (stale, reads)
}

fn changed(deed: &Deed) -> Vec<(Shows, &str)> {
    let done = deed.ended.as_ref();
    let done = done.and_then(|ended| ended.result.as_ref().ok());
    match (deed.op(), done) {
        (Some(Op::Multi(ops)), Some(Done::Multi(done))) => {
            let parts = ops.iter().zip(done);
            parts.flat_map(|(op, done)| changed_by(op, done)).collect()
        }
        (Some(op), Some(done)) => changed_by(op, done),
        _ => Vec::new(),
    }
}

fn changed_by<'a>(op: &'a Op, done: &'a Done) -> Vec<(Shows, &'a str)> {
    match (op, done) {
        (Op::Create { .. }, Done::Created { path, .. }) | (Op::Delete { path, .. }, _) => vec![
            (Shows::Node, path),
            (Shows::Children, path),
            (Shows::Children, parent(path)),
            (Shows::Acl, path),
        ],
        (Op::Set { path, .. }, _) => vec![(Shows::Node, path)],
        (Op::SetAcl { path, .. }, _) => vec![(Shows::Acl, path)],
        _ => Vec::new(),
    }
}
