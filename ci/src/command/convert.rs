//! `stormglass convert`: reads a history of any format and writes it in another.

use super::check::Reading;
use super::exit::OrExit;
use super::{Exit, Failure};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The history: a file, a Jepsen store directory, or `-` for standard input; compressed or not
    file: PathBuf,
    /// The format to write
    #[arg(long, value_enum, default_value_t = OutputName::Jsonl)]
    to: OutputName,
    /// The file to write; standard output when not said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputName {
    /// One JSON object a line
    Jsonl,
    /// One operation map a line, as Jepsen's history.edn
    Edn,
    /// Operation objects in JSON, as elle-cli reads them
    ElleJson,
}

pub(super) fn execute(args: &ConvertArgs) -> Result<Exit, Failure> {
    let recording = args.reading.read(&args.file)?;
    let history = &recording.history;
    let write = |out: &mut dyn Write| match args.to {
        OutputName::Jsonl => history.write_jsonl(out),
        OutputName::Edn => history.write_edn(out),
        OutputName::ElleJson => history.write_elle_json(out),
    };
    let written = match &args.out {
        None => match write(&mut BufWriter::new(io::stdout().lock())) {
            // A reader that has gone away, as `head` does, is no failure of ours.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other,
        },
        Some(path) => File::create(path)
            .and_then(|file| write(&mut BufWriter::new(file)))
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{}: cannot be written ({error})", path.display()),
                )
            }),
    };
    written.or_exit(Exit::Unreadable)?;
    eprintln!(
        "{} events of {}, read as {}",
        history.events.len(),
        recording.file,
        recording.format
    );
    Ok(Exit::Valid)
}
