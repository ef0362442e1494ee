//! The search for one order of all operations: depth first over whose turn it is next.
//!
//! Each process is a queue by program order, so a configuration is how far each queue has come and what state each key is in.
//! Four laws keep it small, and each loses nothing:
//!
//! 1. An operation that never changes the state, is first in its queue, and is allowed now, is taken at once. Take any legal order of the rest and
//!    move that operation to the front: nothing before it saw it, nothing had to come before it but what is
//!    taken, and all others see the states they saw. So one order is as good as all. (It must never change *any* state. An
//!    operation that merely changes nothing *now* might have to change something later.)
//! 2. A write that hides a content which somebody must still see, and which nobody left can write again, leads nowhere.
//! 3. An operation of unknown outcome that would change nothing now is not taken: leaving it out does the same.
//! 4. A configuration that led nowhere once leads nowhere again.
//!
//! What every order must keep (see [`constraints`](super::constraints)) is asked before each step.

use rustc_hash::FxHashMap;

use crate::limits::{Meter, Reason};
use crate::specification::Specification;

use super::constraints::{Constraints, Rule, Why};
use super::graph::Graph;
use super::memo::Memo;
use super::program::Program;

/// What the search found.
pub(super) enum Found {
    /// Nodes in one legal order. Unused ones of unknown outcome are absent.
    Legal(Vec<usize>),
    /// There is none.
    Illegal,
    Stopped(Reason),
}

/// Stands for a content that is not known.
const NO_SLOT: u32 = u32::MAX;

/// What a node does to contents of its key that others wait for.
#[derive(Clone, Copy)]
struct Slots {
    seen: u32,
    left: u32,
}

/// One step that can be undone.
struct Step {
    node: usize,
    /// The state and content of its key before.
    state: u32,
    slot: u32,
}

/// A configuration with more than nothing to choose from.
struct Frame {
    /// How many steps had been taken.
    steps: usize,
    choices: Vec<usize>,
    next: usize,
}

struct Engine<'a, 'p, S: Specification> {
    program: &'a Program<'p, S>,
    rule: Rule,
    /// What comes after each node, beside its own process and real time; and how much of what must come before it is not taken.
    after: Graph,
    waiting: Vec<u32>,
    positions: Vec<u32>,
    /// The state of each key, by number.
    current: Vec<u32>,
    slots: Vec<Slots>,
    /// For each content of each key, who must still see it, and who may still write it.
    needed: Vec<u32>,
    written: Vec<u32>,
    /// The content each key holds.
    holds: Vec<u32>,
    states: Vec<S::State>,
    numbers: FxHashMap<S::State, u32>,
    taken: Vec<Step>,
    left: usize,
}

/// Searches for a legal order of `program` that keeps `constraints`, which were made for `rule`.
pub(super) fn search<S: Specification>(
    program: &Program<'_, S>,
    constraints: &Constraints,
    rule: Rule,
    meter: &mut Meter,
) -> Found {
    let mut engine = Engine::new(program, constraints, rule);
    meter.lend();
    let ran = engine.run(meter);
    match meter.take_back().and(ran) {
        Ok(true) => Found::Legal(engine.taken.iter().map(|step| step.node).collect()),
        Ok(false) => Found::Illegal,
        Err(reason) => Found::Stopped(reason),
    }
}

impl<'a, 'p, S: Specification> Engine<'a, 'p, S> {
    fn new(program: &'a Program<'p, S>, constraints: &Constraints, rule: Rule) -> Self {
        let initial = program.specification.initial();
        let mut contents: FxHashMap<(usize, u64), u32> = FxHashMap::default();
        let mut slot = |key: usize, content: Option<u64>| {
            let next = contents.len() as u32;
            content.map_or(NO_SLOT, |content| {
                *contents.entry((key, content)).or_insert(next)
            })
        };
        let slots: Vec<Slots> = program
            .nodes
            .iter()
            .map(|node| Slots {
                seen: slot(node.key, node.seen()),
                left: slot(node.key, node.left()),
            })
            .collect();
        let holds: Vec<u32> = (0..program.keys.len())
            .map(|key| slot(key, program.initial))
            .collect();
        let count = contents.len();
        let (mut needed, mut written) = (vec![0; count], vec![0; count]);
        for (node, slots) in program.nodes.iter().zip(&slots) {
            if node.known() && slots.seen != NO_SLOT {
                needed[slots.seen as usize] += 1;
            }
            if slots.left != NO_SLOT {
                written[slots.left as usize] += 1;
            }
        }
        let beside = constraints
            .edges
            .iter()
            .filter(|edge| !matches!(edge.why, Why::Program | Why::RealTime))
            .map(|edge| (edge.from, edge.to));
        let after = Graph::new(program.nodes.len(), beside.clone());
        let mut waiting = vec![0; program.nodes.len()];
        beside.for_each(|(_, to)| waiting[to] += 1);
        Self {
            program,
            rule,
            after,
            waiting,
            positions: vec![0; program.queues.len()],
            current: vec![0; program.keys.len()],
            slots,
            needed,
            written,
            holds,
            states: vec![initial.clone()],
            numbers: std::iter::once((initial, 0)).collect(),
            taken: Vec::new(),
            left: program.nodes.iter().filter(|node| node.known()).count(),
        }
    }

