//! What was done at each revision, put together from the answers of all clients; and what answers and watches may say by that.

use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{
    Ask, Change, DeleteRange, Done, Error, Event, KeyValue, Keys, LeaseId, Op, Put, Range,
    Revision, Target, Txn, TxnOp, Watch,
};

/// A request with its answer.
pub(crate) struct Answered {
    pub(crate) ask: Ask,
    /// The newest revision that anybody had been told of when it was asked.
    pub(crate) after: Revision,
    /// When it was asked.
    pub(crate) asked_ms: u64,
    /// What the answer says.
    pub(crate) revision: Revision,
    pub(crate) result: Result<Done, Error>,
}

/// A watch on one connection.
pub(crate) struct Told {
    pub(crate) watch: Watch,
    start: Revision,
    pub(crate) events: Vec<Event>,
}

impl Told {
    pub(crate) fn begun(watch: &Watch, start: Revision) -> Self {
        let (watch, events) = (watch.clone(), Vec::new());
        Self {
            watch,
            start,
            events,
        }
    }
}

type Keyed = BTreeMap<String, KeyValue>;

/// All keys at every revision.
pub(crate) struct Diary {
    /// That of revision 1 first.
    stores: Vec<Keyed>,
    /// The ends of leases: at which revision, and of which.
    pub(crate) lease_ends: Vec<(Revision, LeaseId)>,
}

impl Answered {
    /// Whether it made a revision. The end of a lease is known by its revision being nobody else's.
    fn made_one(&self) -> bool {
        let changes = |done: &Done| {
            matches!(done, Done::Put { .. })
                || matches!(done, Done::DeleteRange { deleted, .. } if *deleted > 0)
        };
        match &self.result {
            Ok(Done::Txn { responses, .. }) => responses.iter().any(changes),
            Ok(done) => changes(done),
            Err(_) => false,
        }
    }
}

impl Diary {
    /// What was done up to a revision.
    pub(crate) fn of(answers: &[Answered], last: Revision) -> Result<Self, String> {
        let mut made: BTreeMap<Revision, &Answered> = BTreeMap::new();
        for answered in answers.iter().filter(|answered| answered.made_one()) {
            let (ask, revision) = (&answered.ask, answered.revision);
            if revision <= answered.after {
                return Err(format!(
                    "{ask:?} is said to be done at {revision}, and was asked after {}",
                    answered.after
                ));
            }
            if let Some(other) = made.insert(revision, answered) {
                let other = &other.ask;
                return Err(format!("both {ask:?} and {other:?} are done at {revision}"));
            }
        }
        let mut diary = Self {
            stores: vec![Keyed::new()],
            lease_ends: Vec::new(),
        };
        for revision in 2..=last {
            let mut store = diary.at(revision - 1).clone();
            match made.get(&revision) {
                Some(answered) => done(&mut store, revision, answered),
                None => {
                    let lease = store.values().map(|kv| kv.lease).find(|lease| *lease != 0);
                    let unknown = || format!("nobody knows what was done at {revision}");
                    let lease = lease.ok_or_else(unknown)?;
                    store.retain(|_, kv| kv.lease != lease);
                    diary.lease_ends.push((revision, lease));
                }
            }
            diary.stores.push(store);
        }
        Ok(diary)
    }

    pub(crate) fn last(&self) -> Revision {
        self.stores.len() as Revision
    }

    fn at(&self, revision: Revision) -> &Keyed {
        &self.stores[revision as usize - 1]
    }

