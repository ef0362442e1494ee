//! Decides whether an order exists, and if not, which few operations collide.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::{Limits, Meter, Reason};
use crate::operation::{Operation, Outcome};
use crate::specification::{Specification, SpecificationError};

use super::constraints::{Constraints, Edge, Rule, Saturated, Why};
use super::orders::{self, Found};
use super::program::{Program, Source};
use super::violation::{Link, label};

/// The steps that shortening a collision may always take.
const STEPS_GRANTED: u64 = 20_000_000;

/// What became of the question.
pub(super) enum Decision {
    /// Ids of operations in one legal order.
    Legal(Vec<usize>),
    /// There is no order.
    Illegal(Collision),
    Stopped(Reason),
}

/// Operations that have no order even if every other one may happen at any time or never.
#[derive(Default)]
pub(super) struct Collision {
    /// Their ids, ascending.
    pub(super) culprits: Vec<usize>,
    /// True when freeing any one of them gives an order.
    pub(super) minimal: bool,
    /// What comes before what and why, ending in a contradiction. Empty when no order was found by trying all.
    pub(super) links: Vec<Link>,
    /// How many of `links`, at the end, form the circle.
    pub(super) circle: usize,
}

/// Decides whether `operations` have a legal order under `rule`.
pub(super) fn decide<S: Specification>(
    specification: &S,
    operations: &[Operation],
    rule: Rule,
    meter: &mut Meter,
) -> Result<Decision, (usize, SpecificationError)> {
    let program = Program::new(specification, operations)
        .map_err(|(operation, error)| (operation.id, error))?;
    let collision = match first_look(&program, rule, meter) {
        Look::Legal(order) => return Ok(Decision::Legal(order)),
        Look::Stopped(reason) => return Ok(Decision::Stopped(reason)),
        Look::Illegal(collision) => collision,
    };
    // Shortening has steps of its own.
    let mut bounded = meter.also(Limits {
        steps: STEPS_GRANTED.max(meter.work.steps.saturating_mul(4)),
        ..*meter.limits()
    });
    Ok(Decision::Illegal(shrink(
        specification,
        operations,
        rule,
        collision,
        &mut bounded,
    )))
}

enum Look {
    Legal(Vec<usize>),
    Illegal(Collision),
    Stopped(Reason),
}

/// One decision, not yet shortened.
fn first_look<S: Specification>(program: &Program<'_, S>, rule: Rule, meter: &mut Meter) -> Look {
    let id = |node: usize| program.nodes[node].operation.id;
    let unwritten = program
        .nodes
        .iter()
        .find(|node| node.known() && node.source == Source::Nobody);
    if let Some(node) = unwritten {
        let culprits = vec![node.operation.id];
        return Look::Illegal(Collision {
            culprits,
            minimal: true,
            ..Collision::default()
        });
    }
    let constraints = match Constraints::saturate(program, rule, meter) {
        Err(reason) => return Look::Stopped(reason),
        Ok(Saturated::Circle(constraints, circle)) => {
            // An explanation that costs too much is left out, and the verdict stands.
            let told = unfold(program, &constraints, &circle, meter);
            return Look::Illegal(told.unwrap_or_else(|_| everybody(program)));
        }
        Ok(Saturated::Consistent(constraints)) => constraints,
    };
    match orders::search(program, &constraints, rule, meter) {
        Found::Legal(order) => Look::Legal(order.into_iter().map(id).collect()),
        Found::Stopped(reason) => Look::Stopped(reason),
        Found::Illegal => Look::Illegal(everybody(program)),
    }
}

/// All that is known to collide: everything.
fn everybody<S: Specification>(program: &Program<'_, S>) -> Collision {
    Collision {
        culprits: program.nodes.iter().map(|node| node.operation.id).collect(),
        ..Collision::default()
    }
}

/// All that the edges of a circle rest on.
fn unfold<S: Specification>(
    program: &Program<'_, S>,
    constraints: &Constraints,
    circle: &[Edge],
    meter: &mut Meter,
) -> Result<Collision, Reason> {
    let graph = constraints.graph();
    let mut told: BTreeMap<(u32, usize, usize), Why> = BTreeMap::new();
    let mut culprits = BTreeSet::new();
    let circle = joined(program.nodes.len(), circle);
    let mut open: Vec<Edge> = circle.clone();
    while let Some(edge) = open.pop() {
        if told
            .insert((edge.round, edge.from, edge.to), edge.why)
            .is_some()
        {
            continue;
        }
        culprits.extend([edge.from, edge.to]);
        let (from, to) = match edge.why {
            Why::BeforeSource(reader) => (edge.from, reader),
            Why::AfterSource(source) => (source, edge.to),
            _ => continue,
        };
        culprits.extend([from, to]);
        meter.step(graph.vertices() as u64)?;
        let earlier = |number: usize| (constraints.edges[number].round < edge.round).then_some(1);
        let way = graph
            .path(from, |vertex| vertex == to, earlier)
            .unwrap_or_default();
        let way: Vec<Edge> = way
            .into_iter()
            .map(|number| constraints.edges[number])
            .collect();
        open.extend(joined(program.nodes.len(), &way));
    }
    program.add_who_show(&mut culprits);
    let link = |from: usize, to: usize, why: &Why| Link {
        before: program.nodes[from].operation.id,
        after: program.nodes[to].operation.id,
        because: because(program, from, to, *why),
    };
    let on_circle = |from, to| circle.iter().any(|edge| (edge.from, edge.to) == (from, to));
    let mut links: Vec<Link> = told
        .iter()
        .filter(|((_, from, to), _)| !on_circle(*from, *to))
        .map(|((_, from, to), why)| link(*from, *to, why))
        .collect();
    links.extend(
        circle
            .iter()
            .map(|edge| link(edge.from, edge.to, &edge.why)),
    );
    let ids: BTreeSet<usize> = culprits
        .into_iter()
        .map(|node| program.nodes[node].operation.id)
        .collect();
    Ok(Collision {
        culprits: ids.into_iter().collect(),
        minimal: false,
        links,
        circle: circle.len(),
    })
}

