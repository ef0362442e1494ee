//! `stormglass model`: every interleaving of a cluster within bounds.

mod cover;

use super::exit::OrExit;
use super::samples::Samples;
use super::{Exit, Failure, Format, interrupt, names, print_line};
use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass_impls::catalog;
use stormglass_nemesis::model::action::Fate;
use stormglass_nemesis::model::bounds::{Bounds, Disk, Network, Witness};
use stormglass_nemesis::model::explorer::Explorer;
use stormglass_nemesis::model::library;
use stormglass_nemesis::model::search::{End, Limits, Outcome, Reason, search};
use stormglass_nemesis::model::space::{Reductions, Space};
use stormglass_nemesis::model::trace::{Trace, What};
use stormglass_reports::campaign::{self, ModelLine};
use stormglass_reports::counterexample::{self, Counterexample, Happening, Moment};
use stormglass_reports::itf;

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Which cluster (see `list clusters`)
    cluster: String,
    /// Within which bounds (see `list models`); the cluster's first when not said
    #[arg(long, value_name = "NAME")]
    bounds: Option<String>,
    /// Plant a bug, or a change that is none (see `list mutants`). Without `--bounds`, those that show it
    #[arg(long, value_name = "ID")]
    mutant: Option<String>,
    /// Open stateright's Explorer on loopback, at this port, and search nothing
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "3000")]
    explore: Option<u16>,
    /// How many threads search; as many as there are processors when not said
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The most memory that what is kept may take
    #[arg(long, value_name = "BYTES", default_value = "8GiB")]
    memory: ByteSize,
    /// The longest that the search may take
    #[arg(long, value_name = "TIME")]
    time: Option<humantime::Duration>,
    /// The most states
    #[arg(long, value_name = "N")]
    states: Option<usize>,
    /// When a write is durable, in place of what the bounds say
    #[arg(long, value_enum)]
    disk: Option<DiskName>,
    /// What becomes of messages, in place of what the bounds say
    #[arg(long, value_enum)]
    network: Option<NetworkName>,
    /// Leave a reduction out
    #[arg(long, value_enum, value_delimiter = ',', value_name = "REDUCTION")]
    without: Vec<Reduction>,
    /// Run storms of the simulator over so many seeds, and show which kinds of state they and the model come to
    #[arg(long, value_name = "SEEDS")]
    coverage: Option<u64>,
    /// Add what came of it to this campaign, whose page shows it
    #[arg(long, value_name = "DIR")]
    campaign: Option<PathBuf>,
    /// The folder in which a counterexample is left
    #[arg(long, value_name = "DIR", default_value = ".stormglass/models")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DiskName {
    Atomic,
    Pipelined,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NetworkName {
    Set,
    Fifo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reduction {
    /// Actions that change nothing lead nowhere
    NoOps,
    /// Messages that their receiver ignores for ever are taken away
    StaleLetters,
    /// States that differ only in the names of like nodes are one
    Symmetry,
}

pub(super) fn execute(args: &ModelArgs, format: Format) -> Result<Exit, Failure> {
    let space = Space::new(bounds(args)?, args.mutant.as_deref(), reductions(args));
    let space = space.or_exit(Exit::Usage)?;
    if let Some(port) = args.explore {
        return explore(space, port);
    }
    interrupt::listen();
    let Searched {
        outcome,
        line,
        kept,
    } = search_all(args, &space)?;
    if let Some(folder) = &args.campaign {
        campaign::append(folder, campaign::MODELS, &line).or_exit(Exit::Unreadable)?;
    }
    let seconds = line.seconds;
    match format {
        Format::Human => tell(args, &space, &outcome, seconds, kept.as_ref()),
        Format::Json => {
            let trace = kept.as_ref().map(|(path, _)| path.join(TRACE));
            print_line(as_json(args, &space, &outcome, seconds, trace.as_deref()));
        }
    }
    let covered = match args.coverage {
        _ if exit(&outcome) == Exit::Interrupted => Exit::Interrupted,
        Some(seeds) => cover::cover(&space, &outcome, seeds, format)?,
        None => Exit::Valid,
    };
    Ok(exit(&outcome).or_worse(covered))
}

/// A search that is over.
struct Searched {
    outcome: Outcome,
    line: ModelLine,
    /// The directory of the counterexample, and that itself.
    kept: Option<(PathBuf, Trace)>,
}

/// Searches, and keeps the counterexample.
fn search_all(args: &ModelArgs, space: &Space) -> Result<Searched, Failure> {
    let began = Instant::now();
    let (outcome, samples) = run(args, space, began)?;
    let line = ModelLine {
        cluster: space.bounds().cluster.clone(),
        bounds: space.bounds().name.clone(),
        mutant: args.mutant.clone(),
        verdict: verdict(&outcome).to_string(),
        states: outcome.counts.unique,
        seconds: began.elapsed().as_secs_f64(),
        samples,
    };
    let kept = match &outcome.end {
        End::Broken {
            property,
            message,
            trace,
        } => {
            let found = Some((property.as_str(), message.as_str()));
            let trace = Trace::of(space, args.mutant.as_deref(), found, trace);
            let trace = trace.or_exit(Exit::Internal)?;
            Some((keep(args, space, &trace)?, trace))
        }
        End::Exhausted | End::Bounded { .. } => None,
    };
    Ok(Searched {
        outcome,
        line,
        kept,
    })
}

/// The words of `stormglass model`, searched for a campaign.
pub(crate) fn of_campaign(args: &ModelArgs) -> Result<ModelLine, Failure> {
    let space = Space::new(bounds(args)?, args.mutant.as_deref(), reductions(args));
    let searched = search_all(args, &space.or_exit(Exit::Usage)?)?;
    Ok(searched.line)
}

fn reductions(args: &ModelArgs) -> Reductions {
    Reductions {
        no_ops: !args.without.contains(&Reduction::NoOps),
        stale_letters: !args.without.contains(&Reduction::StaleLetters),
        symmetry: !args.without.contains(&Reduction::Symmetry),
    }
}

/// The file in a counterexample's directory that is walked again.
const TRACE: &str = "trace.json";

/// The same for the tools of TLA+.
const ITF: &str = "trace.itf.json";

fn exit(outcome: &Outcome) -> Exit {
    match &outcome.end {
        End::Broken { .. } => Exit::Violation,
        End::Bounded {
            reason: Reason::Interrupted,
            ..
        } => Exit::Interrupted,
        End::Bounded { .. } => Exit::Unknown,
        End::Exhausted if !outcome.missing.is_empty() => Exit::Vacuous,
        End::Exhausted => Exit::Valid,
    }
}

/// What the command line says the bounds are.
fn bounds(args: &ModelArgs) -> Result<Bounds, Failure> {
    let Some(system) = catalog::system(&args.cluster) else {
        let systems = catalog::systems();
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        return Err(names::unknown("cluster", &args.cluster, &known));
    };
    if let Some(mutant) = &args.mutant {
        let mutants = system.mutants().iter().map(|mutant| mutant.id);
        let harmless = system.harmless().iter().map(|harmless| harmless.id);
        let known: Vec<&str> = mutants.chain(harmless).collect();
        if !known.contains(&mutant.as_str()) {
            let text = names::unknown_mutant_text(&args.cluster, mutant, &known);
            return Err(Failure::usage(text));
        }
    }
    let all: Vec<Bounds> = library::all()
        .into_iter()
        .filter(|bounds| bounds.cluster == args.cluster)
        .collect();
    let of_mutant = args.mutant.as_deref().and_then(library::kill_of);
    let of_mutant = of_mutant.and_then(|kill| kill.bounds.ok());
    let mut bounds = match args.bounds.as_deref().or(of_mutant) {
        None => library::usual(&args.cluster).ok_or_else(|| {
            Failure::usage(format!("{} has no bounds to be explored in", args.cluster))
        })?,
        Some(name) => match all.iter().find(|bounds| bounds.name == name) {
            Some(bounds) => bounds.clone(),
            None => {
                let known: Vec<&str> = all.iter().map(|bounds| bounds.name.as_str()).collect();
                return Err(names::unknown("bounds", name, &known));
            }
        },
    };
    match args.disk {
        Some(DiskName::Atomic) => bounds.disk = Disk::Atomic,
        Some(DiskName::Pipelined) => bounds.disk = Disk::Pipelined,
        None => {}
    }
    match args.network {
        Some(NetworkName::Set) => bounds.network = Network::Set,
        Some(NetworkName::Fifo) => (bounds.network, bounds.resets) = (Network::Fifo, 1),
        None => {}
    }
    Ok(bounds)
}

fn explore(space: Space, port: u16) -> Result<Exit, Failure> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let explorer = Explorer::new(space).or_exit(Exit::Usage)?;
    print_line(format!(
        "http://{address}/ shows every state and what can follow; interrupt to end"
    ));
    let served = explorer.serve(address);
    let served =
        served.with_context(|| format!("nothing can listen at {address}; try another port"));
    served.or_exit(Exit::SystemFailed)?;
    Ok(Exit::Valid)
}

