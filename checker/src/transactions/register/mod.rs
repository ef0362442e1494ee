//! Registers. A read shows one value and no past, so that the order of versions has to be gathered.

mod edges;
mod ordered;
mod reads;
mod versions;

use super::findings::Findings;
use super::graph::Builder;
use super::options::TransactionOptions;
use super::records::Records;
use crate::limits::Reason;

use versions::Versions;

/// Finds what is wrong with single reads and transactions, and adds the dependencies to the graph.
pub(super) fn analyse(
    records: &mut Records<'_>,
    options: &TransactionOptions,
    builder: &mut Builder<'_>,
    findings: &mut Findings,
) -> Result<(), Reason> {
    let versions = Versions::of(records, builder.meter)?;
    reads::inspect(records, &versions, findings, builder.meter)?;
    let mut order = edges::followed(records, &versions, options, builder.meter)?;
    let meter = &mut *builder.meter;
    let (sequential, linearizable) = (options.sequential_keys, options.linearizable_keys);
    ordered::sequential(records, &versions, sequential, &mut order, meter)?;
    ordered::linearizable(records, &versions, linearizable, &mut order, meter)?;
    edges::drop_cyclic(records, &versions, &mut order, findings, builder.meter)?;
    edges::add(records, &versions, &order, builder)
}
