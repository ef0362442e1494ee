//! A small random scheduler that drives a cluster as badly as its protocol allows: messages in any order, repeated and lost, timers at any
//! time, crashes that keep any prefix of what was being written. Where a protocol counts on links, messages keep their order and links break
//! instead. Both forms of the invariants look after every single step. What is asked, and how often anything happens, is for the test of each
//! protocol to say.

mod links;

use links::Wires;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use stormglass_impls::contract::{
    Answer, ClientId, Data, Effect, Effects, Input, NodeId, Now, RequestId, Session,
};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Broken, DiskImage, Erased, Links, Member, Setup, System, Watch};

/// How many nodes there are.
pub(crate) const NODES: u8 = 5;

/// A node that failed an assertion found out by itself that something is wrong.
const PANIC: &str = "an assertion of a node";

/// Numbers that look random (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Any node.
    pub(crate) fn node(&mut self) -> NodeId {
        NodeId(self.below(usize::from(NODES)) as u8 + 1)
    }
}

struct Machine {
    member: Option<Box<dyn Member>>,
    disk: Box<dyn DiskImage>,
    unsynced: VecDeque<Vec<Parcel>>,
    timers: Vec<Parcel>,
}

/// The nodes, and what is between them.
pub(crate) struct Cluster {
    system: Rc<dyn System>,
    setup: Setup,
    machines: Vec<Machine>,
    messages: Vec<(NodeId, NodeId, Parcel)>,
    /// What takes the place of those messages where a protocol counts on its links.
    wires: Option<Wires>,
    watch: Box<dyn Watch>,
    /// What the incremental form found first.
    incremental: Option<Broken>,
    /// An assertion of a node did not hold, so there is nothing left to trust.
    failed: bool,
    requests: u64,
    /// What clients were answered or, without a request, told unasked, by which node, and nobody has looked at yet.
    pub(crate) answers: Vec<(NodeId, ClientId, Option<RequestId>, Parcel)>,
    /// What the clocks of all nodes show, in milliseconds.
    pub(crate) now_ms: u64,
}

/// What both forms found in one run.
pub(crate) struct Found {
    pub(crate) incremental: Option<Broken>,
    pub(crate) plain: Option<Broken>,
    /// How far the farthest node is at the end.
    pub(crate) progress: u64,
    /// How often each invariant was put to the test.
    pub(crate) witnesses: Vec<(&'static str, u64)>,
}

impl Found {
    /// What each form found, by the names of the laws.
    pub(crate) fn laws(&self) -> (Option<&'static str>, Option<&'static str>) {
        let law = |broken: &Option<Broken>| broken.as_ref().map(|broken| broken.invariant);
        (law(&self.incremental), law(&self.plain))
    }
}

impl Cluster {
    /// A cluster that is down. Its nodes are set up like this, but for their ids.
    pub(crate) fn new(system: Rc<dyn System>, setup: Setup) -> Self {
        let machine = |_| Machine {
            member: None,
            disk: system.blank_disk(),
            unsynced: VecDeque::new(),
            timers: Vec::new(),
        };
        Self {
            machines: NodeId::all(NODES).map(machine).collect(),
            setup,
            messages: Vec::new(),
            wires: (system.budget().links == Links::Fifo).then(Wires::default),
            watch: system.watch(),
            incremental: None,
            failed: false,
            requests: 0,
            answers: Vec::new(),
            now_ms: 0,
            system,
        }
    }

    /// Lets something happen so often, and compares the two forms each time, until both have found something or a node has failed.
    pub(crate) fn compare(
        mut self,
        seed: u64,
        steps: usize,
        mut happen: impl FnMut(&mut Cluster),
    ) -> Found {
        let (mut plain, mut progress) = (None, 0);
        for step in 0..steps {
            happen(&mut self);
            let up = self.machines.iter().zip(NodeId::all(NODES));
            let up: Vec<(NodeId, &dyn Member)> = up
                .filter_map(|(machine, node)| Some((node, machine.member.as_deref()?)))
                .collect();
            plain = self.watch.audit(&up).err();
            let farthest = up.iter().map(|(_, member)| member.progress()).max();
            progress = farthest.unwrap_or(0);
            if let Some(plain) = &plain {
                assert!(
                    self.incremental.is_some(),
                    "seed {seed}, step {step}: the plain form finds {plain}, the incremental form found nothing"
                );
                break;
            }
            if self.failed {
                break;
            }
        }
        Found {
            incremental: self.incremental,
            plain,
            progress,
            witnesses: self.watch.witnesses(),
        }
    }

    pub(crate) fn is_down(&self, node: NodeId) -> bool {
        self.machines[node.index()].member.is_none()
    }

    /// A client asks something new.
    pub(crate) fn ask(&mut self, node: NodeId, client: ClientId, ask: impl Data) {
        self.requests += 1;
        self.request(node, client, RequestId(self.requests), Parcel::new(ask));
    }

