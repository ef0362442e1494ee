//! Latency and throughput over time.
//!
//! The plotting library draws the chart; points are added as one path a series, merged where they touch, so that a plot of a million
//! operations is no larger than one of ten thousand. Beside every plot stands a table of what it shows.

pub(crate) mod clocks;
pub(crate) mod lines;
mod percentiles;
mod strokes;
mod table;

pub(crate) use table::Table;

use crate::bands::{Band, bands};
use crate::calls::{Call, Ending, calls};
use crate::error::ReportError;
use crate::escape::{short, xml};
use crate::stretches::{Quantiles, Stretches};
use crate::theme::{self, Colour, named};
use crate::timeline::{LEFT, RIGHT, WIDTH};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::Trial;

pub(crate) const HEIGHT: u32 = 270;
const MARGIN_TOP: u32 = 10;
const MARGIN_BOTTOM: u32 = 6;
const AXIS_HEIGHT: u32 = 26;

/// The most functions with a colour of their own; the rest share the last.
const SERIES_MAX: usize = 6;

/// The shortest latency that is drawn, in milliseconds: a logarithmic axis has no zero.
const LATENCY_MS_MIN: f64 = 0.01;

/// A plot.
pub(crate) struct Plot {
    /// The name of its file, without the ending.
    pub(crate) name: &'static str,
    /// The drawing as it stands in a page, whose style sets the colours.
    pub(crate) svg: String,
    /// What its colours and marks mean.
    pub(crate) legend: Vec<LegendEntry>,
    /// The same in numbers.
    pub(crate) table: Table,
}

/// What one colour or mark means.
pub(crate) struct LegendEntry {
    /// The colour's name.
    pub(crate) colour: &'static str,
    /// `dot`, `cross`, `line` or `dash`.
    pub(crate) mark: &'static str,
    pub(crate) text: String,
}

impl Plot {
    /// Its name in words.
    pub(crate) fn title(&self) -> String {
        let words = self.name.replace('-', " ");
        let mut letters = words.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect()
    }

    /// The drawing as a file of its own.
    pub(crate) fn standalone(&self) -> String {
        let style = format!(
            "<style>{}svg{{background:var(--paper);font-family:system-ui,sans-serif}}</style>",
            theme::style()
        );
        self.svg.replacen('\n', &format!("\n{style}\n"), 1)
    }
}

/// All plots of a run.
pub(crate) fn plots(trial: &Trial, run: &Run) -> Result<Vec<Plot>, ReportError> {
    let ended_ns = ended_ns(run);
    let calls = calls(&run.history, trial.clients);
    let bands = bands(&run.record, ended_ns);
    Ok(vec![
        latency(&calls, &bands, ended_ns)?,
        percentiles::percentiles(&calls, &bands, ended_ns)?,
        throughput(&calls, &bands, ended_ns)?,
    ])
}

/// When the run ended: what the record says, or later, if the history goes on.
pub(crate) fn ended_ns(run: &Run) -> u64 {
    let last = run
        .history
        .events
        .iter()
        .map(|event| event.time)
        .max()
        .unwrap_or(0);
    run.record.ended_ns.max(last).max(1)
}

