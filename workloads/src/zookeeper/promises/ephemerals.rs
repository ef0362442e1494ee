//! Ephemeral nodes are there as long as their session, and no longer.
//!
//! A session is known to have ended when it was closed, when something was refused because it had ended, or when a node of it is gone that nobody
//! may have removed. From that zxid on nothing is done in it, and no node is shown as its own.
//!
//! Counterexample: S creates `/e` at 5 and is closed at 7. Somebody lists the children of `/` at 9 and finds `e`.

use super::changes::{Changes, Listing, child_of, proves_life, shown};
use super::ground::Ground;
use super::spans::{Deletes, Makers};
use super::story::Story;
use super::{Breach, Promise};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Done, Error, Op, SessionId, Stat, ZxidNumber};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "ephemerals",
    quote: "ephemeral nodes exist \"as long as the session that created the znode is active. When the session ends the znode is deleted\" \
            (ZooKeeper Programmer's Guide, Ephemeral Nodes)",
    judge,
};

/// An ephemeral node is its session's, and no other node is anybody's.
fn owned_by_who_made_them(all: &Changes<'_>) -> Result<(), Breach> {
    for made in &all.made {
        let (Op::Create { mode, .. }, Done::Created { path, stat }) = (made.op, made.done) else {
            continue;
        };
        let owner = match mode.is_ephemeral() {
            true => made.session,
            false => SessionId::NONE,
        };
        if stat.ephemeral_owner != owner {
            return Err(Breach {
                culprits: vec![made.deed],
                explanation: format!(
                    "{path} was made in {} at zxid {}, and its owner is {:?} instead of {owner:?}.",
                    made.session,
                    shown(made.zxid),
                    stat.ephemeral_owner
                ),
            });
        }
    }
    Ok(())
}

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let all = ground.changes();
    let deletes = Deletes::of(all);
    let mut ends = Ends::told(story);
    absences(story, all, &deletes, &mut ends);
    ends.nothing_is_done_later(story)?;
    owned_by_who_made_them(all)?;
    ends.no_stat_is_later(all)?;
    ends.no_name_is_later(all, &deletes)
}

/// The zxid by which a session had ended, with what proves it.
#[derive(Default)]
struct Ends(BTreeMap<SessionId, (ZxidNumber, Vec<usize>)>);

impl Ends {
    /// What clients were told of.
    fn told(story: &Story) -> Self {
        let mut ends = Self::default();
        for deed in &story.deeds {
            let (Some(session), Some(zxid), Some(ended)) =
                (deed.session(), deed.own_zxid(), &deed.ended)
            else {
                continue;
            };
            let is_closed = deed.op() == Some(&Op::Close) && ended.result.is_ok();
            if is_closed || ended.result == Err(Error::SessionExpired) {
                ends.note(session, zxid, vec![deed.id]);
            }
        }
        ends
    }

    fn note(&mut self, session: SessionId, zxid: ZxidNumber, proof: Vec<usize>) {
        let end = self.0.entry(session).or_insert((zxid, Vec::new()));
        if zxid < end.0 || end.1.is_empty() {
            *end = (zxid, proof);
        }
    }

    /// By what a session had ended, if it had by a zxid.
    fn by(&self, session: SessionId, zxid: ZxidNumber) -> Option<&(ZxidNumber, Vec<usize>)> {
        self.0.get(&session).filter(|(end, _)| *end <= zxid)
    }

    fn nothing_is_done_later(&self, story: &Story) -> Result<(), Breach> {
        for deed in &story.deeds {
            let Some((session, zxid)) = proves_life(deed) else {
                continue;
            };
            let Some((end, proof)) = self.by(session, zxid) else {
                continue;
            };
            // It ended by this.
            if zxid == *end && deed.op() == Some(&Op::Close) {
                continue;
            }
            let what = format!("something was done in it at zxid {}", shown(zxid));
            return Err(late(session, *end, proof, deed.id, &what));
        }
        Ok(())
    }

