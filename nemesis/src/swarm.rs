//! What a seed draws besides its faults: which kinds at all, the knobs of the protocol, the network, the disks, and what heals.
//!
//! A storm of everything at once hides what a storm of three things finds, and some bugs live only at one setting of a knob. So each seed
//! draws a subset of the kinds, a rhythm, and a setting of everything that can be set.

use crate::arena;
use crate::faults::{FAULTS, FaultKind};
use crate::profile::Storm;
use crate::trial::{Healing, Network, Rest, Trial};
use stormglass_impls::contract::{DelayRange, NodeId};
use stormglass_impls::facts::FactKind;
use stormglass_impls::knobs::Reads;
use stormglass_impls::system::{Links, System};
use stormglass_workloads::draw::Draws;
use stormglass_workloads::workload::WorkloadConfig;

/// What a draw is for: its only key.
#[derive(Clone, Copy)]
enum Purpose {
    Share,
    Entries,
    Election,
    Heartbeat,
    Sync,
    Network,
    Think,
    Reads,
    Heals,
    Core,
    Rest,
    Spares,
    Steady,
    ReadMode,
    Snapshots,
    Kept,
    Chunk,
    Session,
    Window,
    Uncommitted,
    Quorums,
    Zxids,
    Timeout,
}

/// The kinds of fault that can be made in the arena of a trial and lie within what its cluster promises to survive, or beyond it too if
/// the trial says so.
pub fn kinds_of(trial: &Trial, system: &dyn System) -> Vec<FaultKind> {
    let budget = system.budget();
    let fits = FAULTS.iter().filter(|info| {
        info.arenas.contains(&trial.arena)
            && (trial.beyond_promise || info.demand.is_within(&budget))
    });
    fits.map(|info| info.kind).collect()
}

/// The storm of a trial, of faults of these kinds.
pub fn storm(trial: &Trial, system: &dyn System, kinds: Vec<FaultKind>) -> Storm {
    Storm {
        nodes: trial.nodes,
        spares: trial.spares,
        storm_ms: trial.storm_ms,
        election_timeout_ms_min: trial.knobs.election_timeout.min_ns / 1_000_000,
        kinds,
        message_kinds: system.message_kinds(),
        drift_percent_max: system.budget().drift_percent_max,
        seed: trial.seed,
    }
}

/// Draws from the trial's seed everything that a trial can have one way or another, and the faults.
pub fn draw(trial: &mut Trial, system: &dyn System) {
    let possible = kinds_of(trial, system);
    let kinds = subset(trial, system, &possible);
    let changes = |kinds: &[FaultKind]| kinds.iter().any(|kind| kind.changes_members());
    if changes(&kinds) {
        // Spares come on top: a cluster of five begins with five voters.
        let spares = [0, 1, 2][draws(trial)(Purpose::Spares, 3)];
        trial.spares += spares;
        trial.nodes += spares;
    }
    let kinds = befalling(trial, system, kinds, &possible);
    let changes = changes(&kinds);
    draw_settings(trial);
    draw_features(trial, system);
    draw_zxids(trial, system);
    trial.healing = if changes {
        Healing::Everything
    } else {
        healing(trial)
    };
    if !changes && trial.healing == Healing::Everything {
        draw_quorums(trial, system);
    }
    trial.schedule = storm(trial, system, kinds).schedule();
    assert!(
        trial
            .schedule
            .iter()
            .all(|fault| trial.beyond_promise || arena::is_within(fault, &system.budget()))
    );
}

/// Draws from the trial's seed nothing but its faults: some of these kinds, as [`draw`] would choose among them. Of a cluster whose nodes never
/// say that they lead, no fault is aimed by that.
pub fn draw_faults(trial: &mut Trial, system: &dyn System, kinds: &[FaultKind]) {
    let some = subset(trial, system, kinds);
    let some = befalling(trial, system, some, kinds);
    let storm = storm(trial, system, some);
    trial.schedule = match system.facts().contains(&FactKind::BecameLeader) {
        true => storm.schedule(),
        false => storm.leaderless_schedule(),
    };
}

/// What a seed has drawn of the possible kinds. Where none of it can befall the cluster as it was drawn (a node is to be added, and there is no spare), some of
/// what can is drawn in its place.
fn befalling(
    trial: &Trial,
    system: &dyn System,
    some: Vec<FaultKind>,
    possible: &[FaultKind],
) -> Vec<FaultKind> {
    let first = storm(trial, system, some);
    if first.kinds.iter().any(|kind| first.fits(*kind)) {
        return first.kinds;
    }
    let fitting = possible.iter().copied().filter(|kind| first.fits(*kind));
    subset(trial, system, &fitting.collect::<Vec<_>>())
}

