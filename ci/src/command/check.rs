//! `stormglass check`: judges a history file.

mod ladder;
mod object;
mod proof;
mod transactions;

use super::exit::OrExit;
use super::{Exit, Failure, Format, names, print_line};
use bytesize::ByteSize;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_checker::specifications::kv::Missing;
use stormglass_checker::transactions::{Level, TransactionKind};
use stormglass_checker::{
    CheckError, FailedCas, History, Input, Kind, Limits, Model, Options, Process, ReadOptions,
    Reason, Recording, read_with,
};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The history: a file, a Jepsen store directory, or `-` for standard input; compressed or not
    file: PathBuf,
    /// What it must satisfy (see `list models`)
    #[arg(long)]
    model: String,
    #[command(flatten)]
    reading: Reading,
    /// The most time to spend
    #[arg(long, value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// The most steps to take: counted work, the same on every machine
    #[arg(long, value_name = "N", default_value_t = Limits::default().steps)]
    steps: u64,
    /// The most memory to hold
    #[arg(long, default_value = "1GiB")]
    memory: ByteSize,
    /// How many keys to judge at a time; as many as there are processors when not said. Changes nothing but the time
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What an object holds at first, as JSON; null when not said (register, versioned-register; kv: null or "")
    #[arg(long, value_name = "VALUE")]
    initial: Option<String>,
    /// How much too early or too late a value may vanish (ttl-cache)
    #[arg(long, value_parser = humantime::parse_duration)]
    slack: Option<Duration>,
    /// Any process may release what another acquired (mutex)
    #[arg(long)]
    released_by_anyone: bool,
    /// The level that transactions must keep; strict-serializable when not said (list-append, rw-register)
    #[arg(long, value_name = "LEVEL")]
    isolation: Option<String>,
    /// Judge by every guarantee, from linearizability down, and name the strongest that is kept
    #[arg(long, conflicts_with_all = ["certificate", "verify", "report"])]
    ladder: bool,
    /// Write what proves the verdict to this file: a legal order, or what collides
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Do not judge; verify what such a file claims of this history
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "report"])]
    verify: Option<PathBuf>,
    /// Write a page that tells the verdict to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// How a history file is read.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reading {
    /// Its format
    #[arg(long, value_enum, default_value_t = InputName::Auto)]
    pub(crate) input: InputName,
    /// What a failed compare-and-set says. `auto`: that the value differed, in text logs; elsewhere only with the error `mismatch`
    #[arg(long, value_enum, default_value_t = FailedCasName::Auto)]
    failed_cas: FailedCasName,
    /// Values are pairs of key and value, as in Jepsen's independent workloads
    #[arg(long)]
    independent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputName {
    /// Told from the content
    Auto,
    /// One JSON object a line
    Jsonl,
    /// Jepsen's text log
    JepsenLog,
    /// Operation maps in EDN
    Edn,
    /// Operation objects in JSON, as elle-cli reads them
    ElleJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailedCasName {
    /// As the format has it
    Auto,
    /// The value was seen to differ
    Mismatch,
    /// Only where the error says `mismatch`
    Recorded,
    /// Nothing, whatever the error says
    Ignore,
}

impl CheckArgs {
    /// The options on which a verdict rests beside the file and the model, as they would be typed again.
    fn options(&self) -> Vec<String> {
        let Reading {
            input,
            failed_cas,
            independent,
        } = &self.reading;
        let named = |value: Option<PossibleValue>| value.map(|value| value.get_name().to_owned());
        let input = input
            .to_possible_value()
            .filter(|_| *input != InputName::Auto);
        let cas = failed_cas.to_possible_value();
        let cas = cas.filter(|_| *failed_cas != FailedCasName::Auto);
        let slack = self
            .slack
            .map(|slack| humantime::format_duration(slack).to_string());
        let mut words = Vec::new();
        for (option, value) in [
            ("--input", named(input)),
            ("--failed-cas", named(cas)),
            ("--initial", self.initial.clone()),
            ("--slack", slack),
        ] {
            words.extend(
                value
                    .into_iter()
                    .flat_map(|value| [option.to_owned(), value]),
            );
        }
        for (option, given) in [
            ("--independent", *independent),
            ("--released-by-anyone", self.released_by_anyone),
        ] {
            words.extend(given.then(|| option.to_owned()));
        }
        words
    }
}

impl Reading {
    /// Reads a history as these options say.
    pub(crate) fn read(&self, file: &Path) -> Result<Recording, Failure> {
        let options = ReadOptions {
            input: match self.input {
                InputName::Auto => Input::Auto,
                InputName::Jsonl => Input::JsonLines,
                InputName::JepsenLog => Input::JepsenLog,
                InputName::Edn => Input::Edn,
                InputName::ElleJson => Input::ElleJson,
            },
            failed_cas: match self.failed_cas {
                FailedCasName::Auto => FailedCas::Auto,
                FailedCasName::Mismatch => FailedCas::Mismatch,
                FailedCasName::Recorded => FailedCas::Recorded,
                FailedCasName::Ignore => FailedCas::Ignore,
            },
            independent: self.independent,
        };
        read_with(file, &options).or_exit(Exit::Unreadable)
    }
}

/// What a history may be judged by that is no single object.
pub(super) const TRANSACTION_MODELS: &[(&str, TransactionKind, &str)] = &[
    (
        "list-append",
        TransactionKind::ListAppend,
        "transactions over lists that only grow; judged for a level of isolation",
    ),
    (
        "rw-register",
        TransactionKind::Register,
        "transactions over registers; judged for a level of isolation",
    ),
];

pub(super) fn execute(args: &CheckArgs, format: Format) -> Result<Exit, Failure> {
    let transactions = TRANSACTION_MODELS
        .iter()
        .find(|(name, ..)| *name == args.model);
    let model = Model::from_name(&args.model);
    if transactions.is_none() && model.is_none() {
        let objects = Model::all().iter().map(|model| model.name());
        let known: Vec<&str> = objects
            .chain(TRANSACTION_MODELS.iter().map(|(name, ..)| *name))
            .collect();
        return Err(names::unknown("model", &args.model, &known));
    }
    refuse_what_is_not_heeded(args)?;
    let level = match &args.isolation {
        None => Level::StrictSerializable,
        Some(name) => Level::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Level::ALL.iter().map(|level| level.name()).collect();
            names::unknown("isolation level", name, &known)
        })?,
    };
    let options = options(args)?;
    let recording = args.reading.read(&args.file)?;
    let mut events = recording.history.events.iter();
    if options.missing == Missing::Empty
        && model == Some(Model::Kv)
        && events.any(|event| event.f == "txn")
    {
        return Err(Failure::usage(
            "--initial '\"\"' is for a store without transactions. Remedy: leave it out; a missing key reads as null",
        ));
    }
    let limits = Limits {
        steps: args.steps,
        bytes: args.memory.as_u64(),
        time: args.budget,
        threads: args
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
    };
    if let Some(model) = model {
        let accepted = model.accepts(&recording.history);
        accepted.map_err(|error| at_its_line(&recording, error))?;
    }
    match (transactions, model) {
        (Some((_, kind, _)), _) => transactions::judge(&recording, *kind, level, limits, format),
        (None, Some(model)) if args.ladder => {
            ladder::judge(model, &options, &recording, &limits, format)
        }
        (None, Some(model)) => match &args.verify {
            Some(file) => proof::verify(file, model, &options, &recording.history, &limits, format),
            None => object::judge(args, model, &options, &recording, &limits, format),
        },
        (None, None) => Err(Failure::usage("there is no such model".to_owned())),
    }
}

