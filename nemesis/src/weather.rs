//! The weather: which frames are cut and which are delayed now. One for all arenas.
//!
//! Every delay is drawn from the seed, the link and the number of the frame on that link. Taking one fault out of a trial leaves the
//! draws of untouched links as they were.

use crate::record::Traffic;
use crate::trial::Network;
use std::collections::BTreeMap;
use stormglass_impls::contract::NodeId;
use stormglass_impls::wire::Party;
use stormglass_workloads::draw::Draws;

/// The wall clock of every node at the start, in nanoseconds since the Unix epoch: 2026-01-01.
pub const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is lost.
    Cut,
    /// It arrives after so many nanoseconds.
    After(u64),
}

/// What a fault does to a link, one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing passes.
    Cut,
    /// What passes takes longer.
    Slow {
        /// The shortest added delay, in milliseconds.
        delay_ms_min: u64,
        /// The longest.
        delay_ms_max: u64,
    },
}

/// The state of every link.
#[derive(Debug)]
pub struct Weather {
    base: Network,
    delays: Draws,
    slowness: Draws,
    /// The faults in force on a link, by fault.
    links: BTreeMap<(NodeId, NodeId), BTreeMap<u32, Disturbance>>,
    /// How many frames were handed to each link.
    frames: BTreeMap<(Party, Party), u64>,
    /// How many frames each fault met.
    met: BTreeMap<u32, u64>,
    traffic: Traffic,
}

impl Weather {
    /// Fair weather.
    pub fn new(base: Network, seed: u64) -> Self {
        Self {
            base,
            delays: Draws::new(seed, "frame delay"),
            slowness: Draws::new(seed, "slow link"),
            links: BTreeMap::new(),
            frames: BTreeMap::new(),
            met: BTreeMap::new(),
            traffic: Traffic::default(),
        }
    }

    /// Puts a fault on a link.
    pub fn disturb(&mut self, fault: u32, from: NodeId, to: NodeId, disturbance: Disturbance) {
        self.links
            .entry((from, to))
            .or_default()
            .insert(fault, disturbance);
    }

    /// Lifts a fault from all links.
    pub fn lift(&mut self, fault: u32) {
        for disturbances in self.links.values_mut() {
            disturbances.remove(&fault);
        }
        self.links
            .retain(|_, disturbances| !disturbances.is_empty());
    }

    /// Decides about a frame that is being sent now.
    pub fn passage(&mut self, from: Party, to: Party) -> Passage {
        let number = self.frames.entry((from, to)).or_default();
        *number += 1;
        self.traffic.sent += 1;
        let keys = [key(from), key(to), *number];
        let base_ns = self.base.delay_us_min * 1_000..=self.base.delay_us_max * 1_000;
        let mut delay_ns = self.delays.within(&keys, base_ns);
        if let (Party::Node(from), Party::Node(to)) = (from, to)
            && let Some(disturbances) = self.links.get(&(from, to))
        {
            let (mut cut, mut slowed) = (false, false);
            for (fault, disturbance) in disturbances {
                let met = match disturbance {
                    Disturbance::Cut => {
                        cut = true;
                        true
                    }
                    Disturbance::Slow {
                        delay_ms_min,
                        delay_ms_max,
                    } => {
                        let range = delay_ms_min * 1_000_000..=delay_ms_max * 1_000_000;
                        let keys = [keys[0], keys[1], keys[2], u64::from(*fault)];
                        let added_ns = self.slowness.within(&keys, range);
                        delay_ns += added_ns;
                        slowed |= added_ns > 0;
                        added_ns > 0
                    }
                };
                *self.met.entry(*fault).or_default() += u64::from(met);
            }
            if cut {
                self.traffic.cut += 1;
                return Passage::Cut;
            }
            self.traffic.slowed += u64::from(slowed);
        }
        Passage::After(delay_ns)
    }

    /// Whether a connection can be made now: its handshake needs both ways. An attempt counts as a frame met by the faults that stop it.
    pub fn may_dial(&mut self, from: Party, to: Party) -> bool {
        let (Party::Node(from), Party::Node(to)) = (from, to) else {
            return true;
        };
        let mut free = true;
        for (fault, disturbance) in [(from, to), (to, from)]
            .iter()
            .filter_map(|link| self.links.get(link))
            .flatten()
        {
            if *disturbance == Disturbance::Cut {
                *self.met.entry(*fault).or_default() += 1;
                free = false;
            }
        }
        free
    }

    /// The faults in force, link by link.
    pub fn disturbances(&self) -> impl Iterator<Item = ((NodeId, NodeId), u32, Disturbance)> {
        self.links.iter().flat_map(|(link, faults)| {
            let faults = faults.iter();
            faults.map(|(fault, disturbance)| (*link, *fault, *disturbance))
        })
    }

    /// Counts for a fault what no frame told: an arena without a gate saw it at work on a link.
    pub fn meet(&mut self, fault: u32) {
        *self.met.entry(fault).or_default() += 1;
    }

    /// How many frames a fault met.
    pub fn met(&self, fault: u32) -> u64 {
        self.met.get(&fault).copied().unwrap_or_default()
    }

    /// What was carried so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }
}

/// A number for each party, the same in every trial.
pub(crate) fn key(party: Party) -> u64 {
    match party {
        Party::Node(node) => node.0.into(),
        Party::Client(client) => 1_000 + u64::from(client.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather() -> Weather {
        Weather::new(
            Network {
                delay_us_min: 1_000,
                delay_us_max: 3_000,
            },
            9,
        )
    }

    fn link(from: u8, to: u8) -> (Party, Party) {
        (Party::Node(NodeId(from)), Party::Node(NodeId(to)))
    }

    #[test]
    fn a_cut_is_one_way_and_lifts() {
        let mut weather = weather();
        weather.disturb(1, NodeId(1), NodeId(2), Disturbance::Cut);
        let (one, two) = link(1, 2);
        assert_eq!(weather.passage(one, two), Passage::Cut);
        assert!(matches!(weather.passage(two, one), Passage::After(_)));
        weather.lift(1);
        assert!(matches!(weather.passage(one, two), Passage::After(_)));
        assert_eq!(
            (
                weather.met(1),
                weather.traffic().cut,
                weather.traffic().sent
            ),
            (1, 1, 3)
        );
    }

    #[test]
    fn a_fault_leaves_the_draws_of_other_links_and_other_frames_as_they_were() {
        let mut calm = weather();
        let mut stormy = weather();
        stormy.disturb(1, NodeId(1), NodeId(2), Disturbance::Cut);
        let (one, two) = link(1, 2);
        let (three, four) = link(3, 4);
        for round in 0..20 {
            stormy.passage(one, two);
            calm.passage(one, two);
            assert_eq!(
                stormy.passage(three, four),
                calm.passage(three, four),
                "round {round}"
            );
        }
        stormy.lift(1);
        assert_eq!(stormy.passage(one, two), calm.passage(one, two));
    }

    #[test]
    fn a_slow_link_adds_its_delay() {
        let mut weather = weather();
        weather.disturb(
            4,
            NodeId(1),
            NodeId(2),
            Disturbance::Slow {
                delay_ms_min: 50,
                delay_ms_max: 60,
            },
        );
        let (one, two) = link(1, 2);
        match weather.passage(one, two) {
            Passage::After(delay) => assert!((51_000_000..=63_000_000).contains(&delay), "{delay}"),
            Passage::Cut => panic!("a slow link cuts nothing"),
        }
        assert_eq!(weather.traffic().slowed, 1);
    }
}
