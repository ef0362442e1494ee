//! The timeline in a real browser: where it opens, how it is moved, searched, linked to, and how smoothly it moves.
//!
//! A test opens a page as a person would, does something with keys, mouse or fingers, and asks the page where it looks and what it chose. The canvas says
//! both in its data attributes; a link says it in the address.

use crate::common::browser::{Tab, View};
use crate::common::{Scenario, long_run};
use std::path::{Path, PathBuf};

/// The stale read: a write, a later write, and a read of the first, in the ninth second.
fn stale(out: &Path) -> PathBuf {
    Scenario::stale_read().write(out).0.page()
}

fn open(page: &Path, link: &str, view: &View) -> Option<Tab> {
    let mut tab = Tab::fresh()?;
    tab.open_at(page, link, view);
    tab.wait_for("document.documentElement.dataset.ready === 'true'");
    tab.settle();
    Some(tab)
}

/// From when until when the detail looks, in microseconds.
fn looks(tab: &mut Tab) -> (f64, f64) {
    tab.settle();
    let [from, until] = tab.evaluate("['from', 'until'].map(name => Number(detail.dataset[name]))");
    (from, until)
}

fn chosen(tab: &mut Tab) -> String {
    tab.settle();
    tab.evaluate("detail.dataset.chosen || ''")
}

/// The middle of an operation or a fault, on the screen.
fn place(tab: &mut Tab, thing: &str) -> (f64, f64) {
    let [x, y] = tab.evaluate(&format!(
        "(() => {{ const box = detail.getBoundingClientRect(), at = stormglass.timeline.place({thing}); \
         return [box.left + at.x + at.wide / 2, box.top + at.y + at.high / 2]; }})()"
    ));
    (x, y)
}

#[test]
fn it_opens_at_what_broke_and_the_operations_that_collide_are_in_sight() {
    let out = tempfile::tempdir().unwrap();
    let Some(mut tab) = open(&stale(out.path()), "", &View::WIDE) else {
        return;
    };
    let (from, until) = looks(&mut tab);
    let broke: f64 = tab.evaluate("stormglass.timeline.data.marks[0][0]");
    assert!(from < broke && broke < until, "{from} {broke} {until}");
    let seen: bool = tab.evaluate(
        "(() => { const { calls, view } = stormglass.timeline; \
         return [...calls.culprit.keys()].filter(i => calls.culprit[i]).every(i => calls.from[i] >= view.from && calls.until[i] <= view.until); })()",
    );
    assert!(seen, "all that collide are in the first view");
    assert!(until - from < 10e6, "and not the whole run with them");
    // Something is there: the canvas is not of one colour.
    let colours: usize = tab.evaluate(
        "(() => { const pixels = new Uint32Array(detail.getContext('2d').getImageData(0, 0, detail.width, detail.height).data.buffer); \
         return new Set(pixels).size; })()",
    );
    assert!(colours > 20, "{colours} colours");
}

#[test]
fn a_pointer_reads_an_operation_with_the_state_before_and_after_it() {
    let out = tempfile::tempdir().unwrap();
    let Some(mut tab) = open(&stale(out.path()), "#t=0.39-0.43", &View::WIDE) else {
        return;
    };
    tab.evaluate::<bool>("detail.scrollIntoView({ block: 'center' }), true");
    tab.settle();
    let first = place(&mut tab, "{ type: 'call', at: 0 }");
    tab.move_to(first);
    tab.settle();
    let tip: String = tab.evaluate("tip.hidden ? '' : tip.textContent");
    for wanted in [
        "write k0 0 \u{2192} ok",
        "client 0, process 0, event 0 to 1",
        "called at 0.400 s, took 10 ms",
        "state before: null, after: 0",
    ] {
        assert!(tip.contains(wanted), "{wanted} is not in {tip:?}");
    }
    tab.click(first);
    assert_eq!(chosen(&mut tab), "op=0");
    let said: String = tab.evaluate("document.getElementById('chosen').innerText");
    assert!(
        said.contains("state before: null, after: 0") && said.contains("#op=0"),
        "{said}"
    );
    assert_eq!(
        tab.evaluate::<String>("location.hash"),
        "#op=0",
        "the address is a link to it"
    );
}

