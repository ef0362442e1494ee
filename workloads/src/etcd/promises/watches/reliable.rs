//! Between two events none is left out, and each says what was asked.
//!
//! > a sequence of events will never drop any subsequence of events within the available history window. If there are events ordered in time as a < b < c,
//! > then if the watch receives events a and c, it is guaranteed to receive b
//! >
//! > *etcd API guarantees*, Watch APIs, Reliable
//!
//! Who asks for what was there before is told it, unless that was forgotten by then; what it was is judged by
//! [`revision_order`](crate::etcd::promises::revision_order).
//!
//! Counterexample: a key is set at revisions 5, 6 and 7, and a watch tells of 5 and of 7.

use super::Telling;
use crate::etcd::promises::facts::State;
use crate::etcd::promises::ground::Ground;
use crate::etcd::promises::{Breach, Promise};
use stormglass_impls::etcd::words::{Op, Revision};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "watch-reliable",
    quote: "\"if the watch receives events a and c, it is guaranteed to receive b as long b is in the available history window\" \
            (etcd API guarantees, Watch APIs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let forgotten = Forgotten::of(ground);
    for telling in &ground.watches().tellings {
        nothing_between(telling)?;
        with_what_was(ground, telling, &forgotten)?;
    }
    Ok(())
}

fn nothing_between(telling: &Telling<'_>) -> Result<(), Breach> {
    for missing in &telling.missing {
        let at = missing.revision;
        let mut told = telling.changes();
        let before = told.find(|(_, change)| change.kv.mod_revision < at);
        let mut told = telling.changes();
        let after = told.find(|(_, change)| change.kv.mod_revision > at);
        let mut told = telling.changes();
        let is_split = told.any(|(_, change)| change.kv.mod_revision == at);
        if let (Some((before_by, before)), Some((after_by, after)), false) =
            (before, after, is_split)
        {
            let said = format!(
                "A watch of {} told of revisions {} and {}, and not of what became of {} at revision {at} in between.",
                telling.asked.keys, before.kv.mod_revision, after.kv.mod_revision, missing.key
            );
            let culprits = [telling.begun, missing.by, before_by, after_by];
            return Breach::of(culprits, said);
        }
    }
    Ok(())
}

/// Which revisions may have been forgotten by when.
struct Forgotten {
    /// By call, the newest revision that anybody had asked to compact up to.
    asked: Vec<(usize, Revision)>,
}

impl Forgotten {
    fn of(ground: &Ground<'_>) -> Self {
        let mut newest = 0;
        let asked = ground.story.deeds.iter().filter_map(|deed| {
            let Some(Op::Compact { revision }) = deed.op().filter(|_| deed.error().is_none())
            else {
                return None;
            };
            newest = newest.max(*revision);
            Some((deed.call, newest))
        });
        let asked = asked.collect();
        Self { asked }
    }

    /// Whether this revision may have been forgotten before that event of the history.
    fn is(&self, revision: Revision, before: usize) -> bool {
        let next = self.asked.partition_point(|(call, _)| *call < before);
        let newest = next.checked_sub(1).map(|last| self.asked[last].1);
        newest.is_some_and(|newest| revision < newest)
    }
}

fn with_what_was(
    ground: &Ground<'_>,
    telling: &Telling<'_>,
    forgotten: &Forgotten,
) -> Result<(), Breach> {
    if !telling.asked.prev_kv {
        return Ok(());
    }
    let facts = ground.facts();
    for (by, change) in telling.changes() {
        let before = change.kv.mod_revision.saturating_sub(1);
        let number = facts.number(&change.kv.key);
        let was = number.and_then(|number| facts.at(number, before));
        let was = was.filter(|span| span.state != State::Absent);
        let is_forgotten = forgotten.is(before, ground.story.deeds[by].answer);
        if let (Some(was), None, false) = (was, &change.prev_kv, is_forgotten) {
            let said = format!(
                "A watch of {} was to tell what was there before, and did not say what {} was before revision {}.",
                telling.asked.keys, change.kv.key, change.kv.mod_revision
            );
            return Breach::of([telling.begun, by].into_iter().chain(was.by), said);
        }
    }
    Ok(())
}
