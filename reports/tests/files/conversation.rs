//! The space-time diagram of a run: what was said around what broke.

use crate::common::pages::messages;
use crate::common::{COMMAND, Scenario, file};
use stormglass_reports::{RunDirectory, Timings};

fn page(scenario: &Scenario, with_messages: bool) -> String {
    let out = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(out.path(), &scenario.trial).unwrap();
    if with_messages {
        directory.put_messages(&messages()).unwrap();
    }
    let written = directory.write(
        &scenario.trial,
        &scenario.run(),
        &scenario.judged(),
        &Timings::default(),
        COMMAND,
    );
    written.unwrap();
    file(&directory, "report.html")
}

#[test]
fn every_fate_of_a_message_is_drawn_in_a_way_of_its_own_and_told() {
    let page = page(&Scenario::stale_read(), true);
    for wanted in [
        // Told, each as it went.
        "@2 Append base=0@2 &lt;b&gt; (sent at 8.520 s, arrived after 1.0 ms)",
        "(at 8.521 s: there was no connection)",
        "(sent at 8.522 s, cut by a partition)",
        "(sent at 8.523 s, lost)",
        "(sent at 8.524 s, lost with its connection)",
        "(sent at 8.525 s, arrived after 14 ms, slowed)",
        "(sent at 8.526 s, arrived after 19 ms, held)",
        "(sent at 8.527 s, arrived after 8.0 ms, overtaken)",
        "(sent at 8.528 s, arrived after 3.0 ms and again after 5.0 ms, sent twice)",
        "(sent at 8.529 s, damaged on its way)",
        "it did not arrive",
        // And drawn.
        "class=\"said plain\"",
        "class=\"said asked\"",
        "class=\"said late\"",
        "class=\"said lost\"",
        "class=\"way again\"",
        "class=\"boots\"",
        "calls read stale",
        "gets &quot;old&quot;",
    ] {
        assert!(page.contains(wanted), "{wanted} is not on the page");
    }
    // Six that were lost and one that is gone end in a cross.
    assert_eq!(page.matches("class=\"end\"").count(), 6);
    assert!(!page.contains("@2 Append base=0@2 <b>"));
}

#[test]
fn a_page_without_messages_does_without() {
    assert!(!page(&Scenario::stale_read(), false).contains("Who said what to whom"));
    assert!(page(&Scenario::stale_read(), true).contains("Who said what to whom"));
}

#[test]
fn messages_of_another_version_are_passed_over() {
    let out = tempfile::tempdir().unwrap();
    let scenario = Scenario::stale_read();
    let directory = RunDirectory::create(out.path(), &scenario.trial).unwrap();
    for text in ["{\"schema_version\":99}", "{", ""] {
        std::fs::write(directory.path().join("messages.json"), text).unwrap();
        let written = directory.write(
            &scenario.trial,
            &scenario.run(),
            &scenario.judged(),
            &Timings::default(),
            COMMAND,
        );
        written.unwrap();
        let page = file(&directory, "report.html");
        assert!(
            page.contains("What went over the network cannot be shown: "),
            "{text:?}"
        );
        assert!(page.contains("What went wrong"), "{text:?}");
    }
}
