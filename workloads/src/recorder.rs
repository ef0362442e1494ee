//! Turns calls and outcomes into a history.

use crate::workload::{Completion, Operation};
use serde_json::Value;
use stormglass_checker::{Event, History, Kind, Process};

/// Writes the history of one run. A call must be recorded before it is sent, and a return after it arrived: then the recorded
/// interval contains the real one.
#[derive(Debug)]
pub struct Recorder {
    history: History,
    /// The process each client is now.
    processes: Vec<u64>,
    /// What each client has open.
    open: Vec<Option<Operation>>,
}

impl Recorder {
    /// A recorder for so many clients.
    pub fn new(clients: u32) -> Self {
        Self {
            history: History::default(),
            processes: (0..u64::from(clients)).collect(),
            open: (0..clients).map(|_| None).collect(),
        }
    }

    /// A client is about to call.
    pub fn invoke(&mut self, time_ns: u64, client: u32, operation: Operation) {
        self.event(
            time_ns,
            client,
            Kind::Invoke,
            &operation,
            operation.value.clone(),
            None,
        );
        let before = self.open[client as usize].replace(operation);
        assert!(before.is_none(), "a client has one operation open");
    }

    /// A client's operation was answered. Gives the operation back.
    pub fn complete(&mut self, time_ns: u64, client: u32, completion: &Completion) -> Operation {
        let operation = self.close(client);
        match completion {
            Completion::Ok(value) => {
                self.event(time_ns, client, Kind::Ok, &operation, value.clone(), None)
            }
            Completion::Mismatch => {
                let value = operation.value.clone();
                self.event(
                    time_ns,
                    client,
                    Kind::Fail,
                    &operation,
                    value,
                    Some("mismatch"),
                );
            }
        }
        operation
    }

    /// A client's operation certainly did not happen.
    pub fn fail(&mut self, time_ns: u64, client: u32, error: &str) {
        let operation = self.close(client);
        self.event(
            time_ns,
            client,
            Kind::Fail,
            &operation,
            operation.value.clone(),
            Some(error),
        );
    }

    /// Nobody knows whether a client's operation happened. The client goes on as a new process.
    pub fn unknown(&mut self, time_ns: u64, client: u32, error: &str) {
        let operation = self.close(client);
        self.event(
            time_ns,
            client,
            Kind::Info,
            &operation,
            operation.value.clone(),
            Some(error),
        );
        self.processes[client as usize] += self.processes.len() as u64;
    }

    /// Something the nemesis did.
    pub fn nemesis(&mut self, time_ns: u64, f: &str, value: Value) {
        self.push(time_ns, Process::Nemesis, Kind::Info, f, None, value, None);
    }

    /// Whether a client has an operation open.
    pub fn is_open(&self, client: u32) -> bool {
        self.open[client as usize].is_some()
    }

    /// The history so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The history. What is still open stays open: a call without a return.
    pub fn finish(self) -> History {
        self.history
    }

    fn close(&mut self, client: u32) -> Operation {
        self.open[client as usize]
            .take()
            .expect("only an open operation can end")
    }

    fn event(
        &mut self,
        time_ns: u64,
        client: u32,
        kind: Kind,
        operation: &Operation,
        value: Value,
        error: Option<&str>,
    ) {
        let process = Process::Client(self.processes[client as usize]);
        self.push(
            time_ns,
            process,
            kind,
            operation.f,
            operation.key.clone(),
            value,
            error,
        );
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "these are the columns of a history"
    )]
    fn push(
        &mut self,
        time: u64,
        process: Process,
        kind: Kind,
        f: &str,
        key: Option<String>,
        value: Value,
        error: Option<&str>,
    ) {
        let index = self.history.events.len() as u64;
        let error = error.map(str::to_string);
        self.history.events.push(Event {
            index,
            time,
            process,
            kind,
            f: f.to_string(),
            key,
            value,
            version: None,
            error,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_unknown_outcome_the_client_is_a_new_process() {
        let mut recorder = Recorder::new(2);
        let read = || Operation {
            f: "read",
            key: Some("k".into()),
            value: Value::Null,
        };
        recorder.invoke(1, 1, read());
        recorder.unknown(2, 1, "deadline");
        recorder.invoke(3, 1, read());
        recorder.complete(4, 1, &Completion::Ok(Value::Null));
        let processes: Vec<_> = recorder
            .finish()
            .events
            .iter()
            .map(|event| event.process)
            .collect();
        use Process::Client;
        assert_eq!(processes, [Client(1), Client(1), Client(3), Client(3)]);
    }
}
