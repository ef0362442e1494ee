//! The order of the writes of each key, as far as sessions and versions dictate it: the common ground of the session guarantees.
//!
//! Each of them holds when the writes of each key have one order in which what the session saw or wrote earlier is not later
//! than what it sees or writes next. So each is a graph over writes in which edges mean "not later", and holds unless the graph forces
//! two writes to be each before the other. That takes time in proportion to the history, but for sorting.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::Operation;
use crate::specification::{Specification, SpecificationError};
use crate::verdict::{Certificate, Part};

use super::graph::Graph;
use super::program::{Node, Program, Source};
use super::violation::{Link, Violation, label, opening};
use super::{Answer, Guarantee, Unproven, Witness};

/// What a guarantee demands of one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demands {
    pub(super) read_your_writes: bool,
    pub(super) monotonic_reads: bool,
    pub(super) monotonic_writes: bool,
    pub(super) writes_follow_reads: bool,
}

impl Demands {
    pub(super) const NONE: Self = Self {
        read_your_writes: false,
        monotonic_reads: false,
        monotonic_writes: false,
        writes_follow_reads: false,
    };
}

/// `from` is not later than `to`.
#[derive(Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    /// They are not the same write.
    strict: bool,
    /// The earlier and the later operation of the session that demand it; where an edge begins or ends at a stage, only one of them.
    first: Option<usize>,
    second: Option<usize>,
}

/// How many beginnings of a circle are tried.
const CIRCLES_TRIED: usize = 32;

/// Judges `operations` by some of the session guarantees.
pub(super) fn judge<S: Specification>(
    specification: &S,
    operations: &[Operation],
    guarantee: Guarantee,
    demands: Demands,
) -> Result<Answer, (usize, SpecificationError)> {
    let mut program = Program::new(specification, operations)
        .map_err(|(operation, error)| (operation.id, error))?;
    if !program.is_register() || program.nodes.is_empty() {
        return Ok(Answer::Unknown(Unproven::NoRegister));
    }
    believe_versions(&mut program);
    let unwritten = |node: &Node<'_, S::Op>| node.happened && node.source == Source::Nobody;
    if let Some(number) = program.nodes.iter().position(unwritten) {
        return Ok(saw_nothing_written(&program, guarantee, number));
    }
    let mut versions = Versions::new(&program);
    versions.add_known(&program);
    versions.add_sessions(&program, demands);
    let graph = Graph::new(
        versions.vertices,
        versions.edges.iter().map(|edge| (edge.from, edge.to)),
    );
    let components = graph.components();
    if let Some(circle) = versions.circle(&graph, &components) {
        return Ok(Answer::Violated(Box::new(
            versions.tell(&program, guarantee, &circle),
        )));
    }
    if !versions.ambiguous.is_empty() {
        return Ok(Answer::Unknown(Unproven::NotRuledOut {
            reads: versions.ambiguous.len(),
        }));
    }
    Ok(Answer::Satisfied(Witness::Versions(
        versions.order(&program, &components),
    )))
}

/// A read of what nobody can have written follows no write at all. If it was part of an operation of unknown outcome, others show
/// that this took effect.
fn saw_nothing_written<S: Specification>(
    program: &Program<'_, S>,
    guarantee: Guarantee,
    number: usize,
) -> Answer {
    let mut told = BTreeSet::from([number]);
    program.add_who_show(&mut told);
    let first = program.nodes[number].operation;
    let culprits: Vec<Operation> = told
        .iter()
        .map(|node| program.nodes[*node].operation.clone())
        .collect();
    let mut explanation = opening(guarantee, &culprits, "");
    explanation.push_str(&format!(
        "Nobody can have written what {} saw: a contradiction.",
        label(first)
    ));
    explanation.push_str(&program.why_they_took_effect(&told));
    Answer::Violated(Box::new(Violation {
        guarantee,
        key: first.key.clone(),
        culprits,
        minimal: true,
        links: Vec::new(),
        explanation,
    }))
}

