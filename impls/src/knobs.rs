//! What can be set about a protocol, by a trial or by who runs a cluster.

use crate::contract::DelayRange;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The protocol knobs a trial may turn. Some bugs live only at one setting of them. What a protocol has no use for it leaves alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// How long a node waits to hear from a leader before it stands for election.
    pub election_timeout: DelayRange,
    /// How often a leader lets itself be heard, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// The most log entries in one message.
    pub entries_per_append_max: usize,
    /// The most bytes of log entries in one message, but always one entry.
    pub append_bytes_max: u64,
    /// How many messages with entries may be on their way to one follower.
    pub appends_in_flight_max: usize,
    /// How many bytes of entries may be on their way to one follower, but always one message.
    pub bytes_in_flight_max: u64,
    /// How many entries may wait to be committed. A leader with more refuses commands.
    pub uncommitted_max: usize,
    /// How many bytes of entries may wait to be committed.
    pub uncommitted_bytes_max: u64,
    /// Whether a node asks if it could win an election before it begins a term.
    pub pre_vote: bool,
    /// Whether a leader steps down when a majority falls silent, and a node that hears a leader votes for nobody else.
    pub check_quorum: bool,
    /// How a read is made linearizable.
    pub reads: Reads,
    /// How much faster or slower than true time a clock may run, in percent: leases are shorter by it.
    pub clock_drift_percent_max: u64,
    /// How many entries are applied from one snapshot to the next; 0: never one.
    pub snapshot_every: u64,
    /// How many entries before a snapshot are kept for those who are a little behind.
    pub entries_kept: u64,
    /// The most bytes of a snapshot in one message.
    pub snapshot_chunk_bytes: usize,
    /// How long a client's session lives without a command, in milliseconds of replicated time; 0: for ever.
    pub session_ms: u64,
    /// How many nodes the two phases of Paxos need; a majority each when absent. Any two that are more than all nodes together.
    pub quorums: Option<(u8, u8)>,
    /// How many transactions an epoch of Zab has room for.
    pub zxids_per_epoch_max: u64,
}

/// How a read is made linearizable.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// A majority answers for each read, or for a batch of them.
    #[default]
    Quorum,
    /// The leader answers alone while a majority has promised it some time.
    Lease,
    /// The read goes through the log as a command does.
    Log,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            election_timeout: DelayRange::from_ms(150, 300),
            heartbeat_interval_ms: 50,
            entries_per_append_max: 64,
            append_bytes_max: 1 << 20,
            appends_in_flight_max: 256,
            bytes_in_flight_max: 4 << 20,
            uncommitted_max: 8_192,
            uncommitted_bytes_max: 16 << 20,
            pre_vote: false,
            check_quorum: false,
            reads: Reads::Quorum,
            clock_drift_percent_max: 50,
            snapshot_every: 0,
            entries_kept: 64,
            snapshot_chunk_bytes: 64 << 10,
            session_ms: 0,
            quorums: None,
            zxids_per_epoch_max: u32::MAX as u64,
        }
    }
}

impl Knobs {
    /// The settings of a cluster that serves: everything that keeps it steady and small is on.
    pub fn serving() -> Self {
        Self {
            election_timeout: DelayRange::from_ms(500, 1_000),
            heartbeat_interval_ms: 100,
            entries_per_append_max: 1_024,
            // What does not fit gathers and goes as a batch.
            appends_in_flight_max: 16,
            pre_vote: true,
            check_quorum: true,
            snapshot_every: 20_000,
            entries_kept: 5_000,
            session_ms: 3_600_000,
            ..Self::default()
        }
    }

    /// Turns one knob: its field's name, where a range in milliseconds has `_ms` behind it, and its value: `7`, `true`, `lease`, `150..300`,
    /// `4/2`. The error says what there is.
    ///
    /// ```
    /// let mut knobs = stormglass_impls::knobs::Knobs::default();
    /// knobs.turn("pre_vote", "true").unwrap();
    /// knobs.turn("election_timeout_ms", "100..200").unwrap();
    /// assert!(knobs.pre_vote && knobs.election_timeout.max_ns == 200_000_000);
    /// assert_eq!(knobs.turn("pre_vote", "7").unwrap_err(), "pre_vote=7 is not true or false");
    /// ```
    pub fn turn(&mut self, key: &str, value: &str) -> Result<(), String> {
        let json = |knobs: &Knobs| match serde_json::to_value(knobs) {
            Ok(Value::Object(knobs)) => knobs,
            other => panic!("knobs are a list of names and values, not {other:?}"),
        };
        let usual = json(&Knobs::default());
        let name_of = |(field, value): (&String, &Value)| match value {
            Value::Object(_) => format!("{field}_ms"),
            _ => field.clone(),
        };
        let Some((field, usual)) = usual.iter().find(|field| name_of(*field) == key) else {
            let names: Vec<String> = usual.iter().map(name_of).collect();
            let names = names.join(" ");
            return Err(format!("no such knob: {key}; there are: {names}"));
        };
        let fault = || format!("{key}={value} is not {}", wanted(key, usual));
        let mut turned: Map<String, Value> = json(self);
        turned.insert(field.clone(), read(value).ok_or_else(fault)?);
        *self = serde_json::from_value(Value::Object(turned)).map_err(|_| fault())?;
        Ok(())
    }
}

/// The value of a knob: `7`, `true`, `lease`, `150..300` or `4/2`.
fn read(text: &str) -> Option<Value> {
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some((min, max)) = text.split_once("..") {
        let ns = |text| number(text)?.checked_mul(1_000_000);
        let (min, max) = (ns(min)?, ns(max)?);
        return (min <= max).then(|| json!({ "min_ns": min, "max_ns": max }));
    }
    if let Some((one, other)) = text.split_once(['/', ',']) {
        return Some(json!([number(one)?, number(other)?]));
    }
    Some(match (text, number(text)) {
        (_, Some(number)) => json!(number),
        ("true" | "false", _) => json!(text == "true"),
        _ => json!(text),
    })
}

/// What a knob can be set to, going by what it usually is.
fn wanted(key: &str, usual: &Value) -> &'static str {
    match usual {
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Object(_) => "a range in milliseconds, as 150..300",
        Value::Null => "two numbers of nodes, as 4/2",
        _ if key == "reads" => "quorum, lease or log",
        _ => "a value for it",
    }
}
