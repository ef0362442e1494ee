//! A way through a model as data, and the arenas that walk it.
//!
//! A counterexample of a search is worth little if it is true of the model alone. So it is written as a list of steps, with the digest of every node and
//! of all that was ever sent after each of them; and the simulator and turmoil walk the same steps, in which nothing happens but what is named, and
//! come to the same digests.

use super::action::{Action, Fate};
use super::bounds::{Bounds, Disk, Network};
use super::calls::{Call, Clients, call_list, promise};
use super::pool::digest;
use super::space::{Reductions, Space, SpaceError, Worker};
use super::state::State;
use crate::trial::{Arena, Trial};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{Answer, ClientId, NodeId, RequestId};
use stormglass_impls::explored::NodeState;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Links, System};
use stormglass_impls::wire::ClientFrame;
use stormglass_workloads::workload::WorkloadConfig;

/// The version of the form in which traces are written.
pub const TRACE_VERSION: u32 = 1;

/// A way through a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// See [`TRACE_VERSION`].
    pub schema_version: u32,
    /// Within which bounds.
    pub bounds: Bounds,
    /// With which mutant.
    pub mutant: Option<String>,
    /// The property that is broken behind the last step, if one is.
    pub property: Option<String>,
    /// What was seen of that.
    pub message: Option<String>,
    /// How all stand at the beginning.
    pub begin: Standing,
    /// How each node shows itself there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<String>,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// In words.
    pub text: String,
    /// What happens.
    pub what: What,
    /// How it goes.
    pub fate: Fate,
    /// By which step, from 1, the message was sent that arrives; 0 for one that was sent when the nodes booted.
    pub sent_by: Option<usize>,
    /// How all stand behind it.
    pub after: Standing,
    /// How each node shows itself behind it. For people; nothing is compared with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<String>,
}

/// What happens in a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// A letter arrives.
    Deliver {
        /// Who sent it.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// Its digest.
        letter: String,
    },
    /// A timer runs out.
    Fire {
        /// At which node.
        node: NodeId,
        /// Which, in its protocol's word.
        timer: String,
    },
    /// A client asks a node.
    Ask {
        /// Which node.
        node: NodeId,
        /// Which of the calls of the bounds.
        call: u8,
    },
    /// A node's oldest batch is durable.
    Persisted {
        /// Which node.
        node: NodeId,
    },
    /// A node stops, and goes on with what its disk kept.
    Crash {
        /// Which node.
        node: NodeId,
        /// How many of the writes under way are kept.
        keeps: u8,
    },
    /// The connection of two nodes breaks.
    Reset {
        /// One of them.
        one: NodeId,
        /// The other.
        other: NodeId,
    },
}

/// How all stand: digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Of each node's state, in the order of their ids.
    pub nodes: Vec<String>,
    /// Of the set of all letters ever sent, or of those under way where they arrive in order.
    pub letters: String,
}

/// What came of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct Walked {
    /// How all stood at the beginning and behind each step.
    pub standings: Vec<Standing>,
    /// The properties that were seen broken, in order.
    pub broken: Vec<String>,
}

/// Why a trace could not be walked, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("{file}: {cause}; write it anew with `stormglass model`")]
    Unreadable {
        /// Which file.
        file: String,
        /// Why.
        cause: String,
    },
    /// Its bounds make no sense.
    #[error(transparent)]
    Bounds(#[from] SpaceError),
    /// A step cannot be.
    #[error("step {number} cannot be in the {arena}: {text}: {cause}")]
    Impossible {
        /// Which, from 1.
        number: usize,
        /// Where.
        arena: &'static str,
        /// The step in words.
        text: String,
        /// Why.
        cause: String,
    },
    /// An arena has no means for it.
    #[error("the {arena} cannot walk it: {cause}")]
    Beyond {
        /// Which.
        arena: &'static str,
        /// Why.
        cause: String,
    },
}

/// Where two walks part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Behind which step, from 1; 0 at the beginning.
    pub number: usize,
    /// In what they differ.
    pub what: String,
}

/// An arena in which nothing happens but what is named.
pub(crate) trait Stage {
    /// Its name.
    fn arena(&self) -> &'static str;

