//! What can be known of a fault without asking the fault: what the nodes took, what their clocks showed, what the clients waited for,
//! and what the world counted.

use crate::wrapped;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use stormglass_checker::{Kind, Process};
use stormglass_impls::catalog;
use stormglass_impls::contract::{Fact, Input, NodeId, Now};
use stormglass_impls::system::Erased;
use stormglass_nemesis::observer::describing;
use stormglass_nemesis::record::{FactRecord, FaultRecord, Run};
use stormglass_nemesis::trial::Trial;

pub(crate) const MS: u64 = 1_000_000;
/// What was sent before a fault still arrives: the longest delay of a calm network, a tick, and some.
pub(crate) const GRACE_NS: u64 = 10 * MS;

/// Whether a fault left what it must leave, and if not, what is missing.
pub(crate) type Evidence = Result<(), String>;

/// A law that must hold if the fault happened.
pub(crate) fn ensure(holds: bool, law: impl Into<String>) -> Evidence {
    if holds { Ok(()) } else { Err(law.into()) }
}

/// An input that a node took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// When, in simulated nanoseconds.
    pub(crate) time_ns: u64,
    pub(crate) node: NodeId,
    pub(crate) what: What,
    /// What the node's own clocks showed.
    pub(crate) shown: Now,
}

/// What the input was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Message {
        from: NodeId,
        kind: &'static str,
        text: String,
    },
    LinkDown(NodeId),
    Timer,
    Other,
}

/// A run, and all that its nodes took.
pub(crate) struct Seen {
    pub(crate) run: Run,
    pub(crate) taken: Vec<Taken>,
    /// The nodes the first fault was meant for, and when it began and ended, in simulated nanoseconds: nobody, and at once, if it
    /// never did.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
}

/// Runs a trial with its eyes open.
pub(crate) fn watch(trial: &Trial) -> Seen {
    let system = catalog::system(&trial.cluster).expect("a known cluster");
    let probed = Rc::new(RefCell::new(Vec::new()));
    let probe = Rc::clone(&probed);
    let (run, described) = describing(0..u64::MAX, || {
        wrapped::run(
            trial,
            Rc::new(move |node| {
                let (probe, system) = (Rc::clone(&probe), Rc::clone(&system));
                let kind = move |message: &_| system.message_kind(message);
                Box::new(move |member, now, input: Input<Erased>, effects| {
                    probe.borrow_mut().push((node, what(&input, &kind), now));
                    member.step(now, input, effects);
                })
            }),
        )
    });
    let probed = probed.take();
    assert_eq!(probed.len(), described.len(), "what is taken is described");
    let taken = probed.into_iter().zip(&described);
    let taken = taken.map(|((node, what, shown), described)| Taken {
        time_ns: time_of(described),
        node,
        what,
        shown,
    });
    let first = &run.record.faults[0];
    Seen {
        taken: taken.collect(),
        nodes: first.nodes.clone(),
        from_ns: first.from_ns.unwrap_or_default(),
        until_ns: first.until_ns.unwrap_or_default(),
        run,
    }
}

fn what(
    input: &Input<Erased>,
    kind: &impl Fn(&stormglass_impls::parcel::Parcel) -> &'static str,
) -> What {
    match input {
        Input::Deliver { from, message } => What::Message {
            from: *from,
            kind: kind(message),
            text: format!("{message:?}"),
        },
        Input::LinkDown(peer) => What::LinkDown(*peer),
        Input::TimerFired(_) => What::Timer,
        _ => What::Other,
    }
}

/// The time at the beginning of a description: seconds with nine digits after the point.
fn time_of(described: &str) -> u64 {
    let (seconds, _) = described.split_once(" s: ").expect("a time comes first");
    seconds.replace('.', "").parse().expect("digits")
}

/// Names for the nodes.
pub(crate) fn nodes<const N: usize>(ids: [u8; N]) -> Vec<NodeId> {
    ids.map(NodeId).to_vec()
}

impl Seen {
    /// The one node the fault was meant for.
    pub(crate) fn node(&self) -> NodeId {
        self.nodes[0]
    }

    /// While the fault was in force.
    pub(crate) fn span(&self) -> Range<u64> {
        self.from_ns + 1..self.until_ns
    }

    /// While the fault was in force and what was sent before it had arrived.
    pub(crate) fn late_span(&self) -> Range<u64> {
        self.from_ns + GRACE_NS..self.until_ns
    }