    /// A client asks something in a number of its own.
    pub(crate) fn request(
        &mut self,
        node: NodeId,
        client: ClientId,
        request_id: RequestId,
        body: Parcel,
    ) {
        let request = Input::Request {
            session: Session(0),
            client,
            request_id,
            body,
        };
        self.step(node, request);
    }

    pub(crate) fn boot(&mut self, node: NodeId) {
        let setup = Setup {
            id: node,
            ..self.setup.clone()
        };
        let mut effects = Effects::default();
        let machine = &mut self.machines[node.index()];
        let disk = machine.disk.as_ref();
        let booted = catch_unwind(AssertUnwindSafe(|| {
            self.system.boot(&setup, disk, Now::default(), &mut effects)
        }));
        let Ok(member) = booted else {
            return self.fail();
        };
        let verdict = self.watch.booted(node, member.as_ref());
        machine.member = Some(member);
        self.note(verdict);
        self.carry_out(node, effects);
        self.links_begin(node);
    }

    pub(crate) fn crash(&mut self, node: NodeId, dice: &mut Dice) {
        let machine = &mut self.machines[node.index()];
        let writes: Vec<Parcel> = machine.unsynced.drain(..).flatten().collect();
        let kept = dice.below(writes.len() + 1);
        writes
            .iter()
            .take(kept)
            .for_each(|write| machine.disk.apply(write));
        machine.member = None;
        machine.timers.clear();
        self.links_end(node);
    }

    /// A timer of a node fires, if one is chosen of those that are set.
    pub(crate) fn fire(&mut self, node: NodeId, choose: impl FnOnce(&[Parcel]) -> Option<usize>) {
        let timers = &mut self.machines[node.index()].timers;
        if let Some(at) = choose(timers) {
            let timer = timers.swap_remove(at);
            self.step(node, Input::TimerFired(timer));
        }
    }

    pub(crate) fn sync(&mut self, node: NodeId) {
        let machine = &mut self.machines[node.index()];
        if let Some(batch) = machine.unsynced.pop_front() {
            batch.iter().for_each(|write| machine.disk.apply(write));
            self.watch.synced(node);
            self.step(node, Input::Persisted);
        }
    }

    /// Recent messages first, mostly: a cluster that hears only old news gets nowhere.
    pub(crate) fn deliver(&mut self, dice: &mut Dice) {
        if self.wires.is_some() {
            return self.deliver_in_order(dice);
        }
        let count = self.messages.len();
        if count == 0 {
            return;
        }
        let at = if dice.below(8) == 0 {
            dice.below(count)
        } else {
            count - 1 - dice.below(count.min(8))
        };
        let (from, to, message) = match dice.below(20) {
            0 => self.messages[at].clone(),
            _ => self.messages.remove(at),
        };
        if dice.below(20) > 0 {
            self.step(to, Input::Deliver { from, message });
        }
    }

    fn step(&mut self, node: NodeId, input: Input<Erased>) {
        let mut effects = Effects::default();
        let Some(member) = &mut self.machines[node.index()].member else {
            return;
        };
        let now = Now {
            monotonic_ns: self.now_ms * 1_000_000,
            wall_ns: 0,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| member.step(now, input, &mut effects)));
        if outcome.is_err() {
            return self.fail();
        }
        let verdict = self
            .watch
            .stepped(node, member.as_ref(), effects.as_slice());
        self.note(verdict);
        self.carry_out(node, effects);
    }

    /// A node failed an assertion.
    fn fail(&mut self) {
        let planted = self.setup.mutant.is_some();
        assert!(planted, "a correct node fails no assertion");
        self.failed = true;
        self.note(Err(Broken {
            invariant: PANIC,
            message: String::new(),
        }));
    }

    fn note(&mut self, verdict: Result<(), Broken>) {
        self.incremental = self.incremental.take().or(verdict.err());
    }

    fn carry_out(&mut self, node: NodeId, mut effects: Effects<Erased>) {
        let machine = &mut self.machines[node.index()];
        for effect in effects.drain() {
            match (effect, &mut self.wires) {
                (Effect::Send { to, message }, None) => self.messages.push((node, to, message)),
                (Effect::Send { to, message }, Some(wires)) => wires.say(node, to, message),
                (Effect::ResetLink(peer), Some(wires)) => wires.sever(node, peer),
                (Effect::Persist(writes), _) => machine.unsynced.push_back(writes),
                (Effect::SetTimer { timer, .. }, _) if !machine.timers.contains(&timer) => {
                    machine.timers.push(timer)
                }
                (
                    Effect::Reply {
                        client,
                        request_id,
                        answer: Answer::Done(reply),
                    },
                    _,
                ) => self.answers.push((node, client, Some(request_id), reply)),
                (Effect::Notify { client, event }, _) => {
                    self.answers.push((node, client, None, event));
                }
                (Effect::CancelTimer(timer), _) => machine.timers.retain(|known| *known != timer),
                _ => {}
            }
        }
    }
}
