//! Directed graphs: who leads where, the shortest way, and what runs in circles.

use std::collections::VecDeque;

/// Edges by number, sorted by where they begin.
pub(super) struct Graph {
    ends: Vec<(usize, usize)>,
    starts: Vec<usize>,
    leaving: Vec<usize>,
}

impl Graph {
    /// `edges` are pairs of vertices below `vertices`.
    pub(super) fn new(vertices: usize, edges: impl Iterator<Item = (usize, usize)>) -> Self {
        let ends: Vec<(usize, usize)> = edges.collect();
        let mut starts = vec![0; vertices + 1];
        ends.iter().for_each(|(from, _)| starts[from + 1] += 1);
        for at in 0..vertices {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut leaving = vec![0; ends.len()];
        for (number, (from, _)) in ends.iter().enumerate() {
            leaving[next[*from]] = number;
            next[*from] += 1;
        }
        Self {
            ends,
            starts,
            leaving,
        }
    }

    pub(super) fn vertices(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn to(&self, edge: usize) -> usize {
        self.ends[edge].1
    }

    /// The numbers of the edges that leave `vertex`.
    pub(super) fn leaving(&self, vertex: usize) -> &[usize] {
        &self.leaving[self.starts[vertex]..self.starts[vertex + 1]]
    }

    /// The shortest way from one vertex to the nearest that is a `goal`, at least one edge long. `length` says how long an
    /// edge is: 0 or 1, or `None` if it must not be used.
    pub(super) fn path(
        &self,
        from: usize,
        goal: impl Fn(usize) -> bool,
        length: impl Fn(usize) -> Option<u8>,
    ) -> Option<Vec<usize>> {
        const FAR: u32 = u32::MAX;
        let mut came: Vec<Option<usize>> = vec![None; self.vertices()];
        let mut distance = vec![FAR; self.vertices()];
        let mut queue = VecDeque::from([(0, from)]);
        while let Some((far, vertex)) = queue.pop_front() {
            let start = vertex == from && came[vertex].is_none();
            if !start && far > distance[vertex] {
                continue;
            }
            if !start && goal(vertex) {
                return self.way_back(from, vertex, &came);
            }
            for &edge in self.leaving(vertex) {
                let to = self.to(edge);
                let Some(length) = length(edge) else { continue };
                let there = far + u32::from(length);
                if there >= distance[to] {
                    continue;
                }
                distance[to] = there;
                came[to] = Some(edge);
                match length {
                    0 => queue.push_front((there, to)),
                    _ => queue.push_back((there, to)),
                }
            }
        }
        None
    }

    fn way_back(&self, from: usize, to: usize, came: &[Option<usize>]) -> Option<Vec<usize>> {
        let mut way = Vec::new();
        let mut at = to;
        loop {
            let edge = came[at]?;
            way.push(edge);
            at = self.ends[edge].0;
            if at == from {
                way.reverse();
                return Some(way);
            }
        }
    }

    /// For each vertex the number of its strongly connected component. Numbers are in an order in which every edge leads to
    /// the same or a lower one (Tarjan 1972).
    pub(super) fn components(&self) -> Vec<usize> {
        const UNSEEN: usize = usize::MAX;
        let count = self.vertices();
        let (mut component, mut found) = (vec![UNSEEN; count], 0);
        let (mut entered, mut lowest, mut clock) = (vec![UNSEEN; count], vec![0; count], 0);
        let mut open = Vec::new();
        for root in 0..count {
            // The vertices on the way, each with the next of its edges to follow.
            let mut way = vec![(root, 0)];
            if entered[root] != UNSEEN {
                continue;
            }
            while let Some((vertex, next)) = way.last_mut() {
                let vertex = *vertex;
                if *next == 0 {
                    entered[vertex] = clock;
                    lowest[vertex] = clock;
                    clock += 1;
                    open.push(vertex);
                }
                if let Some(edge) = self.leaving(vertex).get(*next) {
                    *next += 1;
                    let to = self.to(*edge);
                    if entered[to] == UNSEEN {
                        way.push((to, 0));
                    } else if component[to] == UNSEEN {
                        lowest[vertex] = lowest[vertex].min(entered[to]);
                    }
                    continue;
                }
                way.pop();
                if let Some((parent, _)) = way.last() {
                    lowest[*parent] = lowest[*parent].min(lowest[vertex]);
                }
                if lowest[vertex] == entered[vertex] {
                    while let Some(member) = open.pop() {
                        component[member] = found;
                        if member == vertex {
                            break;
                        }
                    }
                    found += 1;
                }
            }
        }
        component
    }
}
