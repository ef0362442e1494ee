//! Every revision is that of a change.

use crate::etcd::promises::Breach;
use crate::etcd::promises::ground::Ground;
use std::collections::BTreeSet;
use stormglass_impls::etcd::words::{Ask, LeaseId, Op, Revision, Txn, TxnOp};

/// Whether those revisions that belong to nobody can be those of changes of unknown outcome, and of leases that ended, each of them at one revision.
///
/// What may have happened at a revision may have happened at any later one, too. So it is enough to count: up to each revision there must be as many that may
/// have happened by then as there are to be explained.
pub(super) fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let facts = ground.facts();
    let ledger = &facts.ledger;
    let mut floors = floors(ground);
    floors.sort_unstable();
    let mut floors = floors.into_iter();
    for (from, to) in ledger.gaps() {
        for revision in from..=to {
            if floors.next().is_some_and(|floor| floor < revision) {
                continue;
            }
            let after = ledger.owners().partition_point(|(own, _)| *own < revision);
            let after = ledger.owners().get(after).map(|(_, by)| *by);
            let by = after.unwrap_or(ledger.newest().1);
            let said = format!(
                "There were revisions after {revision}, and nothing can have happened at this one: fewer changes are of unknown outcome than that explains."
            );
            return Breach::of([by], said);
        }
    }
    Ok(())
}

/// After which revisions something may have happened that nobody was answered.
fn floors(ground: &Ground<'_>) -> Vec<Revision> {
    let ledger = &ground.facts().ledger;
    let found: BTreeSet<usize> = ledger.owners().iter().map(|(_, by)| *by).collect();
    let mut used: BTreeSet<LeaseId> = BTreeSet::new();
    let mut floors = Vec::new();
    for deed in &ground.story.deeds {
        let Some(op) = deed.op().filter(|_| deed.error().is_none()) else {
            continue;
        };
        used.extend(leases(op));
        let changes = match op {
            Op::Put(_) | Op::DeleteRange(_) => true,
            Op::Txn(txn) => parts(txn).any(|part| !matches!(part, TxnOp::Range(_))),
            _ => false,
        };
        if deed.ended.is_none() && changes && !found.contains(&deed.id) {
            floors.push(ledger.floor(deed.id).0);
        }
    }
    for deed in &ground.story.deeds {
        let ask = deed.request().map(|request| &request.ask);
        if let Some(Ask::Write(Op::Grant { lease, .. })) = ask
            && deed.error().is_none()
            && used.contains(lease)
        {
            floors.push(ledger.floor(deed.id).0);
        }
    }
    floors
}

fn parts(txn: &Txn) -> impl Iterator<Item = &TxnOp> {
    txn.success.iter().chain(&txn.failure)
}

/// The leases with which it puts keys.
fn leases(op: &Op) -> Vec<LeaseId> {
    let of_part = |part: &TxnOp| match part {
        TxnOp::Put(put) => Some(put.lease),
        TxnOp::Range(_) | TxnOp::DeleteRange(_) => None,
    };
    match op {
        Op::Put(put) => vec![put.lease],
        Op::Txn(txn) => parts(txn).filter_map(of_part).collect(),
        _ => Vec::new(),
    }
}
