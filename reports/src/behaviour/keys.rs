//! What became of the operations on each key.

use super::sight::Forces;
use crate::calls::{Call, Ending};
use crate::stretches::quantile;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_checker::Verdict;

/// The most keys that are told one by one.
pub const KEYS_MAX: usize = 200;

/// The keys of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// All operations together; none where nothing was called.
    pub all: Option<KeyRow>,
    /// How many keys there are, counting operations without one as a key.
    pub keys: u64,
    /// Those whose promise was broken first, then by number of operations: at most [`KEYS_MAX`].
    pub rows: Vec<KeyRow>,
    /// How many operations were on the keys that are not among them.
    pub operations_left_out: u64,
}

/// What became of the operations on a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// The key; `None` for operations without one, and for all together.
    pub key: Option<String>,
    /// How many were called.
    pub operations: u64,
    /// How many ended ok.
    pub ok: u64,
    /// How many certainly changed nothing.
    pub fail: u64,
    /// How many may have happened or not.
    pub info: u64,
    /// How long those took that ended ok; none where none did.
    pub latency: Option<Latency>,
    /// When the first was called, in nanoseconds.
    pub first_ns: u64,
    /// When the last returned, in nanoseconds; the end of the run, if one never did.
    pub last_ns: u64,
    /// How many faults were in force while any of them was open.
    pub faults: u64,
    /// What the judge said of the key.
    pub verdict: KeyVerdict,
}

/// Latencies, in nanoseconds. Each is one that was measured: the nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of them took at most this.
    pub median_ns: u64,
    /// Of a hundred, 90 took at most this.
    pub p90_ns: u64,
    /// Of a hundred, 99.
    pub p99_ns: u64,
    /// Of a thousand, 999.
    pub p999_ns: u64,
    /// The slowest.
    pub max_ns: u64,
}

impl Latency {
    fn of(mut latencies: Vec<u64>) -> Option<Self> {
        latencies.sort_unstable();
        let at = |thousandths| quantile(&latencies, thousandths);
        Some(Self {
            median_ns: at(500)?,
            p90_ns: at(900)?,
            p99_ns: at(990)?,
            p999_ns: at(999)?,
            max_ns: at(1_000)?,
        })
    }
}

/// What the judge said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyVerdict {
    /// What was seen of it breaks the promise.
    Broken,
    /// It has a part in a contradiction over several keys.
    Involved,
    /// The judge was at it when it reached a limit.
    Undecided,
    /// The promise was kept on every key.
    Kept,
    /// The judge said nothing of this one.
    Unsaid,
}

impl KeyVerdict {
    /// The verdict in words.
    pub fn text(self) -> &'static str {
        match self {
            KeyVerdict::Broken => "broken",
            KeyVerdict::Involved => "involved",
            KeyVerdict::Undecided => "undecided",
            KeyVerdict::Kept => "kept",
            KeyVerdict::Unsaid => "not said",
        }
    }
}

/// Whom the judge's verdict is about, looked up once.
struct Said<'a> {
    verdict: &'a Verdict,
    involved: BTreeSet<Option<&'a str>>,
}

impl<'a> Said<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        let involved = match verdict {
            Verdict::Invalid(evidence) if evidence.key.is_none() => evidence
                .culprits
                .iter()
                .map(|culprit| culprit.key.as_deref())
                .collect(),
            _ => BTreeSet::new(),
        };
        Self { verdict, involved }
    }

    fn about(&self, key: Option<&str>) -> KeyVerdict {
        let is_it = |named: &Option<String>| key.is_some() && named.as_deref() == key;
        match self.verdict {
            Verdict::Valid(_) => KeyVerdict::Kept,
            Verdict::Invalid(evidence) if is_it(&evidence.key) => KeyVerdict::Broken,
            Verdict::Invalid(_) if self.involved.contains(&key) => KeyVerdict::Involved,
            Verdict::Unknown(unknown) if is_it(&unknown.progress.key) => KeyVerdict::Undecided,
            Verdict::Invalid(_) | Verdict::Unknown(_) => KeyVerdict::Unsaid,
        }
    }

    fn about_all(&self) -> KeyVerdict {
        match self.verdict {
            Verdict::Valid(_) => KeyVerdict::Kept,
            Verdict::Invalid(_) => KeyVerdict::Broken,
            Verdict::Unknown(_) => KeyVerdict::Undecided,
        }
    }
}

pub(super) fn keys<'a>(
    calls: &'a [Call<'a>],
    forces: &Forces,
    verdict: &Verdict,
    ended_ns: u64,
) -> Keys {
    let mut by_key: BTreeMap<Option<&'a str>, Vec<&'a Call<'a>>> = BTreeMap::new();
    for call in calls {
        by_key
            .entry(call.invoke.key.as_deref())
            .or_default()
            .push(call);
    }
    let count = by_key.len() as u64;
    let said = Said::of(verdict);
    let judged = |(key, calls)| (said.about(key), key, calls);
    let mut groups: Vec<Group<'_>> = by_key.into_iter().map(judged).collect();
    groups.sort_by_key(|(verdict, key, calls)| (wrong_first(*verdict), Reverse(calls.len()), *key));
    let left_out = groups.iter().skip(KEYS_MAX);
    let operations_left_out = left_out.map(|(_, _, calls)| calls.len() as u64).sum();
    let row = |group: &Group<'_>| row(group, forces, ended_ns);
    let all: Group<'_> = (said.about_all(), None, calls.iter().collect());
    Keys {
        all: (!calls.is_empty()).then(|| row(&all)),
        keys: count,
        rows: groups.iter().take(KEYS_MAX).map(row).collect(),
        operations_left_out,
    }
}

/// The operations on a key, and what the judge said of it.
type Group<'a> = (KeyVerdict, Option<&'a str>, Vec<&'a Call<'a>>);

/// What is wrong comes first; all else is alike.
fn wrong_first(verdict: KeyVerdict) -> KeyVerdict {
    verdict.min(KeyVerdict::Kept)
}

fn row((verdict, key, calls): &Group<'_>, forces: &Forces, ended_ns: u64) -> KeyRow {
    let (mut fail, mut info) = (0, 0);
    let mut latencies = Vec::new();
    for call in calls {
        match call.ending() {
            Ending::Ok => latencies.extend(call.latency_ns()),
            Ending::Fail => fail += 1,
            Ending::Info => info += 1,
        }
    }
    let mut open: Vec<(u64, u64)> = calls
        .iter()
        .map(|call| (call.called_ns(), call.until_ns(ended_ns)))
        .collect();
    KeyRow {
        key: key.map(str::to_string),
        operations: calls.len() as u64,
        ok: latencies.len() as u64,
        fail,
        info,
        latency: Latency::of(latencies),
        first_ns: open
            .iter()
            .map(|(called_ns, _)| *called_ns)
            .min()
            .unwrap_or(0),
        last_ns: open
            .iter()
            .map(|(_, until_ns)| *until_ns)
            .max()
            .unwrap_or(0),
        faults: forces.met(&mut open),
        verdict: *verdict,
    }
}
