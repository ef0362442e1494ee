//! `stormglass cluster`: real processes on this machine.

use super::exit::OrExit;
use super::{Exit, Failure, Format, names, print_line};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass::live::asking::{self, Asker};
use stormglass::live::backup;
use stormglass::live::lock::{self, End};
use stormglass::live::plan::{PLAN_VERSION, Plan, free_ports, is_loopback};
use stormglass::live::process::{Bond, NodeProcess};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::knobs::Knobs;
use stormglass_impls::manage::{Manage, Report};
use stormglass_impls::node_set::{NODES_MAX, NodeSet};
use stormglass_workloads::client::Outcome;

/// Where a cluster is when nobody says.
pub(super) const DIRECTORY: &str = ".stormglass/cluster";
/// How long a cluster may take until it leads itself.
const START: Duration = Duration::from_secs(30);
/// How long nodes that were asked to end may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a node may take to say how it is.
const STATUS: Duration = Duration::from_millis(1_000);
/// How long a change of members may take: a newcomer is sent the whole state first.
const CHANGE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// The cluster's directory
    #[arg(long, value_name = "DIR", default_value = DIRECTORY, global = true)]
    dir: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start a cluster, anew or from its logs, and stay until Ctrl-C
    Up(UpArgs),
    /// Say how each node is
    Status,
    /// Start one node again
    Start {
        /// Which, from 1
        node: u8,
    },
    /// End one node
    Stop {
        /// Which, from 1
        node: u8,
        /// As kill -9 does
        #[arg(long)]
        kill: bool,
    },
    /// Give a node a vote
    Add {
        /// Which, from 1
        node: u8,
    },
    /// Take a node's vote away
    Remove {
        /// Which, from 1
        node: u8,
    },
    /// Let a node lead
    Transfer {
        /// Which, from 1
        node: u8,
    },
    /// End all nodes
    Down,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// Which cluster (see `list clusters`); that of the directory when not said
    cluster: Option<String>,
    /// How many nodes have a vote
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(NODES_MAX)))]
    nodes: u8,
    /// How many more run without one, to be added
    #[arg(long, default_value_t = 0)]
    spares: u8,
    /// The first node's port, the others from there on; free ones when not said
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,
    /// Listen at this address of this machine, where others may reach the nodes
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    listen: String,
    /// Leave the nodes running and come back
    #[arg(long)]
    detach: bool,
    /// Make a new cluster of what `client snapshot FILE` has saved
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
}

pub(super) fn execute(args: &ClusterArgs, format: Format) -> Result<Exit, Failure> {
    let read = || Plan::read(&args.dir).or_exit(Exit::Unreadable);
    match &args.what {
        What::Up(up) => self::up(&args.dir, up, format),
        What::Status => status(&read()?, &args.dir, format),
        What::Start { node } => start(&read()?, &args.dir, *node),
        What::Stop { node, kill } => {
            let how = if *kill { End::Killed } else { End::Asked };
            stop(&read()?, &args.dir, *node, how)
        }
        What::Add { node } => change(&read()?, *node, |report, node| {
            Manage::Members(report.voters.with(node))
        }),
        What::Remove { node } => change(&read()?, *node, |report, node| {
            Manage::Members(report.voters.without(node))
        }),
        What::Transfer { node } => transfer(&read()?, *node),
        What::Down => down(&read()?, &args.dir),
    }
}

