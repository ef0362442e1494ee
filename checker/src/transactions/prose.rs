//! Evidence told in words.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::anomaly::{AnomalyEvidence, AnomalyKind, Cause, Known, Participant, Step};
use super::level::Level;
use super::options::TransactionKind;
use crate::error::excerpt;

/// The most transactions and steps that are told; of a longer cycle the middle is left out.
const LINES_MAX: usize = 24;

/// The most characters of a transaction that are shown.
const CHARACTERS_MAX: usize = 200;

/// The micro-operations of a transaction: `append x 3, r y [1,2]`.
pub(super) fn operations(micro: &[Value]) -> String {
    let mut text = String::new();
    for operation in micro {
        if text.len() > CHARACTERS_MAX {
            text.push_str(", ..");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        if let Some([function, key, value]) = operation.as_array().map(Vec::as_slice) {
            let function = function.as_str().unwrap_or("?").trim_start_matches(':');
            let _ = write!(text, "{function} {} {}", show(key), show(value));
        }
    }
    text
}

/// A key or a value. Text is shown bare where that is clear.
fn show(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric()) =>
        {
            text.clone()
        }
        Value::Array(elements) => list(elements),
        other => {
            let text = other.to_string();
            if text.chars().count() > CHARACTERS_MAX {
                excerpt(&text)
            } else {
                text
            }
        }
    }
}

/// A list, of which the middle is left out when it is long.
fn list(elements: &[Value]) -> String {
    const SHOWN: usize = 12;
    let texts = |elements: &[Value]| {
        let texts: Vec<String> = elements.iter().map(Value::to_string).collect();
        texts.join(",")
    };
    if elements.len() <= SHOWN {
        return format!("[{}]", texts(elements));
    }
    let (begin, end) = (&elements[..2], &elements[elements.len() - SHOWN + 2..]);
    format!("[{},..,{}]", texts(begin), texts(end))
}

fn name(participant: &Participant) -> String {
    format!("T{}", participant.transaction)
}

/// `T3 = process 1, called at event 5, returned at event 8: append x 3`.
fn introduce(text: &mut String, participant: &Participant) {
    let _ = write!(
        text,
        "  {} = process {}, called at event {}",
        name(participant),
        participant.process,
        participant.call
    );
    let _ = match (participant.ret, participant.fate.as_str()) {
        (Some(ret), "committed") => write!(text, ", returned at event {ret}"),
        (Some(ret), "aborted") => write!(text, ", aborted at event {ret}"),
        _ => write!(text, ", outcome unknown, but its writes were read"),
    };
    let _ = writeln!(text, ": {}", participant.operations);
}

fn introduce_all<'p>(text: &mut String, participants: impl Iterator<Item = &'p Participant>) {
    text.push_str("Let\n");
    let mut seen = BTreeSet::new();
    for participant in participants {
        if !seen.insert(participant.transaction) {
            continue;
        }
        if seen.len() <= LINES_MAX {
            introduce(text, participant);
        }
    }
    if seen.len() > LINES_MAX {
        let _ = writeln!(text, "  and {} more", seen.len() - LINES_MAX);
    }
}

