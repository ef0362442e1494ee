//! The simulator where nothing happens but what is named: what is sent waits, and so do timers and disks.

use super::{Held, Simulation};
use crate::model::action::Fate;
use crate::model::bounds::Disk;
use crate::model::trace::{Stage, Trace, TraceError, What, letter_digest, state_digest};
use crate::trial::Arena;
use std::collections::BTreeSet;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, Input, NodeId, RequestId, Session};
use stormglass_impls::parcel::Parcel;
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
    let mut simulation = Simulation::new(&trial, system, binding);
    simulation.held = Some(Held::default());
    walk(&mut Steps {
        simulation,
        calls,
        is_atomic: trace.bounds.disk == Disk::Atomic,
    })
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
                let is_it = |(sender, receiver, message): &&(NodeId, NodeId, Parcel)| {
                    let digest = letter_digest(*sender, *receiver, message);
                    (sender, receiver) == (from, to) && format!("{digest:032x}") == *letter
                };
                let found = self.held().letters.iter().find(is_it).cloned();
                let (from, to, message) = found.ok_or("no such message was sent")?;
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
    }
}

impl Stage for Steps<'_> {
    fn arena(&self) -> &'static str {
        "simulator"
    }

    fn act(&mut self, what: &What, fate: Fate) -> Result<(), String> {
        match what {
            What::Crash { node, keeps } => self.crash(*node, usize::from(*keeps)),
            What::Reset { one, other } => self.simulation.reset(*one, *other),
            _ => {
                let node = self.hand(what)?;
                match fate {
                    Fate::Dies => self.crash(node, 0),
                    Fate::Plain | Fate::Unheard if self.is_atomic => self.sync(node),
                    Fate::Plain | Fate::Unheard => {}
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
