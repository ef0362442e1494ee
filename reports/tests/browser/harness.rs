//! The browser that tests drive: that it does to a page what it is told, and tells what the page does.

use crate::common::browser::{Tab, View};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A page that writes down what is done to it.
const PAGE: &str = r#"<!doctype html><html lang="en"><title>a page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { margin: 0; height: 3000px; touch-action: none }</style>
<button id="far" style="position:absolute;top:2500px;left:100px">far</button><input id="text">
<script>
const heard = [];
const keep = (event, ...rest) => heard.push([event.type, ...rest]);
for (const type of ["keydown", "keyup"]) addEventListener(type, event => keep(event, event.key, event.code, event.shiftKey, event.ctrlKey));
for (const type of ["mousedown", "mousemove", "mouseup", "click"]) addEventListener(type, event => keep(event, event.clientX, event.clientY, event.buttons));
addEventListener("wheel", event => { event.preventDefault(); keep(event, event.deltaX, event.deltaY, event.ctrlKey); }, { passive: false });
for (const type of ["touchstart", "touchmove", "touchend"]) addEventListener(type, event => keep(event, ...[...event.touches].map(touch => touch.clientX)));
const take = () => heard.splice(0);
</script></html>"#;

fn opened(view: &View) -> Option<Tab> {
    let mut tab = Tab::fresh()?;
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("page.html");
    std::fs::write(&path, PAGE).unwrap();
    tab.open(&path, view);
    Some(tab)
}

/// What the page heard, each as the text of a JSON array.
fn heard(tab: &mut Tab) -> Vec<String> {
    tab.settle();
    let heard: Vec<Value> = tab.evaluate("take()");
    heard.iter().map(Value::to_string).collect()
}

#[test]
fn a_tab_shows_a_page_and_answers() {
    for view in [View::WIDE, View::NARROW.dark(), View::NARROW.touch()] {
        let Some(mut tab) = opened(&view) else { return };
        assert_eq!(tab.evaluate::<String>("document.title"), "a page");
        assert_eq!(
            tab.evaluate::<(u32, u32)>("[innerWidth, innerHeight]"),
            (view.width, view.height)
        );
        let (dark, touch): (bool, bool) = tab.evaluate(
            "['(prefers-color-scheme: dark)', '(pointer: coarse)'].map(query => matchMedia(query).matches)",
        );
        assert_eq!((dark, touch), (view.dark, view.touch));
        assert_eq!(
            tab.evaluate::<u8>("new Promise(done => setTimeout(() => done(7), 30))"),
            7
        );
        tab.evaluate::<Value>("setTimeout(() => { document.title = 'changed'; }, 30); null");
        tab.wait_for("document.title === 'changed'");
        assert_eq!(tab.requests(), [""; 0]);
    }
}

