//! All clusters under one workload and one storm, side by side: what each promises and whether it kept it, how fast it is, what it answers
//! under each fault, how soon it is back, and what that costs with more nodes.
//!
//! Everything is taken from run directories, so that the page can be made again from them.

use crate::behaviour::{Back, Behaviour};
use crate::error::ReportError;
use crate::escape::visible;
use crate::page::PLAIN_SCRIPT;
use crate::run_directory::{PAGE, RunDirectory, put};
use crate::summary::RunSummary;
use crate::theme;
use crate::units::{count, duration};
use askama::Template;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use stormglass_nemesis::judge::{Ruling, judge};

/// The page.
pub const COMPARISON: &str = "comparison.html";
/// The same for machines.
pub const COMPARISON_JSON: &str = "comparison.json";

/// One run of one cluster.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What it showed.
    pub summary: RunSummary,
    /// How the cluster behaved.
    pub behaviour: Behaviour,
}

impl Compared {
    /// Reads a run and judges it again.
    ///
    /// # Errors
    /// Those of [`RunDirectory::load`], [`RunDirectory::summary`] and [`ReportError::Check`].
    pub fn load(directory: &RunDirectory) -> Result<Self, ReportError> {
        let (trial, run) = directory.load()?;
        let judged = judge(&trial, &run)?;
        Ok(Self {
            summary: directory.summary()?,
            behaviour: Behaviour::of(&trial, &run, &judged),
        })
    }
}

/// Clusters side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// How many nodes the clusters of the first two tables have.
    pub nodes: u8,
    /// The seeds, each a storm.
    pub seeds: Vec<u64>,
    /// What clients did.
    pub workload: String,
    /// The clusters, by name.
    pub clusters: Vec<ClusterRow>,
    /// What was answered under each kind of fault.
    pub kinds: Vec<KindRow>,
    /// What it costs, by cluster and number of nodes.
    pub costs: Vec<CostRow>,
}

/// A cluster over all its runs with so many nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterRow {
    /// Its name.
    pub cluster: String,
    /// What it promises.
    pub promise: String,
    /// How many runs there were.
    pub runs: u64,
    /// In how many the promise was kept and put to the test.
    pub kept: u64,
    /// In how many it was broken.
    pub broken: u64,
    /// Operations that ended ok, a simulated second: the median of the runs.
    pub ok_per_second: f64,
    /// The median latency of those, in nanoseconds: the median of the runs.
    pub median_ns: Option<u64>,
    /// Of a hundred, 99 took at most this, in nanoseconds: the median of the runs.
    pub p99_ns: Option<u64>,
    /// After a fault ended, how long until something called then was answered, in nanoseconds: the median of all faults.
    pub recovery_ns: Option<u64>,
    /// The worst of them.
    pub recovery_ns_max: Option<u64>,
    /// After how many faults nothing was answered any more.
    pub never_back: u64,
    /// Acknowledged writes that were lost: none where every run kept its promise, for it leaves no room for one; unknown otherwise.
    pub writes_lost: Option<u64>,
    /// The runs, by name.
    pub reports: Vec<String>,
}

/// A kind of fault, and what each cluster answered under it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindRow {
    /// The kind.
    pub kind: String,
    /// By cluster, in the order of the clusters; none where no operation met it.
    pub cells: Vec<Option<KindCell>>,
}

/// What a cluster answered under a kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KindCell {
    /// How many times it was in force.
    pub windows: u64,
    /// The share of operations called then that were answered, then or later, with ok or a certain no: the median of the runs.
    pub answered_share: f64,
    /// The worst of all windows.
    pub answered_share_min: f64,
    /// The longest time without any return that was ok, in nanoseconds: the median of the runs, of which each counts with its median.
    pub stall_ns: Option<u64>,
}

