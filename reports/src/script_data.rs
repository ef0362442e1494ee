//! What the page's script reads: the scene in columns of numbers, its texts stored once, compressed.
//!
//! A hundred thousand operations in columns compress to less than a megabyte. The browser unpacks them by itself, and asks nobody for anything.

use crate::calls::{Call, Ending, VALUE_CHARACTERS_MAX};
use crate::error::ReportError;
use crate::escape::short;
use crate::roles::Role;
use crate::timeline::{LEFT, Layout, RIGHT, Scene, WIDTH, Window, lane_of};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write as _;

/// The most calls that the page carries.
const CALLS_MAX: usize = 250_000;

/// The most bytes of texts.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// The most bytes of the data in the page. The page itself stays under five megabytes with it.
const PACKED_BYTES_MAX: usize = 3_500_000;

/// The most marks.
const MARKS_MAX: usize = 50;

/// What the script reads. Times are in microseconds.
#[derive(Serialize)]
struct ScriptData<'a> {
    /// The end of the run.
    end: u64,
    healed: u64,
    /// The window shown first.
    window: [u64; 2],
    /// The overview's layout: where it begins and ends, from left to right and from top to bottom, in units of the drawing.
    overview: [f64; 5],
    nodes: u8,
    clients: u32,
    /// How many calls there were in all.
    total: usize,
    texts: &'a [String],
    calls: Columns<'a>,
    /// Positions of those that collide.
    culprits: Vec<usize>,
    /// Number, kind, family, from, until, nodes, certain.
    faults: Vec<(u32, &'static str, &'static str, u64, u64, &'a str, bool)>,
    /// Node's lane, from, until, role, term.
    stints: Vec<(usize, u64, u64, u8, u64)>,
    /// Node's lane, from, until.
    outages: Vec<(usize, u64, u64)>,
    pauses: Vec<(usize, u64, u64)>,
    /// Time, text.
    marks: Vec<(u64, &'a str)>,
}

/// The calls, a column a field. Texts are positions in the list of texts.
#[derive(Serialize)]
struct Columns<'a> {
    client: Vec<u64>,
    process: Vec<u64>,
    /// 0 ok, 1 failed, 2 unknown.
    ending: Vec<u8>,
    /// The position of the call in the history, from that of the call before.
    position: Vec<i64>,
    /// The position of the return, from that of the call; 0 when there is none.
    returned: Vec<usize>,
    /// The time of the call, from that of the call before.
    since: Vec<i64>,
    /// How long it took; -1 when it never returned.
    length: Vec<i64>,
    f: Vec<usize>,
    key: Vec<usize>,
    argument: Vec<usize>,
    result: Vec<usize>,
    /// The state before and after; -1 where nobody knows it. Absent when it is known of none.
    before: Option<&'a [i64]>,
    after: Option<&'a [i64]>,
}

/// The data as it stands in the page.
pub(crate) struct Packed {
    /// Compressed, in characters that mean nothing to a page.
    pub(crate) text: String,
    /// How many calls found no room.
    pub(crate) left_out: usize,
}

/// The data of a scene: all of it, or as many calls around the window as find room.
pub(crate) fn pack(scene: &Scene<'_>, window: Window) -> Result<Packed, ReportError> {
    let mut calls_max = CALLS_MAX;
    loop {
        let table = Table::of(scene, window, calls_max);
        let kept = table.calls.len();
        let text = packed(&data(scene, window, &table))?;
        if text.len() <= PACKED_BYTES_MAX || kept == 0 {
            let left_out = scene.calls.len() - kept;
            return Ok(Packed { text, left_out });
        }
        calls_max = kept / 2;
    }
}

fn packed(data: &ScriptData<'_>) -> Result<String, ReportError> {
    let failed = |cause: std::io::Error| ReportError::Rendering {
        what: "page",
        cause: cause.to_string(),
    };
    let mut bytes = GzEncoder::new(Vec::new(), Compression::new(4));
    let json = serde_json::to_vec(data).map_err(std::io::Error::from);
    json.and_then(|json| bytes.write_all(&json))
        .map_err(failed)?;
    Ok(BASE64_STANDARD.encode(bytes.finish().map_err(failed)?))
}

fn data<'a>(scene: &'a Scene<'_>, window: Window, table: &'a Table<'_, '_>) -> ScriptData<'a> {
    let layout = Layout::overview(scene);
    let bands = scene.bands.iter();
    let faults = bands.map(|band| {
        (
            band.id,
            band.kind.name(),
            band.family(),
            us(band.from_ns),
            us(band.until_ns),
            band.nodes.as_str(),
            band.certain,
        )
    });
    let stints = scene.stints.iter().map(|stint| {
        let role = match stint.role {
            Role::Follower => 0,
            Role::Candidate => 1,
            Role::Leader => 2,
        };
        let (from, until) = (us(stint.from_ns), us(stint.until_ns));
        (lane_of(stint.node.0), from, until, role, stint.epoch)
    });
    let spans = |outages: &[crate::reigns::Outage]| {
        let spans = outages.iter();
        spans
            .map(|outage| {
                (
                    lane_of(outage.node.0),
                    us(outage.from_ns),
                    us(outage.until_ns),
                )
            })
            .collect()
    };
    let marks = scene.marks.iter().take(MARKS_MAX);
    ScriptData {
        end: us(scene.ended_ns),
        healed: us(scene.healed_ns),
        window: [us(window.from_ns), us(window.until_ns)],
        overview: [LEFT, WIDTH - RIGHT, WIDTH, layout.faults_top, layout.bottom],
        nodes: scene.nodes,
        clients: scene.clients,
        total: scene.calls.len(),
        texts: &table.texts.list,
        calls: table.columns(),
        culprits: scene.culprits.iter().copied().collect(),
        faults: faults.collect(),
        stints: stints.collect(),
        outages: spans(&scene.outages),
        pauses: spans(&scene.pauses),
        marks: marks
            .map(|mark| (us(mark.time_ns), mark.text.as_str()))
            .collect(),
    }
}

