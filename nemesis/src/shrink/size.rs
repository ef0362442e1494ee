//! Makes the cluster, its clients and their keys fewer.

use super::search::Search;
use super::simpler::with_nodes;
use crate::trial::{Healing, Trial};
use std::collections::BTreeSet;
use stormglass_impls::contract::NodeId;

/// Fewer nodes, clients and keys.
pub(super) fn smaller(search: &mut Search<'_>) {
    while fewer_nodes(search) {}
    fewer_clients(search);
    fewer_keys(search);
}

/// Fewer operations of each client, where the operations could not be fixed.
pub(super) fn fewer_operations(search: &mut Search<'_>) {
    let clients = u64::from(search.trial().clients);
    let most = search.best().judged.counts.operations.div_ceil(clients);
    let mut most = search.trial().operations_per_client_max.unwrap_or(most);
    while most > 1 {
        most /= 2;
        let trial = Trial {
            operations_per_client_max: Some(most),
            ..search.trial().clone()
        };
        if !search.offer(trial) {
            break;
        }
    }
}

fn fewer_nodes(search: &mut Search<'_>) -> bool {
    with_fewer_nodes(search.trial())
        .into_iter()
        .any(|trial| search.offer(trial))
}

/// The trial without two of its nodes, and without one: a cluster of an even number needs more votes than the smaller odd one.
pub(super) fn with_fewer_nodes(trial: &Trial) -> Vec<Trial> {
    let all = || NodeId::all(trial.nodes).rev();
    let pairs = all().flat_map(|one| all().map(move |other| (one, other)));
    let pairs = pairs.filter(|(one, other)| one > other && trial.nodes > 2);
    let two = pairs.map(|(one, other)| without_node(&without_node(trial, one), other));
    let alone = all().filter(|_| trial.nodes > 1);
    let one = alone.map(|node| without_node(trial, node));
    two.chain(one).collect()
}

/// The trial without a node; those after it move up. Faults that befall nobody else are left out.
fn without_node(trial: &Trial, gone: NodeId) -> Trial {
    let moved = |node: NodeId| match node.cmp(&gone) {
        std::cmp::Ordering::Less => Some(node),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(NodeId(node.0 - 1)),
    };
    let mut trial = trial.clone();
    trial.nodes -= 1;
    trial.schedule = trial
        .schedule
        .iter()
        .filter_map(|fault| with_nodes(fault, &moved))
        .collect();
    if let Healing::Core { core, .. } = &mut trial.healing {
        *core = core.iter().copied().filter_map(moved).collect();
    }
    trial
}

fn fewer_clients(search: &mut Search<'_>) {
    let Some(calls) = search.trial().calls.clone() else {
        return;
    };
    let callers: Vec<u32> = calls
        .iter()
        .map(|call| call.client)
        .collect::<BTreeSet<u32>>()
        .into_iter()
        .collect();
    let with = |search: &Search<'_>, clients: usize, place: &dyn Fn(u32) -> u32| {
        let mut trial = search.trial().clone();
        trial.clients = clients.max(1) as u32;
        for call in trial.calls.iter_mut().flatten() {
            call.client = place(call.client);
        }
        trial
    };
    let rank = |client: u32| {
        callers
            .iter()
            .position(|known| *known == client)
            .unwrap_or(0) as u32
    };
    // All on one client, or those that call and no others, or at least none after the last that calls.
    let last = callers.last().map_or(1, |last| *last as usize + 1);
    let candidates = [
        with(search, 1, &|_| 0),
        with(search, callers.len(), &rank),
        with(search, last, &|client| client),
    ];
    for trial in candidates {
        if trial.clients <= search.trial().clients && search.offer(trial) {
            break;
        }
    }
}

fn fewer_keys(search: &mut Search<'_>) {
    let Some(calls) = search.trial().calls.clone() else {
        return;
    };
    let called: Vec<Option<String>> = calls
        .iter()
        .map(|call| call.key.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let with = |search: &Search<'_>, keys: usize, place: &dyn Fn(usize) -> usize| {
        let mut trial = search.trial().clone();
        trial.workload.set_keys(keys.max(1) as u32);
        for call in trial.calls.iter_mut().flatten() {
            let rank = called.iter().position(|known| *known == call.key);
            call.key = Some(trial.workload.key(place(rank.unwrap_or(0))));
        }
        trial
    };
    let candidates = [
        with(search, 1, &|_| 0),
        with(search, called.len(), &|rank| rank),
    ];
    for trial in candidates {
        if search.offer(trial) {
            break;
        }
    }
}
