//! A counterexample for the tools of TLA+.

use serde_json::{Value, json};
use stormglass_reports::counterexample::{Counterexample, Happening, Moment};
use stormglass_reports::itf;

fn moment(text: &str, at: Option<u8>, what: Happening, dies: bool, after: [&str; 2]) -> Moment {
    Moment {
        text: text.to_string(),
        what,
        at,
        dies,
        before: Vec::new(),
        after: after.map(str::to_string).to_vec(),
    }
}

fn sample() -> Counterexample {
    let arrives = Happening::Arrives {
        from: 2,
        sent_by: 1,
    };
    Counterexample {
        title: "raft-cache crash".into(),
        summary: "2 nodes".into(),
        mutant: Some("raft/vote-not-persisted".into()),
        property: "one-vote-a-term".into(),
        message: "n1 votes \"twice\"\n\u{202e}".into(),
        command: "stormglass replay trace.json".into(),
        nodes: 2,
        clients: 1,
        shown: vec!["follower @0".into(), "follower @0".into()],
        moments: vec![
            moment(
                "c1 asks n1",
                Some(1),
                Happening::Asked { client: 1 },
                false,
                ["leader @1", "follower @0"],
            ),
            moment(
                "n1 takes from n2, and dies",
                Some(1),
                arrives,
                true,
                ["follower @1", "follower @0"],
            ),
            moment(
                "n2 dies",
                Some(2),
                Happening::Dies,
                false,
                ["follower @1", "follower @0"],
            ),
            moment(
                "the link breaks",
                None,
                Happening::Inside,
                false,
                ["follower @1", "follower @0"],
            ),
        ],
    }
}

#[test]
fn every_step_is_a_state_behind_the_first() {
    let sample = sample();
    let trace: Value = serde_json::from_str(&itf::render(&sample, "trace.json")).unwrap();
    assert_eq!(trace["#meta"]["format"], "ITF");
    assert_eq!(trace["#meta"]["source"], "trace.json");
    let description = trace["#meta"]["description"].as_str().unwrap();
    assert!(
        description
            .contains("raft/vote-not-persisted: one-vote-a-term: n1 votes \"twice\"\n\u{202e}."),
        "{description}"
    );
    let vars = trace["vars"].as_array().unwrap();
    let states = trace["states"].as_array().unwrap();
    assert_eq!(states.len(), sample.moments.len() + 1);
    for (index, state) in states.iter().enumerate() {
        assert_eq!(state["#meta"]["index"], index);
        assert_eq!(state["step"], json!({"#bigint": index.to_string()}));
        let names: Vec<&str> = state
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|name| *name != "#meta")
            .collect();
        assert!(
            vars.iter()
                .all(|name| names.contains(&name.as_str().unwrap())),
            "{names:?}"
        );
        assert_eq!(names.len(), vars.len());
    }
    let actions: Vec<&str> = states
        .iter()
        .filter_map(|state| state["action"].as_str())
        .collect();
    let texts: Vec<&str> = sample.moments.iter().map(|moment| &*moment.text).collect();
    assert_eq!(actions, [&[""], &texts[..]].concat());
    let at: Vec<&str> = states
        .iter()
        .filter_map(|state| state["at"].as_str())
        .collect();
    assert_eq!(at, ["", "n1", "n1", "n2", ""]);
    assert_eq!(
        states[0]["nodes"],
        json!({"#map": [["n1", "follower @0"], ["n2", "follower @0"]]})
    );
    assert_eq!(
        states[1]["nodes"],
        json!({"#map": [["n1", "leader @1"], ["n2", "follower @0"]]})
    );
    let crashed: Vec<&Value> = states
        .iter()
        .map(|state| &state["crashed"]["#set"])
        .collect();
    assert_eq!(
        crashed,
        [
            &json!([]),
            &json!([]),
            &json!(["n1"]),
            &json!(["n2"]),
            &json!([])
        ]
    );
}

#[test]
fn a_law_that_is_broken_at_the_beginning_is_a_trace_of_one_state() {
    let mut sample = sample();
    sample.moments.clear();
    let trace: Value = serde_json::from_str(&itf::render(&sample, "trace.json")).unwrap();
    assert_eq!(trace["states"].as_array().unwrap().len(), 1);
    assert_eq!(
        trace["states"][0]["nodes"]["#map"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