/// A flag that changes nothing would let its user believe that it did.
fn refuse_what_is_not_heeded(args: &CheckArgs) -> Result<(), Failure> {
    let objects: Vec<&str> = Model::all().iter().map(|model| model.name()).collect();
    let transactions: Vec<&str> = TRANSACTION_MODELS.iter().map(|(name, ..)| *name).collect();
    for (given, flag, by) in [
        (args.certificate.is_some(), "--certificate", &*objects),
        (args.verify.is_some(), "--verify", &objects),
        (args.report.is_some(), "--report", &objects),
        (args.ladder, "--ladder", &objects),
        (
            args.initial.is_some(),
            "--initial",
            &["register", "versioned-register", "kv"],
        ),
        (args.slack.is_some(), "--slack", &["ttl-cache"]),
        (args.released_by_anyone, "--released-by-anyone", &["mutex"]),
        (args.isolation.is_some(), "--isolation", &transactions),
    ] {
        if given && !by.contains(&args.model.as_str()) {
            return Err(Failure::usage(format!(
                "{flag} says nothing to the model {}. Remedy: leave it out; it is for {}",
                args.model,
                by.join(", ")
            )));
        }
    }
    Ok(())
}

fn options(args: &CheckArgs) -> Result<Options, Failure> {
    let initial = match &args.initial {
        None => Value::Null,
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Failure::usage(format!("--initial {text:?} is not JSON ({error}). Remedy: write text in double quotes, as in --initial '\"x\"'"))
        })?,
    };
    let missing = match &initial {
        Value::String(text) if text.is_empty() => Missing::Empty,
        Value::Null => Missing::Null,
        other if args.model == Model::Kv.name() => {
            return Err(Failure::usage(format!(
                "--initial {other} is nothing that a missing key of kv reads as. Remedy: name null or '\"\"'"
            )));
        }
        _ => Missing::Null,
    };
    Ok(Options {
        initial,
        missing,
        released_by_anyone: args.released_by_anyone,
        slack_ns: args.slack.map_or(0, |slack| {
            u64::try_from(slack.as_nanos()).unwrap_or(u64::MAX)
        }),
        ..Options::default()
    })
}

