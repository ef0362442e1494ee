//! Two trials, field by field.

use crate::escape::short;
use crate::units::count;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The way to it: `knobs.heartbeat_interval_ms`, `schedule[id 3].lasts_ms`.
    pub field: String,
    /// What the first says; nothing when it does not have the field.
    pub a: Option<Value>,
    /// What the second says.
    pub b: Option<Value>,
}

/// The fields that differ between two values of one kind, in order of their names.
pub(super) fn differing(a: &impl Serialize, b: &impl Serialize) -> Vec<Setting> {
    let value = |result: Result<Value, serde_json::Error>| result.unwrap_or_default();
    let (a, b) = (
        value(serde_json::to_value(a)),
        value(serde_json::to_value(b)),
    );
    let mut found = Vec::new();
    walk(String::new(), Some(&a), Some(&b), &mut found);
    found
}

fn walk(field: String, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Setting>) {
    match (a, b) {
        (a, b) if a == b => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let dot = if field.is_empty() { "" } else { "." };
                let below = format!("{field}{dot}{name}");
                walk(below, one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            let (one, other) = match (by_id(one), by_id(other)) {
                (Some(one), Some(other)) => (one, other),
                _ => (by_position(one), by_position(other)),
            };
            let places: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for place in places {
                let below = format!("{field}[{}{}]", place.0, place.1);
                let (a, b) = (one.get(place).copied(), other.get(place).copied());
                walk(below, a, b, found);
            }
        }
        (a, b) => found.push(Setting {
            field,
            a: a.cloned(),
            b: b.cloned(),
        }),
    }
}

/// Items by what tells them apart, and how that is called.
type Places<'a> = BTreeMap<(&'static str, u64), &'a Value>;

/// Faults have numbers of their own: one that is left out does not make all after it differ.
fn by_id(items: &[Value]) -> Option<Places<'_>> {
    let mut places = Places::new();
    for item in items {
        places.insert(("id ", item.get("id")?.as_u64()?), item);
    }
    (places.len() == items.len()).then_some(places)
}

fn by_position(items: &[Value]) -> Places<'_> {
    (0..)
        .zip(items)
        .map(|(at, item)| (("", at), item))
        .collect()
}

/// Which settings differ: `seed, nodes and 12 more settings differ`.
pub(super) fn told(settings: &[Setting]) -> String {
    const NAMED_MAX: usize = 3;
    // What is deep inside is known by where it is.
    let mut names: Vec<&str> = Vec::new();
    for setting in settings {
        let top = setting.field.split(['.', '[']).next().unwrap_or_default();
        if !names.contains(&top) {
            names.push(top);
        }
    }
    let shown: Vec<String> = names
        .iter()
        .take(NAMED_MAX)
        .map(|name| short(name, 40))
        .collect();
    let more = names.len() - shown.len();
    let end = match (more, names.len()) {
        (0, 1) => " differs".to_string(),
        (0, _) => " differ".to_string(),
        (1, _) => " and 1 more setting differ".to_string(),
        (more, _) => format!(" and {} more settings differ", count(more as u64)),
    };
    let list = match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) if more == 0 => format!("{} and {last}", before.join(", ")),
        _ => shown.join(", "),
    };
    format!("{list}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(a: &Value, b: &Value) -> Vec<String> {
        let found = differing(a, b);
        found.into_iter().map(|setting| setting.field).collect()
    }

    #[test]
    fn only_the_field_that_differs_is_named() {
        let a = json!({"seed": 1, "knobs": {"x": 1, "y": [1, 2]}, "same": {"z": 0}});
        let b = json!({"seed": 2, "knobs": {"x": 1, "y": [1, 3, 4]}, "same": {"z": 0}});
        assert_eq!(fields(&a, &b), ["knobs.y[1]", "knobs.y[2]", "seed"]);
        assert!(fields(&a, &a).is_empty());
    }

    #[test]
    fn a_fault_that_is_left_out_makes_only_itself_differ() {
        let a = json!({"schedule": [{"id": 0, "w": 1}, {"id": 1, "w": 1}, {"id": 2, "w": 1}]});
        let b = json!({"schedule": [{"id": 0, "w": 1}, {"id": 2, "w": 5}]});
        assert_eq!(fields(&a, &b), ["schedule[id 1]", "schedule[id 2].w"]);
    }

    #[test]
    fn the_settings_are_told_in_a_few_words() {
        let setting = |field: &str| Setting {
            field: field.to_string(),
            a: None,
            b: None,
        };
        let told = |fields: &[&str]| told(&fields.iter().copied().map(setting).collect::<Vec<_>>());
        assert_eq!(told(&["seed"]), "seed differs");
        assert_eq!(
            told(&["knobs.a", "knobs.b", "seed"]),
            "knobs and seed differ"
        );
        assert_eq!(
            told(&["a", "b", "c", "d", "e[1]", "e[2]"]),
            "a, b, c and 2 more settings differ"
        );
    }
}