    fn no_stat_is_later(&self, all: &Changes<'_>) -> Result<(), Breach> {
        for seen in &all.sightings {
            let owner = seen.stat.ephemeral_owner;
            if let Some((end, proof)) = self.by(owner, seen.zxid) {
                let what = format!("{} was its own at zxid {}", seen.path, shown(seen.zxid));
                return Err(late(owner, *end, proof, seen.deed, &what));
            }
        }
        Ok(())
    }

    fn no_name_is_later(&self, all: &Changes<'_>, deletes: &Deletes<'_>) -> Result<(), Breach> {
        let mut births: BTreeMap<&str, Vec<Birth>> = BTreeMap::new();
        for made in &all.made {
            if let (Op::Create { mode, .. }, Done::Created { path, stat }) = (made.op, made.done) {
                births.entry(path).or_default().push(Birth {
                    zxid: made.zxid,
                    deed: made.deed,
                    owner: stat.ephemeral_owner,
                    sequential: mode.is_sequential(),
                });
            }
        }
        let makers = Makers::in_doubt(&all.doubts);
        for listing in &all.listings {
            for name in listing.names {
                let path = child_of(listing.path, name);
                let known = births.get(path.as_str());
                let birth = known.and_then(|births| {
                    let at = births.partition_point(|birth| birth.zxid <= listing.zxid);
                    births[..at].last()
                });
                let Some(birth) = birth else { continue };
                let Some((end, proof)) = self.by(birth.owner, listing.zxid) else {
                    continue;
                };
                // Another may have the name by now, unless the number in it never comes again.
                let is_unique = birth.sequential && !deletes.any(listing.path);
                let others = match is_unique {
                    true => makers.plain(&path),
                    false => makers.any(&path),
                };
                if others.is_none_or(|after| after >= listing.zxid) {
                    let mut proof = proof.clone();
                    proof.push(birth.deed);
                    let zxid = shown(listing.zxid);
                    let what = format!("the children at zxid {zxid} name its node {path}");
                    return Err(late(birth.owner, *end, &proof, listing.deed, &what));
                }
            }
        }
        Ok(())
    }
}

/// A create of a node that was answered ok.
struct Birth {
    zxid: ZxidNumber,
    deed: usize,
    owner: SessionId,
    sequential: bool,
}

fn late(session: SessionId, end: ZxidNumber, proof: &[usize], deed: usize, what: &str) -> Breach {
    let mut culprits = proof.to_vec();
    culprits.push(deed);
    let end = shown(end);
    Breach {
        culprits,
        explanation: format!("The session {session} had ended by zxid {end}, but {what}."),
    }
}

