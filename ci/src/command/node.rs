//! `stormglass node`: one node of a cluster, in this process.

use super::exit::OrExit;
use super::{Exit, Failure, names};
use clap::Args;
use std::path::PathBuf;
use stormglass::live::node::{self, NodeError};
use stormglass::live::plan::{self, PLAN_VERSION, Plan};
use stormglass_impls::catalog;
use stormglass_impls::contract::NodeId;
use stormglass_impls::host::{HostError, WalError};
use stormglass_impls::knobs::Knobs;

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Which node, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=63))]
    id: u8,
    /// The cluster's directory; the node keeps its own in it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Which cluster, where the directory holds no cluster file: one of many machines, say
    #[arg(long, value_name = "CLUSTER", requires = "addresses")]
    system: Option<String>,
    /// The addresses of all nodes by id, host:port, separated by commas
    #[arg(
        long,
        value_name = "ADDRESSES",
        value_delimiter = ',',
        requires = "system"
    )]
    addresses: Vec<String>,
    /// How many nodes have a vote when the cluster begins; all when not said
    #[arg(long, value_name = "N", requires = "system")]
    voters: Option<u8>,
    /// Listen where other machines can reach the node
    #[arg(long)]
    listen: bool,
    /// End when standard input does
    #[arg(long, hide = true)]
    tied: bool,
}

pub(super) fn execute(args: &NodeArgs) -> Result<Exit, Failure> {
    let plan = plan(args)?;
    let id = NodeId(args.id);
    let Some(address) = plan.addresses.get(id.index()) else {
        return Err(Failure::usage(format!(
            "there is no {id} in a cluster of {}",
            plan.nodes()
        )));
    };
    if !args.listen && !plan::is_loopback(address) {
        return Err(Failure::usage(format!(
            "other machines can reach {address}; say --listen if they may"
        )));
    }
    if args.tied {
        std::thread::spawn(|| {
            // Nothing is ever said there: it ends with whoever started this.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
    eprintln!("{id} of {} listens at {address}", plan.system);
    let Err(error) = node::run(&plan, id, &Plan::node_directory(&args.dir, id));
    let exit = match &error {
        NodeError::Host(HostError::Setup { .. }) => Exit::Usage,
        NodeError::Host(
            HostError::Wal(WalError::Damaged { .. } | WalError::Foreign { .. })
            | HostError::Checkpoint { .. }
            | HostError::Write { .. },
        ) => Exit::Unreadable,
        NodeError::UnknownSystem { .. } => Exit::Unreadable,
        _ => Exit::SystemFailed,
    };
    Err(Failure {
        exit,
        error: error.into(),
    })
}

fn plan(args: &NodeArgs) -> Result<Plan, Failure> {
    let Some(system) = &args.system else {
        return Plan::read(&args.dir).or_exit(Exit::Unreadable);
    };
    if Plan::path(&args.dir).exists() {
        return Err(Failure::usage(format!(
            "{} says what this cluster is; leave --system out",
            Plan::path(&args.dir).display()
        )));
    }
    if catalog::system(system).is_none() {
        let systems = catalog::systems();
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        return Err(names::unknown("cluster", system, &known));
    }
    let mut plan = Plan {
        schema_version: PLAN_VERSION,
        system: system.clone(),
        voters: 0,
        addresses: args.addresses.clone(),
        knobs: Knobs::serving(),
        mutant: None,
    };
    plan.voters = args.voters.unwrap_or(plan.nodes());
    plan.check().map_err(Failure::usage)?;
    Ok(plan)
}
