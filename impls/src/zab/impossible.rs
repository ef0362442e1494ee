//! What should not happen: messages that no correct leader or follower sends at that point of a conversation.
//!
//! A node that gets one says so, for its invariant, and ends the conversation.

use super::{Role, Turn, Zab};
use crate::contract::Fact;
use crate::machine::Machine;

/// Which message should not have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// A follower turns to its leader twice on one link.
    JoinsTwice,
    /// A follower accepts an epoch that was not named, or twice.
    AcceptsTwice,
    /// A leader names its epoch twice.
    EpochTwice,
    /// A leader's epoch is below one that its follower told it to have accepted.
    LowerEpoch,
    /// A leader says twice how a follower is to come by its history, or before the follower has accepted its epoch.
    SynchronisedTwice,
    /// A history is complete twice, or before anything of it was sent.
    HistoryTwice,
    /// A history is of another epoch than the follower accepted.
    OtherEpoch,
    /// A follower is to keep its history up to a transaction that it has not.
    KeepsWhatItLacks,
    /// A proposal comes to a follower that was sent no history.
    ProposedTooSoon,
    /// A proposal is not above the last. That it leaves a gap its receiver does not mind, as in ZooKeeper: other laws do.
    OutOfOrder,
    /// A follower hears of commits while it has not the history.
    CommittedTooSoon,
    /// A transaction is committed that its follower has not.
    CommitsWhatItLacks,
    /// A follower acknowledges what was not proposed to it, or less than before, or a ping that was not sent.
    AcknowledgesTheUnknown,
}

impl Impossible {
    /// All of them. A fact names one by its place here.
    pub const ALL: [Impossible; 13] = [
        Impossible::JoinsTwice,
        Impossible::AcceptsTwice,
        Impossible::EpochTwice,
        Impossible::LowerEpoch,
        Impossible::SynchronisedTwice,
        Impossible::HistoryTwice,
        Impossible::OtherEpoch,
        Impossible::KeepsWhatItLacks,
        Impossible::ProposedTooSoon,
        Impossible::OutOfOrder,
        Impossible::CommittedTooSoon,
        Impossible::CommitsWhatItLacks,
        Impossible::AcknowledgesTheUnknown,
    ];

    /// What happened, as a clause.
    pub fn clause(self) -> &'static str {
        match self {
            Impossible::JoinsTwice => "a follower turned to it twice on one link",
            Impossible::AcceptsTwice => "a follower accepted an epoch that was not named to it",
            Impossible::EpochTwice => "its leader named an epoch twice",
            Impossible::LowerEpoch => "its leader named an epoch below the one it has accepted",
            Impossible::SynchronisedTwice => "its leader said twice how to come by its history",
            Impossible::HistoryTwice => "a history was complete of which nothing was under way",
            Impossible::OtherEpoch => "its leader's history is of another epoch than it accepted",
            Impossible::KeepsWhatItLacks => "it was to keep a transaction that it does not have",
            Impossible::ProposedTooSoon => "a proposal came before the history it belongs to",
            Impossible::OutOfOrder => "a proposal came that is not above the last",
            Impossible::CommittedTooSoon => "a commit came before the history was there",
            Impossible::CommitsWhatItLacks => "a transaction was committed that it does not have",
            Impossible::AcknowledgesTheUnknown => "a follower acknowledged what was not proposed",
        }
    }
}

impl<M: Machine> Zab<M> {
    /// Says that something happened that should not.
    pub(super) fn impossible(&self, what: Impossible, turn: &mut Turn<'_, M>) {
        let branch = what as u8;
        turn.effects.note(Fact::ShouldNotHappen { branch });
    }

    /// A follower says so, and follows no more.
    pub(super) fn fail(&mut self, what: Impossible, turn: &mut Turn<'_, M>) {
        self.impossible(what, turn);
        if matches!(self.role, Role::Following(_)) {
            self.look(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_the_number_that_a_fact_has() {
        for (at, what) in Impossible::ALL.iter().enumerate() {
            assert_eq!(*what as usize, at, "{what:?}");
        }
    }
}
