//! Evidence of what happens to the members of a cluster: what its nodes know them to be, and who leads.

use crate::look::{Evidence, Seen, ensure};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_impls::node_set::NodeSet;

/// Who has the votes while others have them.
pub(crate) const OTHERS: [u8; 2] = [3, 5];

/// A majority of all nodes learned of these voters while the fault lasted, and of the old ones again when it was over.
fn voters_were(seen: &Seen, during: NodeSet) -> Evidence {
    let learned = |span, voters| -> NodeSet {
        let facts = seen.facts(span);
        let told = facts.filter(|fact| fact.fact == Fact::MembersChanged { voters });
        told.map(|fact| fact.node).collect()
    };
    let all = NodeSet::first(5);
    let (before, after) = (
        learned(seen.span(), during),
        learned(seen.until_ns..u64::MAX, all),
    );
    ensure(
        before.len() >= during.len().min(2),
        format!("only {before} learned of the voters {during}"),
    )?;
    ensure(
        all.has_majority_in(after),
        format!("only {after} learned that all have a vote again"),
    )
}

/// Of five voters all but the second.
pub(crate) fn without_two(seen: &Seen) -> Evidence {
    voters_were(seen, NodeSet::first(5).without(NodeId(2)))
}

/// Two of five.
pub(crate) fn others(seen: &Seen) -> Evidence {
    voters_were(seen, OTHERS.into_iter().map(NodeId).collect())
}

/// The node that was asked to leads, and nobody waited for an election timeout.
pub(crate) fn handed_over(seen: &Seen) -> Evidence {
    let soon = seen.from_ns..seen.from_ns + 100 * crate::look::MS;
    ensure(
        seen.leaders(soon).contains(&seen.node()),
        format!("{} did not take over at once", seen.node()),
    )
}
