//! The version order of each key.

use super::super::anomaly::{AnomalyEvidence, AnomalyKind};
use super::super::findings::{Findings, participant};
use super::super::graph::NONE;
use super::super::records::{Fate, Records};
use super::super::scalar::common_length;
use super::{AMBIGUOUS, Elements};
use crate::limits::{Meter, Reason};

/// Elements compared for one step.
pub(super) const ELEMENTS_A_STEP: usize = 8;

/// What the reads of one key say together.
#[derive(Debug)]
pub(super) struct Line {
    /// A read of the greatest length, or [`NONE`] when the key was never read.
    pub(super) longest: u32,
    /// Up to this length all reads agree.
    pub(super) agreed: usize,
    /// All reads are beginnings of the longest.
    pub(super) compatible: bool,
    /// Some read of the key holds what it must not.
    pub(super) troubled: bool,
    /// Places and appends, ascending: the agreed elements of transactions that committed. Elements that tell nothing are left out.
    pub(super) sequence: Vec<(u32, u32)>,
}

impl Line {
    /// How many of the sequence a read of this length has seen.
    pub(super) fn seen(&self, length: usize) -> usize {
        // Mostly nothing is left out.
        match length
            .checked_sub(1)
            .and_then(|last| self.sequence.get(last))
        {
            Some((place, _)) if *place as usize + 1 == length => length,
            _ => self
                .sequence
                .partition_point(|(place, _)| (*place as usize) < length),
        }
    }
}

/// Compares each read of a key with the longest so far.
pub(super) fn compare(
    records: &Records<'_>,
    findings: &mut Findings,
    meter: &mut Meter,
) -> Result<Vec<Line>, Reason> {
    meter.take((records.keys.len() * size_of::<Line>() + records.accesses.len() * 8) as u64)?;
    let mut lines: Vec<Line> = Vec::with_capacity(records.keys.len());
    lines.resize_with(records.keys.len(), || Line {
        longest: NONE,
        agreed: 0,
        compatible: true,
        troubled: false,
        sequence: Vec::new(),
    });
    for (number, access) in (0_u32..).zip(&records.accesses) {
        if !access.is_read() {
            continue;
        }
        let line = &mut lines[access.key as usize];
        let list = access.list();
        if line.longest == NONE {
            line.longest = number;
            line.agreed = list.len();
            continue;
        }
        let longest = records.access(line.longest).list();
        let common = common_length(longest, list);
        meter.step(1 + (common / ELEMENTS_A_STEP) as u64)?;
        if common < longest.len().min(list.len()) {
            line.compatible = false;
            line.troubled = true;
            line.agreed = line.agreed.min(common);
            let (one, other) = (records.access(line.longest), access);
            findings.report(records, AnomalyKind::IncompatibleOrder, || {
                AnomalyEvidence::Orders {
                    key: records.keys.value(access.key).clone(),
                    one: participant(records, one.transaction),
                    one_list: one.value.clone(),
                    other: participant(records, other.transaction),
                    other_list: other.value.clone(),
                    differ_at: common,
                }
            });
        }
        if list.len() > longest.len() {
            line.longest = number;
            if line.compatible {
                line.agreed = list.len();
            }
        }
    }
    Ok(lines)
}

/// Finds who appended the elements of each version order. A transaction of unknown fate whose append is there committed.
pub(super) fn resolve<'a>(
    records: &mut Records<'a>,
    elements: &mut Elements<'a>,
    lines: &mut [Line],
    meter: &mut Meter,
) -> Result<(), Reason> {
    for (key, line) in (0_u32..).zip(lines) {
        if line.longest == NONE {
            continue;
        }
        let longest = records.access(line.longest).list();
        let agreed = longest.get(..line.agreed).unwrap_or(longest);
        line.sequence.reserve_exact(agreed.len());
        meter.step(1 + agreed.len() as u64)?;
        for (place, element) in (0_u32..).zip(agreed) {
            let Some(append) = elements.writer(key, element) else {
                line.troubled = true;
                continue;
            };
            if append == AMBIGUOUS {
                continue;
            }
            let transaction = records.access(append).transaction;
            let known = &mut elements.place[append as usize];
            if records.fate(transaction) == Fate::Aborted || *known != NONE {
                line.troubled = true;
                continue;
            }
            *known = place;
            records.include(transaction);
            line.sequence.push((place, append));
        }
    }
    Ok(())
}
