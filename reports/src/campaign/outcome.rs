//! What became of a trial.

use crate::summary::word;
use serde::{Deserialize, Serialize};
use stormglass_nemesis::judge::Ruling;

/// What became of a trial: its verdict, or why it has none. Only [`Outcome::Valid`] is a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// See [`Ruling::Valid`].
    Valid,
    /// See [`Ruling::Violation`].
    Violation,
    /// See [`Ruling::Unknown`].
    Unknown,
    /// See [`Ruling::Vacuous`].
    Vacuous,
    /// See [`Ruling::Measured`].
    Measured,
    /// The process that ran it died, or Stormglass itself failed.
    Crashed,
    /// It wanted more memory than a trial may have.
    OutOfMemory,
    /// It took longer than a trial may take.
    TimedOut,
}

impl Outcome {
    /// As pages show it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Valid => word(Ruling::Valid),
            Outcome::Violation => word(Ruling::Violation),
            Outcome::Unknown => word(Ruling::Unknown),
            Outcome::Vacuous => word(Ruling::Vacuous),
            Outcome::Measured => word(Ruling::Measured),
            Outcome::Crashed => "crashed",
            Outcome::OutOfMemory => "out of memory",
            Outcome::TimedOut => "timed out",
        }
    }

    /// The verdict as which it counts, and whose colour it has.
    pub fn ruling(self) -> Ruling {
        match self {
            Outcome::Valid => Ruling::Valid,
            Outcome::Violation | Outcome::Crashed => Ruling::Violation,
            Outcome::Unknown | Outcome::OutOfMemory | Outcome::TimedOut => Ruling::Unknown,
            Outcome::Vacuous => Ruling::Vacuous,
            Outcome::Measured => Ruling::Measured,
        }
    }

    /// Whether it is nothing that anybody has to look at.
    pub fn passes(self) -> bool {
        // A measurement beyond the promise is what was asked for.
        matches!(self, Outcome::Valid | Outcome::Measured)
    }
}

impl From<Ruling> for Outcome {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Valid => Outcome::Valid,
            Ruling::Violation => Outcome::Violation,
            Ruling::Unknown => Outcome::Unknown,
            Ruling::Vacuous => Outcome::Vacuous,
            Ruling::Measured => Outcome::Measured,
        }
    }
}
