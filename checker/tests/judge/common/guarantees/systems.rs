//! Weak systems: registers whose clients see less than a linearizable one would show them.

use serde_json::{Value, json};
use stormglass_checker::{Event, History, Kind};

use crate::common::{Random, event, history};

/// How reads and writes relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// One log of writes. A read sees any prefix not shorter than its client saw before: ordered sequential consistency.
    Stale,
    /// One order of all operations, and the clocks of the clients do not agree: sequential consistency.
    Shifted,
    /// A read sees any write so far; versions are given by a log.
    Forgetful,
    /// Writes get any place in the order of versions, reads see any write.
    Wild,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) system: System,
    pub(crate) clients: usize,
    pub(crate) operations: usize,
    pub(crate) keys: usize,
    /// No two writes of the history are of the same value.
    pub(crate) unique: bool,
    pub(crate) cas: bool,
    pub(crate) versions: bool,
    pub(crate) crashes_percent: u64,
    /// The register holds 1 at first, which may be written again, and not null.
    pub(crate) starts_at_one: bool,
    /// Clients read once more when all is quiet.
    pub(crate) finals: bool,
}

struct Asking {
    process: u64,
    key: usize,
    f: &'static str,
    input: Value,
    kind: Kind,
    output: Value,
    version: Option<u64>,
}

struct Written {
    key: usize,
    value: Value,
    version: u64,
}

impl Asked {
    pub(crate) fn initial(&self) -> Value {
        if self.starts_at_one {
            json!(1)
        } else {
            Value::Null
        }
    }
}

/// The moments of an operation: called, in effect, returned.
const MOMENTS: usize = 3;

pub(crate) fn run(asked: Asked, random: &mut Random) -> History {
    let mut asking = questions(asked, random);
    let mut log: Vec<Written> = Vec::new();
    let mut seen = vec![0; asked.clients];
    let first = interleaving(asked, random);
    let mut moments = first.clone();
    for (at, moment) in &first {
        if *moment == 1 {
            take_effect(
                asked,
                &mut asking[*at],
                *at % asked.clients,
                &mut log,
                &mut seen,
                random,
            );
        }
    }
    if asked.system == System::Shifted {
        moments = interleaving(asked, random);
    }
    let names: Vec<String> = (0..asked.keys).map(|key| format!("k{key}")).collect();
    let keys: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let open = random.below(5) == 0;
    let mut events: Vec<Event> = Vec::new();
    for (at, moment) in moments {
        let one = &asking[at];
        let mut made = match moment {
            0 => event(one.process, Kind::Invoke, one.f, one.input.clone()),
            2 => event(one.process, one.kind, one.f, one.output.clone()),
            _ => continue,
        };
        // Some calls of unknown outcome never return at all.
        if moment == 2 && one.kind == Kind::Info && open {
            continue;
        }
        if made.kind == Kind::Fail {
            made.error = Some("mismatch".to_owned());
        }
        if asked.keys > 1 {
            made.key = keys[one.key].map(str::to_owned);
        }
        made.version = one
            .version
            .filter(|_| asked.versions && made.kind == Kind::Ok);
        events.push(made);
    }
    if asked.finals {
        last_reads(asked, &log, &keys, &mut events, random);
    }
    history(events)
}

/// When all is quiet, two clients read a key; most often both see the last write.
fn last_reads(
    asked: Asked,
    log: &[Written],
    keys: &[Option<&str>],
    events: &mut Vec<Event>,
    random: &mut Random,
) {
    for (key, name) in keys.iter().enumerate() {
        for process in [1_000_000, 1_000_001] {
            let of_key: Vec<&Written> = log.iter().filter(|written| written.key == key).collect();
            let lag = usize::from(asked.system != System::Shifted && random.below(4) == 0);
            let seen = of_key.len().checked_sub(1 + lag).map(|at| of_key[at]);
            let value = seen.map_or(asked.initial(), |written| written.value.clone());
            let mut pair = crate::common::ok(process, "read", Value::Null, value);
            if asked.keys > 1 {
                pair.iter_mut()
                    .for_each(|event| event.key = name.map(str::to_owned));
            }
            pair[1].version = seen
                .map(|written| written.version)
                .filter(|_| asked.versions);
            events.extend(pair);
        }
    }
}

