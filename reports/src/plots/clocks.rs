//! How far each node's clocks were off over time.

use super::strokes::{STROKES, Stroke};
use super::table::Table;
use super::{HEIGHT, LegendEntry, Plot, assemble, builder, failed, mesh, seconds};
use crate::bands::Band;
use crate::behaviour::{BentClock, ClockPoint, Clocks, NodeClock};
use crate::error::ReportError;
use crate::theme::{Colour, named};
use crate::timeline::WIDTH;
use crate::units::{duration, moment};
use plotters::prelude::*;

/// The most rows of the table.
const ROWS_MAX: usize = 200;

/// Which of a node's clocks.
#[derive(Clone, Copy)]
struct Face {
    name: &'static str,
    label: &'static str,
    of_point: fn(&ClockPoint) -> i64,
    of_bend: fn(&BentClock) -> i64,
}

const FACES: [Face; 2] = [
    Face {
        name: "wall-clocks",
        label: "How far each node's wall clock was ahead or behind over time",
        of_point: |point| point.wall_ns,
        of_bend: |bend| bend.wall_ns,
    },
    Face {
        name: "monotonic-clocks",
        label: "How far each node's monotonic clock was ahead or behind over time",
        of_point: |point| point.monotonic_ns,
        of_bend: |bend| bend.monotonic_ns,
    },
];

/// A plot for each kind of clock that was off; none when no clock was bent.
pub(crate) fn clocks(clocks: &Clocks) -> Result<Vec<Plot>, ReportError> {
    let is_off = |face: &Face| {
        let mut points = clocks.nodes.iter().flat_map(|node| &node.points);
        points.any(|point| (face.of_point)(point) != 0)
    };
    let faces = FACES.into_iter().filter(|face| is_off(face));
    faces.map(|face| plot(clocks, face)).collect()
}

fn plot(clocks: &Clocks, face: Face) -> Result<Plot, ReportError> {
    let span = clocks.ended_ns.max(1) as f64 / 1e9;
    let heights = clocks
        .nodes
        .iter()
        .flat_map(|node| &node.points)
        .map(|point| height((face.of_point)(point)));
    let (low, high) = heights.fold((0.0, 0.0), |(low, high): (f64, f64), height| {
        (low.min(height), high.max(height))
    });
    let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
    let mut chart = String::new();
    let (mut marks, mut legend) = (String::new(), Vec::new());
    {
        let root = SVGBackend::with_string(&mut chart, (WIDTH as u32, HEIGHT)).into_drawing_area();
        let mut axes = builder(&root)
            .build_cartesian_2d(0.0..span, low..high)
            .map_err(failed)?;
        // Every step has a label while there is room, every second when there is not.
        let steps = (high - low) as usize;
        let labels = if steps > 9 { steps / 2 } else { steps };
        mesh(&mut axes, &seconds(span), labels + 1, &|height| {
            tick(*height)
        })?;

        for (slot, node) in clocks.nodes.iter().enumerate() {
            let (stroke, colour) = (Stroke::of(slot % STROKES), colour(slot));
            let place = |at_ns: u64, off_ns: i64| {
                let (x, y) = axes.backend_coord(&(at_ns as f64 / 1e9, height(off_ns)));
                (f64::from(x), f64::from(y))
            };
            let offsets: Vec<(u64, i64)> = node
                .points
                .iter()
                .map(|point| (point.at_ns, (face.of_point)(point)))
                .collect();
            let line = curved(&offsets).into_iter();
            let line = line.map(|(at_ns, off_ns)| place(at_ns, off_ns));
            marks.push_str(&stroke.line(&[columns(line)], colour));
            let own = clocks.bends.iter().filter(|bend| bend.node == node.node);
            let moments = own.flat_map(|bend| [bend.from_ns, bend.until_ns]);
            let signs: Vec<(f64, f64)> = moments
                .map(|at_ns| place(at_ns, at(node, at_ns, face)))
                .collect();
            marks.push_str(&stroke.points(signs.iter(), colour));
            legend.push(LegendEntry {
                colour: colour.name,
                mark: stroke.key(),
                text: format!("{} {}", stroke.sign(), node.node),
            });
        }
        root.present().map_err(failed)?;
    }
    Ok(Plot {
        name: face.name,
        svg: assemble(&chart, face.label, &bands(clocks), span, &marks),
        legend,
        table: table(clocks, face),
    })
}

fn colour(slot: usize) -> Colour {
    const NAMES: [&str; 6] = [
        "series-1", "series-4", "series-3", "series-2", "series-5", "series-6",
    ];
    named(NAMES[slot % NAMES.len()])
}

/// Where an offset stands: a millisecond is one high, and each step up is ten times as much. Less than a millisecond is shown as it is.
fn height(off_ns: i64) -> f64 {
    let ms = off_ns as f64 / 1e6;
    if ms.abs() < 1.0 {
        ms
    } else {
        ms.signum() * (ms.abs().log10() + 1.0)
    }
}

fn tick(height: f64) -> String {
    let ms = if height.abs() < 1.0 {
        height.abs()
    } else {
        10f64.powf(height.abs() - 1.0)
    };
    signed((ms * height.signum() * 1e6).round() as i64)
}

/// An offset: `+1.25 s`, `−3.0 ms`, `0`.
fn signed(off_ns: i64) -> String {
    let length = match off_ns.unsigned_abs() {
        0 => return "0".to_string(),
        round if round.is_multiple_of(1_000_000_000) => format!("{} s", round / 1_000_000_000),
        round if round < 1_000_000_000 && round.is_multiple_of(1_000_000) => {
            format!("{} ms", round / 1_000_000)
        }
        length_ns => duration(length_ns),
    };
    let sign = if off_ns < 0 { '\u{2212}' } else { '+' };
    format!("{sign}{length}")
}

