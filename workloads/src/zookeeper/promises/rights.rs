//! Nothing is done without the right to it, and nothing is refused to who has it.
//!
//! The list of a node is known by its path, the zxid at which the node was made, and how often the list was set: whoever set it or read it says so. What
//! is not certain is not judged.
//!
//! Counterexample: `/a` may be read by alice alone; a session that gave nobody's password is shown who may do what with it.

use super::changes::{Changes, may_make, parts, proves_life, shown};
use super::ground::Ground;
use super::spans::Makers;
use super::story::{Deed, Story};
use super::{Breach, Promise};
use crate::zookeeper::dialect::Asked;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{
    Acl, Done, Error, Op, Rights, SessionId, Stat, What, Who, ZxidNumber, digest_of, open_to_all,
};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "rights",
    quote: "\"ZooKeeper uses ACLs to control access to its znodes\" (ZooKeeper Programmer's Guide, ZooKeeper access control using ACLs)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let all = ground.changes();
    let users = Users::of(story);
    let lists = Lists::of(story, all, &users);
    for deed in &story.deeds {
        for need in needs(deed, &lists) {
            let (zxid, session) = (need.zxid, need.session);
            // A session that has ended is nobody, and who reads in it is not told so.
            if !need.granted && users.alive.get(&session).is_none_or(|alive| *alive < zxid) {
                continue;
            }
            let known = users.known(session, zxid);
            let granted = match need.granted {
                true => need.given_to(&known) || need.given_to(&users.in_doubt),
                false => need.given_to(&known),
            };
            if need.granted == granted {
                continue;
            }
            let how = match need.granted {
                true => "was granted without the right to it",
                false => "was refused with the right to it",
            };
            return Err(Breach {
                culprits: vec![need.list.proof.unwrap_or(deed.id), deed.id],
                explanation: format!(
                    "{} in {session} at zxid {} {how}, by the list of {}.",
                    deed.asked.function(),
                    shown(zxid),
                    need.path,
                ),
            });
        }
    }
    Ok(())
}

/// A user with the digest of a password.
type User = (String, u64);

/// Who a session is.
struct Users {
    /// By session, with the zxids of the logins.
    known: BTreeMap<SessionId, Vec<(ZxidNumber, User)>>,
    /// Who any session may be besides: logins of unknown outcome.
    in_doubt: BTreeSet<User>,
    /// The last zxid at which a session was open for certain.
    alive: BTreeMap<SessionId, ZxidNumber>,
}

impl Users {
    fn of(story: &Story) -> Self {
        let (mut known, mut in_doubt) = (BTreeMap::<_, Vec<_>>::new(), BTreeSet::new());
        let mut alive = BTreeMap::new();
        for deed in &story.deeds {
            if let Some((session, zxid)) = proves_life(deed) {
                let last = alive.entry(session).or_insert(zxid);
                *last = zxid.max(*last);
            }
            let Some(Op::AddAuth { user, password }) = deed.op() else {
                continue;
            };
            let user = (user.clone(), digest_of(user, password));
            match (&deed.ended, deed.session(), deed.own_zxid()) {
                (Some(ended), Some(session), Some(zxid)) if ended.result.is_ok() => {
                    known.entry(session).or_default().push((zxid, user));
                }
                (None, ..) => {
                    in_doubt.insert(user);
                }
                _ => {}
            }
        }
        Self {
            known,
            in_doubt,
            alive,
        }
    }

    /// Who a session is for certain at a zxid.
    fn known(&self, session: SessionId, zxid: ZxidNumber) -> BTreeSet<User> {
        let logins = self.known.get(&session).into_iter().flatten();
        let logins = logins.filter(|(login, _)| *login <= zxid);
        logins.map(|(_, user)| user.clone()).collect()
    }
}

/// A list, and who says so. That of the root needs nobody.
struct List {
    acl: Vec<Acl>,
    proof: Option<usize>,
}

