//! What follows from a state: what can happen there, and what comes of it.

use super::action::{Action, Fate};
use super::bounds::{Disk, Network, Witness};
use super::moves::Move;
use super::space::{NEVER, Running, Space, SpaceError, Worker};
use super::state::{CRASHES, RESETS, State};
use stormglass_impls::contract::NodeId;

impl Space {
    /// The state in which the search begins: behind the prelude. An error names the step that cannot be, and those that can.
    pub fn begin(&self) -> Result<(Vec<Action>, State), SpaceError> {
        let mut worker = Worker::default();
        let (mut trace, mut state) = (Vec::new(), self.initial());
        for wanted in &self.bounds.prelude {
            let mut here = Vec::new();
            self.expand(&mut worker, &state, |action, next| {
                here.push((self.describe(action), action, next));
            });
            let Some(at) = here.iter().position(|(text, _, _)| text == wanted) else {
                let mut there: Vec<String> = here.into_iter().map(|(text, _, _)| text).collect();
                there.sort();
                return Err(SpaceError::Bounds {
                    name: self.bounds.name.clone(),
                    cause: format!(
                        "step {} of the prelude cannot be: {wanted}. What can: {}",
                        trace.len() + 1,
                        there.join("; ")
                    ),
                });
            };
            let (_, action, next) = here.swap_remove(at);
            trace.push(action);
            state = next;
        }
        Ok((trace, state))
    }

    /// Moves a node within a state.
    pub(super) fn go(
        &self,
        worker: &mut Worker,
        state: &mut State,
        node: NodeId,
        what: Move,
        fate: Fate,
    ) {
        let at = node.index();
        let number = self.outcome(worker, state.nodes[at], what, fate == Fate::Dies);
        assert!(number != NEVER, "who moves a node knows that it can be");
        let outcome = &self.outcomes[number as usize];
        // One action can move several nodes. What broke first is what is told.
        let watch = match state.is_broken {
            true => state.watch,
            false => self.watch_after(worker, state.watch, number),
        };
        if watch != state.watch {
            state.sums.subtract(&self.watches.get(state.watch).keys);
            state.sums.add(&self.watches.get(watch).keys);
            state.watch = watch;
            state.is_broken |= self.watches.get(watch).broken.is_some();
        }
        if outcome.to != outcome.from {
            state.nodes[at] = outcome.to;
            let (before, after) = (self.locals.get(outcome.from), self.locals.get(outcome.to));
            state.sums.subtract(&before.keys);
            state.sums.add(&after.keys);
            state.is_beyond |= after.beyond;
            if self.reductions.stale_letters && after.floor > before.floor {
                let State { letters, sums, .. } = state;
                letters.retain(|number| {
                    let letter = self.letters.get(*number);
                    let stays = letter.to != node || letter.stale_from > after.floor;
                    if !stays {
                        sums.subtract(self.letter_key(*number));
                    }
                    stays
                });
            }
        }
        for letter in &outcome.sends {
            if self.is_fresh(state, *letter) && self.put(&mut state.letters, *letter) {
                state.sums.add(self.letter_key(*letter));
            }
        }
        if !outcome.replies.is_empty() && fate != Fate::Unheard {
            let clients = self.clients_after(state.clients, number);
            if clients != state.clients {
                self.set_clients(state, clients);
                state.seen |= Witness::Answers.bit();
                state.is_broken |= self.clients.get(clients).broken.is_some();
            }
        }
        state.seen |= outcome.seen;
        // Who died or has just booted has no links that could be broken.
        let boots = fate == Fate::Dies || matches!(what, Move::Crash(_));
        for peer in outcome.resets.iter().filter(|_| !boots) {
            self.reset(worker, state, node, *peer);
        }
    }

    /// Whether a letter can still matter to its receiver.
    fn is_fresh(&self, state: &State, letter: u32) -> bool {
        if !self.reductions.stale_letters {
            return true;
        }
        let letter = self.letters.get(letter);
        letter.stale_from == u64::MAX
            || letter.stale_from > self.locals.get(state.nodes[letter.to.index()]).floor
    }

