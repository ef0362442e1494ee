//! `stormglass check`: judges a history file.

use super::exit::OrExit;
use super::list::MODELS;
use super::{Exit, Failure, Format, names, print_line};
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use stormglass_checker::{
    Input, Judgement, Kind, Limits, Process, Register, Specification, Verdict, check, read,
};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The history
    file: PathBuf,
    /// What it must satisfy (see `list models`)
    #[arg(long)]
    model: String,
    /// Its format
    #[arg(long, value_enum, default_value_t = InputName::Auto)]
    input: InputName,
    /// The most time to spend
    #[arg(long, value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// The most memory to hold
    #[arg(long, default_value = "1GiB")]
    memory: ByteSize,
    /// Write the order that shows a valid history valid to this file
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputName {
    /// Told from the content
    Auto,
    /// One JSON object a line
    Jsonl,
    /// Jepsen's text log
    JepsenLog,
}

pub(super) fn execute(args: &CheckArgs, format: Format) -> Result<Exit, Failure> {
    if !MODELS.iter().any(|(name, _)| *name == args.model) {
        let known: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
        return Err(names::unknown("model", &args.model, &known));
    }
    let input = match args.input {
        InputName::Auto => Input::Auto,
        InputName::Jsonl => Input::JsonLines,
        InputName::JepsenLog => Input::JepsenLog,
    };
    let history = read(&args.file, input).or_exit(Exit::Unreadable)?;
    let limits = Limits {
        bytes: args.memory.as_u64(),
        time: args.budget,
        ..Limits::default()
    };
    let specification = Register::default();
    let Judgement { verdict, work } =
        check(&specification, &history, &limits).or_exit(Exit::Unreadable)?;
    let clients = history
        .events
        .iter()
        .filter(|event| event.process != Process::Nemesis);
    let operations = clients
        .clone()
        .filter(|event| event.kind == Kind::Invoke)
        .count();
    let ok = clients.filter(|event| event.kind == Kind::Ok).count();
    let exit = match &verdict {
        Verdict::Valid(_) if ok == 0 => Exit::Vacuous,
        Verdict::Valid(_) => Exit::Valid,
        Verdict::Invalid(_) => Exit::Violation,
        Verdict::Unknown(_) => Exit::Unknown,
    };
    if let (Some(path), Verdict::Valid(certificate)) = (&args.certificate, &verdict) {
        let text = serde_json::to_string(certificate).or_exit(Exit::Internal)?;
        std::fs::write(path, text + "\n").map_err(|error| Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!("{}: cannot be written ({error})", path.display()),
        })?;
    }
    match format {
        Format::Json => {
            print_line(serde_json::to_string(&Judgement { verdict, work }).or_exit(Exit::Internal)?)
        }
        Format::Human => {
            let (word, text) = match &verdict {
                Verdict::Valid(_) if ok == 0 => ("VACUOUS", "no operation ended ok, so nothing was put to the test".to_string()),
                Verdict::Valid(_) => ("VALID", "the history is linearizable".to_string()),
                Verdict::Invalid(evidence) => ("VIOLATION", evidence.explanation.replace('\n', "\n  ")),
                Verdict::Unknown(unknown) => (
                    "UNKNOWN",
                    format!(
                        "the limit of {:?} ({}) was reached after {} of {} events; raise --memory or --budget",
                        unknown.reason, unknown.limit, unknown.progress.events_judged, unknown.progress.events_total
                    )
                    .to_lowercase(),
                ),
            };
            print_line(format!("{word}  {text}"));
            print_line(format!("  promise: {}", specification.promise()));
            print_line(format!(
                "  {operations} operations, {ok} ok; {} steps, at most {} configurations and {} at once",
                work.steps,
                work.frontier_peak,
                ByteSize(work.bytes_peak)
            ));
        }
    }
    Ok(exit)
}
