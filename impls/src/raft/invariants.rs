//! What must always hold across a Raft cluster (Raft, figure 3).
//!
//! Each invariant is one function. The incremental form looks only at what a step changed and keeps the history it needs: two leaders
//! of one term need not be alive at once. The plain form ([`Watch::audit`]) compares whole logs; it is slow, and the oracle of the other.

use super::Raft;
use super::message::{Entry, Index, Payload, Position, Term, Write};
use crate::contract::{Effect, NodeId};
use crate::machine::Machine;
use crate::system::{Broken, Erased, InvariantInfo, Member, Watch};
use std::collections::BTreeMap;

/// All of them.
pub const INVARIANTS: &[InvariantInfo] = &[
    InvariantInfo {
        name: "election-safety",
        law: "at most one node leads in a term, ever",
        source: "Raft 5.2, figure 3",
    },
    InvariantInfo {
        name: "log-matching",
        law: "two logs that hold an entry of the same index and term are equal up to it",
        source: "Raft 5.3, figure 3",
    },
    InvariantInfo {
        name: "leader-completeness",
        law: "a leader holds every entry committed in earlier terms",
        source: "Raft 5.4, figure 3",
    },
    InvariantInfo {
        name: "state-machine-safety",
        law: "no two nodes apply different entries at one index",
        source: "Raft 5.4.3, figure 3",
    },
    InvariantInfo {
        name: "monotonic-term",
        law: "a node's term never falls, and no restart takes it below a term the node has spoken in",
        source: "Raft 5.1, figure 2",
    },
    InvariantInfo {
        name: "monotonic-commit",
        law: "a node's commit index never falls while it runs",
        source: "Raft, figure 2",
    },
];

/// The invariants of one cluster, with the history they need.
#[derive(Clone, Debug)]
pub struct RaftWatch<M: Machine> {
    /// Who led each term, ever.
    leaders: BTreeMap<Term, NodeId>,
    entries: Entries<M::Command>,
    /// The one committed log, the entry of index 1 first.
    committed: Vec<Committed>,
    /// What was seen of each node, in the order of their ids.
    nodes: Vec<Seen>,
}

/// Every entry any log ever held, by its position. Almost all indices only ever saw one, so those stand in a row: looking one up costs
/// the same however long the log is.
#[derive(Clone, Debug)]
struct Entries<C> {
    /// The entry first seen at each index, that of index 1 first.
    first: Vec<(Term, Held<C>)>,
    /// Entries of other terms at the same indices.
    others: BTreeMap<Position, Held<C>>,
}

/// The term of the entry before an entry, and what it holds. By induction along a log, equal entries after equal entries make equal logs.
type Held<C> = (Term, Payload<C>);

impl<C> Default for Entries<C> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            others: BTreeMap::new(),
        }
    }
}

impl<C: Clone> Entries<C> {
    /// What is known at a position: what was seen there before, or now this.
    fn known(&mut self, position: Position, before: Term, payload: &Payload<C>) -> &Held<C> {
        let at = position.index.previous().0 as usize;
        if at == self.first.len() {
            self.first.push((position.term, (before, payload.clone())));
        }
        match self.first.get(at) {
            Some((term, held)) if *term == position.term => held,
            _ => {
                let others = self.others.entry(position);
                others.or_insert_with(|| (before, payload.clone()))
            }
        }
    }
}

/// An entry that is committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    position: Position,
    /// The term of the node that was first seen to commit it. A leader elected late, in an older term than this, need not hold it.
    term: Term,
}

/// What was seen of one node.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    term: Term,
    commit: Index,
    /// The newest term the node sent a message in: a restart must not forget it.
    spoken: Term,
}

impl<M: Machine> Default for RaftWatch<M> {
    fn default() -> Self {
        Self {
            leaders: BTreeMap::new(),
            entries: Entries::default(),
            committed: Vec::new(),
            nodes: Vec::new(),
        }
    }
}