/// Tells an anomaly.
pub(super) fn explain(
    kind: AnomalyKind,
    rules_out: &[Level],
    evidence: &AnomalyEvidence,
    of: TransactionKind,
) -> String {
    let levels: Vec<&str> = rules_out.iter().map(|level| level.name()).collect();
    let mut text = format!("{kind}, which rules out {}", levels.join(" and "));
    text.push_str(match rules_out {
        [Level::StrictSerializable] => ".\n",
        _ => " and all that is stronger.\n",
    });
    match evidence {
        AnomalyEvidence::Read { reader, key, value } => {
            introduce_all(&mut text, [reader].into_iter());
            let (who, key, value) = (name(reader), show(key), show(value));
            let _ = match kind {
                AnomalyKind::DuplicateElements => write!(
                    text,
                    "{who} read a list of key {key} in which {value} stands twice, but it was appended once."
                ),
                AnomalyKind::FutureRead => write!(
                    text,
                    "{who} read {value} from key {key} before it wrote that there itself, and no other did."
                ),
                _ => write!(
                    text,
                    "{who} read {value} from key {key}, which no transaction ever wrote there."
                ),
            };
        }
        AnomalyEvidence::ReadFrom {
            reader,
            writer,
            key,
            value,
        } => {
            introduce_all(&mut text, [writer, reader].into_iter());
            let (who, whose) = (name(reader), name(writer));
            let (key, value) = (show(key), show(value));
            let _ = match kind {
                AnomalyKind::G1a => write!(
                    text,
                    "{who} read {value} from key {key}, which {whose} wrote, and {whose} aborted."
                ),
                _ => write!(
                    text,
                    "{who} read key {key} just after {whose} wrote {value} there, but {whose} wrote the key again before it \
                     committed."
                ),
            };
        }
        AnomalyEvidence::Internal {
            transaction,
            key,
            expected,
            found,
        } => {
            introduce_all(&mut text, [transaction].into_iter());
            let _ = write!(
                text,
                "By what {} had read and written before, its read of key {} had to find {}, and it found {}.",
                name(transaction),
                show(key),
                show(expected),
                show(found)
            );
        }
        AnomalyEvidence::Orders {
            key,
            one,
            one_list,
            other,
            other_list,
            differ_at,
        } => {
            introduce_all(&mut text, [one, other].into_iter());
            let _ = write!(
                text,
                "{} read {} from key {}, and {} read {}. They differ at place {differ_at}, so neither list can have grown into the \
                 other.",
                name(one),
                show(one_list),
                show(key),
                name(other),
                show(other_list)
            );
        }
        AnomalyEvidence::Versions { key, versions } => {
            let _ = write!(text, "The versions of key {} come in a circle: ", show(key));
            for version in versions {
                let _ = write!(text, "{} before ", show(version));
            }
            let first = versions.first().map_or_else(String::new, show);
            let _ = write!(text, "{first}: a contradiction.");
        }
        AnomalyEvidence::LostUpdate {
            key,
            version,
            transactions,
        } => {
            introduce_all(&mut text, transactions.iter());
            let names: Vec<String> = transactions.iter().map(name).collect();
            let _ = write!(
                text,
                "All of {} read {} from key {} and then wrote that key: each but the first overwrote what it had not seen.",
                names.join(", "),
                show(version),
                show(key)
            );
        }
        AnomalyEvidence::Cycle { steps } => {
            introduce_all(&mut text, steps.iter().map(|step| &step.from));
            text.push_str("Then\n");
            for (place, step) in steps.iter().enumerate() {
                let last = place + 1 == steps.len();
                if place + 1 >= LINES_MAX && !last {
                    if place + 1 == LINES_MAX {
                        let _ = writeln!(text, "  and {} more;", steps.len() - LINES_MAX);
                    }
                    continue;
                }
                let end = match last {
                    true => ": a contradiction.",
                    false => ";\n",
                };
                let _ = write!(
                    text,
                    "  {} < {}, because {}{end}",
                    name(&step.from),
                    name(&step.to),
                    because(step, of)
                );
            }
        }
    }
    text
}

/// How an order of versions is known that no transaction shows.
fn by(known: Known) -> &'static str {
    match known {
        Known::Session => "for a process met the one and after that the other",
        Known::RealTime => {
            "for the one was met by a transaction that returned before one was called that met the other"
        }
        _ => "if that key by itself is consistent",
    }
}

/// The reason for one edge.
fn because(step: &Step, of: TransactionKind) -> String {
    let (from, to) = (name(&step.from), name(&step.to));
    let lists = of == TransactionKind::ListAppend;
    match &step.cause {
        Cause::WriteWrite {
            key,
            earlier,
            later,
            known,
        } => {
            let (key, earlier, later) = (show(key), show(earlier), show(later));
            match known {
                Known::Missing => format!(
                    "{from} appended {earlier} to key {key}, with which the longest read ends, and {to}'s append of {later} is \
                     not in it, so it came later"
                ),
                _ if lists => format!(
                    "{from} appended {earlier} to key {key} and {to}'s append of {later} came next behind it"
                ),
                Known::Session | Known::RealTime | Known::Assumed => format!(
                    "{from} wrote {earlier} to key {key}, and {to}'s write of {later} came later, {}",
                    by(*known)
                ),
                _ => format!(
                    "{from} wrote {earlier} to key {key}, which {to} read before it wrote {later}"
                ),
            }
        }
        Cause::WriteRead { key, value } if lists => format!(
            "{to} read key {} up to {}, which {from} appended",
            show(key),
            show(value)
        ),
        Cause::WriteRead { key, value } => format!(
            "{to} read {} from key {}, which {from} wrote",
            show(value),
            show(key)
        ),
        Cause::ReadWrite {
            key,
            read,
            written,
            known,
        } => {
            let (key, read, written) = (show(key), show(read), show(written));
            match known {
                Known::Missing => format!(
                    "{from} read {read} from key {key}, which no read goes beyond, and {to}'s append of {written} is not in it, so \
                     it came later"
                ),
                _ if lists => format!(
                    "{from} read {read} from key {key} and so did not see {to}'s append of {written}, which came next behind it"
                ),
                Known::Initial => format!(
                    "{from} found key {key} never written and so did not see {to}'s write of {written}"
                ),
                Known::Session | Known::RealTime | Known::Assumed => format!(
                    "{from} read {read} from key {key}, and {to}'s write of {written} came later, {}",
                    by(*known)
                ),
                _ => format!(
                    "{from} read {read} from key {key}, which {to} read, too, before it wrote {written}"
                ),
            }
        }
        Cause::Session { process } => {
            format!("both are of process {process}, which ran {from} first")
        }
        Cause::RealTime { returned, called } => {
            format!("{from} returned at event {returned}, before {to} was called at event {called}")
        }
    }
}
