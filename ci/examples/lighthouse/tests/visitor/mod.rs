//! The client that the tests of planted bugs share. `chaos.rs` shows it in full.

use lighthouse::Client;
use stormglass::{Ending, Operation};

pub(crate) struct Visitor(pub(crate) Client);

impl stormglass::Client for Visitor {
    async fn call(&mut self, operation: &Operation) -> Ending {
        let key = operation.key.as_deref().unwrap_or_default();
        let value = operation.value.clone();
        let ended = match operation.f {
            "read" => self.0.read(key).await.map(Ending::value),
            _ => {
                let written = self.0.write(key, value).await;
                written.map(|()| Ending::done(operation))
            }
        };
        ended.unwrap_or_else(Ending::unknown)
    }
}
