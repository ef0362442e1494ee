//! The three arenas, each tried by a short trial or a small cluster.

use super::Finding;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};
use stormglass::live::plan::PLAN_VERSION;
use stormglass::live::process::{Bond, NodeProcess};
use stormglass::live::{Plan, asking, plan};
use stormglass_impls::contract::NodeId;
use stormglass_impls::knobs::Knobs;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Ruling, judge};
use stormglass_nemesis::trial::{Arena, Trial};
use stormglass_workloads::workload::WorkloadConfig;

const CLUSTER: &str = "raft-cache";

/// How long a node that starts may take to lead itself.
const START: Duration = Duration::from_secs(20);

pub(super) fn simulator() -> Finding {
    simulated("simulator", Arena::Simulator)
}

pub(super) fn turmoil() -> Finding {
    simulated("turmoil", Arena::Turmoil)
}

/// Runs two calm seconds, and judges them.
fn simulated(check: &'static str, arena: Arena) -> Finding {
    let remedy = "this is no fault of the machine: please report it, with what is printed above";
    let mut trial = Trial::calm(CLUSTER, WorkloadConfig::usual(CLUSTER), arena, 1);
    trial.storm_ms = 2_000;
    let run = match arena::run(&trial, &mut |_| ControlFlow::Continue(())) {
        Ok(run) => run,
        Err(error) => return Finding::failed(check, error.to_string(), remedy),
    };
    match judge(&trial, &run) {
        Ok(judged) if judged.ruling == Ruling::Valid => {
            let seconds = trial.storm_ms / 1_000;
            let ok = judged.counts.ok;
            let found = format!("{seconds} s of {CLUSTER} were run and judged: {ok} operations ok");
            Finding::ok(check, found)
        }
        Ok(judged) => Finding::failed(check, judged.sentence, remedy),
        Err(error) => Finding::failed(check, error.to_string(), remedy),
    }
}

/// Starts a node as a process of this very program, and asks it who leads.
pub(super) fn live() -> Finding {
    let remedy = "live clusters need loopback and processes: a sandbox that forbids them must allow them; the simulated arenas do without";
    match led() {
        Ok(address) => {
            let found = format!("a node was started as a process and answered at {address}");
            Finding::ok("live", found)
        }
        Err(why) => Finding::missing("live", why, remedy),
    }
}

fn led() -> Result<String, String> {
    let said = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let program = std::env::current_exe().map_err(|error| said("this program", &error))?;
    let folder = tempfile::tempdir().map_err(|error| said("a temporary folder", &error))?;
    let from = 7_400 + (std::process::id() % 1_000) as u16 * 20;
    let ports = plan::free_ports("127.0.0.1", 1, from);
    let ports = ports.ok_or("nothing can listen on 127.0.0.1")?;
    let plan = Plan {
        schema_version: PLAN_VERSION,
        system: CLUSTER.to_string(),
        voters: 1,
        addresses: ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect(),
        knobs: Knobs::serving(),
        mutant: None,
    };
    plan.write(folder.path())
        .map_err(|error| error.to_string())?;
    let mut node = start(&program, folder.path())?;
    let (began, patience) = (Instant::now(), Duration::from_millis(500));
    let mut leader = Ok(None);
    while matches!(leader, Ok(None)) && node.ended().is_none() && began.elapsed() < START {
        leader = asking::block_on(asking::leader(&plan, patience));
    }
    let words = node
        .ended()
        .map(|status| format!("the node ended ({status}): {}", node.last_words()));
    node.kill();
    let leader = leader.map_err(|error| error.to_string())?;
    match (leader, words) {
        (Some(_), None) => Ok(plan.addresses.concat()),
        (_, Some(words)) => Err(words),
        (None, None) => Err(format!(
            "a node was started, and did not answer within {START:?}"
        )),
    }
}

fn start(program: &Path, folder: &Path) -> Result<NodeProcess, String> {
    NodeProcess::start(program, folder, NodeId(1), Bond::Tied)
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))
}
