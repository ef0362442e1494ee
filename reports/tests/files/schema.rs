//! `run.json` against its schema: what is written is described, and what is described is written.

use crate::common::hostile::hostile;
use crate::common::{Scenario, file};
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_checker::{Context, Outcome, Reason};
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::faults::{FAULTS, FaultKind};
use stormglass_nemesis::judge::{Measure, Ruling};
use stormglass_nemesis::record::{Violation, ViolationKind};
use stormglass_nemesis::schedule::{Action, Leaves, Target};
use stormglass_nemesis::trial::Arena;
use stormglass_reports::summary::SCHEMA;
use stormglass_reports::{RunSummary, Timings};

struct Schema {
    schemas: Schemas,
    run: SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V2020_12);
        let schema = whole();
        let id = schema["$id"].as_str().expect("it has an id").to_string();
        compiler
            .add_resource(&id, schema)
            .expect("it is a document");
        let run = compiler.compile(&id, &mut schemas);
        let run = run.unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, run }
    }

    fn complaint(&self, instance: &Value) -> Option<String> {
        let checked = self.schemas.validate(instance, self.run);
        checked.err().map(|error| format!("{error:#}"))
    }
}

fn whole() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

/// A storm, a violation, and so on, as their runs left them; and one by hand that has what is rare.
fn samples() -> Vec<(&'static str, Value)> {
    let out = tempfile::tempdir().unwrap();
    let written = |scenario: Scenario| {
        let (directory, summary) = scenario.write(out.path());
        let json = serde_json::from_str(&file(&directory, "run.json")).unwrap();
        (summary.verdict, json)
    };
    let mut unknown = Scenario::storm();
    unknown.trial.limits.steps = 3;
    let mut vacuous = Scenario::empty();
    vacuous.ok(0, 1, 2, "write", "k0", 1.into(), 1.into());
    let mut interrupted = Scenario::storm();
    interrupted.record.interrupted = true;
    let mut measured = Scenario::stale_read();
    measured.trial.beyond_promise = true;
    let wipe = Action::Crash {
        target: Target::Node(NodeId(1)),
        leaves: Leaves::Nothing,
    };
    measured.fault(3, 1, FaultKind::Wipe, wipe, (100, 200));
    let mut inside = Scenario::storm();
    inside.record.violations.push(Violation {
        kind: ViolationKind::Invariant,
        name: "election-safety".to_string(),
        time_ns: 5_300_000_000,
        node: None,
        message: "n1 and n3 both lead term 2".to_string(),
    });
    let runs = [
        ("clean", Scenario::storm(), Ruling::Valid),
        ("violation", Scenario::stale_read(), Ruling::Violation),
        ("inside", inside, Ruling::Violation),
        ("unknown", unknown, Ruling::Unknown),
        ("vacuous", vacuous, Ruling::Vacuous),
        ("interrupted", interrupted, Ruling::Vacuous),
        ("measured", measured, Ruling::Measured),
        ("hostile", hostile(), Ruling::Violation),
    ];
    let mut samples: Vec<(&str, Value)> = Vec::new();
    for (name, scenario, ruling) in runs {
        let (verdict, json) = written(scenario);
        assert_eq!(verdict, ruling, "{name} is a sample of that");
        samples.push((name, json));
    }
    samples.push(("rare", serde_json::to_value(rare()).unwrap()));
    samples
}

/// What no small run has.
fn rare() -> RunSummary {
    let out = tempfile::tempdir().unwrap();
    let (_, mut summary) = Scenario::stale_read().write(out.path());
    let evidence = summary.violations.clients.as_mut().unwrap();
    evidence.context = Some(Context {
        after_events: 3,
        states: vec!["old".to_string()],
    });
    evidence.culprits[0].version = Some(u64::MAX);
    evidence.culprits[1].outcome = Outcome::Mismatch;
    let last = &mut evidence.culprits[2];
    (last.outcome, last.ret, last.ret_time, last.key) = (Outcome::Unknown, None, None, None);
    summary.seed = u64::MAX;
    summary.mutant = Some("raft/no-quorum".to_string());
    summary.timings = Timings::default();
    summary.measures = vec![Measure {
        name: "stale-reads".to_string(),
        count: 3,
        of: 1_200,
        meaning: "reads that missed a write".to_string(),
    }];
    summary
}

