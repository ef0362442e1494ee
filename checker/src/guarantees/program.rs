//! The program: what each process did, in its own order, with what each operation saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::operation::{Operation, Outcome};
use crate::specification::{Access, Effect, Specification, SpecificationError};

use super::violation::label;

/// Where the content that an operation saw came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It saw nothing, or it is not known what.
    None,
    /// Nobody had written yet.
    Initial,
    /// This one wrote it.
    Node(usize),
    /// Several may have written it.
    Ambiguous,
    /// Nobody can have written it.
    Nobody,
}

/// An operation that tells something.
pub(super) struct Node<'a, Op> {
    pub(super) operation: &'a Operation,
    pub(super) op: Op,
    /// The number of its process, from 0, ascending by the history's process numbers.
    pub(super) queue: usize,
    /// Its place among the operations of its process.
    pub(super) index: usize,
    /// The number of its key.
    pub(super) key: usize,
    pub(super) access: Option<Access>,
    pub(super) source: Source,
    /// False when it certainly leaves the state as it is.
    pub(super) mutates: bool,
    /// True when it certainly took effect: its outcome is known, or somebody saw what it alone wrote.
    pub(super) happened: bool,
    /// Of one with an unknown outcome that took effect, who saw what it wrote. From there on it leads to an operation whose outcome is known.
    shown_by: Option<usize>,
}

impl<Op> Node<'_, Op> {
    pub(super) fn known(&self) -> bool {
        self.operation.outcome != Outcome::Unknown
    }

    pub(super) fn seen(&self) -> Option<u64> {
        self.access.and_then(|access| access.seen)
    }

    pub(super) fn left(&self) -> Option<u64> {
        self.access.and_then(|access| access.left)
    }
}

/// All processes of a history. Nodes are in the order of calls, and so is each queue.
///
/// Program order is the order of calls of one process number. A client that takes a new number after an operation of
/// unknown outcome begins a new session, since the old operation may still be in flight; such an operation is therefore
/// the last of its queue.
pub(super) struct Program<'a, S: Specification> {
    pub(super) specification: &'a S,
    pub(super) nodes: Vec<Node<'a, S::Op>>,
    pub(super) queues: Vec<Vec<usize>>,
    pub(super) keys: Vec<Option<&'a str>>,
    /// What a register holds at first, if some operation saw it.
    pub(super) initial: Option<u64>,
}

impl<'a, S: Specification> Program<'a, S> {
    /// Reads the operations. Those that tell nothing are left out.
    pub(super) fn new(
        specification: &'a S,
        operations: &'a [Operation],
    ) -> Result<Self, (&'a Operation, SpecificationError)> {
        let mut keys: BTreeMap<Option<&'a str>, usize> = BTreeMap::new();
        let mut queues: BTreeMap<u64, usize> = BTreeMap::new();
        let key_of =
            |operation: &'a Operation| operation.key.as_deref().filter(|_| specification.per_key());
        for operation in operations {
            keys.insert(key_of(operation), 0);
            queues.insert(operation.process, 0);
        }
        keys.values_mut()
            .zip(0..)
            .for_each(|(slot, number)| *slot = number);
        queues
            .values_mut()
            .zip(0..)
            .for_each(|(slot, number)| *slot = number);
        let mut nodes = Vec::new();
        for operation in operations {
            let parsed = specification
                .parse(operation)
                .map_err(|error| (operation, error))?;
            let Some(op) = parsed else { continue };
            let mutates = specification.effect(&op) != Effect::Reads;
            let known = operation.outcome != Outcome::Unknown;
            if !mutates && !known {
                continue;
            }
            nodes.push(Node {
                operation,
                access: specification.access(&op),
                op,
                queue: queues[&operation.process],
                index: 0,
                key: keys[&key_of(operation)],
                source: Source::None,
                mutates,
                happened: known,
                shown_by: None,
            });
        }
        let mut program = Self {
            specification,
            nodes,
            queues: vec![Vec::new(); queues.len()],
            keys: keys.into_keys().collect(),
            initial: None,
        };
        program.drop_unseen();
        for (number, node) in program.nodes.iter_mut().enumerate() {
            let queue = &mut program.queues[node.queue];
            node.index = queue.len();
            queue.push(number);
        }
        program.queues.retain(|queue| !queue.is_empty());
        for (number, queue) in program.queues.iter().enumerate() {
            queue
                .iter()
                .for_each(|node| program.nodes[*node].queue = number);
        }
        program.find_sources();
        Ok(program)
    }

