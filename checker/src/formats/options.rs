//! What can be said about a history file before it is read.

use std::fmt;

/// The format of a history file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Input {
    /// Told from the first bytes of the file.
    #[default]
    Auto,
    /// One JSON object a line; see [`crate::history::Event`].
    JsonLines,
    /// The text log of Jepsen, and the `history.txt` of its store.
    JepsenLog,
    /// Operation maps in EDN, one after the other or in one vector or list: Jepsen's `history.edn`, Porcupine's key-value runs.
    Edn,
    /// Operation objects in JSON, in one array or one after the other, as elle-cli reads them.
    ElleJson,
}

impl Input {
    /// A short name, as options of commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::JsonLines => "jsonl",
            Self::JepsenLog => "jepsen-log",
            Self::Edn => "edn",
            Self::ElleJson => "elle-json",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a `fail` of a compare-and-set says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailedCas {
    /// [`FailedCas::Mismatch`] for Jepsen's text logs, [`FailedCas::Recorded`] for all others.
    #[default]
    Auto,
    /// A failed `cas` that repeats its arguments and gives no error saw its comparison refused. True of the early etcd
    /// logs. A system whose client also fails for other reasons must not be read so.
    Mismatch,
    /// Only a `fail` with the error `mismatch` saw its comparison refused. Every other `fail` did not happen, which says
    /// nothing.
    Recorded,
    /// No `fail` says anything, not even with that error.
    Ignore,
}

impl FailedCas {
    /// A short name, as options of commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mismatch => "mismatch",
            Self::Recorded => "recorded",
            Self::Ignore => "ignore",
        }
    }

    /// What `Auto` means for a file of this format.
    pub(super) fn resolve(self, format: Input) -> Self {
        match (self, format) {
            (Self::Auto, Input::JepsenLog) => Self::Mismatch,
            (Self::Auto, _) => Self::Recorded,
            (stated, _) => stated,
        }
    }
}

impl fmt::Display for FailedCas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How to read a history file. The default finds out by itself what it can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format.
    pub input: Input,
    /// What a `fail` of a compare-and-set says.
    pub failed_cas: FailedCas,
    /// True for Jepsen's independent workloads: every value is a pair `[key value]`, and is split into the two. A
    /// return without a value stays without.
    pub independent: bool,
}
