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
    /// A directory in which no history was found.
    #[error(
        "{directory}: is a directory that holds none of {looked_for}. Remedy: name the history file itself, or the \
         directory of one run"
    )]
    NoHistory {
        /// The path as the caller gave it.
        directory: String,
        /// The names that were tried.
        looked_for: String,
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
    /// The data ends inside an operation that spans lines, or an array of operations.
    #[error(
        "expected the form that begins on line {begins} to be closed, found the end of the data"
    )]
    Unclosed {
        /// Where the form begins.
        begins: usize,
    },
    /// A bracket that closes another than the last opened, or none.
    #[error("expected {expected}, found `{found}`")]
    Unbalanced {
        /// What would fit there.
        expected: String,
        /// The bracket.
        found: char,
    },
    /// Brackets and tags nest deeper than [`crate::formats::DEPTH_MAX`].
    #[error("expected at most {depth_max} brackets and tags inside each other, found more")]
    TooDeep {
        /// The cap.
        depth_max: usize,
    },
    /// The text is not EDN.
    #[error("expected EDN, found {what} in {found}")]
    NotEdn {
        /// What is wrong with it.
        what: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// Something else stands where an operation is expected.
    #[error("expected a map with the keys of an operation, found {0}")]
    NotAMap(String),
    /// An EDN value that no JSON value stands for.
    #[error("expected a value that JSON can hold, found {0}")]
    NotRepresentable(String),
    /// The compressed data stops early.
    #[error("expected the gzip data to go on, found its end")]
    GzipTruncated,
    /// The compressed data is damaged.
    #[error("expected gzip data, found {0}")]
    GzipDamaged(String),
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
    #[error("expected JSON lines, EDN, a JSON array of operations or a Jepsen text log, found {0}")]
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
            Self::Unclosed { .. } => {
                "if the writer was killed, delete the last operation and close the brackets; its call then counts as info"
            }
            Self::Unbalanced { .. } => "correct the brackets of this operation",
            Self::TooDeep { .. } => "store a flatter value, or a digest of it",
            Self::NotEdn { .. } => "correct the operation, or name the input format",
            Self::NotAMap(_) => "write one map an operation, or one vector of such maps",
            Self::NotRepresentable(_) => "store a number, a text, or a collection of them",
            Self::GzipTruncated => {
                "copy the file again; if it was cut for good, decompress what is there and read that"
            }
            Self::GzipDamaged(_) => "copy the file again, or decompress it by hand",
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
