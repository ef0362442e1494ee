//! What a node may say only when what it wrote is durable. Every protocol that writes before it answers shares it.

use std::collections::VecDeque;

/// The claims `H` that wait for the disk: one list for each batch of writes that is under way, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claims<H>(VecDeque<Vec<H>>);

impl<H> Default for Claims<H> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<H> Claims<H> {
    /// The same with every claim changed.
    pub(crate) fn map(&self, change: impl Fn(&H) -> H) -> Self {
        let batch = |claims: &Vec<H>| claims.iter().map(&change).collect();
        Self(self.0.iter().map(batch).collect())
    }

    /// How many batches are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.0.len()
    }

    /// A batch was given to the disk.
    pub(crate) fn batch_begins(&mut self) {
        self.0.push_back(Vec::new());
    }

    /// The oldest batch is durable: gives what waited for it.
    pub(crate) fn batch_ends(&mut self) -> Vec<H> {
        let durable = self.0.pop_front();
        durable.expect("a completion answers an outstanding persist")
    }

    /// Nothing waits any more; the batches are still under way.
    pub(crate) fn forget(&mut self) {
        self.0.iter_mut().for_each(Vec::clear);
    }

    /// Lets claims wait for the newest batch, and gives those that need not. `may_go` is told a claim and how many batches are under way.
    pub(crate) fn hold(&mut self, claims: Vec<H>, may_go: impl Fn(&H, usize) -> bool) -> Vec<H> {
        let under_way = self.under_way();
        let (free, waiting): (Vec<_>, Vec<_>) = claims
            .into_iter()
            .partition(|claim| may_go(claim, under_way));
        if !waiting.is_empty() {
            let newest = self.0.back_mut();
            newest.expect("a claim waits for a write").extend(waiting);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_waits_for_every_batch_that_is_under_way_when_it_is_made() {
        let mut claims = Claims::default();
        let durable = |_: &&str, under_way: usize| under_way == 0;
        assert_eq!(claims.hold(vec!["at once"], durable), ["at once"]);
        claims.batch_begins();
        assert!(claims.hold(vec!["with the first"], durable).is_empty());
        claims.batch_begins();
        assert!(claims.hold(vec!["with the second"], durable).is_empty());
        assert_eq!(claims.batch_ends(), ["with the first"]);
        assert_eq!(claims.under_way(), 1);
        assert_eq!(claims.batch_ends(), ["with the second"]);
        claims.batch_begins();
        assert!(claims.hold(vec!["of an old role"], durable).is_empty());
        claims.forget();
        assert_eq!(claims.under_way(), 1, "the disk is still at work");
        assert!(claims.batch_ends().is_empty());
    }
}
