//! Opens a history file of any format this crate reads.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::jepsen_log;
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::History;

/// The format of a history file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Input {
    /// Told from the first bytes of the file.
    #[default]
    Auto,
    /// One JSON object a line; see [`crate::history::Event`].
    JsonLines,
    /// The text log of older Jepsen runs.
    JepsenLog,
}

/// Reads the file at `path`.
///
/// # Errors
/// [`HistoryError`], with file, line, what was expected there and a remedy.
pub fn read(path: impl AsRef<Path>, input: Input) -> Result<History, HistoryError> {
    let path = path.as_ref();
    let file = path.display().to_string();
    let unreadable = |source| HistoryError::Unreadable {
        file: file.clone(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let format = match input {
        Input::Auto => detect(&file, reader.fill_buf().map_err(unreadable)?)?,
        stated => stated,
    };
    match format {
        Input::JepsenLog => History::parse_jepsen_log(&file, reader),
        Input::Auto | Input::JsonLines => History::parse_jsonl(&file, reader),
    }
}

/// Tells the format from the start of a file. An empty file is an empty history.
fn detect(file: &str, start: &[u8]) -> Result<Input, HistoryError> {
    let text = String::from_utf8_lossy(start);
    let first = text.trim_start();
    if first.is_empty() || first.starts_with("{\"") || first.starts_with("{ ") {
        return Ok(Input::JsonLines);
    }
    if text.contains(jepsen_log::MARK) {
        return Ok(Input::JepsenLog);
    }
    let line = first.lines().next().unwrap_or_default();
    let problem = Problem::UnknownFormat(excerpt(line));
    Err(HistoryError::Malformed {
        file: file.to_owned(),
        line: 1,
        problem,
    })
}