/// The list that a node had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edition {
    czxid: ZxidNumber,
    aversion: u32,
}

impl From<&Stat> for Edition {
    fn from(stat: &Stat) -> Self {
        Self {
            czxid: stat.czxid,
            aversion: stat.aversion,
        }
    }
}

/// The lists of nodes, as far as they are known.
struct Lists<'a> {
    lists: BTreeMap<(&'a str, Edition), List>,
    /// Which a node had when, by zxid.
    seen: BTreeMap<&'a str, Vec<(ZxidNumber, Edition)>>,
    /// The zxid after which a change of unknown outcome may have set a list.
    set_in_doubt: BTreeMap<&'a str, ZxidNumber>,
    made_in_doubt: Makers<'a>,
}

impl<'a> Lists<'a> {
    fn of(story: &'a Story, all: &Changes<'a>, users: &Users) -> Self {
        let root = Edition {
            czxid: 0,
            aversion: 0,
        };
        let (acl, proof) = (open_to_all(), None);
        let mut known = Self {
            lists: BTreeMap::from([(("/", root), List { acl, proof })]),
            seen: BTreeMap::from([("/", vec![(0, root)])]),
            set_in_doubt: BTreeMap::new(),
            made_in_doubt: Makers::in_doubt(&all.doubts),
        };
        for seen in &all.sightings {
            let of_path = known.seen.entry(seen.path).or_default();
            of_path.push((seen.zxid, seen.stat.into()));
        }
        for doubt in &all.doubts {
            if let Op::SetAcl { path, .. } = doubt.op {
                let after = known.set_in_doubt.entry(path).or_insert(doubt.after);
                *after = doubt.after.min(*after);
            }
        }
        for made in &all.made {
            let (path, stat, acl) = match (made.op, made.done) {
                (Op::Create { acl, .. }, Done::Created { path, stat }) => (path, stat, acl),
                (Op::SetAcl { path, acl, .. }, Done::Set(stat)) => (path, stat, acl),
                _ => continue,
            };
            let resolved = stored(acl, users, made.session, made.zxid);
            if let Some(acl) = resolved {
                let proof = Some(made.deed);
                let list = List { acl, proof };
                known.lists.insert((path, stat.into()), list);
            }
        }
        for deed in &story.deeds {
            let done = deed.ended.as_ref().map(|ended| &ended.result);
            if let (Some(Ok(Done::Acl(acl, stat))), Some(path)) = (done, deed.asked.path()) {
                let (acl, proof) = (acl.clone(), Some(deed.id));
                let shown = known.lists.entry((path, stat.into()));
                shown.or_insert(List { acl, proof });
            }
        }
        known
    }

    /// The list that a node had just before a zxid, or after what happened at it.
    fn at(&self, path: &str, zxid: ZxidNumber, before: bool) -> Option<&List> {
        let seen = self.seen.get(path)?;
        let is_earlier = |seen: ZxidNumber| if before { seen < zxid } else { seen <= zxid };
        let at = seen.partition_point(|(seen, _)| is_earlier(*seen));
        let (_, edition) = seen[..at].last()?;
        let stays = seen.get(at).is_some_and(|(_, later)| later == edition);
        let set = self.set_in_doubt.get(path).copied();
        let doubt = set.into_iter().chain(self.made_in_doubt.any(path)).min();
        let is_certain = stays || doubt.is_none_or(|after| after >= zxid);
        self.edition(path, *edition).filter(|_| is_certain)
    }

    fn edition(&self, path: &str, edition: Edition) -> Option<&List> {
        // The key holds a borrowed path that outlives this one.
        let (path, _) = self.seen.get_key_value(path)?;
        self.lists.get(&(*path, edition))
    }
}

