//! A client that stands still: what comes meanwhile is kept, and taken in afterwards.

use super::{Client, ClientTimer};
use stormglass_impls::contract::{Input, RequestId};

/// What has come while a client stands still.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rest {
    request_id: RequestId,
    timers: Vec<ClientTimer>,
    mail: Vec<Input<Client>>,
}

impl Rest {
    /// The client was asked to stand still under this number.
    pub(super) fn new(request_id: RequestId) -> Self {
        Self {
            request_id,
            timers: Vec::new(),
            mail: Vec::new(),
        }
    }

    /// Something came.
    pub(super) fn keep(&mut self, input: Input<Client>) {
        match input {
            Input::TimerFired(timer) => self.timers.push(timer),
            input => self.mail.push(input),
        }
    }

    /// The number under which it was asked to stand still.
    pub(super) fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// What came, in the order in which it is taken in: first what was due, then the mail, as any paused node does.
    pub(super) fn kept(self) -> impl Iterator<Item = Input<Client>> {
        let due = self.timers.into_iter().map(Input::TimerFired);
        due.chain(self.mail)
    }
}
