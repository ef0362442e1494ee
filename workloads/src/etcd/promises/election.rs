//! Who leads proclaims, and nobody else.
//!
//! > The LeaderKey can then be used to issue new values on the election, transactionally guard API requests on leadership still being held, and resign from
//! > the election.
//! >
//! > *etcd concurrency API*, Election, Campaign
//!
//! Candidates have keys below `elections/NAME/`, and the one whose key was made first leads. It proclaims by a transaction that compares the create revision
//! of its key and puts `terms/NAME`. Such a transaction succeeds only while the key is there, and no other candidate's key was made before it. So the create
//! revisions of those who proclaim never go back.
//!
//! Counterexample: the keys made at 5 and at 8 are both there at revision 12, and who has that of 8 proclaims at 13.

use super::facts::State;
use super::ground::Ground;
use super::locks::Line;
use super::story::Deed;
use super::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{CompareResult, Done, Op, Revision, Target, Txn, TxnOp};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "election",
    quote: "\"The LeaderKey can then be used to issue new values on the election, transactionally guard API requests on leadership still being held\" \
            (etcd concurrency API, Election)",
    judge,
};

/// What the names of candidates begin with, and those of what they proclaim.
const CANDIDATES: &str = "elections/";
const TERMS: &str = "terms/";

/// Somebody proclaimed.
struct Proclamation<'a> {
    name: &'a str,
    candidate: &'a str,
    token: Revision,
    at: Revision,
    by: usize,
}

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let mut all: Vec<Proclamation<'_>> =
        ground.story.deeds.iter().filter_map(proclamation).collect();
    if all.is_empty() {
        return Ok(());
    }
    all.sort_by_key(|one| one.at);
    let facts = ground.facts();
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let mut last: BTreeMap<&str, (Revision, usize)> = BTreeMap::new();
    for one in &all {
        let Proclamation {
            name, token, at, ..
        } = one;
        let before = at.saturating_sub(1);
        let line = lines
            .entry(name)
            .or_insert_with(|| Line::of(facts, &format!("{CANDIDATES}{name}")));
        if let Some(ahead) = line.ahead(*token, before) {
            let said = format!(
                "{} was made at revision {token} and proclaimed at revision {at}, and {}, made at revision {}, was there, too.",
                one.candidate, facts.keys[ahead.key], ahead.create
            );
            return Breach::of([one.by].into_iter().chain(ahead.by), said);
        }
        lives(ground, one)?;
        let (newest, by) = *last.entry(name).or_insert((*token, one.by));
        if newest > *token {
            let said = format!(
                "Who has the key made at revision {token} proclaimed at revision {at}, after who has that made at revision {newest}."
            );
            return Breach::of([by, one.by], said);
        }
        last.insert(name, (*token, one.by));
    }
    Ok(())
}

/// The key of who proclaims is there.
fn lives(ground: &Ground<'_>, one: &Proclamation<'_>) -> Result<(), Breach> {
    let facts = ground.facts();
    let number = facts.number(one.candidate);
    let span = number.and_then(|number| facts.at(number, one.at.saturating_sub(1)));
    let is_there = match span.map(|span| &span.state) {
        None => number.is_some(),
        Some(State::Absent) => false,
        Some(State::Alive(create)) => create.is_none_or(|create| create == one.token),
        Some(State::Is(version)) => version.create.is_none_or(|create| create == one.token),
    };
    if is_there {
        return Ok(());
    }
    let said = format!(
        "{}, made at revision {}, proclaimed at revision {}, and was not there any more.",
        one.candidate, one.token, one.at
    );
    Breach::of(
        [one.by].into_iter().chain(span.and_then(|span| span.by)),
        said,
    )
}

fn proclamation(deed: &Deed) -> Option<Proclamation<'_>> {
    let (
        Some(Op::Txn(txn)),
        Some(Done::Txn {
            succeeded: true, ..
        }),
    ) = (deed.op(), deed.done())
    else {
        return None;
    };
    let name = proclaims(txn)?;
    let mut compares = txn.compare.iter().filter_map(|compare| {
        let Target::CreateRevision(token) = compare.target else {
            return None;
        };
        let key = compare.keys.key.as_str();
        let below = key.strip_prefix(CANDIDATES)?.strip_prefix(name)?;
        let is_candidate = below.starts_with('/')
            && compare.keys.range_end.is_none()
            && compare.result == CompareResult::Equal
            && token > 0;
        is_candidate.then_some((key, token))
    });
    let (candidate, token) = compares.next()?;
    Some(Proclamation {
        name,
        candidate,
        token,
        at: deed.own_revision()?,
        by: deed.id,
    })
}

/// The election whose leader a transaction names.
fn proclaims(txn: &Txn) -> Option<&str> {
    txn.success.iter().find_map(|part| match part {
        TxnOp::Put(put) => put.key.strip_prefix(TERMS),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, a_put, delete, equal, put, txn};
    use super::PROMISE;
    use crate::etcd::dialect::Ended;
    use stormglass_impls::etcd::words::{Done, Keys, Op, Target, TxnOp};

    fn candidate(client: usize) -> String {
        format!("elections/e/{client}")
    }

    /// Clients 1 and 2 are candidates, with keys made at revisions 2 and 3.
    fn two() -> Service {
        let mut service = Service::new(3);
        for client in [1, 2] {
            service
                .write(client, put(&candidate(client), "", 0))
                .unwrap();
        }
        service
    }

    fn proclaim(client: usize, token: u64) -> Op {
        let compare = equal(&candidate(client), Target::CreateRevision(token));
        let put = TxnOp::Put(a_put("terms/e", &client.to_string(), 0));
        txn(vec![compare], vec![put], vec![])
    }

    #[test]
    fn leaders_one_after_the_other_are_as_promised() {
        let mut service = two();
        service.write(1, proclaim(1, 2)).unwrap();
        service.write(1, delete(Keys::one(candidate(1)))).unwrap();
        service.write(2, proclaim(2, 3)).unwrap();
        let late = service.write(1, proclaim(1, 2)).unwrap();
        assert!(matches!(
            late,
            Done::Txn {
                succeeded: false,
                ..
            }
        ));
        service.keeps(PROMISE);
    }

    #[test]
    fn a_leader_before_its_turn_is_a_breach() {
        let mut service = two();
        service.write(2, proclaim(2, 3)).unwrap();
        service.breaks(PROMISE, "made at revision 2, was there, too");
    }

    #[test]
    fn a_leader_after_its_time_is_a_breach() {
        let mut service = two();
        service.write(1, delete(Keys::one(candidate(1)))).unwrap();
        service.write(1, proclaim(1, 2)).unwrap();
        let revision = service.now() + 1;
        service.lie(0, |ended: &mut Ended| {
            ended.revision = revision;
            let responses = vec![Done::Put { prev_kv: None }];
            let succeeded = true;
            ended.result = Ok(Done::Txn {
                succeeded,
                responses,
            });
        });
        service.breaks(PROMISE, "was not there any more");
    }
}
