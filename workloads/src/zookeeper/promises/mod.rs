//! What a ZooKeeper-style service promises, each promise in a file that quotes it.
//!
//! All of them are judged by what clients saw and by zxids. Every server applies the same changes in the same order, so the tree at a zxid is one tree,
//! and whatever is observed at that zxid, at whichever server, must be observed of it.

pub mod facts;
pub mod generate;
pub mod multi;
pub mod session_view;
pub mod stale;
pub mod story;
pub mod sync;
pub mod tree;
#[cfg(test)]
mod trials;
pub mod watches;
pub mod write_order;

use stormglass_checker::limits::Work;
use stormglass_checker::{
    Certificate, CheckError, Evidence, History, Judgement, Limits, Part, Verdict,
};
use story::Story;

/// A promise.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Its name, as `session-view`.
    pub name: &'static str,
    /// The words in which the service gives it, and where.
    pub quote: &'static str,
    /// Whether a history keeps it.
    pub judge: fn(&Story) -> Result<(), Breach>,
}

impl Promise {
    /// Name and words.
    pub fn text(&self) -> String {
        format!("{}: {}", self.name, self.quote)
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

/// Judges a history by some promises. The first that is broken counts.
///
/// # Errors
/// When the history contradicts itself, or is not in the words of this service.
pub fn judge(
    promises: &[Promise],
    history: &History,
    _limits: &Limits,
) -> Result<Judgement, CheckError> {
    let story = Story::read(history)?;
    let broken = promises.iter().find_map(|promise| {
        let breach = (promise.judge)(&story).err()?;
        Some((promise, breach))
    });
    let work = Work {
        steps: story.deeds.len() as u64,
        ..Work::default()
    };
    let verdict = match broken {
        None => Verdict::Valid(story.certificate()),
        Some((promise, breach)) => Verdict::Invalid(story.evidence(promise, breach)),
    };
    Ok(Judgement { verdict, work })
}

impl Story {
    /// The writes in the order of their zxids.
    fn certificate(&self) -> Certificate {
        let mut writes: Vec<(u64, usize)> = Vec::new();
        for deed in &self.deeds {
            writes.extend(deed.own_zxid().map(|zxid| (zxid, deed.id)));
        }
        writes.sort_unstable();
        let order = writes.into_iter().map(|(_, id)| id).collect();
        Certificate {
            parts: vec![Part { key: None, order }],
        }
    }

    fn evidence(&self, promise: &Promise, breach: Breach) -> Evidence {
        let mut ids = breach.culprits;
        ids.sort_unstable();
        ids.dedup();
        let culprits: Vec<_> = ids.iter().map(|id| self.operations[*id].clone()).collect();
        let ends = culprits
            .iter()
            .map(|culprit| culprit.ret.unwrap_or(culprit.call));
        Evidence {
            promise: promise.text(),
            key: culprits.last().and_then(|culprit| culprit.key.clone()),
            prefix_events: ends.max().map_or(0, |last| last + 1),
            prefix_smallest: false,
            minimal: false,
            verified: false,
            context: None,
            explanation: breach.explanation,
            culprits,
        }
    }
}
