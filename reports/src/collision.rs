//! The colliding operations, one a row, in the order of events.
//!
//! The columns are events, not seconds: what counts is which return came before which call, and that must be seen whether a
//! millisecond or a minute lies between.

use crate::calls::value;
use crate::escape::{short, xml};
use crate::units::{duration, moment};
use std::collections::BTreeMap;
use std::fmt::Write;
use stormglass_checker::{Evidence, Operation, Outcome};

/// The most operations that are drawn.
const OPERATIONS_MAX: usize = 24;

const LEFT: f64 = 270.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 18.0;
const ROW_HEIGHT: f64 = 34.0;
const BAR_HEIGHT: f64 = 14.0;
const COLUMN_WIDTH_MIN: f64 = 74.0;
const WIDTH_MIN: f64 = 960.0;

/// The drawing; `None` when no operations were singled out.
pub(crate) fn draw(evidence: &Evidence) -> Option<String> {
    let operations = &evidence.culprits[..evidence.culprits.len().min(OPERATIONS_MAX)];
    if operations.is_empty() {
        return None;
    }
    let columns = columns(operations);
    let width = (LEFT + RIGHT + columns.len() as f64 * COLUMN_WIDTH_MIN).max(WIDTH_MIN);
    let step = (width - LEFT - RIGHT) / columns.len() as f64;
    let x: BTreeMap<usize, f64> = columns
        .keys()
        .enumerate()
        .map(|(column, event)| (*event, LEFT + (column as f64 + 0.5) * step))
        .collect();
    let bottom = TOP + operations.len() as f64 * ROW_HEIGHT;
    let height = bottom + 40.0;
    let mut svg = format!(
        "<svg class=\"collision\" viewBox=\"0 0 {width:.0} {height:.0}\" style=\"min-width:{:.0}px\" role=\"img\" \
         aria-label=\"The colliding operations in the order of events\">\n",
        width * 0.75
    );
    scale(&mut svg, &columns, &x, bottom);
    let right = width - RIGHT / 2.0;
    for (row, operation) in operations.iter().enumerate() {
        bar(&mut svg, operation, row, &x, right);
    }
    for (row, operation) in operations.iter().enumerate() {
        if let Some((earlier_row, earlier)) = just_before(operations, operation) {
            let from = earlier.deadline().and_then(|event| x.get(&event));
            if let (Some(from), Some(to)) = (from, x.get(&operation.call)) {
                order(&mut svg, (*from, centre(earlier_row)), (*to, centre(row)));
            }
        }
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The events of these operations with their times.
fn columns(operations: &[Operation]) -> BTreeMap<usize, u64> {
    let mut columns = BTreeMap::new();
    for operation in operations {
        columns.insert(operation.call, operation.call_time);
        // An unknown outcome bounds nothing; its bar runs on.
        if let Some(event) = operation.deadline() {
            columns.insert(event, operation.ret_time.unwrap_or(operation.call_time));
        }
    }
    columns
}

/// The operation that returned last of those that returned before `later` was called.
fn just_before<'a>(
    operations: &'a [Operation],
    later: &Operation,
) -> Option<(usize, &'a Operation)> {
    let before = operations
        .iter()
        .enumerate()
        .filter(|(_, earlier)| earlier.precedes(later));
    before.max_by_key(|(_, earlier)| earlier.deadline())
}

fn centre(row: usize) -> f64 {
    TOP + (row as f64 + 0.5) * ROW_HEIGHT
}

fn scale(svg: &mut String, columns: &BTreeMap<usize, u64>, x: &BTreeMap<usize, f64>, bottom: f64) {
    let mut before_ns = None;
    for (event, time_ns) in columns {
        let Some(at) = x.get(event) else { continue };
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>"
        );
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 14.0,
            moment(*time_ns)
        );
        if let Some(before_ns) = before_ns {
            let since = duration(time_ns.saturating_sub(before_ns));
            let _ = writeln!(
                svg,
                "<text class=\"tick faint\" x=\"{at:.1}\" y=\"{:.1}\">+{since}</text>",
                bottom + 28.0
            );
        }
        before_ns = Some(*time_ns);
    }
}

fn bar(svg: &mut String, operation: &Operation, row: usize, x: &BTreeMap<usize, f64>, right: f64) {
    let y = centre(row);
    let Some(from) = x.get(&operation.call) else {
        return;
    };
    let until = operation
        .deadline()
        .and_then(|event| x.get(&event))
        .copied();
    let (class, result) = match &operation.outcome {
        Outcome::Ok(returned) if *returned == operation.input && !returned.is_null() => {
            ("ok", "ok".to_string())
        }
        Outcome::Ok(returned) => ("ok", short(&returned.to_string(), 40)),
        Outcome::Mismatch => ("fail", "refused".to_string()),
        Outcome::Unknown => ("info", "unknown".to_string()),
    };
    let key = operation
        .key
        .as_deref()
        .map(|key| format!(" {}", short(key, 16)))
        .unwrap_or_default();
    let argument = short(&value(&operation.input), 18);
    let what = format!("{}{key} {argument}", short(&operation.f, 16));
    let what = short(what.trim_end(), 30);
    let title = format!(
        "#{} of process {}: {what} \u{2192} {result}",
        operation.id, operation.process
    );
    let _ = writeln!(
        svg,
        "<text class=\"row-name\" x=\"0\" y=\"{:.1}\">{}<tspan class=\"faint\" dx=\"6\">#{} process {}</tspan></text>",
        y + 4.0,
        xml(&what),
        operation.id,
        operation.process,
    );
    let end = until.unwrap_or(right);
    let open = if until.is_none() { " open" } else { "" };
    let _ = writeln!(
        svg,
        "<rect class=\"call {class}{open}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" rx=\"3\">\
         <title>{}</title></rect>",
        y - BAR_HEIGHT / 2.0,
        (end - from).max(2.0),
        xml(&title),
    );
    let anchor = if until.is_none() { "end" } else { "start" };
    let at = if until.is_none() {
        right - 4.0
    } else {
        end + 5.0
    };
    let raised = if until.is_none() { -10.0 } else { 4.0 };
    let _ = writeln!(
        svg,
        "<text class=\"result {class}\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
        y + raised,
        xml(&short(&result, 18)),
    );
}

/// A line from a return to the call that came after it.
fn order(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let half = BAR_HEIGHT / 2.0;
    let (start, end) = if from.1 < to.1 {
        (from.1 + half, to.1 - half)
    } else {
        (from.1 - half, to.1 + half)
    };
    let _ = writeln!(
        svg,
        "<path class=\"order\" d=\"M{:.1} {start:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {end:.1}\"><title>returned before the other \
         was called</title></path><circle class=\"order-end\" cx=\"{:.1}\" cy=\"{end:.1}\" r=\"2.5\"/>",
        from.0,
        from.0,
        (start + end) / 2.0,
        to.0,
        (start + end) / 2.0,
        to.0,
        to.0,
    );
}
