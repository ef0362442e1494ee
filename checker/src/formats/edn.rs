//! EDN values, and the JSON that stands for them; the table is in the documentation of [`super`].

use clojure_reader::edn::{self, Edn};
use clojure_reader::error::{Code, Error};
use serde_json::{Map, Number, Value};

use super::scanner::{NUMBER_TAG, Scanner, Syntax};
use crate::error::{HistoryError, Problem, excerpt};

/// Reads one form, which a [`Scanner`] has bounded. The number is that of the line inside of it, from 0.
pub(super) fn parse(text: &str) -> Result<Edn<'_>, (usize, Problem)> {
    edn::read_string(text).map_err(|error| {
        let last = text.bytes().filter(|byte| *byte == b'\n').count();
        let line = error.line.map_or(0, |line| line.saturating_sub(1));
        (line.min(last), problem(&error, text))
    })
}

fn problem(error: &Error, text: &str) -> Problem {
    let what = match error.code {
        Code::HashMapDuplicateKey => "a key that is there twice",
        Code::SetDuplicateKey => "a member that is there twice",
        Code::InvalidChar => "an unknown character",
        Code::InvalidEscape => "an unknown escape",
        Code::InvalidKeyword => "an empty keyword",
        Code::InvalidNumber | Code::InvalidRadix(_) => "an invalid number",
        Code::InvalidTag => "an invalid tag",
        Code::UnexpectedEOF => "a map without the value of its last key, or a tag of nothing",
        Code::UnmatchedDelimiter(_) => "a bracket too many",
        _ => "something else",
    };
    let from = text.get(error.ptr.unwrap_or(0)..).unwrap_or_default();
    let found = if from.is_empty() { text } else { from };
    Problem::NotEdn {
        what,
        found: excerpt(found),
    }
}

/// Reads all forms of a short text.
pub(super) fn values(text: &str) -> Result<Vec<Value>, Problem> {
    let inner = |error| match error {
        HistoryError::Malformed { problem, .. } => problem,
        other => Problem::NotRepresentable(other.to_string()),
    };
    let vector = format!("[{text}\n]");
    let mut scanner = Scanner::new("", vector.as_bytes(), Syntax::Edn);
    scanner.take().map_err(inner)?;
    let form = std::str::from_utf8(&scanner.text)
        .map_err(|_| Problem::NotRepresentable("bytes that are no text".to_owned()))?;
    let values = value(&parse(form).map_err(|(_, problem)| problem)?)?;
    scanner.skip_separators().map_err(inner)?;
    match (scanner.peek().map_err(inner)?, values) {
        (None, Value::Array(values)) => Ok(values),
        _ => Err(Problem::NotAMap(excerpt(text))),
    }
}

/// The JSON for a value. Recursion is as deep as the scanner allows brackets to nest.
pub(super) fn value(edn: &Edn<'_>) -> Result<Value, Problem> {
    let array = |items: &[Edn<'_>]| items.iter().map(value).collect::<Result<_, _>>();
    Ok(match edn {
        Edn::Nil => Value::Null,
        Edn::Bool(truth) => Value::Bool(*truth),
        Edn::Int(number) => Value::from(*number),
        Edn::Double(number) => Number::from_f64(number.0)
            .map(Value::Number)
            .ok_or_else(|| Problem::NotRepresentable(format!("the number {}", number.0)))?,
        Edn::Str(text) | Edn::Key(text) | Edn::Symbol(text) => Value::from(text.as_ref()),
        Edn::Char(character) => Value::from(character.to_string()),
        Edn::Rational((above, below)) => Value::from(format!("{above}/{below}")),
        Edn::Vector(items) | Edn::List(items) => Value::Array(array(items)?),
        Edn::Set(items) => Value::Array(items.iter().map(value).collect::<Result<_, _>>()?),
        Edn::Map(entries) => {
            let mut object = Map::new();
            for (key, entry) in entries {
                insert(&mut object, text(key)?, value(entry)?)?;
            }
            Value::Object(object)
        }
        Edn::Tagged(tag, inside) => match (tag.as_ref(), inside.as_ref()) {
            (NUMBER_TAG, Edn::Str(digits)) => number(digits),
            ("inst" | "uuid", Edn::Str(text)) => Value::from(text.as_ref()),
            (tag, inside) => {
                let mut object = Map::new();
                object.insert(format!("#{tag}"), value(inside)?);
                Value::Object(object)
            }
        },
        other => return Err(Problem::NotRepresentable(excerpt(&other.to_string()))),
    })
}

fn insert(object: &mut Map<String, Value>, key: String, value: Value) -> Result<(), Problem> {
    if object.contains_key(&key) {
        let found = format!("two keys that are both {} in JSON", excerpt(&key));
        return Err(Problem::NotRepresentable(found));
    }
    object.insert(key, value);
    Ok(())
}

/// The key of a map as text.
fn text(key: &Edn<'_>) -> Result<String, Problem> {
    Ok(match value(key)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// A number the parser does not know: a whole one beyond 64 bits with sign, or a decimal with its `M` taken off. JSON numbers
/// are 64 bits here, so that what does not fit stays text.
fn number(text: &str) -> Value {
    const EXACT_DIGITS_MAX: usize = 15;
    if let Ok(whole) = text.parse::<u64>() {
        return Value::from(whole);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    let decimal = text.parse().ok().and_then(Number::from_f64);
    match decimal {
        Some(number) if plain && text.contains('.') && digits <= EXACT_DIGITS_MAX => {
            Value::Number(number)
        }
        _ => Value::from(text),
    }
}
