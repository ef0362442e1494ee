//! The operations of a file, whether they stand in one vector, list or array, or one after the other.

use std::io::BufRead;

use super::scanner::{Scanner, Syntax, Taken};
use crate::error::{HistoryError, Problem};

/// Where in the file the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first form.
    Start,
    /// Among forms without brackets around them.
    Series,
    /// Inside the brackets that hold all operations.
    Inside {
        closer: u8,
        begins: usize,
        first: bool,
    },
    /// Behind those brackets.
    End,
}

/// Hands out one operation at a time.
pub(super) struct Forms<'a, R> {
    scanner: Scanner<'a, R>,
    syntax: Syntax,
    place: Place,
}

/// The text of one operation, and the line on which it begins.
pub(super) struct Form<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl<'a, R: BufRead> Forms<'a, R> {
    pub(super) fn new(name: &'a str, reader: R, syntax: Syntax) -> Self {
        Self {
            scanner: Scanner::new(name, reader, syntax),
            syntax,
            place: Place::Start,
        }
    }

    /// The next operation, or `None` at the end of the data.
    pub(super) fn next(&mut self) -> Result<Option<Form<'_>>, HistoryError> {
        let mut discards = 0_usize;
        loop {
            let Some(byte) = self.more(discards > 0)? else {
                return Ok(None);
            };
            if self.place == Place::End {
                return Err(self.scanner.malformed(Problem::NotAMap(
                    "more behind the bracket that closes the history".to_owned(),
                )));
            }
            if matches!(byte, b'}' | b']' | b')') {
                let expected = match self.place {
                    Place::Inside { closer, .. } if discards == 0 => Some(closer),
                    _ => None,
                };
                return Err(self.scanner.unbalanced(byte, expected));
            }
            let line = self.scanner.line;
            match self.scanner.take()? {
                Taken::Discard => discards += 1,
                Taken::Form if discards > 0 => discards -= 1,
                Taken::Form => {
                    return Ok(Some(Form {
                        text: self.text(line)?,
                        line,
                    }));
                }
            }
        }
    }

    /// Moves to the next form and over the brackets around all. `None` at the end of the data.
    fn more(&mut self, discarding: bool) -> Result<Option<u8>, HistoryError> {
        loop {
            self.scanner.skip_separators()?;
            let byte = self.scanner.peek()?;
            match (self.place, byte) {
                (Place::Inside { begins, .. }, None) => {
                    return Err(self.scanner.malformed(Problem::Unclosed { begins }));
                }
                (_, None) if discarding => {
                    let begins = self.scanner.line;
                    return Err(self.scanner.malformed(Problem::Unclosed { begins }));
                }
                (_, None) => return Ok(None),
                (Place::Start, Some(open @ (b'[' | b'('))) if !discarding => {
                    self.place = Place::Inside {
                        closer: if open == b'[' { b']' } else { b')' },
                        begins: self.scanner.line,
                        first: true,
                    };
                    self.scanner.skip(open);
                }
                (Place::Inside { closer, .. }, Some(byte)) if byte == closer && !discarding => {
                    self.place = Place::End;
                    self.scanner.skip(byte);
                }
                (
                    Place::Inside {
                        closer,
                        begins,
                        first,
                    },
                    Some(byte),
                ) => {
                    let json = self.syntax == Syntax::Json;
                    if json && (!first || byte == b',') {
                        return self.comma(byte, first);
                    }
                    self.place = Place::Inside {
                        closer,
                        begins,
                        first: false,
                    };
                    return Ok(Some(byte));
                }
                (Place::Start, Some(byte)) => {
                    self.place = Place::Series;
                    return Ok(Some(byte));
                }
                (Place::Series | Place::End, Some(byte)) => return Ok(Some(byte)),
            }
        }
    }

    /// JSON wants exactly one comma between the elements of an array.
    fn comma(&mut self, byte: u8, first: bool) -> Result<Option<u8>, HistoryError> {
        let found = if first {
            "a comma with no operation before it"
        } else if byte == b',' {
            self.scanner.skip(byte);
            self.scanner.skip_separators()?;
            match self.scanner.peek()? {
                Some(byte) if byte != b',' && byte != b']' => return Ok(Some(byte)),
                _ => "a comma with no operation behind it",
            }
        } else {
            "two operations without a comma between them"
        };
        Err(self.scanner.malformed(Problem::NotJson(found.to_owned())))
    }

    fn text(&self, begins: usize) -> Result<&str, HistoryError> {
        let bytes = &self.scanner.text;
        std::str::from_utf8(bytes).map_err(|error| {
            let (before, rest) = bytes.split_at(error.valid_up_to());
            let newlines = before.iter().filter(|byte| **byte == b'\n').count();
            let column = before.iter().rev().take_while(|byte| **byte != b'\n');
            let problem = Problem::InvalidUtf8 {
                byte: rest.first().copied().unwrap_or_default(),
                column: column.count() + 1,
            };
            match self.scanner.malformed(problem) {
                HistoryError::Malformed { file, problem, .. } => HistoryError::Malformed {
                    file,
                    line: begins + newlines,
                    problem,
                },
                other => other,
            }
        })
    }
}
