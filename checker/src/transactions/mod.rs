//! Transactions: which isolation a database kept, told from what its clients saw.
//!
//! [`check_transactions`] takes a history of transactions and finds the anomalies in it. Every anomaly rules out some levels of isolation.
//! This is the approach of Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020)
//! with the anomalies of Adya ("Weak Consistency", MIT 1999).
//!
//! ```
//! use stormglass_checker::History;
//! use stormglass_checker::transactions::{Level, TransactionOptions, check_transactions};
//!
//! // Each saw the other's key empty: write skew.
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["append","y",1]]}
//! {"process":1,"type":"invoke","f":"txn","value":[["r","y",null],["append","x",2]]}
//! {"process":0,"type":"ok","f":"txn","value":[["r","x",[]],["append","y",1]]}
//! {"process":1,"type":"ok","f":"txn","value":[["r","y",[]],["append","x",2]]}
//! "#
//!     .as_bytes(),
//! )?;
//! let judgement = check_transactions(&history, &TransactionOptions::default())?;
//! assert_eq!(judgement.anomalies[0].kind.name(), "G2-item");
//! assert_eq!(judgement.strongest, [Level::SnapshotIsolation]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The history
//! `f` is `txn` or `transaction`; the value is a list of micro-operations. Lists that only grow: `["append", key, value]` and `["r", key,
//! null]`, which returns as `["r", key, [1, 2]]`. Registers: `["w", key, value]` and `["r", key, null]`, which returns as `["r", key, 1]`,
//! or with `null` if the key was never written. Keys and values are JSON scalars. Names may begin with a colon. Every value is to be
//! written to a key only once; one that is not is ambiguous, and nothing is concluded from it.
//!
//! A transaction that returned `ok` committed. One that returned `fail` aborted. One that returned `info`, or never, committed if a
//! committed transaction saw a write of it; otherwise it adds nothing. What aborted and unknown transactions read is not looked at.
//!
//! # The anomalies
//! One transaction depends on another (an edge, "comes before") if it wrote the next version of a key (`ww`), read a version that the other
//! wrote (`wr`), or wrote the version next to one that the other read (`rw`, an anti-dependency). A cycle of such edges cannot be put in
//! order.
//!
//! | anomaly | what it is | rules out, with all that implies it |
//! | --- | --- | --- |
//! | garbage-read | a value that nobody wrote | read uncommitted |
//! | duplicate-elements | an element twice in a list, appended once | read uncommitted |
//! | G0 | cycle of `ww` | read uncommitted |
//! | G1a | an aborted write was read | read committed |
//! | G1b | a write was read that its transaction overwrote | read committed |
//! | G1c | cycle of `ww` and `wr` | read committed |
//! | future-read | a transaction read what it wrote itself only later | read committed |
//! | incompatible-order | two reads of a list, neither the beginning of the other | read committed |
//! | cyclic-versions | versions of a register in a circle; also with `-process` and `-realtime` | read committed |
//! | internal | a transaction disagrees with its own reads and writes | repeatable read, snapshot isolation |
//! | lost-update | two read one version of a key, and both wrote the key | repeatable read, snapshot isolation |
//! | G-single | cycle with one `rw` | repeatable read, snapshot isolation |
//! | G-nonadjacent | cycle with several `rw`, no two in a row | repeatable read, snapshot isolation |
//! | G2-item | cycle with two `rw` in a row | repeatable read |
//! | any cycle, `-process` | needs the order of a process | strong session serializable |
//! | any cycle, `-realtime` | needs real time: returned before called | strict serializable |
//!
//! [`AnomalyKind::forbidden_from`] is this table, [`Level::implies`] the order of the levels: strict serializable, strong session
//! serializable, serializable; below it both repeatable read and snapshot isolation; below both read committed; then read uncommitted. The
//! levels are Adya's PL-1, PL-2, PL-2.99 and PL-3, over single items since nothing here reads by predicate. Snapshot isolation allows
//! exactly the cycles in which two `rw` edges follow each other (Cerone and Gotsman, "Analysing Snapshot Isolation", JACM 2018, theorem
//! 4.1), without real time: a snapshot may be old.
//!
//! Internal is not forbidden at read committed, where two reads may see two versions. At repeatable read it is: a version `u` read before
//! `v` that another wrote gives a cycle of one `rw` and one `wr`, and Adya's histories do not let a transaction miss its own writes at all.
//!
//! # What is inferred, and why it is sound
//! *Lists.* Each append builds on the version before it, so a list shows all of its past. The longest read of a key is the version order as
//! far as it is known; all others must be beginnings of it. Elements that are aborted or ambiguous are left out, and what stood around them
//! keeps its order. If two reads disagree, only what all reads have in common is used. A committed append that no read holds came after the
//! longest read, or that would hold it; so a lost append is found. Which of two such appends was first is not known.
//!
//! *Registers.* A read shows who wrote the value (`wr`). The initial version comes before all others. If a transaction read `u` and then
//! wrote `v` to the same key, `u` comes before `v`: otherwise `v` were before `u`, and `u` was read by who wrote `v`, which is G1c. So this
//! holds from read committed on, and a cycle of writes that rests on it rules out read committed and no less. If one transaction met `u`
//! and a later one of the same process met `v`, then `u` comes before `v` in every order that keeps sessions, and the same goes for real
//! time; edges that rest on this belong to the `-process` and `-realtime` anomalies. To let them count for all levels is an assumption
//! about the database, made only on request: [`TransactionOptions::sequential_keys`] and [`TransactionOptions::linearizable_keys`].
//!
//! *Unknown transactions.* From read committed on, one whose write was read committed. At read uncommitted it may not have, so a cycle of
//! writes through it rules out read committed.
//!
//! *Sessions and real time.* A process runs one transaction after the other. What returned `ok` before another was called took effect
//! before it. An unknown transaction takes effect after its call, and nothing is known of its end.
//!
//! So an anomaly is never a false alarm, as long as the clients told the truth. The other direction does not hold: valid means that no
//! anomaly was seen. Where the order of versions is not known, there may be none that fits; deciding that is NP-hard for registers
//! (Papadimitriou, 1979). When each list is read in full at the end, the order is known, and snapshot isolation and all above are decided
//! exactly.
//!
//! # The search
//! Strongly connected components (Tarjan) of all edges; if none has two nodes, there is no cycle, and the work is linear. Otherwise each
//! kind is looked for by the components of the edges it may use, the worst first, and within a component a short cycle for the explanation.
//! For snapshot isolation the graph is doubled: a node entered by `rw` is another one than the same node entered otherwise, and no `rw`
//! leads on from there. A component in which a worse anomaly was found is passed over, since the milder one would rule out nothing more.
//!
//! Real time is a chain of moments: a transaction leads to the moment of its return, a moment to the next one, and to what was called in
//! it. Where many transactions come before many, auxiliary nodes keep the number of edges linear. No verdict rests on a search that is cut
//! short: the bounds on work inside a component can make a cycle longer than need be, or name a G-single as G-nonadjacent, which rules out
//! the same.

