//! A history, read: what the promises are judged by.

use crate::zookeeper::dialect::{Asked, Ended};
use stormglass_checker::{CheckError, Event, History, Kind, Pair, SpecificationError};
use stormglass_impls::zookeeper::words::{Op, SessionId, ZxidNumber};

/// A history as operations that can be asked what they mean.
pub struct Story {
    /// By call, with the numbers of the history's operations.
    pub deeds: Vec<Deed>,
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
        let pairs = history.pairs()?;
        let deeds = pairs.iter().enumerate().map(|(id, pair)| {
            let call = &history.events[pair.call];
            let asked = Asked::read(&call.value);
            let asked = asked.map_err(|error| senseless(call, pair, error))?;
            let answer = pair.ret.filter(|ret| history.events[*ret].kind == Kind::Ok);
            let ended = answer.map(|answer| {
                let ended = Ended::read(&history.events[answer].value);
                ended.map_err(|error| senseless(call, pair, error))
            });
            Ok(Deed {
                id,
                asked,
                ended: ended.transpose()?,
                call: pair.call,
                answer: answer.unwrap_or(usize::MAX),
                call_ns: call.time,
                answer_ns: answer.map_or(u64::MAX, |answer| history.events[answer].time),
            })
        });
        let deeds = deeds.collect::<Result<_, CheckError>>()?;
        Ok(Self { deeds })
    }
}

fn senseless(call: &Event, pair: &Pair, error: String) -> CheckError {
    CheckError::Specification {
        specification: "zookeeper".to_string(),
        event: pair.call,
        f: call.f.clone(),
        process: pair.process,
        source: SpecificationError::new("an operation of a ZooKeeper-style service", error),
    }
}
