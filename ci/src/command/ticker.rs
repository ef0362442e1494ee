//! Progress on standard error: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use stormglass_nemesis::trial::Trial;

/// The progress of one trial.
pub(crate) struct Ticker(ProgressBar);

impl Ticker {
    /// Begins a bar for the storm of a trial. Hidden by indicatif where standard error is no terminal.
    pub(crate) fn start(trial: &Trial) -> Self {
        let bar = ProgressBar::new(trial.storm_ms / 1_000);
        let time = trial.arena.time();
        let template = format!("{{msg}}  {{wide_bar}}  {{pos}}/{{len}} {time} s  {{elapsed}}");
        bar.set_style(
            ProgressStyle::with_template(&template)
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(format!("{} seed {}", trial.cluster, trial.seed));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// The trial has come to this time.
    pub(crate) fn at(&self, now_ns: u64) {
        self.0.set_position(now_ns / 1_000_000_000);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
