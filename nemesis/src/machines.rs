//! The machines the nodes run on: which stand still, which are slow, whose disks are bad and whose clocks are wrong. One for all arenas.
//!
//! Every draw is made from the seed, the node, and how often that node has asked before.

use crate::record::Wear;
use crate::schedule::{ClockBend, DiskTrouble, Leaves};
use crate::weather::{EPOCH_NS, is_off};
use std::collections::BTreeMap;
use stormglass_impls::contract::{NodeId, Now};
use stormglass_workloads::draw::Draws;

const NS_PER_MS: u64 = 1_000_000;

/// What becomes of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// It is done after so many nanoseconds.
    After(u64),
    /// It says that it is done after so many nanoseconds, and is not.
    Lies {
        /// The nanoseconds.
        after_ns: u64,
        /// The fault that makes it lie.
        fault: u32,
    },
    /// It fails. The fault that made it fail is this one.
    Fails(u32),
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// It goes where it should.
    Fits,
    /// There is no room. The fault that took it is this one.
    Full(u32),
    /// It lands on older bytes; a draw to find out where.
    Misdirected(u64),
}

/// The state of every machine.
#[derive(Debug)]
pub struct Machines {
    /// By node.
    machines: Vec<Machine>,
    sync_ms: (u64, u64),
    syncs: Draws,
    slow_syncs: Draws,
    slow_steps: Draws,
    leaves: Draws,
    misdirections: Draws,
    /// How often each fault did something.
    met: BTreeMap<u32, u64>,
    wear: Wear,
}

/// One machine, and the faults in force on it.
#[derive(Debug, Default)]
struct Machine {
    paused: BTreeMap<u32, ()>,
    /// How long a step takes, in milliseconds.
    slow: BTreeMap<u32, (u64, u64)>,
    disk: BTreeMap<u32, DiskTrouble>,
    clock: Clock,
    /// What the last crash left of the disk, until the node reads it.
    left: Option<Left>,
    syncs: u64,
    steps: u64,
    crashes: u64,
}

/// What a crash left of a disk: how, a draw that says how much, and for which fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How.
    pub leaves: Leaves,
    /// 64 even bits, from which the arena takes what it needs.
    pub draw: u64,
    /// The fault.
    pub fault: u32,
}

/// The clocks of a machine. The monotonic one runs at a rate; the wall clock is some way off it.
#[derive(Clone, Debug, Default)]
struct Clock {
    bends: BTreeMap<u32, Bend>,
    /// The moment of the last change of the rate: simulated, and as the monotonic clock showed it.
    since_ns: u64,
    shown_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bend {
    bend: ClockBend,
    from_ns: u64,
}

impl Clock {
    /// How much of a hundred nanoseconds the clock counts in a hundred.
    fn percent(&self) -> i128 {
        let drift = |bend: &Bend| match bend.bend {
            ClockBend::Drift { percent } => i128::from(percent),
            _ => 0,
        };
        // However many drifts meet, a clock goes on.
        (100 + self.bends.values().map(drift).sum::<i128>()).max(5)
    }

    fn monotonic_ns(&self, now_ns: u64) -> u64 {
        let passed = i128::from(now_ns.saturating_sub(self.since_ns)) * self.percent() / 100;
        self.shown_ns + passed as u64
    }

    /// The first simulated nanosecond at which the monotonic clock shows at least that.
    fn when_ns(&self, monotonic_ns: u64) -> u64 {
        let left = i128::from(monotonic_ns.saturating_sub(self.shown_ns)) * 100;
        let percent = self.percent();
        self.since_ns
            .saturating_add(((left + percent - 1) / percent) as u64)
    }

    /// How far the wall clock is off, in milliseconds.
    fn off_ms(&self, now_ns: u64) -> i64 {
        let off = |bend: &Bend| match bend.bend {
            ClockBend::Jump { ms } => ms,
            ClockBend::Strobe { ms, period_ms } if is_off(now_ns, bend.from_ns, period_ms) => ms,
            ClockBend::Strobe { .. } | ClockBend::Drift { .. } => 0,
        };
        self.bends.values().map(off).sum()
    }

