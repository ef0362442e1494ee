//! Values that try to be something else.

use crate::common::browser::{Tab, View};
use crate::common::hostile::{ATTACKS, hostile};
use crate::common::{Scenario, file, script_data};
use serde_json::json;
use stormglass_reports::{RunDirectory, Timings};

fn write_hostile(out: &std::path::Path) -> RunDirectory {
    let scenario = hostile();
    let directory = RunDirectory::create(out, &scenario.trial).unwrap();
    let command = ATTACKS.concat();
    directory
        .write(
            &scenario.trial,
            &scenario.run(),
            &scenario.judged(),
            &Timings::default(),
            &command,
        )
        .unwrap();
    directory
}

#[test]
fn nothing_from_a_history_becomes_markup() {
    let out = tempfile::tempdir().unwrap();
    let directory = write_hostile(out.path());
    let page = file(&directory, "report.html");
    let lower = page.to_lowercase();
    assert_eq!(
        (
            lower.matches("<script").count(),
            lower.matches("</script").count()
        ),
        (2, 2),
        "the page's own scripts alone"
    );
    assert_eq!(
        (
            lower.matches("<style").count(),
            lower.matches("</style").count()
        ),
        (1, 1)
    );
    for element in [
        "<img",
        "<iframe",
        "<svg onload",
        "<!--",
        "<details>\n@",
        "]]>",
    ] {
        assert!(!lower.contains(element), "{element} is on the page");
    }
    let drawings = ["report.html", "plots/latency.svg", "plots/throughput.svg"]
        .map(|name| file(&directory, name));
    for text in &drawings {
        for tag in tags(text) {
            assert!(
                !tag.contains("onmouseover") && !tag.contains("onerror") && !tag.contains("onload"),
                "{tag}"
            );
        }
    }
    // It is all there, as text.
    assert!(page.contains("&lt;img src=x onerror=") || page.contains("&#60;img src=x onerror="));
    let data = script_data(&page);
    let texts = data["texts"].as_array().unwrap();
    let says = |wanted: &str| {
        texts
            .iter()
            .any(|text| text.as_str().unwrap().contains(wanted))
    };
    assert!(says("</script>"), "the script has it as a text");
    assert!(
        page.contains("\\u{202e}"),
        "a direction mark is spelled out"
    );
}

#[test]
fn no_control_character_reaches_any_report() {
    let out = tempfile::tempdir().unwrap();
    let directory = write_hostile(out.path());
    for name in [
        "report.html",
        "summary.md",
        "junit.xml",
        "plots/latency.svg",
        "plots/throughput.svg",
    ] {
        let text = file(&directory, name);
        let bad = text.chars().find(|character| {
            (character.is_control() && *character != '\n')
                || "\u{2028}\u{2029}\u{202e}\u{fffe}".contains(*character)
        });
        assert_eq!(bad, None, "{name}");
    }
}

#[test]
fn the_files_for_machines_keep_the_values_exactly() {
    let out = tempfile::tempdir().unwrap();
    let directory = write_hostile(out.path());
    let scenario = hostile();
    assert_eq!(directory.load().unwrap().1, scenario.run());
    let summary = directory.summary().unwrap();
    assert_eq!(
        summary.violations.clients.unwrap().key.as_deref(),
        Some(ATTACKS[0])
    );
    assert_eq!(summary.command, ATTACKS.concat());
    let junit = quick_junit::Report::deserialize_from_str(&file(&directory, "junit.xml")).unwrap();
    assert_eq!(junit.failures, 1);
}

#[test]
fn markdown_shows_hostile_text_as_text() {
    let out = tempfile::tempdir().unwrap();
    let directory = write_hostile(out.path());
    let text = file(&directory, "summary.md");
    let mut fence: Option<String> = None;
    for line in text.lines() {
        let ticks: String = line
            .chars()
            .take_while(|character| *character == '`')
            .collect();
        match &fence {
            Some(open) if *open == line => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                assert!(!line.contains('<') && !line.contains('@'), "{line}");
                assert!(!line.starts_with("# ") && !line.starts_with('|'), "{line}");
            }
        }
    }
    assert_eq!(fence, None, "every fence is closed");
}

