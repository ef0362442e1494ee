//! The simulator where nothing happens but what is named: what is sent waits, and so do timers and disks.
//!
//! Where messages arrive in order, links come up and go down as in the model, and in the same order: all are up once all nodes have booted, one that
//! breaks loses what is under way on it and is up again at once, and who crashes has broken all of its own.

use super::{Held, Simulation};
use crate::model::action::Fate;
use crate::model::bounds::{Disk, Network};
use crate::model::trace::{Stage, Trace, TraceError, What, letter_digest, state_digest};
use crate::trial::Arena;
use std::collections::BTreeSet;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, Input, NodeId, RequestId, Session};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::Erased;
use stormglass_impls::wire::ClientFrame;

/// A request as a node gets it.
struct Request {
    client: ClientId,
    request_id: RequestId,
    body: Parcel,
}

struct Steps<'t> {
    simulation: Simulation<'t>,
    calls: Vec<Request>,
    /// Whether a write is durable in the step that begins it.
    is_atomic: bool,
    /// Whether messages arrive in order, on links that can break.
    is_fifo: bool,
}

/// Sets the cluster of a trace on a stage.
pub(crate) fn with<T>(
    trace: &Trace,
    walk: impl FnOnce(&mut dyn Stage) -> Result<T, TraceError>,
) -> Result<T, TraceError> {
    let trial = trace.trial(Arena::Simulator)?;
    let calls = trace.calls()?.into_iter().map(|call| Request {
        client: call.client_id(),
        request_id: call.request_id(),
        body: call.body,
    });
    let calls = calls.collect();
    let system = catalog::system(&trial.cluster).expect("calls are of a cluster that there is");
    let binding = trial.workload.binding(&trial.cluster);
    let binding = binding.expect("calls are of a cluster with registers");
    let mut steps = Steps {
        simulation: Simulation::new(&trial, system, binding, Some(Held::default())),
        calls,
        is_atomic: trace.bounds.disk == Disk::Atomic,
        is_fifo: trace.bounds.network == Network::Fifo,
    };
    steps.links_begin();
    walk(&mut steps)
}

