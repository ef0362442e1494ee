//! The sections of a page that tell how a cluster behaved.

use super::{
    AimRow, Availability, Back, Behaviour, FactRow, Heal, KEYS_MAX, KeyRow, KeyVerdict, Keys,
    KindWindows, Served, Spread, Window,
};
use crate::error::ReportError;
use crate::escape::short;
use crate::plots::{self, Plot};
use crate::stretches::quantile;
use crate::units::{count, duration, moment};
use askama::Template;
use stormglass_impls::facts::FactKind;
use stormglass_nemesis::faults::FaultKind;

/// The style rules of the sections, for the head of the page.
pub const STYLE: &str = include_str!("../../templates/behaviour.css");

/// The most windows and healings that are shown one by one.
const ROWS_MAX: usize = 400;

/// The most rows of a table that stands open.
const ROWS_OPEN_MAX: usize = 12;

/// The most characters of a key.
const KEY_CHARACTERS_MAX: usize = 64;

const NOTHING: &str = "\u{2013}";

#[derive(Template)]
#[template(path = "behaviour.html")]
struct Page {
    keys: Vec<KeyView>,
    keys_left_out: Option<String>,
    calm: String,
    kinds: Vec<KindView>,
    windows: Rows<WindowView>,
    recovered: String,
    heals: Rows<HealView>,
    leaders: bool,
    aims: Vec<AimView>,
    never: Option<String>,
    facts_known: bool,
    facts: Vec<FactView>,
    facts_never: Vec<FactView>,
    bent: bool,
    clocks: Vec<Plot>,
    clocks_left_out: u64,
}

/// Rows, those of them that are shown.
struct Rows<T> {
    shown: Vec<T>,
    left_out: usize,
    open: bool,
}

impl<T> Rows<T> {
    fn of<S>(all: &[S], view: fn(&S) -> T) -> Self {
        Self {
            shown: all.iter().take(ROWS_MAX).map(view).collect(),
            left_out: all.len().saturating_sub(ROWS_MAX),
            open: all.len() <= ROWS_OPEN_MAX,
        }
    }
}

struct KeyView {
    key: Option<String>,
    all: bool,
    counts: [String; 4],
    latencies: [String; 3],
    first: String,
    last: String,
    faults: String,
    verdict: &'static str,
    wrong: bool,
}

struct KindView {
    kind: &'static str,
    family: &'static str,
    windows: String,
    operations: String,
    ok: [Share; 2],
    answered: [Share; 2],
    median: [String; 2],
    stall: [String; 2],
}

/// A share, and how long its bar is.
struct Share {
    text: String,
    percent: Option<String>,
}

struct WindowView {
    fault: u32,
    kind: &'static str,
    family: &'static str,
    nodes: String,
    from: String,
    lasted: String,
    operations: String,
    ok: Share,
    ok_within: Share,
    answered: Share,
    median: String,
    stall: String,
    certain: bool,
}

struct HealView {
    what: String,
    family: Option<&'static str>,
    at: String,
    service: String,
    never: bool,
    overlapped: String,
    leader_after_begin: String,
    leader_after_heal: String,
}

struct AimView {
    kind: &'static str,
    family: &'static str,
    aim: String,
    counts: [String; 5],
}

struct FactView {
    name: &'static str,
    meaning: &'static str,
    takes: &'static str,
    count: String,
    nodes: String,
    first: String,
    last: String,
}

