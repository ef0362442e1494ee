//! How far each node's clocks were off, and when: the clock faults that really began, played once more on the machines that the arenas use.

use super::ranks::Peaks;
use crate::bands::Band;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::machines::Machines;
use stormglass_nemesis::record::Record;
use stormglass_nemesis::schedule::{Action, ClockBend, Fault};
use stormglass_nemesis::trial::Trial;
use stormglass_nemesis::weather::EPOCH_NS;

/// The most clock faults that are played. Their sum is what a clock can be off by, and it must have room in a number.
const FAULTS_MAX: usize = 1_000;

/// The latest moment that is played, in nanoseconds: eleven days.
const MOMENT_NS_MAX: u64 = 1_000_000_000_000_000;

/// The most turns of strobing clocks that are looked at: of one that turns more often, some.
const TURNS_MAX: u64 = 20_000;

/// The most of one fault: about as many as a drawing has room for.
const TURNS_A_FAULT_MAX: u64 = 2_000;

/// The clocks of the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clocks {
    /// Every clock fault at every node it befell, in the order in which they began. Empty when no clock was bent.
    pub bends: Vec<BentClock>,
    /// The clocks of the nodes that were befallen.
    pub nodes: Vec<NodeClock>,
    /// How many clock faults are not among them: too many, too late, or not what their kind says.
    pub left_out: u64,
    /// When the run ended, in nanoseconds.
    pub ended_ns: u64,
}

/// A clock fault at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BentClock {
    /// Which node.
    pub node: NodeId,
    /// The fault's number in the schedule.
    pub fault: u32,
    /// Its kind.
    pub kind: FaultKind,
    /// When it began, in nanoseconds.
    pub from_ns: u64,
    /// When it was over, in nanoseconds.
    pub until_ns: u64,
    /// How far the wall clock was off at most while it was in force, in nanoseconds: ahead, or behind when negative. What other faults did to the
    /// clock is part of it.
    pub wall_ns: i64,
    /// The same of the monotonic clock.
    pub monotonic_ns: i64,
}

/// The clocks of a node over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeClock {
    /// Which node.
    pub node: NodeId,
    /// The corners of both lines: between two of them a clock is off evenly more or less. Where it jumps there are two at one moment.
    pub points: Vec<ClockPoint>,
}

/// How far a node's clocks were off at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockPoint {
    /// When, in true nanoseconds.
    pub at_ns: u64,
    /// How far the wall clock was ahead, in nanoseconds; behind when negative.
    pub wall_ns: i64,
    /// The same of the monotonic clock.
    pub monotonic_ns: i64,
}

/// A fault that bends clocks.
struct Bender<'a> {
    band: &'a Band,
    bend: ClockBend,
    nodes: Vec<NodeId>,
}

/// What happens at a moment. At one moment faults end before others begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Ends,
    Begins,
    Strobes,
}

pub(super) fn clocks(trial: &Trial, record: &Record, bands: &[Band], ended_ns: u64) -> Clocks {
    let (benders, left_out) = benders(trial, record, bands);
    let mut played = Played::of(trial.nodes, &benders);
    let turns = turns(&benders);
    for moment in turns.chunk_by(|one, other| one.0 == other.0) {
        played.take(moment, &benders);
    }
    let (bends, nodes) = played.finish(&benders, ended_ns.min(MOMENT_NS_MAX));
    Clocks {
        bends,
        nodes,
        left_out,
        ended_ns,
    }
}

/// The clock faults that began, and how many of them cannot be played.
fn benders<'a>(trial: &Trial, record: &Record, bands: &'a [Band]) -> (Vec<Bender<'a>>, u64) {
    let planned: BTreeMap<u32, &Fault> = trial
        .schedule
        .iter()
        .map(|fault| (fault.id, fault))
        .collect();
    let befallen: BTreeMap<u32, &[NodeId]> = record
        .faults
        .iter()
        .map(|fault| (fault.id, &fault.nodes[..]))
        .collect();
    let mut benders = Vec::new();
    let mut left_out = 0;
    for band in bands.iter().filter(|band| band.family() == "clock") {
        let sound = planned
            .get(&band.id)
            .filter(|fault| fault.validate(trial.nodes).is_ok());
        let nodes = befallen.get(&band.id).copied().unwrap_or_default();
        let nodes: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|node| (1..=trial.nodes).contains(&node.0))
            .collect();
        match sound.map(|fault| &fault.action) {
            Some(Action::Clock { bend, .. })
                if band.until_ns <= MOMENT_NS_MAX && benders.len() < FAULTS_MAX =>
            {
                benders.push(Bender {
                    band,
                    bend: *bend,
                    nodes,
                });
            }
            _ => left_out += 1,
        }
    }
    (benders, left_out)
}

