//! Clients of a foreign cluster: what one must be able to do, and how the harness drives it.

use super::{LocalFuture, Stage};
use crate::desk::{Ending, Plan};
use std::rc::Rc;
use std::time::Duration;
use stormglass_workloads::workload::Operation;

/// A client of one's own server.
///
/// Only an answer from the server is certain. An error, a broken connection and a timeout prove nothing: the operation may have happened,
/// or may happen yet, and is [`Ending::Unknown`]. The harness puts the trial's deadline around every call, and makes a new client after
/// every outcome nobody knows; so a client may forget about deadlines, and never meets a late answer to an older call.
pub trait Client {
    /// Carries out one operation, and says how it ended. A mutation must not be sent twice unless the server carries it out once.
    fn call(&mut self, operation: &Operation) -> impl Future<Output = Ending>;
}

/// A client, as the code that makes it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its number, from 0.
    pub id: u32,
    /// How many clients of this number there were before it: 0 for the first, one more after every outcome nobody knows.
    pub start: u64,
    /// The host names of all nodes. The first is another one for every client and after every start, so that a client which speaks to the
    /// first alone is spread over the nodes and leaves those that do not answer.
    pub nodes: Vec<String>,
}

/// A client whose type is put away.
pub(super) trait AnyClient {
    fn call<'a>(&'a mut self, operation: &'a Operation) -> LocalFuture<'a, Ending>;
}

impl<C: Client> AnyClient for C {
    fn call<'a>(&'a mut self, operation: &'a Operation) -> LocalFuture<'a, Ending> {
        Box::pin(Client::call(self, operation))
    }
}

/// Runs a client from the first operation to the last final read.
pub(super) async fn visit(stage: Rc<Stage>, id: u32, nodes: Vec<String>) {
    let make = |start: u64| {
        let mut nodes = nodes.clone();
        let first = (u64::from(id) + start) % nodes.len() as u64;
        nodes.rotate_left(first as usize);
        (stage.cluster.client.0)(Caller { id, start, nodes })
    };
    let patience = stage.trial.patience;
    let mut start = 0;
    let mut client = make(start);
    loop {
        // The plan is taken out first: the desk is not held over a wait.
        let plan = stage.desk.borrow_mut().plan(id, stage.now_ns());
        let Plan::CallAt(at_ns) = plan else {
            return;
        };
        sleep_until(&stage, at_ns).await;
        let called_ns = stage.now_ns();
        let (_, operation) = stage.desk.borrow_mut().call_operation(id, called_ns);
        let text = (operation.f, operation.key.as_deref());
        let event = (id, "call", text, operation.value.to_string());
        stage.board.borrow_mut().note_event(event);
        let deadline = Duration::from_millis(patience.deadline_ms);
        let ending = match tokio::time::timeout(deadline, client.call(&operation)).await {
            Ok(ending) => ending,
            Err(_) => Ending::Unknown("deadline".to_string()),
        };
        let event = (id, "return", format!("{ending:?}"));
        stage.board.borrow_mut().note_event(event);
        if let Ending::Unknown(_) = ending {
            start += 1;
            client = make(start);
        }
        let answered = matches!(ending, Ending::Answered(_));
        let now_ns = stage.now_ns();
        stage.desk.borrow_mut().ended(id, now_ns, ending);
        // A client that is refused at once must not call again at once, for then no time would pass.
        let pause_ms = if answered { 0 } else { patience.backoff_ms };
        if pause_ms > 0 || now_ns == called_ns {
            tokio::time::sleep(Duration::from_millis(pause_ms.max(1))).await;
        }
    }
}

async fn sleep_until(stage: &Stage, at_ns: u64) {
    loop {
        let left_ns = at_ns.saturating_sub(stage.now_ns());
        if left_ns == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_nanos(left_ns)).await;
    }
}