/// Searches. Gives with the outcome how many states had been found after how many seconds.
fn run(
    args: &ModelArgs,
    space: &Space,
    began: Instant,
) -> Result<(Outcome, Vec<(f64, u64)>), Failure> {
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let longest = args.time.map(Duration::from);
    let stop = || {
        if interrupt::asked() {
            return Some(Reason::Interrupted);
        }
        longest
            .filter(|longest| began.elapsed() > *longest)
            .map(|_| Reason::Time)
    };
    let told = std::sync::Mutex::new(began);
    let samples = Samples::default();
    let tell = |counts: &stormglass_nemesis::model::search::Counts| {
        let seconds = began.elapsed().as_secs_f64().max(0.001);
        samples.note(seconds, counts.unique);
        let text = format!(
            "{} {}: {} states, {} generated, {:.0} a second, level {}, {}, chance of a collision below {:.1e}",
            space.bounds().cluster,
            space.bounds().name,
            HumanCount(counts.unique),
            HumanCount(counts.generated),
            counts.generated as f64 / seconds,
            counts.depth,
            ByteSize(counts.bytes_peak),
            counts.collision_bound(),
        );
        // Where there is no terminal, a line now and then.
        let mut told = told
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if bar.is_hidden() && told.elapsed() > Duration::from_secs(10) {
            *told = Instant::now();
            eprintln!("{text}");
        }
        bar.set_message(text);
    };
    let limits = Limits {
        threads,
        bytes_max: usize::try_from(args.memory.as_u64()).unwrap_or(usize::MAX),
        states_max: args.states.unwrap_or(usize::MAX),
        stop: &stop,
        shapes: args.coverage.is_some(),
        tell: &tell,
    };
    let outcome = search(space, &limits).or_exit(Exit::Usage)?;
    bar.finish_and_clear();
    Ok((outcome, samples.taken()))
}