    fn run(&mut self, meter: &mut Meter) -> Result<bool, Reason> {
        let mut memo = Memo::default();
        let mut frames: Vec<Frame> = Vec::new();
        loop {
            self.take_what_only_reads(meter)?;
            if self.left == 0 {
                return Ok(true);
            }
            let choices = self.choices(meter)?;
            let known_bad =
                choices.len() > 1 && memo.holds(&self.positions, &self.current, meter)?;
            if !known_bad && !choices.is_empty() {
                meter.room(&mut frames)?;
                frames.push(Frame {
                    steps: self.taken.len(),
                    choices,
                    next: 0,
                });
            }
            // The next choice of the deepest configuration that has one left.
            loop {
                let Some(frame) = frames.last_mut() else {
                    return Ok(false);
                };
                let steps = frame.steps;
                let choice = frame.choices.get(frame.next).copied();
                let choices = frame.choices.len();
                frame.next += 1;
                self.undo_to(steps);
                if let Some(node) = choice {
                    self.take(node, meter)?;
                    break;
                }
                if choices > 1 {
                    memo.insert(&self.positions, &self.current, meter)?;
                }
                frames.pop();
            }
        }
    }

    fn head(&self, queue: usize) -> Option<usize> {
        self.program.queues[queue]
            .get(self.positions[queue] as usize)
            .copied()
    }

    /// Law 1, until nothing more can be taken.
    fn take_what_only_reads(&mut self, meter: &mut Meter) -> Result<(), Reason> {
        let mut again = true;
        while again {
            again = false;
            for queue in 0..self.positions.len() {
                while let Some(node) = self.head(queue) {
                    meter.step(1)?;
                    let may = !self.program.nodes[node].mutates && self.waiting[node] == 0;
                    if !may || self.next_state(node).is_none() {
                        break;
                    }
                    self.take(node, meter)?;
                    again = true;
                }
            }
        }
        Ok(())
    }

    /// What may come next, the best first: what returned first, and what is of unknown outcome last.
    fn choices(&self, meter: &mut Meter) -> Result<Vec<usize>, Reason> {
        let mut choices = Vec::new();
        let earliest_return = self.earliest_return();
        for queue in 0..self.positions.len() {
            meter.step(1)?;
            let Some(node) = self.head(queue) else {
                continue;
            };
            let now = &self.program.nodes[node];
            let early = self.waiting[node] > 0 || earliest_return < now.operation.call;
            if !now.mutates || early || self.hides_what_is_needed(node) {
                continue;
            }
            let Some(next) = self.next_state(node) else {
                continue;
            };
            let idle = next == self.states[self.current[now.key] as usize];
            if now.known() || !idle {
                choices.push(node);
            }
        }
        choices.sort_by_key(|node| {
            let operation = self.program.nodes[*node].operation;
            (operation.deadline().unwrap_or(usize::MAX), operation.call)
        });
        Ok(choices)
    }

    /// When the earliest operation that is not taken returned. Nothing called later may change anything before it, where
    /// mutations keep real time.
    fn earliest_return(&self) -> usize {
        if self.rule == Rule::ProgramOrder {
            return usize::MAX;
        }
        let heads = (0..self.positions.len()).filter_map(|queue| self.head(queue));
        let returns = heads.filter_map(|head| self.program.nodes[head].operation.deadline());
        returns.min().unwrap_or(usize::MAX)
    }

    /// Law 2.
    fn hides_what_is_needed(&self, node: usize) -> bool {
        let (slots, held) = (self.slots[node], self.holds[self.program.nodes[node].key]);
        if held == NO_SLOT || slots.left == NO_SLOT || slots.left == held {
            return false;
        }
        let own = u32::from(self.program.nodes[node].known() && slots.seen == held);
        self.needed[held as usize] > own && self.written[held as usize] == 0
    }

    fn next_state(&self, node: usize) -> Option<S::State> {
        let node = &self.program.nodes[node];
        let state = &self.states[self.current[node.key] as usize];
        self.program.specification.step(state, &node.op)
    }

    fn take(&mut self, node: usize, meter: &mut Meter) -> Result<(), Reason> {
        meter.room(&mut self.taken)?;
        let key = self.program.nodes[node].key;
        let (state, slot) = (self.current[key], self.holds[key]);
        if self.program.nodes[node].mutates
            && let Some(next) = self.next_state(node)
        {
            self.current[key] = self.number(next, meter)?;
        }
        let slots = self.slots[node];
        if slots.left != NO_SLOT {
            self.written[slots.left as usize] -= 1;
            self.holds[key] = slots.left;
        } else if self.program.nodes[node].access.is_none() {
            self.holds[key] = NO_SLOT;
        }
        if self.program.nodes[node].known() {
            self.left -= 1;
            if slots.seen != NO_SLOT {
                self.needed[slots.seen as usize] -= 1;
            }
        }
        for edge in self.after.leaving(node) {
            self.waiting[self.after.to(*edge)] -= 1;
        }
        self.positions[self.program.nodes[node].queue] += 1;
        self.taken.push(Step { node, state, slot });
        Ok(())
    }

    fn undo_to(&mut self, steps: usize) {
        while self.taken.len() > steps {
            let Some(step) = self.taken.pop() else { return };
            let node = &self.program.nodes[step.node];
            self.current[node.key] = step.state;
            self.holds[node.key] = step.slot;
            let slots = self.slots[step.node];
            if slots.left != NO_SLOT {
                self.written[slots.left as usize] += 1;
            }
            if node.known() {
                self.left += 1;
                if slots.seen != NO_SLOT {
                    self.needed[slots.seen as usize] += 1;
                }
            }
            self.positions[node.queue] -= 1;
            for edge in self.after.leaving(step.node) {
                self.waiting[self.after.to(*edge)] += 1;
            }
        }
    }

    fn number(&mut self, state: S::State, meter: &mut Meter) -> Result<u32, Reason> {
        if let Some(number) = self.numbers.get(&state) {
            return Ok(*number);
        }
        let number = u32::try_from(self.states.len()).map_err(|_| Reason::Bytes)?;
        // Once in the list, once in the map, which may be half empty.
        meter.take(3 * self.program.specification.state_bytes(&state) + 16)?;
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        Ok(number)
    }
}
