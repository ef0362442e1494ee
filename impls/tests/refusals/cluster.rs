//! A few Raft nodes in the hands of a test: quick disks, messages in order, and timers that run out when the test says so.

use std::collections::{BTreeSet, VecDeque};
use stormglass_impls::contract::{
    Answer, ClientId, Disk, Effect, Effects, Input, Node, NodeId, Now, Refusal, RequestId, Session,
};
use stormglass_impls::knobs::Knobs;
use stormglass_impls::machine::cache::{Cache, Command, Output, Query};
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::raft::message::{Message, Timer};
use stormglass_impls::raft::{Raft, RaftDisk};
use stormglass_impls::session::{Ask, Told};
use stormglass_impls::system::Setup;

/// The client whose request is looked at.
pub(super) const CLIENT: ClientId = ClientId(1);

/// Who runs the cluster.
pub(super) const OPERATOR: ClientId = ClientId(9);

/// A client's request, which may be asked again.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) client: ClientId,
    pub(super) session: Session,
    pub(super) request_id: RequestId,
    pub(super) body: Ask<Command, Query>,
}

/// A client's first command: a word at the end of a text, so that it shows if it ran twice.
pub(super) fn append(client: ClientId, session: u64, word: &str) -> Request {
    Request {
        client,
        session: Session(session),
        request_id: RequestId(1),
        body: Ask::Command(Command::Append {
            key: "k".to_string(),
            suffix: word.to_string(),
        }),
    }
}

/// These nodes.
pub(super) fn set<const N: usize>(nodes: [NodeId; N]) -> NodeSet {
    nodes.into_iter().collect()
}

pub(super) struct Cluster {
    nodes: Vec<Option<Raft<Cache>>>,
    disks: Vec<RaftDisk<Command>>,
    setup: Setup,
    /// Who hears nobody and is heard by nobody.
    cut: BTreeSet<NodeId>,
    flights: VecDeque<(NodeId, NodeId, Message<Command>)>,
    now: Now,
    /// Every answer, oldest first.
    pub(super) answers: Vec<(ClientId, RequestId, Answer<Told<Output>>)>,
}

impl Cluster {
    /// Boots all nodes; the first `voters` have a vote.
    pub(super) fn new(nodes: u8, voters: u8, knobs: Knobs) -> Self {
        let setup = Setup {
            voters: NodeSet::first(voters),
            knobs,
            ..Setup::of(NodeId(1), nodes)
        };
        let mut cluster = Self {
            nodes: (0..nodes).map(|_| None).collect(),
            disks: (0..nodes).map(|_| RaftDisk::default()).collect(),
            setup,
            cut: BTreeSet::new(),
            flights: VecDeque::new(),
            now: Now::default(),
            answers: Vec::new(),
        };
        cluster.all().for_each(|node| cluster.restart(node));
        cluster
    }

    fn all(&self) -> impl Iterator<Item = NodeId> + use<> {
        NodeId::all(self.setup.nodes)
    }

    pub(super) fn node(&self, node: NodeId) -> &Raft<Cache> {
        self.nodes[node.index()].as_ref().expect("the node is up")
    }

    pub(super) fn is_up(&self, node: NodeId) -> bool {
        self.nodes[node.index()].is_some()
    }

    /// Comes back from its disk, if it is down.
    pub(super) fn restart(&mut self, node: NodeId) {
        if self.is_up(node) {
            return;
        }
        let setup = Setup {
            id: node,
            ..self.setup.clone()
        };
        let disk = self.disks[node.index()].clone();
        let raft = Raft::boot(&setup, disk, self.now, &mut Effects::default());
        self.nodes[node.index()] = Some(raft);
    }

    pub(super) fn crash(&mut self, node: NodeId) {
        self.nodes[node.index()] = None;
        self.flights.retain(|(_, to, _)| *to != node);
    }

    pub(super) fn crash_all(&mut self) {
        self.all().for_each(|node| self.crash(node));
    }

    /// Nothing more arrives from or at that node.
    pub(super) fn cut(&mut self, node: NodeId) {
        self.cut.insert(node);
    }

    pub(super) fn mend(&mut self) {
        self.cut.clear();
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.now.monotonic_ns += ms * 1_000_000;
    }