    /// True when every operation says what it saw and left, as those of a register do.
    pub(super) fn is_register(&self) -> bool {
        self.nodes.iter().all(|node| node.access.is_some())
    }

    /// Adds to `told`, for each operation of unknown outcome in it, those that show that it took effect: who saw what it wrote, and if the outcome of
    /// that is unknown too, who saw what that wrote.
    pub(super) fn add_who_show(&self, told: &mut BTreeSet<usize>) {
        let mut open: Vec<usize> = told.iter().copied().collect();
        while let Some(writer) = open.pop() {
            if let Some(reader) = self.nodes[writer].shown_by
                && told.insert(reader)
            {
                open.push(reader);
            }
        }
    }

    /// Why those of `told` took effect whose outcome is unknown: a line each.
    pub(super) fn why_they_took_effect(&self, told: &BTreeSet<usize>) -> String {
        let mut text = String::new();
        for node in told.iter().map(|number| &self.nodes[*number]) {
            if let Some(reader) = node.shown_by {
                let reader = self.nodes[reader].operation;
                let (writer, reader) = (label(node.operation), label(reader));
                let _ = write!(text, "\n{writer} took effect: {reader} saw what it wrote.");
            }
        }
        text
    }

    /// Drops writes of unknown outcome whose content no operation of the key can have seen.
    ///
    /// That loses nothing: in a legal order, until the next change nobody saw anything after such a write, so without it the order is legal
    /// too. (Another one of unknown outcome that would now act differently is left out likewise.) Where somebody may have
    /// noticed in another way, such as a refused comparison, all are kept.
    fn drop_unseen(&mut self) {
        let mut seen: Vec<(usize, u64)> = Vec::new();
        let mut blurred = vec![false; self.keys.len()];
        for node in &self.nodes {
            match node.access {
                Some(Access {
                    seen: Some(content),
                    ..
                }) => seen.push((node.key, content)),
                Some(Access { left: Some(_), .. }) => {}
                _ => blurred[node.key] = true,
            }
        }
        seen.sort_unstable();
        self.nodes.retain(|node| {
            let unseen = node
                .left()
                .is_some_and(|left| seen.binary_search(&(node.key, left)).is_err());
            node.known() || blurred[node.key] || !unseen
        });
    }

    fn find_sources(&mut self) {
        let initial = self.specification.initial();
        self.initial = self
            .nodes
            .iter()
            .filter(|node| node.known())
            .find_map(|node| {
                node.seen()
                    .filter(|_| self.specification.step(&initial, &node.op).is_some())
            });
        let mut writers: BTreeMap<(usize, u64), (usize, bool)> = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if let Some(left) = node.left() {
                let entry = writers.entry((node.key, left)).or_insert((number, false));
                entry.1 |= entry.0 != number;
            }
        }
        for number in 0..self.nodes.len() {
            let node = &self.nodes[number];
            let Some(seen) = node.seen() else { continue };
            let at_first = self.initial == Some(seen);
            let source = match writers.get(&(node.key, seen)) {
                // Whether it saw the initial content cannot be told.
                _ if !node.known() && self.initial.is_none() => Source::Ambiguous,
                None if at_first => Source::Initial,
                None => Source::Nobody,
                Some((_, true)) => Source::Ambiguous,
                Some(_) if at_first => Source::Ambiguous,
                Some((writer, false)) => Source::Node(*writer),
            };
            self.nodes[number].source = source;
        }
        // What was seen has happened, and so has what that saw.
        let mut open: Vec<usize> = (0..self.nodes.len())
            .filter(|number| self.nodes[*number].happened)
            .collect();
        while let Some(number) = open.pop() {
            if let Source::Node(writer) = self.nodes[number].source
                && !std::mem::replace(&mut self.nodes[writer].happened, true)
            {
                self.nodes[writer].shown_by = Some(number);
                open.push(writer);
            }
        }
    }
}
