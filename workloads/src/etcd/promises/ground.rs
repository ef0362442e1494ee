//! A story, with what several promises make of it.

use super::facts::Facts;
use super::story::Story;
use super::watches::Watches;
use std::cell::{Cell, OnceCell};
use stormglass_checker::Limits;
use stormglass_checker::limits::Reason;

/// A story, and what is made of it once somebody asks.
pub struct Ground<'a> {
    /// The story.
    pub story: &'a Story,
    /// How much it may cost to judge it, where that is no matter of course.
    pub limits: Limits,
    /// The limit that kept a promise from being judged, with its value. Whoever reaches one says so here.
    pub undecided: Cell<Option<(Reason, u64)>>,
    facts: OnceCell<Facts<'a>>,
    watches: OnceCell<Watches<'a>>,
}

impl<'a> Ground<'a> {
    /// The ground on which a story is judged within the usual limits.
    pub fn of(story: &'a Story) -> Self {
        Self::within(story, Limits::default())
    }

    /// The ground on which a story is judged within limits.
    pub fn within(story: &'a Story, limits: Limits) -> Self {
        Self {
            story,
            limits,
            undecided: Cell::new(None),
            facts: OnceCell::new(),
            watches: OnceCell::new(),
        }
    }

    /// What the answers say of each key.
    pub fn facts(&self) -> &Facts<'a> {
        self.facts.get_or_init(|| Facts::of(self.story))
    }

    /// What watches told.
    pub fn watches(&self) -> &Watches<'a> {
        let facts = self.facts();
        self.watches.get_or_init(|| Watches::of(self.story, facts))
    }
}
