//! The desk at which clients fetch their work and hand in their answers. One for all arenas.
//!
//! A client goes through three phases. In the storm it calls one operation after the other, with pauses. When the storm is over it makes its
//! share of the final reads, again and again until each is answered. Then it is done.

use crate::harness::Flaws;
use crate::operator::Operator;
use crate::trial::{Call, Trial};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stormglass_checker::History;
use stormglass_impls::contract::{NodeId, RequestId};
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
use stormglass_impls::system::System;
use stormglass_workloads::client::Outcome;
use stormglass_workloads::recorder::Recorder;
use stormglass_workloads::workload::{Binding, Completion, Operation, Workload};

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Calling {
    /// An operation of the workload.
    Operation(Operation),
    /// Something for an operator.
    Errand(Manage),
}

impl Calling {
    /// The request, in the system's wire form.
    pub fn request(&self, system: &dyn System, binding: &dyn Binding) -> Vec<u8> {
        match self {
            Calling::Operation(operation) => binding.request(operation),
            Calling::Errand(errand) => {
                let request = system.manage(*errand);
                let request =
                    request.expect("only a cluster that can be managed is given such faults");
                request.encode()
            }
        }
    }
}

/// How an operation ended, as the desk is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// It was answered.
    Answered(Completion),
    /// It certainly did not happen.
    Failed(String),
    /// Nobody knows.
    Unknown(String),
}

impl Ending {
    /// It was answered with this value, as a read is.
    pub fn value(value: Value) -> Ending {
        Ending::Answered(Completion::Ok(value))
    }

    /// It was carried out as it was called, as a write is.
    pub fn done(operation: &Operation) -> Ending {
        Ending::value(operation.value.clone())
    }

    /// Its comparison was refused: nothing changed, and that is an observation.
    pub fn mismatch() -> Ending {
        Ending::Answered(Completion::Mismatch)
    }

    /// Nobody knows, and this is why: an error, a broken connection, a timeout.
    pub fn unknown(why: impl std::fmt::Display) -> Ending {
        Ending::Unknown(why.to_string())
    }

    /// How an operation ended, from what its client core said; an error when the system's answer is no answer to it.
    pub fn of(
        operation: &Operation,
        outcome: Outcome,
        binding: &dyn Binding,
    ) -> Result<Ending, String> {
        match outcome {
            Outcome::Unknown => Ok(Ending::Unknown("deadline".to_string())),
            Outcome::Refused(refusal) => Ok(Ending::Failed(refusal.claim().name.to_string())),
            Outcome::Done(reply) => match binding.completion(operation, &reply) {
                Ok(completion) => Ok(Ending::Answered(completion)),
                Err(error) => Err(format!("a {} was answered with: {error}", operation.f)),
            },
        }
    }
}

/// The clients' work, and the history of it.
pub struct Desk {
    workload: Box<dyn Workload>,
    recorder: Recorder,
    clients: Vec<Progress>,
    storm_ns: u64,
    /// When final reads may be called: certainly after the healing.
    finals_ns: u64,
    /// When the last final read was answered.
    answered_ns: u64,
    recovery_ns: u64,
    /// How long, at the most, a node that is behind may take over one entry: one append and its answer, and the sync between them, by as many
    /// entries and appends as may go at a time.
    entry_ns: u64,
    operations_max: u64,
    flaws: Flaws,
    /// Who changes the cluster, where a fault of the trial wants that. Its number is the one after the last client's.
    operator: Option<Operator>,
}

/// See [`Desk::entry_ns`].
fn entry_ns(trial: &Trial) -> u64 {
    let round_ns = trial.sync_ms.1 * 1_000_000 + 2 * trial.network.delay_us_max * 1_000;
    let at_a_time = trial
        .knobs
        .entries_per_append_max
        .saturating_mul(trial.knobs.appends_in_flight_max);
    round_ns / u64::try_from(at_a_time).unwrap_or(u64::MAX).max(1)
}

struct Progress {
    /// How many operations the client has called in the storm.
    called: u64,
    /// What it calls in the storm, where that is fixed; the next one first.
    fixed: Option<VecDeque<Call>>,
    /// How many requests it has made, and how many calls the history knows of.
    requests: u64,
    recorded: u64,
    /// The final reads it has still to make. The one under way is among them.
    finals: VecDeque<Operation>,
    /// Whether what it planned is a final read. A host may wake a little later than planned, so the time of the call does not tell.
    planned_last: bool,
    /// The operation under way.
    current: Option<Current>,
}

struct Current {
    operation: Operation,
    is_final: bool,
    called_ns: u64,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Calls at this time, in simulated nanoseconds.
    CallAt(u64),
    /// Nothing more.
    Done,
}