/// Makes the sections: for the body of a page that has [`STYLE`] in its head.
///
/// # Errors
/// [`ReportError::Rendering`].
pub fn render(behaviour: &Behaviour) -> Result<String, ReportError> {
    let Behaviour {
        keys,
        availability,
        recovery,
        coverage,
        facts,
        clocks,
    } = behaviour;
    let page = Page {
        keys: keys
            .all
            .iter()
            .map(|all| key(all, true))
            .chain(keys.rows.iter().map(|row| key(row, false)))
            .collect(),
        keys_left_out: keys_left_out(keys),
        calm: calm(availability),
        kinds: availability.kinds.iter().map(kind).collect(),
        windows: Rows::of(&availability.windows, window),
        recovered: recovered(&recovery.heals),
        heals: Rows::of(&recovery.heals, heal),
        leaders: recovery.leaders_known,
        aims: coverage.rows.iter().map(aim).collect(),
        never: (!coverage.never.is_empty()).then(|| names(&coverage.never)),
        facts_known: facts.known,
        facts: facts.rows.iter().map(fact).collect(),
        facts_never: facts
            .never
            .iter()
            .copied()
            .map(fact_that_never_was)
            .collect(),
        bent: !clocks.bends.is_empty(),
        clocks: plots::clocks::clocks(clocks)?,
        clocks_left_out: clocks.left_out,
    };
    page.render().map_err(|error| ReportError::Rendering {
        what: "behaviour",
        cause: error.to_string(),
    })
}

fn time(time_ns: Option<u64>) -> String {
    time_ns.map_or_else(|| NOTHING.to_string(), duration)
}

fn share(share: Option<f64>) -> Share {
    let Some(share) = share else {
        return Share {
            text: NOTHING.to_string(),
            percent: None,
        };
    };
    let percent = share * 100.0;
    // All and nothing are said only of what is all and nothing.
    let text = match percent {
        all if all >= 100.0 => "100 %".to_string(),
        some if some >= 99.9 => "over 99.9 %".to_string(),
        some if some > 0.0 && some < 0.1 => "under 0.1 %".to_string(),
        some => format!("{some:.1} %"),
    };
    Share {
        text,
        percent: Some(format!("{percent:.1}")),
    }
}

fn key(row: &KeyRow, all: bool) -> KeyView {
    let latency = |pick: fn(&super::Latency) -> u64| time(row.latency.as_ref().map(pick));
    KeyView {
        key: row.key.as_ref().map(|key| short(key, KEY_CHARACTERS_MAX)),
        all,
        counts: [row.operations, row.ok, row.fail, row.info].map(count),
        latencies: [
            latency(|latency| latency.median_ns),
            latency(|latency| latency.p99_ns),
            latency(|latency| latency.max_ns),
        ],
        first: moment(row.first_ns),
        last: moment(row.last_ns),
        faults: count(row.faults),
        verdict: row.verdict.text(),
        wrong: matches!(row.verdict, KeyVerdict::Broken | KeyVerdict::Involved),
    }
}

fn keys_left_out(keys: &Keys) -> Option<String> {
    let left_out = keys.keys.saturating_sub(KEYS_MAX as u64);
    (left_out > 0).then(|| {
        format!(
            "and {} more keys with {} operations",
            count(left_out),
            count(keys.operations_left_out)
        )
    })
}

/// What the calm was like, in a sentence.
fn calm(availability: &Availability) -> String {
    let Availability { calm, windows, .. } = availability;
    let what = match (windows.is_empty(), calm.operations) {
        (true, 0) => return "Nothing was called, and no fault was set up.".to_string(),
        (false, 0) => {
            return "Nothing was called before the first fault: there is no calm to compare with."
                .to_string();
        }
        (true, _) => "No fault was set up. Over the whole run".to_string(),
        (false, _) => format!("Before the first fault, at {},", moment(calm.until_ns)),
    };
    let percent = |count| share(calm.share(count)).text;
    format!(
        "{what} {} operations were called: {} of them ended ok and {} were answered; the median latency of those that ended ok is {}, the \
         longest time without any such return {}.",
        count(calm.operations),
        percent(calm.ok),
        percent(calm.answered),
        time(calm.median_ns),
        time(calm.stall_ns),
    )
}

