//! Plots, bands and the weight of the page.

use crate::common::{Scenario, file, long_run, script_data};
use serde_json::json;

/// The attributes of every element of a class, in order, as numbers.
fn rectangles(svg: &str, class: &str) -> Vec<(f64, f64)> {
    let attribute = |tag: &str, name: &str| -> f64 {
        let begin = format!(" {name}=\"");
        tag.split(&begin)
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let tags = svg
        .split("<rect class=\"")
        .skip(1)
        .filter(|tag| tag.starts_with(class));
    tags.map(|tag| (attribute(tag, "x"), attribute(tag, "width")))
        .collect()
}

#[test]
fn bands_stand_where_their_faults_were() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::storm().write(out.path());
    // The run lasts 11 s and is drawn from 64 to 936 of 960 units. The skipped fault has no band.
    let x = |seconds: f64| 64.0 + seconds / 11.0 * 872.0;
    let wanted = [(x(2.0), x(4.0) - x(2.0)), (x(5.0), x(5.5) - x(5.0))];
    let page = file(&directory, "report.html");
    let overview = page
        .split("<svg id=\"overview\"")
        .nth(1)
        .unwrap()
        .split("</svg>")
        .next()
        .unwrap();
    for svg in [
        &file(&directory, "plots/latency.svg"),
        &file(&directory, "plots/throughput.svg"),
        overview,
    ] {
        let bands = rectangles(svg, "band ");
        assert_eq!(bands.len(), 2);
        for (band, wanted) in bands.iter().zip(wanted) {
            assert!(
                (band.0 - wanted.0).abs() < 0.02 && (band.1 - wanted.1).abs() < 0.02,
                "{band:?} is not {wanted:?}"
            );
        }
    }
}

#[test]
fn the_chart_of_a_plot_stands_over_the_same_time_as_its_bands() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::empty();
    // One operation at 5.5 s, the middle of the run, that took 10 ms; the scale runs from 10 ms to 100 ms.
    scenario.ok(0, 5_500, 5_510, "write", "k0", json!(1), json!(1));
    let (directory, _) = scenario.write(out.path());
    let svg = file(&directory, "plots/latency.svg");
    let path = svg
        .split("<path class=\"points ok\"")
        .nth(1)
        .unwrap()
        .split(" d=\"M")
        .nth(1)
        .unwrap();
    let point: Vec<f64> = path
        .split(['h', '"'])
        .next()
        .unwrap()
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    assert!((point[0] - 500.0).abs() <= 1.0, "{point:?}");
    assert!(
        (point[1] - 238.0).abs() <= 1.0,
        "{point:?}: the smallest latency stands at the foot of the chart"
    );
}

#[test]
fn every_drawing_is_well_formed_and_wears_no_sentinel() {
    let out = tempfile::tempdir().unwrap();
    let (directory, _) = Scenario::stale_read().write(out.path());
    let page = file(&directory, "report.html");
    let mut drawings: Vec<String> = page
        .split("<svg ")
        .skip(1)
        .map(|rest| format!("<svg {}</svg>", rest.split("</svg>").next().unwrap()))
        .collect();
    assert_eq!(
        drawings.len(),
        5,
        "overview, collision, latency, percentiles, throughput"
    );
    for name in [
        "plots/latency.svg",
        "plots/percentiles.svg",
        "plots/throughput.svg",
    ] {
        drawings.push(file(&directory, name));
        assert!(
            drawings
                .last()
                .unwrap()
                .contains("prefers-color-scheme:dark")
        );
    }
    for drawing in drawings {
        assert!(!drawing.contains("#FD01"), "a sentinel is left");
        let mut reader = quick_xml::Reader::from_str(&drawing);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag)) => {
                    assert!(
                        tag.attributes().all(|attribute| attribute.is_ok()),
                        "{drawing}"
                    );
                }
                Ok(_) => {}
                Err(error) => panic!("{error} in {drawing}"),
            }
        }
    }
}