impl Desk {
    /// The desk of a trial.
    pub fn new(trial: &Trial) -> Self {
        let workload = trial.workload.start(trial.seed);
        let flaws = Flaws::of(trial);
        let finals = match flaws.final_reads_skipped {
            true => Vec::new(),
            false => final_reads(trial),
        };
        Self {
            recorder: Recorder::new(trial.clients),
            clients: (0..)
                .zip(shared(finals, trial.clients as usize))
                .map(|(client, finals)| Progress {
                    called: 0,
                    fixed: trial.calls.as_ref().map(|calls| fixed(calls, client)),
                    requests: 0,
                    recorded: 0,
                    finals,
                    planned_last: false,
                    current: None,
                })
                .collect(),
            storm_ns: trial.storm_ms * 1_000_000,
            finals_ns: (trial.storm_ms + trial.tick_ms) * 1_000_000,
            answered_ns: trial.storm_ms * 1_000_000,
            recovery_ns: trial.recovery_ms * 1_000_000,
            entry_ns: entry_ns(trial),
            operations_max: trial.operations_per_client_max.unwrap_or(u64::MAX),
            flaws,
            workload,
            operator: Operator::of(trial),
        }
    }

    /// The operator, if that number is its.
    fn operator_of(&mut self, client: u32) -> Option<&mut Operator> {
        let is_operator = client as usize == self.clients.len();
        self.operator.as_mut().filter(|_| is_operator)
    }

    /// What a client that has nothing open does next.
    pub fn plan(&mut self, client: u32, now_ns: u64) -> Plan {
        if let Some(operator) = self.operator_of(client) {
            return operator.plan(now_ns).map_or(Plan::Done, Plan::CallAt);
        }
        let progress = &mut self.clients[client as usize];
        progress.planned_last = false;
        if now_ns < self.storm_ns && progress.called < self.operations_max {
            let at_ns = match &progress.fixed {
                Some(calls) => calls.front().map(|call| call.at_ns.max(now_ns)),
                None => Some(now_ns + self.workload.think_time_ns(client, progress.called)),
            };
            if let Some(at_ns) = at_ns.filter(|at_ns| *at_ns < self.storm_ns) {
                return Plan::CallAt(at_ns);
            }
        }
        if progress.finals.is_empty() {
            return Plan::Done;
        }
        progress.planned_last = true;
        Plan::CallAt(now_ns.max(self.finals_ns))
    }

    /// A client calls what it planned: gives what it asks and the number of its request, and records that it was called.
    pub fn call(&mut self, client: u32, now_ns: u64) -> (RequestId, Calling) {
        if let Some(operator) = self.operator_of(client) {
            let (request, errand) = operator.call();
            return (request, Calling::Errand(errand));
        }
        let (request, operation) = self.call_operation(client, now_ns);
        (request, Calling::Operation(operation))
    }

    /// A client calls what it planned: an operation of the workload.
    pub fn call_operation(&mut self, client: u32, now_ns: u64) -> (RequestId, Operation) {
        let progress = &mut self.clients[client as usize];
        let is_final = progress.planned_last;
        let operation = if is_final {
            let next = progress.finals.front();
            next.expect("a client calls only what it planned").clone()
        } else {
            progress.called += 1;
            match &mut progress.fixed {
                Some(calls) => {
                    let call = calls
                        .pop_front()
                        .expect("a client calls only what it planned");
                    operation(call, self.workload.functions())
                }
                None => self.workload.operation(client, progress.called - 1),
            }
        };
        progress.requests += 1;
        progress.current = Some(Current {
            operation: operation.clone(),
            is_final,
            called_ns: now_ns,
        });
        let request = RequestId(progress.requests);
        if !self.flaws.calls_recorded_late {
            progress.recorded = progress.requests;
            self.recorder.invoke(now_ns, client, operation.clone());
        }
        (request, operation)
    }

    /// The newest request of a client whose call the history knows of.
    pub fn recorded(&self, client: u32) -> RequestId {
        match self.clients.get(client as usize) {
            Some(progress) => RequestId(progress.recorded),
            // What an operator asks is no operation: no history wants to know of it.
            None => RequestId(u64::MAX),
        }
    }

    /// What a client called has ended. The error is an answer that makes no sense; it counts as none.
    pub fn returned(
        &mut self,
        client: u32,
        now_ns: u64,
        calling: &Calling,
        outcome: Outcome,
        binding: &dyn Binding,
    ) -> Result<(), String> {
        let operation = match calling {
            Calling::Operation(operation) => operation,
            Calling::Errand(_) => {
                let operator = self.operator_of(client);
                operator
                    .expect("only an operator runs errands")
                    .ended(&outcome);
                return Ok(());
            }
        };
        let ending = Ending::of(operation, outcome, binding);
        let error = ending.clone().err();
        self.ended(client, now_ns, ending.unwrap_or_else(Ending::Unknown));
        error.map_or(Ok(()), Err)
    }

