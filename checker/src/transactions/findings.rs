//! The anomalies found so far: told up to a cap, counted beyond it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::anomaly::{
    Anomaly, AnomalyEvidence, AnomalyKind, Cause, Known, Order, Participant, Step,
};
use super::cycles::Cycle;
use super::graph::{Graph, Label, NONE, class};
use super::level::{Level, RuledOut};
use super::options::TransactionKind;
use super::prose;
use super::records::{Fate, Function, Records};

/// Anomalies, and what they rule out.
pub(super) struct Findings {
    reported_max: usize,
    pub(super) counts: BTreeMap<AnomalyKind, u64>,
    pub(super) anomalies: Vec<Anomaly>,
    pub(super) ruled_out: RuledOut,
    /// For each kind the levels it rules out.
    pub(super) by_kind: BTreeMap<AnomalyKind, RuledOut>,
}

impl Findings {
    pub(super) fn new(reported_max: usize) -> Self {
        Self {
            reported_max,
            counts: BTreeMap::new(),
            anomalies: Vec::new(),
            ruled_out: RuledOut::default(),
            by_kind: BTreeMap::new(),
        }
    }

    /// One more anomaly of a kind that rules out what its kind always does.
    pub(super) fn report(
        &mut self,
        records: &Records<'_>,
        kind: AnomalyKind,
        evidence: impl FnOnce() -> AnomalyEvidence,
    ) {
        self.report_weakened(records, kind, kind.forbidden_from(), evidence);
    }

    /// One more anomaly, which rules out `weakest` and up.
    fn report_weakened(
        &mut self,
        records: &Records<'_>,
        kind: AnomalyKind,
        weakest: &[Level],
        evidence: impl FnOnce() -> AnomalyEvidence,
    ) {
        self.ruled_out.add(weakest);
        self.by_kind.entry(kind).or_default().add(weakest);
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count > self.reported_max as u64 {
            return;
        }
        let evidence = evidence();
        let explanation = prose::explain(kind, weakest, &evidence, records.kind);
        self.anomalies.push(Anomaly {
            kind,
            rules_out: weakest.to_vec(),
            evidence,
            explanation,
        });
    }

    /// One more cycle.
    ///
    /// That a transaction of unknown fate committed is known because its writes were read, which tells nothing at read uncommitted; and the
    /// order in which a register was written is only known from reads. So such a cycle of writes rules out read committed.
    pub(super) fn cycle(
        &mut self,
        records: &Records<'_>,
        graph: &Graph,
        kind: AnomalyKind,
        cycle: &Cycle,
    ) {
        let weak = kind == AnomalyKind::G0(Order::None)
            && (records.kind == TransactionKind::Register
                || cycle
                    .iter()
                    .any(|(node, _)| !is_certain(records, graph, *node)));
        let weakest = match weak {
            true => &[Level::ReadCommitted],
            false => kind.forbidden_from(),
        };
        self.report_weakened(records, kind, weakest, || AnomalyEvidence::Cycle {
            steps: steps(records, graph, cycle),
        });
    }
}

/// Whether a node stands for what happened at every level: a transaction of unknown fate may not have.
pub(super) fn is_certain(records: &Records<'_>, graph: &Graph, node: u32) -> bool {
    graph.is_auxiliary(node) || records.fate(node) != Fate::Unknown
}

/// The transaction as evidence names it.
pub(super) fn participant(records: &Records<'_>, number: u32) -> Participant {
    let transaction = &records.transactions[number as usize];
    let fate = match transaction.fate {
        Fate::Committed => "committed",
        Fate::Aborted => "aborted",
        Fate::Unknown => "unknown",
    };
    Participant {
        transaction: number as usize,
        process: transaction.process,
        call: transaction.call,
        ret: transaction.ret,
        fate: fate.to_owned(),
        operations: prose::operations(transaction.micro),
    }
}

/// The cycle as evidence: one step from transaction to transaction, whatever lies between.
fn steps(records: &Records<'_>, graph: &Graph, cycle: &Cycle) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut open: Option<(u32, Label)> = None;
    let ends = cycle.iter().skip(1).chain(cycle.first());
    for ((node, edge), (next, _)) in cycle.iter().zip(ends) {
        let label = graph.edge(*edge).label;
        let (from, mut combined) = open.take().unwrap_or((*node, label));
        if label.second != NONE {
            combined.second = label.second;
        }
        if graph.is_auxiliary(*next) {
            open = Some((from, combined));
            continue;
        }
        steps.push(Step {
            from: participant(records, from),
            to: participant(records, *next),
            cause: cause(records, from, *next, combined),
        });
    }
    steps
}

fn cause(records: &Records<'_>, from: u32, to: u32, label: Label) -> Cause {
    let known: Known = label.known;
    let value = |access: u32| match records.accesses.get(access as usize) {
        Some(access) => access.value.clone(),
        None => Value::Null,
    };
    let key = match records.accesses.get(label.first as usize) {
        Some(access) => records.keys.value(access.key).clone(),
        None => Value::Null,
    };
    // The order that a dependency rests on besides is told by `known`.
    let dependency = label.class & (class::WW | class::WR | class::RW);
    match dependency {
        class::WW => Cause::WriteWrite {
            key,
            earlier: value(label.first),
            later: value(label.second),
            known,
        },
        class::WR => Cause::WriteRead {
            key,
            value: value(label.first),
        },
        class::RW => Cause::ReadWrite {
            key,
            read: match records.accesses.get(label.first as usize) {
                Some(access)
                    if access.function == Function::Read
                        && records.kind == TransactionKind::ListAppend =>
                {
                    Value::Array(access.list().to_vec())
                }
                _ => value(label.first),
            },
            written: value(label.second),
            known,
        },
        _ if label.class == class::SESSION => Cause::Session {
            process: records.transactions[from as usize].process,
        },
        _ => Cause::RealTime {
            returned: records.transactions[from as usize].ret.unwrap_or_default(),
            called: records.transactions[to as usize].call,
        },
    }
}