/// How many operations were called, and how many of them ended ok.
fn counts(history: &History) -> (usize, usize) {
    let clients = || {
        history
            .events
            .iter()
            .filter(|event| event.process != Process::Nemesis)
    };
    let called = clients().filter(|event| event.kind == Kind::Invoke).count();
    let ok = clients().filter(|event| event.kind == Kind::Ok).count();
    (called, ok)
}

/// What is wrong with a history, with the line it stands on. An event that a model refuses knows only its position.
fn at_its_line(recording: &Recording, error: CheckError) -> Failure {
    let line = match &error {
        CheckError::Specification { event, .. } => recording.lines.get(*event),
        CheckError::History(_) => None,
    };
    Failure {
        exit: Exit::Unreadable,
        error: match line {
            Some(line) => anyhow::anyhow!("{}:{line}: {error}", recording.file),
            None => error.into(),
        },
    }
}

/// What an object held before it was written to, in words, where the model asks.
fn at_first(model: Model, options: &Options) -> String {
    match (model, options.missing) {
        (Model::Kv, Missing::Null) => {
            "; a missing key reads as null (--initial '\"\"': as the empty text, as Porcupine has it)"
                .to_owned()
        }
        (Model::Kv, Missing::Empty) => "; a missing key reads as the empty text".to_owned(),
        (Model::Register | Model::VersionedRegister, _) => {
            format!("; at first there is {}", options.initial)
        }
        _ => String::new(),
    }
}

/// A limit that was reached, and the option that raises it.
fn limit(reason: Reason, limit: u64) -> String {
    let (limit, option) = match reason {
        Reason::Steps => (limit.to_string(), "--steps"),
        Reason::Bytes => (ByteSize(limit).to_string(), "--memory"),
        Reason::Time => {
            let time = humantime::format_duration(Duration::from_nanos(limit));
            (time.to_string(), "--budget")
        }
    };
    format!("the limit of {reason} ({limit}) was reached. Remedy: raise {option}")
}

/// How the file was read, in one line.
fn how_read(recording: &Recording) -> String {
    let cas = match recording.failed_cas {
        FailedCas::Mismatch => "a failed cas saw that the value differed",
        FailedCas::Ignore => "a failed cas says nothing",
        _ => "a failed cas with the error mismatch saw that the value differed",
    };
    let pairs = if recording.independent {
        "; values are pairs of key and value"
    } else {
        ""
    };
    let packed = if recording.gzip { ", compressed" } else { "" };
    format!("read as {}{packed}; {cas}{pairs}", recording.format)
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!("{}: cannot be written ({error})", path.display()),
    })
}
