//! The weather: what becomes of every frame on every link now. One for all arenas.
//!
//! Every draw is made from the seed, the link and the number of the frame on that link. Taking one fault out of a trial leaves the draws
//! of untouched links as they were.

use crate::record::Traffic;
use crate::schedule::Disturbance;
use crate::trial::Network;
use std::collections::BTreeMap;
use stormglass_impls::contract::NodeId;
use stormglass_impls::system::Links;
use stormglass_impls::wire::Party;
use stormglass_workloads::draw::Draws;

/// The wall clock of every node at the start, in nanoseconds since the Unix epoch: 2026-01-01.
pub const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

const NS_PER_MS: u64 = 1_000_000;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is lost, and the connection it was sent on lives. Never under a protocol that counts on order.
    Cut,
    /// It is lost, and the connection it was sent on breaks.
    Reset,
    /// It arrives after so many nanoseconds, and what is sent later arrives later.
    After(u64),
    /// It arrives after so many nanoseconds, and what is sent later may overtake it.
    Overtaken(u64),
    /// It arrives, and once more after that.
    Twice {
        /// Nanoseconds until it arrives.
        after_ns: u64,
        /// Nanoseconds between the two.
        apart_ns: u64,
    },
    /// It arrives after so many nanoseconds with a bit flipped; its receiver must notice, and give the connection up.
    Corrupt {
        /// Nanoseconds until it arrives.
        after_ns: u64,
        /// Which bit, to be counted modulo the bits there are.
        bit: u64,
    },
}

/// A fault in force on a link.
#[derive(Clone, Debug)]
struct Force {
    disturbance: Disturbance,
    /// When it came into force, in simulated nanoseconds.
    from_ns: u64,
    /// When it will be over at the latest.
    until_ns: u64,
}

/// The state of one link, one way.
#[derive(Clone, Debug, Default)]
struct Link {
    /// How many frames were handed to it.
    frames: u64,
    /// The faults in force, by fault.
    faults: BTreeMap<u32, Force>,
}

/// The state of every link.
#[derive(Debug)]
pub struct Weather {
    base: Network,
    /// Whether the protocol counts on order and on nothing being lost: then what would break that breaks the connection.
    fifo: bool,
    delays: Draws,
    slowness: Draws,
    chances: Draws,
    /// Links between nodes, `from` by `to`.
    links: Vec<Link>,
    nodes: usize,
    /// How many frames were handed to links with a client at one end: by client, node, and direction.
    client_frames: Vec<u64>,
    /// How many frames each fault met.
    met: BTreeMap<u32, u64>,
    traffic: Traffic,
}

/// What a draw on a frame is for, besides the fault it is made for.
#[derive(Clone, Copy)]
enum Purpose {
    Hit,
    HowLate,
    Bit,
}

/// What the faults on a link do to one frame, gathered.
#[derive(Default)]
struct Outcome {
    cut: bool,
    lost: bool,
    reset: bool,
    slowed_ns: u64,
    held_until_ns: u64,
    late_ns: u64,
    apart_ns: u64,
    flipped: Option<u64>,
}

impl Weather {
    /// Fair weather over a cluster of so many nodes and their clients.
    pub fn new(base: Network, (nodes, clients): (u8, u32), links: Links, seed: u64) -> Self {
        let nodes = usize::from(nodes);
        Self {
            base,
            fifo: links == Links::Fifo,
            delays: Draws::new(seed, "frame delay"),
            slowness: Draws::new(seed, "slow link"),
            chances: Draws::new(seed, "frame chance"),
            links: vec![Link::default(); nodes * nodes],
            nodes,
            client_frames: vec![0; nodes * clients as usize * 2],
            met: BTreeMap::new(),
            traffic: Traffic::default(),
        }
    }

    fn link(&mut self, from: NodeId, to: NodeId) -> &mut Link {
        &mut self.links[from.index() * self.nodes + to.index()]
    }

    /// Puts a fault on a link, from now until that time or until it is [lifted](Weather::lift).
    pub fn disturb(
        &mut self,
        fault: u32,
        (from, to): (NodeId, NodeId),
        disturbance: &Disturbance,
        (from_ns, until_ns): (u64, u64),
    ) {
        let force = Force {
            disturbance: disturbance.clone(),
            from_ns,
            until_ns,
        };
        self.link(from, to).faults.insert(fault, force);
    }