/// A list as it is stored: `auth` becomes the users of the session. Nothing if they are not certain.
fn stored(acl: &[Acl], users: &Users, session: SessionId, zxid: ZxidNumber) -> Option<Vec<Acl>> {
    let mut stored = Vec::new();
    for entry in acl {
        if entry.who != Who::Auth {
            stored.push(entry.clone());
            continue;
        }
        if !users.in_doubt.is_empty() {
            return None;
        }
        let known = users.known(session, zxid).into_iter();
        stored.extend(known.map(|(user, digest)| Acl {
            who: Who::Digest { user, digest },
            rights: entry.rights,
        }));
    }
    Some(stored)
}

/// A right that something needed, whether it was there or not.
struct Need<'a> {
    session: SessionId,
    zxid: ZxidNumber,
    /// Whether it was done.
    granted: bool,
    path: &'a str,
    list: &'a List,
    /// One of them is enough.
    any_of: &'static [Rights],
}

impl Need<'_> {
    fn given_to(&self, users: &BTreeSet<User>) -> bool {
        let gives = |entry: &Acl| {
            let meant = match &entry.who {
                Who::Anyone => true,
                Who::Digest { user, digest } => users.contains(&(user.clone(), *digest)),
                Who::Auth => false,
            };
            meant && self.any_of.iter().any(|right| entry.rights.holds(*right))
        };
        self.list.acl.iter().any(gives)
    }
}

/// The rights that an operation needed, where the lists are known.
fn needs<'a>(deed: &'a Deed, lists: &'a Lists<'_>) -> Vec<Need<'a>> {
    let (Some(ended), Some(session)) = (&deed.ended, deed.session()) else {
        return Vec::new();
    };
    match &deed.asked {
        Asked::Read(read) => {
            let any_of = match read.what {
                What::Exists => return Vec::new(),
                What::Data | What::Children => READ,
                What::Acl => &[Rights::READ, Rights::ADMIN],
            };
            let (granted, list) = match &ended.result {
                Ok(Done::Data(_, stat) | Done::Children(_, stat) | Done::Acl(_, stat)) => {
                    (true, lists.edition(&read.path, stat.into()))
                }
                Err(Error::NoAuth) => (false, lists.at(&read.path, ended.zxid, false)),
                _ => return Vec::new(),
            };
            let need = list.map(|list| Need {
                session,
                zxid: ended.zxid,
                granted,
                path: &read.path,
                list,
                any_of,
            });
            need.into_iter().collect()
        }
        Asked::Write(op) => {
            let (parts, refused) = (parts(op), refused(&ended.result));
            let judged = match (&ended.result, refused) {
                (Ok(_), _) => 0..parts.len(),
                (Err(_), Some(at)) if at < parts.len() => at..at + 1,
                (Err(_), _) => return Vec::new(),
            };
            let needs = judged.filter_map(|at| {
                let (path, any_of) = need_of(&parts[at])?;
                // What a part before it made of the list is not followed.
                let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
                let is_plain = others.into_iter().all(|(_, other)| !changes(other, path));
                let list = lists.at(path, ended.zxid, true).filter(|_| is_plain)?;
                Some(Need {
                    session,
                    zxid: ended.zxid,
                    granted: refused.is_none(),
                    path,
                    list,
                    any_of,
                })
            });
            needs.collect()
        }
        Asked::Sync | Asked::Rest { .. } | Asked::Store { .. } => Vec::new(),
    }
}

const READ: &[Rights] = &[Rights::READ];

/// Which part was refused for want of a right.
fn refused(result: &Result<Done, Error>) -> Option<usize> {
    match result {
        Err(Error::NoAuth) => Some(0),
        Err(Error::Multi { at, error }) if **error == Error::NoAuth => Some(*at as usize),
        _ => None,
    }
}

/// On which node a change needs which right.
fn need_of(op: &Op) -> Option<(&str, &'static [Rights])> {
    Some(match op {
        Op::Create { path, .. } => (parted(path).0, &[Rights::CREATE]),
        Op::Delete { path, .. } => (parted(path).0, &[Rights::DELETE]),
        Op::Set { path, .. } => (path, &[Rights::WRITE]),
        Op::SetAcl { path, .. } => (path, &[Rights::ADMIN]),
        Op::Check { path, .. } => (path, READ),
        Op::Multi(_) | Op::AddAuth { .. } | Op::Close => return None,
    })
}

