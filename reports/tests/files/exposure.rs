//! What a run was put to, in numbers that were worked out by hand: fault coverage, facts, clocks; and how it all stands in a page.

use crate::common::measured::{behaviour, bent, outage, text};
use crate::common::{Scenario, file};
use serde_json::json;
use stormglass_impls::contract::NodeId;
use stormglass_impls::facts::FactKind;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::record::FaultStatus;
use stormglass_nemesis::schedule::{Action, ClockBend, Target};
use stormglass_reports::behaviour::{Aim, AimRow, ClockPoint, Part, STYLE, Side, render};

const MS: u64 = 1_000_000;

#[test]
fn a_fault_is_told_by_whom_it_was_aimed_at_and_what_was_under_way() {
    let mut scenario = outage();
    // Between the operations, and before anything was called.
    scenario.fault(
        2,
        3,
        FaultKind::Pause,
        Action::Pause {
            target: Target::Leader,
        },
        (8_000, 8_500),
    );
    scenario.fault(
        3,
        3,
        FaultKind::Pause,
        Action::Pause {
            target: Target::Leader,
        },
        (9_000, 9_500),
    );
    // Nothing shows that this one did anything.
    scenario.fault(
        4,
        1,
        FaultKind::SlowCpu,
        Action::SlowCpu {
            target: Target::Node(NodeId(1)),
            step_ms_min: 1,
            step_ms_max: 2,
        },
        (9_000, 9_500),
    );
    scenario.record.faults[4].status = FaultStatus::Indeterminate {
        reason: "nothing waited for the node".to_string(),
    };
    let coverage = behaviour(&scenario).coverage;
    let row = |kind, links, part, counts: [u64; 5]| AimRow {
        kind,
        aim: Aim { links, part },
        installed: counts[0],
        met_none: counts[1],
        open_at_begin: counts[2],
        open_at_end: counts[3],
        some_within: counts[4],
    };
    // At 2000 nothing is open and at 4000 the read that returns at 4200; the refusal is within. At 3500 that read is open, at 6000 the next.
    let wanted = [
        row(
            FaultKind::PartitionOne,
            Some(Side::Around),
            Part::Follower,
            [1, 0, 1, 1, 1],
        ),
        row(FaultKind::Crash, None, Part::Leader, [1, 0, 0, 1, 1]),
        row(FaultKind::Pause, None, Part::Leader, [2, 2, 0, 0, 0]),
    ];
    assert_eq!(coverage.rows, wanted);
    for (kind, possible) in [
        (FaultKind::Crash, false),
        (FaultKind::SlowCpu, true),
        (FaultKind::PartitionHalves, true),
        // It takes four nodes, another arena, a promise that Raft does not make.
        (FaultKind::PartitionRing, false),
        (FaultKind::BitFlip, false),
        (FaultKind::Wipe, false),
    ] {
        assert_eq!(coverage.never.contains(&kind), possible, "{kind:?}");
    }
}

#[test]
fn facts_that_happened_are_counted_and_only_those_that_could_have_are_missed() {
    let mut scenario = outage();
    let facts = behaviour(&scenario).facts;
    let row = &facts.rows[0];
    assert_eq!(facts.rows.len(), 1);
    assert_eq!(
        (row.kind, row.count, row.nodes, row.first_ns, row.last_ns),
        (FactKind::BecameLeader, 2, 2, 100 * MS, 2_600 * MS)
    );
    assert!(facts.known && facts.never.contains(&FactKind::Truncated));
    assert_eq!(facts.never.len(), 8);
    assert!(
        !facts.never.contains(&FactKind::ShouldNotHappen),
        "no correct node notes it"
    );
    // Multi-Paxos removes nothing from its log, and a server of others tells no facts.
    scenario.trial.cluster = "paxos-cache".to_string();
    assert!(
        !behaviour(&scenario)
            .facts
            .never
            .contains(&FactKind::Truncated)
    );
    scenario.trial.cluster = "redis-server".to_string();
    let facts = behaviour(&scenario).facts;
    assert_eq!((facts.known, facts.never), (false, vec![]));
}