    /// Lets a step happen, or says why it cannot be.
    fn act(&mut self, what: &What, fate: Fate) -> Result<(), String>;

    /// Looks at a node's state; `None` when it failed.
    fn node(&self, node: NodeId) -> Option<u128>;

    /// The digests of all letters ever sent, or of those under way where they arrive in order.
    fn letters(&self) -> BTreeSet<u128>;

    /// What clients were told since this was asked last.
    fn told(&mut self) -> Vec<(ClientId, ClientFrame)>;

    /// The properties that were seen broken.
    fn broken(&self) -> Vec<String>;
}

impl What {
    /// Whose message arrives, if one does.
    pub fn from(&self) -> Option<NodeId> {
        match self {
            What::Deliver { from, .. } => Some(*from),
            _ => None,
        }
    }

    /// At which node it happens; `None` where it happens at two.
    pub fn at(&self) -> Option<NodeId> {
        match self {
            What::Deliver { to, .. } => Some(*to),
            What::Fire { node, .. }
            | What::Ask { node, .. }
            | What::Persisted { node }
            | What::Crash { node, .. } => Some(*node),
            What::Reset { .. } => None,
        }
    }
}

/// The digest of a letter.
pub(crate) fn letter_digest(from: NodeId, to: NodeId, message: &Parcel) -> u128 {
    digest(|mut hasher| ("letter", from, to, message).hash(&mut hasher))
}

/// The digest of a node's state.
pub(crate) fn state_digest(state: &dyn NodeState) -> u128 {
    digest(|hasher| state.feed(None, hasher))
}

fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

