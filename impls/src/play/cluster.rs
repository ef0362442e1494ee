//! A small cluster that moves only as it is told. It knows no protocol.

use super::flights::Flight;
use super::notation;
use crate::contract::{Answer, ClientId, Effect, Effects, Input, NodeId, Now, RequestId, Session};
use crate::knobs::Knobs;
use crate::node_set::{NODES_MAX, NodeSet};
use crate::parcel::Parcel;
use crate::system::{Broken, DiskImage, Member, Setup, System, Watch};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::rc::Rc;

/// Who asks for what a node has stored.
const OPERATOR: ClientId = ClientId(9);

/// What is wrong with a command.
pub(super) type Fault = String;

/// The nodes, what is in flight between them, and the trace since it was last taken.
pub(super) struct Cluster {
    pub(super) system: Rc<dyn System>,
    pub(super) watch: Box<dyn Watch>,
    pub(super) nodes: BTreeMap<NodeId, Place>,
    /// What was sent and has not arrived, in the order of sending.
    pub(super) flights: Vec<Flight>,
    /// The pairs that cannot talk, the lower id first.
    pub(super) cuts: BTreeSet<(NodeId, NodeId)>,
    /// The session that each client was last given.
    pub(super) sessions: BTreeMap<ClientId, Session>,
    pub(super) trace: String,
}

/// Where a node lives: what is there when the node is not.
pub(super) struct Place {
    pub(super) setup: Setup,
    /// `None` while the node is down.
    pub(super) member: Option<Box<dyn Member>>,
    /// What is durable.
    pub(super) disk: Box<dyn DiskImage>,
    /// Batches of writes under way, oldest first.
    pub(super) outstanding: VecDeque<Vec<Parcel>>,
    /// Whether writes wait for a command to end.
    pub(super) holds: bool,
    /// The timers that are set, by name.
    pub(super) timers: BTreeMap<String, Parcel>,
    /// What its clocks show. Time passes only when a script says so.
    pub(super) now: Now,
}

impl Cluster {
    /// Boots all nodes. The first `voters` have a vote.
    pub(super) fn new(
        system: Rc<dyn System>,
        nodes: u8,
        voters: u8,
        knobs: Knobs,
        mutant: Option<&str>,
    ) -> Self {
        let place = |id| Place {
            setup: Setup {
                knobs: knobs.clone(),
                voters: NodeSet::first(voters),
                mutant: mutant.map(str::to_string),
                ..Setup::of(id, nodes)
            },
            member: None,
            disk: system.blank_disk(),
            outstanding: VecDeque::new(),
            holds: false,
            timers: BTreeMap::new(),
            now: Now::default(),
        };
        let places = NodeId::all(nodes).map(|id| (id, place(id))).collect();
        let (watch, cuts, trace) = (system.watch(), BTreeSet::new(), String::new());
        let mut cluster = Self {
            system,
            watch,
            nodes: places,
            flights: Vec::new(),
            cuts,
            sessions: BTreeMap::new(),
            trace,
        };
        NodeId::all(nodes).for_each(|node| cluster.boot(node));
        cluster
    }

    /// The node of that name.
    pub(super) fn node(&self, name: &str) -> Result<NodeId, Fault> {
        read_node(name)
            .filter(|node| self.nodes.contains_key(node))
            .ok_or(format!("{name} is no node of this cluster"))
    }

    /// The trace since the last call.
    pub(super) fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    /// A timer runs out.
    pub(super) fn fire(&mut self, node: NodeId, timer: &str) -> Result<(), Fault> {
        self.must_be_up(node)?;
        let timers = &self.place(node).timers;
        let Some(fired) = timers.get(timer).cloned() else {
            let set: Vec<_> = timers.keys().map(String::as_str).collect();
            return Err(format!(
                "{node} does not wait for {timer}, but for: {}",
                set.join(" ")
            ));
        };
        self.step(node, format!("{node} {timer}"), Input::TimerFired(fired));
        Ok(())
    }

    /// A client asks, in the session it was last given unless another is named. `text`: the request as the script puts it.
    pub(super) fn request(
        &mut self,
        node: NodeId,
        client: ClientId,
        session: Option<Session>,
        request_id: RequestId,
        body: Parcel,
        text: &str,
    ) -> Result<(), Fault> {
        self.must_be_up(node)?;
        let session = session
            .or(self.sessions.get(&client).copied())
            .unwrap_or_default();
        let said = match session {
            Session(0) => String::new(),
            session => format!("{session} "),
        };
        let head = format!("{node} ← {client} {request_id} {said}{text}");
        self.step(
            node,
            head,
            Input::Request {
                session,
                client,
                request_id,
                body,
            },
        );
        Ok(())
    }

    /// A client's connection to a node breaks.
    pub(super) fn client_gone(&mut self, node: NodeId, client: ClientId) -> Result<(), Fault> {
        self.must_be_up(node)?;
        let head = format!("{node} hears that {client} is gone");
        self.step(node, head, Input::ClientGone(client));
        Ok(())
    }

    /// Writes of a node wait, or no longer do.
    pub(super) fn hold_disk(&mut self, node: NodeId, holds: bool) {
        self.place_mut(node).holds = holds;
        self.settle(node);
    }

    /// The oldest write under way ends.
    pub(super) fn persist(&mut self, node: NodeId) -> Result<(), Fault> {
        self.must_be_up(node)?;
        let place = self.place_mut(node);
        let writes = place
            .outstanding
            .pop_front()
            .ok_or(format!("{node} writes nothing"))?;
        writes.iter().for_each(|write| place.disk.apply(write));
        self.watch.synced(node);
        self.step(node, format!("{node} durable"), Input::Persisted);
        Ok(())
    }