/// What an answer shows of nodes.
enum Shown<'a> {
    /// How one is.
    Stat(&'a str, &'a Stat),
    /// It was removed by this.
    Removed(&'a str),
    /// It is not there.
    Absent(&'a str),
    /// Only these are there.
    Names(&'a Listing<'a>),
}

/// An ephemeral node that is there, as far as is known.
struct Alive {
    czxid: ZxidNumber,
    owner: SessionId,
    /// Who saw it last.
    deed: usize,
}

/// Finds the nodes that are gone though nobody may have removed them: so their sessions have ended.
fn absences(story: &Story, all: &Changes<'_>, deletes: &Deletes<'_>, ends: &mut Ends) {
    let mut shown: Vec<((ZxidNumber, bool, usize, usize), Shown<'_>)> = Vec::new();
    for seen in &all.sightings {
        let order = (seen.zxid, seen.read, seen.part, seen.deed);
        shown.push((order, Shown::Stat(seen.path, seen.stat)));
    }
    for made in &all.made {
        if let Op::Delete { path, .. } = made.op {
            let order = (made.zxid, false, made.part, made.deed);
            shown.push((order, Shown::Removed(path)));
        }
    }
    for listing in &all.listings {
        let order = (listing.zxid, true, 0, listing.deed);
        shown.push((order, Shown::Names(listing)));
    }
    for deed in &story.deeds {
        let (Some(ended), Some(path)) = (&deed.ended, deed.asked.path()) else {
            continue;
        };
        let is_absent = match &ended.result {
            Ok(Done::Exists(None)) => true,
            // A create without its parent is refused in the same words.
            Err(Error::NoNode) => !matches!(deed.op(), Some(Op::Create { .. })),
            _ => false,
        };
        if is_absent {
            let order = (ended.zxid, !deed.asked.is_write(), 0, deed.id);
            shown.push((order, Shown::Absent(path)));
        }
    }
    shown.sort_by_key(|(order, _)| *order);

    let mut gone = |path: &str, alive: Alive, zxid: ZxidNumber, deed: usize| {
        if !deletes.doubted_by(path, zxid) {
            ends.note(alive.owner, zxid, vec![alive.deed, deed]);
        }
    };
    let mut directories: BTreeMap<&str, BTreeMap<&str, Alive>> = BTreeMap::new();
    for ((zxid, _, _, deed), shown) in shown {
        match shown {
            Shown::Stat(path, stat) => {
                let (parent, name) = parted(path);
                let directory = directories.entry(parent).or_default();
                let older = |alive: &Alive| alive.czxid < stat.czxid;
                if directory.get(name).is_some_and(older)
                    && let Some(alive) = directory.remove(name)
                {
                    gone(path, alive, zxid, deed);
                }
                if stat.ephemeral_owner != SessionId::NONE {
                    let (czxid, owner) = (stat.czxid, stat.ephemeral_owner);
                    directory.insert(name, Alive { czxid, owner, deed });
                }
            }
            Shown::Removed(path) => {
                let (parent, name) = parted(path);
                directories.entry(parent).or_default().remove(name);
            }
            Shown::Absent(path) => {
                let (parent, name) = parted(path);
                if let Some(alive) = directories.entry(parent).or_default().remove(name) {
                    gone(path, alive, zxid, deed);
                }
            }
            Shown::Names(listing) => {
                let Some(directory) = directories.get_mut(listing.path) else {
                    continue;
                };
                let names: BTreeSet<&str> = listing.names.iter().map(String::as_str).collect();
                let missing = |name: &&str| !names.contains(name);
                let missing: Vec<&str> = directory.keys().copied().filter(missing).collect();
                for name in missing {
                    if let Some(alive) = directory.remove(name) {
                        gone(&child_of(listing.path, name), alive, zxid, deed);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete, made};
    use super::PROMISE;
    use crate::zookeeper::dialect::{Asked, Ended};
    use stormglass_impls::zookeeper::words::{Done, Error, Mode, Op, SessionId, What};

    /// `/e` of client 1, with its list by client 0.
    fn one_node() -> Service {
        let mut service = Service::new(2, &["/d"]);
        let ephemeral = create("/d/e", "", Mode::Ephemeral);
        service.write(1, ephemeral).unwrap();
        assert_eq!(service.list(0, "/d"), ["e"]);
        service
    }

    #[test]
    fn a_node_that_goes_with_its_session_is_as_promised() {
        let mut service = one_node();
        let before = service.now();
        service.write(1, Op::Close).unwrap();
        assert!(service.list(0, "/d").is_empty());
        // Who reads what was sees it.
        service.read_at(0, What::Exists, "/d/e", before).unwrap();
        // The name may come again.
        let again = create("/d/e", "", Mode::Ephemeral);
        service.write(1, again).unwrap();
        service.list(0, "/d");
        service.keeps(PROMISE);
    }

    #[test]
    fn a_node_that_is_another_sessions_or_nobodys_is_a_breach() {
        for owner in [SessionId(99), SessionId::NONE] {
            let mut service = Service::new(1, &["/d"]);
            let ephemeral = create("/d/e", "", Mode::Ephemeral);
            service.write(0, ephemeral).unwrap();
            service.lie(0, |ended| match &mut ended.result {
                Ok(Done::Created { stat, .. }) => stat.ephemeral_owner = owner,
                other => panic!("it was made: {other:?}"),
            });
            service.breaks(PROMISE, "and its owner is");
        }
    }

    #[test]
    fn a_node_that_is_still_seen_when_its_session_was_closed_is_a_breach() {
        let mut service = one_node();
        let Ok(Done::Exists(stat)) = service.read(0, What::Exists, "/d/e") else {
            unreachable!()
        };
        service.write(1, Op::Close).unwrap();
        service.read(0, What::Exists, "/d/e").unwrap();
        service.lie(0, |ended| ended.result = Ok(Done::Exists(stat)));
        service.breaks(PROMISE, "/d/e was its own at zxid");
    }

    #[test]
    fn a_name_that_is_still_listed_when_its_session_was_closed_is_a_breach() {
        let mut service = one_node();
        service.write(1, Op::Close).unwrap();
        service.list(0, "/d");
        service.lie(0, still_named("e"));
        service.breaks(PROMISE, "name its node /d/e");
        // A create of unknown outcome may have made it again.
        let mut service = one_node();
        service.write(1, Op::Close).unwrap();
        service.call(1, Asked::Write(create("/d/e", "", Mode::Ephemeral)));
        service.apply(1, 0);
        service.lose(1);
        service.list(0, "/d");

        service.keeps(PROMISE);
    }

    #[test]
    fn a_sequential_name_never_comes_again_whatever_else_was_asked() {
        let mut service = Service::new(2, &["/d"]);
        let path = made(service.write(1, create("/d/n-", "", Mode::EphemeralSequential)));
        service.write(1, Op::Close).unwrap();
        service.call(
            1,
            Asked::Write(create("/d/n-", "", Mode::EphemeralSequential)),
        );
        service.lose(1);
        service.list(0, "/d");
        service.lie(0, still_named(&path[3..]));
        service.breaks(PROMISE, "name its node /d/n-0000000000");
    }

    fn still_named(name: &str) -> impl FnOnce(&mut Ended) {
        let name = name.to_string();
        move |ended| {
            if let Ok(Done::Children(names, _)) = &mut ended.result {
                names.push(name);
            }
        }
    }

    #[test]
    fn whoever_is_told_that_the_session_has_expired_knows_that_it_has_ended() {
        let mut service = one_node();
        let session = service.session(1).unwrap();
        service.expire(1);
        service.write(1, delete("/d/x")).unwrap_err();
        service.lie(0, |ended| {
            (ended.session, ended.result) = (session, Err(Error::SessionExpired));
        });
        service.keeps(PROMISE);
        service.list(0, "/d");
        service.lie(0, still_named("e"));
        service.breaks(PROMISE, "name its node /d/e");
    }

    #[test]
    fn a_session_whose_node_went_is_over() {
        // Lists, reads, and a new node in its place show that it went.
        let ways: [fn(&mut Service); 3] = [
            |service| drop(service.list(0, "/d")),
            |service| drop(service.read(0, What::Data, "/d/e")),
            |service| drop(service.write(0, create("/d/e", "", Mode::Persistent))),
        ];
        for look in ways {
            let mut service = one_node();
            let session = service.session(1).unwrap();
            service.expire(1);
            look(&mut service);
            service.keeps(PROMISE);
            service
                .write(1, create("/d/f", "", Mode::Persistent))
                .unwrap();
            service.keeps(PROMISE);
            service.lie(0, |ended| ended.session = session);
            service.breaks(PROMISE, "something was done in it at zxid");
        }
    }

    #[test]
    fn a_delete_of_unknown_outcome_may_have_removed_the_node() {
        let mut service = one_node();
        service.call(0, Asked::Write(delete("/d/e")));
        service.apply(0, 0);
        service.lose(0);
        service.list(0, "/d");
        service
            .write(1, create("/d/f", "", Mode::Persistent))
            .unwrap();
        service.keeps(PROMISE);
        let mut service = one_node();
        let multi = Op::Multi(vec![create("/d/g", "", Mode::Persistent), delete("/d/e")]);
        service.write(0, multi).unwrap();
        service.list(0, "/d");
        service
            .write(1, create("/d/f", "", Mode::Persistent))
            .unwrap();
        service.keeps(PROMISE);
    }
}
