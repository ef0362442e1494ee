//! `junit.xml` as test tools read it: the elements and attributes of the schemas they share, and nothing that is no XML.

use crate::common::hostile::hostile;
use crate::common::{Scenario, file};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::BTreeMap;
use stormglass_reports::junit;

/// An element with its attributes and how many it is in.
struct Element {
    name: String,
    within: Vec<String>,
    attributes: BTreeMap<String, String>,
}

/// All elements, in order. Fails where the document is not well-formed.
fn elements(xml: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(xml);
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let element = |start: &BytesStart<'_>, open: &[String]| Element {
        name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
        within: open.to_vec(),
        attributes: start
            .attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                let text = std::str::from_utf8(&attribute.value).unwrap();
                let value = quick_xml::escape::unescape(text).unwrap().into_owned();
                (
                    String::from_utf8(attribute.key.as_ref().to_vec()).unwrap(),
                    value,
                )
            })
            .collect(),
    };
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Start(start) => {
                let element = element(&start, &open);
                open.push(element.name.clone());
                found.push(element);
            }
            Event::Empty(start) => found.push(element(&start, &open)),
            Event::End(_) => drop(open.pop()),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    found
}

/// What may stand in what, and with which attributes: those that must be there, and those that may.
const SCHEMA: [(&str, &str, &[&str], &[&str]); 9] = [
    (
        "testsuites",
        "",
        &["name", "tests", "failures", "errors"],
        &["skipped", "time"],
    ),
    (
        "testsuite",
        "testsuites",
        &["name", "tests", "failures", "errors"],
        &["skipped", "time", "timestamp"],
    ),
    ("testcase", "testsuite", &["name", "classname", "time"], &[]),
    ("failure", "testcase", &["message", "type"], &[]),
    ("error", "testcase", &["message", "type"], &[]),
    ("system-out", "testcase", &[], &[]),
    ("system-err", "testcase", &[], &[]),
    ("properties", "testcase", &[], &[]),
    ("property", "properties", &["name", "value"], &[]),
];

fn check(xml: &str) -> Vec<Element> {
    let found = elements(xml);
    for element in &found {
        let parent = element.within.last().map_or("", String::as_str);
        let rule = SCHEMA
            .iter()
            .find(|(name, within, ..)| *name == element.name && *within == parent);
        let (_, _, must, may) =
            rule.unwrap_or_else(|| panic!("{} in {parent:?} is not known to tools", element.name));
        for name in *must {
            assert!(
                element.attributes.contains_key(*name),
                "{} has no {name}",
                element.name
            );
        }
        for name in element.attributes.keys() {
            assert!(
                must.contains(&name.as_str()) || may.contains(&name.as_str()),
                "{} has {name}",
                element.name
            );
        }
        for name in ["tests", "failures", "errors", "time"] {
            if let Some(value) = element.attributes.get(name) {
                let number: f64 = value
                    .parse()
                    .unwrap_or_else(|_| panic!("{name} is {value:?}"));
                assert!(number >= 0.0 && number.is_finite(), "{name} is {value}");
            }
        }
    }
    found
}

#[test]
fn every_kind_of_run_is_what_tools_expect() {
    let out = tempfile::tempdir().unwrap();
    let mut unknown = Scenario::storm();
    unknown.trial.limits.steps = 3;
    let mut runs = Vec::new();
    for scenario in [
        Scenario::storm(),
        Scenario::stale_read(),
        Scenario::empty(),
        unknown,
        hostile(),
    ] {
        let (directory, summary) = scenario.write(out.path());
        check(&file(&directory, "junit.xml"));
        runs.push(summary);
    }
    // Timings come from a file, and may be no length of time.
    runs[0].timings.judge_cpu_ms = Some(f64::NAN);
    runs[1].timings.judge_cpu_ms = Some(-5.0e9);
    runs[2].timings.judge_cpu_ms = Some(1.0e300);
    let xml = junit::render(&runs).unwrap();
    let found = elements(&xml);
    let count = |name: &str| found.iter().filter(|element| element.name == name).count();
    assert_eq!(
        (
            count("testcase"),
            count("failure"),
            count("error"),
            count("system-out")
        ),
        (5, 3, 1, 5)
    );
    let root = &found[0].attributes;
    assert_eq!(
        (&*root["tests"], &*root["failures"], &*root["errors"]),
        ("5", "3", "1")
    );
    let forbidden = |character: char| !matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert_eq!(
        xml.chars().find(|character| forbidden(*character)),
        None,
        "XML 1.0 forbids it"
    );
}

#[test]
fn a_test_that_passed_says_how_to_see_it_again() {
    let out = tempfile::tempdir().unwrap();
    let (directory, summary) = Scenario::storm().write(out.path());
    let xml = file(&directory, "junit.xml");
    let shown = xml
        .split("<system-out>")
        .nth(1)
        .unwrap()
        .split("</system-out>")
        .next()
        .unwrap();
    assert_eq!(
        shown,
        format!("{}\nRun it again: {}", summary.sentence, summary.command)
    );
}
