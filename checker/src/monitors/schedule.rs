//! Moments and orders: what several monitors count with.
//!
//! Some objects tell of certain pairs of operations which of the two came first, whatever else happened. Let that relation have no
//! cycle. Give each operation the earliest moment it can have: the latest call among itself and all that must come before it, directly
//! or through others. Then there is an order exactly if every operation's moment lies before its return.
//!
//! If it does, sort by moment, and where moments are equal, so that what must come first does. That keeps the relation, since moments
//! never fall along it. It keeps real time: what returned before another was called has a moment before its return, and the other none
//! before its call. If it does not, the operation returned before another was called that has to come first: a contradiction of two
//! operations and whatever links them.

/// The latest call among some operations, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Latest<Whose> {
    pub(super) call: usize,
    /// `None` before the first.
    pub(super) whose: Option<Whose>,
}

impl<Whose: Copy> Latest<Whose> {
    /// Of no operations.
    pub(super) const NONE: Self = Self {
        call: 0,
        whose: None,
    };

    /// Of one operation.
    pub(super) fn of(call: usize, whose: Whose) -> Self {
        Self {
            call,
            whose: Some(whose),
        }
    }

    /// The later of the two.
    pub(super) fn max(self, other: Self) -> Self {
        if other.whose.is_some() && (self.whose.is_none() || other.call > self.call) {
            other
        } else {
            self
        }
    }
}

/// Operations with their moments.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    placed: Vec<(usize, usize, usize)>,
}

impl Schedule {
    /// Lets operation `at` happen at `moment`. Of those at the same moment, the lower rank goes first.
    pub(super) fn place(&mut self, moment: usize, rank: usize, at: usize) {
        self.placed.push((moment, rank, at));
    }

    /// All of them in order.
    pub(super) fn into_order(mut self) -> Vec<usize> {
        self.placed.sort_unstable();
        self.placed.into_iter().map(|(.., at)| at).collect()
    }
}
