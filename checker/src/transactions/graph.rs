//! The graph of what must come before what.
//!
//! Nodes are transactions, by their numbers, and behind them auxiliary nodes, through which many transactions are linked to many with few
//! edges. A path from one transaction to another through auxiliary nodes is one dependency: its first edge says of which class, and the two ends
//! say why.

use super::anomaly::Known;
use crate::limits::{Meter, Reason};

/// No access: the edge does not name one.
pub(super) const NONE: u32 = u32::MAX;

/// Classes of edges, one bit each. An edge of several rests on all of them.
pub(super) mod class {
    /// The next version of a key was written.
    pub(in crate::transactions) const WW: u8 = 1;
    /// A version was read that the other wrote.
    pub(in crate::transactions) const WR: u8 = 2;
    /// An anti-dependency: a version was read that the other overwrote.
    pub(in crate::transactions) const RW: u8 = 4;
    /// One process ran one after the other.
    pub(in crate::transactions) const SESSION: u8 = 8;
    /// One returned before the other was called.
    pub(in crate::transactions) const TIME: u8 = 16;
    /// Onwards from an auxiliary node.
    pub(in crate::transactions) const ONWARDS: u8 = 32;
}

/// The reason for an edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    /// The access of the transaction where the edge begins, or [`NONE`].
    pub(super) first: u32,
    /// The access of the transaction where it ends, or [`NONE`].
    pub(super) second: u32,
    pub(super) class: u8,
    pub(super) known: Known,
}

impl Label {
    /// A label that names no accesses.
    pub(super) fn bare(class: u8) -> Self {
        Self {
            first: NONE,
            second: NONE,
            class,
            known: Known::Shown,
        }
    }
}

/// An edge to `to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: u32,
    pub(super) label: Label,
}

/// Edges in the order in which they are found.
pub(super) struct Builder<'m> {
    transactions: u32,
    nodes: u32,
    from: Vec<u32>,
    edges: Vec<Edge>,
    pub(super) meter: &'m mut Meter,
}

impl<'m> Builder<'m> {
    pub(super) fn new(transactions: usize, meter: &'m mut Meter) -> Self {
        Self {
            transactions: transactions as u32,
            nodes: transactions as u32,
            from: Vec::new(),
            edges: Vec::new(),
            meter,
        }
    }

    /// A new auxiliary node.
    pub(super) fn auxiliary(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// Adds an edge, unless it leads from a node to itself.
    pub(super) fn edge(&mut self, from: u32, to: u32, label: Label) -> Result<(), Reason> {
        if from == to {
            return Ok(());
        }
        self.meter.step(1)?;
        self.meter.room(&mut self.from)?;
        self.meter.room(&mut self.edges)?;
        self.from.push(from);
        self.edges.push(Edge { to, label });
        Ok(())
    }

    /// An edge from every source to every sink but itself, in linear size. A source is a transaction and the label of its edges, a sink is a
    /// transaction and its access. Sinks ascend by transaction, each of them once.
    ///
    /// Each sink has an auxiliary node for itself and all sinks behind it, and one for itself and all sinks before it. A source that is no sink
    /// enters at the first node of the former kind. One that is a sink enters behind itself and before itself.
    pub(super) fn all_but_self(
        &mut self,
        sources: &[(u32, Label)],
        sinks: &[(u32, u32)],
    ) -> Result<(), Reason> {
        if sinks.len() == 1 || sources.len() == 1 {
            for (source, label) in sources {
                for (sink, second) in sinks {
                    let second = *second;
                    self.edge(*source, *sink, Label { second, ..*label })?;
                }
            }
            return Ok(());
        }
        if sinks.is_empty() || sources.is_empty() {
            return Ok(());
        }
        let count = sinks.len() as u32;
        let onwards = self.nodes;
        let backwards = onwards + count;
        self.nodes += 2 * count;
        let bare = Label::bare(class::ONWARDS);
        for (place, (sink, second)) in (0..count).zip(sinks) {
            let (onto, back) = (onwards + place, backwards + place);
            let second = *second;
            self.edge(onto, *sink, Label { second, ..bare })?;
            self.edge(back, *sink, Label { second, ..bare })?;
            if place > 0 {
                self.edge(onto - 1, onto, bare)?;
                self.edge(back, back - 1, bare)?;
            }
        }
        for (source, label) in sources {
            match sinks.binary_search_by_key(source, |(sink, _)| *sink) {
                Err(_) => self.edge(*source, onwards, *label)?,
                Ok(place) => {
                    let place = place as u32;
                    if place + 1 < count {
                        self.edge(*source, onwards + place + 1, *label)?;
                    }
                    if place > 0 {
                        self.edge(*source, backwards + place - 1, *label)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many edges there are of one class.
    pub(super) fn count(&self, class: u8) -> u64 {
        self.edges
            .iter()
            .filter(|edge| edge.label.class & class != 0)
            .count() as u64
    }

    /// Sorts the edges by where they begin; those of one node keep their order.
    pub(super) fn finish(self) -> Result<Graph, Reason> {
        let size = self.edges.len() * size_of::<Edge>() + self.nodes as usize * 8;
        self.meter.take(size as u64)?;
        let mut starts = vec![0_u32; self.nodes as usize + 1];
        for from in &self.from {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..self.nodes as usize {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let nowhere = Edge {
            to: NONE,
            label: Label::bare(0),
        };
        let mut edges = vec![nowhere; self.edges.len()];
        for (from, edge) in self.from.iter().zip(&self.edges) {
            let place = &mut next[*from as usize];
            edges[*place as usize] = *edge;
            *place += 1;
        }
        let given_back = self.from.capacity() * 4 + self.edges.capacity() * size_of::<Edge>();
        self.meter.give(given_back as u64);
        Ok(Graph {
            transactions: self.transactions,
            nodes: self.nodes,
            starts,
            edges,
        })
    }
}

/// The finished graph.
pub(super) struct Graph {
    /// Nodes below this are transactions, the others auxiliary.
    pub(super) transactions: u32,
    pub(super) nodes: u32,
    starts: Vec<u32>,
    pub(super) edges: Vec<Edge>,
}

impl Graph {
    /// The memory it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.edges.len() * size_of::<Edge>() + self.starts.len() * 8) as u64
    }

    /// The numbers of the edges that begin at `node`.
    pub(super) fn edges_of(&self, node: u32) -> std::ops::Range<u32> {
        self.starts[node as usize]..self.starts[node as usize + 1]
    }

    pub(super) fn edge(&self, number: u32) -> &Edge {
        &self.edges[number as usize]
    }

    pub(super) fn is_auxiliary(&self, node: u32) -> bool {
        node >= self.transactions
    }
}