fn draws(trial: &Trial) -> impl Fn(Purpose, usize) -> usize + use<> {
    let draws = Draws::new(trial.seed, "swarm");
    move |purpose: Purpose, count: usize| {
        draws.within(&[purpose as u64], 0..=count as u64 - 1) as usize
    }
}

/// Some of the kinds: few or many, one at least.
fn subset(trial: &Trial, system: &dyn System, kinds: &[FaultKind]) -> Vec<FaultKind> {
    let is_fifo = system.budget().links == Links::Fifo;
    let percent = [10, 25, 50, 100][draws(trial)(Purpose::Share, 4)];
    let chances = Draws::new(trial.seed, "swarm kinds");
    let falls = |kind: &&FaultKind| chances.percent(&[**kind as u64], percent);
    let mut some: Vec<FaultKind> = kinds.iter().filter(falls).copied().collect();
    if some.is_empty() {
        let lot = chances.within(&[u64::MAX], 0..=kinds.len().max(1) as u64 - 1) as usize;
        some = kinds.get(lot).copied().into_iter().collect();
    }
    let mut needed: Vec<FaultKind> = some.iter().filter_map(|kind| kind.needs()).collect();
    // Where links keep the order, most kinds of message belong to the beginning of a leadership: something has to end one.
    if is_fifo && some == [FaultKind::LoseKind] {
        needed.push(FaultKind::PartitionLeader);
    }
    some.extend(needed.into_iter().filter(|kind| kinds.contains(kind)));
    some.sort_unstable();
    some.dedup();
    some
}

fn draw_settings(trial: &mut Trial) {
    let draw = draws(trial);
    let (low_ms, high_ms) =
        [(150, 300), (150, 300), (80, 160), (300, 500)][draw(Purpose::Election, 4)];
    trial.knobs.election_timeout = DelayRange::from_ms(low_ms, high_ms);
    // Once everything is healed, a few elections are enough, and the time a client needs to ask every server.
    let round_ms = u64::from(trial.nodes) * trial.patience.attempt_timeout_ms;
    trial.recovery_ms = 10 * high_ms + round_ms;
    trial.knobs.heartbeat_interval_ms =
        [low_ms / 3, low_ms / 3, low_ms / 6][draw(Purpose::Heartbeat, 3)];
    trial.knobs.entries_per_append_max = [64, 1, 2, 1][draw(Purpose::Entries, 4)];
    trial.sync_ms = [(0, 4), (0, 4), (0, 0), (1, 25)][draw(Purpose::Sync, 4)];
    let (delay_us_min, delay_us_max) =
        [(500, 3_000), (500, 3_000), (50, 500), (1_000, 15_000)][draw(Purpose::Network, 4)];
    trial.network = Network {
        delay_us_min,
        delay_us_max,
    };
    let (low_ms, high_ms) = [(40, 120), (40, 120), (20, 60), (100, 300)][draw(Purpose::Think, 4)];
    trial.workload.set_think_time_ms(low_ms, high_ms);
    let session_ms = [1_500, 1_500, 400, 3_000][draw(Purpose::Timeout, 4)];
    trial.workload.set_session_ms(session_ms);
    trial.recovery_ms += trial.workload.rest_ms_max();
    let (reads, writes) = [(40, 35), (40, 35), (65, 20), (15, 50)][draw(Purpose::Reads, 4)];
    trial.workload.set_shares_percent(reads, writes);
}

/// What a protocol can do with and without: what keeps leaders steady, snapshots, sessions, windows, bounds.
fn draw_features(trial: &mut Trial, system: &dyn System) {
    let draw = draws(trial);
    let has_large_state = matches!(trial.workload, WorkloadConfig::Etcd(_));
    let knobs = &mut trial.knobs;
    (knobs.pre_vote, knobs.check_quorum) =
        [(false, false), (true, true), (false, true), (true, true)][draw(Purpose::Steady, 4)];
    let reads = system.reads();
    if !reads.is_empty() {
        knobs.reads = reads[draw(Purpose::ReadMode, reads.len())];
    }
    // A lease rests on the trust that this brings.
    knobs.check_quorum |= knobs.reads == Reads::Lease;
    knobs.snapshot_every = [0, 0, 5, 40, 200][draw(Purpose::Snapshots, 5)];
    knobs.entries_kept = [64, 0, 5][draw(Purpose::Kept, 3)];
    // What a store of revisions holds only grows: in parts of some bytes it would be on its way longer than any recovery takes.
    let chunks = match has_large_state {
        true => [64 << 10, 8_000, 2_000],
        false => [64 << 10, 100, 30],
    };
    knobs.snapshot_chunk_bytes = chunks[draw(Purpose::Chunk, 3)];
    knobs.session_ms = [0, 0, 5_000, 20_000][draw(Purpose::Session, 4)];
    knobs.appends_in_flight_max = [256, 1, 4][draw(Purpose::Window, 3)];
    if knobs.entries_per_append_max <= 2 {
        // An entry or two at a time and one message at a time is slower than the clients: who is behind stays behind.
        knobs.appends_in_flight_max = knobs.appends_in_flight_max.max(4);
    }
    knobs.uncommitted_max = [8_192, 8_192, 8_192, 3][draw(Purpose::Uncommitted, 4)];
}