/// Steps of program order, or of real time, that follow each other become one. Moments of real time vanish so.
fn joined(nodes: usize, way: &[Edge]) -> Vec<Edge> {
    let mut way = way.to_vec();
    // A circle may begin at a moment.
    if let Some(at) = way
        .iter()
        .position(|edge| edge.from < nodes && edge.why != Why::RealTime)
    {
        if way.first().map(|edge| edge.from) == way.last().map(|edge| edge.to) {
            way.rotate_left(at);
        }
    } else if let Some(at) = way.iter().position(|edge| edge.from < nodes)
        && way.first().map(|edge| edge.from) == way.last().map(|edge| edge.to)
    {
        way.rotate_left(at);
    }
    let mut joined: Vec<Edge> = Vec::new();
    for edge in way {
        match joined.last_mut() {
            Some(last)
                if last.why == edge.why
                    && (edge.why == Why::Program || edge.why == Why::RealTime) =>
            {
                last.to = edge.to;
            }
            _ => joined.push(edge),
        }
    }
    joined
}

fn because<S: Specification>(program: &Program<'_, S>, from: usize, to: usize, why: Why) -> String {
    let name = |node: usize| label(program.nodes[node].operation);
    let process = program.nodes[from].operation.process;
    match why {
        Why::Program => format!("process {process} called them in this order"),
        Why::RealTime => format!(
            "it returned at event {} and the other, a mutation, was called only at event {}",
            program.nodes[from].operation.deadline().unwrap_or_default(),
            program.nodes[to].operation.call,
        ),
        Why::Source => "the second saw what the first wrote".to_owned(),
        Why::Initial => "the first saw what was there before any write".to_owned(),
        Why::BeforeSource(reader) => format!(
            "{} saw what {} wrote, which {} would have hidden",
            name(reader),
            name(to),
            name(from)
        ),
        Why::AfterSource(source) => format!(
            "{} saw what {} wrote, which {} hides",
            name(from),
            name(source),
            name(to)
        ),
    }
}

/// Sets free whatever may be free while there is still no order: halves first, down to single ones.
fn shrink<S: Specification>(
    specification: &S,
    operations: &[Operation],
    rule: Rule,
    collision: Collision,
    meter: &mut Meter,
) -> Collision {
    let mut best = collision;
    (best.links, best.circle) = (Vec::new(), 0);
    if best.minimal {
        return best;
    }
    let whole = attempt(specification, operations, rule, &best.culprits, meter);
    if !matches!(whole, Some(Look::Illegal(_))) {
        best.culprits = operations.iter().map(|operation| operation.id).collect();
    }
    let mut size = best.culprits.len().div_ceil(2).max(1);
    loop {
        let mut complete = true;
        let mut at = 0;
        while at < best.culprits.len() {
            let until = (at + size).min(best.culprits.len());
            let kept: Vec<usize> = [&best.culprits[..at], &best.culprits[until..]].concat();
            if meter.step(operations.len() as u64).is_err() {
                best.minimal = false;
                return best;
            }
            match attempt(specification, operations, rule, &kept, meter) {
                // An unwritten read is a collision by itself.
                Some(Look::Illegal(smaller)) if smaller.minimal => return smaller,
                Some(Look::Illegal(_)) => best.culprits = kept,
                Some(Look::Legal(_)) => at = until,
                Some(Look::Stopped(_)) | None => {
                    complete = false;
                    at = until;
                }
            }
        }
        if size == 1 {
            best.minimal = complete;
            break;
        }
        size = size.div_ceil(2);
    }
    // The links are those of exactly these operations.
    if let Some(Look::Illegal(last)) =
        attempt(specification, operations, rule, &best.culprits, meter)
    {
        (best.links, best.circle) = (last.links, last.circle);
    }
    best
}

/// Decides anew, with all operations free but `kept`.
fn attempt<S: Specification>(
    specification: &S,
    operations: &[Operation],
    rule: Rule,
    kept: &[usize],
    meter: &mut Meter,
) -> Option<Look> {
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    for id in kept {
        let next = numbers.len() as u64;
        numbers.entry(operations.get(*id)?.process).or_insert(next);
    }
    let mut trial = Vec::new();
    for operation in operations {
        let free = kept.binary_search(&operation.id).is_err();
        if free && operation.outcome == Outcome::Mismatch {
            continue;
        }
        let mut operation = operation.clone();
        if free {
            // Every free one is a process of its own.
            operation.process = (numbers.len() + operation.id) as u64;
            operation.outcome = Outcome::Unknown;
            (operation.ret, operation.call) = (None, 0);
        } else {
            operation.process = *numbers.get(&operation.process)?;
        }
        trial.push(operation);
    }
    let program = Program::new(specification, &trial).ok()?;
    let mut inner = meter.also(Limits {
        steps: meter.steps_left(),
        ..*meter.limits()
    });
    let look = first_look(&program, rule, &mut inner);
    let _ = meter.step(inner.work.steps);
    Some(look)
}