impl Trace {
    /// Reads a trace file.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let unreadable = |cause: String| TraceError::Unreadable {
            file: path.display().to_string(),
            cause,
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let trace: Self =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        match trace.schema_version {
            TRACE_VERSION => Ok(trace),
            other => Err(unreadable(format!(
                "it is of version {other}, not {TRACE_VERSION}"
            ))),
        }
    }

    /// The same without what is for people only.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.shown.clear();
        self.steps.iter_mut().for_each(|step| step.shown.clear());
        self
    }

    /// Its written form.
    pub fn written(&self) -> String {
        serde_json::to_string_pretty(self).expect("a trace has names for all its keys")
    }

    /// What was found in a space, as a trace: walked once more without any reduction, so that every step is as it is and every letter is there.
    pub fn of(
        space: &Space,
        mutant: Option<&str>,
        found: Option<(&str, &str)>,
        actions: &[Action],
    ) -> Result<Self, TraceError> {
        let mut bounds = space.bounds().clone();
        // What was a prelude is among the steps.
        bounds.prelude.clear();
        // What arrives in order may arrive so where anything may arrive; but there nobody hears of links.
        let is_reset = |action: &Action| matches!(action, Action::Reset { .. });
        let hears = |system: Rc<dyn System>| system.budget().links == Links::Fifo;
        if !actions.iter().any(is_reset) && !catalog::system(&bounds.cluster).is_some_and(hears) {
            bounds.network = Network::Set;
        }
        let mut core = Core::new(&bounds, mutant)?;
        let begin = standing(&core, bounds.nodes);
        let shown = core.shown();
        let mut steps = Vec::new();
        let mut sent: BTreeMap<String, usize> = core
            .letters()
            .into_iter()
            .map(|letter| (hex(letter), 0))
            .collect();
        for action in actions {
            let (what, fate) = what_of(space, *action);
            let text = space.describe(*action);
            act(&mut core, steps.len() + 1, &text, &what, fate)?;
            let after = standing(&core, bounds.nodes);
            let sent_by = match &what {
                What::Deliver { letter, .. } => sent.get(letter).copied(),
                _ => None,
            };
            for letter in core.letters() {
                sent.entry(hex(letter)).or_insert(steps.len() + 1);
            }
            steps.push(Step {
                sent_by,
                text,
                what,
                fate,
                after,
                shown: core.shown(),
            });
        }
        Ok(Self {
            schema_version: TRACE_VERSION,
            bounds,
            mutant: mutant.map(str::to_string),
            property: found.map(|(property, _)| property.to_string()),
            message: found.map(|(_, message)| message.to_string()),
            begin,
            shown,
            steps,
        })
    }

    /// The cluster of the bounds as a trial in which nothing happens by itself.
    pub(crate) fn trial(&self, arena: Arena) -> Result<Trial, TraceError> {
        let workload = WorkloadConfig::usual(&self.bounds.cluster);
        let setup = self.bounds.setup(NodeId(1), self.mutant.as_deref());
        let setup = setup.map_err(|cause| SpaceError::Bounds {
            name: self.bounds.name.clone(),
            cause,
        })?;
        Ok(Trial {
            nodes: self.bounds.nodes,
            spares: self.bounds.spares,
            clients: self.bounds.clients.len() as u32,
            knobs: setup.knobs,
            mutant: self.mutant.clone(),
            ..Trial::calm(&self.bounds.cluster, workload, arena, 0)
        })
    }

    pub(crate) fn calls(&self) -> Result<Vec<Call>, TraceError> {
        let system = catalog::system(&self.bounds.cluster);
        let system = system.ok_or_else(|| SpaceError::NoCluster(self.bounds.cluster.clone()))?;
        let calls = call_list(&self.bounds, &*system).map_err(|cause| SpaceError::Bounds {
            name: self.bounds.name.clone(),
            cause,
        })?;
        Ok(calls)
    }

    /// Walks it in the core alone.
    pub fn walk_core(&self) -> Result<Walked, TraceError> {
        let mut core = Core::new(&self.bounds, self.mutant.as_deref())?;
        self.walk(&mut core)
    }

    /// Walks it in the simulator.
    pub fn walk_simulator(&self) -> Result<Walked, TraceError> {
        crate::simulator::steps::with(self, |stage| self.walk(stage))
    }

    /// Walks it in turmoil.
    #[cfg(feature = "turmoil")]
    pub fn walk_turmoil(&self) -> Result<Walked, TraceError> {
        let beyond = |cause: &str| {
            Err(TraceError::Beyond {
                arena: "turmoil",
                cause: cause.to_string(),
            })
        };
        if self.bounds.disk == Disk::Pipelined {
            return beyond(
                "the host syncs all batches that wait at once, and these bounds name each",
            );
        }
        crate::turmoil::steps::with(self, |stage| self.walk(stage))
    }

    fn walk(&self, stage: &mut dyn Stage) -> Result<Walked, TraceError> {
        let nodes = self.bounds.nodes;
        let calls = self.calls()?;
        let mut clients = Clients::idle(calls.len());
        let mut standings = vec![standing(stage, nodes)];
        let mut broken = stage.broken();
        for (at, step) in self.steps.iter().enumerate() {
            act(stage, at + 1, &step.text, &step.what, step.fate)?;
            standings.push(standing(stage, nodes));
            if let What::Ask { call, .. } = step.what {
                clients.asked(call.into());
            }
            for (client, frame) in stage.told() {
                let ClientFrame::Answer {
                    request_id,
                    answer: Answer::Done(reply),
                } = frame
                else {
                    continue;
                };
                if step.fate != Fate::Unheard
                    && let Some(call) = call_of(&calls, client, request_id)
                {
                    clients.answered(call, &Arc::from(reply));
                }
            }
            broken = stage.broken();
            if clients.broken(&calls, &self.bounds.cluster).is_some() {
                broken.push(promise(&self.bounds.cluster).to_string());
            }
        }
        Ok(Walked { standings, broken })
    }

    /// Where a walk parts from this trace, if it does: a node or the letters differ behind a step, or the broken property was not seen.
    pub fn parting(&self, walked: &Walked) -> Option<Parting> {
        let own = std::iter::once(&self.begin).chain(self.steps.iter().map(|step| &step.after));
        // A node that failed an assertion has no state any more, and where it had not it is still there.
        let panics = self.property.as_deref() == Some("panic");
        let compared = self.steps.len() + usize::from(!panics);
        for (number, (own, other)) in own.zip(&walked.standings).take(compared).enumerate() {
            for (at, (here, there)) in own.nodes.iter().zip(&other.nodes).enumerate() {
                if here != there {
                    let node = NodeId(at as u8 + 1);
                    let what = format!("{node} is {here} here and {there} there");
                    return Some(Parting { number, what });
                }
            }
            if own.letters != other.letters {
                let what = "what was sent differs".to_string();
                return Some(Parting { number, what });
            }
        }
        let property = self.property.as_ref()?;
        let seen = walked.broken.contains(property);
        (!seen).then(|| Parting {
            number: self.steps.len(),
            what: format!(
                "{property} is not seen broken there, but {:?}",
                walked.broken
            ),
        })
    }
}

