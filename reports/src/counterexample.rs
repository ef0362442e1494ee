//! The page of a counterexample: a way through a model, as a diagram of who did what, and what changed at each step.

use crate::escape::{short, visible, visible_lines, xml};
use crate::theme;
use askama::Template;
use std::fmt::Write;

/// A way through a model that breaks a law.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Of which cluster, within which bounds.
    pub title: String,
    /// What the bounds are.
    pub summary: String,
    /// The planted bug, if one was.
    pub mutant: Option<String>,
    /// The law that is broken at the end.
    pub property: String,
    /// What was seen of that.
    pub message: String,
    /// The command that walks it again.
    pub command: String,
    /// How many nodes there are.
    pub nodes: u8,
    /// How many clients.
    pub clients: usize,
    /// How each node shows itself at the beginning.
    pub shown: Vec<String>,
    /// The steps.
    pub moments: Vec<Moment>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Moment {
    /// In words.
    pub text: String,
    /// What it is.
    pub what: Happening,
    /// At which node, from 1; none where it is between two.
    pub at: Option<u8>,
    /// Whether the node dies in it.
    pub dies: bool,
    /// How each node showed itself before.
    pub before: Vec<String>,
    /// And after.
    pub after: Vec<String>,
}

/// What a step is.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// A message arrives.
    Arrives {
        /// From which node.
        from: u8,
        /// The step that sent it, from 1; 0 for one sent before the first.
        sent_by: usize,
    },
    /// A client asks.
    Asked {
        /// Which, from 1.
        client: usize,
    },
    /// A node dies and comes back.
    Dies,
    /// Something within a node, or between two.
    Inside,
}

#[derive(Template)]
#[template(path = "counterexample.html")]
struct Page {
    theme: String,
    style: &'static str,
    title: String,
    summary: String,
    mutant: Option<String>,
    property: String,
    message: String,
    command: String,
    steps: usize,
    diagram: String,
    rows: Vec<Row>,
}

struct Row {
    number: usize,
    text: String,
    changes: Vec<Change>,
}

/// How a node's description changed: words that went, and words that came.
struct Change {
    node: String,
    words: Vec<Word>,
}

struct Word {
    class: &'static str,
    text: String,
}

/// The most characters of a message from outside.
const CHARACTERS_MAX: usize = 4_000;
const LANE: f64 = 190.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 54.0;
const ROW: f64 = 38.0;
const LABEL_CHARACTERS_MAX: usize = 60;

/// The page. It stands alone.
pub fn page(counterexample: &Counterexample) -> Result<String, askama::Error> {
    let Counterexample {
        title,
        summary,
        mutant,
        property,
        message,
        command,
        moments,
        ..
    } = counterexample;
    let rows = moments.iter().enumerate().map(|(at, moment)| Row {
        number: at + 1,
        text: visible(&moment.text),
        changes: changes(moment),
    });
    Page {
        theme: theme::style(),
        style: include_str!("../templates/report.css"),
        title: visible(title),
        summary: visible(summary),
        mutant: mutant.as_deref().map(visible),
        property: visible(property),
        message: visible_lines(&message.chars().take(CHARACTERS_MAX).collect::<String>()),
        command: visible(command),
        steps: moments.len(),
        diagram: diagram(counterexample),
        rows: rows.collect(),
    }
    .render()
}

fn changes(moment: &Moment) -> Vec<Change> {
    let both = moment.before.iter().zip(&moment.after).enumerate();
    both.filter(|(_, (before, after))| before != after)
        .map(|(at, (before, after))| Change {
            node: format!("n{}", at + 1),
            words: difference(before, after),
        })
        .collect()
}

/// The words of both, those that went and those that came marked: what stays is a longest common row of words.
fn difference(before: &str, after: &str) -> Vec<Word> {
    let (before, after): (Vec<&str>, Vec<&str>) = (
        before.split_whitespace().collect(),
        after.split_whitespace().collect(),
    );
    let mut common = vec![vec![0usize; after.len() + 1]; before.len() + 1];
    for at in (0..before.len()).rev() {
        for to in (0..after.len()).rev() {
            common[at][to] = match before[at] == after[to] {
                true => common[at + 1][to + 1] + 1,
                false => common[at + 1][to].max(common[at][to + 1]),
            };
        }
    }
    let word = |class, text: &str| Word {
        class,
        text: visible(text),
    };
    let (mut at, mut to, mut words) = (0, 0, Vec::new());
    while at < before.len() || to < after.len() {
        if at < before.len() && to < after.len() && before[at] == after[to] {
            words.push(word("same", before[at]));
            (at, to) = (at + 1, to + 1);
        } else if to == after.len()
            || (at < before.len() && common[at + 1][to] >= common[at][to + 1])
        {
            words.push(word("gone", before[at]));
            at += 1;
        } else {
            words.push(word("new", after[to]));
            to += 1;
        }
    }
    words
}