    fn change(&mut self, now_ns: u64, change: impl FnOnce(&mut BTreeMap<u32, Bend>)) {
        self.shown_ns = self.monotonic_ns(now_ns);
        self.since_ns = now_ns;
        change(&mut self.bends);
    }
}

impl Machines {
    /// Machines with nothing wrong. A sync takes some milliseconds, drawn for each.
    pub fn new(nodes: u8, sync_ms: (u64, u64), seed: u64) -> Self {
        Self {
            machines: (0..nodes).map(|_| Machine::default()).collect(),
            sync_ms,
            syncs: Draws::new(seed, "sync"),
            slow_syncs: Draws::new(seed, "slow sync"),
            slow_steps: Draws::new(seed, "slow step"),
            leaves: Draws::new(seed, "torn write"),
            misdirections: Draws::new(seed, "misdirected write"),
            met: BTreeMap::new(),
            wear: Wear::default(),
        }
    }

    fn machine(&mut self, node: NodeId) -> &mut Machine {
        &mut self.machines[node.index()]
    }

    /// Holds a node.
    pub fn pause(&mut self, fault: u32, node: NodeId) {
        self.machine(node).paused.insert(fault, ());
    }

    /// Lets the steps of a node take time, in milliseconds from short to long.
    pub fn slow(&mut self, fault: u32, node: NodeId, step_ms: (u64, u64)) {
        self.machine(node).slow.insert(fault, step_ms);
    }

    /// Gives a node a bad disk.
    pub fn trouble(&mut self, fault: u32, node: NodeId, trouble: DiskTrouble) {
        self.machine(node).disk.insert(fault, trouble);
    }

    /// Gives a node a wrong clock from now on.
    pub fn bend(&mut self, fault: u32, node: NodeId, bend: ClockBend, now_ns: u64) {
        let bent = Bend {
            bend,
            from_ns: now_ns,
        };
        self.machine(node).clock.change(now_ns, |bends| {
            bends.insert(fault, bent);
        });
    }

    /// Lifts a fault from all machines. Gives the nodes whose clocks changed.
    pub fn lift(&mut self, fault: u32, now_ns: u64) -> Vec<NodeId> {
        let mut changed = Vec::new();
        for (machine, node) in self.machines.iter_mut().zip(1..) {
            machine.paused.remove(&fault);
            machine.slow.remove(&fault);
            machine.disk.remove(&fault);
            if machine.clock.bends.contains_key(&fault) {
                machine.clock.change(now_ns, |bends| {
                    bends.remove(&fault);
                });
                changed.push(NodeId(node));
            }
        }
        changed
    }

    /// A node crashes: what is left of its disk is decided now, and carried out by the arena. What an older crash left unread is
    /// read with it.
    pub fn crash(&mut self, fault: u32, node: NodeId, leaves: Leaves) {
        let machine = &mut self.machines[node.index()];
        machine.crashes += 1;
        let draw = self.leaves.at(&[node.0.into(), machine.crashes]);
        let kept = machine.left.filter(|left| left.leaves > leaves);
        machine.left = kept.or(Some(Left {
            leaves,
            draw,
            fault,
        }));
    }

    /// Takes what the last crash left of a node's disk.
    pub fn take_left(&mut self, node: NodeId) -> Option<Left> {
        self.machine(node).left.take()
    }

    /// Whether a node stands still. An input that waits for it counts as one met by the faults that hold it.
    pub fn holds(&mut self, node: NodeId) -> bool {
        let machine = &self.machines[node.index()];
        for fault in machine.paused.keys() {
            *self.met.entry(*fault).or_default() += 1;
        }
        let paused = !machine.paused.is_empty();
        self.wear.inputs_held += u64::from(paused);
        paused
    }

    /// Whether a node stands still.
    pub fn is_paused(&self, node: NodeId) -> bool {
        !self.machines[node.index()].paused.is_empty()
    }

    /// How long the step takes that a node makes now, in nanoseconds: nothing, as a rule.
    pub fn step_takes_ns(&mut self, node: NodeId) -> u64 {
        let machine = &mut self.machines[node.index()];
        if machine.slow.is_empty() {
            return 0;
        }
        machine.steps += 1;
        let mut takes_ns = 0;
        for (fault, (low, high)) in &machine.slow {
            let keys = [node.0.into(), machine.steps, u64::from(*fault)];
            takes_ns += self
                .slow_steps
                .within(&keys, low * NS_PER_MS..=high * NS_PER_MS);
            *self.met.entry(*fault).or_default() += 1;
        }
        self.wear.steps_slowed += 1;
        takes_ns
    }

