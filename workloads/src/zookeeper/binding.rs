//! Puts operations into the words of the service's clients, and reads what comes back.

use super::dialect::{Asked, Ended, Fired};
use crate::client::session::Returned;
use crate::workload::{Binding, Completion, Operation};
use stormglass_impls::zookeeper::words::{Body, Done, Event};

/// The service's clients.
pub struct ZnodesBinding;

impl Binding for ZnodesBinding {
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
        let result = match returned.reply.body {
            Body::Done(result) => result,
            Body::Pong if matches!(asked, Asked::Rest { .. } | Asked::Store { .. }) => {
                Ok(Done::Fine)
            }
            body => return Err(format!("{body:?} is no answer to {}", operation.f)),
        };
        if let Ok(done) = &result
            && !is_of(&asked, done)
        {
            return Err(format!("{done:?} is no answer to {}", operation.f));
        }
        let events = returned.events.into_iter().filter_map(|event| match event {
            Event::Fired { change, path, zxid } => Some(Fired { change, path, zxid }),
            Event::Closed => None,
        });
        let ended = Ended {
            zxid: returned.reply.zxid,
            session: returned.session,
            server: returned.server.0,
            result,
            events: events.collect(),
            stored: None,
        };
        Ok(Completion::Ok(ended.value()))
    }
}

/// Whether that can come of this.
fn is_of(asked: &Asked, done: &Done) -> bool {
    match asked.function() {
        "exists" => matches!(done, Done::Exists(_)),
        "get" => matches!(done, Done::Data(..)),
        "children" => matches!(done, Done::Children(..)),
        "get-acl" => matches!(done, Done::Acl(..)),
        "create" => matches!(done, Done::Created { .. }),
        "set" | "set-acl" => matches!(done, Done::Set(_)),
        "multi" => matches!(done, Done::Multi(_)),
        _ => matches!(done, Done::Fine),
    }
}