/// Operation `at` is of client `at % clients`.
fn questions(asked: Asked, random: &mut Random) -> Vec<Asking> {
    let mut processes: Vec<u64> = (0..asked.clients as u64).collect();
    let mut next_process = asked.clients as u64;
    let mut written = 0;
    (0..asked.operations)
        .map(|at| {
            let client = at % asked.clients;
            let process = processes[client];
            written += 1;
            let value = json!(if asked.unique {
                written
            } else {
                1 + random.below(2)
            });
            let (f, input) = match random.below(6) {
                0..=2 => ("read", Value::Null),
                5 if asked.cas => ("cas", json!([1 + random.below(3), value])),
                _ => ("write", value),
            };
            let lost = random.below(100) < asked.crashes_percent;
            if lost {
                processes[client] = next_process;
                next_process += 1;
            }
            let kind = if lost { Kind::Info } else { Kind::Ok };
            let key = random.below(asked.keys as u64) as usize;
            Asking {
                process,
                key,
                f,
                output: input.clone(),
                input,
                kind,
                version: None,
            }
        })
        .collect()
}

/// Any order of all moments in which each client has one operation after the other.
fn interleaving(asked: Asked, random: &mut Random) -> Vec<(usize, usize)> {
    let mut next: Vec<(usize, usize)> = (0..asked.clients).map(|client| (client, 0)).collect();
    let mut moments = Vec::new();
    while moments.len() < asked.operations * MOMENTS {
        let (at, moment) = &mut next[random.below(asked.clients as u64) as usize];
        if *at >= asked.operations {
            continue;
        }
        moments.push((*at, *moment));
        *moment += 1;
        if *moment == MOMENTS {
            (*at, *moment) = (*at + asked.clients, 0);
        }
    }
    moments
}

fn take_effect(
    asked: Asked,
    one: &mut Asking,
    client: usize,
    log: &mut Vec<Written>,
    seen: &mut [usize],
    random: &mut Random,
) {
    let any = asked.system == System::Wild || asked.system == System::Forgetful;
    let until = match asked.system {
        System::Shifted => log.len(),
        _ if any || one.f != "read" => log.len(),
        _ => seen[client] + random.below((log.len() - seen[client] + 1) as u64) as usize,
    };
    let key = one.key;
    let mut visible: Vec<&Written> = log[..until]
        .iter()
        .filter(|written| written.key == key)
        .collect();
    if any && one.f == "read" {
        visible.truncate(random.below(visible.len() as u64 + 1) as usize);
    }
    let latest = visible.last();
    let current = latest.map_or(asked.initial(), |written| written.value.clone());
    let current_version = latest.map_or(0, |written| written.version);
    if one.f == "read" {
        seen[client] = until;
        one.output = current;
        one.version = Some(current_version);
        return;
    }
    // Half of those of unknown outcome never take effect.
    if one.kind == Kind::Info && random.below(2) == 0 {
        return;
    }
    let value = match one.f {
        "cas" => {
            // Asks for what is there, most of the time.
            if random.below(4) > 0 {
                one.input = json!([current, one.input[1]]);
                one.output = one.input.clone();
            }
            if one.input[0] != current {
                one.kind = if one.kind == Kind::Ok {
                    Kind::Fail
                } else {
                    one.kind
                };
                return;
            }
            one.input[1].clone()
        }
        _ => one.input.clone(),
    };
    let version = match asked.system {
        System::Wild => random.below(5) + 1,
        _ => log.len() as u64 + 1,
    };
    one.version = Some(version);
    log.push(Written {
        key,
        value,
        version,
    });
    seen[client] = log.len();
}

/// Bends one history: a result or a version becomes another, a return or a call moves.
pub(crate) fn bend(history: &mut History, asked: Asked, random: &mut Random) {
    let returns: Vec<usize> = (0..history.events.len())
        .filter(|at| history.events[*at].kind == Kind::Ok)
        .collect();
    if returns.is_empty() {
        return;
    }
    let at = returns[random.below(returns.len() as u64) as usize];
    match random.below(4) {
        0 if at > 0 && history.events[at - 1].process != history.events[at].process => {
            history.events.swap(at - 1, at);
        }
        1 if asked.versions => history.events[at].version = Some(random.below(5)),
        _ => {
            let reads: Vec<usize> = returns
                .into_iter()
                .filter(|at| history.events[*at].f == "read")
                .collect();
            if !reads.is_empty() {
                let at = reads[random.below(reads.len() as u64) as usize];
                let number = random.below(asked.operations as u64 + 1);
                history.events[at].value = if number == 0 {
                    asked.initial()
                } else {
                    json!(number)
                };
            }
        }
    }
}