    /// The connection of two nodes breaks and is made again. Where letters are a set there are no connections.
    fn reset(&self, worker: &mut Worker, state: &mut State, one: NodeId, other: NodeId) {
        if self.bounds.network == Network::Set {
            return;
        }
        self.cut(&mut state.letters, one, other);
        for (node, peer) in [(one, other), (other, one)] {
            self.go(worker, state, node, Move::LinkDown(peer.0), Fate::Plain);
            self.go(worker, state, node, Move::LinkUp(peer.0), Fate::Plain);
        }
    }

    /// Whether nothing at all comes of a move in a state. Asked before the state is copied.
    fn is_idle(&self, worker: &mut Worker, state: &State, number: u32) -> bool {
        let outcome = &self.outcomes[number as usize];
        outcome.is_void
            || outcome.to == outcome.from
                && outcome.replies.is_empty()
                && outcome.panicked.is_none()
                && outcome.resets.is_empty()
                && outcome
                    .sends
                    .iter()
                    .all(|letter| self.is_there(state, *letter))
                && self.watch_after(worker, state.watch, number) == state.watch
    }

    /// Whether sending a letter changes nothing: where letters are a set and it is in it, or where it is not put there at all.
    fn is_there(&self, state: &State, letter: u32) -> bool {
        let is_set = self.bounds.network == Network::Set;
        is_set && state.letters.binary_search(&letter).is_ok() || !self.is_fresh(state, letter)
    }

    /// The state after an action; `None` when the action cannot be, or changes nothing and such are left out.
    pub(super) fn act(&self, worker: &mut Worker, state: &State, action: Action) -> Option<State> {
        let (node, what, fate) = match action {
            Action::Deliver { letter, fate } => {
                (self.letters.get(letter).to, Move::Deliver(letter), fate)
            }
            Action::Fire { node, timer, fate } => (node, Move::Fire(timer), fate),
            Action::Ask { node, call, fate } => (node, Move::Ask(call), fate),
            Action::Persisted { node, fate } => (node, Move::Persisted, fate),
            Action::Crash { node, keeps } => (node, Move::Crash(keeps), Fate::Plain),
            Action::Reset { one, other } => {
                let mut next = state.clone();
                next.seen = 0;
                next.spent[RESETS] += 1;
                self.reset(worker, &mut next, one, other);
                self.finish(&mut next);
                return Some(next);
            }
        };
        let dies = fate == Fate::Dies;
        let number = self.outcome(worker, state.nodes[node.index()], what, dies);
        if number == NEVER {
            return None;
        }
        if fate == Fate::Unheard && self.clients_after(state.clients, number) == state.clients {
            return None; // Nobody would have listened.
        }
        let is_set = self.bounds.network == Network::Set;
        let may_be_void =
            matches!(what, Move::Deliver(_) if is_set) || matches!(what, Move::Ask(_));
        if may_be_void && self.reductions.no_ops && self.is_idle(worker, state, number) {
            return None;
        }
        let mut next = state.clone();
        next.seen = 0;
        if let (Move::Deliver(letter), false) = (what, is_set) {
            let at = next.letters.iter().position(|known| *known == letter);
            self.take(&mut next.letters, at.expect("what arrives is under way"));
        }
        if let Move::Fire(timer) = what
            && let Running::Counted { place, .. } = self.timers.get(timer.into()).at[node.index()]
        {
            next.spent[place] += 1;
        }
        if let Move::Ask(call) = what {
            let mut clients = self.clients.get(state.clients).clients.clone();
            clients.asked(call.into());
            let clients = self.ask(clients);
            self.set_clients(&mut next, clients);
        }
        let crashes = dies || matches!(what, Move::Crash(_));
        next.spent[CRASHES] += u8::from(crashes);
        self.go(worker, &mut next, node, what, fate);
        if !is_set && crashes {
            for peer in NodeId::all(self.bounds.nodes).filter(|peer| *peer != node) {
                // What it said in the step in which it died was said on the connection that is gone.
                self.cut(&mut next.letters, node, peer);
                self.go(worker, &mut next, node, Move::LinkUp(peer.0), Fate::Plain);
                self.go(worker, &mut next, peer, Move::LinkDown(node.0), Fate::Plain);
                self.go(worker, &mut next, peer, Move::LinkUp(node.0), Fate::Plain);
            }
        }
        self.finish(&mut next);
        if self.reductions.no_ops && next.key == state.key {
            return None;
        }
        Some(next)
    }

