//! What was said around the moment at which something broke, as a space-time diagram.

use crate::escape::short;
use crate::spacetime::{Arrow, Diagram, Lane, Mark, Point, Row, Style, draw};
use crate::timeline::Scene;
use crate::units::{count, duration, moment};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_impls::wire::Party;
use stormglass_nemesis::record::{Record, Violation};
use stormglass_nemesis::wiretap::{Fate, Letter, Messages};

/// The most letters that are drawn.
const LETTERS_MAX: usize = 170;

/// The most characters of a text in the drawing.
const TEXT_CHARACTERS_MAX: usize = 120;

/// The diagram and what must be said of it.
pub(crate) struct Conversation {
    pub(crate) svg: String,
    /// How much of it is not drawn; empty when all is.
    pub(crate) left_out: String,
}

/// Draws what was said. None when nothing was heard.
pub(crate) fn conversation(
    messages: &Messages,
    scene: &Scene<'_>,
    record: &Record,
    violations: &[Violation],
) -> Option<Conversation> {
    let clients = talkers(scene);
    let is_shown = |letter: &&Letter| match (letter.from, letter.to) {
        (Party::Client(client), _) | (_, Party::Client(client)) => {
            clients.contains(&u64::from(client.0))
        }
        _ => true,
    };
    let broke_ns = scene.marks.first().map_or(u64::MAX, |mark| mark.time_ns);
    // What was said after it broke explains nothing.
    let before = |letter: &&Letter| letter.sent_ns <= broke_ns;
    let heard: Vec<&Letter> = messages
        .letters
        .iter()
        .filter(is_shown)
        .filter(before)
        .collect();
    let letters = telling(&heard);
    let from_ns = letters.iter().map(|letter| letter.sent_ns).min()?;
    let mut sketch = Sketch::new(scene.nodes, &clients);
    for letter in &letters {
        sketch.say(letter);
    }
    sketch.happen(from_ns, messages, scene, record);
    for violation in violations.iter().take(3) {
        sketch.mark(
            violation.time_ns,
            violation.node.map(Party::Node),
            Mark::Broke,
            format!("breaks {}", violation.name),
        );
    }
    let left_out = heard.len() - letters.len();
    let unheard = messages.left_out;
    Some(Conversation {
        svg: draw(
            &sketch.finish(),
            "Messages between clients and nodes around what broke",
        ),
        left_out: if left_out == 0 && unheard == 0 {
            String::new()
        } else {
            format!(
                "{} of {} messages before it broke are drawn: the last of those that were lost or late and of those with clients, and the last of all others. The rest is in messages.json{}.",
                count(letters.len() as u64),
                count(heard.len() as u64 + unheard),
                match unheard {
                    0 => String::new(),
                    more => format!(", but for the first {}", count(more)),
                }
            )
        },
    })
}

/// The clients whose operations collide.
fn talkers(scene: &Scene<'_>) -> BTreeSet<u64> {
    let collide = scene
        .calls
        .iter()
        .filter(|call| scene.culprits.contains(&call.position));
    collide.map(|call| call.client).collect()
}

/// The letters that tell most, in their order: what was lost or late and what clients said comes first, then the last of the others.
fn telling<'a>(heard: &[&'a Letter]) -> Vec<&'a Letter> {
    let tells = |letter: &Letter| {
        let is_between_nodes = matches!((letter.from, letter.to), (Party::Node(_), Party::Node(_)));
        !is_between_nodes || letter.fate != Fate::Passed || letter.arrived_ns.is_empty()
    };
    let latest = |wanted: bool, most: usize| {
        let fitting = heard.iter().enumerate().rev();
        fitting
            .filter(move |(_, letter)| tells(letter) == wanted)
            .map(|(at, _)| at)
            .take(most)
    };
    let mut chosen: BTreeSet<usize> = latest(true, LETTERS_MAX * 2 / 3).collect();
    let room = LETTERS_MAX - chosen.len();
    chosen.extend(latest(false, room).collect::<Vec<_>>());
    chosen.into_iter().map(|at| heard[at]).collect()
}