    fn step(&mut self, node: NodeId, input: Input<Raft<Cache>>) {
        let Some(raft) = &mut self.nodes[node.index()] else {
            return;
        };
        let mut effects = Effects::default();
        raft.step(self.now, input, &mut effects);
        let mut persists = 0;
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => self.flights.push_back((node, to, message)),
                Effect::Persist(writes) => {
                    let disk = &mut self.disks[node.index()];
                    writes.iter().for_each(|write| disk.apply(write));
                    persists += 1;
                }
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => self.answers.push((client, request_id, answer)),
                _ => {}
            }
        }
        for _ in 0..persists {
            self.step(node, Input::Persisted);
        }
    }

    /// A timer runs out. Who leads has no election timer.
    pub(super) fn fire(&mut self, node: NodeId, timer: Timer) {
        if self.is_up(node) && !(timer == Timer::Election && self.node(node).is_leader()) {
            self.step(node, Input::TimerFired(timer));
        }
    }

    /// A client asks a node.
    pub(super) fn ask(&mut self, node: NodeId, request: &Request) {
        let Request {
            client,
            session,
            request_id,
            body,
        } = request.clone();
        let input = Input::Request {
            client,
            session,
            request_id,
            body,
        };
        self.step(node, input);
    }

    /// The oldest message arrives, if nothing cuts it off.
    pub(super) fn deliver_one(&mut self) {
        if let Some((from, to, message)) = self.flights.pop_front()
            && !self.cut.contains(&from)
            && !self.cut.contains(&to)
        {
            self.step(to, Input::Deliver { from, message });
        }
    }

    /// What is in flight to a node now arrives there.
    pub(super) fn deliver_to(&mut self, node: NodeId) {
        let flights = std::mem::take(&mut self.flights).into_iter();
        let (wanted, others) = flights.partition::<VecDeque<_>, _>(|(_, to, _)| *to == node);
        self.flights = others;
        for (from, to, message) in wanted {
            self.step(to, Input::Deliver { from, message });
        }
    }

    pub(super) fn deliver_all(&mut self) {
        while !self.flights.is_empty() {
            self.deliver_one();
        }
    }

    /// The message at that place is lost, if there is one.
    pub(super) fn lose(&mut self, at: usize) {
        self.flights.remove(at);
    }

    /// Lets a node run out of patience until it leads.
    pub(super) fn elect(&mut self, node: NodeId) {
        for _ in 0..10 {
            self.fire(node, Timer::Election);
            self.deliver_all();
            if self.node(node).is_leader() {
                return;
            }
        }
        panic!("{node} is not elected");
    }

    /// Everything is mended, everybody is up, and everything arrives, until all members have what one leads. Gives who leads.
    pub(super) fn converge(&mut self) -> NodeId {
        self.mend();
        self.all().for_each(|node| self.restart(node));
        self.deliver_all();
        for round in 0..60 {
            if let Some(leader) = self.leader() {
                for _ in 0..4 {
                    self.fire(leader, Timer::Heartbeat);
                    self.deliver_all();
                }
                if self.node(leader).is_leader() && self.agrees_with(leader) {
                    return leader;
                }
            }
            // In turn, and twice: the first time may only end its trust in a leader that is gone.
            let node = NodeId(round % self.setup.nodes + 1);
            self.fire(node, Timer::Election);
            self.fire(node, Timer::Election);
            self.deliver_all();
        }
        panic!("nobody comes to lead all");
    }

    /// Who leads in the newest term that anybody leads in.
    pub(super) fn leader(&self) -> Option<NodeId> {
        let leads = |node: &NodeId| self.is_up(*node) && self.node(*node).is_leader();
        let leaders = self.all().filter(leads);
        leaders.max_by_key(|node| self.node(*node).term())
    }

    fn agrees_with(&self, leader: NodeId) -> bool {
        let leads = self.node(leader);
        let (last, members) = (leads.log().last(), leads.members().everyone());
        members.iter().all(|node| {
            let raft = self.node(node);
            raft.log().last() == last && raft.commit() == last.index
        })
    }

    /// The newest answer that a client got.
    pub(super) fn answer(&self, client: ClientId) -> Option<&Answer<Told<Output>>> {
        let mut own = self.answers.iter().rev().filter(|(to, ..)| *to == client);
        own.next().map(|(.., answer)| answer)
    }

    /// Why it was refused, if it was.
    pub(super) fn refused(&self, client: ClientId) -> Option<Refusal> {
        match self.answer(client) {
            Some(Answer::Refused(refusal)) => Some(*refusal),
            _ => None,
        }
    }

    /// How often a word was appended, at each node.
    pub(super) fn runs(&self, word: &str) -> Vec<(NodeId, usize)> {
        let query = Query::Get {
            key: "k".to_string(),
        };
        let at = |node| match self.node(node).sessions().query(&query) {
            Output::Value(value) => (node, value.unwrap_or_default().matches(word).count()),
            other => panic!("a get gives a value, not {other:?}"),
        };
        self.all().map(at).collect()
    }
}
