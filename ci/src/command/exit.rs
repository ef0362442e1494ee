//! Exit codes, and the failures that lead to them.

use std::process::ExitCode;
use stormglass_nemesis::judge::Ruling;

/// How the command ends. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The promise was kept.
    Valid = 0,
    /// The promise was broken.
    Violation = 1,
    /// The judge reached a limit.
    Unknown = 2,
    /// Nothing was put to the test.
    Vacuous = 3,
    /// Nothing was selected: there is nothing to do.
    NothingSelected = 4,
    /// A replay differed from what it repeats.
    Diverged = 5,
    /// The command line makes no sense.
    Usage = 64,
    /// A file cannot be used.
    Unreadable = 65,
    /// The system under test did not start.
    SystemFailed = 69,
    /// Stormglass itself failed.
    Internal = 70,
    /// The user interrupted it. A partial report was written.
    Interrupted = 130,
}

impl Exit {
    /// All of them, with what they mean.
    pub(crate) const ALL: [(Exit, &'static str); 11] = [
        (Exit::Valid, "The promise was kept."),
        (Exit::Violation, "The promise was broken."),
        (Exit::Unknown, "The judge reached a limit."),
        (Exit::Vacuous, "Nothing was put to the test."),
        (Exit::NothingSelected, "Nothing was selected."),
        (Exit::Diverged, "A replay differed from what it repeats."),
        (
            Exit::Usage,
            "The command line, or a variable, makes no sense.",
        ),
        (Exit::Unreadable, "A file cannot be used."),
        (Exit::SystemFailed, "The system under test did not start."),
        (Exit::Internal, "Stormglass itself failed."),
        (
            Exit::Interrupted,
            "It was interrupted, and a partial report was written.",
        ),
    ];

    /// The worse of two, for many trials: a failure of ours, then a violation, a divergence, an unknown, a vacuous run.
    pub(crate) fn or_worse(self, other: Exit) -> Exit {
        let order = [
            Exit::Interrupted,
            Exit::Internal,
            Exit::SystemFailed,
            Exit::Unreadable,
            Exit::Violation,
            Exit::Diverged,
            Exit::Unknown,
            Exit::Vacuous,
        ];
        order
            .into_iter()
            .find(|exit| [self, other].contains(exit))
            .unwrap_or(self)
    }
}

impl From<Ruling> for Exit {
    fn from(ruling: Ruling) -> Exit {
        match ruling {
            // A measurement beyond the promise is what was asked for.
            Ruling::Valid | Ruling::Measured => Exit::Valid,
            Ruling::Violation => Exit::Violation,
            Ruling::Unknown => Exit::Unknown,
            Ruling::Vacuous => Exit::Vacuous,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error together with the exit code it means.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

/// Says which exit code an error means.
pub(crate) trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            exit,
            error: error.into(),
        })
    }
}

impl Failure {
    /// The command line makes no sense.
    pub(crate) fn usage(text: impl std::fmt::Display) -> Failure {
        Failure {
            exit: Exit::Usage,
            error: anyhow::anyhow!("{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_many_trials_the_worst_counts() {
        let worst = |exits: &[Exit]| exits.iter().copied().fold(Exit::Valid, Exit::or_worse);
        assert_eq!(worst(&[]), Exit::Valid);
        assert_eq!(
            worst(&[Exit::Valid, Exit::Vacuous, Exit::Valid]),
            Exit::Vacuous
        );
        assert_eq!(worst(&[Exit::Vacuous, Exit::Unknown]), Exit::Unknown);
        assert_eq!(worst(&[Exit::Unknown, Exit::Diverged]), Exit::Diverged);
        assert_eq!(worst(&[Exit::Violation, Exit::Diverged]), Exit::Violation);
        assert_eq!(
            worst(&[Exit::Violation, Exit::Internal, Exit::Valid]),
            Exit::Internal
        );
    }
}
