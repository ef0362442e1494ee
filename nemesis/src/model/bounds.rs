//! How far a search goes: what may happen in a model, and how often.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stormglass_impls::contract::NodeId;
use stormglass_impls::knobs::Knobs;
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::system::Setup;

/// The most nodes a model can have.
pub const NODES_MAX: usize = 5;

/// What may happen in a model, and how often. Whatever is not bounded here happens as often as it likes.
///
/// Clocks stand still: every reading is the same, so no lease runs out and no session expires. Timers run out at any time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Its name, as `elections`.
    pub name: String,
    /// Of which cluster, as `raft-cache`.
    pub cluster: String,
    /// What it shows, in a sentence.
    pub summary: String,
    /// How many nodes, spares and all.
    pub nodes: u8,
    /// How many of them, the last ones, have no vote to begin with.
    pub spares: u8,
    /// Knobs that are not as usual: names and values, as on the command line.
    pub knobs: Vec<(String, String)>,
    /// The newest term, ballot or epoch a node may be in.
    pub epoch_max: u64,
    /// The last place of a log that may be filled.
    pub log_max: u64,
    /// What each client asks, one after the other.
    pub clients: Vec<Vec<Ask>>,
    /// How often a node may be asked the same: the first time and retries, as far as they do anything.
    pub asks_max: u8,
    /// How often a node stops, of all nodes together, and goes on with what its disk kept.
    pub crashes: u8,
    /// How often the connection of a pair breaks, where messages arrive in order.
    pub resets: u8,
    /// Timers that run out only so often, or only at some nodes.
    pub timers: Vec<TimerBound>,
    /// When a write is durable.
    pub disk: Disk,
    /// Where the end of a write is a step of its own: how many inputs a node takes while anything is being written. Without a bound it could hear
    /// the same message over and over, and hold as many answers back.
    #[serde(default)]
    pub inputs_while_writing: u8,
    /// What becomes of messages.
    pub network: Network,
    /// What happens before the search begins, each step in the words of a trace. All that is counted in these bounds counts from the very beginning.
    #[serde(default)]
    pub prelude: Vec<String>,
    /// What must be seen to happen, or the search proves nothing.
    pub shows: Vec<Witness>,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Read a key.
    Read(String),
    /// Write a value.
    Write(String, Value),
    /// Compare a value and set another.
    Cas(String, Value, Value),
    /// What only this service can be asked, as a history of its clients has it.
    Service(Value),
    /// Let these nodes have a vote.
    Members(Vec<u8>),
    /// Let this node lead.
    Transfer(u8),
}

impl Ask {
    /// What an operator says, if it is one who asks.
    pub fn manage(&self) -> Option<Manage> {
        match self {
            Ask::Members(nodes) => {
                let voters: NodeSet = nodes.iter().map(|node| NodeId(*node)).collect();
                Some(Manage::Members(voters))
            }
            Ask::Transfer(node) => Some(Manage::Transfer(NodeId(*node))),
            Ask::Read(_) | Ask::Write(..) | Ask::Cas(..) | Ask::Service(_) => None,
        }
    }
}

/// A timer that does not run out as it likes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimerBound {
    /// Which, in its protocol's word.
    pub timer: String,
    /// At these nodes, and at no others but those of other bounds of this timer; at all when absent.
    pub nodes: Option<Vec<u8>>,
    /// So often at most, at these nodes together; any number when absent.
    pub times: Option<u8>,
}

/// When a write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    /// In the step that begins it; or the node dies in that step, before anything is.
    Atomic,
    /// At any later time: its end is a step of its own, and a crash keeps a beginning of what was under way.
    Pipelined,
}

/// What becomes of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// What was ever sent may arrive at any time, any number of times, or never.
    Set,
    /// What one node sends another arrives in order, once, or the connection breaks and all under way on it is lost.
    Fifo,
}

/// Something that happens in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// A node stands for election.
    Campaigns,
    /// A node gives its vote.
    Votes,
    /// A leader is elected.
    Leads,
    /// A leader no longer leads.
    StepsDown,
    /// Entries that contradict a leader's are removed.
    Truncates,
    /// A node learns of other members.
    ChangesMembers,
    /// A snapshot is made.
    TakesSnapshot,
    /// A snapshot of another node is installed.
    InstallsSnapshot,
    /// A leader hands over.
    HandsOver,
    /// An entry is decided.
    Decides,
    /// A client gets its answer.
    Answers,
    /// A node dies.
    Crashes,
    /// A leader is elected in the newest epoch there may be.
    LeadsLast,
}

impl Witness {
    /// All of them, in order.
    pub const ALL: [Witness; 13] = [
        Witness::Campaigns,
        Witness::Votes,
        Witness::Leads,
        Witness::StepsDown,
        Witness::Truncates,
        Witness::ChangesMembers,
        Witness::TakesSnapshot,
        Witness::InstallsSnapshot,
        Witness::HandsOver,
        Witness::Decides,
        Witness::Answers,
        Witness::Crashes,
        Witness::LeadsLast,
    ];

    /// What happens, as a clause.
    pub fn clause(self) -> &'static str {
        match self {
            Witness::Campaigns => "a node stands for election",
            Witness::Votes => "a node gives its vote",
            Witness::Leads => "a leader is elected",
            Witness::StepsDown => "a leader steps down",
            Witness::Truncates => "contradicting entries are removed",
            Witness::ChangesMembers => "a configuration changes",
            Witness::TakesSnapshot => "a snapshot is taken",
            Witness::InstallsSnapshot => "a snapshot is installed",
            Witness::HandsOver => "a leader hands over",
            Witness::Decides => "an entry is decided",
            Witness::Answers => "a client is answered",
            Witness::Crashes => "a node dies and comes back",
            Witness::LeadsLast => "a leader is elected in the last epoch of the bounds",
        }
    }

    /// Its bit.
    pub(super) fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Bounds {
    /// The setup of one node. An error names the knob that cannot be turned.
    pub fn setup(&self, node: NodeId, mutant: Option<&str>) -> Result<Setup, String> {
        let mut knobs = Knobs::default();
        for (name, value) in &self.knobs {
            knobs.turn(name, value)?;
        }
        Ok(Setup {
            voters: NodeSet::first(self.nodes - self.spares),
            knobs,
            mutant: mutant.map(str::to_string),
            ..Setup::of(node, self.nodes)
        })
    }
}