/// A diagram whose rows are still moments, in nanoseconds.
struct Sketch {
    lanes: BTreeMap<Party, usize>,
    diagram: Diagram,
    times: BTreeSet<u64>,
    arrows: Vec<(Arrow, u64, Vec<u64>)>,
    points: Vec<(Point, u64)>,
    gaps: Vec<(usize, u64, u64)>,
    notes: Vec<(u64, &'static str, String)>,
}

impl Sketch {
    fn new(nodes: u8, clients: &BTreeSet<u64>) -> Self {
        let clients = clients.iter().filter_map(|client| {
            let id = u32::try_from(*client).ok()?;
            Some((
                Party::Client(stormglass_impls::contract::ClientId(id)),
                format!("client {client}"),
            ))
        });
        let nodes = NodeId::all(nodes).map(|node| (Party::Node(node), node.to_string()));
        let mut sketch = Self {
            lanes: BTreeMap::new(),
            diagram: Diagram::default(),
            times: BTreeSet::new(),
            arrows: Vec::new(),
            points: Vec::new(),
            gaps: Vec::new(),
            notes: Vec::new(),
        };
        for (party, name) in clients.chain(nodes) {
            sketch.lanes.insert(party, sketch.diagram.lanes.len());
            let is_client = matches!(party, Party::Client(_));
            sketch.diagram.lanes.push(Lane { name, is_client });
        }
        sketch
    }

    fn say(&mut self, letter: &Letter) {
        let (Some(from), Some(to)) = (self.lanes.get(&letter.from), self.lanes.get(&letter.to))
        else {
            return;
        };
        let is_between_nodes = matches!((letter.from, letter.to), (Party::Node(_), Party::Node(_)));
        let arrived = !letter.arrived_ns.is_empty();
        let style = match letter.fate {
            Fate::Cut | Fate::Lost | Fate::Reset | Fate::Corrupted | Fate::Unsent => Style::Lost,
            _ if !arrived => Style::Gone,
            Fate::Slowed | Fate::Held | Fate::Reordered => Style::Late,
            Fate::Passed | Fate::Duplicated if is_between_nodes => Style::Plain,
            Fate::Passed | Fate::Duplicated => Style::Asked,
        };
        let arrow = Arrow {
            from: *from,
            sent: 0,
            to: *to,
            arrives: Vec::new(),
            style,
            text: short(&letter.text, TEXT_CHARACTERS_MAX),
            story: story(letter),
        };
        self.times.insert(letter.sent_ns);
        self.times.extend(&letter.arrived_ns);
        self.arrows
            .push((arrow, letter.sent_ns, letter.arrived_ns.clone()));
    }

    fn mark(&mut self, time_ns: u64, party: Option<Party>, mark: Mark, text: String) {
        self.times.insert(time_ns);
        match party.and_then(|party| self.lanes.get(&party)) {
            Some(lane) => {
                let (lane, row) = (*lane, 0);
                self.points.push((
                    Point {
                        lane,
                        row,
                        mark,
                        text,
                    },
                    time_ns,
                ));
            }
            None => self.notes.push((time_ns, "broke", text)),
        }
    }

    /// What happened to nodes and clients from then on, besides what they said.
    fn happen(&mut self, from_ns: u64, messages: &Messages, scene: &Scene<'_>, record: &Record) {
        let within = |time_ns: u64| (from_ns..=messages.until_ns).contains(&time_ns);
        for (time_ns, node) in &messages.boots {
            if within(*time_ns) {
                let node = Some(Party::Node(*node));
                self.mark(*time_ns, node, Mark::Boots, "starts".to_string());
            }
        }
        for outage in &scene.outages {
            let until_ns = outage.until_ns.min(messages.until_ns.min(scene.ended_ns));
            let party = Party::Node(outage.node);
            if within(outage.from_ns) {
                self.mark(outage.from_ns, Some(party), Mark::Dies, "stops".to_string());
            }
            let begins_ns = outage.from_ns.max(from_ns);
            if let (Some(lane), true) = (self.lanes.get(&party), begins_ns < until_ns) {
                self.gaps.push((*lane, begins_ns, until_ns));
                self.times.extend([begins_ns, until_ns]);
            }
        }
        for fact in record.facts.iter().filter(|fact| within(fact.time_ns)) {
            let text = match fact.fact {
                Fact::BecameLeader { epoch } => format!("leads term {epoch}"),
                Fact::SteppedDown { epoch } => format!("steps down from term {epoch}"),
                Fact::Campaigned { epoch } => format!("stands in term {epoch}"),
                Fact::Voted { epoch, candidate } if candidate != fact.node => {
                    format!("votes for {candidate} in term {epoch}")
                }
                _ => continue,
            };
            self.mark(fact.time_ns, Some(Party::Node(fact.node)), Mark::Dot, text);
        }
        for band in &scene.bands {
            let name = format!("{} {}", band.kind.name(), band.nodes);
            for (time_ns, what) in [(band.from_ns, "begins"), (band.until_ns, "ends")] {
                if within(time_ns) && time_ns < scene.ended_ns {
                    self.times.insert(time_ns);
                    self.notes
                        .push((time_ns, "fault", format!("{name} {what}")));
                }
            }
        }
        let collide = scene
            .calls
            .iter()
            .filter(|call| scene.culprits.contains(&call.position));
        for call in collide {
            let client = u32::try_from(call.client).unwrap_or(u32::MAX);
            let party = Some(Party::Client(stormglass_impls::contract::ClientId(client)));
            let words = format!(
                "calls {} {} {}",
                call.invoke.f,
                call.invoke.key.as_deref().unwrap_or_default(),
                call.argument()
            );
            // What was called long before stands at the top: it is a part of the story.
            self.mark(
                call.called_ns(),
                party,
                Mark::Dot,
                short(&words, TEXT_CHARACTERS_MAX),
            );
            if let Some(event) = call.completion {
                self.mark(
                    event.time,
                    party,
                    Mark::Dot,
                    format!("gets {}", call.result()),
                );
            }
        }
        for mark in scene.marks.iter().take(1) {
            self.times.insert(mark.time_ns);
            self.notes
                .push((mark.time_ns, "broke", "here it is broken".to_string()));
        }
    }