/// Everything that happens, in order. The number is that of the fault.
fn turns(benders: &[Bender<'_>]) -> Vec<(u64, Turn, usize)> {
    let is_strobe = |bender: &&Bender<'_>| matches!(bender.bend, ClockBend::Strobe { .. });
    let strobes = benders.iter().filter(is_strobe).count().max(1) as u64;
    let turns_max = (TURNS_MAX / strobes).clamp(1, TURNS_A_FAULT_MAX);
    let mut turns = Vec::new();
    for (at, bender) in benders.iter().enumerate() {
        let (from_ns, until_ns) = (bender.band.from_ns, bender.band.until_ns);
        turns.push((from_ns, Turn::Begins, at));
        turns.push((until_ns, Turn::Ends, at));
        if let ClockBend::Strobe { period_ms, .. } = bender.bend {
            let period_ns = period_ms.saturating_mul(1_000_000);
            // An odd distance meets turns ahead and turns back in turn.
            let every = ((until_ns - from_ns) / period_ns)
                .div_ceil(turns_max)
                .max(1)
                | 1;
            let step_ns = period_ns.saturating_mul(every);
            let mut turn_ns = from_ns.saturating_add(step_ns);
            while turn_ns < until_ns {
                turns.push((turn_ns, Turn::Strobes, at));
                turn_ns = turn_ns.saturating_add(step_ns);
            }
        }
    }
    turns.sort_unstable();
    turns
}

/// The clocks as they were seen.
struct Played {
    machines: Machines,
    points: BTreeMap<NodeId, Vec<ClockPoint>>,
    /// For each fault and node, which of the points are of its time: the first, and the one behind the last.
    spans: BTreeMap<(u32, NodeId), (usize, usize)>,
}

impl Played {
    fn of(nodes: u8, benders: &[Bender<'_>]) -> Self {
        let start = ClockPoint {
            at_ns: 0,
            wall_ns: 0,
            monotonic_ns: 0,
        };
        let befallen = benders.iter().flat_map(|bender| &bender.nodes);
        Self {
            machines: Machines::new(nodes, (0, 0), 0),
            points: befallen.map(|node| (*node, vec![start])).collect(),
            spans: BTreeMap::new(),
        }
    }

    /// Everything of one moment: how the clocks stood just before it, what happens, and how they stand then.
    fn take(&mut self, moment: &[(u64, Turn, usize)], benders: &[Bender<'_>]) {
        let at_ns = moment[0].0;
        let befallen = moment.iter().flat_map(|(.., at)| &benders[*at].nodes);
        let nodes: BTreeSet<NodeId> = befallen.copied().collect();
        for node in &nodes {
            // Wall clocks jump; monotonic clocks do not.
            self.look(*node, (at_ns.saturating_sub(1), at_ns));
        }
        for (_, turn, at) in moment {
            let bender = &benders[*at];
            let id = bender.band.id;
            for node in bender.nodes.iter().copied() {
                let seen = self.points[&node].len();
                match turn {
                    Turn::Ends => {
                        self.spans.entry((id, node)).or_insert((seen, seen)).1 = seen;
                    }
                    Turn::Begins => {
                        self.machines.bend(id, node, bender.bend, at_ns);
                        self.spans.insert((id, node), (seen, seen));
                    }
                    Turn::Strobes => {}
                }
            }
            // What was over at once has begun by now, and must not stay.
            let at_once = bender.band.from_ns == bender.band.until_ns;
            if *turn == Turn::Ends || at_once {
                self.machines.lift(id, at_ns);
            }
        }
        for node in &nodes {
            self.look(*node, (at_ns, at_ns));
        }
    }

    /// Writes down how far a node's clocks are off: the wall clock from the monotonic one as at the first moment, that one as at the second.
    fn look(&mut self, node: NodeId, (jumped_ns, at_ns): (u64, u64)) {
        let jumped = self.machines.read_clock(node, jumped_ns);
        let shown = i128::from(self.machines.monotonic_ns(node, at_ns));
        let apart = i128::from(jumped.wall_ns) - i128::from(EPOCH_NS + jumped.monotonic_ns);
        let monotonic = shown - i128::from(at_ns);
        let fits = |off: i128| i64::try_from(off).unwrap_or(i64::MAX);
        self.points.entry(node).or_default().push(ClockPoint {
            at_ns,
            wall_ns: fits(apart + monotonic),
            monotonic_ns: fits(monotonic),
        });
    }

    fn finish(mut self, benders: &[Bender<'_>], ended_ns: u64) -> (Vec<BentClock>, Vec<NodeClock>) {
        let nodes: Vec<NodeId> = self.points.keys().copied().collect();
        let mut greatest = BTreeMap::new();
        for node in nodes {
            let last_ns = self.points[&node].last().map_or(0, |point| point.at_ns);
            let at_ns = ended_ns.max(last_ns);
            self.look(node, (at_ns, at_ns));
            greatest.insert(node, Greatest::of(&self.points[&node]));
        }
        let mut bends = Vec::new();
        for bender in benders {
            for node in bender.nodes.iter().copied() {
                let span = self.spans.get(&(bender.band.id, node)).copied();
                let (Some(span), Some(greatest)) = (span, greatest.get(&node)) else {
                    continue;
                };
                bends.push(BentClock {
                    node,
                    fault: bender.band.id,
                    kind: bender.band.kind,
                    from_ns: bender.band.from_ns,
                    until_ns: bender.band.until_ns,
                    wall_ns: greatest.wall.over(span),
                    monotonic_ns: greatest.monotonic.over(span),
                });
            }
        }
        let nodes = self.points.into_iter().map(|(node, points)| NodeClock {
            node,
            points: corners(points),
        });
        (bends, nodes.collect())
    }
}

/// The points without those that say what the line through their neighbours says.
fn corners(points: Vec<ClockPoint>) -> Vec<ClockPoint> {
    let mut corners: Vec<ClockPoint> = Vec::new();
    let level = |one: &ClockPoint, other: &ClockPoint| {
        (one.wall_ns, one.monotonic_ns) == (other.wall_ns, other.monotonic_ns)
    };
    for point in points {
        match &mut corners[..] {
            [.., last] if *last == point => {}
            [.., before, last] if level(before, last) && level(last, &point) => *last = point,
            _ => corners.push(point),
        }
    }
    corners
}

/// The greatest of any stretch of points.
struct Greatest {
    wall: Farthest,
    monotonic: Farthest,
}

/// How far ahead and how far behind.
struct Farthest {
    ahead: Peaks,
    behind: Peaks,
}

impl Greatest {
    fn of(points: &[ClockPoint]) -> Self {
        Self {
            wall: Farthest::of(points.iter().map(|point| point.wall_ns)),
            monotonic: Farthest::of(points.iter().map(|point| point.monotonic_ns)),
        }
    }
}

impl Farthest {
    fn of(offsets: impl Iterator<Item = i64> + Clone) -> Self {
        let side =
            |pick: fn(i64) -> u64| Peaks::of(&offsets.clone().map(pick).collect::<Vec<u64>>());
        Self {
            ahead: side(|offset| offset.max(0).unsigned_abs()),
            behind: side(|offset| offset.min(0).unsigned_abs()),
        }
    }

    fn over(&self, (from, until): (usize, usize)) -> i64 {
        let greatest = |peaks: &Peaks| peaks.greatest(from, until).unwrap_or(0);
        let (ahead, behind) = (greatest(&self.ahead), greatest(&self.behind));
        let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        if ahead >= behind {
            signed(ahead)
        } else {
            -signed(behind)
        }
    }
}