/// A read whose version is that of exactly one write of the same content saw that write, even if others wrote the same.
fn believe_versions<S: Specification>(program: &mut Program<'_, S>) {
    let mut writers: BTreeMap<(usize, u64), (usize, bool)> = BTreeMap::new();
    for (number, node) in program.nodes.iter().enumerate() {
        if let (Some(version), Some(_), true) = (node.operation.version, node.left(), node.known())
        {
            let entry = writers.entry((node.key, version)).or_insert((number, true));
            entry.1 &= entry.0 == number;
        }
    }
    for number in 0..program.nodes.len() {
        let node = &program.nodes[number];
        // The version of a compare-and-set is of what it wrote.
        let read = node.seen().is_some() && node.left().is_none();
        let Some(version) = node.operation.version.filter(|_| read) else {
            continue;
        };
        if let Some((writer, true)) = writers.get(&(node.key, version))
            && program.nodes[*writer].left() == node.seen()
        {
            program.nodes[number].source = Source::Node(*writer);
        }
    }
}

/// The graph. Vertices are nodes of the program, then the initial content of each key, then stages: a stage stands for
/// all that a session did up to some point, and is not later than what must follow all of it.
struct Versions {
    edges: Vec<Edge>,
    vertices: usize,
    /// Vertices from here on are stages.
    first_stage: usize,
    first_initial: usize,
    /// Reads that matter and may have seen one of several writes.
    ambiguous: BTreeSet<usize>,
    /// Keys with a compare-and-set of unknown outcome. If an unclear read saw what it wrote, it took effect and saw something, too.
    unclear: Vec<bool>,
}

/// What a session did on one key so far.
#[derive(Default)]
struct Session {
    /// The stage of all its reads, and of all its writes.
    reads: Option<usize>,
    writes: Option<usize>,
    reads_any: usize,
    /// Unclear reads that nothing has to do with yet.
    unclear: Vec<usize>,
}

impl Versions {
    fn new<S: Specification>(program: &Program<'_, S>) -> Self {
        let first_initial = program.nodes.len();
        let first_stage = first_initial + program.keys.len();
        let mut unclear = vec![false; program.keys.len()];
        for node in program
            .nodes
            .iter()
            .filter(|node| !node.known() && node.seen().is_some())
        {
            unclear[node.key] = true;
        }
        Self {
            edges: Vec::new(),
            vertices: first_stage,
            first_stage,
            first_initial,
            ambiguous: BTreeSet::new(),
            unclear,
        }
    }

    fn edge(&mut self, from: usize, to: usize, first: Option<usize>, second: Option<usize>) {
        self.edges.push(Edge {
            from,
            to,
            strict: false,
            first,
            second,
        });
    }

    fn strict(&mut self, from: usize, to: usize, first: Option<usize>, second: Option<usize>) {
        self.edges.push(Edge {
            from,
            to,
            strict: true,
            first,
            second,
        });
    }

    /// A new stage that follows `earlier` and `vertex`.
    fn stage(&mut self, earlier: Option<usize>, vertex: usize, operation: usize) -> usize {
        let stage = self.vertices;
        self.vertices += 1;
        if let Some(earlier) = earlier {
            self.edge(earlier, stage, None, None);
        }
        self.edge(vertex, stage, Some(operation), None);
        stage
    }

    /// The initial content is before every write, and where the server numbers writes of a key, that is their order. Equal
    /// numbers say nothing.
    fn add_known<S: Specification>(&mut self, program: &Program<'_, S>) {
        let mut numbered: Vec<(usize, u64, usize)> = Vec::new();
        for (number, node) in program.nodes.iter().enumerate() {
            if !node.happened || node.left().is_none() {
                continue;
            }
            self.strict(self.first_initial + node.key, number, None, None);
            if let Some(version) = node.operation.version.filter(|_| node.known()) {
                numbered.push((node.key, version, number));
            }
        }
        numbered.sort_unstable();
        // Between two numbers there is a stage.
        for key in numbered.chunk_by(|left, right| left.0 == right.0) {
            let mut last: Option<usize> = None;
            for group in key.chunk_by(|left, right| left.1 == right.1) {
                if let Some(last) = last {
                    group
                        .iter()
                        .for_each(|(_, _, write)| self.strict(last, *write, None, None));
                }
                let stage = self.vertices;
                self.vertices += 1;
                group
                    .iter()
                    .for_each(|(_, _, write)| self.edge(*write, stage, None, None));
                last = Some(stage);
            }
        }
    }

