//! The workloads of the coordination services, each in storms: what its clients saw keeps every promise, and each run put its own to the test.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use stormglass_impls::catalog;
use stormglass_nemesis::judge::{Judged, Ruling, judge};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_nemesis::{arena, swarm};
use stormglass_workloads::workload::{WORKLOADS, WorkloadConfig};

const ZOOKEEPER: &str = "zookeeper";
const ETCD: &str = "etcd";

fn storm(cluster: &str, workload: &str, seed: u64) -> Judged {
    let workload = WorkloadConfig::named(workload, cluster).expect("a known workload");
    let mut trial = Trial::calm(cluster, workload, Arena::Simulator, seed);
    trial.clients = 10;
    let system = catalog::system(cluster).expect("a known cluster");
    swarm::draw(&mut trial, &*system);
    let run = arena::run(&trial, &mut |_| ControlFlow::Continue(())).expect("a sound trial runs");
    judge(&trial, &run).expect("the history is well formed")
}

/// The measures of a workload's storms, added up.
fn measured(
    cluster: &str,
    workload: &str,
    seeds: std::ops::RangeInclusive<u64>,
) -> BTreeMap<String, (u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in seeds {
        for measure in storm(cluster, workload, seed).measures {
            let (count, of) = all.entry(measure.name).or_default();
            *count += measure.count;
            *of += measure.of;
        }
    }
    all
}

/// The night has four hundred seeds of any of them.
fn every_workload_keeps_its_promises(cluster: &str, seeds: u64) {
    let offered = WORKLOADS.iter();
    let offered = offered.filter(|info| info.clusters.contains(&cluster));
    for info in offered {
        for seed in 1..=seeds {
            let judged = storm(cluster, info.name, seed);
            let name = info.name;
            let sentence = &judged.sentence;
            assert_eq!(judged.ruling, Ruling::Valid, "{name} {seed}: {sentence}");
        }
    }
}

#[test]
fn every_workload_of_znodes_keeps_its_promises_and_tests_them() {
    every_workload_keeps_its_promises(ZOOKEEPER, 2);
}

#[test]
fn every_workload_of_keys_keeps_its_promises_and_tests_them() {
    every_workload_keeps_its_promises(ETCD, 2);
}

/// A holder that is paused for longer than its session or lease lives does not know that the lock is another's by now. Only what the lock protects can
/// tell.
#[test]
fn a_lock_is_unsafe_without_fencing_and_safe_with_it() {
    for (cluster, seeds) in [(ZOOKEEPER, 20), (ETCD, 5)] {
        let (unsafe_stores, stores) = measured(cluster, "lock", 1..=seeds)["unsafe-stores"];
        assert!(unsafe_stores > 0, "{cluster}: none of {stores}");
        let (unsafe_stores, stores) = measured(cluster, "fenced-lock", 1..=seeds)["unsafe-stores"];
        assert!(stores > 0);
        assert_eq!(unsafe_stores, 0, "{cluster}: of {stores}");
    }
}

/// Whoever reads at a follower may read what is old by then: that is measured, and no violation.
#[test]
fn local_reads_may_be_stale() {
    for (cluster, seeds) in [(ZOOKEEPER, 10), (ETCD, 2)] {
        let (stale, reads) = measured(cluster, "register", 1..=seeds)["stale-reads"];
        assert!(0 < stale && stale < reads, "{cluster}: {stale} of {reads}");
    }
}
