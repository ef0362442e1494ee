//! Takes a stream of EDN or JSON apart into forms, so that a file of any length is read one operation at a time.
//!
//! The scanner knows as much of the syntax as it takes to find where a form ends: strings, comments, brackets. It counts
//! lines, bounds the length and the nesting of a form, and on the way rewrites the few things of EDN that the parser behind
//! it does not know: the escapes `\b`, `\f` and `\u0041`, and whole numbers beyond 64 bits.

use std::io::BufRead;

use super::source::failed;
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::LINE_BYTES_MAX;

/// Brackets and tags nest at most this deep, as in serde_json, so that no input can exhaust the stack.
pub const DEPTH_MAX: usize = 127;

/// In the place of a closing bracket: a tag that waits for its value.
const TAG: u8 = b'#';

/// In the place of a closing bracket: the mark `#_` that waits for the form it discards.
const DISCARD: u8 = b'_';

/// The tag under which numbers that the parser does not know are handed on, as text.
pub(super) const NUMBER_TAG: &str = "stormglass/number";

/// Which of the two syntaxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Edn,
    Json,
}

/// What [`Scanner::take`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// A form; it is in [`Scanner::text`].
    Form,
    /// The mark `#_`, which discards the form that follows.
    Discard,
}

/// Reads bytes and hands out forms.
pub(super) struct Scanner<'a, R> {
    name: &'a str,
    reader: R,
    syntax: Syntax,
    block: Vec<u8>,
    at: usize,
    /// The line of the next byte, counted from 1.
    pub(super) line: usize,
    /// The bytes of the last form.
    pub(super) text: Vec<u8>,
    /// What closes the brackets that are open, with [`TAG`] and [`DISCARD`] among them.
    closers: Vec<u8>,
}

impl<'a, R: BufRead> Scanner<'a, R> {
    pub(super) fn new(name: &'a str, reader: R, syntax: Syntax) -> Self {
        Self {
            name,
            reader,
            syntax,
            block: Vec::new(),
            at: 0,
            line: 1,
            text: Vec::new(),
            closers: Vec::new(),
        }
    }

    /// A problem on the line that was reached.
    pub(super) fn malformed(&self, problem: Problem) -> HistoryError {
        HistoryError::Malformed {
            file: self.name.to_owned(),
            line: self.line,
            problem,
        }
    }