    /// All that can happen in a state, whatever comes of it.
    pub(super) fn enabled(&self, state: &State, actions: &mut Vec<Action>) {
        if state.is_broken {
            return; // A law is broken; what comes after shows nothing more.
        }
        let may_crash = state.spent[CRASHES] < self.bounds.crashes;
        let dies = may_crash && self.bounds.disk == Disk::Atomic;
        let unheard = self.bounds.asks_max > 1 && !self.calls.is_empty();
        let fates = [
            (Fate::Plain, true),
            (Fate::Dies, dies),
            (Fate::Unheard, unheard),
        ];
        let fates = || {
            fates
                .into_iter()
                .filter(|(_, may)| *may)
                .map(|(fate, _)| fate)
        };
        // What begins a write is the first of the inputs.
        let writes = |node: NodeId| {
            let local = self.locals.get(state.nodes[node.index()]);
            !local.under_way.is_empty() && local.taken > self.bounds.inputs_while_writing
        };
        for (at, letter) in state.letters.iter().enumerate() {
            let to = self.letters.get(*letter).to;
            if self.is_next(&state.letters, at) && !writes(to) {
                let letter = *letter;
                actions.extend(fates().map(|fate| Action::Deliver { letter, fate }));
            }
        }
        let clients = &self.clients.get(state.clients).clients;
        for node in NodeId::all(self.bounds.nodes) {
            let local = self.locals.get(state.nodes[node.index()]);
            for timer in local.timers.iter().copied().filter(|_| !writes(node)) {
                let may = match self.timers.get(timer.into()).at[node.index()] {
                    Running::Free => true,
                    Running::Never => false,
                    Running::Counted { place, times } => state.spent[place] < times,
                };
                if may {
                    actions.extend(fates().map(|fate| Action::Fire { node, timer, fate }));
                }
            }
            for call in 0..self.calls.len() {
                if clients.may_ask(&self.calls, call, self.bounds.asks_max) && !writes(node) {
                    let call = call as u8;
                    actions.extend(fates().map(|fate| Action::Ask { node, call, fate }));
                }
            }
            if !local.under_way.is_empty() {
                let fates = fates().filter(|fate| *fate != Fate::Dies);
                actions.extend(fates.map(|fate| Action::Persisted { node, fate }));
            }
            if may_crash {
                let under_way: usize = local.under_way.iter().map(Vec::len).sum();
                let crash = |keeps| Action::Crash {
                    node,
                    keeps: keeps as u8,
                };
                actions.extend((0..=under_way).map(crash));
            }
        }
        if self.bounds.network == Network::Fifo && state.spent[RESETS] < self.bounds.resets {
            for other in NodeId::all(self.bounds.nodes) {
                for one in NodeId::all(other.0 - 1) {
                    actions.push(Action::Reset { one, other });
                }
            }
        }
    }

    /// Gives every state that can follow, with the action that leads there.
    pub(super) fn expand(
        &self,
        worker: &mut Worker,
        state: &State,
        mut give: impl FnMut(Action, State),
    ) {
        let mut actions = std::mem::take(&mut worker.actions);
        actions.clear();
        self.enabled(state, &mut actions);
        for action in &actions {
            if let Some(next) = self.act(worker, state, *action)
                && !next.is_beyond
            {
                give(*action, next);
            }
        }
        worker.actions = actions;
    }
}
