//! Turmoil's links, made to follow the weather.

use crate::schedule::Disturbance;
use crate::trial::{Network, Trial};
use crate::weather::Weather;
use ::turmoil::Sim;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stormglass_impls::contract::NodeId;
use stormglass_workloads::draw::Draws;

/// A link, one way.
type Link = (NodeId, NodeId);

/// What turmoil's links are now.
pub(super) struct Links {
    base: Network,
    latencies: Draws,
    slowness: Draws,
    cut: BTreeSet<Link>,
    /// The added latency of pairs of nodes, the smaller first, in milliseconds.
    slow: BTreeMap<Link, u64>,
    /// Which faults have shown themselves on which links.
    shown: BTreeSet<(u32, Link)>,
}

impl Links {
    /// The links of a good day: each has a latency of its own.
    pub(super) fn new(trial: &Trial, clients: &str, sim: &Sim<'_>) -> Self {
        let links = Self {
            base: trial.network,
            latencies: Draws::new(trial.seed, "link latency"),
            slowness: Draws::new(trial.seed, "slow link"),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            shown: BTreeSet::new(),
        };
        for one in NodeId::all(trial.nodes) {
            for other in NodeId::all(trial.nodes).filter(|other| one < *other) {
                let latency = links.latency((one, other));
                sim.set_link_latency(one.to_string(), other.to_string(), latency);
            }
            // No node has the number 0; here it stands for the host of the clients.
            let latency = links.latency((NodeId(0), one));
            sim.set_link_latency(one.to_string(), clients, latency);
        }
        links
    }

    /// Does to turmoil's links what the weather says, and counts for each fault the links on which it shows: those whose both ends are up.
    pub(super) fn follow(&mut self, weather: &mut Weather, sim: &mut Sim<'_>) {
        let mut cut = BTreeSet::new();
        let mut slow = BTreeMap::<Link, u64>::new();
        let mut showing = Vec::new();
        for (link, fault, disturbance) in weather.disturbances() {
            let (from, to) = link;
            match disturbance {
                Disturbance::Cut => {
                    cut.insert(link);
                }
                Disturbance::Slow {
                    delay_ms_min,
                    delay_ms_max,
                } => {
                    let (delay_ms_min, delay_ms_max) = (*delay_ms_min, *delay_ms_max);
                    let pair = (from.min(to), from.max(to));
                    let keys = [pair.0.0.into(), pair.1.0.into(), fault.into()];
                    let delay_ms = self.slowness.within(&keys, delay_ms_min..=delay_ms_max);
                    // Both ways of a pair draw the same delay for a fault; of several faults the slowest rules.
                    let slowest = slow.entry(pair).or_default();
                    *slowest = delay_ms.max(*slowest);
                }
                // Nothing else can be made without a gate, and no trial that is run here asks for it.
                _ => {}
            }
            showing.push((fault, link));
        }
        for (from, to) in cut.difference(&self.cut) {
            sim.partition_oneway(from.to_string(), to.to_string());
        }
        for (from, to) in self.cut.difference(&cut) {
            sim.repair_oneway(from.to_string(), to.to_string());
        }
        let pairs: BTreeSet<Link> = slow.keys().chain(self.slow.keys()).copied().collect();
        for pair in pairs {
            if slow.get(&pair) != self.slow.get(&pair) {
                let added = slow.get(&pair).copied().unwrap_or_default();
                let latency = self.latency(pair) + Duration::from_millis(added);
                sim.set_link_latency(pair.0.to_string(), pair.1.to_string(), latency);
            }
        }
        (self.cut, self.slow) = (cut, slow);
        for (fault, (from, to)) in showing {
            let up = sim.is_host_running(from.to_string()) && sim.is_host_running(to.to_string());
            if up && self.shown.insert((fault, (from, to))) {
                weather.meet(fault);
            }
        }
    }

    /// What a pair of hosts, the smaller number first, has on a good day.
    fn latency(&self, pair: Link) -> Duration {
        let range = self.base.delay_us_min..=self.base.delay_us_max;
        let keys = [pair.0.0.into(), pair.1.0.into()];
        Duration::from_micros(self.latencies.within(&keys, range))
    }
}