    /// The next byte, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, HistoryError> {
        if let Some(byte) = self.block.get(self.at) {
            return Ok(Some(*byte));
        }
        self.block.clear();
        self.at = 0;
        let filled = match self.reader.fill_buf() {
            Ok(bytes) => {
                self.block.extend_from_slice(bytes);
                bytes.len()
            }
            Err(error) => return Err(failed(self.name, self.line, error)),
        };
        self.reader.consume(filled);
        Ok(self.block.first().copied())
    }

    /// Leaves the byte that was peeked at.
    pub(super) fn skip(&mut self, byte: u8) {
        self.at += 1;
        self.line += usize::from(byte == b'\n');
    }

    /// Skips white space; in EDN commas and comments, too.
    pub(super) fn skip_separators(&mut self) -> Result<(), HistoryError> {
        while let Some(byte) = self.peek()? {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.skip(byte),
                b',' if self.syntax == Syntax::Edn => self.skip(byte),
                b';' if self.syntax == Syntax::Edn => self.skip_comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    fn skip_comment(&mut self) -> Result<(), HistoryError> {
        while let Some(byte) = self.peek()? {
            if byte == b'\n' {
                break;
            }
            self.skip(byte);
        }
        Ok(())
    }

    /// Puts a byte into the form without reading one.
    fn put(&mut self, byte: u8) -> Result<(), HistoryError> {
        if self.text.len() >= LINE_BYTES_MAX {
            return Err(self.malformed(Problem::LineTooLong {
                bytes_max: LINE_BYTES_MAX,
            }));
        }
        self.text.push(byte);
        Ok(())
    }

    /// Moves the byte that was peeked at into the form.
    fn copy(&mut self, byte: u8) -> Result<(), HistoryError> {
        self.skip(byte);
        self.put(byte)
    }

    /// Reads one form. The caller has skipped separators and seen that there is more.
    pub(super) fn take(&mut self) -> Result<Taken, HistoryError> {
        self.text.clear();
        self.closers.clear();
        let begins = self.line;
        let edn = self.syntax == Syntax::Edn;
        loop {
            let Some(byte) = self.peek()? else {
                return Err(self.malformed(Problem::Unclosed { begins }));
            };
            let ended = match byte {
                b'"' => {
                    self.string(begins)?;
                    true
                }
                b'{' => self.open(byte, b'}')?,
                b'[' => self.open(byte, b']')?,
                b'(' if edn => self.open(byte, b')')?,
                b'}' | b']' | b')' => self.close(byte)?,
                b'\n' | b',' => {
                    self.copy(byte)?;
                    false
                }
                b' ' | b'\t' | b'\r' => {
                    self.skip(byte);
                    self.put(b' ')?;
                    false
                }
                b';' if edn => {
                    self.skip_comment()?;
                    false
                }
                b'\\' if edn => {
                    self.character(begins)?;
                    true
                }
                b'#' if edn => {
                    if self.hash()? == Taken::Discard {
                        return Ok(Taken::Discard);
                    }
                    false
                }
                0..=0x1f | 0x7f => {
                    return Err(self.malformed(Problem::NotEdn {
                        what: "a control character",
                        found: format!("`{}`", char::from(byte).escape_default()),
                    }));
                }
                _ => {
                    self.atom(byte)?;
                    true
                }
            };
            if ended && self.completes() {
                return Ok(Taken::Form);
            }
        }
    }

    /// Takes back what waited for the form that just ended. True when nothing else is open.
    fn completes(&mut self) -> bool {
        while self.closers.last() == Some(&TAG) {
            self.closers.pop();
        }
        if self.closers.last() == Some(&DISCARD) {
            self.closers.pop();
            return false;
        }
        self.closers.is_empty()
    }

    fn nest(&mut self, closer: u8) -> Result<(), HistoryError> {
        if self.closers.len() == DEPTH_MAX {
            return Err(self.malformed(Problem::TooDeep {
                depth_max: DEPTH_MAX,
            }));
        }
        self.closers.push(closer);
        Ok(())
    }

    fn open(&mut self, byte: u8, closer: u8) -> Result<bool, HistoryError> {
        self.nest(closer)?;
        self.copy(byte)?;
        Ok(false)
    }

    fn close(&mut self, byte: u8) -> Result<bool, HistoryError> {
        let expected = self.closers.pop();
        if expected != Some(byte) {
            return Err(self.unbalanced(byte, expected));
        }
        self.copy(byte)?;
        Ok(true)
    }

    /// The problem of a bracket that closes nothing, or something else.
    pub(super) fn unbalanced(&self, found: u8, expected: Option<u8>) -> HistoryError {
        let expected = match expected {
            Some(TAG | DISCARD) => "a value".to_owned(),
            Some(closer) => format!("`{}`", char::from(closer)),
            None => "an operation".to_owned(),
        };
        let found = char::from(found);
        self.malformed(Problem::Unbalanced { expected, found })
    }

    /// `#`: a set, a tag, or a discard. Only a discard before any form is told apart; others are the parser's affair.
    fn hash(&mut self) -> Result<Taken, HistoryError> {
        let first = self.text.is_empty();
        self.copy(b'#')?;
        match self.peek()? {
            Some(b'_') => {
                self.copy(b'_')?;
                if first {
                    return Ok(Taken::Discard);
                }
                self.nest(DISCARD)?;
            }
            Some(b'#') => {
                // `##Inf` and `##NaN` are numbers that JSON does not have.
                let start = self.text.len().saturating_sub(1);
                self.word()?;
                let word = String::from_utf8_lossy(self.text.get(start..).unwrap_or_default());
                return Err(self.malformed(Problem::NotRepresentable(excerpt(&word))));
            }
            Some(b'{') => {}
            Some(byte) if !delimits(byte) => {
                self.nest(TAG)?;
                self.word()?;
            }
            _ => {}
        }
        Ok(Taken::Form)
    }

    /// Copies up to the next delimiter.
    fn word(&mut self) -> Result<(), HistoryError> {
        while self.copy_until(|byte| delimits(byte) || byte.is_ascii_control())? {}
        Ok(())
    }

    /// Copies bytes until one that `ends`, as far as they have been read already. False when that one is next, or at the
    /// end of the data.
    fn copy_until(&mut self, ends: impl Fn(u8) -> bool) -> Result<bool, HistoryError> {
        if self.peek()?.is_none() {
            return Ok(false);
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let piece = rest.split(|byte| ends(*byte)).next().unwrap_or_default();
        let more = piece.len() == rest.len();
        self.at += piece.len();
        self.line += piece.iter().filter(|byte| **byte == b'\n').count();
        self.text.extend_from_slice(piece);
        if self.text.len() > LINE_BYTES_MAX {
            return Err(self.malformed(Problem::LineTooLong {
                bytes_max: LINE_BYTES_MAX,
            }));
        }
        Ok(more)
    }

    /// A keyword, symbol, number or word of JSON.
    fn atom(&mut self, first: u8) -> Result<(), HistoryError> {
        let start = self.text.len();
        self.copy(first)?;
        self.word()?;
        if self.syntax == Syntax::Json {
            return Ok(());
        }
        let word = self.text.get(start..).unwrap_or_default();
        let unsigned = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+"));
        let unsigned = unsigned.unwrap_or(word);
        if !unsigned.first().is_some_and(u8::is_ascii_digit) {
            return Ok(());
        }
        let word = String::from_utf8_lossy(word).into_owned();
        let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        if unsigned.len() > 1 && unsigned.starts_with(b"0") && digits(unsigned) {
            // Clojure reads 010 as 8 and EDN forbids it.
            let (what, found) = ("a number with a zero in front", excerpt(&word));
            return Err(self.malformed(Problem::NotEdn { what, found }));
        }
        let number = match (word.strip_suffix('N'), word.strip_suffix('M')) {
            (Some(whole), _) if digits(unsigned.strip_suffix(b"N").unwrap_or_default()) => whole,
            (_, Some(decimal)) => decimal,
            _ if unsigned.len() >= 19 && digits(unsigned) => word.as_str(),
            _ => return Ok(()),
        };
        let number = number.strip_prefix('+').unwrap_or(number);
        self.text.truncate(start);
        let replaced = match number.parse::<i64>() {
            Ok(_) => number.to_owned(),
            Err(_) => format!("#{NUMBER_TAG} \"{number}\""),
        };
        replaced.bytes().try_for_each(|byte| self.put(byte))
    }

    /// `\a`, `\newline`, `\u0041`.
    fn character(&mut self, begins: usize) -> Result<(), HistoryError> {
        self.copy(b'\\')?;
        let Some(byte) = self.peek()? else {
            return Err(self.malformed(Problem::Unclosed { begins }));
        };
        let start = self.text.len();
        self.copy(byte)?;
        self.word()?;
        let name = self.text.get(start..).unwrap_or_default();
        let character = match name {
            b"backspace" => Some('\u{8}'),
            b"formfeed" => Some('\u{c}'),
            [b'u', digits @ ..] if digits.len() == 4 => match hexadecimal(digits) {
                Some(code) => char::from_u32(code),
                None => None,
            },
            _ => None,
        };
        let Some(character) = character else {
            return Ok(());
        };
        self.text.truncate(start);
        let mut bytes = [0; 4];
        let text = character.encode_utf8(&mut bytes);
        text.bytes().try_for_each(|byte| self.put(byte))
    }

    fn string(&mut self, begins: usize) -> Result<(), HistoryError> {
        self.copy(b'"')?;
        loop {
            while self.copy_until(|byte| matches!(byte, b'"' | b'\\'))? {}
            match self.peek()? {
                None => return Err(self.malformed(Problem::Unclosed { begins })),
                Some(b'\\') => self.escape(begins)?,
                Some(quote) => return self.copy(quote),
            }
        }
    }

    fn escape(&mut self, begins: usize) -> Result<(), HistoryError> {
        self.skip(b'\\');
        let Some(byte) = self.peek()? else {
            return Err(self.malformed(Problem::Unclosed { begins }));
        };
        self.skip(byte);
        let character = match (self.syntax, byte) {
            (Syntax::Edn, b'b') => '\u{8}',
            (Syntax::Edn, b'f') => '\u{c}',
            (Syntax::Edn, b'u') => {
                let code = self.unit()?;
                match code {
                    // Two units of UTF-16 make one character.
                    Some(high @ 0xd800..=0xdbff) => self.low_unit(high)?,
                    Some(code) => char::from_u32(code),
                    None => None,
                }
                .ok_or_else(|| {
                    self.malformed(Problem::NotEdn {
                        what: "an escape that is no character",
                        found: "`\\u`".to_owned(),
                    })
                })?
            }
            _ => {
                self.put(b'\\')?;
                return self.put(byte);
            }
        };
        if matches!(character, '"' | '\\') {
            self.put(b'\\')?;
        }
        let mut bytes = [0; 4];
        let text = character.encode_utf8(&mut bytes);
        text.bytes().try_for_each(|byte| self.put(byte))
    }

    /// The second of two units of UTF-16.
    fn low_unit(&mut self, high: u32) -> Result<Option<char>, HistoryError> {
        for expected in [b'\\', b'u'] {
            if self.peek()? != Some(expected) {
                return Ok(None);
            }
            self.skip(expected);
        }
        Ok(match self.unit()? {
            Some(low @ 0xdc00..=0xdfff) => {
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
            }
            _ => None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<Option<u32>, HistoryError> {
        let mut digits = [0; 4];
        for digit in &mut digits {
            match self.peek()? {
                Some(byte) if byte.is_ascii_hexdigit() => {
                    self.skip(byte);
                    *digit = byte;
                }
                _ => return Ok(None),
            }
        }
        Ok(hexadecimal(&digits))
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| {
        Some(code * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// What ends a word.
fn delimits(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(
            byte,
            b',' | b';' | b'"' | b'(' | b')' | b'[' | b']' | b'{' | b'}'
        )
}
