//! What single reads hold that they must not: garbage, duplicates, aborted elements (G1a) and intermediate ones (G1b).

use rustc_hash::FxHashSet;

use super::super::anomaly::{AnomalyEvidence, AnomalyKind};
use super::super::findings::{Findings, participant};
use super::super::records::{Fate, Records};
use super::lines::Line;
use super::{AMBIGUOUS, Elements};
use crate::limits::{Meter, Reason};

/// Goes through the reads of keys with which something is wrong, element by element. Of each kind a read is reported once.
pub(super) fn inspect_all<'a>(
    records: &mut Records<'a>,
    elements: &Elements<'a>,
    lines: &[Line],
    findings: &mut Findings,
    meter: &mut Meter,
) -> Result<(), Reason> {
    let mut seen = FxHashSet::default();
    for number in 0..records.accesses.len() as u32 {
        let access = *records.access(number);
        if !access.is_read() || !lines[access.key as usize].troubled {
            continue;
        }
        seen.clear();
        meter.step(1 + access.list().len() as u64)?;
        let (mut garbage, mut duplicate, mut aborted) = (None, None, None);
        for element in access.list() {
            match elements.writer(access.key, element) {
                None => garbage = garbage.or(Some(element)),
                Some(AMBIGUOUS) => {}
                Some(append) => {
                    let writer = records.access(append).transaction;
                    if records.fate(writer) == Fate::Aborted {
                        aborted = aborted.or(Some((element, writer)));
                    }
                    records.include(writer);
                    if !seen.insert(append) {
                        duplicate = duplicate.or(Some(element));
                    }
                }
            }
        }
        let key = records.keys.value(access.key);
        let both = [
            (AnomalyKind::GarbageRead, garbage),
            (AnomalyKind::DuplicateElements, duplicate),
        ];
        for (kind, element) in both {
            let Some(element) = element else { continue };
            findings.report(records, kind, || AnomalyEvidence::Read {
                reader: participant(records, access.transaction),
                key: key.clone(),
                value: element.clone(),
            });
        }
        if let Some((element, writer)) = aborted {
            findings.report(records, AnomalyKind::G1a, || AnomalyEvidence::ReadFrom {
                reader: participant(records, access.transaction),
                writer: participant(records, writer),
                key: key.clone(),
                value: element.clone(),
            });
        }
    }
    Ok(())
}

/// The append with which the list of `access` ends, if it can be told.
pub(super) fn last_append<'a>(
    records: &Records<'a>,
    elements: &Elements<'a>,
    lines: &[Line],
    number: u32,
) -> Option<u32> {
    let access = records.access(number);
    let line = &lines[access.key as usize];
    let list = access.list();
    let last = list.len().checked_sub(1)?;
    if list.len() <= line.agreed {
        let seen = line.seen(list.len()).checked_sub(1)?;
        let (place, append) = *line.sequence.get(seen)?;
        return (place as usize == last).then_some(append);
    }
    elements
        .writer(access.key, list.last()?)
        .filter(|append| *append != AMBIGUOUS)
}
