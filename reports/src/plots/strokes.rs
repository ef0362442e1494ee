//! Lines that differ in dash and in mark, and so can be told apart without their colours.

use crate::theme::Colour;
use std::fmt::Write;

/// How one line looks besides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stroke {
    /// Lengths of ink and gap; nothing is one ink.
    pub(crate) dash: &'static str,
    pub(crate) mark: Mark,
}

/// The shape of the points of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    Circle,
    Square,
    Diamond,
    Triangle,
    Cross,
}

const DASHES: [&str; 5] = ["", "7 3", "2 3", "9 3 2 3", "5 2"];

const MARKS: [Mark; 5] = [
    Mark::Circle,
    Mark::Square,
    Mark::Diamond,
    Mark::Triangle,
    Mark::Cross,
];

/// How many strokes there are that differ.
pub(crate) const STROKES: usize = DASHES.len() * MARKS.len();

impl Stroke {
    /// The stroke of a line by its number: the first five differ in both, the first twenty-five in one of the two.
    pub(crate) fn of(slot: usize) -> Self {
        Self {
            dash: DASHES[(slot + slot / MARKS.len()) % DASHES.len()],
            mark: MARKS[slot % MARKS.len()],
        }
    }

    /// The line as one path. A broken line has several runs; points are in units of the drawing.
    pub(crate) fn line(self, runs: &[Vec<(f64, f64)>], colour: Colour) -> String {
        let mut path = String::new();
        for run in runs {
            for (place, (x, y)) in run.iter().enumerate() {
                let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
            }
        }
        let dash = match self.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        format!(
            "<path class=\"stroke\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"{dash} d=\"{path}\"/>\n",
            colour.variable()
        )
    }

    /// Its points as one path.
    pub(crate) fn points<'a>(
        self,
        points: impl Iterator<Item = &'a (f64, f64)>,
        colour: Colour,
    ) -> String {
        let mut path = String::new();
        for (x, y) in points {
            let _ = match self.mark {
                // A line of no length with round ends.
                Mark::Circle => write!(path, "M{x:.1} {y:.1}h0"),
                Mark::Square => write!(path, "M{:.1} {:.1}h5v5h-5z", x - 2.5, y - 2.5),
                Mark::Diamond => write!(path, "M{:.1} {y:.1}l3.5 -3.5l3.5 3.5l-3.5 3.5z", x - 3.5),
                Mark::Triangle => write!(path, "M{:.1} {:.1}l3.5 -6l3.5 6z", x - 3.5, y + 3.0),
                Mark::Cross => write!(path, "M{:.1} {:.1}l6 6m-6 0l6 -6", x - 3.0, y - 3.0),
            };
        }
        let colour = colour.variable();
        let style = match self.mark {
            Mark::Circle => format!(
                "fill=\"none\" stroke=\"{colour}\" stroke-width=\"5.5\" stroke-linecap=\"round\""
            ),
            Mark::Cross => format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\""),
            Mark::Square | Mark::Diamond | Mark::Triangle => {
                format!("fill=\"{colour}\" stroke=\"none\"")
            }
        };
        format!("<path class=\"marks\" {style} d=\"{path}\"/>\n")
    }

    /// Its mark in a legend.
    pub(crate) fn sign(self) -> char {
        match self.mark {
            Mark::Circle => '\u{25cf}',
            Mark::Square => '\u{25a0}',
            Mark::Diamond => '\u{25c6}',
            Mark::Triangle => '\u{25b2}',
            Mark::Cross => '\u{d7}',
        }
    }

    /// The class of its line in a legend.
    pub(crate) fn key(self) -> &'static str {
        match self.dash {
            "" => "line",
            "7 3" => "line dashed",
            "2 3" => "line dotted",
            "9 3 2 3" => "line dash-dotted",
            _ => "line close-dashed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Who sees no colours tells lines by these two.
    #[test]
    fn no_two_strokes_are_alike_and_the_first_differ_in_both_ways() {
        let all: BTreeSet<Stroke> = (0..STROKES).map(Stroke::of).collect();
        assert_eq!(all.len(), STROKES);
        let first: Vec<Stroke> = (0..5).map(Stroke::of).collect();
        for (at, stroke) in first.iter().enumerate() {
            let alike = |other: &Stroke| other.dash == stroke.dash || other.mark == stroke.mark;
            assert!(!first[..at].iter().any(alike), "{stroke:?}");
        }
        let keys: BTreeSet<&str> = first.iter().map(|stroke| stroke.key()).collect();
        assert_eq!(keys.len(), 5, "each has its own line in a legend");
    }

    #[test]
    fn a_broken_line_is_one_path() {
        let runs = [vec![(1.0, 2.0), (3.0, 4.0)], vec![(5.0, 6.0)]];
        let line = Stroke::of(1).line(&runs, crate::theme::named("ink"));
        assert_eq!(line.matches("<path").count(), 1);
        assert!(
            line.contains("d=\"M1.0 2.0L3.0 4.0M5.0 6.0\"")
                && line.contains("stroke-dasharray=\"7 3\""),
            "{line}"
        );
        let points = Stroke::of(0).points(runs.iter().flatten(), crate::theme::named("ink"));
        assert!(
            points.contains("d=\"M1.0 2.0h0M3.0 4.0h0M5.0 6.0h0\""),
            "{points}"
        );
    }
}
