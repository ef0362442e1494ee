//! A small cluster that moves only as it is told. It knows no protocol.
use stormglass_impls::knobs::Knobs;

use crate::notation;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use stormglass_impls::contract::{
    ClientId, Effect, Effects, Input, NodeId, Now, RequestId, Session,
};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Broken, DiskImage, Erased, Member, Setup, System, Watch};

/// What is wrong with a command.
pub(crate) type Fault = String;

/// The nodes, what is in flight between them, and the trace since it was last taken.
pub(crate) struct Cluster {
    system: Rc<dyn System>,
    watch: Box<dyn Watch>,
    nodes: BTreeMap<NodeId, Place>,
    /// What was sent and has not arrived, in the order of sending.
    flights: Vec<Flight>,
    /// The pairs that cannot talk, the lower id first.
    cuts: BTreeSet<(NodeId, NodeId)>,
    trace: String,
}

/// Where a node lives: what is there when the node is not.
struct Place {
    setup: Setup,
    /// `None` while the node is down.
    member: Option<Box<dyn Member>>,
    /// What is durable.
    disk: Box<dyn DiskImage>,
    /// Batches of writes under way, oldest first.
    outstanding: VecDeque<Vec<Parcel>>,
    /// Whether writes wait for a command to end.
    holds: bool,
    /// The timers that are set, by name.
    timers: BTreeMap<String, Parcel>,
}

#[derive(Clone)]
struct Flight {
    from: NodeId,
    to: NodeId,
    message: Parcel,
}

/// Which messages in flight are meant: those from and to these nodes, without the `skip` oldest, and of the rest only the `count` oldest.
pub(crate) struct Selection {
    /// Their sender; any without one.
    pub(crate) from: Option<NodeId>,
    /// Their receivers; any without one.
    pub(crate) to: Vec<NodeId>,
    /// How many of the oldest stay.
    pub(crate) skip: usize,
    /// How many at most.
    pub(crate) count: usize,
}

impl Cluster {
    /// Boots all nodes.
    pub(crate) fn new(
        system: Rc<dyn System>,
        nodes: u8,
        knobs: Knobs,
        mutant: Option<&str>,
    ) -> Self {
        let place = |id| Place {
            setup: Setup {
                knobs: knobs.clone(),
                mutant: mutant.map(str::to_string),
                ..Setup::of(id, nodes)
            },
            member: None,
            disk: system.blank_disk(),
            outstanding: VecDeque::new(),
            holds: false,
            timers: BTreeMap::new(),
        };
        let places = NodeId::all(nodes).map(|id| (id, place(id))).collect();
        let (watch, cuts, trace) = (system.watch(), BTreeSet::new(), String::new());
        let mut cluster = Self {
            system,
            watch,
            nodes: places,
            flights: Vec::new(),
            cuts,
            trace,
        };
        NodeId::all(nodes).for_each(|node| cluster.boot(node));
        cluster
    }

    /// The node of that name.
    pub(crate) fn node(&self, name: &str) -> Result<NodeId, Fault> {
        let number = name
            .strip_prefix('n')
            .and_then(|number| number.parse().ok())
            .map(NodeId);
        number
            .filter(|node| self.nodes.contains_key(node))
            .ok_or(format!("{name} is no node of this cluster"))
    }

