//! The search for cycles, from the worst to the mildest.

use std::collections::VecDeque;

use super::anomaly::{AnomalyKind, Order};
use super::components::{Components, View, components};
use super::graph::{Graph, NONE, class};
use crate::limits::{Meter, Reason};

/// The dependencies that carry information or order writes.
const DEPENDENCIES: u8 = class::WW | class::WR;

/// The steps that may be spent to make the cycle of one component short, or to find one with a single anti-dependency.
const STEPS_A_COMPONENT: u64 = 2_000_000;

/// From how many transactions of a component the shortest cycle is looked for.
const BEGINNINGS_MAX: usize = 64;

/// A cycle: nodes with the edge that leads onwards, the last one back to the first. Begins at a transaction.
pub(super) type Cycle = Vec<(u32, u32)>;

/// One kind of search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    Writes,
    Information,
    Apart,
    Any,
}

/// Finds one cycle in each component of each kind, and hands it to `found`. `is_certain`: whether a node is known to have happened whatever
/// the level. Where the cycle of writes of a component rests on one that is not, a cycle of the others is looked for besides.
///
/// A component that contains one in which a worse kind was found is passed over: all that its cycles would rule out is ruled out
/// already. So the cycle of a component has what makes it of its kind: had it less, the worse search had found it.
pub(super) fn search(
    graph: &Graph,
    meter: &mut Meter,
    is_certain: impl Fn(u32) -> bool,
    found: &mut dyn FnMut(AnomalyKind, &Cycle),
) -> Result<(), Reason> {
    let everything = View {
        graph,
        classes: DEPENDENCIES | class::RW | class::SESSION | class::TIME,
        apart: false,
    };
    let whole = components(everything, None, meter)?;
    if whole.are_none() {
        return Ok(());
    }
    // Which searches found a cycle through a node, one bit each.
    meter.take(u64::from(graph.nodes) * 2)?;
    let mut inside = vec![0_u16; graph.nodes as usize];
    let mut scratch = Scratch::new(everything, meter)?;
    for (order_number, (order, order_class)) in [
        (Order::None, 0),
        (Order::Session, class::SESSION),
        (Order::RealTime, class::SESSION | class::TIME),
    ]
    .into_iter()
    .enumerate()
    {
        for pass in [Pass::Writes, Pass::Information, Pass::Apart, Pass::Any] {
            let classes = order_class
                | match pass {
                    Pass::Writes => class::WW,
                    Pass::Information => DEPENDENCIES,
                    Pass::Apart | Pass::Any => DEPENDENCIES | class::RW,
                };
            let view = View {
                graph,
                classes,
                apart: pass == Pass::Apart,
            };
            let bit = |order: usize, pass: Pass| 1_u16 << (order * 4 + pass as usize);
            let mut worse = 0;
            for earlier in 0..=order_number {
                for other in [Pass::Writes, Pass::Information, Pass::Apart, Pass::Any] {
                    if other <= pass {
                        worse |= bit(earlier, other);
                    }
                }
            }
            let mine = bit(order_number, pass);
            worse &= !mine;
            let parts = components(view, Some(&whole), meter)?;
            for (number, members) in (0_u32..).zip(&parts.members) {
                let mut known = false;
                for place in members {
                    let node = &mut inside[view.node(*place) as usize];
                    known |= *node & worse != 0;
                    *node |= mine;
                }
                if known {
                    continue;
                }
                let part = Part {
                    view,
                    components: &parts,
                    number,
                };
                let single = match pass {
                    Pass::Apart => part.single(classes & !class::RW, &mut scratch, meter)?,
                    _ => None,
                };
                let kind = match (pass, &single) {
                    (Pass::Writes, _) => AnomalyKind::G0(order),
                    (Pass::Information, _) => AnomalyKind::G1c(order),
                    (Pass::Apart, Some(_)) => AnomalyKind::GSingle(order),
                    (Pass::Apart, None) => AnomalyKind::GNonadjacent(order),
                    (Pass::Any, _) => AnomalyKind::G2Item(order),
                };
                let cycle = match single {
                    Some(cycle) => Some(cycle),
                    None => part.shortest(&mut scratch, meter)?,
                };
                let Some(cycle) = cycle else { continue };
                found(kind, &cycle);
                let unsure = |(node, _): &(u32, u32)| !is_certain(*node);
                if kind == AnomalyKind::G0(Order::None) && cycle.iter().any(unsure) {
                    for cycle in part.certain(&is_certain, &mut scratch, meter)? {
                        found(kind, &cycle);
                    }
                }
            }
        }
    }
    Ok(())
}

