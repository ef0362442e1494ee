//! Client sessions: each command runs at most once, however often it is retried. Every protocol that replicates a [`Machine`] shares them.
//!
//! A client numbers its requests and has one open at a time, so the answer to its newest command is all a replica has to keep
//! (Raft dissertation, section 6.3). The table is part of the replicated state: it changes only when a log entry is applied.

use crate::contract::{ClientId, RequestId};
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a client asks of a replicated machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ask<C, Q> {
    /// Change the state, through the log.
    Command(C),
    /// Read the state.
    Query(Q),
}

/// A client's command as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Submission<C> {
    /// Whose.
    pub client: ClientId,
    /// Which of that client's requests.
    pub request_id: RequestId,
    /// What to do.
    pub command: C,
}

/// A machine with its client table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sessions<M: Machine> {
    machine: M,
    /// The newest command of each client that was applied, and what it gave back.
    newest: BTreeMap<ClientId, (RequestId, M::Output)>,
}

impl<M: Machine> Default for Sessions<M> {
    fn default() -> Self {
        Self {
            machine: M::default(),
            newest: BTreeMap::new(),
        }
    }
}

impl<M: Machine> Sessions<M> {
    /// Applies a command unless it ran before. Gives the answer to send, or `None` when the client has since moved on and waits for
    /// no answer to this one.
    pub fn apply(&mut self, submission: &Submission<M::Command>) -> Option<M::Output> {
        let Submission {
            client,
            request_id,
            command,
        } = submission;
        match self.newest.get_mut(client) {
            Some((newest, _)) if request_id < newest => None,
            Some((newest, output)) if request_id == newest => Some(output.clone()),
            Some(known) => {
                let output = self.machine.apply(command);
                *known = (*request_id, output.clone());
                Some(output)
            }
            None => {
                let output = self.machine.apply(command);
                self.newest.insert(*client, (*request_id, output.clone()));
                Some(output)
            }
        }
    }

    /// The answer to a command that was applied here already and is its client's newest.
    pub fn answered(&self, client: ClientId, request_id: RequestId) -> Option<&M::Output> {
        self.newest
            .get(&client)
            .filter(|(newest, _)| *newest == request_id)
            .map(|(_, output)| output)
    }

    /// Answers a query.
    pub fn query(&self, query: &M::Query) -> M::Output {
        self.machine.query(query)
    }

    /// The machine inside.
    pub fn machine(&self) -> &M {
        &self.machine
    }
}
