//! Reads the JSON that elle-cli reads: operation objects in one array, or one after the other.

use std::io::BufRead;

use serde_json::Value;

use super::draft::Draft;
use super::fields::Dialect;
use super::forms::Forms;
use super::json_lines::{Plain, fields};
use super::scanner::Syntax;
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::Event;

pub(super) fn draft(name: &str, reader: impl BufRead) -> Result<Draft, HistoryError> {
    let mut draft = Draft::default();
    let mut forms = Forms::new(name, reader, Syntax::Json);
    while let Some(form) = forms.next()? {
        let event = parse_event(form.text, draft.events.len() as u64);
        let line = form.line;
        draft.push(
            event.map_err(|problem| HistoryError::Malformed {
                file: name.to_owned(),
                line,
                problem,
            })?,
            line,
        );
    }
    Ok(draft)
}

/// Reads one operation. What is not quite as this crate writes it is read again with patience.
fn parse_event(text: &str, number: u64) -> Result<Event, Problem> {
    let mut event = match serde_json::from_str::<Plain>(text) {
        Ok(plain) => plain.event(number),
        Err(_) => with_patience(text, number)?,
    };
    if let Some(name) = event.f.strip_prefix(':') {
        event.f = name.to_owned();
    }
    for word in micro_words(&mut event.value) {
        strip_colon(word);
    }
    Ok(event)
}

fn with_patience(text: &str, number: u64) -> Result<Event, Problem> {
    let value = serde_json::from_str(text).map_err(|_| Problem::NotJson(excerpt(text)))?;
    let Value::Object(object) = value else {
        return Err(Problem::NotAMap(excerpt(text)));
    };
    let mut fields = fields(object);
    if let Some(kind) = &mut fields.kind {
        strip_colon(kind);
    }
    fields.event(number, Dialect::Jepsen)
}

/// The words of the micro-operations of a transaction: the first item of each list in a list.
pub(super) fn micro_words(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    let items = value.as_array_mut().into_iter().flatten();
    items.filter_map(|item| item.get_mut(0))
}

/// `":append"` is how some writers put a keyword into JSON.
fn strip_colon(word: &mut Value) {
    if let Value::String(text) = word
        && let Some(name) = text.strip_prefix(':')
    {
        *text = name.to_owned();
    }
}