/// Epochs that are soon used up, where a protocol counts what it broadcasts in one.
fn draw_zxids(trial: &mut Trial, system: &dyn System) {
    let mut none = trial.clone();
    none.knobs.zxids_per_epoch_max = 0;
    let counts = system.refuses(&arena::setup(NodeId(1), &none)).is_some();
    if counts && draws(trial)(Purpose::Zxids, 4) == 0 {
        trial.knobs.zxids_per_epoch_max = 40;
    }
}

/// Two quorums that are no majorities, where a protocol lets one choose. One of them needs more nodes than a majority: only when all heal do as
/// many come back, and other members might be too few.
fn draw_quorums(trial: &mut Trial, system: &dyn System) {
    if trial.nodes < 3 {
        return;
    }
    let more = trial.nodes / 2 + 2;
    let fewer = trial.nodes + 1 - more;
    let refuses = |sizes| {
        let mut sized = trial.clone();
        sized.knobs.quorums = Some(sizes);
        system.refuses(&arena::setup(NodeId(1), &sized)).is_some()
    };
    // Who heeds the sizes refuses those that need not meet; who has none to choose may refuse all.
    if !refuses((1, 1)) || refuses((more, fewer)) {
        return;
    }
    trial.knobs.quorums =
        [None, None, Some((more, fewer)), Some((fewer, more))][draws(trial)(Purpose::Quorums, 4)];
}

/// Everything heals, or only a majority.
fn healing(trial: &Trial) -> Healing {
    let draw = draws(trial);
    if trial.nodes < 3 || draw(Purpose::Heals, 2) == 0 {
        return Healing::Everything;
    }
    core(trial)
}

/// A majority heals, which the trial's seed draws, and the rest stays broken.
pub fn core(trial: &Trial) -> Healing {
    let draw = draws(trial);
    let order = Draws::new(trial.seed, "swarm core");
    let mut core: Vec<NodeId> = NodeId::all(trial.nodes).collect();
    core.sort_by_key(|node| order.at(&[node.0.into()]));
    let majority = usize::from(trial.nodes / 2) + 1;
    core.truncate(majority + draw(Purpose::Core, usize::from(trial.nodes) - majority));
    core.sort_unstable();
    let rest = [Rest::Stopped, Rest::CutOff][draw(Purpose::Rest, 2)];
    Healing::Core { core, rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Arena;
    use stormglass_impls::catalog;

    fn drawn(cluster: &str, nodes: u8, seed: u64) -> Trial {
        let system = catalog::system(cluster).expect("it is in the catalogue");
        let workload = WorkloadConfig::register();
        let mut trial = Trial::calm(cluster, workload, Arena::Simulator, seed);
        (trial.nodes, trial.storm_ms) = (nodes, 60_000);
        draw(&mut trial, &*system);
        trial
    }

    #[test]
    fn no_seed_draws_a_storm_without_a_fault() {
        // One that drew nothing but the addition of a node, and no spare.
        assert!(!drawn("raft-cache", 5, 10_169).schedule.is_empty());
        let mut anew = 0;
        for system in catalog::systems() {
            let cluster = system.name();
            for nodes in 1..=5 {
                for seed in 0..400 {
                    let trial = drawn(cluster, nodes, seed);
                    let (schedule, at) = (&trial.schedule, format!("{cluster} {nodes} {seed}"));
                    assert!(!schedule.is_empty(), "{at}");
                    // What members can be changed under is decided by the kinds that are drawn in the end.
                    let changes = schedule.iter().any(|fault| fault.kind.changes_members());
                    let may_change =
                        trial.healing == Healing::Everything && trial.knobs.quorums.is_none();
                    assert!(!changes || may_change, "{at}");
                    let some = subset(&trial, &*system, &kinds_of(&trial, &*system));
                    let first = storm(&trial, &*system, some);
                    anew += usize::from(first.schedule().is_empty());
                }
            }
        }
        assert!(anew > 10, "some are drawn anew: {anew}");
    }
}
