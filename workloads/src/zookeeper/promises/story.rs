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
                let ended = Ended::read(&history.events[answer].value).and_then(in_bounds);
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

/// Zxids lie below this. No cluster lives that long, and those who reckon with them need some room.
const ZXID_END: ZxidNumber = 1 << 62;

fn in_bounds(ended: Ended) -> Result<Ended, String> {
    match ended.zxid.max(ended.session.0) < ZXID_END {
        true => Ok(ended),
        false => Err(format!("{} is no zxid", ended.zxid.max(ended.session.0))),
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

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create};
    use super::*;
    use stormglass_impls::zookeeper::words::Mode;

    #[test]
    fn a_zxid_that_no_cluster_lives_to_see_is_refused() {
        let mut service = Service::new(1, &[]);
        service
            .write(0, create("/a", "", Mode::Persistent))
            .unwrap();
        assert!(Story::read(&service.history).is_ok());
        service.lie(0, |ended| ended.session = SessionId(u64::MAX));
        let error = Story::read(&service.history).err();
        let error = error.expect("a number too large").to_string();
        assert!(error.contains("is no zxid"), "{error}");
    }
}
