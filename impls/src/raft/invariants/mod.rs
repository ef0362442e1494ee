//! What must always hold across a Raft cluster (Raft, figure 3).
//!
//! Each invariant is one function (`laws.rs`). The incremental form looks only at what a step changed and keeps the history it needs: two
//! leaders of one term need not be alive at once. The plain form (`audit.rs`) compares whole logs; it is slow, and the oracle of the other.

mod audit;
mod known;
mod laws;

use super::Raft;
use super::message::{Body, Campaign, Index, Message, Position, Term, Write};
use crate::contract::{Effect, NodeId};
use crate::explored::{Memory, Names, Renamed};
use crate::machine::Machine;
use crate::snapshot::Image;
use crate::system::{Broken, Erased, InvariantInfo, Member, Watch};
use known::{Change, Entries, Mirror, Seen};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// All of them.
pub const INVARIANTS: &[InvariantInfo] = &[
    InvariantInfo {
        name: "election-safety",
        law: "at most one node leads in a term, ever",
        source: "Raft 5.2, figure 3",
    },
    InvariantInfo {
        name: "one-vote-a-term",
        law: "a node votes for at most one candidate in a term, across restarts",
        source: "Raft 5.2, figure 2",
    },
    InvariantInfo {
        name: "leader-append-only",
        law: "a leader removes nothing from its log",
        source: "Raft 5.3, figure 3",
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
        name: "committed-on-quorum",
        law: "what a leader commits is durable at a majority of the members, at that moment",
        source: "Raft 5.3, 5.4.2",
    },
    InvariantInfo {
        name: "committed-immutable",
        law: "no node removes an entry that was committed in its term or before",
        source: "Raft 5.4.3",
    },
    InvariantInfo {
        name: "monotonic-term",
        law: "a node's term never falls, and no restart takes it below a term the node has spoken in",
        source: "Raft 5.1, figure 2",
    },
    InvariantInfo {
        name: "monotonic-commit",
        law: "what a node has committed and applied never becomes less while it runs",
        source: "Raft, figure 2",
    },
    InvariantInfo {
        name: "snapshot-order",
        law: "a snapshot ends at or before what is committed, which is at or before the end of the log, and no entry behind a snapshot is compacted",
        source: "Raft 7",
    },
    InvariantInfo {
        name: "snapshots-agree",
        law: "two snapshots that end at the same index are equal, byte for byte",
        source: "Raft 7, state machine safety",
    },
    InvariantInfo {
        name: "next-above-match",
        law: "a leader sends a follower nothing that it is known to hold, and knows none to hold more than it has itself",
        source: "Raft, figure 2",
    },
    InvariantInfo {
        name: "one-change-at-a-time",
        law: "a leader's log has at most one change of members that is not committed",
        source: "Raft 6, dissertation 4.1",
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
    /// The first snapshot seen at each index where one was made.
    snapshots: BTreeMap<Index, (NodeId, Image)>,
    /// What was seen of each node, in the order of their ids.
    nodes: Vec<Seen<M::Command>>,
    /// How often each law was put to the test, in the order of [`INVARIANTS`].
    tested: [u64; INVARIANTS.len()],
}

/// An entry that is committed.
#[derive(Clone, Copy, Debug, Hash)]
struct Committed {
    position: Position,
    /// The term of the node that was first seen to commit it. A leader of an older term need not hold it, nor who hears that leader late.
    term: Term,
}

impl<M: Machine> Default for RaftWatch<M> {
    fn default() -> Self {
        Self {
            leaders: BTreeMap::new(),
            entries: Entries::default(),
            committed: Vec::new(),
            snapshots: BTreeMap::new(),
            nodes: Vec::new(),
            tested: [0; INVARIANTS.len()],
        }
    }
}

/// Of what a step wants done, what the laws look at.
pub(crate) enum Seeing<'a, C> {
    /// A batch of writes. One of them that is not the protocol's own is left out; the batch may be empty then.
    Persist(Vec<&'a Write<C>>),
    /// A message.
    Send(NodeId, &'a Message<C>),
}

impl<M: Machine> Watch for RaftWatch<M> {
    fn booted(&mut self, node: NodeId, member: &dyn Member) -> Result<(), Broken> {
        self.raft_booted(node, core::<M>(member))
    }

    fn synced(&mut self, node: NodeId) {
        let seen = self.seen(node);
        for change in seen.under_way.pop_front().into_iter().flatten() {
            seen.durable.apply(&change);
        }
    }

    fn stepped(
        &mut self,
        node: NodeId,
        member: &dyn Member,
        effects: &[Effect<Erased>],
    ) -> Result<(), Broken> {
        let seeing = effects.iter().filter_map(|effect| match effect {
            Effect::Persist(writes) => {
                let writes = writes.iter().map(|write| write.open());
                let writes = writes.map(|write| write.expect("a Raft node writes Raft writes"));
                Some(Seeing::Persist(writes.collect()))
            }
            Effect::Send { to, message } => {
                let message = message.open();
                let message = message.expect("a Raft node sends Raft messages");
                Some(Seeing::Send(*to, message))
            }
            _ => None,
        });
        self.raft_stepped(node, core::<M>(member), seeing)
    }

    fn audit(&self, members: &[(NodeId, &dyn Member)]) -> Result<(), Broken> {
        let nodes: Vec<(NodeId, &Raft<M>)> = members
            .iter()
            .map(|(node, member)| (*node, core::<M>(*member)))
            .collect();
        self.audit_nodes(&nodes)
    }

    fn witnesses(&self) -> Vec<(&'static str, u64)> {
        let names = INVARIANTS.iter().map(|invariant| invariant.name);
        names.zip(self.tested).collect()
    }
}

impl<M: Machine> Memory for RaftWatch<M> {
    fn duplicate(&self) -> Box<dyn Memory> {
        Box::new(self.clone())
    }

    fn feed(&self, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        let Some(names) = names else {
            // All but `tested`.
            self.leaders.hash(&mut hasher);
            self.entries.hash(&mut hasher);
            self.committed.hash(&mut hasher);
            self.snapshots.hash(&mut hasher);
            return self.nodes.hash(&mut hasher);
        };
        let mut renamed = self.clone();
        renamed
            .leaders
            .values_mut()
            .for_each(|leader| *leader = names.of(*leader));
        renamed.entries = renamed.entries.renamed(names);
        renamed
            .snapshots
            .values_mut()
            .for_each(|(node, _)| *node = names.of(*node));
        renamed.nodes.iter_mut().for_each(|seen| {
            seen.vote = seen
                .vote
                .map(|(term, candidate)| (term, names.of(candidate)));
        });
        let known = NodeId::all(self.nodes.len() as u8);
        let mut order: Vec<(NodeId, NodeId)> = known.map(|node| (names.of(node), node)).collect();
        order.sort_unstable();
        renamed.nodes = order
            .iter()
            .map(|(_, node)| renamed.nodes[node.index()].clone())
            .collect();
        renamed.feed(None, hasher);
    }
}

impl<M: Machine> RaftWatch<M> {
    /// See [`Watch::booted`].
    pub(crate) fn raft_booted(&mut self, node: NodeId, raft: &Raft<M>) -> Result<(), Broken> {
        let base = raft.log().base();
        if self.committed.is_empty() && base.index == Index(1) {
            // A cluster that was made of a stored state begins with that.
            let (position, term) = (base, base.term);
            self.committed.push(Committed { position, term });
        }
        let log = Mirror::of(base, raft.log().after(Index(0)));
        let seen = self.seen(node);
        // What was in memory only is gone, rightly; the commit index is among it.
        (seen.term, seen.commit) = (seen.spoken, raft.commit());
        (seen.durable, seen.log) = (log.clone(), log);
        seen.under_way.clear();
        self.log_matching(node, base.term, raft.log().after(Index(0)))?;
        self.monotonic_term(node, raft)?;
        self.snapshot_order(node, raft)
    }

    /// See [`Watch::stepped`].
    pub(crate) fn raft_stepped<'a>(
        &mut self,
        node: NodeId,
        raft: &Raft<M>,
        seeing: impl Iterator<Item = Seeing<'a, M::Command>>,
    ) -> Result<(), Broken> {
        let (mut votes, mut logs, mut removed, mut snapshots) = (Ok(()), Ok(()), Ok(()), Ok(()));
        let mut wrote = false;
        for seen in seeing {
            match seen {
                Seeing::Persist(writes) => {
                    wrote |= !writes.is_empty();
                    let mut batch = Vec::new();
                    for write in writes {
                        match write {
                            Write::Append(entries) => {
                                let log = &self.seen(node).log;
                                let before = log.position(log.last()).unwrap_or_default().term;
                                logs = logs.and(self.log_matching(node, before, entries));
                            }
                            Write::Truncate { from } => {
                                removed = removed
                                    .and(self.leader_append_only(node, raft))
                                    .and(self.committed_immutable(node, raft, *from));
                            }
                            Write::Snapshot(snapshot) => {
                                snapshots = snapshots.and(self.snapshots_agree(node, snapshot));
                            }
                            Write::Install { snapshot, .. } => {
                                let last = snapshot.last;
                                let behind = raft.log().after(last.index);
                                logs = logs.and(self.log_matching(node, last.term, behind));
                                removed = removed.and(self.leader_append_only(node, raft));
                                snapshots = snapshots.and(self.snapshots_agree(node, snapshot));
                            }
                            Write::HardState { .. } | Write::Compact { .. } => {}
                        }
                        let change = Change::of(write);
                        self.seen(node).log.apply(&change);
                        batch.push(change);
                    }
                    self.seen(node).under_way.push_back(batch);
                }
                Seeing::Send(to, message) => votes = votes.and(self.spoke(node, to, message)),
            }
        }
        self.monotonic_term(node, raft)?;
        votes?;
        removed?;
        self.monotonic_commit(node, raft)?;
        self.election_safety(node, raft)?;
        // After the election, whose second winner writes what contradicts the first: the cause is named, not what follows from it.
        logs?;
        // What was committed wrongly was committed all the same: what comes of it is to be seen, too.
        let counted = self.committed_on_quorum(node, raft);
        counted.and(self.state_machine_safety(node, raft))?;
        snapshots?;
        self.next_above_match(node, raft)?;
        if wrote {
            self.snapshot_order(node, raft)?;
            self.one_change_at_a_time(node, raft)?;
        }
        Ok(())
    }

    fn seen(&mut self, node: NodeId) -> &mut Seen<M::Command> {
        if self.nodes.len() <= node.index() {
            self.nodes.resize_with(node.index() + 1, Seen::default);
        }
        &mut self.nodes[node.index()]
    }

    /// A law was put to the test.
    fn test(&mut self, invariant: &'static str) {
        let at = INVARIANTS.iter().position(|known| known.name == invariant);
        self.tested[at.expect("only what is listed is tested")] += 1;
    }

    /// A message says that its sender is in a term. A pre-vote says nothing of the kind: nobody is in the term it asks about.
    fn spoke(
        &mut self,
        node: NodeId,
        to: NodeId,
        message: &Message<M::Command>,
    ) -> Result<(), Broken> {
        let vote = match message.body {
            Body::RequestVote {
                campaign: Campaign::Pre,
                ..
            }
            | Body::Vote {
                pre: true,
                granted: true,
            } => return Ok(()),
            Body::RequestVote { .. } => Some(node),
            Body::Vote { granted: true, .. } => Some(to),
            _ => None,
        };
        let seen = self.seen(node);
        seen.spoken = seen.spoken.max(message.term);
        vote.map_or(Ok(()), |candidate| {
            self.one_vote_a_term(node, message.term, candidate)
        })
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
