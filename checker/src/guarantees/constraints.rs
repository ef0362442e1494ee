//! What must come before what in every order: program order, real time where it counts, and what follows from reads.
//!
//! For a register of which it is known which write each read saw, every legal order keeps three laws. A read comes after the
//! write it saw. A second write of the key that comes before the read comes before the write it saw, too. A second
//! write that comes after the write it saw comes after the read. They are applied until nothing new follows: the saturation of
//! Zennou, Bouajjani, Enea and Erradi, "Gradual Consistency Checking" (CAV 2019), here on one clock a node with one
//! entry a process. If the constraints run in a circle, no order exists; if not, they guide the search.

use crate::limits::{Meter, Reason};
use crate::specification::Specification;

use super::graph::Graph;
use super::program::{Program, Source};

/// Which orders are asked for, beside legality and program order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing else.
    ProgramOrder,
    /// What returned before a mutation was called comes before it.
    MutationsInRealTime,
}

/// Why one operation comes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// One process called them so.
    Program,
    /// The first returned before the second, a mutation, was called.
    RealTime,
    /// The second saw what the first wrote.
    Source,
    /// The first saw the initial content, and the second changed it.
    Initial,
    /// The first is another write that comes before this read, and the second is what the read saw.
    BeforeSource(usize),
    /// The second is another write, and comes after this one, which is what the first saw.
    AfterSource(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) why: Why,
    /// It was derived from edges of earlier rounds.
    pub(super) round: u32,
}

/// All that must come before what.
pub(super) struct Constraints {
    /// Beyond the nodes of the program there are moments of real time, one a return.
    pub(super) edges: Vec<Edge>,
    vertices: usize,
    queues: usize,
    /// For each vertex and process, how many operations of the process must come before it.
    before: Vec<u32>,
}

/// The constraints, or a circle of edges among them.
pub(super) enum Saturated {
    Consistent(Constraints),
    Circle(Constraints, Vec<Edge>),
}

impl Constraints {
    /// How many operations of each process must come before `node`.
    fn clock(&self, node: usize) -> &[u32] {
        &self.before[node * self.queues..(node + 1) * self.queues]
    }

    pub(super) fn graph(&self) -> Graph {
        Graph::new(
            self.vertices,
            self.edges.iter().map(|edge| (edge.from, edge.to)),
        )
    }

    /// Everything that follows from `program` under `rule`.
    pub(super) fn saturate<S: Specification>(
        program: &Program<'_, S>,
        rule: Rule,
        meter: &mut Meter,
    ) -> Result<Saturated, Reason> {
        let mut edges = first_edges(program);
        let vertices = match rule {
            Rule::ProgramOrder => program.nodes.len(),
            Rule::MutationsInRealTime => add_real_time(program, &mut edges),
        };
        let queues = program.queues.len();
        meter.take((vertices * queues * 4) as u64)?;
        let mut constraints = Self {
            edges,
            vertices,
            queues,
            before: vec![0; vertices * queues],
        };
        let writes = Writes::of(program);
        for round in 1.. {
            let work = (constraints.vertices * (queues + 1) + constraints.edges.len()) as u64;
            meter.step(work)?;
            if let Some(circle) = constraints.tick(program) {
                return Ok(Saturated::Circle(constraints, circle));
            }
            let known = constraints.edges.len();
            constraints.derive(program, &writes, round, meter)?;
            if constraints.edges.len() == known {
                break;
            }
        }
        Ok(Saturated::Consistent(constraints))
    }

    /// Computes the clocks, or finds a circle.
    fn tick<S: Specification>(&mut self, program: &Program<'_, S>) -> Option<Vec<Edge>> {
        let graph = self.graph();
        let mut waiting = vec![0u32; self.vertices];
        self.edges.iter().for_each(|edge| waiting[edge.to] += 1);
        let mut ready: Vec<usize> = (0..self.vertices).filter(|at| waiting[*at] == 0).collect();
        let mut done = 0;
        self.before.fill(0);
        let mut clock = vec![0; self.queues];
        while let Some(vertex) = ready.pop() {
            done += 1;
            clock.copy_from_slice(self.clock(vertex));
            if let Some(node) = program.nodes.get(vertex) {
                let own = &mut clock[node.queue];
                *own = (*own).max(node.index as u32 + 1);
            }
            for edge in graph.leaving(vertex) {
                let to = graph.to(*edge);
                let slots = &mut self.before[to * self.queues..(to + 1) * self.queues];
                for (slot, mine) in slots.iter_mut().zip(&clock) {
                    *slot = (*slot).max(*mine);
                }
                waiting[to] -= 1;
                if waiting[to] == 0 {
                    ready.push(to);
                }
            }
        }
        if done == self.vertices {
            return None;
        }
        let stuck: Vec<usize> = (0..self.vertices).filter(|at| waiting[*at] > 0).collect();
        shortest_circle(&graph, &self.edges, &stuck)
    }