/// One cycle in each component of the graph with these classes of edges only.
pub(super) fn shortest_cycles(
    graph: &Graph,
    classes: u8,
    meter: &mut Meter,
) -> Result<Vec<Cycle>, Reason> {
    let view = View {
        graph,
        classes,
        apart: false,
    };
    let parts = components(view, None, meter)?;
    if parts.are_none() {
        return Ok(Vec::new());
    }
    shortest_of_each(view, &parts, &mut Scratch::new(view, meter)?, meter)
}

fn shortest_of_each(
    view: View<'_>,
    parts: &Components,
    scratch: &mut Scratch,
    meter: &mut Meter,
) -> Result<Vec<Cycle>, Reason> {
    let mut cycles = Vec::new();
    for number in 0..parts.members.len() as u32 {
        let part = Part {
            view,
            components: parts,
            number,
        };
        cycles.extend(part.shortest(scratch, meter)?);
    }
    Ok(cycles)
}

/// One component of a view.
struct Part<'v> {
    view: View<'v>,
    components: &'v Components,
    number: u32,
}

impl Part<'_> {
    fn members(&self) -> &[u32] {
        &self.components.members[self.number as usize]
    }

    fn holds(&self, place: u32) -> bool {
        self.components.of[place as usize] == self.number
    }

    /// A cycle with the fewest transactions, of those through the first ones of the component.
    fn shortest(&self, scratch: &mut Scratch, meter: &mut Meter) -> Result<Option<Cycle>, Reason> {
        let graph = self.view.graph;
        let begun = meter.work.steps;
        let beginnings = self
            .members()
            .iter()
            .filter(|place| !graph.is_auxiliary(self.view.node(**place)))
            .take(BEGINNINGS_MAX);
        let mut best: Option<(u32, Cycle)> = None;
        for place in beginnings {
            let bound = best.as_ref().map_or(NONE, |(length, _)| *length);
            let allowed = |place: u32| self.holds(place);
            let path = scratch.path(self.view, *place, *place, bound, allowed, meter)?;
            best = path.or(best);
            let spent = meter.work.steps - begun > STEPS_A_COMPONENT;
            if spent && best.is_some() || best.as_ref().is_some_and(|(length, _)| *length <= 2) {
                break;
            }
        }
        Ok(best.map(|(_, cycle)| cycle))
    }

    /// Cycles through none but certain nodes.
    fn certain(
        &self,
        is_certain: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        meter: &mut Meter,
    ) -> Result<Vec<Cycle>, Reason> {
        let members = self.members().iter().copied();
        let members: Vec<u32> = members.filter(|node| is_certain(*node)).collect();
        let mut of = vec![NONE; self.components.of.len()];
        members.iter().for_each(|node| of[*node as usize] = 0);
        let within = Components {
            of,
            members: vec![members],
        };
        let parts = components(self.view, Some(&within), meter)?;
        shortest_of_each(self.view, &parts, scratch, meter)
    }

    /// A cycle with one anti-dependency: from where one leads, a way back over other edges only.
    fn single(
        &self,
        classes: u8,
        scratch: &mut Scratch,
        meter: &mut Meter,
    ) -> Result<Option<Cycle>, Reason> {
        let graph = self.view.graph;
        let back = View {
            graph,
            classes,
            apart: false,
        };
        let allowed = |node: u32| self.view.places(node).any(|place| self.holds(place));
        let begun = meter.work.steps;
        let mut best: Option<(u32, Cycle)> = None;
        for place in self.members() {
            if place % 2 == 1 {
                continue;
            }
            let from = self.view.node(*place);
            for number in graph.edges_of(from) {
                let edge = graph.edge(number);
                let anti = edge.label.class & class::RW != 0
                    && self
                        .view
                        .follow(*place, edge)
                        .is_some_and(|to| self.holds(to));
                if !anti {
                    continue;
                }
                let bound = best.as_ref().map_or(NONE, |(length, _)| *length);
                if let Some((length, path)) =
                    scratch.path(back, edge.to, from, bound, allowed, meter)?
                {
                    let mut cycle = vec![(from, number)];
                    cycle.extend(path);
                    best = Some((length, cycle));
                    // One edge there and one back.
                    if length <= 1 {
                        return Ok(best.map(|(_, cycle)| cycle));
                    }
                }
                if meter.work.steps - begun > STEPS_A_COMPONENT {
                    return Ok(best.map(|(_, cycle)| cycle));
                }
            }
        }
        Ok(best.map(|(_, cycle)| cycle))
    }
}

