//! The timeline: faults, nodes and clients, each on a lane of its own, over the same time.
//!
//! The overview drawn here shows the whole run in a few paths, and stands without a script. The page's script draws any window of it in
//! detail, from the same [`Scene`].

use crate::bands::{self, Band};
use crate::calls::{Call, Ending};
use crate::escape::xml;
use crate::reigns::{Outage, Reign, ReignEnd};
use crate::roles::Stint;
use crate::units::{moment, round_step};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use stormglass_checker::states::Around;

/// The width of every drawing on the page, in its own units; the page scales it.
pub(crate) const WIDTH: f64 = 960.0;
/// Room for the names of lanes and for the numbers of an axis. The same in every drawing, so that their times stand in one line.
pub(crate) const LEFT: f64 = 64.0;
/// Room for the last number of the axis.
pub(crate) const RIGHT: f64 = 24.0;

/// The narrowest bar that is drawn, in units of the drawing.
const BAR_WIDTH_MIN: f64 = 0.75;

/// Everything that happened, as it is drawn.
pub(crate) struct Scene<'a> {
    pub(crate) calls: Vec<Call<'a>>,
    pub(crate) bands: Vec<Band>,
    pub(crate) reigns: Vec<Reign>,
    pub(crate) outages: Vec<Outage>,
    /// When nodes stood still.
    pub(crate) pauses: Vec<Outage>,
    pub(crate) stints: Vec<Stint>,
    /// The state around operations, by the position of their call.
    pub(crate) states: BTreeMap<usize, Around>,
    pub(crate) marks: Vec<Mark>,
    /// Positions in the history of the calls that collide.
    pub(crate) culprits: BTreeSet<usize>,
    pub(crate) nodes: u8,
    pub(crate) clients: u32,
    pub(crate) healed_ns: u64,
    pub(crate) ended_ns: u64,
}

/// A moment to look at.
pub(crate) struct Mark {
    pub(crate) time_ns: u64,
    pub(crate) text: String,
}

/// A stretch of time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
}

/// Where the lanes are, from top to bottom: faults, nodes, clients, axis. In units of the drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) faults_top: f64,
    pub(crate) fault_height: f64,
    pub(crate) fault_rows: usize,
    pub(crate) nodes_top: f64,
    pub(crate) node_height: f64,
    pub(crate) clients_top: f64,
    pub(crate) client_height: f64,
    pub(crate) bottom: f64,
    pub(crate) height: f64,
    pub(crate) labelled: bool,
}

