//! `perfetto.json`: the run on a time axis, for <https://ui.perfetto.dev> and `chrome://tracing`, in Chrome's trace event format.
//!
//! | process | threads | what is there |
//! | --- | --- | --- |
//! | `clients` | one a client | operations; one that never returned lasts to the end of the run |
//! | `nodes` | one a node | who led, who was down, and what the nodes noted |
//! | `faults` | one a kind | faults in force, with the nodes they befell |
//! | `run` | one | when it healed, and what was broken when |
//!
//! Times are microseconds with three decimals, so that they are exact to the nanosecond. Values stand there as they are in the history. On
//! a thread the format knows only slices within each other: what overlaps otherwise stands on a further thread, `crash (2)`.

use crate::bands::{Band, bands};
use crate::calls::{Call, Ending, calls};
use crate::plots::ended_ns;
use crate::reigns::{Reign, outages, reigns};
use crate::summary::word;
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use stormglass_checker::{Event, Evidence, Verdict};
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::judge::Judged;
use stormglass_nemesis::record::{FactRecord, Run, Violation};
use stormglass_nemesis::trial::Trial;

/// The most threads for what belongs on one. What fits on none of them stands on the last.
const LANES_MAX: usize = 8;

/// The most clients that have a thread though they did nothing.
const CLIENTS_MAX: u32 = 999;

/// The number of the first thread. One with the number of a process would be taken for its main one.
const TID_MIN: usize = 101;

/// About what one mark takes.
const MARK_BYTES: usize = 200;

/// A group of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Process {
    Clients = 1,
    Nodes = 2,
    Faults = 3,
    Run = 4,
}

impl Process {
    const ALL: [Process; 4] = [
        Process::Clients,
        Process::Nodes,
        Process::Faults,
        Process::Run,
    ];

    fn name(self) -> &'static str {
        match self {
            Process::Clients => "clients",
            Process::Nodes => "nodes",
            Process::Faults => "faults",
            Process::Run => "run",
        }
    }
}

/// The threads of a client, a node or a kind of fault.
type Track = (Process, u64);

/// Something that lasted, or a moment.
struct Mark<'a> {
    track: Track,
    from_ns: u64,
    /// None for a moment.
    until_ns: Option<u64>,
    /// The number of its thread among those of its track.
    lane: usize,
    what: What<'a>,
}

