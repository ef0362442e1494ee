//! A history, read: what the promises are judged by.

use crate::zookeeper::dialect::{Asked, Ended};
use stormglass_checker::{CheckError, History, Operation, Outcome, SpecificationError};
use stormglass_impls::zookeeper::words::{Op, SessionId, ZxidNumber};

/// A history as operations that can be asked what they mean.
pub struct Story {
    /// By call.
    pub deeds: Vec<Deed>,
    /// The operations behind them, with the same numbers.
    pub operations: Vec<Operation>,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Its number: its place in [`Story::deeds`].
    pub id: usize,
    /// What was asked.
    pub asked: Asked,
    /// What came of it; `None` when nobody knows.
    pub ended: Option<Ended>,
    /// The position of the call in the history's events.
    pub call: usize,
    /// The position of the answer; beyond all events when there was none.
    pub answer: usize,
    /// When it was called, in nanoseconds.
    pub call_ns: u64,
    /// When it was answered, in nanoseconds; never, when it was not.
    pub answer_ns: u64,
}

impl Deed {
    /// What it changed or tried to change, if it goes through the log.
    pub fn op(&self) -> Option<&Op> {
        match &self.asked {
            Asked::Write(op) => Some(op),
            _ => None,
        }
    }

    /// The session in which it was answered.
    pub fn session(&self) -> Option<SessionId> {
        let ended = self.ended.as_ref()?;
        Some(ended.session).filter(|session| *session != SessionId::NONE)
    }

    /// The zxid that a write took, whether it changed anything or not.
    pub fn own_zxid(&self) -> Option<ZxidNumber> {
        let ended = self.ended.as_ref().filter(|_| self.asked.is_write())?;
        Some(ended.zxid)
    }
}

impl Story {
    /// Reads a history.
    ///
    /// # Errors
    /// When it contradicts itself, or is not in the words of this service.
    pub fn read(history: &History) -> Result<Self, CheckError> {
        let operations = history.operations()?;
        let deeds = operations.iter().map(|operation| {
            let asked = Asked::read(&operation.input);
            let asked = asked.map_err(|error| senseless(operation, error))?;
            let ended = match &operation.outcome {
                Outcome::Ok(value) => {
                    let ended = Ended::read(value);
                    Some(ended.map_err(|error| senseless(operation, error))?)
                }
                Outcome::Mismatch | Outcome::Unknown => None,
            };
            let answered = ended.as_ref().and(operation.ret);
            Ok(Deed {
                id: operation.id,
                asked,
                call: operation.call,
                answer: answered.unwrap_or(usize::MAX),
                call_ns: operation.call_time,
                answer_ns: answered.and(operation.ret_time).unwrap_or(u64::MAX),
                ended,
            })
        });
        let deeds = deeds.collect::<Result<_, CheckError>>()?;
        Ok(Self { deeds, operations })
    }
}

fn senseless(operation: &Operation, error: String) -> CheckError {
    CheckError::Specification {
        specification: "zookeeper".to_string(),
        event: operation.call,
        f: operation.f.clone(),
        process: operation.process,
        source: SpecificationError::new("an operation of a ZooKeeper-style service", error),
    }
}
