//! The sub-commands, one a file, and what they share: arguments, exit codes, names.

mod check;
mod client;
mod cluster;
mod compare;
mod convert;
mod cpu;
pub(crate) mod exit;
mod explain;
mod fingerprint;
mod generate;
pub(crate) mod interrupt;
pub(crate) mod jobs;
mod list;
mod merge;
pub(crate) mod model;
pub(crate) mod mutants;
pub(crate) mod names;
mod node;
mod play;
mod replay;
mod report;
pub(crate) mod run;
mod samples;
pub(crate) mod shrink;
mod soak;
mod telling;
mod ticker;
mod walk;

use crate::campaign::worker;
pub(crate) use exit::{Exit, Failure};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Puts replicated caches and coordination services through storms and says, with proof, whether they kept their promises.
#[derive(Debug, Parser)]
#[command(name = "stormglass", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How results are printed on standard output. Progress goes to standard error.
    #[arg(long, value_enum, default_value_t = Format::Human, global = true)]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text.
    Human,
    /// One JSON value a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what there is
    List(list::ListArgs),
    /// Put a cluster through a storm, judge what its clients saw, and leave a report
    Run(run::RunArgs),
    /// Run a trial again; says where it differs from the run it repeats
    Replay(replay::ReplayArgs),
    /// Make a failing trial small, with the same property broken
    Shrink(shrink::ShrinkArgs),
    /// Step through a script: what each node is told, and all that it does
    Play(play::PlayArgs),
    /// Explore every interleaving of a cluster within bounds
    Model(model::ModelArgs),
    /// The kill matrix: hunt every planted bug until it is caught, and every harmless change in vain
    Mutants(mutants::MutantsArgs),
    /// Run fresh seeds for as long as one likes, and keep what they find
    Soak(soak::SoakArgs),
    /// Join the shards of a campaign, and say what the whole came to
    Merge(merge::MergeArgs),
    /// Put all clusters through one storm, and lay them side by side
    Compare(compare::CompareArgs),
    /// Run a cluster of real processes on this machine
    Cluster(cluster::ClusterArgs),
    /// Ask a cache, or a tree of znodes, that runs
    Client(client::ClientArgs),
    /// Run one node of a cluster in this process
    Node(node::NodeArgs),
    /// Print a number for all that comes out of each of many trials, to be compared between builds and machines
    Fingerprint(fingerprint::FingerprintArgs),
    /// Make a history to order: to measure a judge, or to compare it with another
    Generate(generate::GenerateArgs),
    /// Run what a campaign orders on standard input
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    /// Judge a history file
    Check(check::CheckArgs),
    /// Read a history of any format and write it in another
    Convert(convert::ConvertArgs),
    /// Judge finished runs again, and write their reports anew; or make and serve the pages over many runs
    Report(report::ReportArgs),
}

/// Where runs are kept.
#[derive(Clone, Debug, Args)]
pub(crate) struct Store {
    /// The folder that holds the run directories
    #[arg(long, value_name = "DIR", default_value = ".stormglass/runs")]
    out: PathBuf,
}

/// Does what the command line says.
pub(crate) fn execute(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::List(args) => list::execute(&args, cli.format),
        Command::Run(args) => run::execute(&args, cli.format),
        Command::Replay(args) => replay::execute(&args, cli.format),
        Command::Shrink(args) => shrink::execute(&args, cli.format),
        Command::Play(args) => play::execute(&args, cli.format),
        Command::Model(args) => model::execute(&args, cli.format),
        Command::Mutants(args) => mutants::execute(&args, cli.format),
        Command::Soak(args) => soak::execute(&args, cli.format),
        Command::Merge(args) => merge::execute(&args, cli.format),
        Command::Worker(args) => worker::execute(&args),
        Command::Compare(args) => compare::execute(&args, cli.format),
        Command::Cluster(args) => cluster::execute(&args, cli.format),
        Command::Client(args) => client::execute(&args, cli.format),
        Command::Node(args) => node::execute(&args),
        Command::Fingerprint(args) => fingerprint::execute(&args, cli.format),
        Command::Generate(args) => generate::execute(&args, cli.format),
        Command::Check(args) => check::execute(&args, cli.format),
        Command::Convert(args) => convert::execute(&args),
        Command::Report(args) => report::execute(&args, cli.format),
    }
}

/// Prints a line of results. A reader that has gone away, as `head` does, is no failure of ours.
pub(crate) fn print_line(text: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
