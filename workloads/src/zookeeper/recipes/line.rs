//! Standing in line: ephemeral sequential nodes of which the lowest is first. Locks and elections are lines.

use super::{made, ordinal, read, watched};
use crate::zookeeper::dialect::{Asked, Ended};
use stormglass_impls::zookeeper::words::{Change, Done, Error, Mode, Op, What, ZxidNumber};

/// One client's place in a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The line's directory; none while it stands nowhere.
    directory: Option<String>,
    /// Its own node, and the zxid at which that was made.
    node: Option<(String, ZxidNumber)>,
    stage: Stage,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It has no node yet.
    #[default]
    Enters,
    /// It wants to know who is before it.
    Looks,
    /// It wants to hear when that node goes.
    Watches(String),
    /// It waits for that, and looks by itself after so many turns.
    Waits(String, u8),
    /// It is first.
    First,
    /// It wants to leave.
    Leaves,
    /// It does not know whether it has a node. With the session that goes, too.
    Closes,
}

/// How often one who waits asks something else before it looks again.
const TURNS: u8 = 6;

impl Place {
    /// Begins to stand in a line.
    pub(super) fn enter(&mut self, directory: String) {
        *self = Self {
            directory: Some(directory),
            ..Self::default()
        };
    }

    /// The line's directory, if it stands anywhere.
    pub(super) fn directory(&self) -> Option<&str> {
        self.directory.as_deref()
    }

    /// Its node, and the zxid at which that was made, if it is first.
    pub(super) fn first(&self) -> Option<(&str, ZxidNumber)> {
        let (path, made) = self.node.as_ref()?;
        (self.stage == Stage::First).then_some((path, *made))
    }

    /// Gives the place up.
    pub(super) fn leave(&mut self) {
        self.stage = Stage::Leaves;
    }

    /// It is out of the line: its node is gone.
    pub(super) fn is_out(&mut self) {
        *self = Self::default();
    }

    /// Its session is another: a node that it had is gone.
    pub(super) fn anew(&mut self) {
        if self.stage != Stage::Enters {
            self.is_out();
        }
    }

    /// It does not know whether it still has a node, and ends its session to be sure.
    pub(super) fn doubts(&mut self) {
        self.stage = Stage::Closes;
    }

    /// What to do next; `None` when it is first, or stands nowhere.
    pub(super) fn next(&self) -> Option<Asked> {
        let directory = self.directory.as_ref()?;
        let node = || self.node.as_ref().map(|(path, _)| path.clone());
        Some(match &self.stage {
            Stage::Enters => made(format!("{directory}/n-"), "", Mode::EphemeralSequential),
            Stage::Looks => read(What::Children, directory.clone()),
            Stage::Watches(before) => watched(What::Exists, before.clone()),
            Stage::Waits(..) => read(What::Exists, node()?),
            Stage::First => return None,
            Stage::Leaves => Asked::Write(Op::Delete {
                path: node()?,
                version: None,
            }),
            Stage::Closes => Asked::Write(Op::Close),
        })
    }

    /// What it did ended so.
    pub(super) fn ended(&mut self, asked: &Asked, ended: &Ended) {
        let own = self.node.as_ref().map(|(path, _)| path.as_str());
        self.stage = match (&self.stage, asked, &ended.result) {
            (Stage::Enters, Asked::Write(Op::Create { .. }), Ok(Done::Created { path, stat })) => {
                self.node = Some((path.clone(), stat.czxid));
                Stage::Looks
            }
            (Stage::Looks, _, Ok(Done::Children(names, _))) => {
                let Some(own) = own.and_then(ordinal) else {
                    return;
                };
                let numbered = names.iter().filter_map(|name| Some((ordinal(name)?, name)));
                let before = numbered.clone().filter(|(number, _)| *number < own).max();
                match before {
                    // A server that is behind may not show it yet.
                    None if !numbered.clone().any(|(number, _)| number == own) => Stage::Looks,
                    None => Stage::First,
                    Some((_, name)) => {
                        let directory = self.directory.as_deref().unwrap_or_default();
                        Stage::Watches(format!("{directory}/{name}"))
                    }
                }
            }
            (Stage::Watches(before), _, Ok(Done::Exists(Some(_)))) => {
                Stage::Waits(before.clone(), TURNS)
            }
            (Stage::Watches(_), _, _) => Stage::Looks,
            (Stage::Waits(..), _, Ok(Done::Exists(None))) => return self.is_out(),
            (Stage::Waits(before, turns), _, _) => {
                let goes = |change, path: &str| change == Change::Deleted && path == before;
                let mut events = ended.events.iter();
                match events.any(|event| goes(event.change, &event.path)) || *turns == 0 {
                    true => Stage::Looks,
                    false => Stage::Waits(before.clone(), turns - 1),
                }
            }
            (Stage::Leaves, _, Ok(_) | Err(Error::NoNode)) => return self.is_out(),
            (Stage::Closes, _, _) => return self.is_out(),
            _ => return,
        };
    }

    /// Nobody knows what became of what it did.
    pub(super) fn lost(&mut self, asked: &Asked) {
        if asked.is_write() {
            self.doubts();
        }
    }
}