    /// The diagram: a row for each moment, those that follow closely one after the other closely one below the other.
    fn finish(mut self) -> Diagram {
        let mut row_of = BTreeMap::new();
        let mut before_ns = None;
        for time_ns in &self.times {
            let below = before_ns.map_or(12.0, |before: u64| {
                ((time_ns - before) as f64 / 1e6 * 5.0).clamp(2.5, 24.0)
            });
            before_ns = Some(*time_ns);
            row_of.insert(*time_ns, self.diagram.rows.len());
            self.diagram.rows.push(Row {
                label: moment(*time_ns),
                below,
            });
        }
        for (mut arrow, sent_ns, arrived_ns) in self.arrows {
            arrow.sent = row_of[&sent_ns];
            arrow.arrives = arrived_ns.iter().map(|time_ns| row_of[time_ns]).collect();
            self.diagram.arrows.push(arrow);
        }
        self.points.sort_by_key(|(_, time_ns)| *time_ns);
        for (mut point, time_ns) in self.points {
            point.row = row_of[&time_ns];
            self.diagram.points.push(point);
        }
        for (lane, from_ns, until_ns) in self.gaps {
            let gap = (lane, row_of[&from_ns], row_of[&until_ns]);
            self.diagram.gaps.push(gap);
        }
        self.notes.sort_by_key(|(time_ns, ..)| *time_ns);
        for (time_ns, class, text) in self.notes {
            self.diagram.notes.push((row_of[&time_ns], class, text));
        }
        self.diagram
    }
}

/// What became of a letter, in words.
fn story(letter: &Letter) -> String {
    let sent = moment(letter.sent_ns);
    let arrived = |word: &str| match letter.arrived_ns.as_slice() {
        [] => format!(
            "(sent at {sent}{word}; it did not arrive: its connection or its receiver was gone, or the trial ended)"
        ),
        [once] => format!(
            "(sent at {sent}, arrived after {}{word})",
            duration(once.saturating_sub(letter.sent_ns))
        ),
        [once, .., last] => format!(
            "(sent at {sent}, arrived after {} and again after {}{word})",
            duration(once.saturating_sub(letter.sent_ns)),
            duration(last.saturating_sub(letter.sent_ns))
        ),
    };
    match letter.fate {
        Fate::Unsent => format!("(at {sent}: there was no connection)"),
        Fate::Cut => format!("(sent at {sent}, cut by a partition)"),
        Fate::Lost => format!("(sent at {sent}, lost)"),
        Fate::Reset => format!("(sent at {sent}, lost with its connection)"),
        Fate::Corrupted => format!("(sent at {sent}, damaged on its way)"),
        Fate::Passed => arrived(""),
        Fate::Slowed => arrived(", slowed"),
        Fate::Held => arrived(", held"),
        Fate::Reordered => arrived(", overtaken"),
        Fate::Duplicated => arrived(", sent twice"),
    }
}