/// What a cluster costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostRow {
    /// Its name.
    pub cluster: String,
    /// How many nodes.
    pub nodes: u8,
    /// Operations that ended ok, a simulated second: the median of the runs.
    pub ok_per_second: f64,
    /// Frames handed to the network for each operation that ended ok.
    pub frames_per_ok: f64,
    /// Inputs that nodes took for each.
    pub inputs_per_ok: f64,
    /// CPU time of the simulation for each, in milliseconds; none where it was not measured.
    pub cpu_ms_per_ok: Option<f64>,
}

impl Comparison {
    /// Lays runs side by side. The number of nodes with most runs is that of the first tables. One trial that was run twice tells no more than once.
    pub fn of(runs: &[Compared]) -> Self {
        let mut seen = BTreeSet::new();
        let mut is_new = |summary: &RunSummary| {
            let (cluster, digest) = (summary.cluster.clone(), summary.digest.clone());
            seen.insert((cluster, summary.nodes, summary.seed, digest))
        };
        let runs: Vec<&Compared> = runs.iter().filter(|run| is_new(&run.summary)).collect();
        let mut by_nodes: BTreeMap<u8, usize> = BTreeMap::new();
        for run in &runs {
            *by_nodes.entry(run.summary.nodes).or_default() += 1;
        }
        let most = by_nodes.iter().max_by_key(|(nodes, runs)| {
            // Of equals, that nearest to five: the usual cluster.
            (**runs, std::cmp::Reverse(nodes.abs_diff(5)))
        });
        let nodes = most.map_or(0, |(nodes, _)| *nodes);
        let mut groups: BTreeMap<(&str, u8), Vec<&Compared>> = BTreeMap::new();
        for run in &runs {
            let group = (run.summary.cluster.as_str(), run.summary.nodes);
            groups.entry(group).or_default().push(run);
        }
        let usual = groups.iter().filter(|((_, of), _)| *of == nodes);
        let usual: Vec<(&str, &Vec<&Compared>)> =
            usual.map(|((name, _), runs)| (*name, runs)).collect();
        let seeds: BTreeSet<u64> = runs.iter().map(|run| run.summary.seed).collect();
        let workloads: BTreeSet<&str> = runs
            .iter()
            .map(|run| run.summary.workload.as_str())
            .collect();
        Self {
            nodes,
            seeds: seeds.into_iter().collect(),
            workload: workloads.into_iter().collect::<Vec<_>>().join(", "),
            clusters: usual
                .iter()
                .map(|(name, runs)| cluster_row(name, runs))
                .collect(),
            kinds: kind_rows(&usual),
            costs: groups
                .iter()
                .map(|((name, nodes), runs)| cost_row(name, *nodes, runs))
                .collect(),
        }
    }

    /// Writes the page and the data into the directory that holds the runs.
    ///
    /// # Errors
    /// [`ReportError::Rendering`] and [`ReportError::Io`].
    pub fn write(&self, out: &Path, command: &str) -> Result<PathBuf, ReportError> {
        let failed = |cause: String| ReportError::Rendering {
            what: "comparison",
            cause,
        };
        let page = Page::of(self, command).render();
        let page = page.map_err(|error| failed(error.to_string()))?;
        let json = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        put(&out.join(COMPARISON_JSON), format!("{json}\n").as_bytes())?;
        let path = out.join(COMPARISON);
        put(&path, page.as_bytes())?;
        Ok(path)
    }
}