/// How far a clock was off at a moment at which something began or ended, when that was done.
fn at(node: &NodeClock, at_ns: u64, face: Face) -> i64 {
    let seen = node.points.partition_point(|point| point.at_ns <= at_ns);
    let last = seen.checked_sub(1).and_then(|last| node.points.get(last));
    last.map_or(0, face.of_point)
}

/// Points between the corners where a clock is off more and more: what is even in time is a curve on this scale.
fn curved(corners: &[(u64, i64)]) -> Vec<(u64, i64)> {
    const PARTS: i128 = 16;
    let mut line: Vec<(u64, i64)> = corners.first().copied().into_iter().collect();
    for pair in corners.windows(2) {
        let ((from_ns, low), (until_ns, high)) = (pair[0], pair[1]);
        let parts = if until_ns > from_ns && high != low {
            PARTS
        } else {
            1
        };
        for part in 1..=parts {
            let along = |from: i128, until: i128| from + (until - from) * part / parts;
            let at_ns = along(from_ns.into(), until_ns.into());
            let off_ns = along(low.into(), high.into());
            // Both lie between two numbers of their own kind.
            line.push((at_ns as u64, off_ns as i64));
        }
    }
    line
}

/// A line of which no column of the drawing holds more than four points: where it enters, its ends, and where it leaves. A clock that
/// jumps to and fro a thousand times is a bar, whether each jump is drawn or not.
fn columns(line: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut drawn: Vec<(f64, f64)> = Vec::new();
    let mut column: Vec<f64> = Vec::new();
    let mut at = f64::NAN;
    let mut close = |at: f64, column: &mut Vec<f64>| {
        if let [first, .., last] = column[..] {
            let low = column.iter().copied().fold(first, f64::min);
            let high = column.iter().copied().fold(first, f64::max);
            let mut heights = vec![first, low, high, last];
            heights.dedup();
            drawn.extend(heights.into_iter().map(|y| (at, y)));
        } else {
            drawn.extend(column.iter().map(|y| (at, *y)));
        }
        column.clear();
    };
    for (x, y) in line {
        if x != at {
            close(at, &mut column);
            at = x;
        }
        column.push(y);
    }
    close(at, &mut column);
    drawn
}

/// One band for each fault.
fn bands(clocks: &Clocks) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for bend in &clocks.bends {
        match bands.last_mut() {
            Some(last) if last.id == bend.fault => {
                last.nodes.push_str(&format!(" {}", bend.node));
            }
            _ => bands.push(Band {
                id: bend.fault,
                kind: bend.kind,
                from_ns: bend.from_ns,
                until_ns: bend.until_ns,
                nodes: bend.node.to_string(),
                certain: true,
                row: 0,
            }),
        }
    }
    bands
}

fn table(clocks: &Clocks, face: Face) -> Table {
    let mut table = Table::new(&["node", "fault", "kind", "from", "until", "greatest offset"]);
    for bend in clocks.bends.iter().take(ROWS_MAX) {
        table.rows.push(vec![
            bend.node.to_string(),
            bend.fault.to_string(),
            bend.kind.name().to_string(),
            moment(bend.from_ns),
            moment(bend.until_ns),
            signed((face.of_bend)(bend)),
        ]);
    }
    let left_out = clocks.bends.len().saturating_sub(ROWS_MAX);
    if left_out > 0 {
        let mut last = vec![format!("and {left_out} more")];
        last.resize(table.head.len(), String::new());
        table.rows.push(last);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_up_is_ten_times_as_much_and_its_tick_says_how_much() {
        let ms = 1_000_000;
        let heights = [0, ms / 2, ms, 10 * ms, -100 * ms, 1_000 * ms].map(height);
        let wanted = [0.0, 0.5, 1.0, 2.0, -3.0, 4.0];
        for (height, wanted) in heights.iter().zip(wanted) {
            assert!((height - wanted).abs() < 1e-9, "{heights:?}");
        }
        assert_eq!(
            [0.0, 1.0, 2.0, -3.0, 4.0, 7.0].map(tick),
            ["0", "+1 ms", "+10 ms", "\u{2212}100 ms", "+1 s", "+1000 s"]
        );
        assert_eq!(
            [1_500 * ms, -ms / 2].map(signed),
            ["+1.50 s", "\u{2212}500 \u{b5}s"]
        );
    }

    #[test]
    fn what_is_even_in_time_has_points_on_its_way_and_a_jump_has_none() {
        let line = curved(&[(0, 0), (0, 500), (160, 660), (200, 660)]);
        assert_eq!(line.len(), 1 + 1 + 16 + 1);
        assert_eq!(
            [line[1], line[2], line[10], line[17], line[18]],
            [(0, 500), (10, 510), (90, 590), (160, 660), (200, 660)]
        );
    }

    #[test]
    fn a_column_holds_four_points_at_most() {
        let strobe = (0..1_000).map(|turn| (5.0, if turn % 2 == 0 { 0.0 } else { 9.0 }));
        let line = [(4.0, 1.0)]
            .into_iter()
            .chain(strobe)
            .chain([(6.0, 2.0), (6.0, 2.0)]);
        assert_eq!(
            columns(line),
            [(4.0, 1.0), (5.0, 0.0), (5.0, 9.0), (6.0, 2.0)]
        );
    }
}