fn latency(calls: &[Call<'_>], bands: &[Band], ended_ns: u64) -> Result<Plot, ReportError> {
    let series = Series::of(calls);
    let ms = |call: &Call<'_>| call.latency_ns().map(drawn_ms);
    let (floor, ceiling) = decades(calls.iter().filter_map(ms));
    let span = ended_ns as f64 / 1e9;

    let mut points: BTreeMap<(usize, Ending), Points> = BTreeMap::new();
    let mut chart = String::new();
    let mut legend = Vec::new();
    {
        let root = SVGBackend::with_string(&mut chart, (WIDTH as u32, HEIGHT)).into_drawing_area();
        let mut axes = builder(&root)
            .build_cartesian_2d(0.0..span, (floor..ceiling).log_scale())
            .map_err(failed)?;
        mesh(&mut axes, &seconds(span), 6, &ms_label)?;
        let quantiles = Quantiles::of(calls, Stretches::of(ended_ns));
        for (thousandths, name) in [(500, "median of ok"), (990, "99th percentile of ok")] {
            let is_median = thousandths == 500;
            let colour = if is_median {
                named("ink")
            } else {
                named("soft")
            };
            let lines = quantiles.lines(thousandths);
            for stretch in lines.into_iter().filter(|line| line.len() > 1) {
                let line = stretch
                    .into_iter()
                    .map(|(at, ms)| (at, ms.clamp(floor, ceiling)));
                let style = colour
                    .sentinel()
                    .stroke_width(if is_median { 2 } else { 1 });
                axes.draw_series(LineSeries::new(line, style))
                    .map_err(failed)?;
            }
            legend.push(LegendEntry {
                colour: colour.name,
                mark: "line",
                text: name.to_string(),
            });
        }
        for call in calls {
            let Some(ms) = ms(call) else { continue };
            let at = axes.backend_coord(&(call.called_ns() as f64 / 1e9, ms));
            points
                .entry((series.of_call(call), call.ending()))
                .or_default()
                .add(at);
        }
        root.present().map_err(failed)?;
    }
    let mut marks = String::new();
    // What ended ok is drawn first, so that the rare is on top.
    for ending in Ending::ALL {
        for ((slot, _), points) in points.iter().filter(|((_, other), _)| *other == ending) {
            marks.push_str(&points.path(Series::colour(*slot), ending));
        }
    }
    for (slot, name) in series.names.iter().enumerate() {
        legend.push(LegendEntry {
            colour: Series::colour(slot).name,
            mark: "dot",
            text: format!("{name}, ok"),
        });
    }
    legend.push(LegendEntry {
        colour: "fail",
        mark: "dash",
        text: "refused or failed".to_string(),
    });
    legend.push(LegendEntry {
        colour: "soft",
        mark: "cross",
        text: "unknown (in the colour of its function)".to_string(),
    });
    let svg = assemble(
        &chart,
        "Latency of every operation over time, in milliseconds",
        bands,
        span,
        &marks,
    );
    Ok(Plot {
        name: "latency",
        svg,
        legend,
        table: table::latency(calls, ended_ns),
    })
}

fn throughput(calls: &[Call<'_>], bands: &[Band], ended_ns: u64) -> Result<Plot, ReportError> {
    let span = ended_ns as f64 / 1e9;
    let stretches = Stretches::of(ended_ns);
    let rates = stretches.rates(calls, ended_ns);
    let high = rates.values().flatten().copied().fold(1.0, f64::max) * 1.08;
    let mut chart = String::new();
    let mut legend = Vec::new();
    {
        let root = SVGBackend::with_string(&mut chart, (WIDTH as u32, HEIGHT)).into_drawing_area();
        let mut axes = builder(&root)
            .build_cartesian_2d(0.0..span, 0.0..high)
            .map_err(failed)?;
        mesh(&mut axes, &seconds(span), 6, &|rate| {
            if high < 5.0 {
                format!("{rate:.1}/s")
            } else {
                format!("{rate:.0}/s")
            }
        })?;
        for ending in Ending::ALL {
            let colour = named(ending.name());
            let text = match ending {
                Ending::Ok => "ok",
                Ending::Fail => "refused or failed",
                Ending::Info => "unknown",
            };
            legend.push(LegendEntry {
                colour: colour.name,
                mark: "line",
                text: format!("{text}, by time of return"),
            });
            let Some(rates) = rates.get(&ending) else {
                continue;
            };
            let steps = rates.iter().enumerate().flat_map(|(position, rate)| {
                let (from, until) = stretches.extent(position);
                [(from, *rate), (until, *rate)]
            });
            let fill = if ending == Ending::Ok { 0.14 } else { 0.0 };
            let sentinel = colour.sentinel();
            if fill > 0.0 {
                axes.draw_series(AreaSeries::new(steps.clone(), 0.0, sentinel.mix(fill)))
                    .map_err(failed)?;
            }
            axes.draw_series(LineSeries::new(steps, sentinel.stroke_width(2)))
                .map_err(failed)?;
        }
        root.present().map_err(failed)?;
    }
    let svg = assemble(
        &chart,
        "Operations a second over time, by how they ended",
        bands,
        span,
        "",
    );
    Ok(Plot {
        name: "throughput",
        svg,
        legend,
        table: table::throughput(calls, ended_ns),
    })
}

/// A latency as a logarithmic axis can show it, in milliseconds.
fn drawn_ms(latency_ns: u64) -> f64 {
    (latency_ns as f64 / 1e6).max(LATENCY_MS_MIN)
}

/// The whole powers of ten between which latencies lie, at least one apart.
fn decades(latencies_ms: impl Iterator<Item = f64>) -> (f64, f64) {
    let widen = |(low, high): (f64, f64), ms: f64| (low.min(ms), high.max(ms));
    let (low, high) = latencies_ms.fold((f64::INFINITY, LATENCY_MS_MIN), widen);
    let low = if low.is_finite() { low } else { 1.0 };
    let floor = 10f64.powf(low.log10().floor()).max(LATENCY_MS_MIN);
    let ceiling = 10f64.powf((high * 1.05).log10().ceil()).max(floor * 10.0);
    (floor, ceiling)
}

fn ms_label(ms: &f64) -> String {
    if *ms < 1.0 {
        format!("{ms} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

pub(crate) fn builder<'a, 'b>(root: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(root);
    builder
        .margin_top(MARGIN_TOP)
        .margin_bottom(MARGIN_BOTTOM)
        .margin_right(RIGHT as u32)
        .set_label_area_size(LabelAreaPosition::Left, LEFT as u32)
        .set_label_area_size(LabelAreaPosition::Bottom, AXIS_HEIGHT);
    builder
}

/// Marks on the axis of time.
pub(crate) fn seconds(span: f64) -> impl Fn(&f64) -> String {
    let digits = usize::from(span < 8.0);
    move |seconds| format!("{seconds:.digits$} s")
}

/// The axes, with what stands at their marks.
pub(crate) fn mesh<'b, Y>(
    axes: &mut ChartContext<'_, SVGBackend<'b>, Cartesian2d<RangedCoordf64, Y>>,
    x_label: &dyn Fn(&f64) -> String,
    y_labels: usize,
    y_label: &dyn Fn(&f64) -> String,
) -> Result<(), ReportError>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = |size: i32| {
        ("sans-serif", size)
            .into_font()
            .color(&named("soft").sentinel())
    };
    axes.configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(named("line").sentinel())
        .axis_style(named("line").sentinel())
        .label_style(text(11))
        .x_labels(10)
        .y_labels(y_labels)
        .x_label_formatter(&x_label)
        .y_label_formatter(y_label)
        .draw()
        .map_err(failed)
}

pub(crate) fn failed<E: std::fmt::Display>(error: E) -> ReportError {
    ReportError::Rendering {
        what: "plot",
        cause: error.to_string(),
    }
}

/// Puts the bands behind the chart and the points before it.
pub(crate) fn assemble(chart: &str, label: &str, bands: &[Band], span: f64, marks: &str) -> String {
    let body = chart.split_once(">\n").map_or("", |(_, body)| body);
    let body = body.trim_end().trim_end_matches("</svg>");
    let mut svg = format!(
        "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\n"
    );
    let (top, bottom) = (
        f64::from(MARGIN_TOP),
        f64::from(HEIGHT - MARGIN_BOTTOM - AXIS_HEIGHT),
    );
    for band in bands {
        let x = |time_ns: u64| {
            LEFT + (time_ns as f64 / 1e9 / span).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
        };
        let (from, until) = (x(band.from_ns), x(band.until_ns));
        let _ = writeln!(
            svg,
            "<rect class=\"band {}\" x=\"{from:.2}\" y=\"{top}\" width=\"{:.2}\" height=\"{}\" fill=\"{}\" fill-opacity=\"0.13\">\
             <title>{}</title></rect>",
            band.family(),
            (until - from).max(0.75),
            bottom - top,
            named(band.family()).variable(),
            xml(&band.title()),
        );
    }
    svg.push_str(&theme::dress(body));
    svg.push_str(marks);
    svg.push_str("</svg>\n");
    svg
}

/// The functions that have a colour: the most used, in the order of their names.
struct Series {
    names: Vec<String>,
    slots: BTreeMap<String, usize>,
}

impl Series {
    fn of(calls: &[Call<'_>]) -> Self {
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for call in calls {
            *uses.entry(&call.invoke.f).or_default() += 1;
        }
        let mut used: Vec<_> = uses.into_iter().collect();
        used.sort_by_key(|(name, uses)| (std::cmp::Reverse(*uses), *name));
        let crowded = used.len() > SERIES_MAX;
        let kept = if crowded { SERIES_MAX - 1 } else { used.len() };
        let mut own: Vec<&str> = used.iter().take(kept).map(|(name, _)| *name).collect();
        own.sort_unstable();
        let mut names: Vec<String> = own.iter().map(|name| short(name, 24)).collect();
        if crowded {
            names.push("others".to_string());
        }
        let slots = own
            .iter()
            .enumerate()
            .map(|(slot, name)| (name.to_string(), slot))
            .collect();
        Self { names, slots }
    }

    fn of_call(&self, call: &Call<'_>) -> usize {
        self.slots
            .get(&call.invoke.f)
            .copied()
            .unwrap_or(SERIES_MAX - 1)
    }

    fn colour(slot: usize) -> Colour {
        const NAMES: [&str; SERIES_MAX] = [
            "series-1", "series-2", "series-3", "series-4", "series-5", "series-6",
        ];
        named(NAMES[slot.min(SERIES_MAX - 1)])
    }
}

/// Points of one colour and mark, at whole units of the drawing.
#[derive(Default)]
struct Points(BTreeSet<(i32, i32)>);

impl Points {
    fn add(&mut self, (x, y): (i32, i32)) {
        self.0.insert((y, x));
    }

    fn path(&self, colour: Colour, ending: Ending) -> String {
        let mut path = String::new();
        let (class, style) = match ending {
            Ending::Ok => {
                for (y, run) in self.runs() {
                    let _ = write!(path, "M{} {y}h{}", run.start, run.end - run.start);
                }
                (
                    "ok",
                    format!(
                        "stroke=\"{}\" stroke-width=\"3\" stroke-linecap=\"round\"",
                        colour.variable()
                    ),
                )
            }
            Ending::Fail => {
                for (y, run) in self.runs() {
                    let _ = write!(path, "M{} {y}h{}", run.start - 3, run.end - run.start + 6);
                }
                (
                    "fail",
                    format!(
                        "stroke=\"{}\" stroke-width=\"1.6\"",
                        named("fail").variable()
                    ),
                )
            }
            Ending::Info => {
                for (y, x) in &self.0 {
                    let _ = write!(
                        path,
                        "M{} {}l7 7m-7 0l7 -7",
                        f64::from(*x) - 3.5,
                        f64::from(*y) - 3.5
                    );
                }
                (
                    "info",
                    format!("stroke=\"{}\" stroke-width=\"1.6\"", colour.variable()),
                )
            }
        };
        format!("<path class=\"points {class}\" fill=\"none\" {style} d=\"{path}\"/>\n")
    }

    /// Neighbours in a row as one.
    fn runs(&self) -> Vec<(i32, Range<i32>)> {
        let mut runs: Vec<(i32, Range<i32>)> = Vec::new();
        for (y, x) in &self.0 {
            match runs.last_mut() {
                Some((row, run)) if row == y && run.end + 1 == *x => run.end = *x,
                _ => runs.push((*y, *x..*x)),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_points_become_one_stroke() {
        let mut points = Points::default();
        for at in [(5, 9), (6, 9), (7, 9), (9, 9), (6, 8), (6, 8)] {
            points.add(at);
        }
        assert_eq!(points.runs(), [(8, 6..6), (9, 5..7), (9, 9..9)]);
    }
}
