//! Several lines over real time: what a campaign did, second by second.

use super::strokes::{STROKES, Stroke};
use super::table::{ROWS_MAX, Table};
use super::{HEIGHT, LegendEntry, Plot, assemble, builder, failed, mesh};
use crate::error::ReportError;
use crate::escape::short;
use crate::theme::{Colour, named};
use crate::timeline::WIDTH;
use crate::units::count;
use plotters::prelude::*;

/// The most lines. The legend of more would be longer than the plot.
pub(crate) const LINES_MAX: usize = 12;

/// The most points of a line that are drawn.
const POINTS_MAX: usize = 400;

/// The most points with a mark of their own.
const MARKS_MAX: usize = 24;

/// One line: its name, and its points by seconds.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The plot; none where nothing is to be drawn.
pub(crate) fn lines(
    name: &'static str,
    label: &str,
    unit: &str,
    lines: &[Line],
) -> Result<Option<Plot>, ReportError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let sound = |number: f64| number.is_finite() && number >= 0.0;
    if points().next().is_none() || !points().all(|(at, y)| sound(*at) && sound(*y)) {
        return Ok(None);
    }
    let span = points().map(|(at, _)| *at).fold(1e-3, f64::max);
    let high = points().map(|(_, y)| *y).fold(1.0, f64::max) * 1.06;
    let mut chart = String::new();
    let (mut marks, mut legend) = (String::new(), Vec::new());
    {
        let root = SVGBackend::with_string(&mut chart, (WIDTH as u32, HEIGHT)).into_drawing_area();
        let mut axes = builder(&root)
            .build_cartesian_2d(0.0..span, 0.0..high)
            .map_err(failed)?;
        mesh(&mut axes, &clock(span), 6, &|y| {
            if high < 10.0 {
                format!("{y:.1}")
            } else {
                count(y.round() as u64)
            }
        })?;
        for (slot, line) in lines.iter().take(LINES_MAX).enumerate() {
            let (stroke, colour) = (Stroke::of(slot % STROKES), colour(slot));
            let place = |(at, y): &(f64, f64)| {
                let (x, y) = axes.backend_coord(&(*at, *y));
                (f64::from(x), f64::from(y))
            };
            let drawn: Vec<_> = thinned(&line.points, POINTS_MAX).map(place).collect();
            let marked: Vec<_> = thinned(&line.points, MARKS_MAX).map(place).collect();
            marks.push_str(&stroke.line(&[drawn], colour));
            marks.push_str(&stroke.points(marked.iter(), colour));
            legend.push(LegendEntry {
                colour: colour.name,
                mark: stroke.key(),
                text: format!("{} {}", stroke.sign(), short(&line.name, 60)),
            });
        }
        root.present().map_err(failed)?;
    }
    let mut table = Table::new(&["what", "after", unit]);
    let share = ROWS_MAX / lines.len().clamp(1, LINES_MAX);
    for line in lines.iter().take(LINES_MAX) {
        for (at, y) in thinned(&line.points, share.max(2)) {
            let y = if high < 10.0 {
                format!("{y:.1}")
            } else {
                count(y.round() as u64)
            };
            let at = clock(span)(at);
            table.rows.push(vec![short(&line.name, 60), at, y]);
        }
    }
    Ok(Some(Plot {
        name,
        svg: assemble(&chart, label, &[], span, &marks),
        legend,
        table,
    }))
}

/// Evenly many of the points, the last one among them.
fn thinned(points: &[(f64, f64)], most: usize) -> impl Iterator<Item = &(f64, f64)> {
    let every = points.len().div_ceil(most.max(1)).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate();
    kept.filter(move |(at, _)| at % every == 0 || *at == last)
        .map(|(_, point)| point)
}

/// A time since the beginning, in the unit that fits the whole.
fn clock(span: f64) -> impl Fn(&f64) -> String {
    move |seconds| match span {
        long if long >= 7_200.0 => format!("{:.1} h", seconds / 3_600.0),
        long if long >= 300.0 => format!("{:.1} min", seconds / 60.0),
        long if long >= 8.0 => format!("{seconds:.0} s"),
        _ => format!("{seconds:.2} s"),
    }
}

fn colour(slot: usize) -> Colour {
    const NAMES: [&str; 6] = [
        "series-1", "series-2", "series-3", "series-4", "series-5", "series-6",
    ];
    named(NAMES[slot % NAMES.len()])
}