    /// The trace since the last call.
    pub(crate) fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    /// A timer runs out.
    pub(crate) fn fire(&mut self, node: NodeId, timer: &str) -> Result<(), Fault> {
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

    /// A client asks. `text`: the request as the script puts it.
    pub(crate) fn request(
        &mut self,
        node: NodeId,
        client: ClientId,
        request_id: RequestId,
        body: Parcel,
        text: &str,
    ) -> Result<(), Fault> {
        self.must_be_up(node)?;
        let head = format!("{node} ← {client} {request_id} {text}");
        self.step(
            node,
            head,
            Input::Request {
                session: Session(0),
                client,
                request_id,
                body,
            },
        );
        Ok(())
    }

    /// One round: what is in flight now arrives, and what that sends stays in flight.
    pub(crate) fn deliver(&mut self, selection: &Selection) -> Result<(), Fault> {
        for Flight { from, to, message } in self.take_flights(selection)? {
            if self.hears(from, to) {
                let head = format!("{to} ← {from} {message:?}");
                self.step(to, head, Input::Deliver { from, message });
            } else {
                self.say(format_args!("{from} ↛ {to} {message:?}"));
            }
        }
        Ok(())
    }

    /// Rounds until nothing is in flight.
    pub(crate) fn stabilize(&mut self) -> Result<(), Fault> {
        let everything = Selection {
            from: None,
            to: Vec::new(),
            skip: 0,
            count: usize::MAX,
        };
        for _ in 0..100 {
            if self.flights.is_empty() {
                return Ok(());
            }
            self.deliver(&everything)?;
        }
        Err("the cluster is not quiet after 100 rounds".to_string())
    }

    /// What is in flight is lost.
    pub(crate) fn drop_flights(&mut self, selection: &Selection) -> Result<(), Fault> {
        let lost = self.take_flights(selection)?;
        lost.into_iter()
            .for_each(|flight| self.say_lost("", &flight));
        Ok(())
    }

    /// What is in flight gets a copy behind it.
    pub(crate) fn duplicate(&mut self, from: NodeId, to: NodeId) -> Result<(), Fault> {
        let selection = Selection {
            from: Some(from),
            to: vec![to],
            skip: 0,
            count: usize::MAX,
        };
        let copies: Vec<_> = self
            .flights
            .iter()
            .filter(|flight| selection.covers(flight))
            .cloned()
            .collect();
        if copies.is_empty() {
            return Err(format!("nothing is in flight from {from} to {to}"));
        }
        for copy in &copies {
            self.say(format_args!("{from} → {to} {:?} again", copy.message));
        }
        self.flights.extend(copies);
        Ok(())
    }

    /// Writes of a node wait, or no longer do.
    pub(crate) fn hold_disk(&mut self, node: NodeId, holds: bool) {
        self.place_mut(node).holds = holds;
        self.settle(node);
    }

    /// The oldest write under way ends.
    pub(crate) fn persist(&mut self, node: NodeId) -> Result<(), Fault> {
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
    pub(crate) fn crash(&mut self, node: NodeId, keep: usize) -> Result<(), Fault> {
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
    pub(crate) fn restart(&mut self, node: NodeId) -> Result<(), Fault> {
        if self.is_up(node) {
            return Err(format!("{node} is up"));
        }
        self.boot(node);
        Ok(())
    }

    /// Cuts these nodes off from the others. What is in flight between them is lost.
    pub(crate) fn partition(&mut self, side: &BTreeSet<NodeId>) -> Result<(), Fault> {
        let others: Vec<_> = self
            .nodes
            .keys()
            .copied()
            .filter(|node| !side.contains(node))
            .collect();
        if side.is_empty() || others.is_empty() {
            return Err("a partition has two sides".to_string());
        }
        for pair in side
            .iter()
            .flat_map(|node| others.iter().map(|other| pair(*node, *other)))
        {
            if self.cuts.insert(pair) {
                self.unlink(pair.0, pair.1);
            }
        }
        Ok(())
    }

    /// Mends all cuts.
    pub(crate) fn heal(&mut self) {
        for (one, other) in std::mem::take(&mut self.cuts) {
            self.link(one, other);
        }
    }

    /// The states of these nodes, or of all.
    pub(crate) fn status(&mut self, nodes: &[NodeId]) {
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
    pub(crate) fn audit(&mut self) {
        let up = self
            .nodes
            .iter()
            .filter_map(|(node, place)| Some((*node, place.member.as_deref()?)));
        match self.watch.audit(&up.collect::<Vec<_>>()) {
            Ok(()) => self.say("every invariant holds"),
            Err(broken) => self.say_broken(&broken),
        }
    }

    fn place(&self, node: NodeId) -> &Place {
        self.nodes.get(&node).expect("names were looked up")
    }

    fn place_mut(&mut self, node: NodeId) -> &mut Place {
        self.nodes.get_mut(&node).expect("names were looked up")
    }

    fn is_up(&self, node: NodeId) -> bool {
        self.place(node).member.is_some()
    }

    fn must_be_up(&self, node: NodeId) -> Result<(), Fault> {
        if self.is_up(node) {
            Ok(())
        } else {
            Err(format!("{node} is down"))
        }
    }

    /// Whether what one node sends can reach another.
    fn hears(&self, from: NodeId, to: NodeId) -> bool {
        self.is_up(to) && !self.cuts.contains(&pair(from, to))
    }

    fn boot(&mut self, node: NodeId) {
        let mut effects = Effects::default();
        let place = self.nodes.get(&node).expect("names were looked up");
        let member = self
            .system
            .boot(&place.setup, &*place.disk, Now::default(), &mut effects);
        self.say(format_args!("{node} boots as {}", member.describe()));
        let verdict = self.watch.booted(node, &*member);
        self.place_mut(node).member = Some(member);
        self.carry_out(node, effects, &BTreeSet::new());
        self.judge(verdict);
        self.settle(node);
        let others = NodeId::all(self.place(node).setup.nodes).filter(|other| *other != node);
        others.for_each(|other| self.link(node, other));
    }

    /// Moves a node by one input, and then by the ends of its writes, unless they are held.
    fn step(&mut self, node: NodeId, head: String, input: Input<Erased>) {
        self.say(head);
        self.step_quietly(node, input);
        self.settle(node);
    }

    /// Carries out a step without its first line.
    fn step_quietly(&mut self, node: NodeId, input: Input<Erased>) {
        let place = self.nodes.get_mut(&node).expect("names were looked up");
        let set: BTreeSet<String> = place.timers.keys().cloned().collect();
        if let Input::TimerFired(timer) = &input {
            place.timers.remove(&format!("{timer:?}"));
        }
        let member = place
            .member
            .as_mut()
            .expect("only a node that is up makes a step");
        let mut effects = Effects::default();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            member.step(Now::default(), input, &mut effects)
        }));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or(panic.downcast_ref::<&str>().copied())
                .unwrap_or("without a word")
                .to_string();
            self.say(format_args!("PANIC {node}: {text}"));
            return self.go_down(node);
        }
        let verdict = self.watch.stepped(node, &**member, effects.as_slice());
        self.carry_out(node, effects, &set);
        self.judge(verdict);
    }