#[test]
fn keys_are_pressed() {
    let Some(mut tab) = opened(&View::WIDE) else {
        return;
    };
    tab.key("Shift+ArrowRight");
    tab.key("Control++");
    assert_eq!(
        heard(&mut tab),
        [
            r#"["keydown","ArrowRight","ArrowRight",true,false]"#,
            r#"["keyup","ArrowRight","ArrowRight",true,false]"#,
            r#"["keydown","+","",false,true]"#,
            r#"["keyup","+","",false,true]"#,
        ]
    );
    tab.evaluate::<Value>("document.getElementById('text').focus(), null");
    for key in ["a", "Shift+B", "Space", "7", "x", "Backspace"] {
        tab.key(key);
    }
    assert_eq!(
        tab.evaluate::<String>("document.getElementById('text').value"),
        "aB 7"
    );
    tab.key("Shift+Tab");
    assert_eq!(tab.evaluate::<String>("document.activeElement.id"), "far");
    heard(&mut tab);
    tab.key("Enter");
    tab.key("Space");
    let clicks = heard(&mut tab);
    assert_eq!(
        clicks
            .iter()
            .filter(|event| event.starts_with(r#"["click""#))
            .count(),
        2
    );
}

#[test]
fn the_mouse_clicks_drags_and_turns_its_wheel() {
    let Some(mut tab) = opened(&View::WIDE) else {
        return;
    };
    tab.drag((300.0, 200.0), (540.0, 260.0));
    let events = heard(&mut tab);
    assert_eq!(
        events[..3],
        [
            r#"["mousemove",300,200,0]"#,
            r#"["mousedown",300,200,1]"#,
            r#"["mousemove",320,205,1]"#
        ]
    );
    assert_eq!(
        events[13..15],
        [r#"["mousemove",540,260,1]"#, r#"["mouseup",540,260,0]"#]
    );
    tab.wheel((300.0, 200.0), (0.0, 120.0));
    tab.holding("Control", |tab| tab.wheel((300.0, 200.0), (5.0, -40.0)));
    assert_eq!(
        heard(&mut tab),
        [r#"["wheel",0,120,false]"#, r#"["wheel",5,-40,true]"#]
    );
    tab.click_on("#far");
    assert!(tab.evaluate::<f64>("scrollY") > 1_000.0);
    let (x, y): (f64, f64) = tab.centre("#far");
    let click = heard(&mut tab).pop().unwrap();
    assert_eq!(click, format!(r#"["click",{},{},0]"#, x.floor(), y.floor()));
}

#[test]
fn fingers_tap_swipe_and_pinch() {
    let Some(mut tab) = opened(&View::NARROW.touch()) else {
        return;
    };
    tab.tap((100.0, 300.0));
    let events = heard(&mut tab);
    assert_eq!(events[..2], [r#"["touchstart",100]"#, r#"["touchend"]"#]);
    assert!(
        events
            .iter()
            .any(|event| event.starts_with(r#"["click",100,300"#)),
        "{events:?}"
    );
    tab.swipe((300.0, 300.0), (60.0, 300.0));
    let events = heard(&mut tab);
    assert_eq!(
        events[..2],
        [r#"["touchstart",300]"#, r#"["touchmove",280]"#]
    );
    tab.pinch((180.0, 300.0), 40.0, 160.0);
    let events = heard(&mut tab);
    // One finger lands before the other.
    assert_eq!(
        events[..2],
        [r#"["touchstart",160]"#, r#"["touchstart",160,200]"#]
    );
    assert_eq!(
        events[events.len() - 3..],
        [
            r#"["touchmove",100,260]"#,
            r#"["touchend",260]"#,
            r#"["touchend"]"#
        ]
    );
}

#[test]
fn frames_are_timed_while_a_script_or_a_hand_is_at_work() {
    let Some(mut tab) = opened(&View::WIDE) else {
        return;
    };
    let idle = tab.frame_times("new Promise(done => setTimeout(done, 300))");
    assert!(!idle.is_empty());
    let busy =
        "(() => { const end = performance.now() + 250; while (performance.now() < end); })()";
    let blocked = tab.frame_times(busy);
    assert!(
        blocked.iter().any(|ms| *ms >= 200.0),
        "a frame that was late by design: {blocked:?}"
    );
    let dragged = tab.frame_times_while(|tab| tab.drag((10.0, 10.0), (400.0, 100.0)));
    assert!(!dragged.is_empty());
    assert!(heard(&mut tab).len() >= 12);
}

#[test]
fn a_picture_is_taken() {
    let Some(mut tab) = opened(&View::NARROW) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("page.png");
    tab.screenshot(&path);
    let picture = std::fs::read(path).unwrap();
    assert_eq!(picture[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(
        picture[16..24],
        [
            0,
            0,
            360u16.to_be_bytes()[0],
            360u16.to_be_bytes()[1],
            0,
            0,
            740u16.to_be_bytes()[0],
            740u16.to_be_bytes()[1]
        ]
    );
    assert_eq!(picture[picture.len() - 8..picture.len() - 4], *b"IEND");
}

/// What a page says when a script of it, or of a test, fails is in the failure of the test.
#[test]
fn a_script_that_fails_fails_the_test_with_its_text() {
    let failures: BTreeMap<&str, &str> = [
        (
            "undefinedThing.x",
            "ReferenceError: undefinedThing is not defined",
        ),
        ("Promise.reject(new Error('no'))", "Error: no"),
        ("'a text'", "\"a text\""),
    ]
    .into();
    for (script, wanted) in failures {
        let Some(mut tab) = opened(&View::WIDE) else {
            return;
        };
        let evaluated = std::panic::AssertUnwindSafe(|| tab.evaluate::<u8>(script));
        let panic = std::panic::catch_unwind(evaluated).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains(wanted) && text.contains(script), "{text}");
    }
}

/// Runs a test in a process of its own, and looks what is left of its browser.
#[test]
fn the_browser_ends_with_its_tests() {
    let Some(tab) = Tab::fresh() else { return };
    drop(tab);
    let out = tempfile::tempdir().unwrap();
    let run = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "harness::a_tab_shows_a_page_and_answers",
            "--nocapture",
        ])
        .env("TMPDIR", out.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && told.contains("1 passed"), "{told}");
    assert!(!told.contains("SKIPPED"), "{told}");
    let mut left = Vec::new();
    for _ in 0..600 {
        left = processes_that_name(out.path());
        let files = std::fs::read_dir(out.path()).unwrap();
        left.extend(files.map(|file| file.unwrap().path().display().to_string()));
        if left.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("half a minute after the tests there is still {left:?}");
}

/// The command lines that name a directory, where the system shows them.
fn processes_that_name(directory: &Path) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let lines = processes.filter_map(|process| {
        let line = std::fs::read(process.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    let directory = directory.to_str().unwrap();
    lines.filter(|line| line.contains(directory)).collect()
}
