//! The page of a counterexample: a way through a model, as a diagram of who did what, and what changed at each step.

use crate::escape::{visible, visible_lines};
use crate::page::PLAIN_SCRIPT;
use crate::spacetime::{Arrow, Diagram, Lane, Mark, Point, Row, Style, draw};
use crate::theme;
use askama::Template;

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
    script: &'static str,
    title: String,
    summary: String,
    mutant: Option<String>,
    property: String,
    message: String,
    command: String,
    steps: usize,
    diagram: String,
    rows: Vec<Step>,
}

struct Step {
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
/// How far a step is below the one before.
const ROW: f64 = 38.0;

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
    let rows = moments.iter().enumerate().map(|(at, moment)| Step {
        number: at + 1,
        text: visible(&moment.text),
        changes: changes(moment),
    });
    Page {
        theme: theme::style(),
        style: include_str!("../templates/report.css"),
        script: PLAIN_SCRIPT,
        title: visible(title),
        summary: visible(summary),
        mutant: mutant.as_deref().map(visible),
        property: visible(property),
        message: visible_lines(&message.chars().take(CHARACTERS_MAX).collect::<String>()),
        command: visible(command),
        steps: moments.len(),
        diagram: draw(&diagram(counterexample), "What happened, step by step"),
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

/// Clients first, then nodes; a step a row. A message leaves its sender at the step that sent it and ends where it arrives.
fn diagram(counterexample: &Counterexample) -> Diagram {
    let Counterexample {
        nodes,
        clients,
        moments,
        ..
    } = counterexample;
    let lane = |name: String, is_client| Lane { name, is_client };
    let lanes = (1..=*clients).map(|number| lane(format!("c{number}"), true));
    let lanes = lanes.chain((1..=*nodes).map(|number| lane(format!("n{number}"), false)));
    let node = |number: u8| clients + usize::from(number.max(1)) - 1;
    let mut diagram = Diagram {
        lanes: lanes.collect(),
        ..Diagram::default()
    };
    // What was sent when the nodes booted leaves from above the first step.
    let rows = (0..=moments.len()).map(|number| Row {
        label: match number {
            0 => String::new(),
            number => number.to_string(),
        },
        below: if number == 0 { 0.0 } else { ROW },
    });
    diagram.rows.extend(rows);
    for (at, moment) in moments.iter().enumerate() {
        let row = at + 1;
        let text = label(&moment.text).to_string();
        let came_from = match moment.what {
            Happening::Arrives { from, sent_by } => Some((node(from), sent_by, Style::Plain)),
            Happening::Asked { client } => Some((client.max(1) - 1, row, Style::Asked)),
            Happening::Dies | Happening::Inside => None,
        };
        let Some(number) = moment.at else {
            diagram.notes.push((row, "fault", moment.text.clone()));
            continue;
        };
        let lane = node(number);
        if let Some((from, sent, style)) = came_from {
            diagram.arrows.push(Arrow {
                from,
                sent: sent.min(row),
                to: lane,
                arrives: vec![row],
                style,
                text: moment.text.clone(),
                story: String::new(),
            });
        }
        let dies = moment.dies || matches!(moment.what, Happening::Dies);
        let mark = if dies { Mark::Dies } else { Mark::Dot };
        diagram.points.push(Point {
            lane,
            row,
            mark,
            text,
        });
    }
    diagram.notes.push((
        moments.len(),
        "broke",
        format!("{} is broken", counterexample.property),
    ));
    diagram
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
            "class=\"dies\"",
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