#[test]
fn what_runs_leave_is_what_the_schema_says() {
    let schema = Schema::new();
    for (name, json) in samples() {
        assert_eq!(schema.complaint(&json), None, "{name}: {json:#}");
    }
}

/// Every place of an instance in which an object is, as JSON pointers.
fn objects(json: &Value, at: &str, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            found.push(at.to_string());
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                objects(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                objects(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

/// Fields that need not be there.
const OPTIONAL: [&str; 2] = ["measures", "version"];

#[test]
fn a_field_more_or_less_is_refused_wherever_it_is() {
    let schema = Schema::new();
    let mut tried = 0;
    for (sample, json) in samples().into_iter().filter(|(name, _)| *name != "hostile") {
        let mut places = Vec::new();
        objects(&json, "", &mut places);
        for place in places {
            // An argument or a result may be anything, and a kind of fault may be absent.
            let mut more = json.clone();
            let object = more.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            let names: Vec<String> = object.keys().cloned().collect();
            object.insert("surprise".to_string(), json!(1));
            assert!(
                schema.complaint(&more).is_some(),
                "{sample}: {place}: a field more"
            );
            for name in names
                .iter()
                .filter(|name| !OPTIONAL.contains(&name.as_str()))
            {
                if place == "/coverage" {
                    continue;
                }
                let mut less = json.clone();
                let object = less.pointer_mut(&place).unwrap().as_object_mut().unwrap();
                object.remove(name);
                assert!(
                    schema.complaint(&less).is_some(),
                    "{sample}: {place} without {name}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried} fields were taken away");
}

#[test]
fn a_value_that_is_none_is_refused() {
    let schema = Schema::new();
    let rare = serde_json::to_value(rare()).unwrap();
    assert_eq!(schema.complaint(&rare), None);
    for (place, value) in [
        ("/schema_version", json!(2)),
        ("/verdict", json!("passed")),
        ("/verdict", Value::Null),
        ("/arena", json!("moon")),
        ("/seed", json!(-1)),
        ("/seed", json!(0.5)),
        ("/seed", json!("7")),
        ("/nodes", json!(256)),
        ("/interrupted", json!("no")),
        ("/measures", json!([])),
        ("/timings/wall_ms", json!("fast")),
        ("/unknown", json!({"reason": "tired"})),
        ("/violations/inside", Value::Null),
        ("/violations/clients/culprits/0/outcome", json!("ok")),
        (
            "/violations/clients/culprits/1/outcome",
            json!({"mismatch": 1}),
        ),
        (
            "/coverage",
            json!({"earthquake": {"installed": 1, "skipped": 0, "indeterminate": 0}}),
        ),
    ] {
        let mut wrong = rare.clone();
        *wrong
            .pointer_mut(place)
            .unwrap_or_else(|| panic!("there is {place}")) = value.clone();
        assert!(schema.complaint(&wrong).is_some(), "{place}: {value}");
    }
}

/// How often an object of a kind was there, and how often each of its fields.
type Seen = BTreeMap<String, (usize, BTreeMap<String, usize>)>;

/// Goes through a schema and what it describes side by side.
fn walk(schema: &Value, root: &Value, at: &str, json: &Value, seen: &mut Seen) {
    if let Some(reference) = schema["$ref"].as_str() {
        let at = reference.trim_start_matches('#');
        return walk(root.pointer(at).expect("it is there"), root, at, json, seen);
    }
    let items = json.as_array().into_iter().flatten();
    items.for_each(|item| walk(&schema["items"], root, &format!("{at}/items"), item, seen));
    let Some(object) = json.as_object() else {
        return;
    };
    // At most one of several is an object.
    for (number, one) in schema["anyOf"].as_array().into_iter().flatten().enumerate() {
        walk(one, root, &format!("{at}/anyOf/{number}"), json, seen);
    }
    if schema["additionalProperties"].is_object() {
        let at = format!("{at}/additionalProperties");
        let values = object.values();
        values.for_each(|value| walk(&schema["additionalProperties"], root, &at, value, seen));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let (times, fields) = seen.entry(at.to_string()).or_default();
        *times += 1;
        for name in properties.keys() {
            *fields.entry(name.clone()).or_default() += usize::from(object.contains_key(name));
        }
        for (name, below) in properties {
            if let Some(json) = object.get(name) {
                walk(below, root, &format!("{at}/properties/{name}"), json, seen);
            }
        }
    }
}

/// All places of the schema that describe an object's fields, whether or not some run has it.
fn described(schema: &Value, at: &str, found: &mut Vec<String>) {
    if schema["properties"].is_object() && schema["type"] == "object" {
        found.push(at.to_string());
    }
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                described(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                described(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_the_schema_describes_is_written_and_what_is_always_written_is_required() {
    let root = whole();
    let mut seen = Seen::new();
    for (_, json) in samples() {
        walk(&root, &root, "", &json, &mut seen);
    }
    let mut places = Vec::new();
    described(&root, "", &mut places);
    assert_eq!(
        places,
        seen.keys().cloned().collect::<Vec<_>>(),
        "every object of the schema is in some run"
    );
    for (place, (times, fields)) in seen {
        let schema = root.pointer(&place).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{place} is closed");
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for (name, written) in &fields {
            assert!(
                *written > 0,
                "{place} describes {name}, which nothing writes"
            );
            assert_eq!(
                required.contains(name.as_str()),
                *written == times,
                "{place}: {name} in {written} of {times}"
            );
        }
        assert!(
            required.iter().all(|name| fields.contains_key(*name)),
            "{place} requires what it does not describe"
        );
    }
}

#[test]
fn every_field_says_what_it_means() {
    fn undescribed(schema: &Value, at: &str) {
        let fields = ["properties", "$defs"]
            .into_iter()
            .filter_map(|group| schema[group].as_object())
            .flatten();
        for (name, field) in fields {
            let text = field["description"].as_str().unwrap_or_default();
            assert!(
                text.ends_with('.') || text.ends_with("JSON."),
                "{at}/{name} has no sentence: {text}"
            );
        }
        match schema {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(name, value)| undescribed(value, &format!("{at}/{name}"))),
            Value::Array(items) => items.iter().for_each(|value| undescribed(value, at)),
            _ => {}
        }
    }
    undescribed(&whole(), "");
}

/// The variants that serde knows, by its own words.
fn variants<T: DeserializeOwned>() -> BTreeSet<String> {
    let error = serde_json::from_value::<T>(json!("no such variant")).err();
    let error = error.expect("there is no such variant").to_string();
    let (_, known) = error
        .split_once("expected")
        .expect("it names what there is");
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_string)
        .collect()
}

#[test]
fn what_can_be_said_in_the_schema_is_what_serde_knows() {
    let root = whole();
    let said = |place: &str| -> BTreeSet<String> {
        let said = root.pointer(place).and_then(Value::as_array);
        said.unwrap_or_else(|| panic!("{place}"))
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_string)
            .collect()
    };
    assert_eq!(said("/properties/verdict/enum"), variants::<Ruling>());
    assert_eq!(said("/properties/arena/enum"), variants::<Arena>());
    assert_eq!(
        said("/$defs/violation/properties/kind/enum"),
        variants::<ViolationKind>()
    );
    assert_eq!(
        said("/$defs/unknown/properties/reason/enum"),
        variants::<Reason>()
    );
    assert_eq!(
        said("/properties/coverage/propertyNames/enum"),
        variants::<FaultKind>()
    );
    assert_eq!(variants::<FaultKind>().len(), FAULTS.len());
    let mut outcomes = said("/$defs/operation/properties/outcome/anyOf/1/enum");
    outcomes.insert("ok".to_string());
    assert_eq!(outcomes, variants::<Outcome>());
}