impl Steps<'_> {
    fn held(&mut self) -> &mut Held {
        self.simulation
            .held
            .as_mut()
            .expect("it is held from the beginning")
    }

    /// Gives a node what it is to take.
    fn hand(&mut self, what: &What) -> Result<NodeId, String> {
        let (node, input) = match what {
            What::Deliver { from, to, letter } => {
                let (from, to, message) = self.letter(*from, *to, letter)?;
                (to, Input::Deliver { from, message })
            }
            What::Fire { node, timer } => {
                let timers = &mut self.simulation.nodes[node.index()].timers;
                let fired = timers.take_named(|set| format!("{set:?}") == *timer);
                (
                    *node,
                    Input::TimerFired(fired.ok_or("that timer is not set")?),
                )
            }
            What::Ask { node, call } => {
                let Request {
                    client,
                    request_id,
                    body,
                } = &self.calls[usize::from(*call)];
                let (client, request_id) = (*client, *request_id);
                self.simulation
                    .board
                    .borrow_mut()
                    .recorded(client, request_id);
                let session = Session(0);
                let body = body.clone();
                (
                    *node,
                    Input::Request {
                        client,
                        session,
                        request_id,
                        body,
                    },
                )
            }
            What::Persisted { node } => {
                let host = &self.simulation.nodes[node.index()];
                if !host.syncing {
                    return Err("nothing is being written".into());
                }
                let life = host.life;
                self.simulation.synced(*node, life, None);
                return Ok(*node);
            }
            What::Crash { .. } | What::Reset { .. } => return Err("it is no input".into()),
        };
        self.simulation.step(node, input);
        Ok(node)
    }

    /// Finds a letter. Where they arrive in order it must be the oldest of its pair, and is gone by that.
    fn letter(
        &mut self,
        from: NodeId,
        to: NodeId,
        letter: &str,
    ) -> Result<(NodeId, NodeId, Parcel), String> {
        let is_fifo = self.is_fifo;
        let letters = &mut self.held().letters;
        let is_it = |(sender, receiver, message): &(NodeId, NodeId, Parcel)| {
            let digest = letter_digest(*sender, *receiver, message);
            (*sender, *receiver) == (from, to) && format!("{digest:032x}") == *letter
        };
        if !is_fifo {
            let found = letters.iter().find(|letter| is_it(letter));
            return Ok(found.cloned().ok_or("no such message was sent")?);
        }
        let is_of_pair = |letter: &&(NodeId, NodeId, Parcel)| (letter.0, letter.1) == (from, to);
        let oldest = letters.iter().find(is_of_pair);
        let oldest = oldest.ok_or("nothing is under way there")?;
        if !is_it(oldest) {
            return Err("another message comes first".into());
        }
        let at = letters.iter().position(|letter| is_of_pair(&letter));
        Ok(letters.remove(at.expect("it was found")))
    }

    /// All nodes have booted, and their links are there.
    fn links_begin(&mut self) {
        if !self.is_fifo {
            return;
        }
        let nodes = NodeId::all(self.simulation.trial.nodes);
        for node in nodes.clone() {
            for peer in nodes.clone().filter(|peer| *peer != node) {
                self.take(node, Input::LinkUp(peer));
            }
        }
    }

    /// A node takes an input, and all that follows from it without being named.
    fn take(&mut self, node: NodeId, input: Input<Erased>) {
        self.simulation.step(node, input);
        self.settle(node);
    }

    fn settle(&mut self, node: NodeId) {
        if self.is_atomic {
            self.sync(node);
        }
        for (node, peer) in std::mem::take(&mut self.held().resets) {
            self.reset(node, peer);
        }
    }

    /// The link of two nodes breaks and is made again. Where anything may arrive at any time there are no links.
    fn reset(&mut self, one: NodeId, other: NodeId) {
        if !self.is_fifo {
            return;
        }
        self.cut(one, other);
        for (node, peer) in [(one, other), (other, one)] {
            self.take(node, Input::LinkDown(peer));
            self.take(node, Input::LinkUp(peer));
        }
    }

    /// Nothing is under way between two nodes any more.
    fn cut(&mut self, one: NodeId, other: NodeId) {
        let letters = &mut self.held().letters;
        letters
            .retain(|(from, to, _)| (*from, *to) != (one, other) && (*from, *to) != (other, one));
    }

    /// Ends all writes of a node, and those that follow from that.
    fn sync(&mut self, node: NodeId) {
        while self.simulation.nodes[node.index()].syncing {
            let life = self.simulation.nodes[node.index()].life;
            self.simulation.synced(node, life, None);
        }
    }

    fn crash(&mut self, node: NodeId, keeps: usize) {
        let host = &mut self.simulation.nodes[node.index()];
        let under_way: Vec<Parcel> = host.unsynced.drain(..).flatten().collect();
        under_way
            .iter()
            .take(keeps)
            .for_each(|write| host.disk.apply(write));
        self.simulation.stop(node);
        self.simulation.start(node);
        // Who died breaks no links any more: it has none.
        self.held().resets.clear();
        if !self.is_fifo {
            return;
        }
        let nodes = NodeId::all(self.simulation.trial.nodes);
        for peer in nodes.filter(|peer| *peer != node) {
            self.cut(node, peer);
            self.take(node, Input::LinkUp(peer));
            self.take(peer, Input::LinkDown(node));
            self.take(peer, Input::LinkUp(node));
        }
    }
}

impl Stage for Steps<'_> {
    fn arena(&self) -> &'static str {
        "simulator"
    }

    fn act(&mut self, what: &What, fate: Fate) -> Result<(), String> {
        match what {
            What::Crash { node, keeps } => self.crash(*node, usize::from(*keeps)),
            What::Reset { one, other } => self.reset(*one, *other),
            _ => {
                let node = self.hand(what)?;
                match fate {
                    Fate::Dies => self.crash(node, 0),
                    Fate::Plain | Fate::Unheard => self.settle(node),
                }
            }
        }
        Ok(())
    }

    fn node(&self, node: NodeId) -> Option<u128> {
        self.simulation.board.borrow().state(node, state_digest)
    }

    fn letters(&self) -> BTreeSet<u128> {
        let held = self.simulation.held.as_ref();
        let sent = held.into_iter().flat_map(|held| &held.letters);
        sent.map(|(from, to, message)| letter_digest(*from, *to, message))
            .collect()
    }

    fn told(&mut self) -> Vec<(ClientId, ClientFrame)> {
        std::mem::take(&mut self.held().told)
    }

    fn broken(&self) -> Vec<String> {
        let board = self.simulation.board.borrow();
        board
            .violations
            .iter()
            .map(|violation| violation.name.clone())
            .collect()
    }
}
