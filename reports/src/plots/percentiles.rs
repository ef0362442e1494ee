//! Latency percentiles over time: what the cloud of points hides.

use super::HEIGHT;
use super::strokes::Stroke;
use super::table::{ROWS_MAX, Table, extent, length};
use super::{
    LegendEntry, Plot, assemble, builder, decades, drawn_ms, failed, mesh, ms_label, seconds,
};
use crate::bands::Band;
use crate::calls::{Call, Ending};
use crate::error::ReportError;
use crate::stretches::{Quantiles, Stretches};
use crate::theme::named;
use crate::timeline::WIDTH;
use crate::units::count;
use plotters::prelude::*;

/// What is drawn: the share in thousandths, the name, the colour.
const SHARES: [(usize, &str, &str); 5] = [
    (500, "median", "series-1"),
    (900, "90th percentile", "series-3"),
    (990, "99th percentile", "series-4"),
    (999, "99.9th percentile", "series-2"),
    (1_000, "slowest", "soft"),
];

/// The plot.
pub(super) fn percentiles(
    calls: &[Call<'_>],
    bands: &[Band],
    ended_ns: u64,
) -> Result<Plot, ReportError> {
    let span = ended_ns as f64 / 1e9;
    let ok = calls.iter().filter(|call| call.ending() == Ending::Ok);
    let (floor, ceiling) = decades(ok.filter_map(Call::latency_ns).map(drawn_ms));
    let quantiles = Quantiles::of(calls, Stretches::of(ended_ns));
    let mut chart = String::new();
    let (mut marks, mut legend) = (String::new(), Vec::new());
    {
        let root = SVGBackend::with_string(&mut chart, (WIDTH as u32, HEIGHT)).into_drawing_area();
        let mut axes = builder(&root)
            .build_cartesian_2d(0.0..span, (floor..ceiling).log_scale())
            .map_err(failed)?;
        mesh(&mut axes, &seconds(span), 6, &ms_label)?;
        for (slot, (thousandths, name, colour)) in SHARES.into_iter().enumerate() {
            let (stroke, colour) = (Stroke::of(slot), named(colour));
            let place = |(at, ms): (f64, f64)| {
                let (x, y) = axes.backend_coord(&(at, ms.clamp(floor, ceiling)));
                (f64::from(x), f64::from(y))
            };
            let lines = quantiles.lines(thousandths).into_iter();
            let runs: Vec<Vec<_>> = lines
                .map(|line| line.into_iter().map(place).collect())
                .collect();
            if !runs.is_empty() {
                marks.push_str(&stroke.line(&runs, colour));
                marks.push_str(&stroke.points(runs.iter().flatten(), colour));
            }
            legend.push(LegendEntry {
                colour: colour.name,
                mark: stroke.key(),
                text: format!("{} {name} of ok", stroke.sign()),
            });
        }
        root.present().map_err(failed)?;
    }
    let label = "Percentiles of the latency of what ended ok over time, in milliseconds";
    Ok(Plot {
        name: "percentiles",
        svg: assemble(&chart, label, bands, span, &marks),
        legend,
        table: rows(calls, ended_ns),
    })
}

pub(super) fn rows(calls: &[Call<'_>], ended_ns: u64) -> Table {
    let names = SHARES.iter().map(|(_, name, _)| *name);
    let head: Vec<&str> = ["from", "until", "ok"].into_iter().chain(names).collect();
    let mut table = Table::new(&head);
    let stretches = Stretches::of(ended_ns).merged(ROWS_MAX);
    let quantiles = Quantiles::of(calls, stretches);
    for position in 0..stretches.count() {
        let mut row = extent(stretches, position).to_vec();
        row.push(count(quantiles.ok(position)));
        let at = |(thousandths, ..): (usize, _, _)| length(quantiles.at(position, thousandths));
        row.extend(SHARES.map(at));
        table.rows.push(row);
    }
    table
}