enum What<'a> {
    Call(Call<'a>),
    Leads(&'a Reign),
    Down,
    Fault(&'a Band),
    Fact(&'a FactRecord),
    Healed,
    Violation(&'a Violation),
    Broken(&'a Evidence, &'a Event),
}

/// The trace. The same run gives the same bytes.
pub fn render(trial: &Trial, run: &Run, judged: &Judged) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, trial, run, judged)
        .expect("a vector takes everything, and all of it is plain data with text keys");
    out
}

fn write(out: &mut Vec<u8>, trial: &Trial, run: &Run, judged: &Judged) -> io::Result<()> {
    let ended_ns = ended_ns(run);
    let bands = bands(&run.record, ended_ns);
    let outages = outages(trial, &run.record, ended_ns);
    let reigns = reigns(trial, &run.record, &outages, ended_ns);

    let lasting = |track, from_ns: u64, until_ns: u64, what| Mark {
        track,
        from_ns,
        until_ns: Some(until_ns.max(from_ns)),
        lane: 0,
        what,
    };
    let moment = |track, from_ns, what| Mark {
        track,
        from_ns,
        until_ns: None,
        lane: 0,
        what,
    };
    let node = |node: NodeId| (Process::Nodes, u64::from(node.0));
    let mut marks = Vec::new();
    marks.extend(calls(&run.history, trial.clients).into_iter().map(|call| {
        let track = (Process::Clients, call.client);
        lasting(
            track,
            call.called_ns(),
            call.until_ns(ended_ns),
            What::Call(call),
        )
    }));
    marks.extend(reigns.iter().map(|reign| {
        lasting(
            node(reign.node),
            reign.from_ns,
            reign.until_ns,
            What::Leads(reign),
        )
    }));
    marks.extend(outages.iter().map(|outage| {
        lasting(
            node(outage.node),
            outage.from_ns,
            outage.until_ns,
            What::Down,
        )
    }));
    marks.extend(bands.iter().map(|band| {
        let track = (Process::Faults, band.kind as u64);
        lasting(track, band.from_ns, band.until_ns, What::Fault(band))
    }));
    marks.extend(
        run.record
            .facts
            .iter()
            .map(|fact| moment(node(fact.node), fact.time_ns, What::Fact(fact))),
    );
    let whole = (Process::Run, 0);
    if run.record.healed_ns < run.record.ended_ns {
        marks.push(moment(whole, run.record.healed_ns, What::Healed));
    }
    marks.extend(
        judged
            .violations
            .iter()
            .map(|violation| moment(whole, violation.time_ns, What::Violation(violation))),
    );
    if let Verdict::Invalid(evidence) = &judged.judgement.verdict {
        let last = evidence
            .prefix_events
            .checked_sub(1)
            .and_then(|last| run.history.events.get(last));
        marks.extend(last.map(|event| moment(whole, event.time, What::Broken(evidence, event))));
    }
    // What lasts longer comes first, since what is shorter may stand within it.
    marks.sort_by_key(|mark| (mark.from_ns, Reverse(mark.until_ns)));

    out.reserve(marks.len() * MARK_BYTES);

    let names = threads(trial, &mut marks);
    let tids: BTreeMap<(Track, usize), usize> = names.keys().copied().zip(TID_MIN..).collect();

    let about = json!({
        "cluster": trial.cluster,
        "workload": trial.workload.name(),
        "seed": trial.seed,
        "arena": trial.arena.name(),
        "mutant": trial.mutant,
        "verdict": word(judged.ruling),
        "sentence": judged.sentence,
        "digest": run.record.digest,
    });
    write!(
        out,
        "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":["
    )?;
    let mut separator = "\n";
    for process in Process::ALL {
        let pid = process as u32;
        for (what, args) in [
            ("process_name", json!({"name": process.name()})),
            ("process_sort_index", json!({"sort_index": pid})),
        ] {
            write!(
                out,
                "{separator}{{\"name\":\"{what}\",\"ph\":\"M\",\"pid\":{pid},\"args\":{args}}}"
            )?;
            separator = ",\n";
        }
    }
    for (thread, name) in &names {
        let (pid, tid) = (thread.0.0 as u32, tids[thread]);
        for (what, args) in [
            ("thread_name", json!({"name": name})),
            ("thread_sort_index", json!({"sort_index": tid})),
        ] {
            write!(
                out,
                "{separator}{{\"name\":\"{what}\",\"ph\":\"M\",\"pid\":{pid},\"tid\":{tid},\"args\":{args}}}"
            )?;
        }
    }
    for mark in &marks {
        out.write_all(separator.as_bytes())?;
        mark.write(out, tids[&(mark.track, mark.lane)])?;
    }
    out.write_all(b"\n]}\n")
}

/// Gives everything that lasts a thread on which slices stand only within each other, and names the threads.
fn threads(trial: &Trial, marks: &mut [Mark<'_>]) -> BTreeMap<(Track, usize), String> {
    let mut names = BTreeMap::from([(((Process::Run, 0), 0), "run".to_string())]);
    for client in 0..u64::from(trial.clients.clamp(1, CLIENTS_MAX)) {
        names.insert(((Process::Clients, client), 0), format!("client {client}"));
    }
    for node in NodeId::all(trial.nodes) {
        names.insert(((Process::Nodes, node.0.into()), 0), node.to_string());
    }
    // When what is open on a thread ends, the innermost last.
    let mut open: BTreeMap<Track, Vec<Vec<u64>>> = BTreeMap::new();
    for mark in marks {
        if let Some(until_ns) = mark.until_ns {
            let lanes = open.entry(mark.track).or_default();
            let fits = |lane: &mut Vec<u64>| {
                while lane.pop_if(|end_ns| *end_ns <= mark.from_ns).is_some() {}
                lane.last().is_none_or(|end_ns| until_ns <= *end_ns)
            };
            mark.lane = match lanes.iter_mut().position(fits) {
                Some(lane) => lane,
                None if lanes.len() < LANES_MAX => {
                    lanes.push(Vec::new());
                    lanes.len() - 1
                }
                None => LANES_MAX - 1,
            };
            lanes[mark.lane].push(until_ns);
        }
        names.entry((mark.track, mark.lane)).or_insert_with(|| {
            let name = match &mark.what {
                What::Call(call) => format!("client {}", call.client),
                What::Fault(band) => band.kind.name().to_string(),
                What::Leads(_) | What::Down | What::Fact(_) => format!("n{}", mark.track.1),
                What::Healed | What::Violation(_) | What::Broken(..) => "run".to_string(),
            };
            match mark.lane {
                0 => name,
                lane => format!("{name} ({})", lane + 1),
            }
        });
    }
    names
}

/// What is known of an operation.
#[derive(Serialize)]
struct Operation<'a> {
    function: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    argument: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    process: u64,
    outcome: &'static str,
}

impl<'a> Operation<'a> {
    fn of(call: &Call<'a>) -> Self {
        Self {
            function: &call.invoke.f,
            key: call.invoke.key.as_deref(),
            argument: &call.invoke.value,
            result: call
                .completion
                .filter(|_| call.ending() == Ending::Ok)
                .map(|event| &event.value),
            error: call.completion.and_then(|event| event.error.as_deref()),
            version: call.completion.and_then(|event| event.version),
            process: call.process,
            outcome: match (call.completion, call.ending()) {
                (None, _) => "no return",
                (Some(_), Ending::Ok) => "ok",
                (Some(_), Ending::Fail) => "fail",
                (Some(_), Ending::Info) => "unknown",
            },
        }
    }
}

impl Mark<'_> {
    fn write(&self, out: &mut Vec<u8>, tid: usize) -> io::Result<()> {
        out.write_all(b"{\"name\":")?;
        let (name, category, args) = match &self.what {
            What::Call(call) => {
                serde_json::to_writer(&mut *out, &call.what())?;
                out.write_all(b",\"args\":")?;
                serde_json::to_writer(&mut *out, &Operation::of(call))?;
                return self.place(out, call.ending().name(), tid);
            }
            What::Leads(reign) => (
                format!("leads term {}", reign.epoch),
                "leader",
                json!({"end": reign.end.text()}),
            ),
            What::Down => ("down".to_string(), "down", json!({})),
            What::Fault(band) => {
                let args = json!({"fault": band.id, "nodes": band.nodes, "certain": band.certain});
                (band.kind.name().to_string(), band.family(), args)
            }
            What::Fact(fact) => {
                let mut args = serde_json::to_value(fact.fact)?;
                let name = args
                    .as_object_mut()
                    .and_then(|fields| fields.remove("fact"));
                let name = name
                    .as_ref()
                    .and_then(Value::as_str)
                    .unwrap_or("fact")
                    .replace('_', " ");
                (name, "fact", args)
            }
            What::Healed => ("healed".to_string(), "run", json!({})),
            What::Violation(violation) => {
                let args = json!({"kind": violation.kind, "node": violation.node, "message": violation.message});
                (violation.name.clone(), "violation", args)
            }
            What::Broken(evidence, event) => {
                let args = json!({"promise": evidence.promise, "key": evidence.key, "f": event.f, "events": evidence.prefix_events});
                ("the promise is broken".to_string(), "violation", args)
            }
        };
        serde_json::to_writer(&mut *out, &name)?;
        write!(out, ",\"args\":{args}")?;
        self.place(out, category, tid)
    }

    /// Where it stands, which ends it.
    fn place(&self, out: &mut Vec<u8>, category: &str, tid: usize) -> io::Result<()> {
        let pid = self.track.0 as u32;
        let us = |ns: u64| (ns / 1_000, ns % 1_000);
        let (ts, ts_ns) = us(self.from_ns);
        write!(
            out,
            ",\"cat\":\"{category}\",\"pid\":{pid},\"tid\":{tid},\"ts\":{ts}.{ts_ns:03},"
        )?;
        match self.until_ns {
            Some(until_ns) => {
                let (dur, dur_ns) = us(until_ns - self.from_ns);
                write!(out, "\"ph\":\"X\",\"dur\":{dur}.{dur_ns:03}}}")
            }
            None => {
                let scope = if self.track.0 == Process::Run {
                    "g"
                } else {
                    "t"
                };
                write!(out, "\"ph\":\"i\",\"s\":\"{scope}\"}}")
            }
        }
    }
}
