//! What can be said of a guarantee on one history.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::Reason;
use crate::verdict::Certificate;

use super::{Guarantee, Violation};

/// Whether a history keeps a guarantee.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "because", rename_all = "kebab-case")]
pub enum Answer {
    /// It does.
    Satisfied(Witness),
    /// It does not.
    Violated(Box<Violation>),
    /// This is never a pass.
    Unknown(Unproven),
}

/// What shows that a guarantee is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// An order of the operations. For linearizability one a key, which [`verify`](crate::verify()) accepts; for the two below it one for all, which
    /// [`verify_order`](super::verify_order) accepts.
    Order(Certificate),
    /// An order of the writes of each key.
    Versions(Certificate),
    /// All final reads agree.
    Agreement,
    /// It follows from this one, which is kept.
    Stronger(Guarantee),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
pub enum Unproven {
    /// A limit was reached.
    #[error("the limit of {0} was reached")]
    Limit(Reason),
    /// Nothing is wrong with what is known, but of some reads that matter it is not known which write they saw.
    #[error("not ruled out: {reads} reads may have seen one of several writes")]
    NotRuledOut {
        /// How many.
        reads: usize,
    },
    /// The object does not tell which write a read saw, or nothing happened.
    #[error("the object does not tell which write a read saw")]
    NoRegister,
    /// Some key has no read after the last mutation.
    #[error("a key has no read after the last mutation")]
    NoFinalReads,
    /// Final reads disagree, but an operation of unknown outcome may have taken effect between them.
    #[error("an operation of unknown outcome may still be in flight")]
    StillInFlight,
}

impl Answer {
    /// True for `Satisfied` alone.
    pub fn is_satisfied(&self) -> bool {
        matches!(self, Self::Satisfied(_))
    }

    /// The violation, if there is one.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Violated(violation) => Some(violation),
            _ => None,
        }
    }

    /// Takes over the violation of a weaker guarantee where nothing else is known.
    pub(super) fn inherit(&mut self, weaker: &Self) {
        if let (Self::Unknown(_), Self::Violated(violation)) = (&*self, weaker) {
            *self = Self::Violated(violation.clone());
        }
    }
}
