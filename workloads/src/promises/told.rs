//! How well promises catch lies: counted in tests, for every service.

use std::fmt::Debug;

/// How often a lie was told, and how often that was caught.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) times: u64,
    pub(crate) caught: u64,
}

impl Told {
    /// It was told once more.
    pub(crate) fn add(&mut self, is_caught: bool) {
        self.times += 1;
        self.caught += u64::from(is_caught);
    }

    /// What to say of it if too little of it was caught. Panics if it was told too seldom to say so.
    pub(crate) fn falls_short(
        self,
        lie: &dyn Debug,
        promise: &str,
        times_min: u64,
        percent_min: u64,
    ) -> Option<String> {
        let Self { times, caught } = self;
        assert!(times > times_min, "{lie:?} was told {times} times");
        let percent = caught * 100 / times;
        let says = format!("{promise} catches {percent} % of {lie:?}, told {times} times");
        println!("{says}");
        (percent < percent_min).then_some(says)
    }
}
