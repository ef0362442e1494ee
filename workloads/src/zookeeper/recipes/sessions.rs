//! Sessions that end: clients make ephemeral nodes, stand still for shorter or longer than their session lives, and look what is left.

use super::{Dice, Purpose, Recipe, delete, directories, made, read, reads_of};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Done, Mode, Op, What};

/// Where ephemeral nodes are.
const ROOT: &str = "/sessions";

/// How many nodes somebody has seen are remembered.
const KNOWN_MAX: usize = 8;

/// Clients whose sessions end.
pub(super) struct Sessions {
    keys: u32,
    /// Nodes that a client made or saw, its own or others'.
    known: BTreeMap<u32, Vec<String>>,
}

impl Sessions {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            known: BTreeMap::new(),
        }
    }

    fn learns(&mut self, client: u32, path: String) {
        let known = self.known.entry(client).or_default();
        if known.len() == KNOWN_MAX {
            known.remove(0);
        }
        known.push(path);
    }
}

impl Recipe for Sessions {
    fn roots(&self) -> Vec<Asked> {
        directories(ROOT, self.keys)
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let directory = format!("{ROOT}/k{}", dice.key());
        let known = self.known.get(&dice.client);
        let known = known.filter(|known| !known.is_empty());
        let one = known.map(|known| {
            let lot = dice.below(Purpose::Detail, known.len() as u64);
            known[lot as usize].clone()
        });
        match (dice.below(Purpose::Function, 100), one) {
            (0..20, _) => match dice.percent(Purpose::Detail, 50) {
                true => made(
                    format!("{directory}/e-"),
                    dice.data(),
                    Mode::EphemeralSequential,
                ),
                false => {
                    let path = format!("{directory}/c{}", dice.client);
                    made(path, dice.data(), Mode::Ephemeral)
                }
            },
            (20..45, _) => read(What::Children, directory),
            (45..60, Some(path)) => read(What::Data, path),
            (60..75, Some(path)) => read(What::Exists, path),
            (75..78, Some(path)) => delete(path),
            (78..86, _) => Asked::Sync,
            (86..91, _) => Asked::Rest {
                ms: dice.rest_ms(80),
            },
            (91..94, _) => Asked::Write(Op::Close),
            _ => read(What::Children, directory),
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        match (asked.path(), &ended.result) {
            (_, Ok(Done::Created { path, .. })) => self.learns(client, path.clone()),
            (Some(directory), Ok(Done::Children(names, _))) => {
                if let Some(name) = names.get(ended.zxid as usize % names.len().max(1)) {
                    self.learns(client, format!("{directory}/{name}"));
                }
            }
            _ => {}
        }
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(ROOT, self.keys, What::Children)
    }
}
