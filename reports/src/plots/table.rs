//! The numbers of a plot as a table, for who does not see the plot, or wants to copy from it.

use crate::calls::{Call, Ending};
use crate::escape::xml;
use crate::stretches::{Quantiles, Stretches};
use crate::units::{count, duration, moment};
use std::fmt::Write;

/// The most rows of a table over time. What is drawn finer is merged.
pub(crate) const ROWS_MAX: usize = 60;

/// A table, its cells as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// What the columns are.
    pub(crate) head: Vec<String>,
    /// As many cells in each row as there are columns.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(|name| (*name).to_string()).collect(),
            rows: Vec::new(),
        }
    }

    /// The table behind a line that opens it, as it stands in a page below its plot; nothing for a table without rows.
    pub(crate) fn twin(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut html = "<details class=\"twin\"><summary>As a table</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"The numbers of the plot\"><table>\n<thead><tr>".to_string();
        for name in &self.head {
            let _ = write!(html, "<th class=\"number\">{}</th>", xml(name));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for cell in row {
                let _ = write!(html, "<td class=\"number\">{}</td>", xml(cell));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div></details>\n");
        html
    }
}

/// A length of time, if there is one.
pub(super) fn length(length_ns: Option<u64>) -> String {
    length_ns.map_or_else(|| "\u{2013}".to_string(), duration)
}

/// Where a stretch begins and ends.
pub(super) fn extent(stretches: Stretches, position: usize) -> [String; 2] {
    let (from, until) = stretches.extent(position);
    [from, until].map(|seconds| moment((seconds * 1e9).round() as u64))
}

/// What the points and lines of the latency plot come to.
pub(super) fn latency(calls: &[Call<'_>], ended_ns: u64) -> Table {
    let head = [
        "from",
        "until",
        "ok",
        "refused or failed",
        "unknown",
        "median of ok",
        "99th percentile of ok",
    ];
    let mut table = Table::new(&head);
    let stretches = Stretches::of(ended_ns).merged(ROWS_MAX);
    let (calls_by, quantiles) = (stretches.calls(calls), Quantiles::of(calls, stretches));
    for position in 0..stretches.count() {
        let mut row = extent(stretches, position).to_vec();
        row.extend(
            Ending::ALL
                .map(|ending| count(calls_by.get(&ending).map_or(0, |counts| counts[position]))),
        );
        row.extend([500, 990].map(|thousandths| length(quantiles.at(position, thousandths))));
        table.rows.push(row);
    }
    table
}

/// What the lines of the throughput plot come to.
pub(super) fn throughput(calls: &[Call<'_>], ended_ns: u64) -> Table {
    let mut table = Table::new(&["from", "until", "ok", "refused or failed", "unknown"]);
    let stretches = Stretches::of(ended_ns).merged(ROWS_MAX);
    let rates = stretches.rates(calls, ended_ns);
    for position in 0..stretches.count() {
        let mut row = extent(stretches, position).to_vec();
        let rate = |ending| rates.get(&ending).map_or(0.0, |rates| rates[position]);
        row.extend(Ending::ALL.map(|ending| format!("{:.1}/s", rate(ending))));
        table.rows.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::percentiles;
    use super::*;
    use crate::calls::calls;
    use stormglass_checker::{Event, History, Kind, Process};

    /// One operation after the other, each a second after the last: how long it took in milliseconds, and how it ended.
    fn history(operations: &[(u64, Kind)]) -> History {
        let mut events = Vec::new();
        for (at, (took_ms, kind)) in (0u64..).zip(operations) {
            for (kind, time_ms) in [(Kind::Invoke, at * 1_000), (*kind, at * 1_000 + took_ms)] {
                events.push(Event {
                    index: events.len() as u64,
                    time: time_ms * 1_000_000,
                    process: Process::Client(at),
                    kind,
                    f: "read".to_string(),
                    key: None,
                    value: serde_json::Value::Null,
                    version: None,
                    error: None,
                });
            }
        }
        History { events }
    }

    /// A hundred and twenty-two seconds are sixty-one stretches of two: too many, so that two of them make a row of four seconds.
    #[test]
    fn a_table_has_at_most_sixty_rows_and_each_has_the_numbers_of_its_stretch() {
        let mut operations = vec![(10, Kind::Ok); 122];
        operations[0].0 = 40;
        operations[1].0 = 20;
        operations[5].1 = Kind::Fail;
        operations[6].1 = Kind::Info;
        operations[120].0 = 700;
        let history = history(&operations);
        let calls = calls(&history, 5);
        let ended_ns = 122_000_000_000;
        let row = |table: &Table, at: usize| table.rows[at].join(" | ");
        let latency = latency(&calls, ended_ns);
        assert_eq!(latency.rows.len(), 30);
        assert_eq!(
            row(&latency, 0),
            "0.000 s | 4.000 s | 4 | 0 | 0 | 10 ms | 40 ms"
        );
        assert_eq!(
            row(&latency, 1),
            "4.000 s | 8.000 s | 2 | 1 | 1 | 10 ms | 10 ms"
        );
        // The last takes what remains.
        assert_eq!(
            row(&latency, 29),
            "116.000 s | 122.000 s | 6 | 0 | 0 | 10 ms | 700 ms"
        );
        let throughput = throughput(&calls, ended_ns);
        assert_eq!(
            row(&throughput, 1),
            "4.000 s | 8.000 s | 0.5/s | 0.2/s | 0.2/s"
        );
        let percentiles = percentiles::rows(&calls, ended_ns);
        assert_eq!(
            row(&percentiles, 0),
            "0.000 s | 4.000 s | 4 | 10 ms | 40 ms | 40 ms | 40 ms | 40 ms"
        );
        for table in [latency, throughput, percentiles] {
            assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
        }
    }

    #[test]
    fn where_nothing_ended_ok_there_is_no_latency() {
        let history = history(&[(10, Kind::Info)]);
        let table = latency(&calls(&history, 5), 1_000_000_000);
        let row = table.rows[0].join(" | ");
        assert_eq!(row, "0.000 s | 0.020 s | 0 | 0 | 1 | \u{2013} | \u{2013}");
    }

    #[test]
    fn a_twin_shows_every_cell_and_no_markup_of_theirs() {
        let mut table = Table::new(&["from", "<b>"]);
        assert_eq!(table.twin(), "", "without rows there is nothing to open");
        table.rows.push(vec!["1".to_string(), "<i>&".to_string()]);
        let html = table.twin();
        assert!(
            html.contains("<th class=\"number\">&lt;b&gt;</th>"),
            "{html}"
        );
        assert!(
            html.contains("<td class=\"number\">1</td><td class=\"number\">&lt;i&gt;&amp;</td>"),
            "{html}"
        );
        assert!(html.starts_with("<details class=\"twin\"><summary>As a table</summary>"));
    }
}
