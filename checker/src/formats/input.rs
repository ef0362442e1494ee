//! Opens a history file of any format this crate reads.

use std::io::BufRead;
use std::path::Path;

pub use super::options::{FailedCas, Input, ReadOptions};
use super::source::Source;
use super::{detect, edn_file, elle_json, jepsen_log, json_lines};
use crate::error::HistoryError;
use crate::history::History;

/// A history with how it was read, so that a report can say it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The events.
    pub history: History,
    /// The line of the file on which each event begins, counted from 1.
    pub lines: Vec<usize>,
    /// The file they came from; below a directory, the one that was chosen.
    pub file: String,
    /// The format that was found or stated; never `Auto`.
    pub format: Input,
    /// How failed compare-and-sets were read; never `Auto`.
    pub failed_cas: FailedCas,
    /// True when values were split into key and value.
    pub independent: bool,
    /// True when the file was compressed.
    pub gzip: bool,
}

/// Reads the file at `path`; shorthand for [`read_with`] that says only the format.
///
/// # Errors
/// [`HistoryError`], with file, line, what was expected there and a remedy.
pub fn read(path: impl AsRef<Path>, input: Input) -> Result<History, HistoryError> {
    let options = ReadOptions {
        input,
        ..ReadOptions::default()
    };
    read_with(path, &options).map(|recording| recording.history)
}

/// Reads the history at `path`: a file, a Jepsen store directory, or `-` for standard input. Compressed data is told by its
/// first bytes and decompressed on the way.
///
/// # Errors
/// [`HistoryError`], with file, line, what was expected there and a remedy.
pub fn read_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Recording, HistoryError> {
    parse(Source::open(path.as_ref())?, options)
}

/// The same from any reader. `name` stands for the file in errors.
///
/// # Errors
/// As [`read_with`].
pub fn read_from(
    name: &str,
    reader: impl BufRead,
    options: &ReadOptions,
) -> Result<Recording, HistoryError> {
    parse(Source::new(name.to_owned(), reader)?, options)
}

fn parse(source: Source<'_>, options: &ReadOptions) -> Result<Recording, HistoryError> {
    let (file, gzip) = (source.file.clone(), source.gzip);
    let format = match options.input {
        Input::Auto => detect::format(&file, &source.start)?,
        stated => stated,
    };
    let reader = source.reader();
    let mut draft = match format {
        Input::Auto | Input::JsonLines => json_lines::draft(&file, reader)?,
        Input::JepsenLog => jepsen_log::draft(&file, reader)?,
        Input::Edn => edn_file::draft(&file, reader)?,
        Input::ElleJson => elle_json::draft(&file, reader)?,
    };
    let options = ReadOptions {
        failed_cas: options.failed_cas.resolve(format),
        ..*options
    };
    Ok(Recording {
        history: draft.finish(&file, &options)?,
        lines: draft.lines,
        file,
        format,
        failed_cas: options.failed_cas,
        independent: options.independent,
        gzip,
    })
}
