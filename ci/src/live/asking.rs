//! Asks a cluster one thing: a client core with one operation to do.

use super::{Plan, chance};
use serde::Serialize;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId, Now, RequestId};
use stormglass_impls::host::{PlainGate, TokioClock, TokioNet, draw_from};
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::manage::{Manage, Report};
use stormglass_impls::session::Ask;
use stormglass_impls::system::Word;
use stormglass_workloads::client::{ClientConfig, Manner, Numbering, Outcome, Patience};
use stormglass_workloads::driver::{Desk, Driver, Task};

/// Somebody who asks one thing after the other.
#[derive(Clone, Debug)]
pub struct Asker {
    addresses: Vec<String>,
    patience: Patience,
    manner: Manner,
}

/// The one operation of a client.
struct Once {
    request_id: RequestId,
    body: Option<Vec<u8>>,
    outcome: Outcome,
}

impl Desk for Once {
    fn next(&mut self, now: Now) -> Task {
        match self.body {
            Some(_) => Task::CallAt {
                at_ns: now.monotonic_ns,
            },
            None => Task::Done,
        }
    }

    fn call(&mut self, _: Now) -> (RequestId, Vec<u8>) {
        let body = self.body.take();
        (self.request_id, body.expect("it is called once"))
    }

    fn ended(&mut self, _: Now, _: RequestId, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Asker {
    /// Asks the nodes at these addresses, all of a cluster in the order of their ids, or one of them for itself.
    pub fn new(addresses: &[String], deadline: Duration) -> Self {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Self {
            addresses: addresses.to_vec(),
            patience: Patience {
                attempt_timeout_ms: deadline_ms.clamp(1, 1_000),
                backoff_ms: 20,
                deadline_ms: deadline_ms.max(1),
            },
            manner: Manner::Leader,
        }
    }

    /// Asks in a session: what is asked is a [`Call`](stormglass_workloads::client::session::Call).
    #[must_use]
    pub fn in_session(self) -> Self {
        // Somebody who asks one thing is soon gone, and the session with them.
        let manner = Manner::Session { timeout_ms: 2_000 };
        Self { manner, ..self }
    }

    /// Whom it asks.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Asks, and waits for the outcome.
    pub async fn ask(&self, body: Vec<u8>) -> Outcome {
        // Whoever had this client id before, if anybody, did not number its requests higher.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let request_id = since_1970.map_or(0, |since| since.as_nanos() as u64);
        let mut once = Once {
            request_id: RequestId(request_id),
            body: Some(body),
            outcome: Outcome::Unknown,
        };
        let driver = Driver {
            config: ClientConfig {
                // The upper half is for what a client's server asks in its name.
                id: ClientId(chance() as u32 >> 1),
                servers: u8::try_from(self.addresses.len()).unwrap_or(u8::MAX),
                patience: self.patience,
                numbering: Numbering::Kept,
                manner: self.manner,
            },
            addresses: self.addresses.clone(),
            net: TokioNet,
            clock: TokioClock::start(),
            gate: Rc::new(PlainGate),
            draw: draw_from(chance()),
        };
        let driven = driver.drive(&mut once).await;
        driven.expect("there are as many servers as addresses");
        once.outcome
    }

    /// Asks something of the cluster itself. Where it cannot be managed, nobody knows the outcome.
    pub async fn manage(&self, plan: &Plan, manage: Manage) -> Outcome {
        let request = catalog::system(&plan.system).and_then(|system| system.manage(manage));
        match request {
            Some(request) => self.ask(request.encode()).await,
            None => Outcome::Unknown,
        }
    }

    /// How the one node that is asked is; nothing when it does not say.
    pub async fn status(&self, plan: &Plan) -> Option<Report> {
        let system = catalog::system(&plan.system)?;
        match self.manage(plan, Manage::Status).await {
            Outcome::Done(reply) => system.report(&reply),
            _ => None,
        }
    }
}

/// How each node of a cluster is, by id; nothing for one that does not say within so long.
pub async fn reports(plan: &Plan, patience: Duration) -> Vec<(NodeId, Option<Report>)> {
    let mut asked = tokio::task::JoinSet::new();
    for (node, address) in NodeId::all(plan.nodes()).zip(&plan.addresses) {
        let asker = Asker::new(std::slice::from_ref(address), patience);
        let plan = plan.clone();
        asked.spawn_local(async move { (node, asker.status(&plan).await) });
    }
    let mut reports = asked.join_all().await;
    reports.sort_by_key(|(node, _)| *node);
    reports
}

/// Runs something that asks, in a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}

/// Waits until a cluster leads itself, and says who does.
///
/// Where its words are those of the cache, it must have answered a read, too: what says that it leads may be wrong about it.
pub async fn leader(plan: &Plan, deadline: Duration) -> Option<NodeId> {
    let began = Instant::now();
    let probe = cache_words(plan, &Ask::Query(Query::Get { key: String::new() }));
    while began.elapsed() < deadline {
        let patience = Duration::from_millis(500);
        let answers = match &probe {
            Some(body) => {
                let asker = Asker::new(&plan.addresses, patience);
                matches!(asker.ask(body.clone()).await, Outcome::Done(_))
            }
            None => true,
        };
        let reports = reports(plan, patience).await;
        let leading = reports.iter().find(|(node, report)| {
            report
                .as_ref()
                .is_some_and(|report| report.leader == Some(*node))
        });
        if let (true, Some((node, _))) = (answers, leading) {
            return Some(*node);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// The cluster whose words are those of a tree of znodes.
pub const ZNODES: &str = "zookeeper";
/// The cluster whose words are those of an etcd-style service.
pub const KEYS: &str = "etcd";

/// A request in its wire form.
pub fn encode<C: Serialize, Q: Serialize>(ask: &Ask<C, Q>) -> Vec<u8> {
    postcard::to_allocvec(ask).expect("what is asked is plain data")
}

/// A request to a replicated cache in its wire form; nothing where the cluster's system knows no such words.
pub fn cache_words(plan: &Plan, ask: &Ask<Command, Query>) -> Option<Vec<u8>> {
    let body = encode(ask);
    let system = catalog::system(&plan.system)?;
    let is_cache = ![ZNODES, KEYS].contains(&plan.system.as_str())
        && system.decode(Word::Request, &body).is_ok();
    is_cache.then_some(body)
}
