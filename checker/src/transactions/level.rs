//! Levels of isolation, and which of them implies which.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a database promises about its transactions. The levels are Adya's (1999) over single items, since no predicate is ever read
/// here; snapshot isolation is that of Cerone and Gotsman (2018).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// PL-1: the writes of two transactions do not interleave.
    ReadUncommitted,
    /// PL-2: also, what is read was committed and final, and information does not flow in circles.
    ReadCommitted,
    /// PL-2.99: also, no cycle of dependencies over single items at all.
    RepeatableRead,
    /// Every transaction reads one snapshot and none overwrites what it has not seen: each cycle has two anti-dependencies in a row.
    SnapshotIsolation,
    /// PL-3: the transactions might have run one after the other.
    Serializable,
    /// Also, in an order that keeps the order of each process (Daudjee and Salem, 2004).
    StrongSessionSerializable,
    /// Also, in an order that keeps real time: what had returned comes before what was called later.
    #[default]
    StrictSerializable,
}

impl Level {
    /// All levels, none before one that it implies.
    pub const ALL: [Self; 7] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::SnapshotIsolation,
        Self::Serializable,
        Self::StrongSessionSerializable,
        Self::StrictSerializable,
    ];

    /// The name, as it is in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::RepeatableRead => "repeatable-read",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::Serializable => "serializable",
            Self::StrongSessionSerializable => "strong-session-serializable",
            Self::StrictSerializable => "strict-serializable",
        }
    }

    /// Reads the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// True when whoever keeps this level keeps `weaker`, too. Every level implies itself. Repeatable read and snapshot isolation
    /// do not imply each other.
    pub fn implies(self, weaker: Self) -> bool {
        self == weaker
            || (self > weaker && (self, weaker) != (Self::SnapshotIsolation, Self::RepeatableRead))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which levels were ruled out so far. A level falls with every level it implies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RuledOut(u8);

impl RuledOut {
    /// `weakest` and all that imply one of them.
    pub(super) fn add(&mut self, weakest: &[Level]) {
        for level in Level::ALL {
            if weakest.iter().any(|weak| level.implies(*weak)) {
                self.0 |= 1 << level as u8;
            }
        }
    }

    pub(super) fn contains(self, level: Level) -> bool {
        self.0 & (1 << level as u8) != 0
    }

    /// The levels left of which none is implied by another that is left.
    pub(super) fn strongest_left(self) -> Vec<Level> {
        let left = || {
            Level::ALL
                .into_iter()
                .filter(|level| !self.contains(*level))
        };
        left()
            .filter(|level| !left().any(|other| other != *level && other.implies(*level)))
            .collect()
    }
}