    fn add_sessions<S: Specification>(&mut self, program: &Program<'_, S>, demands: Demands) {
        for queue in &program.queues {
            let mut sessions: BTreeMap<usize, Session> = BTreeMap::new();
            for &number in queue {
                let node = &program.nodes[number];
                if !node.happened {
                    continue;
                }
                let session = sessions.entry(node.key).or_default();
                if node.seen().is_some() {
                    let vertex = match node.source {
                        Source::Node(writer) => Some(writer),
                        Source::Initial => Some(self.first_initial + node.key),
                        _ => None,
                    };
                    if vertex.is_none() && self.unclear[node.key] {
                        self.ambiguous.insert(number);
                    }
                    self.reads(session, demands, number, vertex);
                }
                if node.left().is_some() {
                    self.writes(session, demands, number);
                }
            }
        }
    }

    fn reads(
        &mut self,
        session: &mut Session,
        demands: Demands,
        read: usize,
        vertex: Option<usize>,
    ) {
        session.reads_any += 1;
        if demands.monotonic_reads && session.reads_any > 1 {
            self.ambiguous.extend(session.unclear.drain(..));
        }
        let Some(vertex) = vertex else {
            let matters = demands.read_your_writes && session.writes.is_some()
                || demands.monotonic_reads && session.reads_any > 1;
            match matters {
                true => self.ambiguous.extend([read]),
                false => session.unclear.push(read),
            }
            return;
        };
        if demands.read_your_writes
            && let Some(writes) = session.writes
        {
            self.edge(writes, vertex, None, Some(read));
        }
        if demands.monotonic_reads
            && let Some(reads) = session.reads
        {
            self.edge(reads, vertex, None, Some(read));
        }
        if demands.monotonic_reads || demands.writes_follow_reads {
            session.reads = Some(self.stage(session.reads, vertex, read));
        }
    }

    fn writes(&mut self, session: &mut Session, demands: Demands, write: usize) {
        if demands.writes_follow_reads {
            self.ambiguous.extend(session.unclear.drain(..));
            if let Some(reads) = session.reads {
                self.strict(reads, write, None, Some(write));
            }
        }
        if demands.monotonic_writes
            && let Some(writes) = session.writes
        {
            self.strict(writes, write, None, Some(write));
        }
        if demands.monotonic_writes || demands.read_your_writes {
            session.writes = Some(self.stage(session.writes, write, write));
        }
    }

    /// A circle through two writes, or through a pair that must differ.
    fn circle(&self, graph: &Graph, components: &[usize]) -> Option<Vec<usize>> {
        let inside = |edge: usize| {
            let Edge { from, to, .. } = self.edges[edge];
            // A step from stage to stage, or onto a stage, tells nothing by itself.
            (components[from] == components[to]).then_some(u8::from(to < self.first_stage))
        };
        let mut tried = 0;
        let mut best: Option<Vec<usize>> = None;
        let mut offer = |circle: Option<Vec<usize>>| {
            let length = |circle: &[usize]| {
                circle
                    .iter()
                    .filter(|edge| self.edges[**edge].to < self.first_stage)
                    .count()
            };
            if let Some(circle) = circle
                && best
                    .as_ref()
                    .is_none_or(|best| length(&circle) < length(best))
            {
                best = Some(circle);
            }
        };
        for number in 0..self.edges.len() {
            if !self.edges[number].strict || inside(number).is_none() || tried == CIRCLES_TRIED {
                continue;
            }
            tried += 1;
            let Edge { from, to, .. } = self.edges[number];
            let mut circle = vec![number];
            if from != to {
                circle.extend(
                    graph
                        .path(to, |vertex| vertex == from, inside)
                        .unwrap_or_default(),
                );
            }
            offer(Some(circle));
        }
        let real = |vertex: usize| vertex < self.first_stage;
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (vertex, component) in components.iter().enumerate().take(self.first_stage) {
            members.entry(*component).or_default().push(vertex);
        }
        for members in members.values().filter(|members| members.len() > 1) {
            for &vertex in members {
                if tried == 2 * CIRCLES_TRIED {
                    break;
                }
                tried += 1;
                let circle = || {
                    let mut way =
                        graph.path(vertex, |other| real(other) && other != vertex, inside)?;
                    let other = graph.to(*way.last()?);
                    way.extend(graph.path(other, |end| end == vertex, inside)?);
                    Some(way)
                };
                offer(circle());
            }
        }
        best
    }

