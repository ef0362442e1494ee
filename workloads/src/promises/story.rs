//! A history, read: what promises are judged by.

use super::Service;
use stormglass_checker::{CheckError, Event, History, Kind, Pair, SpecificationError};

/// A history as operations that can be asked what they mean.
#[derive(Clone, Debug)]
pub struct Story<S: Service> {
    /// By call, with the numbers of the history's operations.
    pub deeds: Vec<Deed<S>>,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Deed<S: Service> {
    /// Its number: its place in [`Story::deeds`].
    pub id: usize,
    /// Who did it. A client goes on as another process after an operation of unknown outcome.
    pub process: u64,
    /// What was asked.
    pub asked: S::Asked,
    /// What came of it; `None` when nobody knows.
    pub ended: Option<S::Ended>,
    /// The position of the call in the history's events.
    pub call: usize,
    /// The position of the answer; beyond all events when there was none.
    pub answer: usize,
    /// When it was called, in nanoseconds.
    pub call_ns: u64,
    /// When it was answered, in nanoseconds; never, when it was not.
    pub answer_ns: u64,
}

impl<S: Service> Story<S> {
    /// Reads a history.
    ///
    /// # Errors
    /// When it contradicts itself, or is not in the words of this service.
    pub fn read(history: &History) -> Result<Self, CheckError> {
        let pairs = history.pairs()?;
        let mut deeds = Vec::with_capacity(pairs.len());
        for (id, pair) in pairs.iter().enumerate() {
            let call = &history.events[pair.call];
            let asked = S::asked(&call.value);
            let asked = asked.map_err(|error| senseless::<S>(call, pair, error))?;
            let answer = pair.ret.filter(|ret| history.events[*ret].kind == Kind::Ok);
            let ended = answer.map(|answer| {
                let ended = S::ended(&history.events[answer].value);
                ended.map_err(|error| senseless::<S>(call, pair, error))
            });
            deeds.push(Deed {
                id,
                process: pair.process,
                asked,
                ended: ended.transpose()?,
                call: pair.call,
                answer: answer.unwrap_or(usize::MAX),
                call_ns: call.time,
                answer_ns: answer.map_or(u64::MAX, |answer| history.events[answer].time),
            });
        }
        Ok(Self { deeds })
    }

    /// For each operation the newest number in any answer that came before it was called, and whose it was; 0 and itself when there was none.
    pub fn floors(&self, newest_in: impl Fn(&Deed<S>) -> Option<u64>) -> Vec<(u64, usize)> {
        let mut answers: Vec<(usize, u64, usize)> = Vec::new();
        for deed in &self.deeds {
            answers.extend(newest_in(deed).map(|newest| (deed.answer, newest, deed.id)));
        }
        answers.sort_unstable();
        let mut answers = answers.into_iter().peekable();
        let mut newest = None;
        let mut floors = Vec::with_capacity(self.deeds.len());
        for deed in &self.deeds {
            while let Some((_, number, by)) = answers.next_if(|(answer, ..)| *answer < deed.call) {
                if newest.is_none_or(|(older, _)| older < number) {
                    newest = Some((number, by));
                }
            }
            floors.push(newest.unwrap_or((0, deed.id)));
        }
        floors
    }
}

fn senseless<S: Service>(call: &Event, pair: &Pair, error: String) -> CheckError {
    CheckError::Specification {
        specification: S::NAME.to_string(),
        event: pair.call,
        f: call.f.clone(),
        process: pair.process,
        source: SpecificationError::new(S::OPERATION, error),
    }
}