fn up(dir: &Path, args: &UpArgs, format: Format) -> Result<Exit, Failure> {
    let plan = plan(dir, args)?;
    let directories = NodeId::all(plan.nodes()).map(|node| Plan::node_directory(dir, node));
    if let Some(pid) = directories.clone().find_map(|node| lock::holder(&node)) {
        return Err(Failure {
            exit: Exit::SystemFailed,
            error: anyhow::anyhow!(
                "{}: this cluster runs (process {pid}); `stormglass cluster down` ends it",
                dir.display()
            ),
        });
    }
    if let Some(file) = &args.restore {
        if Plan::path(dir).exists() {
            return Err(Failure::usage(format!(
                "{} holds a cluster; a restored one needs a --dir of its own",
                dir.display()
            )));
        }
        let restored = asking::block_on(backup::restore(&plan, dir, file));
        restored
            .or_exit(Exit::Internal)?
            .or_exit(Exit::Unreadable)?;
    }
    plan.write(dir).or_exit(Exit::Unreadable)?;
    let bond = if args.detach { Bond::Loose } else { Bond::Tied };
    let mut nodes = Nodes(Vec::new());
    for node in NodeId::all(plan.nodes()) {
        nodes.0.push(spawn(dir, node, bond)?);
    }
    let began = Instant::now();
    let mut led = None;
    while led.is_none() && nodes.fallen().is_none() && began.elapsed() < START {
        let patience = Duration::from_millis(500);
        led = asking::block_on(asking::leader(&plan, patience)).or_exit(Exit::Internal)?;
    }
    let Some(leader) = led.filter(|_| nodes.fallen().is_none()) else {
        let why = match nodes.fallen() {
            Some(node) => format!("{} ended: {}", node.id, node.last_words()),
            None => format!("nobody leads after {START:?}"),
        };
        nodes.kill();
        return Err(Failure {
            exit: Exit::SystemFailed,
            error: anyhow::anyhow!("{}: the cluster did not start: {why}", dir.display()),
        });
    };
    match format {
        Format::Json => print_line(json!({
            "cluster": plan.system, "dir": dir, "addresses": plan.addresses,
            "voters": plan.voters, "leader": leader,
        })),
        Format::Human => {
            print_line(format!(
                "{} in {}, led by {leader}",
                plan.system,
                dir.display()
            ));
            for (node, address) in NodeId::all(plan.nodes()).zip(&plan.addresses) {
                let spare = if node.0 > plan.voters { "  spare" } else { "" };
                print_line(format!("  {node}  {address}{spare}"));
            }
            let first = match plan.system == asking::ZNODES {
                true => "create /path data",
                false => "put key value",
            };
            let dir = dir.display();
            print_line(format!("  stormglass client --dir {dir} {first}"));
        }
    }
    if !args.detach {
        asking::block_on(nodes.stay()).or_exit(Exit::Internal)?;
        nodes.kill();
    }
    Ok(Exit::Valid)
}

/// What the directory holds, or what is asked for where it holds nothing.
fn plan(dir: &Path, args: &UpArgs) -> Result<Plan, Failure> {
    if Plan::path(dir).exists() {
        let plan = Plan::read(dir).or_exit(Exit::Unreadable)?;
        if args
            .cluster
            .as_ref()
            .is_some_and(|name| *name != plan.system)
        {
            return Err(Failure::usage(format!(
                "{} holds a {}; choose another --dir",
                dir.display(),
                plan.system
            )));
        }
        return Ok(plan);
    }
    let systems = catalog::systems();
    let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
    let name = args.cluster.as_deref().unwrap_or_default();
    if !known.contains(&name) {
        return Err(names::unknown("cluster", name, &known));
    }
    let count = args.nodes.saturating_add(args.spares);
    let ports = match args.port_base {
        Some(first) => (first..=u16::MAX).take(count.into()).collect(),
        // Two clusters that are started at the same time look in different places.
        None => {
            let from = 7_400 + (std::process::id() % 1_000) as u16 * 20;
            free_ports(&args.listen, count, from).unwrap_or_default()
        }
    };
    let plan = Plan {
        schema_version: PLAN_VERSION,
        system: name.to_string(),
        voters: args.nodes,
        addresses: ports
            .iter()
            .map(|port| format!("{}:{port}", args.listen))
            .collect(),
        knobs: Knobs::serving(),
        mutant: None,
    };
    if ports.len() < usize::from(count) {
        return Err(Failure::usage("there are not so many free ports there"));
    }
    plan.check().map_err(Failure::usage)?;
    if let Some(address) = plan.addresses.iter().find(|address| !is_loopback(address)) {
        eprintln!(
            "stormglass: other machines can reach {address}, and nobody is asked who they are"
        );
    }
    Ok(plan)
}

