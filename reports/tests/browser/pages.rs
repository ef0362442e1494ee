//! Every kind of page, opened in a real browser: how it reads, how it is used, and what it keeps to itself.
//!
//! Without a browser these tests say that they were skipped. Each check is shown its flaw as well, on a page that has them all.

use crate::common::audit::{Audit, Check, MADE, VIEWED, unfold};
use crate::common::browser::{Tab, View, skipped};
use crate::common::pages::{Page, pages};
use crate::common::{COMMAND, Scenario};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const VIEWS: [View; 4] = [
    View::WIDE,
    View::NARROW,
    View::WIDE.dark(),
    View::NARROW.dark(),
];

/// What each check found on all pages together.
type Findings = BTreeMap<&'static str, Audit>;

#[track_caller]
fn open(tab: &mut Tab, page: &Page, view: &View) {
    tab.open(&page.path, view);
    if page.scripted {
        tab.wait_for("document.documentElement.dataset.ready === 'true'");
    }
    unfold(tab);
}

/// Opens every page in every view and looks, once for all tests.
fn findings() -> Option<&'static Findings> {
    static FINDINGS: OnceLock<Option<Findings>> = OnceLock::new();
    let look_at_all = || {
        let mut tab = Tab::fresh()?;
        let out = tempfile::tempdir().unwrap();
        let mut findings = Findings::new();
        for page in pages(out.path()) {
            for (number, view) in VIEWS.iter().enumerate() {
                open(&mut tab, &page, view);
                look(&mut tab, page.name, view, VIEWED, &mut findings);
                // In the first view and in the one that differs most from it.
                if [0, VIEWS.len() - 1].contains(&number) {
                    look(&mut tab, page.name, view, MADE, &mut findings);
                }
            }
        }
        Some(findings)
    };
    FINDINGS.get_or_init(look_at_all).as_ref()
}

