//! Which of the facts that a cluster can note happened in a run, and which never did.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::facts::FactKind;
use stormglass_nemesis::record::Record;

/// The facts of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Whether it is known what this cluster can note.
    pub known: bool,
    /// What happened.
    pub rows: Vec<FactRow>,
    /// What the cluster can note and never did in this run.
    pub never: Vec<FactKind>,
}

/// The facts of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactRow {
    /// The kind.
    pub kind: FactKind,
    /// How often it was noted.
    pub count: u64,
    /// By how many nodes.
    pub nodes: u64,
    /// When first, in nanoseconds.
    pub first_ns: u64,
    /// When last, in nanoseconds.
    pub last_ns: u64,
}

pub(super) fn facts(cluster: &str, record: &Record) -> Facts {
    let mut rows: BTreeMap<FactKind, (FactRow, BTreeSet<NodeId>)> = BTreeMap::new();
    for fact in &record.facts {
        let kind = fact.fact.kind();
        let (row, nodes) = rows.entry(kind).or_insert_with(|| {
            let (first_ns, last_ns) = (fact.time_ns, fact.time_ns);
            let row = FactRow {
                kind,
                count: 0,
                nodes: 0,
                first_ns,
                last_ns,
            };
            (row, BTreeSet::new())
        });
        nodes.insert(fact.node);
        row.count += 1;
        row.nodes = nodes.len() as u64;
        row.first_ns = row.first_ns.min(fact.time_ns);
        row.last_ns = row.last_ns.max(fact.time_ns);
    }
    let system = catalog::system(cluster);
    let can = system.as_ref().map_or(&[][..], |system| system.facts());
    let never = can.iter().filter(|kind| !rows.contains_key(kind));
    Facts {
        known: system.is_some(),
        never: never.copied().collect(),
        rows: rows.into_values().map(|(row, _)| row).collect(),
    }
}
