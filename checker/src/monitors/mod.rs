//! Monitors: judges for histories of a particular shape, in time n log n where the search is exponential.
//!
//! A monitor first makes sure that its precondition holds, and answers nothing when it does not; then the [search](crate::search) is asked.
//! What it finds is as good as what the search finds: an order, which [`verify`](crate::verify()) accepts, or a few operations that
//! collide. "Exact" means that an answer is always right, and "declines" when a monitor gives none although its precondition holds. The
//! page of each has the argument.
//!
//! | monitor | object | precondition | declines | source |
//! | --- | --- | --- | --- | --- |
//! | [`zones`] | registers | no value written twice | never: it is the ground of the next | Gibbons and Korach, "Testing Shared Memories", 1997, section 4 |
//! | [`cas_chain`] | registers with compare-and-set | no value written twice, the initial one never | when refused comparisons leave it open | argued there |
//! | [`versions`] | versioned registers | every certain operation tells its version | where unknown outcomes leave it open | argued there |
//! | [`append`] | lists that grow | no value appended twice | never | argued there |
//! | [`set`] | sets that grow | nothing is removed | never | argued there |
//! | [`counter`] | counters | always the same number is added | never | argued there |
//! | [`queue`] | queues | no value enqueued twice | never | Henzinger, Sezgin and Vafeiadis, 2013; Bouajjani, Emmi, Enea and Hamza, 2015 |
//!
//! Each judges a part from the initial state only; evidence that begins later is left to the search. Each is held against the
//! [oracle](crate::oracle) and against the search on random histories, half of which were bent, with operations of unknown outcome.

mod acts;
pub mod append;
pub mod cas_chain;
pub mod counter;
pub mod queue;
mod refused;
mod schedule;
pub mod set;
pub mod versions;
pub mod zones;

/// An operation as a monitor sees it.
#[derive(Debug)]
pub struct Observed<'a, Op> {
    /// What it means, with what is known of its result.
    pub op: &'a Op,
    /// The position of its call in the history.
    pub call: usize,
    /// The position by which it has had its effect; `None` when its outcome is unknown: it may take effect at any time from
    /// the call on, or never.
    pub deadline: Option<usize>,
}

impl<Op> Clone for Observed<'_, Op> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Op> Copy for Observed<'_, Op> {}

/// What a monitor found. Numbers are positions in the list it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// One legal order. Operations of unknown outcome that never took effect are absent.
    Legal(Vec<usize>),
    /// Operations that cannot be put in order even if every other one may happen at any time or never.
    Illegal(Vec<usize>),
}