fn look(
    tab: &mut Tab,
    name: &str,
    view: &View,
    checks: &[(&'static str, Check)],
    findings: &mut Findings,
) {
    for (check, of) in checks {
        let audit = of(tab, view);
        let all = findings.entry(check).or_insert(Audit {
            seen: 0,
            problems: Vec::new(),
        });
        let mode = if view.dark { "dark" } else { "light" };
        let place = format!("{name}, {} wide, {mode}", view.width);
        all.seen += audit.seen;
        let problems = audit.problems.iter();
        all.problems
            .extend(problems.map(|problem| format!("{place}: {problem}")));
    }
}

/// That a check looked at enough, and found nothing.
#[track_caller]
fn nothing_found(check: &str, seen_min: usize) {
    let Some(findings) = findings() else { return };
    let Audit { seen, problems } = &findings[check];
    assert!(problems.is_empty(), "{check}:\n{}", problems.join("\n"));
    assert!(*seen >= seen_min, "{check} looked at {seen} things alone");
}

#[test]
fn no_page_complains() {
    nothing_found("complaints", 32);
}

#[test]
fn no_page_asks_the_network_for_anything() {
    nothing_found("requests", 32);
}

#[test]
fn no_page_scrolls_sideways() {
    nothing_found("sideways", 32);
}

#[test]
fn every_text_stands_out_from_what_is_behind_it() {
    nothing_found("contrast", 1_000);
}

#[test]
fn headings_come_in_order() {
    nothing_found("headings", 80);
}

#[test]
fn every_table_says_what_its_cells_are() {
    nothing_found("tables", 30);
}

#[test]
fn every_drawing_says_what_it_shows() {
    nothing_found("drawings", 25);
}

#[test]
fn every_control_has_a_name() {
    nothing_found("names", 100);
}

#[test]
fn the_keyboard_comes_to_everything_and_shows_where_it_is() {
    nothing_found("keyboard", 100);
}

#[test]
fn a_click_copies_exactly_the_command() {
    let Some(mut tab) = Tab::fresh() else { return };
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    tab.open(&directory.page(), &View::WIDE);
    // The button says so only for a moment.
    tab.evaluate::<Value>(
        "window.said = []; new MutationObserver(changes => said.push(...changes.map(change => change.target.textContent)))
            .observe(document.body, { childList: true, subtree: true }); null",
    );
    for (number, command) in [(1, directory.replay_command().as_str()), (2, COMMAND)] {
        tab.click_on(&format!(".command:nth-of-type({number}) .copy"));
        tab.wait_for("said.splice(0).includes('Copied')");
        // Not before the first click: a page must be able to copy without.
        tab.grant_clipboard();
        let copied: String = tab.evaluate("navigator.clipboard.readText()");
        assert_eq!(copied, command);
    }
    assert_eq!(tab.complaints(), [""; 0]);
}

/// A page with every flaw there is a check for.
const FLAWED: &str = r#"<!doctype html><html lang="en"><title>flaws</title>
<style>:focus-visible { outline: none } p { color: #777; background: #fff }</style>
<h1>One</h1><h1>Two</h1><h3>Left out a level</h3>
<p>Almost dark enough: 4.48</p>
<table><tr><td>a cell</td></tr></table>
<svg width="90" height="30"><rect width="90" height="30" fill="navy"/><text y="20" fill="black">unread</text></svg>
<button>&#9654;</button> <button style="position:absolute;left:-99em">Far away</button> <a tabindex="-1" href="x">passed by</a>
<div style="width:2000px">wide</div>
<img alt="none" src="http://127.0.0.1:9/pixel.png">
<button onkeydown="event.preventDefault()">A trap</button><button>Behind the trap</button>
<script>console.warn("warned", 7); setTimeout(() => { throw new Error("thrown") });</script></html>"#;

#[test]
fn each_check_sees_its_flaw() {
    let Some(mut tab) = Tab::fresh() else { return };
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("flawed page #1.html");
    std::fs::write(&path, FLAWED).unwrap();
    let mut findings = Findings::new();
    tab.open(&path, &View::NARROW);
    look(&mut tab, "", &View::NARROW, VIEWED, &mut findings);
    look(&mut tab, "", &View::NARROW, MADE, &mut findings);
    for (check, wanted) in [
        ("complaints", "warned 7"),
        ("complaints", "Error: thrown"),
        ("complaints", "net::ERR_"),
        ("requests", "http://127.0.0.1:9/pixel.png"),
        ("sideways", "wide: div `wide`"),
        ("contrast", "#777777 on #ffffff is 4.48, wanted 4.5"),
        ("contrast", "#000000 on #000080"),
        ("headings", "2 first headings"),
        ("headings", "`Left out a level` comes after level 1"),
        ("tables", "table `a cell` has no headings"),
        ("drawings", "svg `unread` has no label"),
        ("drawings", "svg `unread` has not the role of an image"),
        ("names", "a button is called `\u{25b6}`"),
        (
            "keyboard",
            "nobody sees that button `\u{25b6}` has the focus",
        ),
        ("keyboard", "does not come to button `Behind the trap`"),
    ] {
        let problems = &findings[check].problems;
        assert!(
            problems.iter().any(|problem| problem.contains(wanted)),
            "{check} did not find {wanted}, but {problems:?}"
        );
    }
    assert_eq!(findings.len(), VIEWED.len() + MADE.len());
}

/// Where the checker of accessibility is, if somebody put it there.
fn axe() -> Option<PathBuf> {
    if let Ok(named) = std::env::var("STORMGLASS_AXE") {
        let path = PathBuf::from(named);
        assert!(
            path.is_file(),
            "STORMGLASS_AXE names {}, where no file is: correct it, or unset it",
            path.display()
        );
        return Some(path);
    }
    let usual = "../target/axe/package/axe.min.js";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(usual);
    path.is_file().then_some(path)
}

#[derive(Deserialize)]
struct AxeRule {
    id: String,
    impact: Option<String>,
    help: String,
    nodes: Vec<AxeNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AxeNode {
    html: String,
    failure_summary: String,
}

/// What axe finds on an open page that is serious or worse, and how many rules the page keeps.
#[track_caller]
fn run_axe(tab: &mut Tab, script: &str) -> (Vec<String>, usize) {
    tab.evaluate::<Value>(&format!("{script}; null"));
    let (broken, kept): (Vec<AxeRule>, usize) =
        tab.evaluate("axe.run(document).then(found => [found.violations, found.passes.length])");
    let grave = broken.into_iter().filter(|rule| {
        let impact = rule.impact.as_deref();
        matches!(impact, Some("serious" | "critical"))
    });
    let told = grave.map(|rule| {
        let nodes = rule.nodes.iter().take(3);
        let nodes = nodes.map(|node| format!("{}: {}", node.html, node.failure_summary));
        format!(
            "{} ({}): {}",
            rule.id,
            rule.help,
            nodes.collect::<Vec<_>>().join("\n")
        )
    });
    (told.collect(), kept)
}

#[test]
fn axe_finds_nothing_serious() {
    let Some(axe) = axe() else {
        skipped(
            "no axe: `npm pack axe-core`, unpack it into target/axe, or set STORMGLASS_AXE to its axe.min.js",
        );
        return;
    };
    let Some(mut tab) = Tab::fresh() else { return };
    let script = std::fs::read_to_string(axe).unwrap();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("flawed.html");
    std::fs::write(&path, FLAWED).unwrap();
    tab.open(&path, &View::WIDE);
    let (found, _) = run_axe(&mut tab, &script);
    let sees = found.iter().any(|rule| rule.starts_with("color-contrast"));
    assert!(sees, "axe does not see the flaws: {found:?}");

    let mut problems = Vec::new();
    for page in pages(out.path()) {
        for view in [View::WIDE, View::NARROW.dark()] {
            open(&mut tab, &page, &view);
            let (found, kept) = run_axe(&mut tab, &script);
            assert!(kept >= 15, "axe looked at {kept} rules alone");
            let place = format!("{}, {} wide", page.name, view.width);
            problems.extend(found.iter().map(|rule| format!("{place}: {rule}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}
