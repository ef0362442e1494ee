//! One node's part of a state, and what becomes of it in one move. A move depends on nothing but the node and what happens to it, so
//! it is worked out once.

use super::bounds::{Disk, Witness};
use super::pool::{Keys, digest};
use super::space::Space;
use crate::quiet::{quietly, text_of};
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use stormglass_impls::contract::{Answer, Effect, Effects, Fact, Input, NodeId, Now, Session};
use stormglass_impls::explored::{DiskState, Names, NodeState, Outline, Role};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Erased, Member, Word};

/// One node as it is: it is always up, for a node that is down for a while is one that takes no step for a while.
#[derive(Clone)]
pub(super) struct Local {
    pub(super) node: NodeId,
    pub(super) state: Arc<dyn NodeState>,
    pub(super) disk: Arc<dyn DiskState>,
    /// The numbers of the timers that are set.
    pub(super) timers: SmallVec<[u8; 4]>,
    /// Batches that are not durable yet, oldest first.
    pub(super) under_way: Vec<Vec<Parcel>>,
    /// How many inputs it has taken since something is under way.
    pub(super) taken: u8,
    /// Its share of the sums by which states are told apart.
    pub(super) keys: Keys,
    /// The epoch on its disk: what is stale from there on will never reach it.
    pub(super) floor: u64,
    /// Where it stands.
    pub(super) outline: Outline,
    /// Whether it is beyond the bounds.
    pub(super) beyond: bool,
}

/// A message and its way.
pub(super) struct Letter {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) message: Parcel,
    /// From which epoch on its receiver ignores it for ever.
    pub(super) stale_from: u64,
}

/// What happens to a node. Numbers are those of the space's pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Move {
    /// This letter arrives.
    Deliver(u32),
    /// This timer runs out.
    Fire(u8),
    /// This call reaches it.
    Ask(u8),
    /// The oldest batch is durable.
    Persisted,
    /// It dies, and comes back with what its disk kept: so many of the writes that were under way.
    Crash(u8),
    /// The link to a node is there.
    LinkUp(u8),
    /// The link to a node is gone.
    LinkDown(u8),
}

impl Move {
    /// A question in 64 bits: what becomes of a local state in this move.
    pub(super) fn question(self, local: u32, dies: bool) -> u64 {
        let (kind, value) = match self {
            Move::Deliver(letter) => (0, letter),
            Move::Fire(timer) => (1, timer.into()),
            Move::Ask(call) => (2, call.into()),
            Move::Persisted => (3, 0),
            Move::Crash(keeps) => (4, keeps.into()),
            Move::LinkUp(peer) => (5, peer.into()),
            Move::LinkDown(peer) => (6, peer.into()),
        };
        assert!(value < 1 << 28, "more letters than a question can name");
        u64::from(local) << 32 | kind << 29 | u64::from(dies) << 28 | u64::from(value)
    }
}

/// What becomes of a node in a move.
pub(super) struct Outcome {
    pub(super) from: u32,
    pub(super) what: Move,
    pub(super) dies: bool,
    pub(super) to: u32,
    /// The letters it sends, in order and as often as it does.
    pub(super) sends: Box<[u32]>,
    /// What it tells clients: the call, and the reply in its wire form.
    pub(super) replies: Box<[(u8, Arc<[u8]>)]>,
    /// The links it breaks.
    pub(super) resets: Box<[NodeId]>,
    /// What was seen, as bits.
    pub(super) seen: u16,
    /// It panicked, with this message.
    pub(super) panicked: Option<String>,
    /// Nothing at all came of it.
    pub(super) is_void: bool,
}

/// A moment of a move, as a watch is told of it.
pub(super) enum Moment<'a> {
    Booted(&'a dyn Member),
    Synced,
    Stepped(&'a dyn Member, &'a [Effect<Erased>]),
}

/// A move under way.
struct Turn<'a> {
    space: &'a Space,
    local: Local,
    dies: bool,
    died: bool,
    /// How many writes are durable of which the node has not heard.
    durable: usize,
    sends: Vec<u32>,
    replies: Vec<(u8, Arc<[u8]>)>,
    resets: Vec<NodeId>,
    seen: u16,
    effects: usize,
}

