//! What a transaction must agree with: its own reads and appends (internal), the last append of others (G1b), and those who read the same
//! (lost update).

use serde_json::Value;

use super::super::anomaly::{AnomalyEvidence, AnomalyKind};
use super::super::findings::Findings;
use super::super::findings::participant;
use super::super::graph::NONE;
use super::super::lost_update::{self, Candidate};
use super::super::records::{Fate, Records};
use super::super::scalar::{same, same_list};
use super::lines::{ELEMENTS_A_STEP, Line};
use super::reads::last_append;
use super::{AMBIGUOUS, Elements};
use crate::limits::{Meter, Reason};

/// What the current transaction knows of a key.
#[derive(Debug, Clone)]
struct Knowledge {
    transaction: u32,
    /// Its last read of the key, or [`NONE`].
    read: u32,
    /// How much of the line it has seen, in any of its reads.
    seen: usize,
    /// Its appends since then.
    own: Vec<u32>,
    /// Its last append, or [`NONE`].
    last_append: u32,
}

/// Goes through each transaction in its order.
pub(super) fn inspect<'a>(
    records: &Records<'a>,
    elements: &Elements<'a>,
    lines: &[Line],
    findings: &mut Findings,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let nothing = Knowledge {
        transaction: NONE,
        read: NONE,
        seen: 0,
        own: Vec::new(),
        last_append: NONE,
    };
    meter.take((lines.len() * size_of::<Knowledge>() + records.accesses.len()) as u64)?;
    let mut knowledge = vec![nothing; lines.len()];
    let mut appended_again = vec![false; records.accesses.len()];
    let mut candidates = Vec::new();
    for (number, access) in (0_u32..).zip(&records.accesses) {
        let known = &mut knowledge[access.key as usize];
        let line = &lines[access.key as usize];
        meter.step(1)?;
        if known.transaction != access.transaction {
            known.transaction = access.transaction;
            (known.read, known.seen) = (NONE, 0);
            known.own.clear();
            known.last_append = NONE;
        }
        if access.is_read() {
            let list = access.list();
            meter.step((known.own.len() + list.len() / ELEMENTS_A_STEP) as u64)?;
            if !agrees(records, known, list) {
                report_internal(records, findings, known, number);
            }
            known.read = number;
            if list.len() <= line.agreed {
                known.seen = known.seen.max(list.len());
            }
            known.own.clear();
            continue;
        }
        if known.read != NONE {
            let read = records.access(known.read).list();
            // Its own append, before it made it.
            let place = elements.place[number as usize];
            let agreed = read.len() <= line.agreed;
            if place < AMBIGUOUS && (place as usize) < known.seen {
                findings.report(records, AnomalyKind::FutureRead, || AnomalyEvidence::Read {
                    reader: participant(records, access.transaction),
                    key: records.keys.value(access.key).clone(),
                    value: access.value.clone(),
                });
            }
            if known.last_append == NONE && agreed {
                candidates.push(Candidate {
                    key: access.key,
                    version: read.len() as u32,
                    transaction: access.transaction,
                    read: known.read,
                });
            }
        }
        if let Some(again) = appended_again.get_mut(known.last_append as usize) {
            *again = true;
            let (earlier, later) = (known.last_append, number);
            let places = [earlier, later].map(|append| elements.place[append as usize]);
            // Its own appends, the later one first.
            if places[0] < AMBIGUOUS && places[1] < places[0] {
                let longest = records.access(line.longest);
                findings.report(records, AnomalyKind::Internal, || {
                    let own = [earlier, later].map(|append| records.access(append).value.clone());
                    AnomalyEvidence::Internal {
                        transaction: participant(records, access.transaction),
                        key: records.keys.value(access.key).clone(),
                        expected: Value::from(own.to_vec()),
                        found: Value::Array(longest.list().to_vec()),
                    }
                });
            }
        }
        known.last_append = number;
        known.own.push(number);
    }
    lost_update::report(records, candidates, findings);
    for (number, access) in (0_u32..).zip(&records.accesses) {
        if !access.is_read() {
            continue;
        }
        meter.step(1)?;
        let Some(append) = last_append(records, elements, lines, number) else {
            continue;
        };
        let writer = records.access(append).transaction;
        let intermediate = appended_again[append as usize]
            && writer != access.transaction
            && records.fate(writer) != Fate::Aborted;
        if intermediate {
            findings.report(records, AnomalyKind::G1b, || AnomalyEvidence::ReadFrom {
                reader: participant(records, access.transaction),
                writer: participant(records, writer),
                key: records.keys.value(access.key).clone(),
                value: records.access(append).value.clone(),
            });
        }
    }
    Ok(())
}

/// True when `list` is what was read last with what was appended since, or, when nothing was read, ends with what was appended.
fn agrees(records: &Records<'_>, known: &Knowledge, list: &[Value]) -> bool {
    let Some(middle) = list.len().checked_sub(known.own.len()) else {
        return false;
    };
    let (begin, end) = list.split_at(middle);
    let own = known.own.iter().map(|append| records.access(*append).value);
    (known.read == NONE || same_list(begin, records.access(known.read).list()))
        && own.zip(end).all(|(own, found)| same(own, found))
}

fn report_internal(records: &Records<'_>, findings: &mut Findings, known: &Knowledge, number: u32) {
    let access = records.access(number);
    findings.report(records, AnomalyKind::Internal, || {
        let mut expected = match known.read {
            NONE => vec![Value::from("..")],
            read => records.access(read).list().to_vec(),
        };
        let own = known.own.iter().map(|append| records.access(*append).value);
        expected.extend(own.cloned());
        AnomalyEvidence::Internal {
            transaction: participant(records, access.transaction),
            key: records.keys.value(access.key).clone(),
            expected: Value::Array(expected),
            found: access.value.clone(),
        }
    });
}
