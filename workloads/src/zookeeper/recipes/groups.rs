//! Groups: a member is there for as long as its session lives.

use super::{Dice, Purpose, Recipe, delete, directories, made, read, reads_of, watched};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Mode, Op, What};

/// Where groups are.
const ROOT: &str = "/groups";

/// Clients that join groups, look who is there, and leave.
pub(super) struct Groups {
    keys: u32,
    /// The membership that a client has, as far as it knows.
    joined: BTreeMap<u32, String>,
}

impl Groups {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            joined: BTreeMap::new(),
        }
    }
}

impl Recipe for Groups {
    fn roots(&self) -> Vec<Asked> {
        directories(ROOT, self.keys)
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let group = format!("{ROOT}/k{}", dice.key());
        let share = dice.below(Purpose::Function, 100);
        match self.joined.get(&dice.client) {
            None if share < 60 => {
                let member = format!("{group}/m{}", dice.client);
                made(member, dice.data(), Mode::Ephemeral)
            }
            Some(member) if share < 10 => delete(member.clone()),
            _ if share < 80 => match dice.percent(Purpose::Detail, 50) {
                true => watched(What::Children, group),
                false => read(What::Children, group),
            },
            _ if share < 88 => Asked::Sync,
            Some(member) if share < 96 => read(What::Data, member.clone()),
            _ if share < 98 => Asked::Rest {
                ms: dice.rest_ms(70),
            },
            _ if share < 99 => Asked::Write(Op::Close),
            _ => read(What::Exists, group),
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        match (asked, &ended.result) {
            (Asked::Write(Op::Create { path, .. }), Ok(_)) => {
                self.joined.insert(client, path.clone());
            }
            (Asked::Write(Op::Delete { .. } | Op::Close), _) => {
                self.joined.remove(&client);
            }
            _ => {}
        }
    }

    fn anew(&mut self, client: u32) {
        self.joined.remove(&client);
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(ROOT, self.keys, What::Children)
    }
}