    /// Lifts a fault from all links.
    pub fn lift(&mut self, fault: u32) {
        for link in &mut self.links {
            link.faults.remove(&fault);
        }
    }

    /// Decides about a frame that is being sent now. `kind` names the kind of message it carries, and is asked only when a fault cares.
    pub fn passage(
        &mut self,
        from: Party,
        to: Party,
        now_ns: u64,
        kind: impl Fn() -> &'static str,
    ) -> Passage {
        self.traffic.sent += 1;
        let (Party::Node(sender), Party::Node(receiver)) = (from, to) else {
            let place = self.client_place(from, to);
            self.client_frames[place] += 1;
            let number = self.client_frames[place];
            return Passage::After(self.base_ns(&[key(from), key(to), number]));
        };
        let link = self.link(sender, receiver);
        link.frames += 1;
        let keys = [key(from), key(to), link.frames];
        let base_ns = self.base_ns(&keys);
        if self.link(sender, receiver).faults.is_empty() {
            return Passage::After(base_ns);
        }
        let outcome = self.suffer((sender, receiver), &keys, now_ns, kind);
        self.conclude(outcome, base_ns, now_ns)
    }

    fn client_place(&self, from: Party, to: Party) -> usize {
        let place = |client: u32, node: NodeId, way| {
            (client as usize * self.nodes + node.index()) * 2 + way
        };
        match (from, to) {
            (Party::Client(client), Party::Node(node)) => place(client.0, node, 0),
            (Party::Node(node), Party::Client(client)) => place(client.0, node, 1),
            _ => unreachable!("a link with a client has a node at the other end"),
        }
    }

    fn base_ns(&self, keys: &[u64]) -> u64 {
        let range = self.base.delay_us_min * 1_000..=self.base.delay_us_max * 1_000;
        self.delays.within(keys, range)
    }

    /// Lets every fault on a link do its part to a frame, and counts those that did something.
    fn suffer(
        &mut self,
        (from, to): (NodeId, NodeId),
        keys: &[u64; 3],
        now_ns: u64,
        kind: impl Fn() -> &'static str,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let link = &self.links[from.index() * self.nodes + to.index()];
        for (fault, force) in &link.faults {
            let name =
                |purpose: Purpose| [keys[0], keys[1], keys[2], u64::from(*fault), purpose as u64];
            let hits = |percent: u64| self.chances.percent(&name(Purpose::Hit), percent);
            let up_to = |ms: u64| {
                self.chances
                    .within(&name(Purpose::HowLate), 1..=ms * NS_PER_MS)
            };
            let met = match &force.disturbance {
                Disturbance::Cut => {
                    outcome.cut = true;
                    true
                }
                Disturbance::Flaky { period_ms } => {
                    let cut = is_off(now_ns, force.from_ns, *period_ms);
                    outcome.cut |= cut;
                    cut
                }
                Disturbance::Lose { percent, only } => {
                    let meant = only.as_ref().is_none_or(|only| only == kind());
                    let lost = meant && hits(*percent);
                    outcome.lost |= lost;
                    lost
                }
                Disturbance::Reset { percent } => {
                    let reset = hits(*percent);
                    outcome.reset |= reset;
                    reset
                }
                Disturbance::Slow {
                    delay_ms_min,
                    delay_ms_max,
                } => {
                    let keys = [keys[0], keys[1], keys[2], u64::from(*fault)];
                    let range = delay_ms_min * NS_PER_MS..=delay_ms_max * NS_PER_MS;
                    let added_ns = self.slowness.within(&keys, range);
                    outcome.slowed_ns += added_ns;
                    added_ns > 0
                }
                Disturbance::Clog => {
                    outcome.held_until_ns = outcome.held_until_ns.max(force.until_ns);
                    force.until_ns > now_ns
                }
                Disturbance::Reorder {
                    percent,
                    late_ms_max,
                } => {
                    let late = hits(*percent);
                    if late {
                        outcome.late_ns = outcome.late_ns.max(up_to(*late_ms_max));
                    }
                    late
                }
                Disturbance::Duplicate {
                    percent,
                    apart_ms_max,
                } => {
                    let twice = hits(*percent);
                    if twice {
                        outcome.apart_ns = outcome.apart_ns.max(up_to(*apart_ms_max));
                    }
                    twice
                }
                Disturbance::Corrupt { percent } => {
                    let flips = hits(*percent);
                    if flips {
                        outcome.flipped = Some(self.chances.at(&name(Purpose::Bit)));
                    }
                    flips
                }
            };
            if met {
                *self.met.entry(*fault).or_default() += 1;
            }
        }
        outcome
    }

