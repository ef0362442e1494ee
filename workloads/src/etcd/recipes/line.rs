//! Standing in line: keys with leases, of which the one that was made first is first. Locks and elections are lines.

use super::{Dice, carried_out, delete, equal, get, put, txn, txn_get, write};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use stormglass_impls::etcd::words::{
    Ask, Done, Error, Event, KeyValue, Keys, LeaseId, Op, Put, Revision, Target, TxnOp, Watch,
    WatchId,
};

/// One client's place in a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// What the line's keys begin with; none while it stands nowhere.
    line: Option<String>,
    /// The lease that its key goes with; 0 for none. It may be kept from one line to the next.
    lease: LeaseId,
    /// The revision at which its key was made, once it knows it.
    created: Revision,
    stage: Stage,
    /// The watch that it has begun, and not cancelled.
    watch: Option<WatchId>,
    /// How many watches it has begun, or tried to. No number comes twice.
    begun: WatchId,
    /// Whether something that it did was lost, and might still be done. Without the lease it cannot be.
    doubts: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It has no lease yet.
    #[default]
    Grants,
    /// It has no key yet.
    Enters,
    /// It wants to know who is before it.
    Looks,
    /// It wants to hear when that key goes, from this revision on.
    Watches(String, Revision),
    /// It waits for that, and looks by itself after so many turns.
    Waits(String, u8),
    /// It is first.
    First,
    /// It wants to leave.
    Leaves,
    /// It wants to leave, and needs its lease no more.
    Revokes,
}

/// How often one who waits keeps its lease alive before it looks again.
const TURNS: u8 = 6;

impl Place {
    /// Begins to stand in a line.
    pub(super) fn enter(&mut self, line: String) {
        self.line = Some(line);
        self.stage = match self.lease {
            0 => Stage::Grants,
            _ => Stage::Enters,
        };
    }

