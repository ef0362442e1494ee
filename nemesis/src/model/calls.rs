//! What clients ask of a model, and what they have seen.
//!
//! A client asks one thing after the other. Its request reaches a node at once, and may reach others later, or the same again; a reply reaches it
//! at once, or, where clients ask again, never. That is no less than what a network allows: a request that was lost is one that was not sent, and
//! a reply that comes late tells less about the order of things than one that comes at once.

use super::bounds::{Ask, Bounds};
use serde_json::Value;
use std::sync::Arc;
use stormglass_checker::{Event, History, Kind, Limits, Process, Verdict};
use stormglass_impls::contract::{ClientId, RequestId};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{System, Word};
use stormglass_workloads::workload::{Binding, Completion, Operation, Plain, WorkloadConfig};

/// The most calls of a model, of all clients together.
pub(super) const CALLS_MAX: usize = 16;

/// One call of a client, as the bounds have it.
pub(crate) struct Call {
    /// Which client, from 0.
    pub(super) client: u8,
    /// Which of its calls, from 0.
    pub(super) number: u8,
    /// As the node gets it.
    pub(crate) body: Parcel,
    /// As a history shows it; nothing for what an operator asks.
    pub(super) operation: Option<Operation>,
    /// In words.
    pub(super) text: String,
}

impl Call {
    /// Whose it is.
    pub(crate) fn client_id(&self) -> ClientId {
        ClientId(u32::from(self.client) + 1)
    }

    /// Under which number it is asked.
    pub(crate) fn request_id(&self) -> RequestId {
        RequestId(u64::from(self.number) + 1)
    }

    /// Whether it is this one.
    pub(super) fn is(&self, client: ClientId, request: RequestId) -> bool {
        (self.client_id(), self.request_id()) == (client, request)
    }
}

/// How one call stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// Not asked yet.
    Idle,
    /// Asked so often. `after`: the calls that had ended when it was asked first, as bits.
    Open { after: u16, asks: u8 },
    /// Ended, with this reply in its wire form.
    Ended { after: u16, reply: Arc<[u8]> },
}

/// What all clients have asked and seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Clients(pub(super) Vec<Standing>);

impl Clients {
    /// Nothing was asked.
    pub(super) fn idle(calls: usize) -> Self {
        Self(vec![Standing::Idle; calls])
    }

    /// Whether a call may be asked now: those of its client before it have ended, and it has not been asked too often.
    pub(super) fn may_ask(&self, calls: &[Call], call: usize, asks_max: u8) -> bool {
        let earlier = calls[call].number == 0 || matches!(self.0[call - 1], Standing::Ended { .. });
        earlier
            && match self.0[call] {
                Standing::Idle => true,
                Standing::Open { asks, .. } => asks < asks_max,
                Standing::Ended { .. } => false,
            }
    }

    fn ended(&self) -> u16 {
        let ended = self.0.iter().enumerate();
        let ended = ended.filter(|(_, standing)| matches!(standing, Standing::Ended { .. }));
        ended.fold(0, |bits, (at, _)| bits | 1 << at)
    }

    /// A call was asked.
    pub(super) fn asked(&mut self, call: usize) {
        self.0[call] = match &self.0[call] {
            Standing::Idle => Standing::Open {
                after: self.ended(),
                asks: 1,
            },
            Standing::Open { after, asks } => Standing::Open {
                after: *after,
                asks: asks + 1,
            },
            ended => ended.clone(),
        };
    }

    /// A reply came. It counts if the call is open.
    pub(super) fn answered(&mut self, call: usize, reply: &Arc<[u8]>) -> bool {
        let Standing::Open { after, .. } = self.0[call] else {
            return false;
        };
        let reply = Arc::clone(reply);
        self.0[call] = Standing::Ended { after, reply };
        true
    }

