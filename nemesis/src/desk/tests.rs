use super::*;
use crate::trial::Arena;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use stormglass_checker::{CheckError, Limits};
use stormglass_workloads::workload::Findings;
use stormglass_workloads::workload::WorkloadConfig;

fn desk() -> (Trial, Desk) {
    let workload = WorkloadConfig::register();
    let trial = Trial {
        clients: 2,
        ..Trial::calm("raft-cache", workload, Arena::Simulator, 1)
    };
    let desk = Desk::new(&trial);
    (trial, desk)
}

fn answered() -> Ending {
    Ending::Answered(Completion::Ok(json!(1)))
}

/// Plans and calls at once.
fn call(desk: &mut Desk, client: u32, now_ns: u64) -> Operation {
    assert_ne!(desk.plan(client, now_ns), Plan::Done);
    desk.call_operation(client, now_ns).1
}

#[test]
fn a_final_read_is_made_until_it_is_answered() {
    let (trial, mut desk) = desk();
    let finals_ns = (trial.storm_ms + trial.tick_ms) * 1_000_000;
    assert_eq!(
        desk.plan(0, finals_ns - 5),
        Plan::CallAt(finals_ns),
        "not before the healing"
    );
    let first = call(&mut desk, 0, finals_ns + 5);
    desk.ended(0, finals_ns + 6, Ending::Unknown("deadline".into()));
    assert_eq!(call(&mut desk, 0, finals_ns + 7), first);
    desk.ended(0, finals_ns + 8, answered());
    assert_eq!(
        desk.patience_ends_ns(),
        finals_ns + 8 + trial.recovery_ms * 1_000_000
    );
    assert_ne!(call(&mut desk, 0, finals_ns + 9), first);
    assert!(!desk.all_done());
    assert_eq!(desk.unread().len(), 4, "five keys, one of them read");
}

#[test]
fn what_is_final_about_one_key_is_one_clients_in_order() {
    let read = |key: Option<&str>, n: u64| Operation {
        f: "read",
        key: key.map(str::to_string),
        value: json!(n),
    };
    let finals = vec![
        read(Some("a"), 1),
        read(None, 2),
        read(Some("c"), 3),
        read(None, 4),
        read(Some("a"), 5),
        read(None, 6),
    ];
    let shares = shared(finals, 2);
    let values = shares
        .iter()
        .map(|share| share.iter().map(|one| &one.value));
    let values: Vec<Vec<&Value>> = values.map(Iterator::collect).collect();
    assert_eq!(
        json!(values),
        json!([[1, 3, 5], [2, 4, 6]]),
        "keys take turns with the clients"
    );
}

/// A workload with something outside the cluster: it doubles what it is answered, and writes down what was lost.
struct Outside(Rc<RefCell<Vec<String>>>);

impl Workload for Outside {
    fn functions(&self) -> &'static [&'static str] {
        &["read"]
    }

    fn operation(&mut self, client: u32, _: u64) -> Operation {
        Operation {
            f: "read",
            key: None,
            value: json!(client),
        }
    }

    fn think_time_ns(&self, _: u32, _: u64) -> u64 {
        0
    }

    fn settled(&mut self, _: u32, _: &Operation, said: Completion) -> Completion {
        let doubled = |value: Value| json!(value.as_u64().map(|value| 2 * value));
        match said {
            Completion::Ok(value) => Completion::Ok(doubled(value)),
            Completion::Mismatch => Completion::Mismatch,
        }
    }

    fn completed(&mut self, _: u32, _: &Operation, said: &Completion) {
        self.0.borrow_mut().push(format!("{said:?}"));
    }

    fn lost(&mut self, client: u32, _: &Operation) {
        self.0.borrow_mut().push(format!("lost by {client}"));
    }

    fn final_reads(&self) -> Vec<Operation> {
        Vec::new()
    }

    fn promise(&self) -> String {
        String::new()
    }

    fn judge(&self, _: &History, _: &Limits) -> Result<Findings, CheckError> {
        unreachable!("nobody asks")
    }
}

#[test]
fn what_stands_outside_the_cluster_has_its_say_before_an_answer_is_written_down() {
    let (_, mut desk) = desk();
    let told = Rc::default();
    desk.workload = Box::new(Outside(Rc::clone(&told)));
    let endings = [
        Ending::value(json!(4)),
        Ending::unknown("deadline"),
        Ending::Failed("senseless".into()),
    ];
    for ending in endings {
        call(&mut desk, 1, 0);
        desk.ended(1, 1, ending);
    }
    let answer = &desk.history().events[1];
    assert_eq!(answer.value, json!(8), "as the history has it");
    let expected = ["Ok(Number(8))", "lost by 1", "lost by 1"];
    assert_eq!(*told.borrow(), expected);
}

#[test]
fn a_read_planned_in_the_storm_is_no_final_read_however_late_it_is_called() {
    let (trial, mut desk) = desk();
    let storm_ns = trial.storm_ms * 1_000_000;
    let mut now = 0;
    while call(&mut desk, 0, now).f != "read" {
        desk.ended(0, now, answered());
        now += 1;
    }
    desk.ended(0, storm_ns + 1, answered());
    assert_eq!(desk.unread().len(), 5);
}

#[test]
fn a_client_with_no_final_reads_may_wake_late() {
    let (trial, _) = desk();
    let trial = Trial {
        clients: 40,
        ..trial
    };
    let mut desk = Desk::new(&trial);
    let storm_ns = trial.storm_ms * 1_000_000;
    assert!(matches!(
        desk.plan(39, storm_ns - 200_000_000),
        Plan::CallAt(_)
    ));
    desk.call(39, storm_ns + 1_000_000);
    desk.ended(39, storm_ns + 2_000_000, answered());
    assert_eq!(desk.plan(39, storm_ns + 2_000_000), Plan::Done);
}

#[test]
fn a_client_that_may_call_no_more_goes_on_to_its_final_reads() {
    let (trial, _) = desk();
    let trial = Trial {
        operations_per_client_max: Some(1),
        ..trial
    };
    let mut desk = Desk::new(&trial);
    assert!(matches!(desk.plan(0, 0), Plan::CallAt(at) if at < trial.storm_ms * 1_000_000));
    desk.call(0, 1);
    desk.ended(0, 2, answered());
    assert_eq!(
        desk.plan(0, 2),
        Plan::CallAt((trial.storm_ms + trial.tick_ms) * 1_000_000)
    );
}