    /// What happened to some keys at a revision, in order, with what was there before.
    fn happened(&self, keys: &Keys, revision: Revision) -> Vec<Change> {
        if revision < 2 {
            return Vec::new();
        }
        let (before, now) = (self.at(revision - 1), self.at(revision));
        let mut changes = BTreeMap::new();
        for (key, kv) in now.iter().filter(|(key, _)| keys.hold(key)) {
            let prev_kv = before.get(key).cloned();
            if prev_kv.as_ref() != Some(kv) {
                let kv = kv.clone();
                changes.insert(key.clone(), Change { kv, prev_kv });
            }
        }
        for (key, prev) in before.iter().filter(|(key, _)| keys.hold(key)) {
            if !now.contains_key(key) {
                let kv = KeyValue {
                    key: key.clone(),
                    value: String::new(),
                    create_revision: 0,
                    mod_revision: revision,
                    version: 0,
                    lease: 0,
                };
                let prev_kv = Some(prev.clone());
                changes.insert(key.clone(), Change { kv, prev_kv });
            }
        }
        changes.into_values().collect()
    }

    /// The same from one revision up to another.
    pub(crate) fn changes_of<'a>(
        &'a self,
        keys: &'a Keys,
        from: Revision,
        to: Revision,
    ) -> impl Iterator<Item = Change> + 'a {
        (from..=to.min(self.last())).flat_map(|revision| self.happened(keys, revision))
    }

    /// Whether no lease has ended by itself while it was kept alive. `seen_ms`: when somebody was first told of a revision.
    pub(crate) fn judge_leases(
        &self,
        answers: &[Answered],
        seen_ms: &BTreeMap<Revision, u64>,
    ) -> Result<(), String> {
        for (revision, ended) in &self.lease_ends {
            let is_revoked = answers.iter().any(
                |known| matches!(known.ask, Ask::Write(Op::Revoke { lease }) if lease == *ended),
            );
            let Some((_, seen_ms)) = seen_ms.range(revision..).next().filter(|_| !is_revoked)
            else {
                continue;
            };
            for answered in answers {
                let (Ok(Done::Grant { lease, ttl_ms }) | Ok(Done::KeepAlive { lease, ttl_ms })) =
                    &answered.result
                else {
                    continue;
                };
                let lives_ms = answered.asked_ms + ttl_ms;
                if lease == ended && *seen_ms < lives_ms {
                    return Err(format!(
                        "lease {lease} ends at {revision}, seen at {seen_ms} ms, and had to live up to {lives_ms} ms"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether an answer is right.
    pub(crate) fn judge_answer(
        &self,
        answered: &Answered,
        compactions: &[Revision],
    ) -> Result<(), String> {
        let Answered {
            ask,
            after,
            revision,
            result,
            ..
        } = answered;
        let wrong = |cause: &str| {
            Err(format!(
                "{ask:?} is answered {result:?} @{revision}: {cause}"
            ))
        };
        if let Err(Error::Compacted { compact_revision }) = result
            && !compactions.contains(compact_revision)
        {
            return wrong("nobody has compacted that");
        }
        let is_local = match ask {
            Ask::Range(range) => range.serializable,
            Ask::Write(_) => false,
            // How a lease is its leader says, and the member that answers may be behind.
            _ => true,
        };
        if !is_local && revision < after {
            return wrong(&format!("somebody was told of {after} before it was asked"));
        }
        let (now, made_one) = (self.at(*revision), answered.made_one());
        let before = if made_one { self.at(revision - 1) } else { now };
        let is_right = match (ask, result) {
            (Ask::Range(range), Ok(done)) => match range.revision {
                0 => *done == read(now, range),
                at => at <= *revision && *done == read(self.at(at), range),
            },
            (Ask::Range(range), Err(Error::Compacted { compact_revision })) => {
                (1..*compact_revision).contains(&range.revision)
            }
            (Ask::Range(range), Err(Error::FutureRevision)) => range.revision > *revision,
            (Ask::Write(Op::Put(put)), Ok(Done::Put { prev_kv })) => {
                *prev_kv == before.get(&put.key).filter(|_| put.prev_kv).cloned()
            }
            (Ask::Write(Op::DeleteRange(delete)), Ok(done)) => *done == deleted(before, delete),
            (Ask::Write(Op::Txn(txn)), Ok(done)) => *done == self.transacted(before, txn),
            // It reads what is forgotten or yet to come, and changes nothing.
            (Ask::Write(Op::Txn(txn)), Err(error)) => {
                let parts = txn.success.iter().chain(&txn.failure);
                let mut read = parts.filter_map(|op| match op {
                    TxnOp::Range(range) if range.revision > 0 => Some(range.revision),
                    _ => None,
                });
                read.any(|at| match error {
                    Error::FutureRevision => at > *revision,
                    Error::Compacted { compact_revision } => at < *compact_revision,
                    // One of its puts goes with a lease that is over.
                    error => *error == Error::LeaseNotFound,
                })
            }
            (Ask::Write(Op::Compact { revision: at }), Err(error)) => match error {
                Error::FutureRevision => at > revision,
                Error::Compacted { compact_revision } => at <= compact_revision,
                _ => false,
            },
            (Ask::Range(_) | Ask::Write(Op::DeleteRange(_)), Err(_)) => false,
            _ => true,
        };
        match is_right {
            true => Ok(()),
            false => wrong("it was otherwise"),
        }
    }

    /// What comes of a transaction whose parts have nothing to do with each other.
    fn transacted(&self, before: &Keyed, txn: &Txn) -> Done {
        let succeeded = compares(before, txn);
        let branch = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let responses = branch.iter().map(|op| match op {
            TxnOp::Range(range) => match range.revision {
                0 => read(before, range),
                at => read(self.at(at), range),
            },
            TxnOp::Put(put) => Done::Put {
                prev_kv: before.get(&put.key).filter(|_| put.prev_kv).cloned(),
            },
            TxnOp::DeleteRange(delete) => deleted(before, delete),
        });
        Done::Txn {
            succeeded,
            responses: responses.collect(),
        }
    }
}

/// What a change makes of the keys.
fn done(store: &mut Keyed, revision: Revision, answered: &Answered) {
    let part = |store: &mut Keyed, part: &TxnOp| match part {
        TxnOp::Put(put) => set(store, revision, put),
        TxnOp::DeleteRange(delete) => store.retain(|key, _| !delete.keys.hold(key)),
        TxnOp::Range(_) => {}
    };
    match &answered.ask {
        Ask::Write(Op::Put(put)) => set(store, revision, put),
        Ask::Write(Op::DeleteRange(delete)) => store.retain(|key, _| !delete.keys.hold(key)),
        Ask::Write(Op::Txn(txn)) => {
            let branch = if compares(store, txn) {
                &txn.success
            } else {
                &txn.failure
            };
            branch.iter().for_each(|op| part(store, op));
        }
        _ => {}
    }
}

fn set(store: &mut Keyed, revision: Revision, put: &Put) {
    let before = store.get(&put.key);
    let lease: LeaseId = put.lease;
    let kv = KeyValue {
        key: put.key.clone(),
        value: put.value.clone(),
        create_revision: before.map_or(revision, |before| before.create_revision),
        mod_revision: revision,
        version: before.map_or(1, |before| before.version + 1),
        lease,
    };
    store.insert(put.key.clone(), kv);
}

fn read(store: &Keyed, range: &Range) -> Done {
    let all = store.values().filter(|kv| range.keys.hold(&kv.key));
    let all: Vec<KeyValue> = all.cloned().collect();
    let limit = match range.limit {
        0 => all.len(),
        limit => limit as usize,
    };
    Done::Range {
        count: all.len() as u64,
        kvs: all.into_iter().take(limit).collect(),
    }
}

fn deleted(store: &Keyed, delete: &DeleteRange) -> Done {
    let gone = store.values().filter(|kv| delete.keys.hold(&kv.key));
    let gone: Vec<KeyValue> = gone.cloned().collect();
    Done::DeleteRange {
        deleted: gone.len() as u64,
        prev_kvs: if delete.prev_kv { gone } else { Vec::new() },
    }
}

/// All that these clients compare: whether one key was set after a revision.
fn compares(store: &Keyed, txn: &Txn) -> bool {
    txn.compare.iter().all(|compare| {
        let kv = store.get(&compare.keys.key);
        let Target::ModRevision(revision) = compare.target else {
            panic!("these clients compare nothing else");
        };
        kv.map_or(0, |kv| kv.mod_revision) > revision
    })
}

/// What was found of a watch.
pub(crate) struct Judged {
    /// The first revision of which it was not told everything.
    pub(crate) next: Revision,
    pub(crate) changes: u64,
    pub(crate) prevs: u64,
    pub(crate) progress: u64,
    pub(crate) compacted: bool,
}

/// Whether a watch was told what it had to be.
pub(crate) fn judge_watch(
    diary: &Diary,
    told: &Told,
    compactions: &[Revision],
) -> Result<Judged, String> {
    let keys = &told.watch.keys;
    let mut judged = Judged {
        next: told.start,
        changes: 0,
        prevs: 0,
        progress: 0,
        compacted: false,
    };
    // What was told up to a revision that comes in parts.
    let mut part: Vec<Change> = Vec::new();
    for event in &told.events {
        if judged.compacted {
            return Err(format!("{event:?} comes after its end"));
        }
        let from = judged.next;
        let missed = |to: Revision| {
            let mut missed = diary.changes_of(keys, from, to);
            missed.next().map_or(Ok(()), |missed| {
                Err(format!("{event:?} comes before {missed:?}"))
            })
        };
        match event {
            Event::Changes {
                revision,
                changes,
                fragment,
                ..
            } => {
                let ends = |changes: &[Change]| {
                    let (first, last) = (changes.first()?, changes.last()?);
                    Some((first.kv.mod_revision, last.kv.mod_revision))
                };
                let goes_on = match (ends(&part), ends(changes)) {
                    (Some((_, last)), Some((first, _))) => last == first,
                    (begun, _) => begun.is_none(),
                };
                if !goes_on {
                    return Err(format!("{event:?} comes when more of {part:?} has to"));
                }
                part.extend(changes.iter().cloned());
                if *fragment {
                    if !told.watch.fragment {
                        return Err(format!("{event:?} is a part, and nobody wanted parts"));
                    }
                    continue;
                }
                let whole = std::mem::take(&mut part);
                let last = whole.last().ok_or("no changes are told")?;
                let last = last.kv.mod_revision;
                if last > *revision || last > diary.last() {
                    return Err(format!("{event:?} is ahead of its store"));
                }
                let expected: Vec<Change> = diary.changes_of(keys, from, last).collect();
                let bare = |changes: &[Change]| -> Vec<KeyValue> {
                    changes.iter().map(|change| change.kv.clone()).collect()
                };
                if bare(&whole) != bare(&expected) {
                    return Err(format!(
                        "it is told {whole:?}, and from {from} on it was {expected:?}"
                    ));
                }
                for (said, known) in whole.iter().zip(&expected) {
                    judged.changes += 1;
                    judged.prevs += u64::from(said.prev_kv.is_some());
                    let before = said.kv.mod_revision - 1;
                    let may_be_gone = compactions.iter().any(|compacted| *compacted > before);
                    let is_right = match (told.watch.prev_kv, &said.prev_kv) {
                        (false, prev) => prev.is_none(),
                        (true, None) => known.prev_kv.is_none() || may_be_gone,
                        (true, prev) => *prev == known.prev_kv,
                    };
                    if !is_right {
                        return Err(format!("it is told {said:?}, and it was {known:?}"));
                    }
                }
                judged.next = last + 1;
            }
            Event::Progress { revision, .. } => {
                judged.progress += 1;
                if !part.is_empty() || revision + 1 < from || *revision > diary.last() {
                    return Err(format!("{event:?} comes when it is at {from}"));
                }
                missed(*revision)?;
                judged.next = revision + 1;
            }
            Event::Compacted {
                compact_revision, ..
            } => {
                let is_known = compactions.contains(compact_revision);
                if !is_known || from >= *compact_revision {
                    return Err(format!("{event:?} comes when it is at {from}"));
                }
                judged.compacted = true;
            }
        }
    }
    Ok(judged)
}
