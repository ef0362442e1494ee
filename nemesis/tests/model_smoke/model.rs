//! Any core as a [`stateright::Model`], with what its laws need of the past.

use stateright::{Model, Property};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use stormglass_impls::contract::{
    ClientId, Disk, Effect, Effects, Fact, Input, Node, NodeId, Now, RequestId, Session,
};

/// What may happen, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) nodes: u8,
    /// The newest term, ballot or epoch a node may be in.
    pub(crate) epoch_max: u64,
    /// Requests of the one client.
    pub(crate) requests: u8,
    /// Crashes, of all nodes together.
    pub(crate) crashes: u8,
    /// Timers that run out, of all nodes together; `None` for no bound, and then they are not counted.
    pub(crate) timeouts: Option<u8>,
}

/// A core and the bounds it is explored in.
pub(crate) struct Storm<N: Node, S: Story<N>> {
    pub(crate) setups: Vec<N::Config>,
    pub(crate) bounds: Bounds,
    pub(crate) request: N::Request,
    pub(crate) epoch: fn(&N) -> u64,
    pub(crate) laws: Vec<Property<Self>>,
    /// Timers that never run out in this exploration.
    pub(crate) silent: Vec<(NodeId, N::Timer)>,
    pub(crate) story: PhantomData<S>,
}

/// What the laws need of the past.
pub(crate) trait Story<N: Node>:
    Clone + Debug + Default + Eq + Hash + Send + Sync + 'static
{
    /// A node made a step, in which it noted these facts.
    fn stepped(&mut self, node: NodeId, core: &N, facts: &[Fact]);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State<N: Node, S> {
    /// `None` while a node is down.
    pub(crate) nodes: Vec<Option<Arc<N>>>,
    pub(crate) disks: Vec<Arc<N::Disk>>,
    pub(crate) timers: Vec<BTreeSet<N::Timer>>,
    /// Every message ever sent. What states have in common they share, or most of the time would go into copies.
    pub(crate) sent: BTreeSet<Arc<Letter<N::Message>>>,
    pub(crate) requests: u8,
    pub(crate) crashes: u8,
    pub(crate) timeouts: u8,
    /// A node failed an assertion.
    pub(crate) failed: bool,
    pub(crate) story: S,
}

/// A message and its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Letter<M> {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) message: M,
}

/// What can happen next. `dies`: the node goes down in this step, when it begins a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action<N: Node> {
    Deliver {
        letter: Arc<Letter<N::Message>>,
        dies: bool,
    },
    Fire {
        node: NodeId,
        timer: N::Timer,
        dies: bool,
    },
    Ask {
        node: NodeId,
        dies: bool,
    },
    Crash(NodeId),
    Restart(NodeId),
}

impl<N: Node, S: Story<N>> Storm<N, S> {
    /// Moves a node by one input and carries out what it wants. `dies`: it goes down when it begins a write; `None` when it begins none.
    fn step(
        &self,
        state: &State<N, S>,
        node: NodeId,
        input: Input<N>,
        dies: bool,
    ) -> Option<State<N, S>> {
        state.nodes[node.index()].as_ref()?;
        let mut next = state.clone();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let core = Arc::make_mut(next.nodes[node.index()].as_mut()?);
            let mut effects = Effects::default();
            if catch_unwind(AssertUnwindSafe(|| {
                core.step(Now::default(), input, &mut effects)
            }))
            .is_err()
            {
                next.failed = true;
                next.go_down(node);
                return Some(next);
            }
            let died = next.carry_out(node, effects, dies, &mut inputs);
            if died {
                next.crashes += 1;
                next.go_down(node);
                return Some(next);
            }
        }
        (!dies).then_some(next)
    }

    fn boot(&self, state: &mut State<N, S>, node: NodeId) {
        let mut effects = Effects::default();
        let disk = N::Disk::clone(&state.disks[node.index()]);
        let core = N::boot(
            &self.setups[node.index()],
            disk,
            Now::default(),
            &mut effects,
        );
        state.nodes[node.index()] = Some(Arc::new(core));
        let mut inputs = VecDeque::new();
        state.carry_out(node, effects, false, &mut inputs);
        assert!(inputs.is_empty(), "no core here writes at boot");
    }
}

