//! Puts operations into the words of the service's clients, and reads what comes back.

use super::dialect::{Asked, Ended};
use crate::client::member::Returned;
use crate::workload::{Binding, Completion, Operation};
use stormglass_impls::etcd::words::Done;

/// The service's clients.
pub struct EtcdBinding;

impl Binding for EtcdBinding {
    fn request(&self, operation: &Operation) -> Vec<u8> {
        match Asked::read(&operation.value) {
            Ok(asked) => {
                let bytes = postcard::to_allocvec(&asked.call());
                bytes.expect("postcard fails only on maps of unknown length, and words have none")
            }
            // No call at all: the client says that it makes no sense.
            Err(_) => Vec::new(),
        }
    }

    fn completion(&self, operation: &Operation, reply: &[u8]) -> Result<Completion, String> {
        let asked = Asked::read(&operation.value)?;
        let returned: Returned = postcard::from_bytes(reply).map_err(|error| error.to_string())?;
        let stands_still = matches!(asked, Asked::Rest { .. } | Asked::Store { .. });
        let (revision, term, result) = match returned.reply {
            Some(reply) if !stands_still => {
                (reply.header.revision, reply.header.term, reply.result)
            }
            None if stands_still => (0, 0, Ok(Done::Heard)),
            Some(_) => return Err(format!("somebody answered a {}", operation.f)),
            None => return Err(format!("nobody answered a {}", operation.f)),
        };
        if let Ok(done) = &result
            && !is_of(&asked, done)
        {
            return Err(format!("{done:?} is no answer to {}", operation.f));
        }
        let ended = Ended {
            revision,
            term,
            server: returned.server.0,
            result,
            events: returned.events,
            stored: None,
        };
        Ok(Completion::Ok(ended.value()))
    }
}

/// Whether that can come of this.
fn is_of(asked: &Asked, done: &Done) -> bool {
    match asked.function() {
        "get" | "local-get" => matches!(done, Done::Range { .. }),
        "put" => matches!(done, Done::Put { .. }),
        "delete" => matches!(done, Done::DeleteRange { .. }),
        "txn" => matches!(done, Done::Txn { .. }),
        "compact" => matches!(done, Done::Compact),
        "grant" => matches!(done, Done::Grant { .. }),
        "revoke" => matches!(done, Done::Revoke),
        "keep-alive" => matches!(done, Done::KeepAlive { .. }),
        "time-to-live" => matches!(done, Done::TimeToLive { .. }),
        "watch" => matches!(done, Done::Watch { .. }),
        "auth" | "authenticate" => matches!(done, Done::Auth { .. }),
        _ => matches!(done, Done::Heard),
    }
}