#[test]
fn keys_move_zoom_and_choose() {
    let out = tempfile::tempdir().unwrap();
    let Some(mut tab) = open(&stale(out.path()), "#t=3-5", &View::WIDE) else {
        return;
    };
    tab.evaluate::<bool>("detail.focus(), document.activeElement === detail");
    assert_eq!(looks(&mut tab), (3e6, 5e6));
    tab.key("ArrowRight");
    assert_eq!(looks(&mut tab), (3.3e6, 5.3e6));
    tab.key("ArrowLeft");
    assert_eq!(looks(&mut tab), (3e6, 5e6));
    tab.key("+");
    let (from, until) = looks(&mut tab);
    assert_eq!((from, until), (3.3e6, 4.7e6));
    tab.key("-");
    assert_eq!(looks(&mut tab), (3e6, 5e6));
    tab.key("0");
    let (from, until) = looks(&mut tab);
    let end: f64 = tab.evaluate("stormglass.timeline.data.end");
    assert_eq!((from, until), (0.0, end));
    tab.key("a");
    let first: [f64; 2] = tab.evaluate("stormglass.timeline.data.window");
    assert_eq!(looks(&mut tab), (first[0], first[1]));
    // Along a lane, and across.
    tab.evaluate::<bool>("location.hash = '#op=0', true");
    tab.settle();
    tab.evaluate::<bool>("detail.focus(), true");
    assert_eq!(chosen(&mut tab), "op=0");
    tab.key("Shift+ArrowRight");
    let next = chosen(&mut tab);
    assert!(next.starts_with("op=") && next != "op=0", "{next}");
    let lane = |tab: &mut Tab| -> u64 {
        tab.evaluate("stormglass.timeline.calls.client[stormglass.timeline.state.chosen.at]")
    };
    assert_eq!(lane(&mut tab), 0);
    tab.key("Shift+ArrowLeft");
    assert_eq!(chosen(&mut tab), "op=0");
    tab.key("ArrowDown");
    assert_eq!(lane(&mut tab), 1);
    tab.key("ArrowUp");
    assert_eq!(lane(&mut tab), 0);
    tab.key("Escape");
    assert_eq!(chosen(&mut tab), "");
    tab.key("/");
    assert_eq!(
        tab.evaluate::<String>("document.activeElement.id"),
        "search"
    );
}

#[test]
fn a_search_finds_counts_and_leads_from_one_to_the_next() {
    let out = tempfile::tempdir().unwrap();
    let Some(mut tab) = open(&stale(out.path()), "", &View::WIDE) else {
        return;
    };
    tab.evaluate::<bool>("search.focus(), true");
    for letter in ["s", "t", "a", "l", "e"] {
        tab.key(letter);
    }
    tab.settle();
    let found: String = tab.evaluate("found.textContent");
    assert_eq!(found, "3 found");
    for (step, wanted) in ["1 of 3", "2 of 3", "3 of 3", "1 of 3"]
        .into_iter()
        .enumerate()
    {
        tab.key("Enter");
        tab.settle();
        let found: String = tab.evaluate("found.textContent");
        assert_eq!(found, wanted, "step {step}");
        let key: String =
            tab.evaluate("(t => t.text(t.calls.key[t.state.chosen.at]))(stormglass.timeline)");
        assert_eq!(key, "stale");
    }
    tab.key("Shift+Enter");
    tab.settle();
    assert_eq!(tab.evaluate::<String>("found.textContent"), "3 of 3");
    for (query, wanted) in [
        ("client 1", true),
        ("partition", true),
        ("event 0", true),
        ("no such thing", false),
    ] {
        tab.evaluate::<bool>(&format!(
            "search.value = '{query}', search.dispatchEvent(new Event('input'))"
        ));
        let found: String = tab.evaluate("found.textContent");
        assert_eq!(
            found.ends_with(" found") && found != "nothing found",
            wanted,
            "{query}: {found}"
        );
    }
}

#[test]
fn links_land_on_an_operation_a_time_and_a_fault() {
    let out = tempfile::tempdir().unwrap();
    let page = stale(out.path());
    let Some(mut tab) = open(&page, "#fault=0", &View::WIDE) else {
        return;
    };
    assert_eq!(chosen(&mut tab), "fault=0");
    let (from, until) = looks(&mut tab);
    assert!(
        from <= 2e6 && until >= 4e6,
        "the fault from 2 s to 4 s is in sight: {from} {until}"
    );
    let top: f64 = tab.evaluate("document.getElementById('timeline').getBoundingClientRect().top");
    assert!(
        (-2.0..300.0).contains(&top),
        "the page is scrolled to the timeline: {top}"
    );
    // From a table on the page, as a reader would.
    let call: usize = tab.evaluate(
        "stormglass.timeline.calls.position[[...stormglass.timeline.calls.culprit].lastIndexOf(1)]",
    );
    tab.click_on(&format!("a[href='#op={call}']"));
    assert_eq!(chosen(&mut tab), format!("op={call}"));
    let (from, until) = looks(&mut tab);
    assert!(from < 8.54e6 && 8.55e6 < until, "{from} {until}");
    // The event of its return leads to it as well.
    tab.evaluate::<bool>(&format!("location.hash = '#op={}', true", call + 1));
    tab.settle();
    assert_eq!(chosen(&mut tab), format!("op={call}"));
    tab.evaluate::<bool>("location.hash = '#t=1.5-2.5', true");
    assert_eq!(looks(&mut tab), (1.5e6, 2.5e6));
    tab.evaluate::<bool>("location.hash = '#op=999999', true");
    tab.settle();
    let found: String = tab.evaluate("found.textContent");
    assert!(
        found.contains("999999"),
        "an event that is not there is said so: {found}"
    );
}

