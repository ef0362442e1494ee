//! What single reads and transactions show: garbage, aborted (G1a) and intermediate (G1b) values, disagreement with themselves (internal), and lost
//! updates.

use super::super::anomaly::{AnomalyEvidence, AnomalyKind};
use super::super::findings::{Findings, participant};
use super::super::graph::NONE;
use super::super::lost_update::{self, Candidate};
use super::super::records::{Fate, Records};
use super::versions::{Source, Versions};
use crate::limits::{Meter, Reason};

/// Goes through all transactions. Those of unknown fate whose writes were read are taken as committed from here on.
pub(super) fn inspect(
    records: &mut Records<'_>,
    versions: &Versions,
    findings: &mut Findings,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let mut written_again = vec![false; records.accesses.len()];
    within(records, versions, findings, &mut written_again, meter)?;
    for number in 0..records.accesses.len() as u32 {
        let access = *records.access(number);
        if !access.is_read() {
            continue;
        }
        meter.step(1)?;
        let key = records.keys.value(access.key);
        let Some(source) = versions.source(versions.of[number as usize]) else {
            findings.report(records, AnomalyKind::GarbageRead, || {
                AnomalyEvidence::Read {
                    reader: participant(records, access.transaction),
                    key: key.clone(),
                    value: access.value.clone(),
                }
            });
            continue;
        };
        let Source::Written(write) = source else {
            continue;
        };
        let writer = records.access(write).transaction;
        if writer == access.transaction {
            // A value that the transaction itself wrote only later.
            if write > number {
                findings.report(records, AnomalyKind::FutureRead, || AnomalyEvidence::Read {
                    reader: participant(records, writer),
                    key: key.clone(),
                    value: access.value.clone(),
                });
            }
            continue;
        }
        records.include(writer);
        let kind = match records.fate(writer) {
            Fate::Aborted => AnomalyKind::G1a,
            _ if written_again[write as usize] => AnomalyKind::G1b,
            _ => continue,
        };
        findings.report(records, kind, || AnomalyEvidence::ReadFrom {
            reader: participant(records, access.transaction),
            writer: participant(records, writer),
            key: key.clone(),
            value: access.value.clone(),
        });
    }
    let candidates = versions
        .uses
        .iter()
        .filter(|used| used.read != NONE && used.write_access != NONE)
        .map(|used| Candidate {
            key: used.key,
            version: used.read,
            transaction: used.transaction,
            read: used.read_access,
        });
    lost_update::report(records, candidates.collect(), findings);
    Ok(())
}

/// Holds each transaction against itself. Fills in which writes were followed by another of the same transaction to the same key.
fn within(
    records: &Records<'_>,
    versions: &Versions,
    findings: &mut Findings,
    written_again: &mut [bool],
    meter: &mut Meter,
) -> Result<(), Reason> {
    // For each key: who used it last, by which access, and by which write.
    let mut last = vec![(NONE, NONE, NONE); records.keys.len()];
    for (number, access) in (0_u32..).zip(&records.accesses) {
        meter.step(1)?;
        let (transaction, used, written) = &mut last[access.key as usize];
        if *transaction != access.transaction {
            (*transaction, *used, *written) = (access.transaction, NONE, NONE);
        }
        let version = versions.of[number as usize];
        let before = versions.of.get(*used as usize).copied();
        if access.is_read() {
            if let Some(before) = before
                && (before != version || before == NONE)
            {
                let known = records.access(*used);
                // Two different values that nobody wrote have no version to compare.
                if !super::super::scalar::same(known.value, access.value) {
                    report_internal(records, findings, *used, number);
                }
            }
        } else {
            if let Some(again) = written_again.get_mut(*written as usize) {
                *again = true;
            }
            *written = number;
        }
        *used = number;
    }
    Ok(())
}

/// `known`: the access that says what had to be found.
fn report_internal(records: &Records<'_>, findings: &mut Findings, known: u32, number: u32) {
    let access = records.access(number);
    findings.report(records, AnomalyKind::Internal, || {
        AnomalyEvidence::Internal {
            transaction: participant(records, access.transaction),
            key: records.keys.value(access.key).clone(),
            expected: records.access(known).value.clone(),
            found: access.value.clone(),
        }
    });
}
