//! A counterexample in the Informal Trace Format, which Apalache and Quint write and the viewers for it read.
//!
//! <https://apalache-mc.org/docs/adr/015adr-trace.html>. State 0 is the beginning, and each step leads to one more:
//!
//! | variable | what it is |
//! | --- | --- |
//! | `step` | how many steps led here |
//! | `action` | the last of them in words; empty at the beginning |
//! | `at` | the node it happened at; empty at the beginning and where it happened between two |
//! | `nodes` | how each node shows itself |
//! | `crashed` | the nodes that died in the step that led here, and came back with what their disks kept |

use crate::counterexample::{Counterexample, Happening, Moment};
use serde_json::{Value, json};

/// The counterexample as a file. `source` is the file that it is walked again from.
pub fn render(counterexample: &Counterexample, source: &str) -> String {
    let Counterexample {
        title,
        summary,
        mutant,
        property,
        message,
        command,
        moments,
        shown,
        ..
    } = counterexample;
    let planted = mutant.as_ref().map(|mutant| format!(" with {mutant}"));
    let description = format!(
        "{title}{}: {property}: {message}. Bounds: {summary}. Walk it again: {command}",
        planted.unwrap_or_default()
    );
    let first = state(0, "", None, false, shown);
    let rest = (1..).zip(moments).map(|(step, moment)| {
        let Moment {
            text,
            what,
            at,
            dies,
            after,
            ..
        } = moment;
        let dies = *dies || matches!(what, Happening::Dies);
        state(step, text, *at, dies, after)
    });
    let trace = json!({
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "source": source,
            "description": description,
            "varTypes": {
                "step": "Int",
                "action": "Str",
                "at": "Str",
                "nodes": "Str -> Str",
                "crashed": "Set(Str)",
            },
        },
        "vars": ["step", "action", "at", "nodes", "crashed"],
        "states": std::iter::once(first).chain(rest).collect::<Vec<_>>(),
    });
    format!("{trace:#}\n")
}

fn state(step: usize, action: &str, at: Option<u8>, dies: bool, shown: &[String]) -> Value {
    let at = at.map(|node| format!("n{node}"));
    let nodes: Vec<(String, &String)> = (1..)
        .zip(shown)
        .map(|(node, shown)| (format!("n{node}"), shown))
        .collect();
    let crashed: Vec<&String> = at.iter().filter(|_| dies).collect();
    json!({
        "#meta": {"index": step},
        "step": {"#bigint": step.to_string()},
        "action": action,
        "at": at.clone().unwrap_or_default(),
        "nodes": {"#map": nodes},
        "crashed": {"#set": crashed},
    })
}
