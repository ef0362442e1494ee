//! Nobody does what it has no right to, and nobody is refused who has.
//!
//! > Roles are granted access to a single key or a range of keys. Access can be granted as either read, write, or both.
//! >
//! > *etcd documentation*, Role-based access control, abridged
//!
//! Changes of rights are numbered by the auth revisions that they make, so that the rights at each are known, as far as these changes are. An operation took
//! place at one of them: not before what had been shown when it was called, not after what was asked for only later; and what made a revision of the store
//! came after all changes of rights at older ones. Its answer must be right at one of these. What somebody showed a password for is worth nothing once rights
//! have changed. Serializable reads and watches are judged by the rights that their member has, and these may be old: as old as the revision of the answer.
//!
//! Counterexample: the right to write `k` is taken from `ann`, which is answered; after that `ann` sets `k`.

mod changes;
mod needs;
mod rights;

use super::ground::Ground;
use super::story::Deed;
use super::{Breach, Promise};
use changes::{Changes, change, login};
use needs::Needs;
use rights::{Rights, Sure};
use stormglass_impls::etcd::words::{AuthOp, Done, Error, Identity};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "permissions",
    quote: "\"Roles are granted access to a single key or a range of keys\" (etcd documentation, Role-based access control)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let deeds = &ground.story.deeds;
    let is_refused = |deed: &Deed| {
        let error = deed.error();
        error.is_some_and(|error| {
            matches!(
                error,
                Error::PermissionDenied | Error::UserEmpty | Error::OldAuthRevision
            )
        })
    };
    let is_plain =
        |deed: &Deed| change(deed).is_none() && login(deed).is_none() && !is_refused(deed);
    if deeds.iter().all(is_plain) {
        return Ok(());
    }
    let changes = Changes::of(ground.story);
    changes.each_was_made()?;
    for deed in deeds {
        if deed.ended.is_none() || deed.request().is_none() {
            continue;
        }
        numbered(deed, &changes)?;
        let when = match (change(deed), deed.done()) {
            // It took place right before the auth revision that it made.
            (Some(_), Some(Done::Auth { auth_revision })) => {
                let before = auth_revision.saturating_sub(1);
                before..=before
            }
            // A login says at which it took place.
            (_, Some(Done::Auth { auth_revision })) => {
                let when = changes.when(deed);
                if !when.contains(auth_revision) {
                    return wrong(deed, &changes, *when.start(), *when.end());
                }
                *auth_revision..=*auth_revision
            }
            _ => changes.when(deed),
        };
        let mut possible = when.clone();
        let is_right = possible.any(|auth_revision| match changes.at(auth_revision) {
            None => !changes.are_looked_at() || is_in_time(auth_revision, deed),
            Some(all) => all
                .iter()
                .any(|rights| explains(rights, auth_revision, deed)),
        });
        if !is_right {
            return wrong(deed, &changes, *when.start(), *when.end());
        }
    }
    Ok(())
}

/// Each change of rights has its number, and a later one than anybody was shown before it was called.
fn numbered(deed: &Deed, changes: &Changes<'_>) -> Result<(), Breach> {
    let (Some(_), Some(Done::Auth { auth_revision })) = (change(deed), deed.done()) else {
        return Ok(());
    };
    let (floor, by) = changes.floors[deed.id];
    if *auth_revision <= floor.max(1) {
        let said = format!(
            "A change of rights made auth revision {auth_revision}, and {} had been shown before it was called.",
            floor.max(1)
        );
        return Breach::of([by, deed.id], said);
    }
    let first = changes.made.get(auth_revision).map(|(by, _)| *by);
    match first.filter(|first| *first != deed.id) {
        None => Ok(()),
        Some(first) => {
            let said = format!("Two changes of rights both made auth revision {auth_revision}.");
            Breach::of([first, deed.id], said)
        }
    }
}

