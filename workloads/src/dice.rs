//! What is drawn for one operation of one client of a recipe.

use crate::draw::Draws;

/// What the draws of a recipe depend on.
pub(crate) trait Settings {
    /// How many keys there are.
    fn keys(&self) -> u32;

    /// How long whatever ends by itself lives without a sign of its client, in milliseconds: a session, a lease.
    fn life_ms(&self) -> u64;
}

/// The longest time that a client stands still, in milliseconds.
const REST_MS_MAX: u64 = 4_000;

/// The longest time that a client stands still with these settings, in milliseconds.
pub(crate) fn rest_ms_max(settings: &impl Settings) -> u64 {
    REST_MS_MAX.min(settings.life_ms() * 5 / 2)
}

/// What is drawn for one operation of one client.
pub(crate) struct Dice<'a, C> {
    pub(crate) config: &'a C,
    pub(crate) draws: &'a Draws,
    pub(crate) client: u32,
    /// The operation's number, from 0.
    pub(crate) n: u64,
}

/// What a draw is for, as the last of its keys.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Key,
    Function,
    Detail,
    Length,
    Other,
}

impl<C: Settings> Dice<'_, C> {
    /// One of so many, from 0.
    pub(crate) fn below(&self, purpose: Purpose, count: u64) -> u64 {
        let keys = [self.client.into(), self.n, purpose as u64];
        self.draws.within(&keys, 0..=count.max(1) - 1)
    }

    /// Whether a share of a hundred is hit.
    pub(crate) fn percent(&self, purpose: Purpose, percent: u64) -> bool {
        self.below(purpose, 100) < percent
    }

    /// One of the keys.
    pub(crate) fn key(&self) -> u64 {
        self.below(Purpose::Key, self.config.keys().into())
    }

    /// Data that nothing else has.
    pub(crate) fn data(&self) -> String {
        format!("{}:{}", self.client, self.n)
    }

    /// How long to stand still: mostly not, sometimes shorter than a session or a lease lives, sometimes longer.
    pub(crate) fn rest_ms(&self, rarely_percent: u64) -> u64 {
        if !self.percent(Purpose::Length, rarely_percent) {
            return self.below(Purpose::Other, 20);
        }
        let life_ms = self.config.life_ms();
        let spans = [life_ms / 2, life_ms * 3 / 2, life_ms * 5 / 2];
        spans[self.below(Purpose::Other, 3) as usize].min(REST_MS_MAX)
    }
}
