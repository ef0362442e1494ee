//! What the page's script reads: the scene in short arrays of numbers, its texts stored once.

use crate::calls::{Call, Ending};
use crate::reigns::ReignEnd;
use crate::timeline::{LEFT, Layout, RIGHT, Scene, WIDTH, Window, lane_of, reign_title};
use crate::units::{duration, moment};
use serde::Serialize;
use std::collections::BTreeMap;

/// The most calls that the page carries. A page of more would be slow to open.
pub(crate) const CALLS_MAX: usize = 40_000;

/// What the script reads.
#[derive(Serialize)]
pub(crate) struct ScriptData {
    /// The end of the run, in microseconds.
    end: u64,
    healed: u64,
    /// The window shown first, in microseconds.
    window: [u64; 2],
    left: f64,
    right: f64,
    width: f64,
    layout: Lanes,
    overview: Lanes,
    texts: Vec<String>,
    /// Client, process, ending, call in microseconds since the call before, length in microseconds or -1, and the positions in `texts` of
    /// function, key, argument and result; 1 last for a culprit.
    calls: Vec<[i64; 10]>,
    /// Row, from, until, family, label, title, certain.
    faults: Vec<(usize, u64, u64, &'static str, String, String, bool)>,
    /// Node's lane, from, until, term, title.
    reigns: Vec<(usize, u64, u64, u64, String)>,
    /// Node's lane, from, until, title.
    outages: Vec<(usize, u64, u64, String)>,
    /// Time, text.
    marks: Vec<(u64, String)>,
}

/// A layout as the script reads it.
#[derive(Serialize)]
struct Lanes {
    top: f64,
    fault: f64,
    nodes: f64,
    node: f64,
    clients: f64,
    client: f64,
    bottom: f64,
    labelled: bool,
    /// How many of each there are.
    rows: [u64; 3],
}

/// The data of a scene, and how many calls found no room in it.
pub(crate) fn script_data(scene: &Scene<'_>, window: Window) -> (ScriptData, usize) {
    let kept = kept(&scene.calls, window);
    let left_out = scene.calls.len() - kept.len();
    let mut texts = Texts::default();
    let mut before_us = 0;
    let calls = kept
        .iter()
        .map(|call| row(scene, call, &mut texts, &mut before_us))
        .collect();
    let faults = scene.bands.iter().map(|band| {
        let label = format!("{} {}", band.kind.name(), band.nodes);
        (
            band.row,
            us(band.from_ns),
            us(band.until_ns),
            band.family(),
            label,
            band.title(),
            band.certain,
        )
    });
    let reigns = scene.reigns.iter().map(|reign| {
        let until_ns = if reign.end == ReignEnd::RunEnded {
            scene.ended_ns
        } else {
            reign.until_ns
        };
        (
            lane_of(reign.node.0),
            us(reign.from_ns),
            us(until_ns),
            reign.epoch,
            reign_title(reign),
        )
    });
    let outages = scene.outages.iter().map(|outage| {
        let length = duration(outage.until_ns - outage.from_ns);
        let title = format!(
            "{} down from {} for {length}",
            outage.node,
            moment(outage.from_ns)
        );
        (
            lane_of(outage.node.0),
            us(outage.from_ns),
            us(outage.until_ns),
            title,
        )
    });
    let data = ScriptData {
        end: us(scene.ended_ns),
        healed: us(scene.healed_ns),
        window: [us(window.from_ns), us(window.until_ns)],
        left: LEFT,
        right: RIGHT,
        width: WIDTH,
        layout: lanes(&Layout::detail(scene), scene),
        overview: lanes(&Layout::overview(scene), scene),
        calls,
        faults: faults.collect(),
        reigns: reigns.collect(),
        outages: outages.collect(),
        marks: scene
            .marks
            .iter()
            .take(20)
            .map(|mark| (us(mark.time_ns), mark.text.clone()))
            .collect(),
        texts: texts.list,
    };
    (data, left_out)
}

fn us(time_ns: u64) -> u64 {
    time_ns / 1_000
}

fn lanes(layout: &Layout, scene: &Scene<'_>) -> Lanes {
    Lanes {
        top: layout.faults_top,
        fault: layout.fault_height,
        nodes: layout.nodes_top,
        node: layout.node_height,
        clients: layout.clients_top,
        client: layout.client_height,
        bottom: layout.bottom,
        labelled: layout.labelled,
        rows: [
            layout.fault_rows as u64,
            u64::from(scene.nodes),
            u64::from(scene.clients),
        ],
    }
}

/// The calls that find room: all, or those around the window.
fn kept<'a, 'b>(calls: &'a [Call<'b>], window: Window) -> &'a [Call<'b>] {
    if calls.len() <= CALLS_MAX {
        return calls;
    }
    let middle_ns = window.from_ns / 2 + window.until_ns / 2;
    let middle = calls.partition_point(|call| call.called_ns() < middle_ns);
    let from = middle
        .saturating_sub(CALLS_MAX / 2)
        .min(calls.len() - CALLS_MAX);
    &calls[from..from + CALLS_MAX]
}

fn row(scene: &Scene<'_>, call: &Call<'_>, texts: &mut Texts, before_us: &mut i64) -> [i64; 10] {
    let from_us = us(call.called_ns()) as i64;
    let since_us = from_us - *before_us;
    *before_us = from_us;
    let ending = match call.ending() {
        Ending::Ok => 0,
        Ending::Fail => 1,
        Ending::Info => 2,
    };
    let key = call.invoke.key.as_deref().unwrap_or_default();
    [
        call.client as i64,
        i64::try_from(call.process).unwrap_or(i64::MAX),
        ending,
        since_us,
        call.latency_ns().map_or(-1, |ns| us(ns) as i64),
        texts.position(crate::escape::short(
            &call.invoke.f,
            crate::calls::VALUE_CHARACTERS_MAX,
        )),
        texts.position(crate::escape::short(
            key,
            crate::calls::VALUE_CHARACTERS_MAX,
        )),
        texts.position(call.argument()),
        texts.position(call.result()),
        i64::from(scene.culprits.contains(&call.position)),
    ]
}

/// Texts, each stored once, in the order in which they came up.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    positions: BTreeMap<String, i64>,
}

impl Texts {
    fn position(&mut self, text: String) -> i64 {
        if let Some(position) = self.positions.get(&text) {
            return *position;
        }
        let position = self.list.len() as i64;
        self.positions.insert(text.clone(), position);
        self.list.push(text);
        position
    }
}
