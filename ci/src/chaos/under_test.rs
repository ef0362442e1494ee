//! What a test can be about.

use super::{Chaos, ChaosError};
use stormglass_checker::CheckError;
use stormglass_nemesis::arena::ArenaError;
use stormglass_nemesis::foreign::{Make, Start};
use stormglass_nemesis::judge::Judged;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::{Arena, Trial};

/// A test that knows what it is about: a server with its clients, or a core. There are no others.
pub trait UnderTest: Clone + sealed::Sealed {
    /// Whether it can be run in one arena or another, so that a failure says in which it was.
    const HAS_ARENAS: bool;

    /// Where each trial is run.
    fn arenas(&self) -> Vec<Arena>;

    /// Makes the faults of a trial that has all else, and checks what cannot be run.
    ///
    /// # Errors
    /// [`ChaosError::Setup`].
    fn arrange(&self, faults: &str, trial: &mut Trial) -> Result<(), ChaosError>;

    /// Runs a trial.
    ///
    /// # Errors
    /// [`ArenaError`].
    fn ride(&self, trial: &Trial) -> Result<Run, ArenaError>;

    /// Judges a run of a trial.
    ///
    /// # Errors
    /// [`CheckError`].
    fn judge(&self, trial: &Trial, run: &Run) -> Result<Judged, CheckError>;
}

mod sealed {
    /// Keeps the trait for this crate.
    pub trait Sealed {}
}

impl sealed::Sealed for Chaos<Start, Make> {}

impl sealed::Sealed for Chaos<super::Core> {}
