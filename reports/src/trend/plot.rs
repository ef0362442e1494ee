//! The rates of several nights, drawn.

use super::Night;
use crate::error::ReportError;
use crate::plots::{Area, HEIGHT, assemble, builder, failed, mesh};
use crate::theme::named;
use crate::timeline::WIDTH;
use plotters::element::{Circle, Cross, TriangleMarker};
use plotters::prelude::*;

/// A line of the plot: its colour, the mark of its points as its key shows it, what it counts, and how many there were in a night.
pub(super) struct Line {
    pub(super) colour: &'static str,
    pub(super) shape: &'static str,
    pub(super) text: &'static str,
    pub(super) pick: fn(&Night) -> u64,
}

/// Each line has a mark of its own besides its colour.
pub(super) const LINES: [Line; 3] = [
    Line {
        colour: "bad",
        shape: "\\00d7",
        text: "violations",
        pick: |night| night.violations,
    },
    Line {
        colour: "info",
        shape: "\\25cf",
        text: "unknown",
        pick: |night| night.unknown,
    },
    Line {
        colour: "series-1",
        shape: "\\25b2",
        text: "vacuous",
        pick: |night| night.vacuous,
    },
];

/// The rates per thousand trials, night by night.
pub(super) fn draw(nights: &[Night]) -> Result<String, ReportError> {
    let points = |line: &Line| -> Vec<(f64, f64)> {
        let numbered = nights.iter().enumerate();
        numbered
            .filter_map(|(at, night)| {
                let rate = night.per_thousand((line.pick)(night))?;
                Some((at as f64 + 1.0, rate))
            })
            .collect()
    };
    let lines: Vec<_> = LINES.iter().map(|line| (line, points(line))).collect();
    let all = lines.iter().flat_map(|(_, points)| points);
    let high = all.map(|(_, rate)| *rate).fold(0.0, f64::max);
    let high = if high > 0.0 { high * 1.12 } else { 1.0 };
    let mut chart = String::new();
    {
        let root: Area<'_> =
            SVGBackend::with_string(&mut chart, (WIDTH as u32, HEIGHT)).into_drawing_area();
        let end = nights.len() as f64 + 0.5;
        let mut axes = builder(&root)
            .build_cartesian_2d(0.5..end, 0.0..high)
            .map_err(failed)?;
        // Nights are whole.
        let night = |at: &f64| match (at - at.round()).abs() < 1e-6 {
            true => format!("{at:.0}"),
            false => String::new(),
        };
        mesh(&mut axes, &night, 6, &|rate| {
            if high < 5.0 {
                format!("{rate:.1}")
            } else {
                format!("{rate:.0}")
            }
        })?;
        for (line, points) in lines {
            let colour = named(line.colour).sentinel();
            axes.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))
                .map_err(failed)?;
            let marks = points.into_iter();
            match line.text {
                "violations" => axes
                    .draw_series(marks.map(|point| Cross::new(point, 5, colour.stroke_width(2)))),
                "unknown" => {
                    axes.draw_series(marks.map(|point| Circle::new(point, 4, colour.filled())))
                }
                _ => axes
                    .draw_series(marks.map(|point| TriangleMarker::new(point, 6, colour.filled()))),
            }
            .map_err(failed)?;
        }
        root.present().map_err(failed)?;
    }
    let label = "Violations, unknown and vacuous trials per thousand, night by night";
    Ok(assemble(&chart, label, &[], 1.0, ""))
}