fn spawn(dir: &Path, node: NodeId, bond: Bond) -> Result<NodeProcess, Failure> {
    let program = std::env::current_exe().or_exit(Exit::Internal)?;
    NodeProcess::start(&program, dir, node, bond).or_exit(Exit::SystemFailed)
}

/// The nodes that this process started.
struct Nodes(Vec<NodeProcess>);

impl Nodes {
    /// One that has ended.
    fn fallen(&mut self) -> Option<&NodeProcess> {
        let ended = self.0.iter_mut().position(|node| node.ended().is_some())?;
        self.0.get(ended)
    }

    fn kill(&mut self) {
        self.0.iter_mut().for_each(NodeProcess::kill);
    }

    /// Stays until Ctrl-C, and says which nodes end meanwhile.
    async fn stay(&mut self) {
        let mut told = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => return,
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
            for node in &mut self.0 {
                if let Some(status) = node.ended()
                    && !told.contains(&node.id)
                {
                    told.push(node.id);
                    eprintln!(
                        "stormglass: {} ended ({status}): {}",
                        node.id,
                        node.last_words()
                    );
                }
            }
        }
    }
}

fn known(plan: &Plan, node: u8) -> Result<NodeId, Failure> {
    match (1..=plan.nodes()).contains(&node) {
        true => Ok(NodeId(node)),
        false => Err(Failure::usage(format!(
            "there is no n{node} in a cluster of {}",
            plan.nodes()
        ))),
    }
}