impl<M: Machine> Watch for RaftWatch<M> {
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Result<(), Broken> {
        let raft = core::<M>(member);
        let seen = self.seen(node);
        // What was in memory only is gone, rightly; the commit index is among it.
        (seen.term, seen.commit) = (seen.spoken, Index(0));
        self.log_matching(node, raft, raft.log().after(Index(0)))?;
        self.monotonic_term(node, raft)
    }

    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Result<(), Broken> {
        let raft = core::<M>(member);
        let mut logs_match = Ok(());
        for effect in effects {
            match effect {
                Effect::Persist(writes) => {
                    let appended = writes.iter().filter_map(|write| match write.open() {
                        Some(Write::Append(entries)) => Some(entries),
                        _ => None,
                    });
                    for entries in appended {
                        logs_match = logs_match.and(self.log_matching(node, raft, entries));
                    }
                }
                Effect::Send { message, .. } => {
                    let message = message.open::<super::message::Message<M::Command>>();
                    let term = message.expect("a Raft node sends Raft messages").term;
                    let seen = self.seen(node);
                    seen.spoken = seen.spoken.max(term);
                }
                _ => {}
            }
        }
        self.monotonic_term(node, raft)?;
        self.monotonic_commit(node, raft)?;
        self.election_safety(node, raft)?;
        // After the election, whose second winner writes what contradicts the first: the cause is named, not what follows from it.
        logs_match?;
        self.state_machine_safety(node, raft)
    }

    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Result<(), Broken> {
        let nodes: Vec<(NodeId, &Raft<M>)> = members
            .iter()
            .map(|(node, member)| (*node, core::<M>(*member)))
            .collect();
        self.audit_nodes(&nodes)
    }
}

fn core<M: Machine>(member: &dyn Member) -> &Raft<M> {
    member
        .as_any()
        .downcast_ref()
        .expect("a Raft watch is shown Raft nodes")
}

fn broken(invariant: &'static str, message: String) -> Result<(), Broken> {
    Err(Broken { invariant, message })
}

fn incomplete<M: Machine>(node: NodeId, raft: &Raft<M>, missing: Position) -> Result<(), Broken> {
    let text = format!(
        "{node} leads in term {} without the committed entry {missing:?}",
        raft.term()
    );
    broken("leader-completeness", text)
}

impl<M: Machine> RaftWatch<M> {
    fn seen(&mut self, node: NodeId) -> &mut Seen {
        if self.nodes.len() <= node.index() {
            self.nodes.resize(node.index() + 1, Seen::default());
        }
        &mut self.nodes[node.index()]
    }

    /// Remembers who led, and checks a new leader's log.
    fn election_safety(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        if !raft.is_leader() {
            return Ok(());
        }
        match self.leaders.insert(raft.term(), node) {
            Some(before) if before == node => Ok(()),
            Some(before) => broken(
                "election-safety",
                format!("{before} and {node} both lead in term {}", raft.term()),
            ),
            None => self.leader_completeness(node, raft),
        }
    }

    /// By log matching, a log that holds the last of those entries holds all before it.
    fn leader_completeness(&self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let earlier = self
            .committed
            .iter()
            .rfind(|committed| committed.term < raft.term());
        match earlier {
            Some(last) if !raft.log().contains(last.position) => {
                incomplete(node, raft, last.position)
            }
            _ => Ok(()),
        }
    }