fn kind(row: &KindWindows) -> KindView {
    let shares = |spread: Option<Spread<f64>>| {
        [
            spread.map(|spread| spread.median),
            spread.map(|spread| spread.worst),
        ]
        .map(share)
    };
    let times = |spread: Option<Spread<u64>>| {
        [
            spread.map(|spread| spread.median),
            spread.map(|spread| spread.worst),
        ]
        .map(time)
    };
    KindView {
        kind: row.kind.name(),
        family: row.kind.info().family,
        windows: count(row.windows),
        operations: count(row.operations),
        ok: shares(row.ok_share),
        answered: shares(row.answered_share),
        median: times(row.median_ns),
        stall: times(row.stall_ns),
    }
}

fn window(row: &Window) -> WindowView {
    let served: &Served = &row.served;
    let of = |count| share(served.share(count));
    WindowView {
        fault: row.fault,
        kind: row.kind.name(),
        family: row.kind.info().family,
        nodes: row.nodes.clone(),
        from: moment(served.from_ns),
        lasted: duration(served.until_ns.saturating_sub(served.from_ns)),
        operations: count(served.operations),
        ok: of(served.ok),
        ok_within: of(served.ok_within),
        answered: of(served.answered),
        median: time(served.median_ns),
        stall: time(served.stall_ns),
        certain: row.certain,
    }
}

fn back(back: Option<Back>) -> String {
    match back {
        None => NOTHING.to_string(),
        Some(Back::AfterNs(0)) => "at once".to_string(),
        Some(Back::AfterNs(after_ns)) => duration(after_ns),
        Some(Back::Never) => "never".to_string(),
        Some(Back::Unasked) => "nothing was called".to_string(),
    }
}

/// How all of it went, in a sentence.
fn recovered(heals: &[Heal]) -> String {
    let mut after_ns: Vec<u64> = heals
        .iter()
        .filter_map(|heal| match heal.service {
            Back::AfterNs(after_ns) => Some(after_ns),
            Back::Never | Back::Unasked => None,
        })
        .collect();
    after_ns.sort_unstable();
    let never = heals
        .iter()
        .filter(|heal| heal.service == Back::Never)
        .count() as u64;
    let all = count(heals.len() as u64);
    let back = match (quantile(&after_ns, 500), after_ns.last()) {
        (Some(median_ns), Some(worst_ns)) => format!(
            "Of {all} healings service was back after {} in the middle, and after {} at the worst",
            duration(median_ns),
            duration(*worst_ns)
        ),
        _ => format!("Of {all} healings service came back after none"),
    };
    match never {
        0 => format!("{back}."),
        _ => format!("{back}; after {} of them it never was.", count(never)),
    }
}

fn heal(row: &Heal) -> HealView {
    let what = match (row.fault, row.kind) {
        (Some(fault), Some(kind)) => format!("{} (fault {fault})", kind.name()),
        _ => "the end of the storm".to_string(),
    };
    HealView {
        what,
        family: row.kind.map(|kind| kind.info().family),
        at: moment(row.at_ns),
        service: back(Some(row.service)),
        never: row.service == Back::Never,
        overlapped: match row.overlapped_by {
            0 => String::new(),
            1 => "overlapped by 1 fault".to_string(),
            some => format!("overlapped by {} faults", count(some)),
        },
        leader_after_begin: back(row.leader_after_begin),
        leader_after_heal: back(row.leader_after_heal),
    }
}

fn aim(row: &AimRow) -> AimView {
    AimView {
        kind: row.kind.name(),
        family: row.kind.info().family,
        aim: row.aim.text(),
        counts: [
            row.installed,
            row.met_none,
            row.open_at_begin,
            row.open_at_end,
            row.some_within,
        ]
        .map(count),
    }
}

fn names(kinds: &[FaultKind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}

fn fact(row: &FactRow) -> FactView {
    FactView {
        count: count(row.count),
        nodes: count(row.nodes),
        first: moment(row.first_ns),
        last: moment(row.last_ns),
        ..fact_that_never_was(row.kind)
    }
}

fn fact_that_never_was(kind: FactKind) -> FactView {
    FactView {
        name: kind.name(),
        meaning: kind.meaning(),
        takes: kind.takes(),
        count: String::new(),
        nodes: String::new(),
        first: String::new(),
        last: String::new(),
    }
}