fn start(plan: &Plan, dir: &Path, node: u8) -> Result<Exit, Failure> {
    let node = known(plan, node)?;
    let mut process = spawn(dir, node, Bond::Loose)?;
    let own = Plan::node_directory(dir, node);
    let began = Instant::now();
    while lock::holder(&own).is_none() || process.ended().is_some() {
        if process.ended().is_some() || began.elapsed() > START {
            return Err(Failure {
                exit: Exit::SystemFailed,
                error: anyhow::anyhow!("{node} ended: {}", process.last_words()),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(Exit::Valid)
}

fn stop(plan: &Plan, dir: &Path, node: u8, how: End) -> Result<Exit, Failure> {
    let own = Plan::node_directory(dir, known(plan, node)?);
    if !lock::end(&own, how) {
        eprintln!("stormglass: n{node} does not run");
        return Ok(Exit::NothingSelected);
    }
    wait_until_gone(&[own])?;
    Ok(Exit::Valid)
}

fn down(plan: &Plan, dir: &Path) -> Result<Exit, Failure> {
    let nodes: Vec<PathBuf> = NodeId::all(plan.nodes())
        .map(|node| Plan::node_directory(dir, node))
        .collect();
    let ended: Vec<bool> = nodes.iter().map(|own| lock::end(own, End::Asked)).collect();
    if !ended.contains(&true) {
        eprintln!("stormglass: no node runs");
        return Ok(Exit::NothingSelected);
    }
    wait_until_gone(&nodes)?;
    Ok(Exit::Valid)
}

/// Waits until nobody is these nodes. Whoever takes too long is killed, and who survives even that is named.
fn wait_until_gone(nodes: &[PathBuf]) -> Result<(), Failure> {
    let began = Instant::now();
    while let Some((own, pid)) = nodes.iter().find_map(|own| Some((own, lock::holder(own)?))) {
        if began.elapsed() > 2 * FAREWELL {
            return Err(Failure {
                exit: Exit::SystemFailed,
                error: anyhow::anyhow!(
                    "process {pid} is the node of {} and does not end; end it by hand",
                    own.display()
                ),
            });
        }
        if began.elapsed() > FAREWELL {
            lock::end(own, End::Killed);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn status(plan: &Plan, dir: &Path, format: Format) -> Result<Exit, Failure> {
    let reports = asking::block_on(asking::reports(plan, STATUS)).or_exit(Exit::Internal)?;
    for ((node, report), address) in reports.iter().zip(&plan.addresses) {
        let pid = lock::holder(&Plan::node_directory(dir, *node));
        match format {
            Format::Json => print_line(json!({
                "node": node, "address": address, "pid": pid,
                "report": report.as_ref().map(report_json),
            })),
            Format::Human => print_line(line(*node, address, pid, report.as_ref())),
        }
    }
    match reports.iter().any(|(_, report)| report.is_some()) {
        true => Ok(Exit::Valid),
        false => Ok(Exit::SystemFailed),
    }
}

/// A report with its sets of nodes as lists.
fn report_json(report: &Report) -> Value {
    let mut json = json!(report);
    let list = |set: NodeSet| json!(set.iter().collect::<Vec<NodeId>>());
    json["voters"] = list(report.voters);
    json["learners"] = list(report.learners);
    json
}

fn line(node: NodeId, address: &str, pid: Option<i32>, report: Option<&Report>) -> String {
    let process = pid.map_or("no process".to_string(), |pid| format!("process {pid}"));
    let Some(report) = report else {
        let how = if pid.is_some() {
            "does not answer"
        } else {
            "is down"
        };
        return format!("{node}  {address}  {process}  {how}");
    };
    let Report {
        role,
        epoch,
        commit,
        last,
        snapshot,
        voters,
        learners,
        ..
    } = report;
    let learners = match learners.len() {
        0 => String::new(),
        _ => format!("  learners {learners}"),
    };
    format!(
        "{node}  {address}  {process}  {role} of term {epoch}  committed {commit} of {last}  snapshot {snapshot}  voters {voters}{learners}"
    )
}

/// Lets a node lead, and waits until it does.
fn transfer(plan: &Plan, node: u8) -> Result<Exit, Failure> {
    change(plan, node, |_, node| Manage::Transfer(node))?;
    let leads = asking::block_on(async {
        let began = Instant::now();
        while began.elapsed() < FAREWELL {
            let leader = asking::leader(plan, STATUS).await;
            if leader == Some(NodeId(node)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    });
    match leads.or_exit(Exit::Internal)? {
        true => Ok(Exit::Valid),
        false => Err(Failure {
            exit: Exit::Unknown,
            error: anyhow::anyhow!("n{node} was asked to lead and does not yet"),
        }),
    }
}

/// Asks for a change to the cluster, in terms of how it is now, until it is made.
fn change(
    plan: &Plan,
    node: u8,
    wanted: impl Fn(&Report, NodeId) -> Manage,
) -> Result<Exit, Failure> {
    let node = known(plan, node)?;
    let system = catalog::system(&plan.system);
    if system.is_some_and(|system| system.manage(Manage::Transfer(node)).is_none()) {
        let fixed = "its members stay as they are, and its leader hands nothing over";
        return Err(Failure::usage(format!("{}: {fixed}", plan.system)));
    }
    let asked = asking::block_on(async {
        let reports = asking::reports(plan, STATUS).await;
        let mut leading = reports.into_iter().filter_map(|(_, report)| report);
        let report = leading.find(|report| report.leader == Some(report.node))?;
        let asker = Asker::new(&plan.addresses, CHANGE);
        Some(asker.manage(plan, wanted(&report, node)).await)
    });
    match asked.or_exit(Exit::Internal)? {
        Some(Outcome::Done(_)) => Ok(Exit::Valid),
        Some(Outcome::Refused(refusal)) => Err(Failure::usage(refusal.claim().meaning)),
        Some(Outcome::Unknown) => Err(Failure {
            exit: Exit::Unknown,
            error: anyhow::anyhow!("not done after {CHANGE:?}; it may be yet"),
        }),
        None => Err(Failure {
            exit: Exit::SystemFailed,
            error: anyhow::anyhow!("nobody leads"),
        }),
    }
}