/// What a search for a path needs, kept from one to the next.
struct Scratch {
    /// The search in which the place was last reached.
    reached_in: Vec<u32>,
    distance: Vec<u32>,
    /// The place before, and the edge from there.
    via: Vec<(u32, u32)>,
    queue: VecDeque<(u32, u32)>,
    searches: u32,
}

impl Scratch {
    fn new(widest: View<'_>, meter: &mut Meter) -> Result<Self, Reason> {
        let size = widest.nodes() as usize * 2;
        meter.take(size as u64 * 16)?;
        Ok(Self {
            reached_in: vec![0; size],
            distance: vec![0; size],
            via: vec![(NONE, NONE); size],
            queue: VecDeque::new(),
            searches: 0,
        })
    }

    /// The shortest way from `from` to `to` over at least one edge and over `allowed` places, if it is shorter than `bound`. An
    /// edge that leaves a transaction has length one, an edge that leaves an auxiliary node none. Gives the length and the nodes with the
    /// edges that leave them.
    fn path(
        &mut self,
        view: View<'_>,
        from: u32,
        to: u32,
        bound: u32,
        allowed: impl Fn(u32) -> bool,
        meter: &mut Meter,
    ) -> Result<Option<(u32, Cycle)>, Reason> {
        self.searches += 1;
        self.queue.clear();
        self.queue.push_back((from, 0));
        self.reached_in[from as usize] = self.searches;
        self.distance[from as usize] = 0;
        let mut best: Option<(u32, u32, u32)> = None;
        let mut shortest = bound;
        while let Some((place, distance)) = self.queue.pop_front() {
            if distance >= shortest {
                break;
            }
            if distance > self.distance[place as usize] {
                continue;
            }
            let node = view.node(place);
            let length = u32::from(!view.graph.is_auxiliary(node));
            let edges = view.graph.edges_of(node);
            meter.step(1 + u64::from(edges.end - edges.start))?;
            for number in edges {
                let Some(next) = view.follow(place, view.graph.edge(number)) else {
                    continue;
                };
                let farther = distance + length;
                if next == to {
                    if farther < shortest {
                        shortest = farther;
                        best = Some((farther, place, number));
                    }
                    continue;
                }
                let known = self.reached_in[next as usize] == self.searches
                    && self.distance[next as usize] <= farther;
                if known || !allowed(next) {
                    continue;
                }
                self.reached_in[next as usize] = self.searches;
                self.distance[next as usize] = farther;
                self.via[next as usize] = (place, number);
                match length {
                    0 => self.queue.push_front((next, farther)),
                    _ => self.queue.push_back((next, farther)),
                }
            }
        }
        let Some((length, mut place, number)) = best else {
            return Ok(None);
        };
        let mut path = vec![(view.node(place), number)];
        while place != from {
            let (before, number) = self.via[place as usize];
            path.push((view.node(before), number));
            place = before;
        }
        path.reverse();
        Ok(Some((length, path)))
    }
}