impl Space {
    /// Works out a move, and tells of its moments. `None`: the node was to die when it begins a write, and began none.
    pub(super) fn work_out(
        &self,
        from: u32,
        what: Move,
        dies: bool,
        tell: &mut dyn FnMut(NodeId, Moment<'_>),
    ) -> Option<Outcome> {
        let before = self.locals.get(from);
        let mut turn = Turn::new(self, before.clone(), dies);
        let panicked = turn.run(what, tell).err().map(|Panicked(message)| message);
        if dies && !turn.died && panicked.is_none() {
            return None;
        }
        let to = match panicked {
            Some(_) => from,
            None => {
                turn.look_at(before);
                turn.local.taken = match turn.local.under_way.is_empty() {
                    true => 0,
                    false if what == Move::Persisted => before.taken,
                    false => before.taken.saturating_add(1),
                };
                self.keep(turn.local)
            }
        };
        Some(Outcome {
            from,
            what,
            dies,
            to,
            is_void: to == from && turn.effects == 0 && panicked.is_none(),
            sends: turn.sends.into(),
            replies: turn.replies.into(),
            resets: turn.resets.into(),
            seen: turn.seen,
            panicked,
        })
    }

    /// The node after an input that is not one of the bounds', and the letters it sends.
    pub(super) fn take_input(
        &self,
        from: u32,
        input: &Input<Erased>,
    ) -> Result<(u32, Vec<u32>), String> {
        let local = self.locals.get(from).clone();
        let mut turn = Turn::new(self, local, false);
        if let Input::TimerFired(timer) = input {
            let timer = self.timer(timer);
            turn.local.timers.retain(|set| *set != timer);
        }
        if matches!(input, Input::Persisted) {
            let batch = turn.local.under_way.remove(0);
            turn.write(&batch).map_err(|Panicked(message)| message)?;
        }
        let stepped = turn.step(input.clone(), &mut |_, _| {});
        stepped.map_err(|Panicked(message)| message)?;
        Ok((self.keep(turn.local), turn.sends))
    }

    /// A node's first boot.
    pub(super) fn first(&self, node: NodeId) -> Local {
        let disk = self.system.blank_disk();
        let setup = &self.setups[node.index()];
        let (state, _) = self.system.boot(setup, &*disk, Now::default());
        Local {
            node,
            state,
            disk,
            timers: SmallVec::new(),
            under_way: Vec::new(),
            taken: 0,
            keys: Keys::default(),
            floor: 0,
            outline: Outline::default(),
            beyond: false,
        }
    }

    /// Gives a local state its number.
    pub(super) fn keep(&self, mut local: Local) -> u32 {
        local.timers.sort_unstable();
        let by_name = |names: Option<&Names>| digest(|hasher| self.feed(&local, names, hasher));
        let digest = by_name(None);
        self.locals.intern(digest, || {
            let outline = local.state.outline();
            let beyond =
                outline.epoch > self.bounds.epoch_max || outline.last > self.bounds.log_max;
            Local {
                keys: self.keys(digest, |names| by_name(Some(names))),
                floor: self.system.epoch_of(&*local.disk),
                outline,
                beyond,
                ..local.clone()
            }
        })
    }

    fn feed(&self, local: &Local, names: Option<&Names>, mut hasher: &mut dyn Hasher) {
        let node = names.map_or(local.node, |names| names.of(local.node));
        ("local", node).hash(&mut hasher);
        local.state.feed(names, hasher);
        local.disk.feed(names, hasher);
        let timers = local.timers.iter();
        let mut timers: Vec<u128> = timers.map(|timer| self.timer_digest(*timer)).collect();
        timers.sort_unstable();
        (timers, local.taken).hash(&mut hasher);
        for batch in &local.under_way {
            batch.len().hash(&mut hasher);
            for write in batch {
                match names {
                    None => write.hash(&mut hasher),
                    Some(names) => self.system.feed_word(Word::Write, write, names, hasher),
                }
            }
        }
    }
}

/// The node, or its disk, failed an assertion.
struct Panicked(String);

/// Runs a system's own code: its panic is a finding.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    quietly(work).map_err(|payload| Panicked(text_of(payload.as_ref())))
}

impl<'a> Turn<'a> {
    fn new(space: &'a Space, local: Local, dies: bool) -> Self {
        Self {
            space,
            local,
            dies,
            died: false,
            durable: 0,
            sends: Vec::new(),
            replies: Vec::new(),
            resets: Vec::new(),
            seen: 0,
            effects: 0,
        }
    }