    /// What the clients saw, as a history. An error when a reply is none.
    pub(super) fn history(&self, calls: &[Call], cluster: &str) -> Result<History, String> {
        let binding = WorkloadConfig::usual(cluster).binding(cluster);
        let binding = binding.ok_or("the cluster has no registers")?;
        let mut asked: Vec<(u16, usize)> = Vec::new();
        for (at, standing) in self.0.iter().enumerate() {
            if let Standing::Open { after, .. } | Standing::Ended { after, .. } = standing {
                asked.push((*after, at));
            }
        }
        // What had ended at one call had ended at every later one.
        asked.sort_by_key(|(after, at)| (after.count_ones(), *at));
        let mut history = History::default();
        let mut returned = 0u16;
        let mut push = |at: usize, kind: Kind, value: Value, error: Option<String>| {
            if let Some(operation) = &calls[at].operation {
                let index = history.events.len() as u64;
                history.events.push(Event {
                    index,
                    time: index,
                    process: Process::Client(calls[at].client.into()),
                    kind,
                    f: operation.f.to_string(),
                    key: operation.key.clone(),
                    value,
                    version: None,
                    error,
                });
            }
        };
        let ends = [(u16::MAX, usize::MAX)];
        for (after, at) in asked.iter().chain(&ends) {
            for (earlier, standing) in self.0.iter().enumerate() {
                let bit = 1 << earlier;
                if let Standing::Ended { reply, .. } = standing
                    && after & bit != 0
                    && returned & bit == 0
                {
                    returned |= bit;
                    let Some(operation) = &calls[earlier].operation else {
                        continue;
                    };
                    match binding.bare_completion(operation, reply)? {
                        Completion::Ok(value) => push(earlier, Kind::Ok, value, None),
                        Completion::Mismatch => {
                            let error = Some("mismatch".to_string());
                            push(earlier, Kind::Fail, operation.value.clone(), error);
                        }
                    }
                }
            }
            if let Some(Call {
                operation: Some(operation),
                ..
            }) = calls.get(*at)
            {
                push(*at, Kind::Invoke, operation.value.clone(), None);
            }
        }
        Ok(history)
    }

    /// Why what the clients saw is not what the cluster promises, if it is not.
    pub(super) fn broken(&self, calls: &[Call], cluster: &str) -> Option<String> {
        let history = match self.history(calls, cluster) {
            Ok(history) => history,
            Err(error) => return Some(error),
        };
        let workload = WorkloadConfig::usual(cluster);
        match workload.start(0).judge(&history, &Limits::default()) {
            Ok(findings) => match findings.judgement.verdict {
                Verdict::Valid(_) => None,
                Verdict::Invalid(evidence) => Some(evidence.explanation),
                Verdict::Unknown(unknown) => Some(format!("the checker cannot say: {unknown:?}")),
            },
            Err(error) => Some(error.to_string()),
        }
    }
}

/// What is broken when a cluster's clients see what they must not.
pub(super) fn promise(cluster: &str) -> &'static str {
    match WorkloadConfig::usual(cluster) {
        WorkloadConfig::Register(_) => "linearizability",
        WorkloadConfig::Znodes(_) | WorkloadConfig::Etcd(_) => "promises",
    }
}

/// An ask as an operation of the cluster's clients, and in words. What an operator asks is none.
fn operation(
    ask: &Ask,
    binding: Option<&dyn Binding>,
) -> Result<(Option<Operation>, String), String> {
    let plain = match ask {
        Ask::Read(key) => Plain::Read(key),
        Ask::Write(key, value) => Plain::Write(key, value),
        Ask::Cas(key, expected, new) => Plain::Cas(key, expected, new),
        Ask::Service(value) => {
            let spoken = binding.and_then(|binding| binding.spoken(value));
            let (operation, text) = spoken.ok_or(format!("the cluster cannot be asked {value}"))?;
            return Ok((Some(operation), text));
        }
        Ask::Members(nodes) => return Ok((None, format!("members {nodes:?}"))),
        Ask::Transfer(node) => return Ok((None, format!("transfer to n{node}"))),
    };
    let spoken = binding.and_then(|binding| binding.plain(plain));
    let (operation, text) = spoken.ok_or("the cluster has no registers")?;
    Ok((Some(operation), text))
}

/// The calls of bounds, in the words of a system.
pub(super) fn call_list(bounds: &Bounds, system: &dyn System) -> Result<Vec<Call>, String> {
    let binding = WorkloadConfig::usual(&bounds.cluster).binding(&bounds.cluster);
    let mut calls = Vec::new();
    for (client, asks) in bounds.clients.iter().enumerate() {
        for (number, ask) in asks.iter().enumerate() {
            let (operation, text) = operation(ask, binding.as_deref())?;
            let body = match (&operation, &binding) {
                (Some(operation), Some(binding)) => {
                    let bytes = binding.bare_request(operation);
                    let body = system.decode(Word::Request, &bytes);
                    body.map_err(|error| error.to_string())?
                }
                _ => {
                    let manage = ask.manage().and_then(|manage| system.manage(manage));
                    manage.ok_or("the cluster cannot be managed")?
                }
            };
            calls.push(Call {
                client: client as u8,
                number: number as u8,
                body,
                operation,
                text,
            });
        }
    }
    Ok(calls)
}