    /// What becomes of a sync that a node begins now.
    pub fn sync(&mut self, node: NodeId) -> Sync {
        let machine = &mut self.machines[node.index()];
        machine.syncs += 1;
        let (low, high) = self.sync_ms;
        let range = low * NS_PER_MS..=high * NS_PER_MS;
        let mut takes_ns = self.syncs.within(&[node.0.into(), machine.syncs], range);
        let (mut lies, mut fails) = (None, None);
        for (fault, trouble) in &machine.disk {
            match trouble {
                DiskTrouble::Lies => {
                    lies = Some(*fault);
                    self.wear.syncs_lied += 1;
                }
                DiskTrouble::Fails => fails = Some(*fault),
                DiskTrouble::Slow {
                    delay_ms_min,
                    delay_ms_max,
                } => {
                    let keys = [node.0.into(), machine.syncs, u64::from(*fault)];
                    let range = delay_ms_min * NS_PER_MS..=delay_ms_max * NS_PER_MS;
                    takes_ns += self.slow_syncs.within(&keys, range);
                    self.wear.syncs_slowed += 1;
                    *self.met.entry(*fault).or_default() += 1;
                }
                DiskTrouble::Full | DiskTrouble::Misdirects => {}
            }
        }
        match (fails, lies) {
            (Some(fault), _) => {
                self.fail(node, fault);
                Sync::Fails(fault)
            }
            (None, Some(fault)) => Sync::Lies {
                after_ns: takes_ns,
                fault,
            },
            (None, None) => Sync::After(takes_ns),
        }
    }

    /// What becomes of a write that a node makes now. Bad luck strikes once a fault.
    pub fn append(&mut self, node: NodeId) -> Append {
        let machine = &mut self.machines[node.index()];
        let find = |wanted: DiskTrouble| {
            let struck = machine.disk.iter().find(|(_, trouble)| **trouble == wanted);
            struck.map(|(fault, _)| *fault)
        };
        if let Some(fault) = find(DiskTrouble::Full) {
            self.fail(node, fault);
            return Append::Full(fault);
        }
        if let Some(fault) = find(DiskTrouble::Misdirects) {
            let draw = self.misdirections.at(&[node.0.into(), fault.into()]);
            self.machine(node).disk.remove(&fault);
            *self.met.entry(fault).or_default() += 1;
            self.wear.writes_misdirected += 1;
            return Append::Misdirected(draw);
        }
        Append::Fits
    }

    /// A disk failed loudly, as this fault says.
    fn fail(&mut self, node: NodeId, fault: u32) {
        self.machine(node).disk.remove(&fault);
        *self.met.entry(fault).or_default() += 1;
        self.wear.disks_failed += 1;
    }

    /// What a node's clocks show. A reading of a bent clock counts as one met by the faults that bend it.
    pub fn read_clock(&mut self, node: NodeId, now_ns: u64) -> Now {
        let machine = &self.machines[node.index()];
        for fault in machine.clock.bends.keys() {
            *self.met.entry(*fault).or_default() += 1;
        }
        self.wear.clock_readings_bent += u64::from(!machine.clock.bends.is_empty());
        let monotonic_ns = machine.clock.monotonic_ns(now_ns);
        let off_ns = machine.clock.off_ms(now_ns) * NS_PER_MS as i64;
        Now {
            monotonic_ns,
            wall_ns: (EPOCH_NS + monotonic_ns).saturating_add_signed(off_ns),
        }
    }

    /// What a node's monotonic clock shows at a simulated time, not counted as a reading.
    pub fn monotonic_ns(&self, node: NodeId, now_ns: u64) -> u64 {
        self.machines[node.index()].clock.monotonic_ns(now_ns)
    }

    /// The first simulated nanosecond at which a node's monotonic clock shows at least that, if nothing bends it in between.
    pub fn when_ns(&self, node: NodeId, monotonic_ns: u64) -> u64 {
        self.machines[node.index()].clock.when_ns(monotonic_ns)
    }

