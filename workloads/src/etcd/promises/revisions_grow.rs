//! Revisions go with time: what is asked after somebody was shown a revision shows that revision or a later one, and what changes anything makes a later one.
//!
//! > a total order, consistent with real-time order of those operations
//! >
//! > *etcd API guarantees*, Strict serializability
//!
//! Each revision belongs to one change, and nobody is shown a revision whose change was not yet asked for. Serializable reads may go back; what they show is
//! there all the same. A member that was started anew may serve them from an older state, so that of one member nothing more is demanded than of all.
//!
//! Counterexample: one client is shown revision 9; after that another sets a key, and is answered revision 9.

use super::ground::Ground;
use super::story::Deed;
use super::{Breach, Promise};
use stormglass_impls::etcd::words::Revision;

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "revisions-grow",
    quote: "\"a total order, consistent with real-time order of those operations\" (etcd API guarantees, Strict serializability)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    one_change_a_revision(ground)?;
    never_back(ground)?;
    never_ahead(ground)
}

fn one_change_a_revision(ground: &Ground<'_>) -> Result<(), Breach> {
    let owners = ground.facts().ledger.owners();
    if let Some((revision, by)) = owners.first().filter(|(revision, _)| *revision < 2) {
        let said = format!("A change was made at revision {revision}, and the empty store has 1.");
        return Breach::of([*by], said);
    }
    match owners.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => {
            let said = format!("Two changes were both made at revision {}.", pair[0].0);
            Breach::of([pair[0].1, pair[1].1], said)
        }
    }
}

fn never_back(ground: &Ground<'_>) -> Result<(), Breach> {
    let ledger = &ground.facts().ledger;
    for deed in &ground.story.deeds {
        let Some(revision) = deed.revision().filter(|_| deed.is_linearizable()) else {
            continue;
        };
        let (floor, by) = ledger.floor(deed.id);
        let is_change = deed.own_revision().is_some();
        if revision < floor + u64::from(is_change) {
            let what = if is_change { "made" } else { "answered at" };
            let said = format!(
                "A {} was {what} revision {revision}, and revision {floor} had been shown before it was called.",
                deed.asked.function()
            );
            return Breach::of([by, deed.id], said);
        }
    }
    Ok(())
}

/// What was shown was asked for before.
fn never_ahead(ground: &Ground<'_>) -> Result<(), Breach> {
    // Up to each revision, which change was called last.
    let deeds = &ground.story.deeds;
    let mut last: Vec<(Revision, &Deed)> = Vec::new();
    for (revision, by) in ground.facts().ledger.owners() {
        let deed = &deeds[*by];
        let newest = last.last().map(|(_, newest)| *newest);
        let newest = newest.filter(|newest| newest.call > deed.call);
        last.push((*revision, newest.unwrap_or(deed)));
    }
    for deed in deeds {
        let Some(newest) = deed.newest() else {
            continue;
        };
        let next = last.partition_point(|(revision, _)| *revision <= newest);
        let Some((_, change)) = next.checked_sub(1).map(|at| last[at]) else {
            continue;
        };
        if change.call > deed.answer {
            let said = format!(
                "A {} was answered at revision {newest}, and what made that revision or an earlier one was only called afterwards.",
                deed.asked.function()
            );
            return Breach::of([deed.id, change.id], said);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, put};
    use super::PROMISE;
    use stormglass_impls::etcd::words::{Ask, Keys};

    fn two() -> Service {
        let mut service = Service::new(3);
        service.put(0, "a", "1");
        service.put(0, "a", "2");
        service
    }

    #[test]
    fn later_revisions_are_as_promised() {
        let mut service = two();
        service.get_local(1, Keys::one("a"), 2);
        service.get(1, Keys::one("a"));
        service.put(2, "b", "3");
        service.keeps(PROMISE);
    }

    #[test]
    fn a_read_that_goes_back_is_a_breach() {
        let mut service = two();
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| ended.revision = 2);
        let breach = service.breaks(PROMISE, "had been shown before");
        assert_eq!(breach.culprits, [1, 2]);
    }

    #[test]
    fn a_change_at_a_revision_that_was_shown_is_a_breach() {
        let mut service = two();
        service.put(1, "b", "3");
        service.lie(0, |ended| ended.revision = 3);
        service.breaks(PROMISE, "both made at revision 3");
        service.lie(1, |ended| ended.revision = 4);
        service.breaks(PROMISE, "was made revision 3");
    }

    #[test]
    fn a_revision_of_the_future_is_a_breach() {
        let mut service = two();
        service.get(1, Keys::one("a"));
        service.lie(0, |ended| ended.revision = 4);
        service.keeps(PROMISE);
        // A change of unknown outcome may have made it; not one that is called only later.
        service.call(2, Ask::Write(put("b", "3", 0)));
        service.apply(2);
        service.answer(2).unwrap();
        service.breaks(PROMISE, "was made revision 4");
        let mut service = two();
        service.call(2, Ask::Write(put("b", "3", 0)));
        service.get_local(1, Keys::one("a"), 3);
        service.lie(0, |ended| ended.revision = 5);
        service.apply(2);
        service.answer(2).unwrap();
        service.put(2, "b", "4");
        service.breaks(PROMISE, "revision");
    }
}
