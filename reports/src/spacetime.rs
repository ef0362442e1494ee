//! A space-time diagram: a lane from top to bottom for each client and node, and what each says to another as an arrow.
//!
//! Time runs downward, and stands still where nothing happens: what counts is which came before which. After Lamport, Time, clocks, and the
//! ordering of events in a distributed system (CACM 1978).

use crate::escape::{short, xml};
use std::fmt::Write;

/// The diagram. Lanes and rows are positions in their lists.
#[derive(Default)]
pub(crate) struct Diagram {
    pub(crate) lanes: Vec<Lane>,
    /// From top to bottom.
    pub(crate) rows: Vec<Row>,
    pub(crate) arrows: Vec<Arrow>,
    pub(crate) points: Vec<Point>,
    /// When a lane has nobody: lane, from row, until row.
    pub(crate) gaps: Vec<(usize, usize, usize)>,
    /// What happens to all, beside the lanes: row, class, text.
    pub(crate) notes: Vec<(usize, &'static str, String)>,
}

/// Who it is.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) is_client: bool,
}

/// One moment.
pub(crate) struct Row {
    /// What stands at its left: a time, or the number of a step.
    pub(crate) label: String,
    /// How far below the row before, in units of the drawing.
    pub(crate) below: f64,
}

/// Something said.
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) sent: usize,
    pub(crate) to: usize,
    /// The rows in which it arrives; none when it does not.
    pub(crate) arrives: Vec<usize>,
    pub(crate) style: Style,
    pub(crate) text: String,
    /// What became of it, in words.
    pub(crate) story: String,
}

/// How an arrow is drawn: each in a way of its own, whatever its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A line.
    Plain,
    /// A thin line: between a client and a node.
    Asked,
    /// Dashes: it was late.
    Late,
    /// It ends in a cross on its way.
    Lost,
    /// It ends in a cross at its receiver: it was on its way when something else ended it.
    Gone,
}

/// Something that happens on one lane.
pub(crate) struct Point {
    pub(crate) lane: usize,
    pub(crate) row: usize,
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

/// What a point looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A dot.
    Dot,
    /// A cross: it dies.
    Dies,
    /// A ring: it starts.
    Boots,
    /// A diamond: something broke.
    Broke,
}

const LEFT: f64 = 88.0;
const TOP: f64 = 14.0;
const LANE: f64 = 168.0;
const RIGHT: f64 = 150.0;
/// How near to each other the labels at the left may stand.
const LABEL_HEIGHT: f64 = 13.0;
/// How near to each other what is said beside a lane may stand.
const WORDS_HEIGHT: f64 = 12.0;
const WORDS_CHARACTERS_MAX: usize = 46;

/// Draws it.
pub(crate) fn draw(diagram: &Diagram, label: &str) -> String {
    let x = |lane: usize| LEFT + LANE * (lane as f64 + 0.5);
    let mut y = Vec::with_capacity(diagram.rows.len());
    let mut at = TOP;
    for row in &diagram.rows {
        at += row.below;
        y.push(at);
    }
    let bottom = at + 26.0;
    let width = LEFT + LANE * diagram.lanes.len() as f64 + RIGHT;
    // The names stay in sight, whatever of the diagram is.
    let mut svg = format!(
        "<svg class=\"spacetime names\" viewBox=\"0 0 {width:.0} 26\" width=\"{width:.0}\" height=\"26\" role=\"img\" aria-label=\"The lanes: {}\">\n",
        xml(&diagram
            .lanes
            .iter()
            .map(|lane| lane.name.as_str())
            .collect::<Vec<_>>()
            .join(", "))
    );
    for (lane, Lane { name, .. }) in diagram.lanes.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text class=\"who\" x=\"{:.0}\" y=\"17\">{}</text>",
            x(lane),
            xml(name)
        );
    }
    svg.push_str("</svg>\n");
    let _ = write!(
        svg,
        "<svg class=\"spacetime\" viewBox=\"0 0 {width:.0} {bottom:.0}\" width=\"{width:.0}\" height=\"{bottom:.0}\" role=\"img\" \
         aria-label=\"{}\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0,0L8,4L0,8z\" class=\"arrow-head\"/></marker></defs>\n",
        xml(label)
    );
    for (lane, Lane { is_client, .. }) in diagram.lanes.iter().enumerate() {
        let (x, class) = (x(lane), if *is_client { " client" } else { "" });
        let _ = writeln!(
            svg,
            "<line class=\"life{class}\" x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"0\" y2=\"{bottom:.0}\"/>"
        );
    }
    for (lane, from, until) in &diagram.gaps {
        let _ = writeln!(
            svg,
            "<rect class=\"gap\" x=\"{:.0}\" y=\"{:.1}\" width=\"8\" height=\"{:.1}\"><title>down</title></rect>",
            x(*lane) - 4.0,
            y[*from],
            (y[*until] - y[*from]).max(2.0)
        );
    }
    labels(&mut svg, diagram, &y);
    notes(&mut svg, diagram, &y, width);
    for arrow in &diagram.arrows {
        draw_arrow(&mut svg, arrow, &x, &y);
    }
    points(&mut svg, diagram, &x, &y);
    svg.push_str("</svg>\n");
    svg
}

