//! Takes a text apart into lines, never holding more than the cap.

use std::io::{BufRead, Read};

use super::source::failed;
use crate::error::{HistoryError, Problem};
use crate::history::LINE_BYTES_MAX;

/// The lines of a reader, one at a time in one buffer.
pub(super) struct Lines<'a, R> {
    name: &'a str,
    reader: R,
    /// The number of the last line that was read, counted from 1.
    pub(super) number: usize,
    bytes: Vec<u8>,
}

/// One line and whether it had its newline.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) complete: bool,
}

impl<'a, R: BufRead> Lines<'a, R> {
    pub(super) fn new(name: &'a str, reader: R) -> Self {
        Self {
            name,
            reader,
            number: 0,
            bytes: Vec::new(),
        }
    }

    /// A problem of the last line that was read.
    pub(super) fn malformed(&self, problem: Problem) -> HistoryError {
        HistoryError::Malformed {
            file: self.name.to_owned(),
            line: self.number,
            problem,
        }
    }

    /// The next line, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, HistoryError> {
        self.number += 1;
        self.bytes.clear();
        let mut capped = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        capped
            .read_until(b'\n', &mut self.bytes)
            .map_err(|error| failed(self.name, self.number, error))?;
        if self.bytes.is_empty() {
            self.number -= 1;
            return Ok(None);
        }
        let complete = self.bytes.last() == Some(&b'\n');
        if !complete && self.bytes.len() > LINE_BYTES_MAX {
            return Err(self.malformed(Problem::LineTooLong {
                bytes_max: LINE_BYTES_MAX,
            }));
        }
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(Some(Line { text, complete })),
            Err(error) => {
                let column = error.valid_up_to();
                let byte = self.bytes.get(column).copied().unwrap_or_default();
                Err(self.malformed(Problem::InvalidUtf8 {
                    byte,
                    column: column + 1,
                }))
            }
        }
    }
}
