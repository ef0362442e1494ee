//! Barriers: nobody passes before so many have entered.

use super::{Dice, Recipe, made, read, set};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Done, Error, Mode, What};

/// Where barriers are, one a round.
const ROOT: &str = "/barriers";

/// How many must have entered.
const PARTIES: usize = 3;

/// Clients that meet at one barrier after another.
#[derive(Default)]
pub(super) struct Barriers {
    parties: BTreeMap<u32, Party>,
}

/// How far a client is.
#[derive(Clone, Copy, Default)]
struct Party {
    round: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    /// The barrier of its round is to be there.
    #[default]
    Raises,
    Enters,
    /// It waits for the others.
    Counts,
    Passes,
}

impl Recipe for Barriers {
    fn roots(&self) -> Vec<Asked> {
        vec![made(ROOT.to_string(), "", Mode::Persistent)]
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let party = self.parties.entry(dice.client).or_default();
        let barrier = format!("{ROOT}/r{}", party.round);
        let own = format!("{barrier}/c{}", dice.client);
        match party.stage {
            Stage::Raises => made(barrier, PARTIES.to_string(), Mode::Persistent),
            Stage::Enters => made(own, "entered", Mode::Persistent),
            Stage::Counts => read(What::Children, barrier),
            Stage::Passes => Asked::Write(set(own, "passed".to_string(), None)),
        }
    }

    fn ended(&mut self, client: u32, _: &Asked, ended: &Ended) {
        let party = self.parties.entry(client).or_default();
        party.stage = match (party.stage, &ended.result) {
            (Stage::Raises, Ok(_) | Err(Error::NodeExists)) => Stage::Enters,
            (Stage::Enters, Ok(_) | Err(Error::NodeExists)) => Stage::Counts,
            (Stage::Counts, Ok(Done::Children(names, _))) if names.len() >= PARTIES => {
                Stage::Passes
            }
            (Stage::Passes, Ok(_)) => {
                party.round += 1;
                Stage::Raises
            }
            (stage, _) => stage,
        };
    }

    fn finals(&self) -> Vec<Asked> {
        vec![read(What::Children, ROOT.to_string())]
    }
}
