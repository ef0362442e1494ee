//! Makes what is left simpler: each fault, and each setting.

use super::search::Search;
use crate::faults::FaultKind;
use crate::schedule::{Action, Disturbance, Fault, Leaves, Links, Target, When};
use crate::trial::Trial;
use stormglass_impls::contract::NodeId;

/// Replaces each fault by simpler ones for as long as that keeps the property.
pub(super) fn faults(search: &mut Search<'_>) {
    for at in 0..search.trial().schedule.len() {
        loop {
            let simpler = variants(&search.trial().schedule[at]);
            let kept = simpler.into_iter().any(|fault| {
                let mut trial = search.trial().clone();
                trial.schedule[at] = fault;
                search.offer(trial)
            });
            if !kept {
                break;
            }
        }
    }
}

/// Puts settings back to their defaults, one at a time.
pub(super) fn settings(search: &mut Search<'_>) {
    let plain = |trial: &Trial| {
        Trial::calm(
            &trial.cluster,
            trial.workload.clone(),
            trial.arena,
            trial.seed,
        )
    };
    let resets: [fn(&mut Trial, Trial); 8] = [
        |trial, plain| trial.knobs = plain.knobs,
        |trial, plain| trial.network = plain.network,
        |trial, plain| trial.sync_ms = plain.sync_ms,
        |trial, plain| trial.patience = plain.patience,
        |trial, plain| trial.knobs.entries_per_append_max = plain.knobs.entries_per_append_max,
        |trial, plain| trial.knobs.election_timeout = plain.knobs.election_timeout,
        |trial, plain| trial.knobs.heartbeat_interval_ms = plain.knobs.heartbeat_interval_ms,
        |trial, _| trial.workload.reset_settings(),
    ];
    for reset in resets {
        let mut trial = search.trial().clone();
        let plain = plain(&trial);
        reset(&mut trial, plain);
        search.offer(trial);
    }
}

/// The same fault with other nodes: each one replaced, or gone. Nothing when it befalls nobody then.
pub(super) fn with_nodes(fault: &Fault, place: &dyn Fn(NodeId) -> Option<NodeId>) -> Option<Fault> {
    let several =
        |nodes: &[NodeId]| -> Vec<NodeId> { nodes.iter().copied().filter_map(place).collect() };
    let mut fault = fault.clone();
    if let Some(target) = fault.action.target_mut() {
        *target = match &*target {
            Target::Node(node) => Target::Node(place(*node)?),
            Target::Nodes(nodes) => match several(nodes).as_slice() {
                [] => return None,
                [node] => Target::Node(*node),
                nodes => Target::Nodes(nodes.to_vec()),
            },
            described => described.clone(),
        };
        return Some(fault);
    }
    match &mut fault.action {
        Action::RollingRestart { order, .. }
        | Action::Disturb {
            links: Links::AcrossRing { order },
            ..
        } => *order = several(order),
        Action::Disturb {
            links:
                Links::Between {
                    left: one,
                    right: other,
                },
            ..
        }
        | Action::Disturb {
            links:
                Links::OneWay {
                    from: one,
                    to: other,
                },
            ..
        } => {
            (*one, *other) = (several(one), several(other));
        }
        Action::Disturb {
            links: Links::Pairs(pairs),
            ..
        } => {
            let moved = |(one, other): &(NodeId, NodeId)| Some((place(*one)?, place(*other)?));
            *pairs = pairs.iter().filter_map(moved).collect();
        }
        _ => {}
    }
    Some(fault)
}

/// Simpler faults in the place of one, the simplest first. Each is simpler in a way that ends.
fn variants(fault: &Fault) -> Vec<Fault> {
    let mut variants = plainer(fault);
    for node in fault.names() {
        let others = |named: NodeId| (named != node).then_some(named);
        variants.extend(with_nodes(fault, &others));
    }
    if let Action::Disturb {
        links: Links::Pairs(pairs),
        disturbance,
    } = &fault.action
    {
        for at in 0..pairs.len() {
            let mut pairs = pairs.clone();
            pairs.remove(at);
            let (links, disturbance) = (Links::Pairs(pairs), disturbance.clone());
            let action = Action::Disturb { links, disturbance };
            variants.push(Fault {
                action,
                ..fault.clone()
            });
        }
    }
    for lasts_ms in [fault.lasts_ms / 8, fault.lasts_ms / 2] {
        variants.push(Fault {
            lasts_ms,
            ..fault.clone()
        });
    }
    if let When::AtNs(at_ns) = fault.when {
        // Whole milliseconds are easier to read, and seldom matter.
        for at_ms in [at_ns / 1_000_000, at_ns / 1_000_000 + 1] {
            variants.push(Fault {
                when: When::AtMs(at_ms),
                ..fault.clone()
            });
        }
    }
    variants.retain(|variant| variant != fault);
    variants
}

/// The same fault without periods, rounds and chance.
fn plainer(fault: &Fault) -> Vec<Fault> {
    let with = |kind: FaultKind, action: Action| Fault {
        kind,
        action,
        ..fault.clone()
    };
    match &fault.action {
        Action::Disturb { links, disturbance } => {
            let (mut kind, mut plain) = (fault.kind, disturbance.clone());
            match &mut plain {
                Disturbance::Lose { percent, .. }
                | Disturbance::Reorder { percent, .. }
                | Disturbance::Duplicate { percent, .. }
                | Disturbance::Corrupt { percent }
                | Disturbance::Reset { percent } => *percent = 100,
                Disturbance::Flaky { .. } => {
                    plain = Disturbance::Cut;
                    kind = cut(links);
                }
                Disturbance::Cut | Disturbance::Slow { .. } | Disturbance::Clog => {}
            }
            let (links, disturbance) = (links.clone(), plain);
            vec![with(kind, Action::Disturb { links, disturbance })]
        }
        Action::CrashLoop { target, .. } => {
            let (target, leaves) = (target.clone(), Leaves::Some);
            vec![with(FaultKind::Crash, Action::Crash { target, leaves })]
        }
        Action::Crash {
            target,
            leaves: Leaves::Some | Leaves::Torn,
        } => {
            let (target, leaves) = (target.clone(), Leaves::Synced);
            vec![with(FaultKind::Crash, Action::Crash { target, leaves })]
        }
        _ => Vec::new(),
    }
}

/// What a cut of links of that shape is called.
fn cut(links: &Links) -> FaultKind {
    match links {
        Links::Between { .. } => FaultKind::PartitionHalves,
        Links::OneWay { .. } => FaultKind::PartitionOneWay,
        Links::Around { .. } => FaultKind::PartitionOne,
        Links::AcrossRing { .. } => FaultKind::PartitionRing,
        Links::Pairs(_) => FaultKind::PartitionRandom,
    }
}