    /// Counts for a fault what it did.
    pub fn meet(&mut self, fault: u32, times: u64) {
        *self.met.entry(fault).or_default() += times;
    }

    /// What was counted of the machines, to be added to by an arena.
    pub fn wear(&mut self) -> &mut Wear {
        &mut self.wear
    }

    /// How often a fault did something.
    pub fn met(&self, fault: u32) -> u64 {
        self.met.get(&fault).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);
    const MS: u64 = NS_PER_MS;

    fn machines() -> Machines {
        Machines::new(3, (0, 4), 7)
    }

    #[test]
    fn a_drifting_clock_never_goes_back_and_says_when_it_will_show_a_time() {
        let mut machines = machines();
        let mut shown = 0;
        for (at_ms, percent) in [(10, 50), (20, -60), (40, 900)] {
            machines.bend(at_ms as u32, ONE, ClockBend::Drift { percent }, at_ms * MS);
            for now_ns in (at_ms * MS..(at_ms + 9) * MS).step_by(777_777) {
                let now = machines.read_clock(ONE, now_ns).monotonic_ns;
                assert!(now >= shown, "{now} after {shown}");
                shown = now;
                let target = now + 1_234_567;
                let when = machines.when_ns(ONE, target);
                assert!(machines.monotonic_ns(ONE, when) >= target);
                assert!(
                    machines.monotonic_ns(ONE, when - 1) < target,
                    "the first such nanosecond"
                );
            }
            machines.lift(at_ms as u32, (at_ms + 9) * MS);
        }
        assert_eq!(
            machines.read_clock(NodeId(2), 50 * MS).monotonic_ns,
            50 * MS,
            "the others keep time"
        );
        assert!(machines.met(10) > 5);
    }

    #[test]
    fn a_jump_and_a_strobe_move_the_wall_clock_only() {
        let mut machines = machines();
        let wall_ms = |machines: &mut Machines, at_ms| {
            let now = machines.read_clock(ONE, at_ms * MS);
            assert_eq!(now.monotonic_ns, at_ms * MS);
            (now.wall_ns - EPOCH_NS) as i64 / MS as i64 - at_ms as i64
        };
        machines.bend(1, ONE, ClockBend::Jump { ms: -5 }, 10 * MS);
        assert_eq!(wall_ms(&mut machines, 12), -5);
        machines.bend(
            2,
            ONE,
            ClockBend::Strobe {
                ms: 100,
                period_ms: 2,
            },
            20 * MS,
        );
        let seen: Vec<i64> = [20, 21, 22, 23, 24]
            .map(|ms| wall_ms(&mut machines, ms))
            .to_vec();
        assert_eq!(seen, [95, 95, -5, -5, 95]);
        machines.lift(1, 30 * MS);
        machines.lift(2, 30 * MS);
        assert_eq!(wall_ms(&mut machines, 31), 0);
    }

    #[test]
    fn a_disk_fails_once_a_fault_and_lies_until_it_is_lifted() {
        let mut machines = machines();
        machines.trouble(1, ONE, DiskTrouble::Fails);
        assert_eq!(machines.sync(ONE), Sync::Fails(1));
        assert!(matches!(machines.sync(ONE), Sync::After(_)));
        machines.trouble(2, ONE, DiskTrouble::Lies);
        assert!(matches!(
            (machines.sync(ONE), machines.sync(ONE)),
            (Sync::Lies { .. }, Sync::Lies { .. })
        ));
        machines.lift(2, 0);
        assert!(matches!(machines.sync(ONE), Sync::After(ns) if ns <= 4 * MS));
        machines.trouble(3, ONE, DiskTrouble::Full);
        assert_eq!(
            (machines.append(ONE), machines.append(ONE)),
            (Append::Full(3), Append::Fits)
        );
        let wear = *machines.wear();
        assert_eq!((wear.disks_failed, wear.syncs_lied), (2, 2));
    }

    #[test]
    fn the_worse_of_two_crashes_is_what_the_node_finds() {
        let mut machines = machines();
        machines.crash(1, ONE, Leaves::Nothing);
        machines.crash(2, ONE, Leaves::Synced);
        assert_eq!(machines.take_left(ONE).map(|left| left.fault), Some(1));
        assert_eq!(machines.take_left(ONE), None);
    }
}
