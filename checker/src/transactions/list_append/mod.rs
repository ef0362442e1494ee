//! Lists that only grow. Every read shows its own past, so that the longest read of a key is its version order.

mod edges;
mod lines;
mod reads;
mod within;

use rustc_hash::FxHashMap;

use super::findings::Findings;
use super::graph::{Builder, NONE};
use super::records::{Function, Records};
use super::scalar::Scalar;
use crate::limits::Reason;

/// Finds what is wrong with single reads and transactions, and adds the dependencies to the graph.
pub(super) fn analyse(
    records: &mut Records<'_>,
    builder: &mut Builder<'_>,
    findings: &mut Findings,
) -> Result<(), Reason> {
    let mut elements = Elements::of(records, builder)?;
    let mut lines = lines::compare(records, findings, builder.meter)?;
    lines::resolve(records, &mut elements, &mut lines, builder.meter)?;
    reads::inspect_all(records, &elements, &lines, findings, builder.meter)?;
    within::inspect(records, &elements, &lines, findings, builder.meter)?;
    builder.meter.give(elements.bytes);
    drop(elements.writers);
    edges::add(records, &elements.place, &lines, builder)
}

/// An append that cannot be told from another: its value was appended to its key more than once. Nothing is concluded from it.
const AMBIGUOUS: u32 = u32::MAX - 1;

/// Who appended what.
struct Elements<'a> {
    /// The append of each key and element, or [`AMBIGUOUS`].
    writers: FxHashMap<(u32, Scalar<'a>), u32>,
    /// For each access that is an append: its place in the version order, [`NONE`] when it is not there, or [`AMBIGUOUS`].
    place: Vec<u32>,
    bytes: u64,
}

impl<'a> Elements<'a> {
    fn of(records: &Records<'a>, builder: &mut Builder<'_>) -> Result<Self, Reason> {
        let appends = records
            .accesses
            .iter()
            .filter(|access| access.function == Function::Append)
            .count();
        let entry = size_of::<((u32, Scalar<'a>), u32)>() as u64 + 1;
        let bytes = appends as u64 * entry * 8 / 7;
        builder
            .meter
            .take(bytes + records.accesses.len() as u64 * 4)?;
        let mut elements = Self {
            writers: FxHashMap::with_capacity_and_hasher(appends, Default::default()),
            place: vec![NONE; records.accesses.len()],
            bytes,
        };
        for (number, access) in (0_u32..).zip(&records.accesses) {
            if access.function != Function::Append {
                continue;
            }
            builder.meter.step(1)?;
            let entry = (access.key, Scalar::of(access.value));
            let writer = elements.writers.entry(entry).or_insert(number);
            if *writer != number {
                if *writer != AMBIGUOUS {
                    elements.place[*writer as usize] = AMBIGUOUS;
                }
                elements.place[number as usize] = AMBIGUOUS;
                *writer = AMBIGUOUS;
            }
        }
        Ok(elements)
    }

    /// The append of `element`, [`AMBIGUOUS`], or nothing.
    fn writer(&self, key: u32, element: &'a serde_json::Value) -> Option<u32> {
        self.writers.get(&(key, Scalar::of(element))).copied()
    }
}
