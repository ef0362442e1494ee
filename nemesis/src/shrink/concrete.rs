//! Makes a trial concrete: what it only described is named, as it really went.

use super::search::Search;
use crate::record::{FaultRecord, Run};
use crate::schedule::{Fault, Target, When};
use crate::trial::{Call, Trial};
use stormglass_checker::{Kind, Process};

/// What the clients of a run called in its storm, as fixed calls.
pub fn calls_of(trial: &Trial, run: &Run) -> Vec<Call> {
    let storm_ns = trial.storm_ms.saturating_mul(1_000_000);
    let events = run.history.events.iter();
    let called = events.filter(|event| event.kind == Kind::Invoke && event.time < storm_ns);
    let call = |event: &stormglass_checker::Event| match event.process {
        // After an unknown outcome a client goes on as another process; the numbers are so many apart.
        Process::Client(process) => Some(Call {
            client: u32::try_from(process % u64::from(trial.clients)).ok()?,
            at_ns: event.time,
            f: event.f.clone(),
            key: event.key.clone(),
            value: event.value.clone(),
        }),
        Process::Nemesis => None,
    };
    called.filter_map(call).collect()
}

/// All at once, which mostly works.
pub(super) fn whole(search: &mut Search<'_>) {
    let best = search.best();
    let began = best.trial.schedule.iter().zip(&best.run.record.faults);
    let began = began.filter(|(_, went)| went.from_ns.is_some());
    let schedule = began.map(|(fault, _)| fault.clone()).collect();
    let trial = Trial {
        schedule,
        ..search.trial().clone()
    };
    search.offer(trial);
    let fixed = |search: &Search<'_>, late_ns| {
        let best = search.best();
        let faults = best.trial.schedule.iter().zip(&best.run.record.faults);
        let schedule = faults
            .map(|(fault, went)| timed(&targeted(fault, went), went, late_ns))
            .collect();
        Trial {
            schedule,
            ..best.trial.clone()
        }
    };
    // What a fact starts comes after it, and what is due at a time comes before all else at that time.
    let after = fixed(search, 1);
    if !search.offer(after) {
        let at = fixed(search, 0);
        search.offer(at);
    }
    fix_calls(search);
}

/// Fault by fault, for those that could not be made concrete together with others that are gone by now.
pub(super) fn one_by_one(search: &mut Search<'_>) {
    fix_calls(search);
    for at in 0..search.trial().schedule.len() {
        let best = search.best();
        let Some(went) = best.run.record.faults.get(at).cloned() else {
            return;
        };
        let fault = best.trial.schedule[at].clone();
        if went.from_ns.is_none() {
            continue;
        }
        let named = targeted(&fault, &went);
        let variants = [
            timed(&named, &went, 1),
            timed(&named, &went, 0),
            timed(&fault, &went, 1),
            named,
        ];
        for variant in variants {
            let mut trial = search.trial().clone();
            trial.schedule[at] = variant;
            if search.offer(trial) {
                break;
            }
        }
    }
}

fn fix_calls(search: &mut Search<'_>) {
    let best = search.best();
    if best.trial.calls.is_some() {
        return;
    }
    let mut trial = best.trial.clone();
    trial.calls = Some(calls_of(&trial, &best.run));
    trial.operations_per_client_max = None;
    search.offer(trial);
}

/// The fault with its target named.
fn targeted(fault: &Fault, went: &FaultRecord) -> Fault {
    let mut fault = fault.clone();
    let target = fault.action.target_mut();
    if let Some(target) = target.filter(|target| target.named().is_empty()) {
        *target = match went.nodes.as_slice() {
            [] => target.clone(),
            [node] => Target::Node(*node),
            nodes => Target::Nodes(nodes.to_vec()),
        };
    }
    fault
}

/// The fault at the time at which it began, or a little later, where a fact decided that.
fn timed(fault: &Fault, went: &FaultRecord, late_ns: u64) -> Fault {
    let when = match (fault.when, went.from_ns) {
        (When::OnFact { .. }, Some(from_ns)) => When::AtNs(from_ns + late_ns),
        (when, _) => when,
    };
    Fault {
        when,
        ..fault.clone()
    }
}
