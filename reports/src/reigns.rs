//! Who led when, and who was down when.

use crate::bands::Band;
use std::collections::BTreeMap;
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::record::Record;
use stormglass_nemesis::stops;
use stormglass_nemesis::trial::Trial;

/// A node that believed itself the leader, for a time. Two reigns of different terms may overlap: an old leader that is cut off does
/// not know better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reign {
    pub(crate) node: NodeId,
    /// The term, ballot or epoch.
    pub(crate) epoch: u64,
    /// When it began, in nanoseconds.
    pub(crate) from_ns: u64,
    /// When it was over, in nanoseconds.
    pub(crate) until_ns: u64,
    pub(crate) end: ReignEnd,
}

/// How a reign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReignEnd {
    /// It learned of another.
    SteppedDown,
    /// It was stopped.
    Stopped,
    /// It led on in a later term.
    LedOn,
    /// It was found in a later term, and nobody knows since when.
    Unnoted,
    /// It led when the run ended.
    RunEnded,
}

impl ReignEnd {
    /// How it ended, in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            ReignEnd::SteppedDown => "stepped down",
            ReignEnd::Stopped => "stopped by a fault",
            ReignEnd::LedOn => "led on in a later term",
            ReignEnd::Unnoted => "found in a later term",
            ReignEnd::RunEnded => "led to the end",
        }
    }
}

/// A node that was down, or stood still, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) node: NodeId,
    /// When that began, in nanoseconds.
    pub(crate) from_ns: u64,
    /// When it was over, in nanoseconds.
    pub(crate) until_ns: u64,
}

/// When nodes were down, by the faults that really stopped them.
pub(crate) fn outages(trial: &Trial, record: &Record, ended_ns: u64) -> Vec<Outage> {
    let stops = stops::stops(trial, record, ended_ns).into_iter();
    let stops = stops.map(|(node, from_ns, until_ns)| Outage {
        node,
        from_ns,
        until_ns,
    });
    stops.filter(|stop| stop.from_ns < stop.until_ns).collect()
}

/// When nodes stood still, by the faults that really held them.
pub(crate) fn pauses(record: &Record, bands: &[Band]) -> Vec<Outage> {
    befell(record, bands, |band| band.family() == "pause")
}

fn befell(record: &Record, bands: &[Band], which: impl Fn(&Band) -> bool) -> Vec<Outage> {
    let mut outages = Vec::new();
    for band in bands.iter().filter(|band| band.certain && which(band)) {
        let fault = record.faults.iter().find(|fault| fault.id == band.id);
        for node in fault.iter().flat_map(|fault| &fault.nodes) {
            outages.push(Outage {
                node: *node,
                from_ns: band.from_ns,
                until_ns: band.until_ns,
            });
        }
    }
    outages
}

/// Every reign, in the order in which they began. A node that is stopped has no chance to note that it leads no more: its reign ends with the stop, where one is
/// known, or else when it had been started anew at the latest, or votes for another or stands for election in a later term.
pub(crate) fn reigns(
    trial: &Trial,
    record: &Record,
    outages: &[Outage],
    ended_ns: u64,
) -> Vec<Reign> {
    let mut reigns: Vec<Reign> = Vec::new();
    let mut open: BTreeMap<NodeId, usize> = BTreeMap::new();
    for fact in &record.facts {
        match fact.fact {
            Fact::BecameLeader { epoch } => {
                close(
                    &mut reigns,
                    &mut open,
                    fact.node,
                    fact.time_ns,
                    ReignEnd::LedOn,
                );
                open.insert(fact.node, reigns.len());
                let (node, from_ns) = (fact.node, fact.time_ns);
                reigns.push(Reign {
                    node,
                    epoch,
                    from_ns,
                    until_ns: ended_ns.max(from_ns),
                    end: ReignEnd::RunEnded,
                });
            }
            Fact::SteppedDown { .. } => close(
                &mut reigns,
                &mut open,
                fact.node,
                fact.time_ns,
                ReignEnd::SteppedDown,
            ),
            Fact::Voted { epoch, candidate }
                if candidate != fact.node && is_past(&reigns, &open, fact.node, epoch) =>
            {
                let end = ReignEnd::Unnoted;
                close(&mut reigns, &mut open, fact.node, fact.time_ns, end);
            }
            Fact::Campaigned { epoch } if is_past(&reigns, &open, fact.node, epoch) => {
                let end = ReignEnd::Unnoted;
                close(&mut reigns, &mut open, fact.node, fact.time_ns, end);
            }
            _ => {}
        }
    }
    let mut ends: Vec<(NodeId, u64)> = stops::restarts(trial, record);
    ends.extend(outages.iter().map(|outage| (outage.node, outage.from_ns)));
    ends.sort_unstable();
    for reign in &mut reigns {
        let after = ends.partition_point(|end| *end < (reign.node, reign.from_ns));
        let first = ends
            .get(after)
            .filter(|(node, stop_ns)| *node == reign.node && *stop_ns < reign.until_ns);
        if let Some((_, stop_ns)) = first.copied() {
            (reign.until_ns, reign.end) = (stop_ns, ReignEnd::Stopped);
        }
    }
    reigns
}

/// Whether a node still leads in an epoch before this one, for all that it noted.
fn is_past(reigns: &[Reign], open: &BTreeMap<NodeId, usize>, node: NodeId, epoch: u64) -> bool {
    open.get(&node).is_some_and(|at| reigns[*at].epoch < epoch)
}

fn close(
    reigns: &mut [Reign],
    open: &mut BTreeMap<NodeId, usize>,
    node: NodeId,
    time_ns: u64,
    end: ReignEnd,
) {
    if let Some(reign) = open.remove(&node) {
        (reigns[reign].until_ns, reigns[reign].end) = (time_ns, end);
    }
}