fn call_of(calls: &[Call], client: ClientId, request: RequestId) -> Option<usize> {
    calls.iter().position(|call| call.is(client, request))
}

fn act(
    stage: &mut dyn Stage,
    number: usize,
    text: &str,
    what: &What,
    fate: Fate,
) -> Result<(), TraceError> {
    let arena = stage.arena();
    stage
        .act(what, fate)
        .map_err(|cause| TraceError::Impossible {
            number,
            arena,
            text: text.to_string(),
            cause,
        })
}

fn standing(stage: &dyn Stage, nodes: u8) -> Standing {
    let node = |node| stage.node(node).map_or_else(|| "failed".to_string(), hex);
    Standing {
        nodes: NodeId::all(nodes).map(node).collect(),
        letters: hex(digest(|mut hasher| stage.letters().hash(&mut hasher))),
    }
}

fn what_of(space: &Space, action: Action) -> (What, Fate) {
    match action {
        Action::Deliver { letter, fate } => {
            let letter = space.letters.get(letter);
            let (from, to) = (letter.from, letter.to);
            let letter = hex(letter_digest(from, to, &letter.message));
            (What::Deliver { from, to, letter }, fate)
        }
        Action::Fire { node, timer, fate } => {
            let timer = format!("{:?}", space.timers.get(timer.into()).parcel);
            (What::Fire { node, timer }, fate)
        }
        Action::Ask { node, call, fate } => (What::Ask { node, call }, fate),
        Action::Persisted { node, fate } => (What::Persisted { node }, fate),
        Action::Crash { node, keeps } => (What::Crash { node, keeps }, Fate::Plain),
        Action::Reset { one, other } => (What::Reset { one, other }, Fate::Plain),
    }
}

/// The model itself as a stage, with nothing left out.
struct Core {
    space: Space,
    worker: Worker,
    state: State,
}

impl Core {
    fn new(bounds: &Bounds, mutant: Option<&str>) -> Result<Self, TraceError> {
        let space = Space::new(bounds.clone(), mutant, Reductions::NONE)?;
        let state = space.initial();
        Ok(Self {
            space,
            worker: Worker::default(),
            state,
        })
    }

    fn shown(&self) -> Vec<String> {
        let nodes = self.space.nodes(&self.state);
        nodes.into_iter().map(|(_, text)| text).collect()
    }
}

impl Stage for Core {
    fn arena(&self) -> &'static str {
        "core"
    }

    fn act(&mut self, what: &What, fate: Fate) -> Result<(), String> {
        let mut enabled = Vec::new();
        self.space.enabled(&self.state, &mut enabled);
        let is_it = |action: &Action| what_of(&self.space, *action) == (what.clone(), fate);
        let action = enabled.into_iter().find(is_it);
        let action = action.ok_or("it is not enabled there within the bounds")?;
        let next = self.space.act(&mut self.worker, &self.state, action);
        self.state = next.ok_or("it cannot go that way")?;
        Ok(())
    }

    fn node(&self, node: NodeId) -> Option<u128> {
        let local = self.space.locals.get(self.state.nodes[node.index()]);
        Some(state_digest(&*local.state))
    }

    fn letters(&self) -> BTreeSet<u128> {
        let letters = self
            .state
            .letters
            .iter()
            .map(|letter| self.space.letters.get(*letter));
        letters
            .map(|letter| letter_digest(letter.from, letter.to, &letter.message))
            .collect()
    }

    /// The model has its clients in its states, and judges them there.
    fn told(&mut self) -> Vec<(ClientId, ClientFrame)> {
        Vec::new()
    }

    fn broken(&self) -> Vec<String> {
        self.space
            .broken(&self.state)
            .map(|(property, _)| property)
            .into_iter()
            .collect()
    }
}
