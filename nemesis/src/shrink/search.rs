//! The search itself: runs candidates, and keeps the best.

use super::{Property, Step, Watch};
use crate::arena;
use crate::judge::{Judged, Ruling, judge};
use crate::record::Run;
use crate::trial::Trial;
use siphasher::sip::SipHasher13;
use std::collections::BTreeSet;
use std::hash::Hasher;

/// The smallest trial so far, and what it came to.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub(super) trial: Trial,
    pub(super) run: Run,
    pub(super) judged: Judged,
}

pub(super) struct Search<'w> {
    best: Best,
    property: Property,
    /// The verdict of the trial the search began with.
    ruling: Ruling,
    candidates_max: u64,
    candidates_run: u64,
    /// Whether somebody ended the search.
    stopped: bool,
    /// The candidates that did not break the property, by hash: rounds come back to many of them.
    refused: BTreeSet<u64>,
    watch: &'w mut Watch<'w>,
}

impl<'w> Search<'w> {
    pub(super) fn new<'a: 'w>(
        best: Best,
        property: Property,
        candidates_max: u64,
        watch: &'w mut Watch<'a>,
    ) -> Self {
        Self {
            ruling: best.judged.ruling,
            best,
            property,
            candidates_max,
            candidates_run: 0,
            stopped: false,
            refused: BTreeSet::new(),
            watch,
        }
    }

    pub(super) fn trial(&self) -> &Trial {
        &self.best.trial
    }

    pub(super) fn best(&self) -> &Best {
        &self.best
    }

    pub(super) fn into_best(self) -> Best {
        self.best
    }

    pub(super) fn candidates_run(&self) -> u64 {
        self.candidates_run
    }

    /// Whether no further candidate is run.
    pub(super) fn is_over(&self) -> bool {
        self.stopped || self.candidates_run >= self.candidates_max
    }

    /// Takes up an earlier best again, and gives what it replaces.
    pub(super) fn go_back_to(&mut self, best: Best) -> Best {
        std::mem::replace(&mut self.best, best)
    }

    /// [Offers](Self::offer) a candidate that is made only if the search goes on; nothing when it is over.
    pub(super) fn try_out(&mut self, candidate: impl FnOnce() -> Trial) -> Option<bool> {
        (!self.is_over()).then(|| self.offer(candidate()))
    }

    /// Runs a candidate. If it breaks the same property, it is the best from now on.
    pub(super) fn offer(&mut self, candidate: Trial) -> bool {
        if self.is_over() || candidate == self.best.trial || candidate.validate().is_err() {
            return false;
        }
        let hash = hash(&candidate);
        if self.refused.contains(&hash) {
            return false;
        }
        let Some((run, judged)) = self.run(&candidate) else {
            self.refused.insert(hash);
            return false;
        };
        // What was a violation does not become a measurement; the other way round it is the better find.
        let ruled = judged.ruling == self.ruling || judged.ruling == Ruling::Violation;
        let keeps = ruled && Property::of(&judged).as_ref() == Some(&self.property);
        if keeps {
            self.best = Best {
                trial: candidate,
                run,
                judged,
            };
        } else {
            self.refused.insert(hash);
        }
        keeps
    }

    /// Runs and judges a candidate; nothing when that is impossible, as for a fault that its arena cannot represent, or was broken off.
    fn run(&mut self, candidate: &Trial) -> Option<(Run, Judged)> {
        let step = Step {
            candidates_run: self.candidates_run,
            faults: self.best.trial.schedule.len(),
            operations: self
                .best
                .trial
                .calls
                .as_ref()
                .map_or(self.best.judged.counts.operations as usize, Vec::len),
        };
        self.candidates_run += 1;
        let Self { watch, stopped, .. } = self;
        let mut go_on = |_| {
            let flow = watch(&step);
            *stopped |= flow.is_break();
            flow
        };
        if go_on(0).is_break() {
            return None;
        }
        let run = arena::run(candidate, &mut go_on).ok()?;
        let judged = judge(candidate, &run).ok()?;
        (!run.record.interrupted).then_some((run, judged))
    }
}

fn hash(trial: &Trial) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(&serde_json::to_vec(trial).expect("a trial is plain data"));
    hasher.finish()
}
