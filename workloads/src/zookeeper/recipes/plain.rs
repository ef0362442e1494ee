//! Programs with no more memory than the versions and the nodes that a client saw: registers, sets, watches, sequential numbers, multis.

use super::{
    Dice, Purpose, Recipe, create, delete, directories, made, read, reads_of, set, watched,
};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::{BTreeMap, VecDeque};
use stormglass_impls::zookeeper::words::{Done, Error, Mode, Op, What};

/// One of these programs.
pub(super) struct Plain {
    program: Program,
    keys: u32,
    /// The newest version of a node that a client saw.
    versions: BTreeMap<(u32, String), u32>,
    /// The nodes that a client made and has not removed.
    own: BTreeMap<u32, VecDeque<String>>,
}

/// What makes one program differ from another.
struct Program {
    root: &'static str,
    roots: fn(&'static str, u32) -> Vec<Asked>,
    next: fn(&Plain, &Dice<'_>) -> Asked,
    /// What of each key shows the final state.
    shows: What,
}

impl Plain {
    fn new(program: Program, keys: u32) -> Self {
        Self {
            program,
            keys,
            versions: BTreeMap::new(),
            own: BTreeMap::new(),
        }
    }

    /// Reads, sets and conditional sets, of nodes that come and go.
    pub(super) fn registers(keys: u32) -> Self {
        let program = Program {
            root: "/registers",
            roots: |root, _| directories(root, 0),
            next: Self::next_of_register,
            shows: What::Data,
        };
        Self::new(program, keys)
    }

    /// Elements are added, and all of them read.
    pub(super) fn sets(keys: u32) -> Self {
        let program = Program {
            root: "/sets",
            roots: directories,
            next: Self::next_of_set,
            shows: What::Children,
        };
        Self::new(program, keys)
    }

    /// Watched nodes change, come and go.
    pub(super) fn watches(keys: u32) -> Self {
        let program = Program {
            root: "/watched",
            roots: directories,
            next: Self::next_of_watch,
            shows: What::Children,
        };
        Self::new(program, keys)
    }

    /// Sequential nodes are made, and some of them removed.
    pub(super) fn numbers(keys: u32) -> Self {
        let program = Program {
            root: "/numbers",
            roots: directories,
            next: Self::next_of_numbers,
            shows: What::Children,
        };
        Self::new(program, keys)
    }

    /// Several nodes change at once, or none of them.
    pub(super) fn multis(keys: u32) -> Self {
        let program = Program {
            root: "/accounts",
            roots: directories,
            next: Self::next_of_multi,
            shows: What::Data,
        };
        Self::new(program, keys)
    }

    fn path(&self, key: u64) -> String {
        format!("{}/k{key}", self.program.root)
    }

    fn version(&self, dice: &Dice<'_>, path: &str) -> Option<u32> {
        let known = self.versions.get(&(dice.client, path.to_string()));
        known.copied()
    }

    fn next_of_register(&self, dice: &Dice<'_>) -> Asked {
        let path = self.path(dice.key());
        let config = dice.config;
        let (reads, writes) = (config.reads_percent, config.writes_percent);
        let share = dice.below(Purpose::Function, 100);
        let detail = dice.below(Purpose::Detail, 20);
        if share < reads {
            return match detail {
                0..2 => Asked::Sync,
                2..5 => read(What::Exists, path),
                _ => read(What::Data, path),
            };
        }
        match (detail, self.version(dice, &path)) {
            (0, _) => delete(path),
            (1..5, _) => made(path, dice.data(), Mode::Persistent),
            _ if share < reads + writes => Asked::Write(set(path, dice.data(), None)),
            (_, version) => Asked::Write(set(path, dice.data(), version)),
        }
    }

    /// All clients fill one set after the other, lest lists of elements grow with the length of the run.
    fn next_of_set(&self, dice: &Dice<'_>) -> Asked {
        let path = match dice.percent(Purpose::Detail, 80) {
            true => self.path(dice.n / 32 % u64::from(self.keys)),
            false => self.path(dice.key()),
        };
        match dice.below(Purpose::Function, 100) {
            0..15 => {
                let element = format!("{path}/c{}-{}", dice.client, dice.n);
                made(element, "", Mode::Persistent)
            }
            15..40 => Asked::Sync,
            40..75 => read(What::Exists, path),
            _ => read(What::Children, path),
        }
    }

    fn next_of_watch(&self, dice: &Dice<'_>) -> Asked {
        let path = self.path(dice.key());
        let child = || format!("{path}/c{}", dice.below(Purpose::Other, 2));
        match dice.below(Purpose::Function, 100) {
            0..20 => watched(What::Data, path),
            20..32 => watched(What::Exists, child()),
            32..42 => watched(What::Data, child()),
            42..54 => watched(What::Children, path),
            54..68 => Asked::Write(set(path, dice.data(), None)),
            68..74 => Asked::Write(set(child(), dice.data(), None)),
            74..84 => made(child(), dice.data(), Mode::Persistent),
            84..92 => delete(child()),
            92..95 => Asked::Sync,
            95..97 => read(What::Children, path),
            _ => read(What::Data, path),
        }
    }

    fn next_of_numbers(&self, dice: &Dice<'_>) -> Asked {
        let path = self.path(dice.key());
        let modes = [Mode::PersistentSequential, Mode::EphemeralSequential];
        let mode = modes[dice.below(Purpose::Detail, 2) as usize];
        match (
            dice.below(Purpose::Function, 100),
            self.own.get(&dice.client).and_then(VecDeque::front),
        ) {
            (0..36, _) => made(format!("{path}/s-"), dice.data(), mode),
            (36..72, Some(own)) => delete(own.clone()),
            (72..80, _) => Asked::Sync,
            (80..84, Some(own)) => read(What::Data, own.clone()),
            _ => read(What::Children, path),
        }
    }

    fn next_of_multi(&self, dice: &Dice<'_>) -> Asked {
        let first = dice.key();
        let (one, other) = (
            self.path(first),
            self.path((first + 1) % u64::from(self.keys)),
        );
        let text = |part| format!("{}:{part}", dice.data());
        let check = |path: &String| Op::Check {
            path: path.clone(),
            version: self.version(dice, path),
        };
        let child = || format!("{one}/c{}", dice.below(Purpose::Other, 3));
        let parts = match dice.below(Purpose::Function, 100) {
            0..30 => vec![set(one, text(0), None), set(other, text(1), None)],
            30..45 => vec![set(one.clone(), text(0), None), check(&other)],
            45..55 => vec![
                create(child(), text(0), Mode::Persistent),
                set(other, text(1), None),
            ],
            55..57 => vec![
                create(format!("{one}/s-"), text(0), Mode::EphemeralSequential),
                create(format!("{one}/s-"), text(1), Mode::EphemeralSequential),
            ],
            57..70 => vec![
                set(other, text(0), None),
                Op::Delete {
                    path: child(),
                    version: None,
                },
            ],
            70..86 => return read(What::Data, one),
            86..92 => return read(What::Children, one),
            92..96 => return Asked::Sync,
            _ => return read(What::Exists, child()),
        };
        Asked::Write(Op::Multi(parts))
    }
}

impl Recipe for Plain {
    fn roots(&self) -> Vec<Asked> {
        (self.program.roots)(self.program.root, self.keys)
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        (self.program.next)(self, dice)
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let Some(path) = asked.path() else { return };
        let version = match &ended.result {
            Ok(Done::Created { path, stat }) => {
                self.own.entry(client).or_default().push_back(path.clone());
                Some(stat.version)
            }
            Ok(Done::Set(stat) | Done::Data(_, stat) | Done::Exists(Some(stat))) => {
                Some(stat.version)
            }
            // One that is gone already, with its session, is forgotten, too.
            Ok(Done::Fine) | Err(Error::NoNode) if asked.function() == "delete" => {
                let own = self.own.entry(client).or_default();
                own.retain(|own| own != path);
                None
            }
            _ => None,
        };
        let seen = (client, path.to_string());
        match version {
            Some(version) => self.versions.insert(seen, version),
            None => self.versions.remove(&seen),
        };
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(self.program.root, self.keys, self.program.shows)
    }
}