    /// After the fault.
    pub(crate) fn after(&self) -> Range<u64> {
        self.until_ns..u64::MAX
    }

    /// What a node took in a time.
    pub(crate) fn took(&self, node: NodeId, span: Range<u64>) -> impl Iterator<Item = &Taken> {
        let taken = self.taken.iter();
        taken.filter(move |taken| taken.node == node && span.contains(&taken.time_ns))
    }

    /// The messages that arrived in a time: the receiver's input, the sender, kind and text.
    pub(crate) fn messages(
        &self,
        span: Range<u64>,
    ) -> impl Iterator<Item = (&Taken, NodeId, &'static str, &str)> {
        let taken = self.taken.iter();
        let taken = taken.filter(move |taken| span.contains(&taken.time_ns));
        taken.filter_map(|taken| match &taken.what {
            What::Message { from, kind, text } => Some((taken, *from, *kind, text.as_str())),
            _ => None,
        })
    }

    /// How many messages arrived on the links from one group to another.
    pub(crate) fn arrived(&self, from: &[NodeId], to: &[NodeId], span: Range<u64>) -> usize {
        let messages = self.messages(span);
        messages
            .filter(|(taken, sender, ..)| from.contains(sender) && to.contains(&taken.node))
            .count()
    }

    /// How many messages passed between two groups, either way.
    pub(crate) fn passed(&self, one: &[NodeId], other: &[NodeId], span: Range<u64>) -> usize {
        self.arrived(one, other, span.clone()) + self.arrived(other, one, span)
    }

    /// All nodes but these.
    pub(crate) fn others(&self, nodes: &[NodeId]) -> Vec<NodeId> {
        NodeId::all(5)
            .filter(|node| !nodes.contains(node))
            .collect()
    }

    /// When somebody noticed that a connection to this node broke.
    pub(crate) fn links_down(&self, lost: NodeId, span: Range<u64>) -> Vec<u64> {
        let noticed = self
            .taken
            .iter()
            .filter(|taken| taken.what == What::LinkDown(lost) && span.contains(&taken.time_ns));
        noticed.map(|taken| taken.time_ns).collect()
    }

    /// The facts of a time.
    pub(crate) fn facts(&self, span: Range<u64>) -> impl Iterator<Item = &FactRecord> {
        let facts = self.run.record.facts.iter();
        facts.filter(move |fact| span.contains(&fact.time_ns))
    }

    /// Who became leader in a time.
    pub(crate) fn leaders(&self, span: Range<u64>) -> Vec<NodeId> {
        let leads = |fact: &&FactRecord| matches!(fact.fact, Fact::BecameLeader { .. });
        self.facts(span)
            .filter(leads)
            .map(|fact| fact.node)
            .collect()
    }

    /// Whether this node said in a time that it led and no longer does.
    pub(crate) fn steps_down(&self, node: NodeId, span: Range<u64>) -> bool {
        self.facts(span)
            .any(|fact| fact.node == node && matches!(fact.fact, Fact::SteppedDown { .. }))
    }

    /// The operations that were called and answered within a time: the function, and how long it took.
    pub(crate) fn answered(&self, span: Range<u64>) -> Vec<(&str, u64)> {
        let mut open = std::collections::BTreeMap::new();
        let mut answered = Vec::new();
        for event in &self.run.history.events {
            match event.kind {
                _ if event.process == Process::Nemesis => {}
                Kind::Invoke => {
                    open.insert(event.process, event.time);
                }
                Kind::Ok if span.contains(&event.time) && span.contains(&open[&event.process]) => {
                    let took_ns = event.time - open[&event.process];
                    answered.push((event.f.as_str(), took_ns));
                }
                _ => {}
            }
        }
        answered
    }

    /// How a fault of the trial went.
    pub(crate) fn fault(&self, at: usize) -> &FaultRecord {
        &self.run.record.faults[at]
    }

    /// A node took nothing from one time to another, others noticed and went on, and it came back.
    pub(crate) fn was_down(&self, node: NodeId, span: Range<u64>) -> Evidence {
        let inside = span.start + 1..span.end;
        let took = self.took(node, inside).count();
        ensure(took == 0, format!("{node} is down and takes {took} inputs"))?;
        let noticed = self.links_down(node, span.start..span.end + GRACE_NS);
        ensure(!noticed.is_empty(), format!("nobody misses {node}"))?;
        let back = self.took(node, span.end..u64::MAX).count();
        ensure(back > 0, format!("{node} does not come back"))
    }
}