    /// The circle in words: from write to write.
    fn tell<S: Specification>(
        &self,
        program: &Program<'_, S>,
        guarantee: Guarantee,
        circle: &[usize],
    ) -> Violation {
        let mut circle: Vec<Edge> = circle.iter().map(|edge| self.edges[*edge]).collect();
        let real = |vertex: usize| vertex < self.first_stage;
        if let Some(at) = circle.iter().position(|edge| real(edge.from)) {
            circle.rotate_left(at);
        }
        let mut culprits: BTreeSet<usize> = BTreeSet::new();
        let mut links = Vec::new();
        let mut said = Vec::new();
        let mut first = None;
        let mut from = circle.first().map_or(0, |edge| edge.from);
        for edge in &circle {
            first = first.or(edge.first);
            if !real(edge.to) {
                continue;
            }
            let ends = [from, edge.to].map(|vertex| program.nodes.get(vertex));
            let because = Self::because(program, ends, first, edge.second);
            let name = |end: Option<&Node<'_, S::Op>>| {
                end.map_or_else(
                    || "the initial content".to_owned(),
                    |node| label(node.operation),
                )
            };
            if let [Some(before), Some(after)] = ends {
                links.push(Link {
                    before: before.operation.id,
                    after: after.operation.id,
                    because: because.clone(),
                });
            }
            said.push(format!(
                "{} is not later than {}, because {because}",
                name(ends[0]),
                name(ends[1])
            ));
            culprits.extend(
                [Some(from), Some(edge.to), first, edge.second]
                    .into_iter()
                    .flatten(),
            );
            (first, from) = (None, edge.to);
        }
        culprits.retain(|vertex| *vertex < self.first_initial);
        program.add_who_show(&mut culprits);
        let took_effect = program.why_they_took_effect(&culprits);
        let culprits: Vec<Operation> = culprits
            .iter()
            .map(|node| program.nodes[*node].operation.clone())
            .collect();
        let mut explanation = opening(guarantee, &culprits, "");
        for (at, text) in said.iter().enumerate() {
            explanation.push_str(if at == 0 {
                "In the order of writes "
            } else {
                ",\nand "
            });
            explanation.push_str(text);
        }
        explanation.push_str(": a contradiction.");
        explanation.push_str(&took_effect);
        Violation {
            guarantee,
            key: culprits.first().and_then(|operation| operation.key.clone()),
            culprits,
            minimal: false,
            links,
            explanation,
        }
    }

    /// Why one vertex is not later than the next. Where no operation of a session says so, the initial content or numbers do.
    fn because<S: Specification>(
        program: &Program<'_, S>,
        ends: [Option<&Node<'_, S::Op>>; 2],
        first: Option<usize>,
        second: Option<usize>,
    ) -> String {
        let numbers = ends.map(|end| end.and_then(|node| node.operation.version));
        match (first, second) {
            (Some(first), Some(second)) => {
                let [first, second] = [first, second].map(|node| program.nodes[node].operation);
                let both = first.id == second.id;
                if both {
                    return format!("{} was one operation", label(first));
                }
                format!(
                    "process {} called {} and later {}",
                    first.process,
                    label(first),
                    label(second)
                )
            }
            _ => match (ends, numbers) {
                ([Some(_), Some(_)], [Some(before), Some(after)]) => {
                    format!("the server numbered them {before} and {after}")
                }
                _ => "the initial content comes first".to_owned(),
            },
        }
    }

    /// The writes of each key in one order that fits.
    fn order<S: Specification>(
        &self,
        program: &Program<'_, S>,
        components: &[usize],
    ) -> Certificate {
        let mut parts: Vec<Part> = program
            .keys
            .iter()
            .map(|key| Part {
                key: key.map(str::to_owned),
                order: Vec::new(),
            })
            .collect();
        let mut writes: Vec<usize> = (0..program.nodes.len())
            .filter(|number| {
                program.nodes[*number].happened && program.nodes[*number].left().is_some()
            })
            .collect();
        // Every edge leads to a lower number.
        writes.sort_by_key(|write| (std::cmp::Reverse(components[*write]), *write));
        for write in writes {
            let node = &program.nodes[write];
            parts[node.key].order.push(node.operation.id);
        }
        Certificate { parts }
    }
}
