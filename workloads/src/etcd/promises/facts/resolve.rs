//! Which changes of unknown outcome were certainly done, and at which revisions.

use super::Ledger;
use super::gather::Gatherer;
use super::known::Known;
use crate::etcd::promises::Breach;
use crate::etcd::promises::story::Story;
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{Op, Revision, TxnOp};

/// A key that was seen to be set at a revision that belongs to nobody was set by something of unknown outcome. Where only one such thing would have set
/// it so, it was that, and it was done once.
///
/// # Errors
/// When something was done twice, or two things at one revision.
pub(super) fn resolve<'a>(
    gathered: &mut Gatherer<'a>,
    ledger: &mut Ledger,
    story: &'a Story,
) -> Result<(), Breach> {
    let mut by_revision: BTreeMap<Revision, (usize, usize)> = BTreeMap::new();
    let mut collision = Ok(());
    for known in &gathered.known {
        for (at, wish, seen_by) in only_explanations(known, ledger) {
            let (first, first_seen) = *by_revision.entry(at).or_insert((wish, seen_by));
            if first != wish && collision.is_ok() {
                let said =
                    format!("Two changes of unknown outcome were both done at revision {at}.");
                collision = Breach::of([first, wish, first_seen, seen_by], said);
            }
        }
    }
    let mut by_wish: BTreeMap<usize, Revision> = BTreeMap::new();
    by_revision.retain(|at, (wish, seen_by)| {
        let Some(op) = story.deeds[*wish].op().filter(|op| is_plain(op)) else {
            return false;
        };
        if let Some(before) = by_wish.insert(*wish, *at)
            && collision.is_ok()
        {
            let said =
                format!("One change was done twice, at revision {before} and at revision {at}.");
            collision = Breach::of([*wish, *seen_by], said);
        }
        gathered.found(op, *at, *wish);
        true
    });
    gathered.spread(&by_wish);
    let owners = by_revision.into_iter();
    ledger.resolve(&owners.map(|(at, (wish, _))| (at, wish)).collect());
    collision
}

/// At which revisions a key was set by something of unknown outcome, by what, and who saw it.
fn only_explanations(known: &Known<'_>, ledger: &Ledger) -> Vec<(Revision, usize, usize)> {
    let mut found = Vec::new();
    if known.put_wishes.is_empty() {
        return found;
    }
    for shown in &known.shown {
        let Some(kv) = shown.kv.filter(|_| ledger.owner(shown.set).is_none()) else {
            continue;
        };
        let put = (kv.value.as_str(), kv.lease);
        if let [only] = known.may_have_set(put, shown.set) {
            found.push((shown.set, only.by, shown.by));
        }
    }
    found
}

/// Whether it is known what is done if it is done: of a transaction only one branch changes anything.
fn is_plain(op: &Op) -> bool {
    let changes = |branch: &[TxnOp]| branch.iter().any(|part| !matches!(part, TxnOp::Range(_)));
    match op {
        Op::Txn(txn) => !changes(&txn.success) || !changes(&txn.failure),
        _ => true,
    }
}