/// Lanes from left to right, clients first; steps from top to bottom. A message leaves at the step that sent it and ends where it arrives.
fn diagram(counterexample: &Counterexample) -> String {
    let Counterexample {
        nodes,
        clients,
        moments,
        ..
    } = counterexample;
    let client = |number: usize| LEFT + LANE * (number as f64 - 0.5);
    let node = |number: u8| LEFT + LANE * (*clients as f64 + f64::from(number) - 0.5);
    let row = |number: usize| TOP + ROW * number as f64;
    let width = LEFT + LANE * (*clients as f64 + f64::from(*nodes)) + 200.0;
    let bottom = row(moments.len()) + ROW;
    let mut svg = format!(
        "<svg class=\"steps\" viewBox=\"0 0 {width:.0} {bottom:.0}\" style=\"min-width:{:.0}px\" role=\"img\" \
         aria-label=\"What happened, step by step\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0,0L8,4L0,8z\" fill=\"var(--accent)\"/></marker></defs>\n",
        width * 0.75
    );
    let lanes = (1..=*clients).map(|number| (client(number), format!("c{number}")));
    for (x, name) in lanes.chain((1..=*nodes).map(|number| (node(number), format!("n{number}")))) {
        let _ = writeln!(
            svg,
            "<text x=\"{x:.0}\" y=\"22\" text-anchor=\"middle\" font-weight=\"650\" fill=\"var(--ink)\">{name}</text>\
             <line x1=\"{x:.0}\" y1=\"32\" x2=\"{x:.0}\" y2=\"{bottom:.0}\" stroke=\"var(--line)\"/>"
        );
    }
    for (at, moment) in moments.iter().enumerate() {
        let (number, y) = (at + 1, row(at + 1));
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" font-size=\"12\" fill=\"var(--soft)\">{number}</text>",
            LEFT - 24.0,
            y + 4.0
        );
        let x = moment.at.map_or(LEFT, node);
        let came_from = match moment.what {
            Happening::Arrives { from, sent_by } => Some((node(from), row(sent_by))),
            Happening::Asked { client: number } => Some((client(number), y)),
            Happening::Dies | Happening::Inside => None,
        };
        if let Some((from, sent)) = came_from {
            let _ = writeln!(
                svg,
                "<line x1=\"{from:.0}\" y1=\"{sent:.0}\" x2=\"{x:.0}\" y2=\"{y:.0}\" stroke=\"var(--accent)\" stroke-width=\"1.4\" \
                 marker-end=\"url(#arrow)\"/>"
            );
        }
        let dies = moment.dies || matches!(moment.what, Happening::Dies);
        let mark = match dies {
            true => format!(
                "<path d=\"M{:.0},{:.0}l10,10m0,-10l-10,10\" stroke=\"var(--crash)\" stroke-width=\"2.4\" fill=\"none\"/>",
                x - 5.0,
                y - 5.0
            ),
            false => format!("<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"4\" fill=\"var(--ink)\"/>"),
        };
        let _ = writeln!(
            svg,
            "{mark}<text x=\"{:.0}\" y=\"{:.0}\" font-size=\"11.5\" fill=\"var(--ink)\" class=\"said\">{}</text>",
            x + 9.0,
            y - 5.0,
            xml(&short(label(&moment.text), LABEL_CHARACTERS_MAX))
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// What is said beside a mark: the step without the names that its lane shows already.
fn label(text: &str) -> &str {
    let behind = text.split_once(": ").map(|(_, rest)| rest);
    behind.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Counterexample {
        let nodes = |first: &str| vec![first.to_string(), "n2 follower @1".to_string()];
        Counterexample {
            title: "raft-cache crash".into(),
            summary: "2 nodes <b>".into(),
            mutant: Some("raft/vote-not-persisted".into()),
            property: "one-vote-a-term".into(),
            message: "n1 votes twice <script>alert(1)</script>".into(),
            command: "stormglass replay trace.json".into(),
            nodes: 2,
            clients: 1,
            shown: nodes("n1 follower @1"),
            moments: vec![
                Moment {
                    text: "c1 asks n1: write k 1".into(),
                    what: Happening::Asked { client: 1 },
                    at: Some(1),
                    dies: false,
                    before: nodes("n1 follower @1"),
                    after: nodes("n1 leader @1"),
                },
                Moment {
                    text: "n1 takes from n2: @1 Vote granted, and dies".into(),
                    what: Happening::Arrives {
                        from: 2,
                        sent_by: 1,
                    },
                    at: Some(1),
                    dies: true,
                    before: nodes("n1 leader @1"),
                    after: nodes("n1 follower @2"),
                },
            ],
        }
    }

    #[test]
    fn a_page_shows_every_step_and_what_changed() {
        let page = page(&sample()).unwrap();
        for wanted in [
            "one-vote-a-term",
            "c1 asks n1: write k 1",
            "<del>follower</del> <ins>leader</ins>",
            "marker-end",
            "var(--crash)",
        ] {
            assert!(page.contains(wanted), "{wanted} is missing in {page}");
        }
        assert_eq!(page.matches("<tr>").count(), 3, "a head and two steps");
    }

    #[test]
    fn what_comes_from_a_run_is_escaped() {
        let page = page(&sample()).unwrap();
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains("2 nodes <b>"));
    }

    #[test]
    fn words_that_stay_are_not_marked() {
        let words = difference("a b c", "a x c d");
        let marked: Vec<(&str, &str)> =
            words.iter().map(|word| (word.class, &*word.text)).collect();
        assert_eq!(
            marked,
            [
                ("same", "a"),
                ("gone", "b"),
                ("new", "x"),
                ("same", "c"),
                ("new", "d")
            ]
        );
    }
}