#[test]
fn the_mouse_drags_zooms_and_chooses_in_the_overview() {
    let out = tempfile::tempdir().unwrap();
    let Some(mut tab) = open(&stale(out.path()), "#t=3-5", &View::WIDE) else {
        return;
    };
    tab.evaluate::<bool>("detail.scrollIntoView({ block: 'center' }), true");
    tab.settle();
    let (x, y) = tab.centre("#detail");
    tab.drag((x, y), (x - 100.0, y));
    let (from, until) = looks(&mut tab);
    assert!(
        from > 3.1e6 && (until - from - 2e6).abs() < 2.0,
        "later, and as wide as before: {from} {until}"
    );
    assert_eq!(chosen(&mut tab), "", "who drags chooses nothing");
    tab.holding("Control", |tab| tab.wheel((x, y), (0.0, -120.0)));
    let (from, until) = looks(&mut tab);
    assert!(until - from < 1.9e6, "closer: {from} {until}");
    let before: f64 = tab.evaluate("scrollY");
    tab.wheel((x, y), (0.0, 120.0));
    tab.settle();
    assert_ne!(
        tab.evaluate::<f64>("scrollY"),
        before,
        "without the key the page scrolls"
    );
    tab.evaluate::<bool>("overview.scrollIntoView({ block: 'center' }), true");
    tab.settle();
    let (x, y) = tab.centre("#overview");
    tab.drag((x - 200.0, y), (x, y));
    let (from, until) = looks(&mut tab);
    let end: f64 = tab.evaluate("stormglass.timeline.data.end");
    assert!(
        from > 0.0 && until < 0.7 * end && until - from > 0.1 * end,
        "{from} {until} of {end}"
    );
}

#[test]
fn fingers_tap_swipe_and_pinch() {
    let out = tempfile::tempdir().unwrap();
    let Some(mut tab) = open(&stale(out.path()), "#t=0.39-0.43", &View::NARROW.touch()) else {
        return;
    };
    tab.evaluate::<bool>("detail.scrollIntoView({ block: 'center' }), true");
    tab.settle();
    let first = place(&mut tab, "{ type: 'call', at: 0 }");
    tab.tap(first);
    assert_eq!(chosen(&mut tab), "op=0");
    let before = looks(&mut tab);
    let (x, y) = tab.centre("#detail");
    tab.swipe((x, y), (x - 80.0, y));
    let after = looks(&mut tab);
    assert!(after.0 > before.0, "{before:?} {after:?}");
    tab.pinch((x, y), 60.0, 180.0);
    let (from, until) = looks(&mut tab);
    assert!(
        until - from < (after.1 - after.0) * 0.6,
        "closer: {from} {until} from {after:?}"
    );
    tab.pinch((x, y), 180.0, 60.0);
    let (wider_from, wider_until) = looks(&mut tab);
    assert!(wider_until - wider_from > (until - from) * 1.5);
}

#[test]
fn a_hundred_thousand_operations_load_at_once_and_move_smoothly() {
    let out = tempfile::tempdir().unwrap();
    let page = long_run(20, 5_000).write(out.path()).0.page();
    let Some(mut tab) = open(&page, "", &View::WIDE) else {
        return;
    };
    let count: usize = tab.evaluate("stormglass.timeline.calls.count");
    assert_eq!(count, 100_000);
    let loaded_ms: f64 = tab.evaluate("performance.getEntriesByType('measure').find(entry => entry.name === 'ready')?.duration ?? -1");
    tab.evaluate::<bool>("detail.scrollIntoView({ block: 'center' }), true");
    // Every operation in sight, and a hand that moves: the cost of a frame, in the time of the page's own thread.
    tab.evaluate::<bool>("stormglass.timeline.show(0, stormglass.timeline.data.end * 0.9), true");
    tab.settle();
    let costs: Vec<f64> = tab.evaluate(
        "(async () => { const { timeline } = stormglass, costs = []; \
         for (let step = 0; step < 60; step++) { \
           timeline.show(timeline.view.from + 1e5, timeline.view.until + 1e5); \
           await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame); \
           costs.push(timeline.state.cost); } \
         return costs; })()",
    );
    // And closer and closer, where neighbours come apart.
    let zooms: Vec<f64> = tab.evaluate(
        "(async () => { const { timeline } = stormglass, costs = []; \
         for (let step = 0; step < 40; step++) { \
           const { from, until } = timeline.view, share = (until - from) * 0.05; \
           timeline.show(from + share, until - share); \
           await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame); \
           costs.push(timeline.state.cost); } \
         return costs; })()",
    );
    let frames = tab.frame_times_while(|tab| {
        let (x, y) = tab.centre("#detail");
        tab.drag((x, y), (x - 300.0, y));
    });
    let mut sorted = costs.clone();
    sorted.sort_by(f64::total_cmp);
    println!(
        "loaded in {loaded_ms:.0} ms; a frame of a move costs {:.1} ms at the median and {:.1} ms at the most, one of a zoom {:.1} ms at the most; \
         frames of a drag: {frames:.1?}",
        sorted[30],
        sorted[59],
        zooms.iter().copied().fold(0.0, f64::max)
    );
    // What is counted, not timed: neighbours that touch are drawn as one.
    let drawn: usize = tab.evaluate("stormglass.timeline.state.drawn");
    assert!(
        (20..10_000).contains(&drawn),
        "{drawn} bars for 100,000 operations"
    );
}
