//! Whether a fault is sound: for its kind, for the size of its cluster, and in its numbers.

use super::{
    Action, Change, ClockBend, DAY_MS, DiskTrouble, Disturbance, Fault, Links, Target, When,
};
use stormglass_impls::contract::NodeId;

impl Fault {
    /// Checks that it is what its kind says, and fits a cluster of that size. The error names the field and the remedy.
    pub fn validate(&self, nodes: u8) -> Result<(), String> {
        if !self.kind.fits(&self.action) {
            let text = "kind: this action is no {}; name the kind after what is done";
            return Err(text.replace("{}", self.kind.name()));
        }
        let check = Check {
            nodes,
            on_fact: matches!(self.when, When::OnFact { .. }),
        };
        match self.when {
            When::AtMs(at_ms) => within("at_ms", at_ms, 7 * DAY_MS)?,
            When::AtNs(at_ns) => within("at_ns", at_ns / 1_000_000, 7 * DAY_MS)?,
            When::OnFact {
                from_ms, after_ms, ..
            } => {
                within("from_ms", from_ms, 7 * DAY_MS).and(within("after_ms", after_ms, DAY_MS))?;
            }
        }
        within("lasts_ms", self.lasts_ms, 7 * DAY_MS)?;
        check.action(&self.action)
    }
}

/// Checks the parts of a fault. Every error names the field.
struct Check {
    nodes: u8,
    /// Whether a fact starts the fault, so that there is a subject.
    on_fact: bool,
}

impl Check {
    fn action(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::Disturb { links, disturbance } => self.links(links).and(disturbs(disturbance)),
            Action::Crash { target, .. } | Action::Pause { target } => self.target(target),
            Action::CrashLoop {
                target,
                up_ms,
                down_ms,
            } => {
                within("up_ms", *up_ms, DAY_MS)?;
                within("down_ms", *down_ms, DAY_MS)?;
                if up_ms + down_ms == 0 {
                    return Err("up_ms, down_ms: a round takes some time".to_string());
                }
                self.target(target)
            }
            Action::RollingRestart { order, down_ms } => {
                within("down_ms", *down_ms, DAY_MS).and(self.group("order", order))
            }
            Action::SlowCpu {
                target,
                step_ms_min,
                step_ms_max,
            } => {
                range("step_ms_min, step_ms_max", *step_ms_min, *step_ms_max)?;
                self.target(target)
            }
            Action::Disk { target, trouble } => {
                if let DiskTrouble::Slow {
                    delay_ms_min,
                    delay_ms_max,
                } = trouble
                {
                    range("delay_ms_min, delay_ms_max", *delay_ms_min, *delay_ms_max)?;
                }
                self.target(target)
            }
            Action::Clock { target, bend } => bends(bend).and(self.target(target)),
            Action::Manage { change } => match change {
                Change::Voters(voters) => self.group("voters", voters),
                Change::Without(target) | Change::Transfer(target) => self.target(target),
            },
        }
    }

    fn links(&self, links: &Links) -> Result<(), String> {
        match links {
            Links::Between { left, right } => {
                self.group("left", left).and(self.group("right", right))?;
                match left.iter().find(|node| right.contains(node)) {
                    Some(node) => Err(format!("right: {node} is on the left already")),
                    None => Ok(()),
                }
            }
            Links::OneWay { from, to } => self.group("from", from).and(self.group("to", to)),
            Links::Around { target } => self.target(target),
            Links::AcrossRing { order } => self.group("order", order),
            Links::Pairs(pairs) => {
                for (one, other) in pairs {
                    self.group("pairs", &[*one, *other])?;
                }
                match pairs.is_empty() {
                    true => Err("pairs: no pair is named".to_string()),
                    false => Ok(()),
                }
            }
        }
    }

    fn target(&self, target: &Target) -> Result<(), String> {
        match target {
            Target::Node(node) => self.group("target", &[*node]),
            Target::Nodes(nodes) => self.group("target", nodes),
            Target::Leader | Target::Behind | Target::Newcomer => Ok(()),
            Target::Subject if self.on_fact => Ok(()),
            Target::Subject => Err(
                "target: `subject` needs a fact to start it, and this fault starts at a time"
                    .to_string(),
            ),
        }
    }

    fn group(&self, field: &str, ids: &[NodeId]) -> Result<(), String> {
        if ids.is_empty() {
            return Err(format!("{field}: no node is named"));
        }
        if let Some(id) = ids.iter().find(|id| id.0 == 0 || id.0 > self.nodes) {
            return Err(format!(
                "{field}: there is no {id} in a cluster of {}",
                self.nodes
            ));
        }
        let twice = ids
            .iter()
            .enumerate()
            .find(|(at, id)| ids[..*at].contains(id));
        match twice {
            Some((_, id)) => Err(format!("{field}: {id} is named twice")),
            None => Ok(()),
        }
    }
}

fn disturbs(disturbance: &Disturbance) -> Result<(), String> {
    let share = |percent: u64| match percent {
        1..=100 => Ok(()),
        _ => Err(format!("percent: {percent} is not from 1 to 100")),
    };
    match disturbance {
        Disturbance::Cut | Disturbance::Clog => Ok(()),
        Disturbance::Lose { percent, .. }
        | Disturbance::Corrupt { percent }
        | Disturbance::Reset { percent } => share(*percent),
        Disturbance::Slow {
            delay_ms_min,
            delay_ms_max,
        } => range("delay_ms_min, delay_ms_max", *delay_ms_min, *delay_ms_max),
        Disturbance::Reorder {
            percent,
            late_ms_max,
        } => share(*percent).and(range("late_ms_max", 1, *late_ms_max)),
        Disturbance::Duplicate {
            percent,
            apart_ms_max,
        } => share(*percent).and(range("apart_ms_max", 1, *apart_ms_max)),
        Disturbance::Flaky { period_ms } => range("period_ms", 1, *period_ms),
    }
}

fn bends(bend: &ClockBend) -> Result<(), String> {
    let far = |ms: i64| match ms != 0 && ms.unsigned_abs() <= DAY_MS {
        true => Ok(()),
        false => Err(format!("ms: {ms} is not within a day, or is nothing")),
    };
    match bend {
        ClockBend::Jump { ms } => far(*ms),
        ClockBend::Strobe { ms, period_ms } => far(*ms).and(range("period_ms", 1, *period_ms)),
        ClockBend::Drift { percent } => match percent {
            -90..=-1 | 1..=900 => Ok(()),
            _ => Err(format!(
                "percent: {percent} is not from -90 to 900, or is nothing"
            )),
        },
    }
}

fn within(field: &str, ms: u64, ms_max: u64) -> Result<(), String> {
    match ms <= ms_max {
        true => Ok(()),
        false => Err(format!("{field}: {ms} ms is more than {ms_max} ms")),
    }
}

fn range(field: &str, min_ms: u64, max_ms: u64) -> Result<(), String> {
    if min_ms > max_ms || max_ms == 0 {
        return Err(format!("{field}: from short to long, and not nothing"));
    }
    within(field, max_ms, DAY_MS)
}