    /// A client's operation ended now. A final read that was not answered is made again.
    pub fn ended(&mut self, client: u32, now_ns: u64, ending: Ending) {
        let progress = &mut self.clients[client as usize];
        let current = progress.current.take();
        let Current {
            operation,
            is_final,
            called_ns,
        } = current.expect("only what was called can end");
        if self.flaws.calls_recorded_late {
            progress.recorded = progress.requests;
            // One nanosecond ago: as late as nobody notices from the history alone.
            let late_ns = now_ns.saturating_sub(1).max(called_ns);
            self.recorder.invoke(late_ns, client, operation.clone());
        }
        match ending {
            Ending::Answered(completion) => {
                if is_final {
                    progress.finals.pop_front();
                    self.answered_ns = now_ns;
                }
                let completion = self.workload.settled(client, &operation, completion);
                self.recorder.complete(now_ns, client, &completion);
                self.workload.completed(client, &operation, &completion);
            }
            Ending::Failed(error) => {
                self.recorder.fail(now_ns, client, &error);
                self.workload.lost(client, &operation);
            }
            Ending::Unknown(error) => {
                match self.flaws.timeouts_fail {
                    true => self.recorder.fail(now_ns, client, &error),
                    false => self.recorder.unknown(now_ns, client, &error),
                }
                self.workload.lost(client, &operation);
            }
        }
    }

    /// Until when there must be progress: so long after the healing, or after the last final read that was answered.
    pub fn patience_ends_ns(&self) -> u64 {
        self.answered_ns + self.patience_ns()
    }

    /// How long a whole cluster may take. A node that is to be a member has to catch up first with all that was done, and may be given it entry by
    /// entry.
    pub fn patience_ns(&self) -> u64 {
        let catching_up_ns = match self.members_missing() {
            Some(_) => {
                let called: u64 = self.clients.iter().map(|client| client.called).sum();
                called.saturating_mul(self.entry_ns)
            }
            None => 0,
        };
        self.recovery_ns.saturating_add(catching_up_ns)
    }

    /// Whether every client is done.
    pub fn all_done(&self) -> bool {
        self.clients
            .iter()
            .all(|progress| progress.finals.is_empty() && progress.current.is_none())
            && self.operator.as_ref().is_none_or(Operator::is_done)
    }

    /// The keys whose final read was not answered; of what has no key, what was done.
    pub fn unread(&self) -> Vec<String> {
        let finals = self.clients.iter().flat_map(|progress| &progress.finals);
        finals
            .map(|read| read.key.clone().unwrap_or_else(|| read.f.to_string()))
            .collect()
    }

    /// The cluster is to have these voters.
    pub fn wants(&mut self, voters: NodeSet) {
        if let Some(operator) = &mut self.operator {
            operator.wants(voters);
        }
    }

    /// That node is to lead.
    pub fn wants_leader(&mut self, node: NodeId) {
        if let Some(operator) = &mut self.operator {
            operator.wants_leader(node);
        }
    }

    /// The storm is over, and with it the operator's work, once that is done.
    pub fn storm_is_over(&mut self) {
        if let Some(operator) = &mut self.operator {
            operator.ends();
        }
    }

    /// The voters that the cluster should have been brought to, and was not.
    pub fn members_missing(&self) -> Option<NodeSet> {
        self.operator.as_ref()?.missing()
    }

    /// The recorder, for what the nemesis did.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// The history so far.
    pub fn history(&self) -> &History {
        self.recorder.history()
    }

    /// The history.
    pub fn finish(self) -> History {
        self.recorder.finish()
    }
}

/// The final reads of a trial: all its workload makes, or, where the calls are fixed, those of the keys that are called.
pub(crate) fn final_reads(trial: &Trial) -> Vec<Operation> {
    let mut finals = trial.workload.start(trial.seed).final_reads();
    if let Some(calls) = &trial.calls {
        let keys: BTreeSet<&Option<String>> = calls.iter().map(|call| &call.key).collect();
        finals.retain(|read| keys.contains(&read.key));
    }
    finals
}

/// The final reads of each client: those about one key are one client's, in their order.
fn shared(finals: Vec<Operation>, clients: usize) -> Vec<VecDeque<Operation>> {
    let mut shares = vec![VecDeque::new(); clients];
    if shares.is_empty() {
        return shares;
    }
    let mut keys: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for operation in finals {
        let next = keys.len() % clients;
        let client = *keys.entry(operation.key.clone()).or_insert(next);
        shares[client].push_back(operation);
    }
    shares
}

/// The fixed calls of one client, by time.
fn fixed(calls: &[Call], client: u32) -> VecDeque<Call> {
    let mut own: Vec<Call> = calls
        .iter()
        .filter(|call| call.client == client)
        .cloned()
        .collect();
    own.sort_by_key(|call| call.at_ns);
    own.into()
}

/// A fixed call as an operation. `functions` are the names its workload knows.
fn operation(call: Call, functions: &'static [&'static str]) -> Operation {
    let f = functions.iter().find(|name| **name == call.f);
    Operation {
        f: f.expect("a valid trial calls what its workload knows"),
        key: call.key,
        value: call.value,
    }
}

#[cfg(test)]
mod tests;