/// What came of a search, in a word.
fn verdict(outcome: &Outcome) -> &'static str {
    match &outcome.end {
        End::Exhausted if !outcome.missing.is_empty() => "vacuous",
        End::Exhausted => "exhausted",
        End::Bounded { .. } => "bounded",
        End::Broken { .. } => "broken",
    }
}

/// Leaves a counterexample in a directory of its own, and gives that.
fn keep(args: &ModelArgs, space: &Space, trace: &Trace) -> Result<PathBuf, Failure> {
    let planted = args
        .mutant
        .as_deref()
        .unwrap_or("as-it-is")
        .replace('/', "-");
    let Bounds { cluster, name, .. } = space.bounds();
    let directory = args.out.join(format!("{cluster}-{name}-{planted}"));
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("{}: cannot be written", path.display()))
    };
    let written = std::fs::create_dir_all(&directory)
        .with_context(|| format!("{}: cannot be made", directory.display()))
        .and_then(|()| write(TRACE, &trace.written()))
        .and_then(|()| {
            let view = view(trace, &directory.join(TRACE));
            write(ITF, &itf::render(&view, TRACE))?;
            write("report.html", &counterexample::page(&view)?)
        });
    written.or_exit(Exit::Internal)?;
    Ok(directory)
}

/// A trace as its page shows it.
fn view(trace: &Trace, file: &Path) -> Counterexample {
    let planted = trace.mutant.as_deref();
    let title = format!("{} {}", trace.bounds.cluster, trace.bounds.name);
    let mut before = trace.shown.clone();
    let moments = trace.steps.iter().map(|step| Moment {
        text: step.text.clone(),
        what: match &step.what {
            What::Deliver { from, .. } => Happening::Arrives {
                from: from.0,
                sent_by: step.sent_by.unwrap_or(0),
            },
            What::Ask { call, .. } => Happening::Asked {
                client: client_of(trace, *call),
            },
            What::Crash { .. } => Happening::Dies,
            What::Fire { .. } | What::Persisted { .. } | What::Reset { .. } => Happening::Inside,
        },
        at: step.what.at().map(|node| node.0),
        dies: step.fate == Fate::Dies,
        before: std::mem::replace(&mut before, step.shown.clone()),
        after: step.shown.clone(),
    });
    Counterexample {
        title,
        summary: trace.bounds.summary.clone(),
        mutant: planted.map(str::to_string),
        property: trace.property.clone().unwrap_or_default(),
        message: trace.message.clone().unwrap_or_default(),
        command: format!("stormglass replay {}", file.display()),
        nodes: trace.bounds.nodes,
        clients: trace.bounds.clients.len(),
        shown: trace.shown.clone(),
        moments: moments.collect(),
    }
}