    /// `entries` are new in the log of `node`. They may be gone from it by the end of the same step, but they were there.
    fn log_matching(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
        entries: &[Entry<M::Command>],
    ) -> Result<(), Broken> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let mut before = raft
            .log()
            .position(first.position.index.previous())
            .unwrap_or_default()
            .term;
        for entry in entries {
            let known = self.entries.known(entry.position, before, &entry.payload);
            if known.0 != before || known.1 != entry.payload {
                let place = entry.position;
                let text = if known.0 != before {
                    let other = known.0;
                    format!(
                        "{node} holds {place:?} behind term {before}, elsewhere it stands behind term {other}"
                    )
                } else {
                    let (here, there) = (&entry.payload, &known.1);
                    format!("{node} holds {here:?} at {place:?}, elsewhere it is {there:?}")
                };
                return broken("log-matching", text);
            }
            before = entry.position.term;
        }
        Ok(())
    }

    /// Compares what was newly committed with the one committed log, and extends that.
    fn state_machine_safety(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let seen = self.seen(node);
        let from = std::mem::replace(&mut seen.commit, raft.commit());
        for entry in raft.log().between(from, raft.commit()) {
            match self.committed.get(entry.position.index.0 as usize - 1) {
                None => self.committed.push(Committed {
                    position: entry.position,
                    term: raft.term(),
                }),
                Some(known) if known.position == entry.position => {}
                Some(Committed { position, .. }) => {
                    let text = format!(
                        "{node} applied the entry {:?} where {position:?} was applied",
                        entry.position
                    );
                    return broken("state-machine-safety", text);
                }
            }
        }
        Ok(())
    }

    fn monotonic_term(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let seen = self.seen(node);
        let before = std::mem::replace(&mut seen.term, raft.term());
        if raft.term() < before {
            return broken(
                "monotonic-term",
                format!("the term of {node} fell from {before} to {}", raft.term()),
            );
        }
        Ok(())
    }

    fn monotonic_commit(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let seen = self.seen(node);
        let before = seen.commit;
        if raft.commit() < before {
            // A fall is told once; what the node commits from there on is looked at again.
            seen.commit = raft.commit();
            return broken(
                "monotonic-commit",
                format!(
                    "the commit index of {node} fell from {before} to {}",
                    raft.commit()
                ),
            );
        }
        Ok(())
    }

    /// The plain form of the laws, over the whole logs of the nodes that are up.
    pub fn audit_nodes(&self, nodes: &[(NodeId, &Raft<M>)]) -> Result<(), Broken> {
        for (at, (node, raft)) in nodes.iter().enumerate() {
            for (other, peer) in &nodes[..at] {
                if raft.is_leader() && peer.is_leader() && raft.term() == peer.term() {
                    return broken(
                        "election-safety",
                        format!("{other} and {node} both lead in term {}", raft.term()),
                    );
                }
                let (mine, theirs) = (raft.log().after(Index(0)), peer.log().after(Index(0)));
                let agreed = mine
                    .iter()
                    .zip(theirs)
                    .rposition(|(mine, theirs)| mine.position == theirs.position);
                let agreed = agreed.map_or(0, |last| last + 1);
                if mine[..agreed] != theirs[..agreed] {
                    return broken(
                        "log-matching",
                        format!("{other} and {node} differ below their common entry {agreed}"),
                    );
                }
                let applied = raft.commit().min(peer.commit()).0 as usize;
                if mine[..applied] != theirs[..applied] {
                    return broken(
                        "state-machine-safety",
                        format!("{other} and {node} applied different entries up to {applied}"),
                    );
                }
            }
            let mut earlier = self
                .committed
                .iter()
                .filter(|committed| committed.term < raft.term());
            let missing = earlier.find(|committed| !raft.log().contains(committed.position));
            if let (true, Some(missing)) = (raft.is_leader(), missing) {
                return incomplete(*node, raft, missing.position);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64, term: u64) -> Position {
        Position {
            index: Index(index),
            term: Term(term),
        }
    }

    #[test]
    fn what_was_first_seen_at_a_position_stays_known() {
        let mut entries = Entries::<u8>::default();
        let noop = (Term(0), Payload::Noop);
        assert_eq!(*entries.known(at(1, 1), noop.0, &noop.1), noop);
        assert_eq!(
            *entries.known(at(1, 1), Term(9), &Payload::Noop),
            noop,
            "another log that says otherwise is the one that is compared, not believed"
        );
        let later = (Term(1), Payload::Noop);
        assert_eq!(*entries.known(at(2, 1), later.0, &later.1), later);
        for before in [2, 3] {
            let known = entries.known(at(1, 4), Term(before), &Payload::Noop);
            assert_eq!(known.0, Term(2), "an entry of another term at that index");
        }
        assert_eq!(entries.known(at(1, 1), noop.0, &noop.1).0, Term(0));
        let beyond = entries.known(at(7, 5), Term(5), &Payload::Noop);
        assert_eq!(beyond.0, Term(5), "a log with a gap is no reason to panic");
        assert_eq!(entries.known(at(7, 5), Term(4), &Payload::Noop).0, Term(5));
    }
}