fn wrong(deed: &Deed, changes: &Changes<'_>, from: u64, to: u64) -> Result<(), Breach> {
    let result = match (deed.done(), deed.error()) {
        (Some(_), _) => "was done".to_string(),
        (_, Some(error)) => format!("was refused ({error:?})"),
        (None, None) => String::new(),
    };
    let identity = deed.request().and_then(|request| request.as_user.as_ref());
    let who = match identity {
        Some(identity) => format!(" by {identity:?}"),
        None => String::new(),
    };
    let when = match from == to {
        true => format!("at auth revision {from}"),
        false => format!("at any auth revision from {from} to {to}"),
    };
    let said = format!(
        "A {}{who} {result}, and cannot have been {when}.",
        deed.asked.function()
    );
    let made = changes.made.range(from.min(to)..=to).next_back();
    let before = changes.made.range(..=from).next_back();
    let known = made.into_iter().chain(before);
    Breach::of(known.map(|(_, (by, _))| *by).chain([deed.id]), said)
}

/// Whether what came of an operation can have come of it whatever the rights were, as long as they are looked at: who shows something old is served nothing.
fn is_in_time(auth_revision: u64, deed: &Deed) -> bool {
    let request = deed.request();
    let needs = request.and_then(|request| Needs::of(&request.ask));
    let (Some(request), Some(_)) = (request, needs) else {
        return true;
    };
    let identity = request.as_user.as_ref();
    let is_valid = identity.is_some_and(|identity| identity.auth_revision >= auth_revision);
    match deed.error() {
        None | Some(Error::PermissionDenied) => is_valid,
        Some(Error::OldAuthRevision) => identity.is_some() && !is_valid,
        Some(Error::UserEmpty) => identity.is_none(),
        Some(_) => true,
    }
}

/// Whether these rights explain what came of an operation.
fn explains(rights: &Rights, auth_revision: u64, deed: &Deed) -> bool {
    let Some(request) = deed.request() else {
        return true;
    };
    if let Some((user, password)) = login(deed) {
        return logs_in(rights, deed, user, password);
    }
    let Some(needs) = Needs::of(&request.ask) else {
        return true;
    };
    let identity = request.as_user.as_ref();
    let is_old = |identity: &Identity| identity.auth_revision < auth_revision;
    let is_valid = identity.filter(|identity| !is_old(identity));
    match deed.error() {
        None => {
            let may = match is_valid {
                _ if !rights.are_looked_at => Sure::Yes,
                None => Sure::No,
                Some(identity) => needs.granted(rights, &identity.user),
            };
            let does = change(deed).is_none_or(|op| rights.change(op).is_ok());
            may.can_be(true) && does
        }
        Some(Error::PermissionDenied) => {
            let granted = is_valid.map(|identity| needs.granted(rights, &identity.user));
            rights.are_looked_at && granted.is_some_and(|granted| granted.can_be(false))
        }
        Some(Error::OldAuthRevision) => rights.are_looked_at && identity.is_some_and(is_old),
        Some(Error::UserEmpty) => rights.are_looked_at && identity.is_none(),
        // Of several reasons to refuse a change of rights any may be given.
        Some(error) => match change(deed) {
            Some(op) => refuses(rights, op, error),
            None => true,
        },
    }
}

fn refuses(rights: &Rights, op: &AuthOp, error: &Error) -> bool {
    let of_rights = matches!(
        error,
        Error::RootMissing
            | Error::UserExists
            | Error::UserNotFound
            | Error::RoleExists
            | Error::RoleNotFound
            | Error::RoleNotGranted
            | Error::PermissionNotGranted
    );
    !of_rights || rights.change(op).is_err()
}