/// The nearest rank in the middle.
fn median<T: Copy>(mut values: Vec<T>, order: fn(&T, &T) -> std::cmp::Ordering) -> Option<T> {
    values.sort_by(order);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn ok_per_second(run: &Compared) -> f64 {
    let seconds = run.summary.simulated_ns as f64 / 1e9;
    run.summary.counts.ok as f64 / seconds.max(f64::MIN_POSITIVE)
}

fn cluster_row(cluster: &str, runs: &[&Compared]) -> ClusterRow {
    let ruled = |ruling: Ruling| {
        let runs = runs.iter().filter(|run| run.summary.verdict == ruling);
        runs.count() as u64
    };
    let latency = |of: fn(&crate::behaviour::Latency) -> u64| {
        let all = runs
            .iter()
            .filter_map(|run| run.behaviour.keys.all.as_ref());
        let latencies = all.filter_map(|row| row.latency.as_ref().map(of));
        median(latencies.collect(), u64::cmp)
    };
    let heals = runs.iter().flat_map(|run| &run.behaviour.recovery.heals);
    let (mut back_ns, mut never_back) = (Vec::new(), 0);
    for heal in heals {
        match heal.service {
            Back::AfterNs(ns) => back_ns.push(ns),
            Back::Never => never_back += 1,
            Back::Unasked => {}
        }
    }
    let kept = ruled(Ruling::Valid);
    ClusterRow {
        cluster: cluster.to_string(),
        promise: runs.first().map_or_else(String::new, |run| {
            let promise = &run.summary.promise;
            promise.split(':').next().unwrap_or(promise).to_string()
        }),
        runs: runs.len() as u64,
        kept,
        broken: ruled(Ruling::Violation),
        ok_per_second: median(
            runs.iter().map(|run| ok_per_second(run)).collect(),
            f64::total_cmp,
        )
        .unwrap_or(0.0),
        median_ns: latency(|latency| latency.median_ns),
        p99_ns: latency(|latency| latency.p99_ns),
        recovery_ns_max: back_ns.iter().copied().max(),
        recovery_ns: median(back_ns, u64::cmp),
        never_back,
        writes_lost: (kept == runs.len() as u64).then_some(0),
        reports: runs.iter().map(|run| run.summary.run.clone()).collect(),
    }
}

fn kind_rows(clusters: &[(&str, &Vec<&Compared>)]) -> Vec<KindRow> {
    let all = clusters.iter().flat_map(|(_, runs)| runs.iter());
    let kinds: BTreeSet<&'static str> = all
        .flat_map(|run| &run.behaviour.availability.kinds)
        .map(|kind| kind.kind.name())
        .collect();
    let cell = |kind: &str, runs: &[&Compared]| {
        let windows = runs
            .iter()
            .flat_map(|run| &run.behaviour.availability.kinds);
        let of_kind: Vec<_> = windows.filter(|row| row.kind.name() == kind).collect();
        let shares = || of_kind.iter().filter_map(|row| row.answered_share.as_ref());
        let stalls = of_kind.iter().filter_map(|row| row.stall_ns.as_ref());
        Some(KindCell {
            windows: of_kind.iter().map(|row| row.windows).sum(),
            stall_ns: median(stalls.map(|stall| stall.median).collect(), u64::cmp),
            answered_share: median(shares().map(|share| share.median).collect(), f64::total_cmp)?,
            answered_share_min: shares()
                .map(|share| share.worst)
                .fold(f64::INFINITY, f64::min),
        })
    };
    let row = |kind: &'static str| KindRow {
        kind: kind.to_string(),
        cells: clusters.iter().map(|(_, runs)| cell(kind, runs)).collect(),
    };
    kinds.into_iter().map(row).collect()
}

