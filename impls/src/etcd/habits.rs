//! What a member does in one way and might as well do in another: the documentation leaves it open.

/// How a member behaves where no promise is.
#[derive(Clone, Copy)]
pub struct Habits {
    /// How many changes a watch is told of at once before it counts as slow. It is told of the rest bit by bit.
    pub changes_at_once: usize,
    /// How many changes stand in one part where they may come in parts.
    pub changes_in_fragment: usize,
    /// Every how many ticks the backend is written.
    pub ticks_per_commit: u8,
}

impl Habits {
    /// The habits of this service.
    pub const USUAL: Habits = Habits {
        changes_at_once: 8,
        changes_in_fragment: 2,
        ticks_per_commit: 1,
    };
}