    /// What the line's keys begin with, if it stands anywhere.
    pub(super) fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }

    /// Its key: the line and its lease, so that nobody else has it.
    pub(super) fn key(&self) -> String {
        format!("{}{}", self.line().unwrap_or_default(), self.lease)
    }

    /// The revision at which its key was made, if it is first.
    pub(super) fn first(&self) -> Option<Revision> {
        (self.stage == Stage::First).then_some(self.created)
    }

    /// Whether it waits for others.
    pub(super) fn waits(&self) -> bool {
        matches!(self.stage, Stage::Waits(..))
    }

    /// Gives the place up.
    pub(super) fn leave(&mut self) {
        self.stage = Stage::Leaves;
    }

    /// It is out of the line, and its lease is over.
    pub(super) fn is_out(&mut self) {
        self.lease = 0;
        self.has_left();
    }

    /// It is out of the line.
    fn has_left(&mut self) {
        self.line = None;
        self.doubts = false;
    }

    /// Its key, set to something with its lease.
    pub(super) fn put(&self, value: String) -> Put {
        let lease = self.lease;
        Put {
            lease,
            ..put(self.key(), value)
        }
    }

    /// Keeps its lease alive.
    pub(super) fn keep_alive(&self) -> Asked {
        Asked::ask(Ask::KeepAlive { lease: self.lease })
    }

    /// Ends the watch for which it has no use any more.
    pub(super) fn tidies(&self) -> Option<Asked> {
        let watch = self.watch.filter(|_| !self.waits())?;
        Some(Asked::ask(Ask::CancelWatch { watch }))
    }

    /// What to do next; `None` when it is first, or stands nowhere.
    pub(super) fn next(&mut self, dice: &Dice<'_>) -> Option<Asked> {
        let line = Keys::prefix(self.line()?);
        Some(match &self.stage {
            Stage::Grants => {
                self.lease = dice.lease();
                let ttl_ms = dice.config.ttl_ms;
                write(Op::Grant {
                    lease: self.lease,
                    ttl_ms,
                })
            }
            Stage::Enters => txn(
                vec![equal(&self.key(), Target::CreateRevision(0))],
                vec![TxnOp::Put(self.put(dice.value(0))), txn_get(line.clone())],
                vec![txn_get(line)],
            ),
            Stage::Looks => get(line),
            Stage::Watches(before, start_revision) => {
                self.begun += 1;
                let keys = match dice.percent(Purpose::Detail, 50) {
                    true => line,
                    false => Keys::one(before.clone()),
                };
                Asked::ask(Ask::Watch(Watch {
                    watch: self.begun,
                    keys,
                    start_revision: *start_revision,
                    prev_kv: false,
                    progress_notify: false,
                    fragment: false,
                }))
            }
            Stage::Waits(..) => self.keep_alive(),
            Stage::First => return None,
            Stage::Leaves => delete(Keys::one(self.key()), false),
            Stage::Revokes => write(Op::Revoke { lease: self.lease }),
        })
    }

    /// What it did ended so.
    pub(super) fn ended(&mut self, asked: &Asked, ended: &Ended) {
        let Asked::Ask(request) = asked else { return };
        let result = &ended.result;
        if let Ask::CancelWatch { .. } = &request.ask {
            self.watch = None;
            return;
        }
        if self.line.is_none() {
            return;
        }
        match (&self.stage, &request.ask) {
            (_, Ask::KeepAlive { .. }) if *result == Err(Error::LeaseNotFound) => {
                return self.is_out();
            }
            (Stage::Leaves, _) if result.is_ok() => {
                match self.doubts || ended.revision.is_multiple_of(2) {
                    true => self.stage = Stage::Revokes,
                    false => self.has_left(),
                }
            }
            (Stage::Revokes, _) => self.is_out(),
            (Stage::Grants, _) if result.is_ok() => self.stage = Stage::Enters,
            (Stage::Enters, _) => match carried_out(asked, ended) {
                Some((_, _, [.., Done::Range { kvs, .. }])) => self.sees(kvs, ended.revision),
                _ => self.stage = Stage::Grants,
            },
            (Stage::Looks, Ask::Range(_)) => {
                if let Ok(Done::Range { kvs, .. }) = result {
                    self.sees(kvs, ended.revision);
                }
            }
            (Stage::Watches(before, _), Ask::Watch(watch)) => match result {
                Ok(_) => {
                    self.watch = Some(watch.watch);
                    self.stage = Stage::Waits(before.clone(), TURNS);
                }
                Err(_) => self.stage = Stage::Looks,
            },
            _ => {}
        }
        self.hears(ended);
    }

    /// Who stands in the line, at a revision.
    fn sees(&mut self, kvs: &[KeyValue], revision: Revision) {
        let key = self.key();
        let Some(own) = kvs.iter().find(|kv| kv.key == key) else {
            return self.is_out();
        };
        self.created = own.create_revision;
        let before = kvs.iter().filter(|kv| kv.create_revision < self.created);
        self.stage = match before.max_by_key(|kv| kv.create_revision) {
            None => Stage::First,
            // Every other client looks now and then instead of watching.
            Some(before) if self.lease.is_multiple_of(2) => {
                Stage::Waits(before.key.clone(), TURNS / 2)
            }
            Some(before) => Stage::Watches(before.key.clone(), revision + 1),
        };
    }

    /// One who waits looks when the key before its own has gone, or when it has waited for long enough.
    fn hears(&mut self, ended: &Ended) {
        let Stage::Waits(before, turns) = &mut self.stage else {
            return;
        };
        let goes = |event: &Event| match event {
            Event::Changes { changes, .. } => {
                let mut changes = changes.iter();
                changes.any(|change| change.is_delete() && change.kv.key == *before)
            }
            // It is over, and tells no more.
            Event::Compacted { .. } => true,
            Event::Progress { .. } => false,
        };
        let mut told = ended.events.iter();
        if told.any(|event| Some(event.watch()) == self.watch && goes(event)) || *turns == 0 {
            self.stage = Stage::Looks;
        } else {
            *turns -= 1;
        }
    }

    /// Nobody knows what became of what it did. It does the same again, which does no harm.
    pub(super) fn lost(&mut self, asked: &Asked) {
        self.doubts |= matches!(asked.function(), "txn" | "delete");
    }
}