fn cost_row(cluster: &str, nodes: u8, runs: &[&Compared]) -> CostRow {
    let sum = |of: fn(&RunSummary) -> f64| runs.iter().map(|run| of(&run.summary)).sum::<f64>();
    let ok = sum(|run| run.counts.ok as f64).max(1.0);
    let measured = runs
        .iter()
        .all(|run| run.summary.timings.simulate_cpu_ms.is_some());
    CostRow {
        cluster: cluster.to_string(),
        nodes,
        ok_per_second: median(
            runs.iter().map(|run| ok_per_second(run)).collect(),
            f64::total_cmp,
        )
        .unwrap_or(0.0),
        frames_per_ok: sum(|run| run.traffic.sent as f64) / ok,
        inputs_per_ok: sum(|run| run.inputs as f64) / ok,
        cpu_ms_per_ok: measured
            .then(|| sum(|run| run.timings.simulate_cpu_ms.unwrap_or_default()) / ok),
    }
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page {
    theme: String,
    style: &'static str,
    script: &'static str,
    command: String,
    workload: String,
    nodes: u8,
    seeds: String,
    names: Vec<String>,
    clusters: Vec<ClusterCells>,
    kinds: Vec<(String, Vec<Option<ShareCells>>)>,
    costs: Vec<CostCells>,
}

struct ClusterCells {
    name: String,
    promise: String,
    kept: String,
    class: &'static str,
    rate: String,
    median: String,
    p99: String,
    recovery: String,
    lost: String,
    reports: Vec<(String, String)>,
}

struct ShareCells {
    share: String,
    stall: String,
    worst: String,
    windows: String,
    /// From 0 to 100, for the bar behind it.
    percent: u64,
}

struct CostCells {
    name: String,
    nodes: u8,
    rate: String,
    frames: String,
    inputs: String,
    cpu: String,
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

impl Page {
    fn of(comparison: &Comparison, command: &str) -> Self {
        let time = |ns: Option<u64>| ns.map_or_else(|| "none ended ok".to_string(), duration);
        let clusters = comparison.clusters.iter().map(|row| ClusterCells {
            name: visible(&row.cluster),
            promise: visible(&row.promise),
            kept: match row.broken {
                0 => format!("{} of {} runs", row.kept, row.runs),
                broken => format!("{} of {} runs, {broken} broken", row.kept, row.runs),
            },
            class: if row.broken > 0 {
                "violation"
            } else if row.kept == row.runs {
                "valid"
            } else {
                "unknown"
            },
            rate: format!("{:.1}", row.ok_per_second),
            median: time(row.median_ns),
            p99: time(row.p99_ns),
            recovery: match (row.recovery_ns, row.recovery_ns_max) {
                (Some(median), Some(worst)) => {
                    let never = match row.never_back {
                        0 => String::new(),
                        never => format!(", {never} times never"),
                    };
                    format!("{}, at worst {}{never}", duration(median), duration(worst))
                }
                _ if row.never_back > 0 => "never".to_string(),
                _ => "no fault ended".to_string(),
            },
            lost: row
                .writes_lost
                .map_or_else(|| "see the runs that did not keep it".to_string(), count),
            reports: row
                .reports
                .iter()
                .map(|run| (visible(run), format!("{}/{PAGE}", visible(run))))
                .collect(),
        });
        let share = |cell: &Option<KindCell>| {
            cell.map(|cell| ShareCells {
                share: percent(cell.answered_share),
                worst: percent(cell.answered_share_min),
                stall: cell
                    .stall_ns
                    .map_or_else(|| "\u{2013}".to_string(), duration),
                windows: count(cell.windows),
                percent: (cell.answered_share * 100.0).round().clamp(0.0, 100.0) as u64,
            })
        };
        let kinds = comparison.kinds.iter();
        let costs = comparison.costs.iter().map(|row| CostCells {
            name: visible(&row.cluster),
            nodes: row.nodes,
            rate: format!("{:.1}", row.ok_per_second),
            frames: format!("{:.1}", row.frames_per_ok),
            inputs: format!("{:.1}", row.inputs_per_ok),
            cpu: row
                .cpu_ms_per_ok
                .map_or_else(|| "not measured".to_string(), |ms| format!("{ms:.3} ms")),
        });
        let seeds: Vec<String> = comparison
            .seeds
            .iter()
            .take(20)
            .map(u64::to_string)
            .collect();
        let more = comparison.seeds.len().saturating_sub(20);
        Self {
            theme: theme::style(),
            style: include_str!("../templates/report.css"),
            script: PLAIN_SCRIPT,
            command: visible(command),
            workload: visible(&comparison.workload),
            nodes: comparison.nodes,
            seeds: match more {
                0 => seeds.join(", "),
                more => format!("{} and {more} more", seeds.join(", ")),
            },
            names: comparison
                .clusters
                .iter()
                .map(|row| visible(&row.cluster))
                .collect(),
            clusters: clusters.collect(),
            kinds: kinds
                .map(|row| (visible(&row.kind), row.cells.iter().map(share).collect()))
                .collect(),
            costs: costs.collect(),
        }
    }
}
