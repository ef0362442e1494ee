//! What a server does in one way and might as well do in another: the documentation leaves it open.

/// How a server behaves where no promise is.
#[derive(Clone, Copy)]
pub struct Habits {
    /// Whether a follower tells its leader of every sign of life at once, and not with its next pong.
    pub tells_of_life_at_once: bool,
    /// Whether clients are told of one change in the reverse order of their numbers.
    pub last_client_first: bool,
}

impl Habits {
    /// The habits of this service.
    pub const USUAL: Habits = Habits {
        tells_of_life_at_once: false,
        last_client_first: false,
    };
}
