//! Strongly connected components: where the cycles are (Tarjan, 1972), without recursion.

use super::graph::{Edge, Graph, NONE, class};
use crate::limits::{Meter, Reason};

/// The graph with some classes of edges only.
///
/// With `apart`, anti-dependencies must stand apart: each node is doubled into one that was entered by another edge and one that was entered by an
/// anti-dependency, and from the latter no anti-dependency leads on. A cycle of this graph is a closed walk of the other in
/// which no two anti-dependencies follow each other.
#[derive(Clone, Copy)]
pub(super) struct View<'g> {
    pub(super) graph: &'g Graph,
    pub(super) classes: u8,
    pub(super) apart: bool,
}

impl View<'_> {
    /// How many nodes of the view are one node of the graph.
    fn width(&self) -> u32 {
        1 + u32::from(self.apart)
    }

    pub(super) fn nodes(&self) -> u32 {
        self.graph.nodes * self.width()
    }

    /// The node of the graph.
    pub(super) fn node(&self, place: u32) -> u32 {
        place / self.width()
    }

    /// The nodes of the view that are `node`.
    pub(super) fn places(&self, node: u32) -> std::ops::Range<u32> {
        node * self.width()..(node + 1) * self.width()
    }

    /// Where `edge` leads from `place`, if the view has it.
    pub(super) fn follow(&self, place: u32, edge: &Edge) -> Option<u32> {
        if edge.label.class & !(self.classes | class::ONWARDS) != 0 {
            return None;
        }
        if !self.apart {
            return Some(edge.to);
        }
        let after_anti = place % 2;
        if edge.label.class & class::ONWARDS != 0 {
            return Some(edge.to * 2 + after_anti);
        }
        match (edge.label.class & class::RW != 0, after_anti) {
            (true, 1) => None,
            (true, _) => Some(edge.to * 2 + 1),
            (false, _) => Some(edge.to * 2),
        }
    }
}

/// The components of more than one node, which are those with a cycle.
pub(super) struct Components {
    /// The component of each place of the view; [`NONE`] where it has no cycle.
    pub(super) of: Vec<u32>,
    /// The places of each component, ascending; components by their first place.
    pub(super) members: Vec<Vec<u32>>,
}

impl Components {
    pub(super) fn are_none(&self) -> bool {
        self.members.is_empty()
    }
}

/// Where the search stands in one node: the node, its next edge, its last edge.
type Frame = (u32, u32, u32);

/// Finds the components of `view`. With `within`, only cycles inside these components are looked for; they must be those of
/// a view of the whole graph that has more edges and is not `apart`.
pub(super) fn components(
    view: View<'_>,
    within: Option<&Components>,
    meter: &mut Meter,
) -> Result<Components, Reason> {
    const UNSEEN: u32 = 0;
    let size = view.nodes() as usize;
    meter.take(size as u64 * 12)?;
    let mut of = vec![NONE; size];
    // The order of discovery from 1 on; while a place is on the stack, `low` is the earliest it is known to lead back to.
    let mut low = vec![UNSEEN; size];
    let mut done = 0_u32;
    let mut stack: Vec<u32> = Vec::new();
    let mut frames: Vec<(Frame, u32)> = Vec::new();
    let mut members: Vec<Vec<u32>> = Vec::new();
    const FINISHED: u32 = u32::MAX;

    let whole = |node: u32| within.map_or(0, |within| within.of[node as usize]);
    let mut begin = |root: u32, meter: &mut Meter| -> Result<(), Reason> {
        if low[root as usize] != UNSEEN {
            return Ok(());
        }
        let mut enter = Some(root);
        loop {
            if let Some(place) = enter.take() {
                done += 1;
                low[place as usize] = done;
                stack.push(place);
                let edges = view.graph.edges_of(view.node(place));
                meter.step(1 + u64::from(edges.end - edges.start))?;
                frames.push(((place, edges.start, edges.end), done));
            }
            let Some(((place, next, end), discovered)) = frames.last_mut() else {
                return Ok(());
            };
            let place = *place;
            let mut lowest = low[place as usize];
            while *next < *end {
                let edge = view.graph.edge(*next);
                *next += 1;
                let Some(to) = view.follow(place, edge) else {
                    continue;
                };
                if within.is_some() && whole(edge.to) != whole(view.node(place)) {
                    continue;
                }
                match low[to as usize] {
                    UNSEEN => {
                        enter = Some(to);
                        break;
                    }
                    FINISHED => {}
                    back => lowest = lowest.min(back),
                }
            }
            low[place as usize] = lowest;
            if enter.is_some() {
                continue;
            }
            let root_of_component = lowest == *discovered;
            frames.pop();
            if let Some(((parent, ..), _)) = frames.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(lowest);
            }
            if root_of_component {
                close(place, &mut stack, &mut low, &mut members);
            }
        }
    };
    match within {
        None => {
            for root in 0..view.nodes() {
                begin(root, meter)?;
            }
        }
        Some(within) => {
            for node in within.members.iter().flatten() {
                for root in view.places(*node) {
                    begin(root, meter)?;
                }
            }
        }
    }
    meter.give(size as u64 * 12);
    members.sort_unstable();
    for (number, component) in (0_u32..).zip(&members) {
        for place in component {
            of[*place as usize] = number;
        }
    }
    Ok(Components { of, members })
}

/// Takes a component off the stack.
fn close(root: u32, stack: &mut Vec<u32>, low: &mut [u32], members: &mut Vec<Vec<u32>>) {
    let mut component = Vec::new();
    while let Some(place) = stack.pop() {
        low[place as usize] = u32::MAX;
        component.push(place);
        if place == root {
            break;
        }
    }
    if component.len() > 1 {
        component.sort_unstable();
        members.push(component);
    }
}