    fn run(
        &mut self,
        what: Move,
        tell: &mut dyn FnMut(NodeId, Moment<'_>),
    ) -> Result<(), Panicked> {
        let node = self.local.node;
        let input = match what {
            Move::Deliver(letter) => {
                let letter = self.space.letters.get(letter);
                Input::Deliver {
                    from: letter.from,
                    message: letter.message.clone(),
                }
            }
            Move::Fire(timer) => {
                self.local.timers.retain(|set| *set != timer);
                Input::TimerFired(self.space.timers.get(timer.into()).parcel.clone())
            }
            Move::Ask(call) => {
                let call = &self.space.calls[usize::from(call)];
                Input::Request {
                    client: call.client_id(),
                    session: Session(0),
                    request_id: call.request_id(),
                    body: call.body.clone(),
                }
            }
            Move::Persisted => {
                let batch = self.local.under_way.remove(0);
                self.write(&batch)?;
                tell(node, Moment::Synced);
                Input::Persisted
            }
            Move::Crash(keeps) => {
                let under_way = std::mem::take(&mut self.local.under_way).into_iter();
                let kept: Vec<Parcel> = under_way.flatten().take(keeps.into()).collect();
                self.write(&kept)?;
                return self.boot(tell);
            }
            Move::LinkUp(peer) => Input::LinkUp(NodeId(peer)),
            Move::LinkDown(peer) => Input::LinkDown(NodeId(peer)),
        };
        self.step(input, tell)?;
        while self.durable > 0 {
            self.durable -= 1;
            tell(node, Moment::Synced);
            self.step(Input::Persisted, tell)?;
        }
        match self.died {
            true => self.boot(tell),
            false => Ok(()),
        }
    }

    fn step(
        &mut self,
        input: Input<Erased>,
        tell: &mut dyn FnMut(NodeId, Moment<'_>),
    ) -> Result<(), Panicked> {
        let (state, effects) = guarded(|| self.local.state.step(Now::default(), input))?;
        self.local.state = state;
        self.carry_out(&effects)?;
        let member = self.local.state.as_member();
        tell(self.local.node, Moment::Stepped(member, effects.as_slice()));
        Ok(())
    }

    /// The node comes back with what its disk has.
    fn boot(&mut self, tell: &mut dyn FnMut(NodeId, Moment<'_>)) -> Result<(), Panicked> {
        let Self { space, local, .. } = self;
        let setup = &space.setups[local.node.index()];
        let (state, effects) = guarded(|| space.system.boot(setup, &*local.disk, Now::default()))?;
        local.timers.clear();
        local.state = state;
        self.seen |= Witness::Crashes.bit();
        tell(
            self.local.node,
            Moment::Booted(self.local.state.as_member()),
        );
        self.dies = false;
        self.carry_out(&effects)?;
        assert!(self.durable == 0, "no core writes when it boots");
        Ok(())
    }

    fn write(&mut self, writes: &[Parcel]) -> Result<(), Panicked> {
        let disk = guarded(|| self.local.disk.after(writes))?;
        self.local.disk = disk;
        Ok(())
    }

    /// Carries out effects in order. Who is to die writes nothing more, and says all the same what does not wait for the disk.
    fn carry_out(&mut self, effects: &Effects<Erased>) -> Result<(), Panicked> {
        for effect in effects.as_slice() {
            self.effects += 1;
            match effect {
                Effect::Send { to, message } => {
                    let letter = self.space.letter(self.local.node, *to, message);
                    self.sends.push(letter);
                }
                Effect::Persist(_) if self.dies => self.died = true,
                Effect::Persist(writes) => match self.space.bounds.disk {
                    Disk::Atomic => {
                        self.write(writes)?;
                        self.durable += 1;
                    }
                    Disk::Pipelined => self.local.under_way.push(writes.clone()),
                },
                Effect::SetTimer { timer, .. } => {
                    let timer = self.space.timer(timer);
                    if !self.local.timers.contains(&timer) {
                        self.local.timers.push(timer);
                    }
                }
                Effect::CancelTimer(timer) => {
                    let timer = self.space.timer(timer);
                    self.local.timers.retain(|set| *set != timer);
                }
                Effect::Reply {
                    client,
                    request_id,
                    answer: Answer::Done(reply),
                } => {
                    let calls = &self.space.calls;
                    let call = calls.iter().position(|call| call.is(*client, *request_id));
                    // Who asked something else was no client of the bounds.
                    if let Some(call) = call {
                        self.replies.push((call as u8, reply.encode().into()));
                    }
                }
                Effect::ResetLink(peer) => self.resets.push(*peer),
                Effect::Note(fact) => self.note(*fact),
                // A client that is refused asks again, or does not: both are moves of the client.
                Effect::Reply { .. } | Effect::Notify { .. } => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, fact: Fact) {
        let witness = match fact {
            Fact::Campaigned { .. } => Witness::Campaigns,
            Fact::Voted { .. } => Witness::Votes,
            Fact::BecameLeader { .. } => Witness::Leads,
            Fact::SteppedDown { .. } => Witness::StepsDown,
            Fact::Truncated { .. } => Witness::Truncates,
            Fact::MembersChanged { .. } => Witness::ChangesMembers,
            Fact::SnapshotTaken { .. } => Witness::TakesSnapshot,
            Fact::SnapshotInstalled { .. } => Witness::InstallsSnapshot,
            Fact::HandedOver { .. } => Witness::HandsOver,
            // An invariant's matter.
            Fact::ShouldNotHappen { .. } => return,
        };
        self.seen |= witness.bit();
    }

    /// What is seen by comparing before and after.
    fn look_at(&mut self, before: &Local) {
        let (before, after) = (before.state.outline(), self.local.state.outline());
        if after.decided > before.decided {
            self.seen |= Witness::Decides.bit();
        }
        let leads = after.role == Role::Leader && before.role != Role::Leader;
        if leads && after.epoch == self.space.bounds.epoch_max {
            self.seen |= Witness::LeadsLast.bit();
        }
    }
}