/// Whether a change may set the list of a node.
fn changes(op: &Op, list_of: &str) -> bool {
    may_make(op, list_of) || matches!(op, Op::SetAcl { path, .. } if path == list_of)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete, read, set};
    use super::*;
    use stormglass_impls::zookeeper::words::Mode;

    fn only(rights: Rights) -> Vec<Acl> {
        let (user, digest) = ("alice".to_string(), digest_of("alice", "a"));
        let who = Who::Digest { user, digest };
        vec![Acl { who, rights }]
    }

    fn login() -> Op {
        let (user, password) = ("alice".to_string(), "a".to_string());
        Op::AddAuth { user, password }
    }

    fn set_acl(path: &str, acl: Vec<Acl>) -> Op {
        Op::SetAcl {
            path: path.to_string(),
            acl,
            version: None,
        }
    }

    /// `/a` with a child, which client 0 may do everything with that alice may.
    fn of_alice(rights: Rights) -> Service {
        let mut service = Service::new(3, &["/a", "/a/b"]);
        service.write(0, login()).unwrap();
        service.write(0, set_acl("/a", only(rights))).unwrap();
        service
    }

    fn check(path: &str) -> Op {
        Op::Check {
            path: path.to_string(),
            version: None,
        }
    }

    fn asks() -> Vec<(Asked, Done)> {
        let (acl, stat) = (open_to_all(), Stat::default());
        let path = "/a/c".to_string();
        let made = create(&path, "", Mode::Persistent);
        vec![
            (read(What::Data, "/a"), Done::Data(String::new(), stat)),
            (read(What::Children, "/a"), Done::Children(vec![], stat)),
            (read(What::Acl, "/a"), Done::Acl(acl.clone(), stat)),
            (Asked::Write(made), Done::Created { path, stat }),
            (Asked::Write(delete("/a/b")), Done::Fine),
            (Asked::Write(set("/a", "x")), Done::Set(stat)),
            (Asked::Write(set_acl("/a", acl)), Done::Set(stat)),
            (Asked::Write(check("/a")), Done::Fine),
        ]
    }

    fn ask(service: &mut Service, client: usize, asked: Asked) -> Result<Done, Error> {
        service.call(client, asked);
        service.apply(client, ZxidNumber::MAX);
        service.answer(client)
    }

    #[test]
    fn what_is_done_by_right_and_refused_without_it_is_as_promised() {
        for (asked, _) in asks() {
            let mut service = of_alice(Rights::ALL);
            assert_eq!(ask(&mut service, 1, asked.clone()), Err(Error::NoAuth));
            service.read(1, What::Exists, "/a").unwrap();
            ask(&mut service, 0, asked).unwrap();
            service.keeps(PROMISE);
        }
    }

    #[test]
    fn what_is_done_without_the_right_is_a_breach() {
        for (asked, done) in asks() {
            let mut service = of_alice(Rights::ALL);
            let Ok(Done::Exists(Some(found))) = service.read(0, What::Exists, "/a") else {
                unreachable!()
            };
            ask(&mut service, 1, asked.clone()).unwrap_err();
            service.lie(0, |ended| {
                let mut done = done;
                match &mut done {
                    Done::Data(_, stat) | Done::Children(_, stat) | Done::Acl(_, stat) => {
                        *stat = found;
                    }
                    Done::Set(stat) => {
                        *stat = found;
                        let sets_list = matches!(asked, Asked::Write(Op::SetAcl { .. }));
                        stat.aversion += u32::from(sets_list);
                    }
                    _ => {}
                }
                if let Done::Acl(acl, _) = &mut done {
                    *acl = only(Rights::ALL);
                }
                ended.result = Ok(done);
            });
            let breach = service.breaks(PROMISE, "was granted without the right to it");
            assert!(breach.explanation.starts_with(asked.function()));
        }
    }

    #[test]
    fn what_is_refused_with_the_right_is_a_breach() {
        for (asked, _) in asks() {
            let mut service = of_alice(Rights::ALL);
            ask(&mut service, 0, asked.clone()).unwrap();
            service.lie(0, |ended| ended.result = Err(Error::NoAuth));
            // Whoever is refused a read may have been ended.
            ask(&mut service, 0, Asked::Write(check("/"))).unwrap();
            let breach = service.breaks(PROMISE, "was refused with the right to it");
            assert!(breach.explanation.starts_with(asked.function()));
        }
    }

    #[test]
    fn the_list_is_shown_to_who_may_read_or_set_it_and_to_nobody_else() {
        for (rights, seen) in [
            (Rights::READ, true),
            (Rights::ADMIN, true),
            (Rights::WRITE, false),
        ] {
            let mut service = of_alice(rights);
            assert_eq!(service.read(0, What::Acl, "/a").is_ok(), seen);
            service.keeps(PROMISE);
        }
        // That it is shown is enough to know it.
        let mut service = Service::new(2, &["/a"]);
        service.read(1, What::Acl, "/a").unwrap();
        service.lie(0, |ended| {
            let Ok(Done::Acl(acl, stat)) = &mut ended.result else {
                unreachable!()
            };
            *acl = only(Rights::ALL);
            stat.aversion += 1;
        });
        service.breaks(PROMISE, "get-acl in s0.");
    }

    #[test]
    fn a_list_or_a_login_in_doubt_is_not_judged() {
        let mut service = of_alice(Rights::ALL);
        service.call(2, Asked::Write(login()));
        service.lose(2);
        service.write(1, check("/a")).unwrap_err();
        service.lie(0, |ended| ended.result = Ok(Done::Fine));
        service.keeps(PROMISE);
        let mut service = of_alice(Rights::ALL);
        service.call(2, Asked::Write(set_acl("/a", open_to_all())));
        service.lose(2);
        service.write(1, check("/a")).unwrap_err();
        service.lie(0, |ended| ended.result = Ok(Done::Fine));
        service.keeps(PROMISE);
        // Unless somebody sees later that it has not changed.
        service.read(0, What::Exists, "/a").unwrap();
        service.breaks(PROMISE, "check in");
    }

    #[test]
    fn auth_is_who_the_session_is() {
        let mut service = Service::new(2, &["/a"]);
        service.write(0, login()).unwrap();
        let (who, rights) = (Who::Auth, Rights::ALL);
        service
            .write(0, set_acl("/a", vec![Acl { who, rights }]))
            .unwrap();
        service.write(0, check("/a")).unwrap();
        service.write(1, check("/a")).unwrap_err();
        service.keeps(PROMISE);
        service.lie(0, |ended| ended.result = Ok(Done::Fine));
        service.breaks(PROMISE, "check in");
    }

    #[test]
    fn a_part_of_a_multi_needs_its_right_too() {
        let mut service = of_alice(Rights::ALL);
        let multi = || Op::Multi(vec![check("/"), set("/a", "x")]);
        service.write(1, multi()).unwrap_err();
        service.write(0, multi()).unwrap();
        // What a part before it makes of the list counts.
        let opens = Op::Multi(vec![set_acl("/a", open_to_all()), set("/a", "x")]);
        service.write(0, opens).unwrap();
        service.write(1, set("/a", "y")).unwrap();
        service.keeps(PROMISE);
        let mut service = of_alice(Rights::ALL);
        service.write(0, multi()).unwrap();
        let at = 1;
        let error = Box::new(Error::NoAuth);
        service.lie(0, |ended| ended.result = Err(Error::Multi { at, error }));
        service.breaks(PROMISE, "multi in");
    }
}