impl<N: Node, S: Story<N>> State<N, S> {
    /// Carries out effects in order. Gives whether the node died at the beginning of a write.
    fn carry_out(
        &mut self,
        node: NodeId,
        mut effects: Effects<N>,
        dies: bool,
        inputs: &mut VecDeque<Input<N>>,
    ) -> bool {
        let at = node.index();
        let mut facts = Vec::new();
        let mut died = false;
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => {
                    self.sent.insert(Arc::new(Letter {
                        from: node,
                        to,
                        message,
                    }));
                }
                Effect::Persist(_) if dies => {
                    died = true;
                    break;
                }
                Effect::Persist(writes) => {
                    let disk = Arc::make_mut(&mut self.disks[at]);
                    writes.iter().for_each(|write| disk.apply(write));
                    inputs.push_back(Input::Persisted);
                }
                Effect::SetTimer { timer, .. } => {
                    self.timers[at].insert(timer);
                }
                Effect::CancelTimer(timer) => {
                    self.timers[at].remove(&timer);
                }
                Effect::Note(fact) => facts.push(fact),
                // Links are perfect as far as they go, and nothing here depends on what the client hears.
                Effect::ResetLink(_) | Effect::Reply { .. } | Effect::Notify { .. } => {}
            }
        }
        let core = self.nodes[at]
            .as_ref()
            .expect("the node that stepped is up");
        self.story.stepped(node, core, &facts);
        died
    }

    fn go_down(&mut self, node: NodeId) {
        self.nodes[node.index()] = None;
        self.timers[node.index()].clear();
    }
}

impl<N: Node, S: Story<N>> Model for Storm<N, S> {
    type State = State<N, S>;
    type Action = Action<N>;

    fn init_states(&self) -> Vec<Self::State> {
        let nodes = usize::from(self.bounds.nodes);
        let mut state = State {
            nodes: vec![None; nodes],
            disks: vec![Arc::default(); nodes],
            timers: vec![BTreeSet::new(); nodes],
            sent: BTreeSet::new(),
            requests: 0,
            crashes: 0,
            timeouts: 0,
            failed: false,
            story: S::default(),
        };
        NodeId::all(self.bounds.nodes).for_each(|node| self.boot(&mut state, node));
        vec![state]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        if state.failed {
            return; // A law is broken; what comes after shows nothing more.
        }
        let may_crash = state.crashes < self.bounds.crashes;
        let mut with_death = |action: fn(Action<N>) -> Action<N>, plain: Action<N>| {
            if may_crash {
                actions.push(action(plain.clone()));
            }
            actions.push(plain);
        };
        let die = |action| match action {
            Action::Deliver { letter, .. } => Action::Deliver { letter, dies: true },
            Action::Fire { node, timer, .. } => Action::Fire {
                node,
                timer,
                dies: true,
            },
            Action::Ask { node, .. } => Action::Ask { node, dies: true },
            other => other,
        };
        for letter in &state.sent {
            with_death(
                die,
                Action::Deliver {
                    letter: letter.clone(),
                    dies: false,
                },
            );
        }
        for node in NodeId::all(self.bounds.nodes) {
            let may_fire = |timer: &N::Timer| {
                let spent = self.bounds.timeouts == Some(state.timeouts);
                !spent && !self.silent.contains(&(node, timer.clone()))
            };
            for timer in state.timers[node.index()]
                .iter()
                .filter(|timer| may_fire(timer))
            {
                with_death(
                    die,
                    Action::Fire {
                        node,
                        timer: timer.clone(),
                        dies: false,
                    },
                );
            }
            if state.requests < self.bounds.requests {
                with_death(die, Action::Ask { node, dies: false });
            }
        }
        for node in NodeId::all(self.bounds.nodes) {
            match state.nodes[node.index()] {
                Some(_) if may_crash => actions.push(Action::Crash(node)),
                Some(_) => {}
                None => actions.push(Action::Restart(node)),
            }
        }
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        let next = match action {
            Action::Deliver { letter, dies } => {
                let input = Input::Deliver {
                    from: letter.from,
                    message: letter.message.clone(),
                };
                self.step(state, letter.to, input, dies)?
            }
            Action::Fire { node, timer, dies } => {
                let mut state = state.clone();
                state.timers[node.index()].remove(&timer);
                state.timeouts += u8::from(self.bounds.timeouts.is_some());
                self.step(&state, node, Input::TimerFired(timer), dies)?
            }
            Action::Ask { node, dies } => {
                let request_id = RequestId(u64::from(state.requests) + 1);
                let input = Input::Request {
                    session: Session(0),
                    client: ClientId(1),
                    request_id,
                    body: self.request.clone(),
                };
                let mut next = self.step(state, node, input, dies)?;
                if next.nodes == state.nodes {
                    return None; // Refused: as if nobody had asked.
                }
                next.requests += 1;
                next
            }
            Action::Crash(node) => {
                let mut next = state.clone();
                next.crashes += 1;
                next.go_down(node);
                next
            }
            Action::Restart(node) => {
                let mut next = state.clone();
                self.boot(&mut next, node);
                next
            }
        };
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.laws.clone()
    }

    fn within_boundary(&self, state: &Self::State) -> bool {
        state
            .nodes
            .iter()
            .flatten()
            .all(|core| (self.epoch)(core) <= self.bounds.epoch_max)
    }
}