fn us(time_ns: u64) -> u64 {
    time_ns / 1_000
}

/// The calls that find room, and their texts.
struct Table<'a, 'b> {
    calls: &'a [Call<'b>],
    texts: Texts,
    /// Function, key, argument and result of each.
    words: Vec<[usize; 4]>,
    before: Vec<i64>,
    after: Vec<i64>,
    stated: bool,
}

impl<'a, 'b> Table<'a, 'b> {
    fn of(scene: &'a Scene<'b>, window: Window, calls_max: usize) -> Self {
        let mut texts = Texts::default();
        let mut words = vec![[0; 4]; scene.calls.len()];
        let mut before = vec![-1; scene.calls.len()];
        let mut after = vec![-1; scene.calls.len()];
        let mut stated = false;
        let kept = outward(scene, window, calls_max, |at| {
            let call = &scene.calls[at];
            let key = call.invoke.key.as_deref().unwrap_or_default();
            words[at] = [
                texts.position(short(&call.invoke.f, VALUE_CHARACTERS_MAX)),
                texts.position(short(key, VALUE_CHARACTERS_MAX)),
                texts.position(call.argument()),
                texts.position(call.result()),
            ];
            if let Some(around) = scene.states.get(&call.position) {
                let mut state =
                    |text: &str| texts.position(short(text, VALUE_CHARACTERS_MAX)) as i64;
                (before[at], after[at]) = (state(&around.before), state(&around.after));
                stated = true;
            }
            texts.bytes <= TEXT_BYTES_MAX
        });
        Self {
            calls: &scene.calls[kept.clone()],
            texts,
            words: words[kept.clone()].to_vec(),
            before: before[kept.clone()].to_vec(),
            after: after[kept].to_vec(),
            stated,
        }
    }

    fn columns(&self) -> Columns<'_> {
        let calls = self.calls;
        let differences = |number: fn(&Call<'_>) -> u64| -> Vec<i64> {
            let mut last = 0;
            let each = calls.iter().map(|call| number(call) as i64);
            each.map(|now| now - std::mem::replace(&mut last, now))
                .collect()
        };
        let word = |slot: usize| self.words.iter().map(|words| words[slot]).collect();
        let returned = |call: &Call<'_>| call.returned.map_or(0, |at| at - call.position);
        let ending = |call: &Call<'_>| match call.ending() {
            Ending::Ok => 0,
            Ending::Fail => 1,
            Ending::Info => 2,
        };
        let length = |call: &Call<'_>| call.latency_ns().map_or(-1, |ns| us(ns) as i64);
        Columns {
            client: calls.iter().map(|call| call.client).collect(),
            process: calls.iter().map(|call| call.process).collect(),
            ending: calls.iter().map(ending).collect(),
            position: differences(|call| call.position as u64),
            returned: calls.iter().map(returned).collect(),
            since: differences(|call| us(call.called_ns())),
            length: calls.iter().map(length).collect(),
            f: word(0),
            key: word(1),
            argument: word(2),
            result: word(3),
            before: self.stated.then_some(&self.before),
            after: self.stated.then_some(&self.after),
        }
    }
}

/// The range of calls around the middle of the window, taken outward one by one until `take` says that there is no room, or there are enough.
fn outward(
    scene: &Scene<'_>,
    window: Window,
    calls_max: usize,
    mut take: impl FnMut(usize) -> bool,
) -> std::ops::Range<usize> {
    let calls = &scene.calls;
    let middle_ns = window.from_ns / 2 + window.until_ns / 2;
    let middle = calls.partition_point(|call| call.called_ns() < middle_ns);
    let (mut from, mut until) = (middle, middle);
    while until - from < calls_max.min(calls.len()) {
        let earlier = from > 0 && (until == calls.len() || middle - from <= until - middle);
        let next = if earlier { from - 1 } else { until };
        if !take(next) {
            break;
        }
        (from, until) = if earlier {
            (next, until)
        } else {
            (from, next + 1)
        };
    }
    from..until
}

/// Texts, each stored once, in the order in which they came up.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    positions: BTreeMap<String, usize>,
    bytes: usize,
}

impl Texts {
    fn position(&mut self, text: String) -> usize {
        if let Some(position) = self.positions.get(&text) {
            return *position;
        }
        let position = self.list.len();
        self.bytes += text.len();
        self.positions.insert(text.clone(), position);
        self.list.push(text);
        position
    }
}