    /// Ends the writes under way, oldest first, unless they are held.
    fn settle(&mut self, node: NodeId) {
        while self.is_up(node)
            && !self.place(node).holds
            && !self.place(node).outstanding.is_empty()
        {
            self.persist(node)
                .expect("a node that is up and writes can end a write");
        }
    }

    /// Does what a node wants done. `set`: the timers that were set before.
    fn carry_out(&mut self, node: NodeId, mut effects: Effects<Erased>, set: &BTreeSet<String>) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => {
                    let flight = Flight {
                        from: node,
                        to,
                        message,
                    };
                    if self.hears(node, to) {
                        self.say(format_args!("  {node} → {to} {:?}", flight.message));
                        self.flights.push(flight);
                    } else {
                        self.say_lost("  ", &flight);
                    }
                }
                Effect::ResetLink(peer) => {
                    self.say(format_args!("  {node} resets its link to {peer}"));
                    self.unlink(node, peer);
                    self.link(node, peer);
                }
                Effect::Persist(writes) => {
                    self.say(format_args!("  {node} disk{}", notation::words(&writes)));
                    self.place_mut(node).outstanding.push_back(writes);
                }
                Effect::SetTimer { timer, .. } => {
                    self.place_mut(node)
                        .timers
                        .insert(format!("{timer:?}"), timer);
                }
                Effect::CancelTimer(timer) => {
                    self.place_mut(node).timers.remove(&format!("{timer:?}"));
                }
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => {
                    self.say(format_args!(
                        "  {client} {request_id} ← {node} {}",
                        notation::answer(&answer)
                    ));
                }
                Effect::Notify { client, event } => {
                    self.say(format_args!("  {client} ← {node} {event:?}"))
                }
                Effect::Note(fact) => self.say(format_args!("  {}", notation::fact(node, fact))),
            }
        }
        let timers: Vec<&str> = self.place(node).timers.keys().map(String::as_str).collect();
        if !timers.iter().copied().eq(set.iter().map(String::as_str)) {
            let text = format!(
                "  {node} waits for {}",
                if timers.is_empty() {
                    "nothing".into()
                } else {
                    timers.join(" and ")
                }
            );
            self.say(text);
        }
    }

    /// Takes away a node's memory and what was in flight to it.
    fn go_down(&mut self, node: NodeId) {
        let place = self.place_mut(node);
        place.member = None;
        place.outstanding.clear();
        place.timers.clear();
        let lost = self
            .flights
            .extract_if(.., |flight| flight.to == node)
            .collect::<Vec<_>>();
        lost.iter().for_each(|flight| self.say_lost("  ", flight));
        let others = NodeId::all(self.place(node).setup.nodes).filter(|other| *other != node);
        others.for_each(|other| {
            self.tell(
                other,
                format!("{other} hears that {node} is gone"),
                Input::LinkDown(node),
            )
        });
    }

    /// Two nodes are connected, if both are up and nothing cuts them.
    fn link(&mut self, one: NodeId, other: NodeId) {
        if self.hears(one, other) && self.hears(other, one) {
            self.tell(
                one,
                format!("{one} is linked to {other}"),
                Input::LinkUp(other),
            );
            self.tell(
                other,
                format!("{other} is linked to {one}"),
                Input::LinkUp(one),
            );
        }
    }

    /// The connection of two nodes breaks, and what is in flight on it is lost.
    fn unlink(&mut self, one: NodeId, other: NodeId) {
        let lost = self.flights.extract_if(.., |flight| {
            pair(flight.from, flight.to) == pair(one, other)
        });
        lost.collect::<Vec<_>>()
            .iter()
            .for_each(|flight| self.say_lost("", flight));
        self.tell(
            one,
            format!("{one} hears that {other} is gone"),
            Input::LinkDown(other),
        );
        self.tell(
            other,
            format!("{other} hears that {one} is gone"),
            Input::LinkDown(one),
        );
    }

    /// Tells a node, if it is up, of a link. The line of the input is there only if the node does something: many protocols do not.
    fn tell(&mut self, node: NodeId, head: String, input: Input<Erased>) {
        if !self.is_up(node) {
            return;
        }
        let before = self.trace.len();
        self.step_quietly(node, input);
        if self.trace.len() > before {
            self.trace.insert_str(before, &format!("{head}\n"));
        }
        self.settle(node);
    }

    fn take_flights(&mut self, selection: &Selection) -> Result<Vec<Flight>, Fault> {
        let (mut late, mut left) = (selection.skip, selection.count);
        let wanted = |flight: &mut Flight| {
            let covered = selection.covers(flight);
            let taken = covered && late == 0 && left > 0;
            late -= usize::from(covered && late > 0);
            left -= usize::from(taken);
            taken
        };
        let taken: Vec<_> = self.flights.extract_if(.., wanted).collect();
        if taken.is_empty() {
            Err("nothing is in flight".to_string())
        } else {
            Ok(taken)
        }
    }

    fn judge(&mut self, verdict: Result<(), Broken>) {
        if let Err(broken) = verdict {
            self.say_broken(&broken);
        }
    }

    fn say(&mut self, line: impl Display) {
        self.trace += &format!("{line}\n");
    }

    fn say_broken(&mut self, broken: &Broken) {
        self.say(format_args!("BROKEN {broken}"));
    }

    fn say_lost(&mut self, indent: &str, flight: &Flight) {
        self.say(format_args!(
            "{indent}{} ↛ {} {:?}",
            flight.from, flight.to, flight.message
        ));
    }
}

impl Selection {
    fn covers(&self, flight: &Flight) -> bool {
        self.from.is_none_or(|from| flight.from == from)
            && (self.to.is_empty() || self.to.contains(&flight.to))
    }
}

fn pair(one: NodeId, other: NodeId) -> (NodeId, NodeId) {
    (one.min(other), one.max(other))
}
