//! A story, with what several promises make of it.

use super::facts::Facts;
use super::story::Story;
use super::watches::Watches;
use std::cell::OnceCell;

/// A story, and what is made of it once somebody asks.
pub struct Ground<'a> {
    /// The story.
    pub story: &'a Story,
    facts: OnceCell<Facts<'a>>,
    watches: OnceCell<Watches<'a>>,
}

impl<'a> Ground<'a> {
    /// The ground on which a story is judged.
    pub fn of(story: &'a Story) -> Self {
        Self {
            story,
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
