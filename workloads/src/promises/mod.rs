//! How a service is judged by what it promises, whichever service it is.
//!
//! | file | what is there |
//! | --- | --- |
//! | [`story`] | a history, read as operations of a service |
//! | [`stores`] | what a resource outside the service took from holders of a lock |
//!
//! A service's promises are judged on what answers make certain, by the numbers that the service gives. The words of a service, what several of its
//! promises share, and the promises themselves stand in its own folder; see [`Service`].

pub mod stores;
pub mod story;
#[cfg(test)]
pub(crate) mod told;

use crate::workload::{Findings, Measure};
use serde_json::Value;
use std::fmt::Debug;
use stormglass_checker::limits::{Reason, Work};
use stormglass_checker::{
    Certificate, CheckError, Evidence, History, Judgement, Limits, Part, Progress, Unknown, Verdict,
};
use story::{Deed, Story};

/// A kind of service whose promises are judged.
pub trait Service: Copy + Debug + 'static {
    /// What a client does, as a history shows it.
    type Asked: Clone + Debug;
    /// An answer, as a history shows it.
    type Ended: Clone + Debug;
    /// A story, with what several promises make of it.
    type Ground<'a>;

    /// The name of the service, as errors give it.
    const NAME: &'static str;
    /// What each operation of a history must be.
    const OPERATION: &'static str;

    /// What the value of a call says.
    ///
    /// # Errors
    /// When it is none.
    fn asked(value: &Value) -> Result<Self::Asked, String>;

    /// What the value of an answer says.
    ///
    /// # Errors
    /// When it is none, or no service lives to give it.
    fn ended(value: &Value) -> Result<Self::Ended, String>;

    /// The ground on which a story is judged within limits.
    fn ground<'a>(story: &'a Story<Self>, limits: &Limits) -> Self::Ground<'a>;

    /// The limit that kept a promise from being judged on this ground, with its value. Most promises take a time that is never too long.
    fn undecided(_ground: &Self::Ground<'_>) -> Option<(Reason, u64)> {
        None
    }

    /// The place that an answered operation has in the one order of changes, if it has one.
    fn place(deed: &Deed<Self>) -> Option<u64>;

    /// What is worth knowing of a history and no question of right or wrong.
    fn measures(ground: &Self::Ground<'_>) -> Vec<Measure>;
}

/// A promise.
pub struct Promise<S: Service> {
    /// Its name, as `session-view`.
    pub name: &'static str,
    /// The words in which the service gives it, and where.
    pub quote: &'static str,
    /// Whether a history keeps it.
    pub judge: for<'a> fn(&S::Ground<'a>) -> Result<(), Breach>,
}

impl<S: Service> Clone for Promise<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Service> Copy for Promise<S> {}

impl<S: Service> Promise<S> {
    /// Name and words.
    pub fn text(&self) -> String {
        format!("{}: {}", self.name, self.quote)
    }

    /// Whether a story keeps it, with nothing made ready for other promises.
    ///
    /// # Errors
    /// How it does not.
    pub fn judged(&self, story: &Story<S>) -> Result<(), Breach> {
        (self.judge)(&S::ground(story, &Limits::default()))
    }
}

/// How a history breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The operations that collide, by number.
    pub culprits: Vec<usize>,
    /// How, in sentences.
    pub explanation: String,
}

impl Breach {
    /// That these operations collide.
    ///
    /// # Errors
    /// Always: it is what a promise returns.
    pub fn of<T>(
        culprits: impl IntoIterator<Item = usize>,
        explanation: String,
    ) -> Result<T, Self> {
        let mut culprits: Vec<usize> = culprits.into_iter().collect();
        culprits.sort_unstable();
        culprits.dedup();
        Err(Self {
            culprits,
            explanation,
        })
    }
}

/// Judges a history by some promises. The first that is broken counts; where none is and one could not be judged, it is not known.
///
/// # Errors
/// When the history contradicts itself, or is not in the words of this service.
pub fn judge<'p, S: Service>(
    promises: impl IntoIterator<Item = &'p Promise<S>>,
    history: &History,
    limits: &Limits,
) -> Result<Findings, CheckError> {
    let story = Story::<S>::read(history)?;
    let ground = S::ground(&story, limits);
    let broken = promises.into_iter().find_map(|promise| {
        let breach = (promise.judge)(&ground).err()?;
        Some((promise, breach))
    });
    let work = Work {
        steps: story.deeds.len() as u64,
        ..Work::default()
    };
    let verdict = match (broken, S::undecided(&ground)) {
        (Some((promise, breach)), _) => Verdict::Invalid(evidence(history, promise, breach)?),
        (None, Some((reason, limit))) => Verdict::Unknown(unknown(history, reason, limit)),
        (None, None) => Verdict::Valid(certificate(&story)),
    };
    let judgement = Judgement { verdict, work };
    Ok(Findings {
        judgement,
        measures: S::measures(&ground),
    })
}

/// The changes that were answered, in the order that the service gave them: what everything else was judged by.
fn certificate<S: Service>(story: &Story<S>) -> Certificate {
    let mut changes: Vec<(u64, usize)> = Vec::new();
    for deed in &story.deeds {
        changes.extend(S::place(deed).map(|place| (place, deed.id)));
    }
    changes.sort_unstable();
    let order = changes.into_iter().map(|(_, id)| id).collect();
    Certificate {
        parts: vec![Part { key: None, order }],
    }
}

/// Everything is judged together, so that one limit leaves everything open.
fn unknown(history: &History, reason: Reason, limit: u64) -> Unknown {
    let progress = Progress {
        events_judged: 0,
        events_total: history.events.len(),
        key: None,
        parts_open: 1,
        parts_total: 1,
    };
    Unknown {
        reason,
        limit,
        progress,
    }
}

/// A breach, with the operations behind it.
fn evidence<S: Service>(
    history: &History,
    promise: &Promise<S>,
    breach: Breach,
) -> Result<Evidence, CheckError> {
    let mut culprits = history.operations()?;
    culprits.retain(|operation| breach.culprits.contains(&operation.id));
    let calls: Vec<usize> = culprits.iter().map(|culprit| culprit.call).collect();
    let ends = culprits
        .iter()
        .map(|culprit| culprit.ret.unwrap_or(culprit.call));
    // What came after the culprits may be needed, too: that something else did not happen.
    let all = history.events.len();
    let known = ends.max().map_or(all, |last| last + 1);
    let prefix_events = match is_broken(promise, history, known)? {
        true => known,
        false => all,
    };
    let mut culprits = prefix_of(history, prefix_events).operations()?;
    culprits.retain(|operation| calls.contains(&operation.call));
    Ok(Evidence {
        promise: promise.text(),
        // Everything is judged together.
        key: None,
        prefix_events,
        prefix_smallest: false,
        minimal: false,
        verified: false,
        context: None,
        explanation: breach.explanation,
        culprits,
    })
}

/// Whether so many events of a history alone break a promise.
///
/// # Errors
/// Those of [`judge`].
pub fn is_broken<S: Service>(
    promise: &Promise<S>,
    history: &History,
    events: usize,
) -> Result<bool, CheckError> {
    let story = Story::read(&prefix_of(history, events))?;
    Ok(promise.judged(&story).is_err())
}

fn prefix_of(history: &History, events: usize) -> History {
    History {
        events: history.events[..events].to_vec(),
    }
}