fn logs_in(rights: &Rights, deed: &Deed, user: &str, password: &str) -> bool {
    let is_right = rights.is_password(user, password);
    match deed.error() {
        None => rights.are_looked_at && is_right,
        Some(Error::AuthFailed) => rights.are_looked_at && !is_right,
        Some(Error::AuthNotEnabled) => !rights.are_looked_at,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::PROMISE;
    use crate::etcd::dialect::Ended;
    use crate::etcd::promises::reference::{Service, put};
    use stormglass_impls::etcd::words::{
        Ask, AuthOp, Done, Error, Keys, Op, Permission, ROOT, Revision,
    };

    fn name(name: &str) -> String {
        name.to_string()
    }

    fn permit(keys: Keys) -> Op {
        Op::Auth(AuthOp::GrantPermission {
            role: name("r"),
            permission: Permission::ReadWrite,
            keys,
        })
    }

    fn forbid(keys: Keys) -> Op {
        let role = name("r");
        Op::Auth(AuthOp::RevokePermission { role, keys })
    }

    /// Client 0 is root, client 1 is ann, who may read and write `a`; that is auth revision 9.
    fn guarded() -> Service {
        let mut service = Service::new(3);
        let user = |user: &str| AuthOp::AddUser {
            user: name(user),
            password: name("p"),
        };
        let role = |role: &str| AuthOp::AddRole { role: name(role) };
        let grant = |user: &str, role: &str| AuthOp::GrantRole {
            user: name(user),
            role: name(role),
        };
        let ops = [
            user(ROOT),
            role(ROOT),
            grant(ROOT, ROOT),
            user("ann"),
            role("r"),
            grant("ann", "r"),
        ];
        for op in ops {
            service.write(0, Op::Auth(op)).unwrap();
        }
        service.write(0, permit(Keys::one("a"))).unwrap();
        service.write(0, Op::Auth(AuthOp::Enable)).unwrap();
        service.is(0, ROOT, 9);
        service.is(1, "ann", 9);
        service
    }

    #[test]
    fn who_has_the_right_is_served_and_who_has_not_is_refused() {
        let mut service = guarded();
        service.put(1, "a", "1");
        assert!(service.write(1, put("b", "1", 0)).is_err());
        assert!(service.write(2, put("a", "1", 0)).is_err());
        service.write(0, forbid(Keys::one("a"))).unwrap();
        let old = service.write(1, put("a", "2", 0));
        assert_eq!(old, Err(Error::OldAuthRevision));
        service.is(1, "ann", 10);
        let denied = service.write(1, put("a", "2", 0));
        assert_eq!(denied, Err(Error::PermissionDenied));
        service.keeps(PROMISE);
    }

    fn done(ended: &mut Ended) {
        ended.result = Ok(Done::Put { prev_kv: None });
        ended.revision += 1;
    }

    #[test]
    fn who_is_served_without_the_right_is_a_breach() {
        let mut service = guarded();
        assert!(service.write(1, put("b", "1", 0)).is_err());
        service.lie(0, done);
        service.breaks(PROMISE, "was done, and cannot have been at auth revision 9");
        let mut service = guarded();
        assert!(service.write(2, put("a", "1", 0)).is_err());
        service.lie(0, done);
        service.breaks(PROMISE, "was done");
    }

    #[test]
    fn what_was_shown_before_rights_changed_is_worth_nothing() {
        let mut service = guarded();
        service.write(0, permit(Keys::one("c"))).unwrap();
        assert!(service.write(1, put("a", "1", 0)).is_err());
        service.keeps(PROMISE);
        service.lie(0, done);
        service.breaks(
            PROMISE,
            "was done, and cannot have been at auth revision 10",
        );
    }

    #[test]
    fn who_is_refused_with_the_right_is_a_breach() {
        for error in [
            Error::PermissionDenied,
            Error::OldAuthRevision,
            Error::UserEmpty,
        ] {
            let mut service = guarded();
            service.put(1, "a", "1");
            service.lie(0, |ended| ended.result = Err(error));
            service.breaks(PROMISE, "was refused");
        }
    }

    #[test]
    fn who_is_refused_where_nobody_looks_at_rights_is_a_breach() {
        let mut service = Service::new(1);
        service.put(0, "a", "1");
        service.lie(0, |ended| ended.result = Err(Error::UserEmpty));
        service.breaks(PROMISE, "was refused");
    }

    #[test]
    fn a_change_of_rights_of_unknown_outcome_may_have_been_made() {
        let mut service = guarded();
        service.call(0, Ask::Write(permit(Keys::one("b"))));
        service.apply(0);
        service.lose(0);
        assert!(service.write(1, put("a", "1", 0)).is_err());
        service.is(1, "ann", 10);
        service.write(1, put("b", "1", 0)).unwrap();
        service.keeps(PROMISE);
        service.is(0, ROOT, 10);
        service.write(0, forbid(Keys::one("b"))).unwrap();
        service.is(1, "ann", 11);
        assert!(service.write(1, put("b", "1", 0)).is_err());
        service.keeps(PROMISE);
        service.lie(0, done);
        service.breaks(PROMISE, "was done");
    }

    #[test]
    fn a_password_opens_and_another_does_not() {
        let mut service = guarded();
        let login = |password: &str| Ask::Authenticate {
            user: name("ann"),
            password: name(password),
        };
        service.ask(2, login("p")).unwrap();
        assert!(service.ask(2, login("q")).is_err());
        service.keeps(PROMISE);
        service.lie(0, |ended| {
            ended.result = Ok(Done::Auth { auth_revision: 9 })
        });
        service.breaks(
            PROMISE,
            "an authenticate was done".trim_start_matches("an "),
        );
    }

    /// Reads `a` at a member that has come to a revision, where that is allowed, whatever the rights are now.
    fn local(service: &mut Service, at: Revision) {
        service.get_local(1, Keys::one("a"), at);
    }

    #[test]
    fn a_member_that_is_behind_judges_by_old_rights_and_no_other_does() {
        let mut service = guarded();
        service.put(1, "a", "1");
        service.write(0, forbid(Keys::one("a"))).unwrap();
        service.is(0, ROOT, 10);
        service.put(0, "b", "2");
        local(&mut service, 2);
        service.keeps(PROMISE);
        local(&mut service, 3);
        service.breaks(
            PROMISE,
            "was done, and cannot have been at auth revision 10",
        );
        let mut service = guarded();
        service.write(0, forbid(Keys::one("a"))).unwrap();
        service.is(0, ROOT, 10);
        service.put(0, "b", "2");
        service.watch(1, 1, Keys::one("a"), 0);
        service.breaks(PROMISE, "a watch".trim_start_matches("a "));
    }

    #[test]
    fn a_login_that_is_old_is_a_breach() {
        let mut service = guarded();
        let user = name("ann");
        service
            .write(0, Op::Auth(AuthOp::DeleteUser { user }))
            .unwrap();
        let (user, password) = (name("ann"), name("p"));
        let login = service.ask(1, Ask::Authenticate { user, password });
        assert_eq!(login, Err(Error::AuthFailed));
        service.keeps(PROMISE);
        service.lie(0, |ended| {
            ended.result = Ok(Done::Auth { auth_revision: 9 })
        });
        service.breaks(PROMISE, "cannot have been at auth revision 10");
    }

    /// Root asks for the right to a key, and never hears of it.
    fn lose_permit(service: &mut Service, key: &str, is_made: bool) {
        service.call(0, Ask::Write(permit(Keys::one(key))));
        if is_made {
            service.apply(0);
        }
        service.lose(0);
    }

    #[test]
    fn what_was_asked_for_later_made_no_earlier_revision() {
        let mut service = guarded();
        lose_permit(&mut service, "y", true);
        service.is(0, ROOT, 10);
        service.write(0, forbid(Keys::one("a"))).unwrap();
        service.is(1, "ann", 11);
        assert!(service.write(1, put("a", "1", 0)).is_err());
        service.lie(0, done);
        for number in 0..40 {
            lose_permit(&mut service, &format!("z{number}"), false);
        }
        service.breaks(
            PROMISE,
            "was done, and cannot have been at auth revision 11",
        );
    }

    #[test]
    fn a_change_of_unknown_outcome_is_made_once() {
        let mut service = guarded();
        for number in 0..7 {
            lose_permit(&mut service, &format!("y{number}"), number == 0);
        }
        service.is(0, ROOT, 10);
        service.write(0, permit(Keys::one("q"))).unwrap();
        service.is(0, ROOT, 11);
        lose_permit(&mut service, "y7", true);
        service.is(0, ROOT, 12);
        service.write(0, forbid(Keys::one("a"))).unwrap();
        service.is(1, "ann", 13);
        assert!(service.write(1, put("a", "1", 0)).is_err());
        service.keeps(PROMISE);
        service.lie(0, done);
        service.breaks(PROMISE, "was done");
        // With one more that nobody can have made.
        let mut service = guarded();
        lose_permit(&mut service, "y", true);
        service.is(0, ROOT, 10);
        service.write(0, permit(Keys::one("q"))).unwrap();
        service.keeps(PROMISE);
        service.lie(0, |ended| {
            ended.result = Ok(Done::Auth { auth_revision: 12 })
        });
        service.breaks(PROMISE, "Auth revision 11 is there");
    }

    #[test]
    fn two_changes_of_one_number_are_a_breach() {
        let mut service = guarded();
        service.write(0, permit(Keys::one("c"))).unwrap();
        service.lie(0, |ended| {
            ended.result = Ok(Done::Auth { auth_revision: 9 })
        });
        service.breaks(PROMISE, "made auth revision 9");
    }
}