    /// A node goes down. Of its writes under way, the first `keep` are durable.
    pub(super) fn crash(&mut self, node: NodeId, keep: usize) -> Result<(), Fault> {
        self.must_be_up(node)?;
        let writes: Vec<_> = self
            .place(node)
            .outstanding
            .iter()
            .flatten()
            .cloned()
            .collect();
        if keep > writes.len() {
            return Err(format!(
                "{node} has no {keep} writes under way, but {}",
                writes.len()
            ));
        }
        self.say(format_args!("{node} crashes"));
        for (at, write) in writes.iter().enumerate() {
            self.say(format_args!(
                "  {node} disk {} {write:?}",
                if at < keep { "keeps" } else { "loses" }
            ));
        }
        writes[..keep]
            .iter()
            .for_each(|write| self.place_mut(node).disk.apply(write));
        self.go_down(node);
        Ok(())
    }

    /// A node comes back from its disk.
    pub(super) fn restart(&mut self, node: NodeId) -> Result<(), Fault> {
        if self.is_up(node) {
            return Err(format!("{node} is up"));
        }
        self.boot(node);
        Ok(())
    }

    /// The disk of a node that is down becomes that of a new cluster, made of what another node has stored. All nodes have a vote in it that had one before.
    pub(super) fn restore(&mut self, node: NodeId, from: NodeId, number: u64) -> Result<(), Fault> {
        if self.is_up(node) {
            return Err(format!("{node} is up"));
        }
        let asked = self.system.ask_for_backup();
        let ask = asked.ok_or(format!("{} stores nothing apart", self.system.name()))?;
        let place = self.place_mut(from);
        let member = place.member.as_mut().ok_or(format!("{from} is down"))?;
        let mut effects = Effects::default();
        let input = Input::Request {
            client: OPERATOR,
            session: Session(0),
            request_id: RequestId(0),
            body: ask,
        };
        member.step(place.now, input, &mut effects);
        let reply = effects.drain().find_map(|effect| match effect {
            Effect::Reply {
                answer: Answer::Done(reply),
                ..
            } => Some(reply.encode()),
            _ => None,
        });
        let stored = reply.and_then(|reply| self.system.stored(&reply));
        let stored = stored.ok_or(format!("{from} does not say what it has stored"))?;
        let voters = self.place(node).setup.voters;
        let restored = self.system.restore(&stored, number, voters);
        let disk = restored.ok_or("nothing can be restored")??;
        self.place_mut(node).disk = disk;
        self.say(format_args!(
            "{node} is restored from what {from} has, into cluster {number}"
        ));
        Ok(())
    }

    /// Time passes at these nodes, or at all, also where one is down.
    pub(super) fn pass(&mut self, nodes: &[NodeId], ns: u64) {
        for (node, place) in &mut self.nodes {
            if nodes.is_empty() || nodes.contains(node) {
                place.now.monotonic_ns = place.now.monotonic_ns.saturating_add(ns);
                place.now.wall_ns = place.now.wall_ns.saturating_add(ns);
            }
        }
    }

    /// The states of these nodes, or of all.
    pub(super) fn status(&mut self, nodes: &[NodeId]) {
        let all = self
            .nodes
            .keys()
            .copied()
            .filter(|node| nodes.is_empty() || nodes.contains(node));
        for node in all.collect::<Vec<_>>() {
            let state = self
                .place(node)
                .member
                .as_ref()
                .map_or("down".to_string(), |member| member.describe());
            self.say(format_args!("{node} {state}"));
        }
    }

    /// The invariants in their whole-state form.
    pub(super) fn audit(&mut self) {
        let up = self
            .nodes
            .iter()
            .filter_map(|(node, place)| Some((*node, place.member.as_deref()?)));
        match self.watch.audit(&up.collect::<Vec<_>>()) {
            Ok(()) => self.say("every invariant holds"),
            Err(broken) => self.say_broken(&broken),
        }
    }

    /// How often each invariant was put to the test.
    pub(super) fn witnesses(&mut self) {
        let witnesses = self.watch.witnesses();
        if witnesses.is_empty() {
            self.say("no invariant counts its witnesses");
        }
        for (invariant, count) in witnesses {
            self.say(format_args!("{invariant} {count}"));
        }
    }

    pub(super) fn place(&self, node: NodeId) -> &Place {
        self.nodes.get(&node).expect("names were looked up")
    }

    pub(super) fn place_mut(&mut self, node: NodeId) -> &mut Place {
        self.nodes.get_mut(&node).expect("names were looked up")
    }

    pub(super) fn is_up(&self, node: NodeId) -> bool {
        self.place(node).member.is_some()
    }

    pub(super) fn must_be_up(&self, node: NodeId) -> Result<(), Fault> {
        if self.is_up(node) {
            Ok(())
        } else {
            Err(format!("{node} is down"))
        }
    }

    pub(super) fn say(&mut self, line: impl Display) {
        self.trace += &notation::told_apart(&format!("{line}\n"));
    }

    pub(super) fn say_broken(&mut self, broken: &Broken) {
        self.say(format_args!("BROKEN {broken}"));
    }
}

/// The node of that name, in this cluster or not.
pub(super) fn read_node(name: &str) -> Option<NodeId> {
    let number = name.strip_prefix('n')?.parse().ok();
    number
        .filter(|number| (1..=NODES_MAX).contains(number))
        .map(NodeId)
}