/// What stands between `<` and `>`, quotes respected, outside scripts.
fn tags(text: &str) -> Vec<String> {
    let without_scripts: String = text
        .split("<script")
        .map(|part| part.split_once("</script>").map_or(part, |(_, rest)| rest))
        .collect();
    let mut tags = Vec::new();
    let mut rest = without_scripts.as_str();
    while let Some(begin) = rest.find('<') {
        rest = &rest[begin + 1..];
        let mut quote = None;
        let end = rest.find(|character| {
            match quote {
                Some(open) if open == character => quote = None,
                Some(_) => {}
                None if character == '"' || character == '\'' => quote = Some(character),
                None => return character == '>',
            }
            false
        });
        let end = end.unwrap_or(rest.len());
        tags.push(unquoted(&rest[..end]));
        rest = &rest[end..];
    }
    tags
}

/// A tag without what its attributes say.
fn unquoted(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

/// Opens the page in a real browser: its own script comes to its end, and no value runs or becomes an element.
#[track_caller]
fn check_in_a_browser(page: &std::path::Path) {
    let Some(mut tab) = Tab::fresh() else { return };
    tab.open(page, &View::WIDE);
    tab.wait_for("document.documentElement.dataset.ready === 'true'");
    assert_eq!(tab.complaints(), [""; 0]);
    assert_eq!(tab.requests(), [""; 0]);
    let title: String = tab.evaluate("document.title");
    assert!(!title.starts_with("owned"), "a value ran as a script");
    let elements: usize = tab.evaluate("document.querySelectorAll('img, iframe').length");
    assert_eq!(elements, 0, "a value became an element");
    let frames: usize = tab.evaluate("Number(document.getElementById('detail').dataset.frames)");
    assert!(frames > 0, "the script did not draw the detail");
    let span: String = tab.evaluate("document.getElementById('span').textContent");
    assert!(
        span.contains(" s to "),
        "the script named no stretch of time"
    );
}

#[test]
fn the_script_of_a_page_runs_to_its_end() {
    let out = tempfile::tempdir().unwrap();
    for scenario in [Scenario::stale_read(), Scenario::storm()] {
        check_in_a_browser(&scenario.write(out.path()).0.page());
    }
}

#[test]
fn a_hostile_page_runs_nothing_but_its_own_script() {
    let out = tempfile::tempdir().unwrap();
    check_in_a_browser(&write_hostile(out.path()).page());
}

/// Values, keys, functions and errors of a megabyte each, on operations that collide: they are shown cut, harm nothing and weigh little.
#[test]
fn values_of_a_megabyte_are_cut_and_run_nothing() {
    let out = tempfile::tempdir().unwrap();
    let long = |attack: &str| format!("{attack}{}", "\u{2028}<img src=//x>".repeat(70_000));
    let mut scenario = Scenario::stale_read();
    let (key, value) = (long(ATTACKS[0]), json!(long(ATTACKS[1])));
    assert!(key.len() > 1_000_000);
    scenario.ok(0, 9_100, 9_110, "write", &key, value.clone(), value.clone());
    scenario.ok(0, 9_120, 9_130, "write", &key, json!("new"), json!("new"));
    scenario.ok(1, 9_140, 9_150, "read", &key, json!(null), value);
    scenario.unknown(3, 9_200, 9_300, &key, json!(long(ATTACKS[2])), &key);
    let (directory, _) = scenario.write(out.path());
    for name in ["report.html", "summary.md", "plots/latency.svg"] {
        let size = file(&directory, name).len();
        assert!(size < 400_000, "{name} has {size} bytes");
    }
    check_in_a_browser(&directory.page());
}