#[test]
fn clocks_are_off_by_what_bent_them_and_stay_off_once_they_ran_wrong() {
    let clocks = behaviour(&bent()).clocks;
    let ms = |ns: i64| ns / MS as i64;
    let rows: Vec<_> = clocks
        .bends
        .iter()
        .map(|bend| {
            (
                bend.node.0,
                bend.fault,
                ms(bend.wall_ns),
                ms(bend.monotonic_ns),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [(1, 10, 600, 0), (2, 11, -200, -200), (1, 12, 600, 0)]
    );
    let points = |node: usize| -> Vec<(u64, i64, i64)> {
        let point =
            |point: &ClockPoint| (point.at_ns / MS, ms(point.wall_ns), ms(point.monotonic_ns));
        clocks.nodes[node].points.iter().map(point).collect()
    };
    let wall = [
        (0, 0),
        (1_000, 0),
        (1_000, 500),
        (2_000, 500),
        (2_000, 600),
        (2_500, 600),
        (2_500, 500),
        (3_000, 500),
        (3_000, 100),
        (3_500, 100),
        (3_500, 0),
        (11_000, 0),
    ];
    assert_eq!(points(0), wall.map(|(at, wall)| (at, wall, 0)));
    assert_eq!(
        points(1),
        [
            (0, 0, 0),
            (2_000, 0, 0),
            (4_000, -200, -200),
            (11_000, -200, -200)
        ]
    );
}

#[test]
fn every_clock_has_one_path_and_a_row_for_each_fault() {
    let html = render(&behaviour(&bent())).unwrap();
    let section = html.split("id=\"clocks\"").nth(1).unwrap();
    assert_eq!(
        section.matches("<svg ").count(),
        2,
        "wall clocks and monotonic clocks"
    );
    assert_eq!(
        section.matches("<path class=\"stroke\"").count(),
        4,
        "two nodes each"
    );
    let text = text(section);
    for row in [
        "n1 10 clock-jump 1.000 s 3.000 s +600 ms",
        "n2 11 clock-drift 2.000 s 4.000 s \u{2212}200 ms",
        "n1 12 clock-strobe 2.000 s 4.000 s +600 ms",
    ] {
        assert!(text.contains(row), "{row} is not in {text}");
    }
    // A clock that turns ten thousand times is drawn in a path of bounded length.
    let mut scenario = Scenario::empty();
    let bend = ClockBend::Strobe {
        ms: -40,
        period_ms: 1,
    };
    let action = Action::Clock {
        target: Target::Node(NodeId(1)),
        bend,
    };
    scenario.fault(0, 1, FaultKind::ClockStrobe, action, (0, 10_000));
    let behaviour = behaviour(&scenario);
    assert_eq!(behaviour.clocks.bends[0].wall_ns, -40 * MS as i64);
    assert!(behaviour.clocks.nodes[0].points.len() < 5_000);
    assert!(render(&behaviour).unwrap().len() < 80_000);
}

#[test]
fn a_clock_fault_that_is_none_is_left_out_and_said_to_be() {
    let mut scenario = Scenario::empty();
    let clock = |bend| Action::Clock {
        target: Target::Node(NodeId(1)),
        bend,
    };
    scenario.fault(
        0,
        1,
        FaultKind::ClockStrobe,
        clock(ClockBend::Strobe {
            ms: 5,
            period_ms: 0,
        }),
        (1_000, 2_000),
    );
    scenario.fault(
        1,
        0,
        FaultKind::ClockJump,
        clock(ClockBend::Jump { ms: 5 }),
        (1_000, 2_000),
    );
    scenario.fault(
        2,
        1,
        FaultKind::ClockJump,
        clock(ClockBend::Jump { ms: 5 }),
        (1_000, 2_000),
    );
    scenario.record.faults[2].until_ns = Some(u64::MAX);
    let behaviour = behaviour(&scenario);
    assert_eq!(
        (behaviour.clocks.bends.len(), behaviour.clocks.left_out),
        (0, 2)
    );
    assert!(text(&render(&behaviour).unwrap()).contains("2 clock faults cannot be shown"));
}

#[test]
fn every_plot_has_its_numbers_and_its_percentiles_are_lines_of_one_path_each() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    let svg = file(&directory, "plots/percentiles.svg");
    assert_eq!(svg.matches("<path class=\"stroke\"").count(), 5);
    assert_eq!(svg.matches("<path class=\"marks\"").count(), 5);
    let dashes: std::collections::BTreeSet<&str> = svg
        .split("<path class=\"stroke\"")
        .skip(1)
        .map(|path| {
            path.split("stroke-dasharray=\"")
                .nth(1)
                .map_or("", |rest| rest.split('"').next().unwrap())
        })
        .collect();
    assert_eq!(
        dashes.len(),
        5,
        "each line has a dash of its own: {dashes:?}"
    );
}
/// The sections stand in a page whose head has the style of the report and their own.
#[test]
fn the_sections_are_well_formed_and_use_no_class_without_a_rule() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = bent().write(out.path());
    let report = file(&directory, "report.html");
    let style = report
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    let html = render(&behaviour(&bent())).unwrap();
    let page = format!("<main>{html}</main>");
    let mut reader = quick_xml::Reader::from_str(&page);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(_) => {}
            // `<details open>` is of HTML and not of XML; all else is of both.
            Err(error) => panic!("{error} in {page}"),
        }
    }
    let rules = format!("{style}{STYLE}");
    let classes = html
        .split(" class=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    for class in classes.flat_map(str::split_whitespace) {
        assert!(
            rules.contains(&format!(".{class}")) || ["plot", "stroke", "marks"].contains(&class),
            "no rule for {class}"
        );
    }
}

#[test]
fn what_a_run_says_is_text_and_no_markup() {
    let mut scenario = bent();
    let evil = "<script>alert(1)</script>\u{202e}";
    scenario.ok(2, 9_000, 9_001, "write", evil, json!(1), json!(1));
    let html = render(&behaviour(&scenario)).unwrap();
    assert!(!html.contains("<script") && !html.contains('\u{202e}'));
    assert!(html.contains("&#60;script&#62;") || html.contains("&lt;script&gt;"));
}
