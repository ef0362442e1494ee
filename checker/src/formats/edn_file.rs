//! Reads operation maps in EDN: Jepsen's `history.edn`, Knossos' and Elle's test data, Porcupine's key-value runs.

use std::io::BufRead;

use clojure_reader::edn::Edn;

use super::draft::Draft;
use super::edn;
use super::fields::{Dialect, Fields};
use super::forms::Forms;
use super::scanner::Syntax;
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::Event;

pub(super) fn draft(name: &str, reader: impl BufRead) -> Result<Draft, HistoryError> {
    let mut draft = Draft::default();
    let mut forms = Forms::new(name, reader, Syntax::Edn);
    while let Some(form) = forms.next()? {
        let event = parse_event(form.text, draft.events.len() as u64);
        let line = form.line;
        draft.push(
            event.map_err(|(below, problem)| HistoryError::Malformed {
                file: name.to_owned(),
                line: line + below,
                problem,
            })?,
            line,
        );
    }
    Ok(draft)
}

fn parse_event(text: &str, number: u64) -> Result<Event, (usize, Problem)> {
    let form = edn::parse(text)?;
    let operation = match &form {
        // Records print as `#jepsen.history.Op{...}`; older ones are of other namespaces.
        Edn::Tagged(tag, inside) if tag.ends_with(".Op") => inside,
        other => other,
    };
    let Edn::Map(entries) = operation else {
        return Err((0, Problem::NotAMap(excerpt(text))));
    };
    let mut fields = Fields::default();
    for (key, entry) in entries {
        let Edn::Key(name) = key else { continue };
        if let Some(slot) = fields.slot(name) {
            *slot = Some(edn::value(entry).map_err(|problem| (0, problem))?);
        }
    }
    fields
        .event(number, Dialect::Jepsen)
        .map_err(|problem| (0, problem))
}