    /// Adds what the reads imply, given the clocks.
    fn derive<S: Specification>(
        &mut self,
        program: &Program<'_, S>,
        writes: &Writes,
        round: u32,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        for (reader, node) in program.nodes.iter().enumerate() {
            let Source::Node(source) = node.source else {
                continue;
            };
            if !node.happened {
                continue;
            }
            let writer = &program.nodes[source];
            for (queue, list) in writes.of_key(node.key) {
                meter.step(1)?;
                let index = |write: &usize| program.nodes[*write].index as u32;
                // The last write of this process before the read.
                let before = self.clock(reader)[*queue];
                let count = list.partition_point(|write| index(write) < before);
                if let Some(&other) = count.checked_sub(1).and_then(|at| list.get(at))
                    && other != source
                    && other != reader
                    && self.clock(source)[*queue] <= index(&other)
                {
                    let why = Why::BeforeSource(reader);
                    meter.room(&mut self.edges)?;
                    self.edges.push(Edge {
                        from: other,
                        to: source,
                        why,
                        round,
                    });
                }
                // The first write of this process after what was read.
                let follows =
                    |write: &usize| self.clock(*write)[writer.queue] > writer.index as u32;
                let count = list.partition_point(|write| !follows(write));
                if let Some(&other) = list.get(count)
                    && other != reader
                    && self.clock(other)[node.queue] <= node.index as u32
                {
                    let why = Why::AfterSource(source);
                    meter.room(&mut self.edges)?;
                    self.edges.push(Edge {
                        from: reader,
                        to: other,
                        why,
                        round,
                    });
                }
            }
        }
        Ok(())
    }
}

/// For each key, the processes that wrote it and what they wrote, in program order. Only what certainly happened.
struct Writes {
    by_key: Vec<Vec<(usize, Vec<usize>)>>,
}

impl Writes {
    fn of<S: Specification>(program: &Program<'_, S>) -> Self {
        let mut by_key: Vec<Vec<(usize, Vec<usize>)>> = vec![Vec::new(); program.keys.len()];
        for (queue, nodes) in program.queues.iter().enumerate() {
            for number in nodes {
                let node = &program.nodes[*number];
                if node.happened && node.left().is_some() {
                    let lists = &mut by_key[node.key];
                    match lists.last_mut() {
                        Some((last, list)) if *last == queue => list.push(*number),
                        _ => lists.push((queue, vec![*number])),
                    }
                }
            }
        }
        Self { by_key }
    }

    fn of_key(&self, key: usize) -> &[(usize, Vec<usize>)] {
        &self.by_key[key]
    }
}

/// Program order, what was seen, and that who saw nothing written comes before the first writes.
fn first_edges<S: Specification>(program: &Program<'_, S>) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut push = |from, to, why| {
        edges.push(Edge {
            from,
            to,
            why,
            round: 0,
        })
    };
    for queue in &program.queues {
        queue
            .windows(2)
            .for_each(|pair| push(pair[0], pair[1], Why::Program));
    }
    let writes = Writes::of(program);
    for (number, node) in program
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.happened)
    {
        match node.source {
            Source::Node(source) => push(source, number, Why::Source),
            Source::Initial => {
                for (_, list) in writes.of_key(node.key) {
                    // A compare-and-set is itself a write, and comes before those that follow it.
                    let other = list.iter().find(|write| **write != number);
                    let own = list.contains(&number);
                    if let Some(other) = other.filter(|other| !own || **other < number) {
                        push(number, *other, Why::Initial);
                    }
                }
            }
            _ => {}
        }
    }
    edges
}

/// Adds a chain of moments, one a return: an operation comes before the moment of its return, and a mutation after the last
/// moment before its call. Returns the number of vertices.
fn add_real_time<S: Specification>(program: &Program<'_, S>, edges: &mut Vec<Edge>) -> usize {
    let mut returns: Vec<(usize, usize)> = program
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(number, node)| Some((node.operation.deadline()?, number)))
        .collect();
    returns.sort_unstable();
    let first = program.nodes.len();
    let mut push = |from, to| {
        edges.push(Edge {
            from,
            to,
            why: Why::RealTime,
            round: 0,
        })
    };
    for (at, (_, number)) in returns.iter().enumerate() {
        push(*number, first + at);
        if at > 0 {
            push(first + at - 1, first + at);
        }
    }
    for (number, node) in program
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.mutates)
    {
        let earlier = returns.partition_point(|(deadline, _)| *deadline < node.operation.call);
        if earlier > 0 {
            push(first + earlier - 1, number);
        }
    }
    first + returns.len()
}

/// How many beginnings of a circle are tried.
const CIRCLES_TRIED: usize = 32;

/// A short circle; every one of the vertices `stuck` has a predecessor among them.
fn shortest_circle(graph: &Graph, edges: &[Edge], stuck: &[usize]) -> Option<Vec<Edge>> {
    let mut back = vec![None; graph.vertices()];
    let mut is_stuck = vec![false; graph.vertices()];
    stuck.iter().for_each(|vertex| is_stuck[*vertex] = true);
    for edge in edges
        .iter()
        .filter(|edge| is_stuck[edge.from] && is_stuck[edge.to])
    {
        back[edge.to] = Some(edge.from);
    }
    let mut best: Option<Vec<usize>> = None;
    let mut visited = vec![false; graph.vertices()];
    let mut tried = 0;
    for beginning in stuck {
        // Walking backwards one gets onto a circle.
        let mut at = *beginning;
        while !std::mem::replace(&mut visited[at], true) {
            at = back[at]?;
        }
        let circle = graph.path(at, |vertex| vertex == at, |_| Some(1));
        if let Some(circle) = circle
            && best.as_ref().is_none_or(|best| circle.len() < best.len())
        {
            best = Some(circle);
        }
        tried += 1;
        if tried == CIRCLES_TRIED {
            break;
        }
    }
    best.map(|circle| circle.into_iter().map(|edge| edges[edge]).collect())
}