#[test]
fn a_run_of_a_hundred_thousand_operations_makes_a_page_under_five_megabytes_with_all_of_them() {
    const PAGE_BYTES_MAX: usize = 5_000_000;
    let out = tempfile::tempdir().unwrap();
    let (directory, summary) = long_run(10, 10_000).write(out.path());
    assert_eq!(summary.counts.operations, 100_000);
    let page = file(&directory, "report.html");
    println!("{} bytes", page.len());
    assert!(page.len() < PAGE_BYTES_MAX, "{} bytes", page.len());
    assert!(file(&directory, "plots/latency.svg").len() < 200_000);
    let data = script_data(&page);
    for column in ["client", "length", "argument", "before", "after"] {
        assert_eq!(
            data["calls"][column].as_array().unwrap().len(),
            100_000,
            "{column}"
        );
    }
    assert!(!page.contains("found no room"), "nothing is cut");
}

#[test]
fn what_finds_no_room_is_cut_around_the_first_view_and_said() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::empty();
    scenario.trial.clients = 1;
    // Texts that do not compress, as long as a page shows them: more than there is room for.
    let mut random = 88_172_645_463_325_252u64;
    for number in 0..80_000 {
        let text: String = (0..90)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                char::from(b'!' + (random % 90) as u8)
            })
            .collect();
        scenario.ok(
            0,
            number * 10,
            number * 10 + 5,
            "write",
            "k",
            json!(text),
            json!(text),
        );
    }
    let (directory, _) = scenario.write(out.path());
    let page = file(&directory, "report.html");
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    let data = script_data(&page);
    let kept = data["calls"]["client"].as_array().unwrap().len();
    assert!((10_000..80_000).contains(&kept), "{kept} operations");
    assert_eq!(data["total"], 80_000);
    let left_out = 80_000 - kept;
    let said = format!(
        "{},{:03} of 80,000 operations found no room",
        left_out / 1_000,
        left_out % 1_000
    );
    assert!(page.contains(&said), "{said}");
    assert!(page.contains("history.jsonl"));
}

#[test]
fn the_scripts_data_says_the_same_as_the_history() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::stale_read();
    scenario.unknown(3, 7_000, 9_000, "k9", json!("maybe"), "deadline");
    let (directory, _) = scenario.write(out.path());
    let data = script_data(&file(&directory, "report.html"));
    let calls = &data["calls"];
    let number = |column: &str, at: usize| calls[column][at].as_i64().unwrap();
    let text = |column: &str, at: usize| match number(column, at) {
        -1 => "?",
        position => data["texts"][position as usize].as_str().unwrap(),
    };
    let culprits: Vec<i64> = serde_json::from_value(data["culprits"].clone()).unwrap();
    let events = &scenario.run().history.events;
    let (mut at_us, mut position) = (0, 0);
    let mut rows = Vec::new();
    for at in 0..calls["client"].as_array().unwrap().len() {
        at_us += number("since", at);
        position += number("position", at);
        assert_eq!(
            events[position as usize].time / 1_000,
            at_us as u64,
            "event {position}"
        );
        if number("returned", at) > 0 {
            let returned = &events[(position + number("returned", at)) as usize];
            assert_eq!(returned.process, events[position as usize].process);
            assert_eq!(returned.time / 1_000, (at_us + number("length", at)) as u64);
        }
        let words = ["f", "key", "argument", "result"].map(|column| text(column, at));
        let state = ["before", "after"].map(|column| text(column, at));
        rows.push((at_us, words, state, culprits.contains(&position)));
    }
    let unknown = ["?", "?"];
    for wanted in [
        (400_000, ["write", "k0", "0", "ok"], ["null", "0"], false),
        (420_000, ["read", "k0", "", "0"], ["0", "0"], false),
        (8_540_000, ["read", "stale", "", "\"old\""], unknown, true),
        (
            9_000_000,
            ["cas", "k0", "[77, 78]", "fail: mismatch"],
            unknown,
            false,
        ),
        (
            7_000_000,
            ["write", "k9", "\"maybe\"", "unknown: deadline"],
            unknown,
            false,
        ),
    ] {
        assert!(
            rows.contains(&wanted),
            "{wanted:?} is not in the data: {rows:?}"
        );
    }
    assert_eq!(culprits.len(), 3);
    assert_eq!(data["faults"].as_array().unwrap().len(), 2);
}