impl Window {
    /// Where a time stands, kept inside the drawing.
    fn x(self, time_ns: u64) -> f64 {
        let span = (self.until_ns - self.from_ns).max(1) as f64;
        let share = (time_ns as f64 - self.from_ns as f64) / span;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

impl Layout {
    /// The layout of the whole run: low lanes.
    pub(crate) fn overview(scene: &Scene<'_>) -> Self {
        let lanes = scene.clients as usize + usize::from(scene.nodes);
        let height = if lanes <= 24 {
            13.0
        } else {
            (320.0 / lanes as f64).max(2.0)
        };
        Self::new(scene, 9.0, height, height)
    }

    fn new(scene: &Scene<'_>, fault_height: f64, node_height: f64, client_height: f64) -> Self {
        let fault_rows = bands::rows(&scene.bands);
        let faults_top = 16.0;
        let nodes_top =
            faults_top + fault_rows as f64 * fault_height + if fault_rows > 0 { 8.0 } else { 0.0 };
        let clients_top = nodes_top + f64::from(scene.nodes) * node_height + 8.0;
        let bottom = clients_top + f64::from(scene.clients) * client_height + 4.0;
        let labelled = client_height >= 11.0 && node_height >= 11.0;
        Self {
            faults_top,
            fault_height,
            fault_rows,
            nodes_top,
            node_height,
            clients_top,
            client_height,
            bottom,
            height: bottom + 22.0,
            labelled,
        }
    }
}

/// The whole run.
pub(crate) fn overview(scene: &Scene<'_>) -> String {
    let layout = Layout::overview(scene);
    let window = Window {
        from_ns: 0,
        until_ns: scene.ended_ns,
    };
    let mut svg = opening(
        "overview",
        "The whole run: faults, nodes and clients over time",
        &layout,
    );
    backdrop(&mut svg, scene, window, &layout);
    chips(&mut svg, scene, window, &layout);
    nodes(&mut svg, scene, window, &layout);
    for ending in Ending::ALL {
        let path = strokes(scene, ending, window, &layout);
        if !path.is_empty() {
            let (name, width) = (ending.name(), layout.client_height * 0.6);
            let _ = writeln!(
                svg,
                "<path class=\"strokes {name}\" stroke-width=\"{width:.1}\" d=\"{path}\"/>"
            );
        }
    }
    marks(&mut svg, scene, window, &layout);
    svg.push_str("<rect id=\"viewport\" class=\"viewport\" width=\"0\" height=\"0\"/>\n</svg>\n");
    svg
}

/// The window worth seeing first: where the promise broke, with what collides there; else where the first fault begins.
pub(crate) fn first_window(scene: &Scene<'_>) -> Window {
    const LENGTH_NS: u64 = 4_000_000_000;
    const LENGTH_NS_MIN: u64 = 400_000_000;
    const LENGTH_NS_MAX: u64 = 12_000_000_000;
    let (from_ns, until_ns) = match (scene.marks.first(), scene.bands.first()) {
        (Some(mark), _) => {
            let collides = |call: &&Call<'_>| scene.culprits.contains(&call.position);
            let begins = scene.calls.iter().find(collides).map(Call::called_ns);
            let begin_ns = begins.unwrap_or(mark.time_ns).min(mark.time_ns);
            let length_ns = (mark.time_ns - begin_ns).clamp(LENGTH_NS_MIN, LENGTH_NS_MAX);
            let around_ns = length_ns / 3;
            let begin_ns = mark.time_ns.saturating_sub(length_ns + around_ns);
            (begin_ns, mark.time_ns.saturating_add(around_ns))
        }
        (None, Some(band)) => {
            let begin_ns = band.from_ns.saturating_sub(LENGTH_NS / 8);
            (begin_ns, begin_ns.saturating_add(LENGTH_NS))
        }
        (None, None) => (0, LENGTH_NS),
    };
    let until_ns = until_ns.min(scene.ended_ns).max(1);
    Window {
        from_ns: from_ns.min(until_ns.saturating_sub(LENGTH_NS_MIN)),
        until_ns,
    }
}

fn opening(id: &str, label: &str, layout: &Layout) -> String {
    format!(
        "<svg id=\"{id}\" class=\"timeline\" viewBox=\"0 0 {WIDTH} {:.1}\" role=\"img\" aria-label=\"{label}\">\n",
        layout.height
    )
}

/// What stands behind everything: bands of faults, lanes, the axis.
fn backdrop(svg: &mut String, scene: &Scene<'_>, window: Window, layout: &Layout) {
    let top = layout.faults_top;
    for band in &scene.bands {
        let (x, width) = extent(window, band.from_ns, band.until_ns);
        let (family, height) = (band.family(), layout.bottom - top);
        let _ = writeln!(
            svg,
            "<rect class=\"band {family}\" x=\"{x:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"{height:.1}\"/>"
        );
    }
    axis(svg, window, layout);
    let right = WIDTH - RIGHT;
    for node in 0..scene.nodes {
        let y = layout.nodes_top + (f64::from(node) + 0.5) * layout.node_height;
        let _ = writeln!(
            svg,
            "<line class=\"lane\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
        if layout.labelled {
            let _ = writeln!(
                svg,
                "<text class=\"lane-name\" x=\"{}\" y=\"{:.1}\">n{}</text>",
                LEFT - 8.0,
                y + 3.5,
                node + 1
            );
        }
    }
    for client in 0..scene.clients {
        let y = layout.clients_top + (f64::from(client) + 0.5) * layout.client_height;
        let _ = writeln!(
            svg,
            "<line class=\"lane\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
        if layout.labelled {
            let x = LEFT - 8.0;
            let _ = writeln!(
                svg,
                "<text class=\"lane-name\" x=\"{x}\" y=\"{:.1}\">client {client}</text>",
                y + 3.5
            );
        }
    }
    if layout.fault_rows > 0 && layout.labelled {
        let y = layout.faults_top + layout.fault_height / 2.0 + 3.5;
        let _ = writeln!(
            svg,
            "<text class=\"lane-name\" x=\"{}\" y=\"{y:.1}\">faults</text>",
            LEFT - 8.0
        );
    }
}

fn axis(svg: &mut String, window: Window, layout: &Layout) {
    let (from, until) = (window.from_ns as f64 / 1e9, window.until_ns as f64 / 1e9);
    let step = round_step(until - from, 9.0);
    let digits = if step >= 1.0 {
        0
    } else {
        (-step.log10().floor()) as usize
    };
    let mut number = (from / step).ceil();
    while number * step <= until {
        let seconds = number * step;
        let x = window.x((seconds * 1e9) as u64);
        let (top, bottom) = (layout.faults_top, layout.bottom);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom:.1}\"/>"
        );
        let y = bottom + 15.0;
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\">{seconds:.digits$} s</text>"
        );
        number += 1.0;
    }
}

/// The faults as bars of their own, each with its name where there is room.
fn chips(svg: &mut String, scene: &Scene<'_>, window: Window, layout: &Layout) {
    for band in &scene.bands {
        let (x, width) = extent(window, band.from_ns, band.until_ns);
        let y = layout.faults_top + band.row as f64 * layout.fault_height + 1.0;
        let height = layout.fault_height - 3.0;
        let certain = if band.certain { "" } else { " uncertain" };
        let _ = writeln!(
            svg,
            "<rect class=\"chip {}{certain}\" x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.1}\" rx=\"2\">\
             <title>{}</title></rect>",
            band.family(),
            xml(&band.title()),
        );
    }
}

fn nodes(svg: &mut String, scene: &Scene<'_>, window: Window, layout: &Layout) {
    let lane = |index: usize| layout.nodes_top + index as f64 * layout.node_height;
    for outage in &scene.outages {
        let (x, width) = extent(window, outage.from_ns, outage.until_ns);
        let (y, height) = (lane(lane_of(outage.node.0)) + 1.0, layout.node_height - 2.0);
        let length = crate::units::duration(outage.until_ns - outage.from_ns);
        let _ = writeln!(
            svg,
            "<rect class=\"outage\" x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.1}\">\
             <title>{} down from {} for {length}</title></rect>",
            outage.node,
            moment(outage.from_ns),
        );
    }
    for reign in &scene.reigns {
        let (x, width) = extent(window, reign.from_ns, reign.until_ns);
        let height = layout.node_height * 0.62;
        let y = lane(lane_of(reign.node.0)) + (layout.node_height - height) / 2.0;
        let _ = writeln!(
            svg,
            "<rect class=\"reign\" x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.1}\" rx=\"2\">\
             <title>{}</title></rect>",
            xml(&reign_title(reign)),
        );
    }
}

/// The story of a reign, for a tooltip.
pub(crate) fn reign_title(reign: &Reign) -> String {
    let end = match reign.end {
        ReignEnd::RunEnded => reign.end.text().to_string(),
        end => format!("{} at {}", end.text(), moment(reign.until_ns)),
    };
    format!(
        "{} became leader of term {} at {}; {end}",
        reign.node,
        reign.epoch,
        moment(reign.from_ns)
    )
}

/// The lane of a node; a node that cannot be is drawn on the first.
pub(crate) fn lane_of(node: u8) -> usize {
    usize::from(node).saturating_sub(1)
}

/// All calls of one ending as one path of strokes. Strokes that touch are one, so that its length has a bound.
fn strokes(scene: &Scene<'_>, ending: Ending, window: Window, layout: &Layout) -> String {
    let mut lanes: Vec<Vec<(f64, f64)>> = vec![Vec::new(); scene.clients as usize];
    for call in scene.calls.iter().filter(|call| call.ending() == ending) {
        let (x, width) = extent(window, call.called_ns(), call.until_ns(scene.ended_ns));
        let (from, until) = ((x * 4.0).round() / 4.0, ((x + width) * 4.0).round() / 4.0);
        let Some(lane) = lanes.get_mut(call.client as usize) else {
            continue;
        };
        match lane.last_mut() {
            Some(last) if from <= last.1 + 0.25 => last.1 = last.1.max(until),
            _ => lane.push((from, until)),
        }
    }
    let mut path = String::new();
    for (client, lane) in lanes.iter().enumerate() {
        let y = layout.clients_top + (client as f64 + 0.5) * layout.client_height;
        for (from, until) in lane {
            let _ = write!(path, "M{from} {y:.1}h{}", until - from);
        }
    }
    path
}

/// What stands before everything: the healing, and where something broke.
fn marks(svg: &mut String, scene: &Scene<'_>, window: Window, layout: &Layout) {
    let (top, bottom) = (layout.faults_top - 4.0, layout.bottom);
    let mut line = |class: &str, time_ns: u64, text: &str, title: &str| {
        let x = window.x(time_ns);
        let title = xml(title);
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom:.1}\"><title>{title}</title></line>\
             <text class=\"{class}-text\" x=\"{x:.1}\" y=\"{}\">{}</text>",
            top - 2.0,
            xml(text),
        );
    };
    // Two words in one place cannot be read, and this one is the less urgent.
    let room = 46.0;
    let healed_x = window.x(scene.healed_ns);
    let is_near = |mark: &Mark| (window.x(mark.time_ns) - healed_x).abs() < room;
    line(
        "healed",
        scene.healed_ns,
        if scene.marks.iter().any(is_near) {
            ""
        } else {
            "healed"
        },
        &format!("everything is healed at {}", moment(scene.healed_ns)),
    );
    for mark in scene.marks.iter().take(20) {
        line("broken", mark.time_ns, "broken", &mark.text);
    }
}

/// Where a stretch of time begins and how wide it is: never too narrow to be seen.
fn extent(window: Window, from_ns: u64, until_ns: u64) -> (f64, f64) {
    let (from, until) = (window.x(from_ns), window.x(until_ns));
    (from, (until - from).max(BAR_WIDTH_MIN))
}