/// Labels at the left, where there is room.
fn labels(svg: &mut String, diagram: &Diagram, y: &[f64]) {
    let mut free = 0.0;
    for (row, y) in diagram.rows.iter().zip(y) {
        if row.label.is_empty() || *y < free {
            continue;
        }
        free = y + LABEL_HEIGHT;
        let _ = writeln!(
            svg,
            "<text class=\"when\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            LEFT - 14.0,
            y + 4.0,
            xml(&row.label)
        );
    }
}

fn notes(svg: &mut String, diagram: &Diagram, y: &[f64], width: f64) {
    let mut free = 0.0;
    for (row, class, text) in &diagram.notes {
        let at = y[*row];
        let _ = writeln!(
            svg,
            "<line class=\"note {class}\" x1=\"{:.0}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            LEFT - 8.0,
            width - 8.0
        );
        let words_y = f64::max(at - 3.0, free);
        free = words_y + WORDS_HEIGHT;
        let _ = writeln!(
            svg,
            "<text class=\"note-text {class}\" x=\"{:.0}\" y=\"{words_y:.1}\">{}</text>",
            width - 8.0,
            xml(&short(text, WORDS_CHARACTERS_MAX))
        );
    }
}

fn draw_arrow(svg: &mut String, arrow: &Arrow, x: &impl Fn(usize) -> f64, y: &[f64]) {
    let Arrow {
        from,
        sent,
        to,
        style,
        ..
    } = arrow;
    let class = match style {
        Style::Plain => "plain",
        Style::Asked => "asked",
        Style::Late => "late",
        Style::Lost | Style::Gone => "lost",
    };
    let _ = write!(
        svg,
        "<g class=\"said {class}\"><title>{}</title>",
        xml(&format!("{} {}", arrow.text, arrow.story))
    );
    let (from_x, to_x, sent_y) = (x(*from), x(*to), y[*sent]);
    // Ends beside the lane, so that points and heads do not hide each other.
    let beside = |x: f64| if to_x > from_x { x - 5.0 } else { x + 5.0 };
    for (at, row) in arrow.arrives.iter().enumerate() {
        let again = if at > 0 { " again" } else { "" };
        let _ = write!(
            svg,
            "<line class=\"way{again}\" x1=\"{from_x:.0}\" y1=\"{sent_y:.1}\" x2=\"{:.0}\" y2=\"{:.1}\" marker-end=\"url(#arrow)\"/>",
            beside(to_x),
            y[*row]
        );
    }
    if arrow.arrives.is_empty() {
        let share = if *style == Style::Gone { 0.86 } else { 0.42 };
        let (end_x, end_y) = (from_x + (to_x - from_x) * share, sent_y + 9.0 * share);
        let _ = write!(
            svg,
            "<line class=\"way\" x1=\"{from_x:.0}\" y1=\"{sent_y:.1}\" x2=\"{end_x:.1}\" y2=\"{end_y:.1}\"/>\
             <path class=\"end\" d=\"M{:.1} {:.1}l7 7m-7 0l7 -7\"/>",
            end_x - 3.5,
            end_y - 3.5
        );
    }
    svg.push_str("</g>\n");
}

fn points(svg: &mut String, diagram: &Diagram, x: &impl Fn(usize) -> f64, y: &[f64]) {
    let mut free = vec![0.0; diagram.lanes.len()];
    for point in &diagram.points {
        let (x, y) = (x(point.lane), y[point.row]);
        let mark = match point.mark {
            Mark::Dot => format!("<circle class=\"dot\" cx=\"{x:.0}\" cy=\"{y:.1}\" r=\"4\"/>"),
            Mark::Boots => format!("<circle class=\"boots\" cx=\"{x:.0}\" cy=\"{y:.1}\" r=\"5\"/>"),
            Mark::Dies => format!(
                "<path class=\"dies\" d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\"/>",
                x - 5.0,
                y - 5.0
            ),
            Mark::Broke => format!(
                "<path class=\"broke\" d=\"M{:.1} {:.1}l7 7l-7 7l-7 -7z\"/>",
                x,
                y - 7.0
            ),
        };
        let _ = write!(svg, "<g>{mark}<title>{}</title>", xml(&point.text));
        let words_y = y - 5.0;
        if words_y >= free[point.lane] {
            free[point.lane] = words_y + WORDS_HEIGHT;
            let words = xml(&short(&point.text, WORDS_CHARACTERS_MAX));
            let _ = write!(
                svg,
                "<text class=\"words\" x=\"{:.0}\" y=\"{words_y:.1}\">{words}</text>",
                x + 9.0
            );
        }
        svg.push_str("</g>\n");
    }
}