mod anomaly;
mod components;
mod cycles;
mod findings;
mod graph;
mod judgement;
mod level;
mod list_append;
mod lost_update;
mod options;
mod orders;
mod prose;
mod records;
mod register;
mod scalar;

pub use anomaly::{Anomaly, AnomalyEvidence, AnomalyKind, Cause, Known, Order, Participant, Step};
pub use judgement::{AnomalyCount, Inferred, TransactionJudgement, TransactionVerdict};
pub use level::Level;
pub use options::{TransactionKind, TransactionOptions};

use crate::check::CheckError;
use crate::history::History;
use crate::limits::{Meter, Reason};

use findings::Findings;
use graph::{Builder, class};
use records::{Fate, Records};

/// Finds the anomalies of a history of transactions, and judges whether it keeps the level asked for.
///
/// # Errors
/// [`CheckError::History`] when calls and returns do not fit together, [`CheckError::Specification`] when an event is no transaction of the kind
/// asked for, or a return does not repeat the micro-operations of its call.
pub fn check_transactions(
    history: &History,
    options: &TransactionOptions,
) -> Result<TransactionJudgement, CheckError> {
    let mut meter = Meter::new(options.limits);
    let mut records = Records::of(history, options.kind)?;
    let mut findings = Findings::new(options.reported_max);
    let mut inferred = Inferred::default();
    let judged = judge(
        &mut records,
        options,
        &mut meter,
        &mut findings,
        &mut inferred,
    );
    let verdict = if findings.ruled_out.contains(options.level) {
        let kinds = findings.by_kind.iter();
        let kinds = kinds.filter(|(_, ruled_out)| ruled_out.contains(options.level));
        TransactionVerdict::Invalid {
            kinds: kinds.map(|(kind, _)| *kind).collect(),
        }
    } else if let Err(reason) = judged {
        TransactionVerdict::Unknown {
            reason,
            limit: options.limits.of(reason),
        }
    } else {
        TransactionVerdict::Valid
    };
    let mut anomalies = findings.anomalies;
    anomalies.sort_by_key(|anomaly| anomaly.kind);
    let counts = findings.counts.iter();
    Ok(TransactionJudgement {
        verdict,
        level: options.level,
        kind: records.kind,
        anomalies,
        counts: counts
            .map(|(kind, found)| AnomalyCount {
                kind: *kind,
                found: *found,
            })
            .collect(),
        strongest: findings.ruled_out.strongest_left(),
        inferred,
        work: meter.work,
    })
}

fn judge(
    records: &mut Records<'_>,
    options: &TransactionOptions,
    meter: &mut Meter,
    findings: &mut Findings,
    inferred: &mut Inferred,
) -> Result<(), Reason> {
    meter.take(records.bytes())?;
    meter.step(records.accesses.len() as u64)?;
    let mut builder = Builder::new(records.transactions.len(), meter);
    match records.kind {
        TransactionKind::Register => {
            register::analyse(records, options, &mut builder, findings)?;
        }
        TransactionKind::ListAppend | TransactionKind::Auto => {
            list_append::analyse(records, &mut builder, findings)?;
        }
    }
    orders::sessions(records, &mut builder)?;
    orders::real_time(records, &mut builder)?;
    let included = (0_u32..).zip(&records.included);
    for (number, _) in included.filter(|(_, included)| **included) {
        inferred.transactions += 1;
        inferred.transactions_unknown += u64::from(records.fate(number) == Fate::Unknown);
    }
    inferred.write_write = builder.count(class::WW);
    inferred.write_read = builder.count(class::WR);
    inferred.read_write = builder.count(class::RW);
    let graph = builder.finish()?;
    let is_certain = |node: u32| findings::is_certain(records, &graph, node);
    cycles::search(&graph, meter, is_certain, &mut |kind, cycle| {
        findings.cycle(records, &graph, kind, cycle);
    })
}
