//! What can be wrong with a history, and what to do about it.

use std::io;

use thiserror::Error;

/// A history that cannot be read or makes no sense. Names the file, the line and the remedy.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file could not be opened or read at all.
    #[error("{file}: cannot be read: {source}. Remedy: check the path and the permissions")]
    Unreadable {
        /// The path as the caller gave it.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// One line, or one event, is not what a history needs.
    #[error("{file}:{line}: {problem}. Remedy: {}", .problem.remedy())]
    Malformed {
        /// The path or name of the source; `history` when events were given in memory.
        file: String,
        /// The line, counted from 1. For events in memory, the position counted from 1.
        line: usize,
        /// What is wrong there.
        problem: Problem,
    },
}

/// What is wrong with one line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// The line stops in the middle of its JSON object.
    #[error("expected a whole JSON object, found a truncated line")]
    Truncated,
    /// The line is not JSON.
    #[error("expected a JSON object, found {0}")]
    NotJson(String),
    /// A key is absent or has a value of the wrong type.
    #[error("expected `{key}` to be {expected}, found {found}")]
    WrongType {
        /// The key of the JSON object.
        key: &'static str,
        /// What a history allows there.
        expected: &'static str,
        /// What was there, shortened.
        found: String,
    },
    /// The line is not UTF-8.
    #[error("expected UTF-8, found the invalid byte {byte:#04x} at column {column}")]
    InvalidUtf8 {
        /// The first byte that fits no character.
        byte: u8,
        /// Where it is, in bytes, counted from 1.
        column: usize,
    },
    /// The line is longer than [`crate::history::LINE_BYTES_MAX`].
    #[error("expected a line of at most {bytes_max} bytes, found a longer one")]
    LineTooLong {
        /// The cap.
        bytes_max: usize,
    },
    /// A completion of a process that has no operation open.
    #[error(
        "expected process {process} to have an open call, found `{kind}` of `{f}` without a call"
    )]
    ReturnWithoutCall {
        /// The process.
        process: u64,
        /// The kind of the completion.
        kind: &'static str,
        /// The function it names.
        f: String,
    },
    /// A process called again before its operation returned.
    #[error(
        "expected process {process} to finish the call of line {first_line}, found a second call"
    )]
    TwoOpenCalls {
        /// The process.
        process: u64,
        /// The line of the call that is still open.
        first_line: usize,
    },
    /// A completion that names another function or key than its call.
    #[error(
        "expected the return to repeat {field} {call} of its call on line {call_line}, found {found}"
    )]
    ReturnDiffers {
        /// `f` or `key`.
        field: &'static str,
        /// The value the call had.
        call: String,
        /// The line of the call.
        call_line: usize,
        /// The value the return has.
        found: String,
    },
    /// A process went on after an `info`.
    #[error(
        "expected process {process} to be retired by the info of line {info_line}, found another call"
    )]
    ProcessReused {
        /// The process.
        process: u64,
        /// The line of its info.
        info_line: usize,
    },
    /// A line of a Jepsen text log that names an operation but cannot be read.
    #[error("expected a Jepsen operation `PROCESS :type :f VALUE`, found {0}")]
    NotAnOperation(String),
    /// The format of the file could not be told.
    #[error("expected JSON lines or a Jepsen text log, found {0}")]
    UnknownFormat(String),
}

impl Problem {
    /// What the owner of the history can do about it, as an imperative.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Truncated => {
                "if the writer was killed, delete this last line; its call then counts as info"
            }
            Self::NotJson(_) => "write one JSON object a line, or name the input format",
            Self::WrongType { .. } => "see the keys of `Event` in the documentation",
            Self::InvalidUtf8 { .. } => "write the file as UTF-8; encode binary values as text",
            Self::LineTooLong { .. } => "store a digest in place of a large value",
            Self::ReturnWithoutCall { .. } => {
                "record the invoke before the request is sent, and merge files in order of events"
            }
            Self::TwoOpenCalls { .. } => {
                "give every operation in flight its own process, and record its return or an info first"
            }
            Self::ReturnDiffers { .. } => "copy `f` and `key` from the call to its return",
            Self::ProcessReused { .. } => {
                "continue under a new process number after an info: the old operation may still be in flight"
            }
            Self::NotAnOperation(_) => "remove the line, or correct it by hand",
            Self::UnknownFormat(_) => "name the input format, or convert the file to JSON lines",
        }
    }
}

/// Shortens a value from outside so that a message stays one readable line.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut short: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        short.push_str("..");
    }
    format!("`{short}`")
}
