//! A small history of a register made from bytes: the search must agree with the oracle that tries every order, and its
//! certificate must hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use stormglass_checker::{
    Event, History, Kind, Limits, Process, Register, Verdict, check, oracle, verify,
};

/// More would take the oracle too long.
const OPERATIONS_MAX: usize = 7;

const PROCESSES: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let history = history(bytes);
    let register = Register::default();
    let operations = history
        .operations()
        .expect("calls and returns fit together");
    let legal =
        oracle::is_legal(&register, &operations).expect("every operation is one of a register");
    let judgement =
        check(&register, &history, &Limits::default()).expect("the history is well formed");
    match judgement.verdict {
        Verdict::Valid(certificate) => {
            assert!(legal, "the search found an order where there is none");
            verify(&register, &operations, &certificate).expect("a certificate holds");
        }
        Verdict::Invalid(evidence) => {
            assert!(!legal, "the search found no order where there is one");
            let prefix = History {
                events: history.events[..evidence.prefix_events].to_vec(),
            };
            let operations = prefix.operations().expect("a prefix fits together");
            assert_eq!(
                oracle::is_legal(&register, &operations).ok(),
                Some(false),
                "the prefix is illegal"
            );
        }
        Verdict::Unknown(unknown) => {
            panic!("limits are not reached by so few operations: {unknown:?}")
        }
    }
});

/// Each byte lets one process call or return.
fn history(bytes: &[u8]) -> History {
    let mut events: Vec<Event> = Vec::new();
    let mut open: [Option<Event>; PROCESSES] = Default::default();
    // The number a process goes by; after an info it takes a new one.
    let mut numbers: [u64; PROCESSES] = std::array::from_fn(|process| process as u64);
    let mut calls = 0;
    for byte in bytes {
        let byte = usize::from(*byte);
        let (process, choice, value) = (byte % PROCESSES, byte / 4 % 4, json!(byte / 16 % 3));
        let other = json!(byte / 48 % 3);
        let event = |kind, f: &str, value: Value| Event {
            index: events.len() as u64,
            time: 0,
            process: Process::Client(numbers[process]),
            kind,
            f: f.to_owned(),
            key: None,
            value,
            version: None,
            error: None,
        };
        let event = match open[process].take() {
            None if calls == OPERATIONS_MAX => continue,
            None => {
                calls += 1;
                let call = match choice {
                    0 | 1 => event(Kind::Invoke, "read", Value::Null),
                    2 => event(Kind::Invoke, "write", value),
                    _ => event(Kind::Invoke, "cas", json!([value, other])),
                };
                open[process] = Some(call.clone());
                call
            }
            Some(call) => {
                let result = if call.f == "read" {
                    value
                } else {
                    call.value.clone()
                };
                match choice {
                    0 | 1 => event(Kind::Ok, &call.f, result),
                    2 => {
                        let end = event(Kind::Info, &call.f, Value::Null);
                        numbers[process] += PROCESSES as u64;
                        end
                    }
                    _ => {
                        let mut end = event(Kind::Fail, &call.f, call.value.clone());
                        end.error = (call.f == "cas").then(|| "mismatch".to_owned());
                        end
                    }
                }
            }
        };
        events.push(event);
    }
    History { events }
}