/// Which client has a call, from 1.
fn client_of(trace: &Trace, call: u8) -> usize {
    let mut left = usize::from(call);
    for (client, asks) in trace.bounds.clients.iter().enumerate() {
        match left.checked_sub(asks.len()) {
            None => return client + 1,
            Some(rest) => left = rest,
        }
    }
    0
}

fn clauses(witnesses: &[Witness]) -> String {
    let clauses: Vec<&str> = witnesses.iter().map(|witness| witness.clause()).collect();
    clauses.join("; ")
}

fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::Memory => "more would have taken more memory than it may (--memory)",
        Reason::States => "it came to as many states as it may (--states)",
        Reason::Time => "it took as long as it may (--time)",
        Reason::Interrupted => "it was interrupted",
    }
}

fn tell(
    args: &ModelArgs,
    space: &Space,
    outcome: &Outcome,
    seconds: f64,
    kept: Option<&(PathBuf, Trace)>,
) {
    let Bounds {
        cluster,
        name,
        summary,
        ..
    } = space.bounds();
    let with = args
        .mutant
        .as_ref()
        .map(|mutant| format!(" with {mutant}"))
        .unwrap_or_default();
    let counts = &outcome.counts;
    match &outcome.end {
        End::Exhausted if !outcome.missing.is_empty() => print_line(format!(
            "VACUOUS  {cluster} {name}{with}: nothing was broken, and it was never seen that {}",
            clauses(&outcome.missing)
        )),
        End::Exhausted => print_line(format!(
            "EXHAUSTED  {cluster} {name}{with}: every law holds in every state"
        )),
        End::Bounded {
            reason,
            levels_done,
        } => print_line(format!(
            "BOUNDED  {cluster} {name}{with}: {}; every law holds in the {levels_done} levels that are done",
            because(*reason)
        )),
        End::Broken {
            property,
            message,
            trace,
        } => {
            let prelude = space.bounds().prelude.len();
            let length = match prelude {
                0 => format!("{} steps, and no shorter way breaks any law", trace.len()),
                _ => format!(
                    "{prelude} steps that the bounds begin with, then {}, and no shorter way from there breaks any law",
                    trace.len() - prelude
                ),
            };
            print_line(format!(
                "BROKEN  {cluster} {name}{with}: {property}, {length}\n  {message}"
            ));
            for (number, action) in trace.iter().enumerate() {
                print_line(format!("  {:>3}  {}", number + 1, space.describe(*action)));
            }
        }
    }
    print_line(format!("  bounds  {summary}"));
    print_line(format!(
        "  {} states, {} generated, depth {}; {:.0} generated a second, {:.0} bytes a state, {} at most",
        HumanCount(counts.unique),
        HumanCount(counts.generated),
        counts.depth,
        counts.generated as f64 / seconds.max(0.001),
        counts.bytes_peak as f64 / counts.unique as f64,
        ByteSize(counts.bytes_peak),
    ));
    print_line(format!(
        "  the chance that two states were taken for one is below {:.1e}; clocks stand still",
        counts.collision_bound()
    ));
    print_line(format!("  seen: {}", clauses(&outcome.seen)));
    let tested = space.tested();
    let untested: Vec<&str> = tested
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(law, _)| *law)
        .collect();
    print_line(format!(
        "  {} of {} laws put to the test{}",
        tested.len() - untested.len(),
        tested.len(),
        match untested.is_empty() {
            true => String::new(),
            false => format!("; not {}", untested.join(", ")),
        }
    ));
    if let Some((directory, _)) = kept {
        let trace = directory.join(TRACE);
        print_line(format!(
            "  report  {}",
            directory.join("report.html").display()
        ));
        print_line(format!("  replay  stormglass replay {}", trace.display()));
    }
}

fn as_json(
    args: &ModelArgs,
    space: &Space,
    outcome: &Outcome,
    seconds: f64,
    trace: Option<&Path>,
) -> serde_json::Value {
    let counts = &outcome.counts;
    let detail = match &outcome.end {
        End::Exhausted => json!(null),
        End::Bounded {
            reason,
            levels_done,
        } => json!({"reason": reason, "levels_done": levels_done}),
        End::Broken {
            property,
            message,
            trace,
        } => {
            let steps: Vec<String> = trace.iter().map(|action| space.describe(*action)).collect();
            json!({"property": property, "message": message, "steps": steps})
        }
    };
    json!({
        "cluster": space.bounds().cluster,
        "bounds": space.bounds().name,
        "mutant": args.mutant,
        "verdict": verdict(outcome),
        "detail": detail,
        "counts": counts,
        "collision_bound": counts.collision_bound(),
        "seconds": seconds,
        "seen": outcome.seen,
        "missing": outcome.missing,
        "laws_tested": space.tested(),
        "trace": trace,
    })
}
