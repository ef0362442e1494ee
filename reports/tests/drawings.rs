//! Plots, bands and the weight of the page.

mod common;

use common::{Scenario, file};
use serde_json::{Value, json};

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
        6,
        "overview, detail, collision, latency, percentiles, throughput"
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
fn a_run_of_twenty_thousand_operations_makes_a_page_that_opens() {
    const PAGE_BYTES_MAX: usize = 1_500_000;
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::empty();
    scenario.trial.clients = 5;
    for number in 0..4_000u64 {
        for client in 0..5 {
            let (from_ms, key) = (number * 15 + client, format!("k{client}"));
            let value = json!(client * 1_000_000_000 + number);
            match number % 3 {
                0 => scenario.ok(
                    client,
                    from_ms,
                    from_ms + 7 + number % 5,
                    "write",
                    &key,
                    value.clone(),
                    value,
                ),
                1 => {
                    let seen = json!(client * 1_000_000_000 + number - 1);
                    scenario.ok(
                        client,
                        from_ms,
                        from_ms + 3,
                        "read",
                        &key,
                        Value::Null,
                        seen,
                    );
                }
                _ => scenario.mismatch(client, from_ms, from_ms + 5, &key, json!([number, 1])),
            }
        }
    }
    (scenario.record.healed_ns, scenario.record.ended_ns) = (58_000_000_000, 60_100_000_000);
    let (directory, summary) = scenario.write(out.path());
    assert_eq!(summary.counts.operations, 20_000);
    let page = file(&directory, "report.html");
    println!("{} bytes", page.len());
    assert!(page.len() < PAGE_BYTES_MAX, "{} bytes", page.len());
    assert!(file(&directory, "plots/latency.svg").len() < 200_000);
    // Light, and yet nothing is missing: the script has them all.
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["calls"].as_array().unwrap().len(), 20_000);
}

#[test]
fn the_scripts_data_says_the_same_as_the_history() {
    let out = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::stale_read();
    scenario.unknown(3, 7_000, 9_000, "k9", json!("maybe"), "deadline");
    let (directory, _) = scenario.write(out.path());
    let page = file(&directory, "report.html");
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let text = |position: &Value| {
        data["texts"][position.as_u64().unwrap() as usize]
            .as_str()
            .unwrap()
            .to_string()
    };
    let mut at_us = 0;
    let mut rows = Vec::new();
    for call in data["calls"].as_array().unwrap() {
        at_us += call[3].as_i64().unwrap();
        rows.push((
            call[0].as_i64().unwrap(),
            at_us,
            call[4].as_i64().unwrap(),
            text(&call[5]),
            text(&call[6]),
            text(&call[7]),
            text(&call[8]),
            call[9].as_i64().unwrap(),
        ));
    }
    let row = |client, at, took, f: &str, key: &str, argument: &str, result: &str, culprit| {
        (
            client,
            at,
            took,
            f.to_string(),
            key.to_string(),
            argument.to_string(),
            result.to_string(),
            culprit,
        )
    };
    for wanted in [
        row(0, 400_000, 10_000, "write", "k0", "0", "ok", 0),
        row(1, 420_000, 3_000, "read", "k0", "", "0", 0),
        row(1, 8_540_000, 10_000, "read", "stale", "", "\"old\"", 1),
        row(
            1,
            9_000_000,
            5_000,
            "cas",
            "k0",
            "[77,78]",
            "fail: mismatch",
            0,
        ),
        row(
            1,
            7_000_000,
            2_000_000,
            "write",
            "k9",
            "\"maybe\"",
            "unknown: deadline",
            0,
        ),
    ] {
        assert!(rows.contains(&wanted), "{wanted:?} is not in the data");
    }
    assert_eq!(rows.iter().filter(|row| row.7 == 1).count(), 3);
    assert_eq!(data["faults"].as_array().unwrap().len(), 2);
}
