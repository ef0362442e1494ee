//! Histories for tests and measurements: short ones from text, long ones from a simulated register.
#![allow(dead_code, reason = "each test file uses its own share")]

pub(crate) mod findings;
pub(crate) mod fuzz;
pub(crate) mod guarantees;
pub(crate) mod independent;
pub(crate) mod players;
#[path = "../../random/mod.rs"]
mod random;
pub(crate) mod specifications;

use serde_json::{Value, json};
use stormglass_checker::{Event, History, Kind, Process};

pub(crate) use random::Random;

/// One event: `event(0, Kind::Invoke, "write", json!(1))`.
pub(crate) fn event(process: u64, kind: Kind, f: &str, value: Value) -> Event {
    let f = f.to_owned();
    Event {
        index: 0,
        time: 0,
        process: Process::Client(process),
        kind,
        f,
        key: None,
        value,
        version: None,
        error: None,
    }
}

/// A whole operation without anything between call and return.
pub(crate) fn ok(process: u64, f: &str, input: Value, output: Value) -> [Event; 2] {
    [
        event(process, Kind::Invoke, f, input),
        event(process, Kind::Ok, f, output),
    ]
}

/// Numbers the events.
pub(crate) fn history(events: Vec<Event>) -> History {
    let mut events = events;
    for (index, event) in events.iter_mut().enumerate() {
        event.index = index as u64;
        event.time = index as u64 * 1000;
    }
    History { events }
}

/// What a simulated register is asked.
pub(crate) struct Simulation {
    pub(crate) operations: usize,
    pub(crate) clients: usize,
    /// Values are 0 up to this.
    pub(crate) values: u64,
    /// Of a thousand operations, how many end as `info`; half of these take effect.
    pub(crate) info_permille: u64,
    pub(crate) seed: u64,
}

enum Client {
    Idle,
    /// Called; has not had its effect.
    Called(&'static str, Value),
    /// Has had its effect; this is its return.
    Done(Kind, &'static str, Value),
}

impl Simulation {
    /// Runs clients against one true register. Each operation takes effect at one moment between call and return, so the
    /// history is legal.
    pub(crate) fn run(&self) -> History {
        let mut random = Random(self.seed);
        let mut register = Value::Null;
        let mut clients: Vec<(u64, Client)> = (0..self.clients as u64)
            .map(|number| (number, Client::Idle))
            .collect();
        let mut next_process = self.clients as u64;
        let mut events = Vec::new();
        let mut called = 0;
        let mut open = 0;
        while called < self.operations || open > 0 {
            let at = random.below(self.clients as u64) as usize;
            let (process, client) = &mut clients[at];
            *client = match std::mem::replace(client, Client::Idle) {
                Client::Idle if called == self.operations => Client::Idle,
                Client::Idle => {
                    let value = random.below(self.values);
                    let (f, input) = match random.below(3) {
                        0 => ("read", Value::Null),
                        1 => ("write", json!(value)),
                        _ => ("cas", json!([value, random.below(self.values)])),
                    };
                    called += 1;
                    open += 1;
                    events.push(event(*process, Kind::Invoke, f, input.clone()));
                    Client::Called(f, input)
                }
                Client::Called(f, input) => {
                    let lost = random.below(1000) < self.info_permille;
                    let (kind, output) = if lost && random.below(2) == 0 {
                        (Kind::Ok, input)
                    } else {
                        take_effect(&mut register, f, input)
                    };
                    Client::Done(if lost { Kind::Info } else { kind }, f, output)
                }
                Client::Done(kind, f, output) => {
                    open -= 1;
                    let mut event = event(*process, kind, f, output);
                    match kind {
                        Kind::Fail => event.error = Some("mismatch".to_owned()),
                        Kind::Info => {
                            *process = next_process;
                            next_process += 1;
                        }
                        _ => {}
                    }
                    events.push(event);
                    Client::Idle
                }
            };
        }
        history(events)
    }
}

fn take_effect(register: &mut Value, f: &str, input: Value) -> (Kind, Value) {
    match f {
        "read" => (Kind::Ok, register.clone()),
        "write" => {
            *register = input.clone();
            (Kind::Ok, input)
        }
        _ if input[0] == *register => {
            *register = input[1].clone();
            (Kind::Ok, input)
        }
        _ => (Kind::Fail, input),
    }
}