    /// What becomes of a frame in the end, and the count of it. What is lost is not late.
    fn conclude(&mut self, outcome: Outcome, base_ns: u64, now_ns: u64) -> Passage {
        let traffic = &mut self.traffic;
        if outcome.cut {
            traffic.cut += 1;
            // A gap must not be taken for silence: who counts on order is told that the connection is gone.
            return match self.fifo {
                true => Passage::Reset,
                false => Passage::Cut,
            };
        }
        let disorders = outcome.lost || outcome.late_ns > 0 || outcome.apart_ns > 0;
        if outcome.reset || (self.fifo && disorders) {
            traffic.reset += 1;
            return Passage::Reset;
        }
        if outcome.lost {
            traffic.lost += 1;
            return Passage::Cut;
        }
        let held_ns = outcome.held_until_ns.saturating_sub(now_ns);
        let after_ns = base_ns + outcome.slowed_ns + held_ns;
        traffic.slowed += u64::from(outcome.slowed_ns > 0);
        traffic.held += u64::from(held_ns > 0);
        if let Some(bit) = outcome.flipped {
            traffic.corrupted += 1;
            return Passage::Corrupt { after_ns, bit };
        }
        if outcome.apart_ns > 0 {
            traffic.duplicated += 1;
            return Passage::Twice {
                after_ns,
                apart_ns: outcome.apart_ns,
            };
        }
        if outcome.late_ns > 0 {
            traffic.reordered += 1;
            return Passage::Overtaken(after_ns + outcome.late_ns);
        }
        Passage::After(after_ns)
    }

    /// Whether a connection can be made now: its handshake needs both ways. An attempt counts as a frame met by the faults that stop it.
    pub fn may_dial(&mut self, from: Party, to: Party, now_ns: u64) -> bool {
        let (Party::Node(from), Party::Node(to)) = (from, to) else {
            return true;
        };
        let mut free = true;
        for (one, other) in [(from, to), (to, from)] {
            for (fault, force) in &self.links[one.index() * self.nodes + other.index()].faults {
                let stops = match force.disturbance {
                    Disturbance::Cut => true,
                    Disturbance::Flaky { period_ms } => is_off(now_ns, force.from_ns, period_ms),
                    _ => false,
                };
                if stops {
                    *self.met.entry(*fault).or_default() += 1;
                    free = false;
                }
            }
        }
        free
    }

    /// The faults in force, link by link.
    pub fn disturbances(&self) -> impl Iterator<Item = ((NodeId, NodeId), u32, &Disturbance)> {
        let nodes = NodeId::all(self.nodes as u8);
        let names = nodes
            .clone()
            .flat_map(move |from| nodes.clone().map(move |to| (from, to)));
        names.zip(&self.links).flat_map(|(name, link)| {
            let faults = link.faults.iter();
            faults.map(move |(fault, force)| (name, *fault, &force.disturbance))
        })
    }

    /// Counts for a fault what no frame told: an arena without a gate saw it at work on a link.
    pub fn meet(&mut self, fault: u32) {
        *self.met.entry(fault).or_default() += 1;
    }

    /// A receiver noticed a damaged frame and gave its connection up.
    pub fn rejected(&mut self) {
        self.traffic.rejected += 1;
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

/// Whether something that is off for a while and on for a while, off first, is off now.
pub(crate) fn is_off(now_ns: u64, from_ns: u64, period_ms: u64) -> bool {
    (now_ns.saturating_sub(from_ns) / (period_ms * NS_PER_MS)).is_multiple_of(2)
}

/// A number for each party, the same in every trial.
pub(crate) fn key(party: Party) -> u64 {
    match party {
        Party::Node(node) => node.0.into(),
        Party::Client(client) => 1_000 + u64::from(client.0),
    }
}

#[cfg(test)]
mod tests;
