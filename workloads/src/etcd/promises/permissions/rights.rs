//! Who may do what at one auth revision, as the documentation has it.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{AuthOp, Error, Keys, Permission, ROOT, TO_THE_END};

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    Yes,
    No,
    /// The documentation does not say.
    Perhaps,
}

impl Sure {
    pub(super) fn can_be(self, so: bool) -> bool {
        match self {
            Sure::Yes => so,
            Sure::No => !so,
            Sure::Perhaps => true,
        }
    }

    pub(super) fn and(self, other: Sure) -> Sure {
        match (self, other) {
            (Sure::No, _) | (_, Sure::No) => Sure::No,
            (Sure::Yes, Sure::Yes) => Sure::Yes,
            _ => Sure::Perhaps,
        }
    }
}

impl From<bool> for Sure {
    fn from(so: bool) -> Self {
        if so { Sure::Yes } else { Sure::No }
    }
}

/// See [the module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) are_looked_at: bool,
    passwords: BTreeMap<String, String>,
    roles_of: BTreeMap<String, BTreeSet<String>>,
    /// What each role may do with which keys.
    roles: BTreeMap<String, BTreeMap<Keys, Permission>>,
}

impl Rights {
    pub(super) fn is_password(&self, user: &str, password: &str) -> bool {
        self.passwords.get(user).is_some_and(|own| own == password)
    }

    fn has_role(&self, user: &str, role: &str) -> bool {
        let roles = self.roles_of.get(user);
        roles.is_some_and(|roles| roles.contains(role))
    }

    /// Whether a user may do everything. Of others than root that have its role it is not said.
    pub(super) fn is_root(&self, user: &str) -> Sure {
        match (self.has_role(user, ROOT), user == ROOT) {
            (false, _) => Sure::No,
            (true, true) => Sure::Yes,
            (true, false) => Sure::Perhaps,
        }
    }

    /// Whether a user may do something with all of these keys.
    pub(super) fn may(&self, user: &str, keys: &Keys, wanted: Permission) -> Sure {
        let as_root = self.is_root(user);
        if as_root == Sure::Yes {
            return Sure::Yes;
        }
        let roles = self.roles_of.get(user).into_iter().flatten();
        let given = roles.filter_map(|role| self.roles.get(role)).flatten();
        let given = given.filter(|(_, permission)| permission.allows(wanted));
        match covered(keys, given.map(|(keys, _)| keys)) {
            true => Sure::Yes,
            false => as_root,
        }
    }

    /// What becomes of a change by itself.
    pub(super) fn change(&self, op: &AuthOp) -> Result<Rights, Error> {
        let mut next = self.clone();
        let has_user = |user: &String| match self.passwords.contains_key(user) {
            true => Ok(()),
            false => Err(Error::UserNotFound),
        };
        // Whether the role of root must be made first is not said.
        let has_role = |role: &String| match self.roles.contains_key(role) || role == ROOT {
            true => Ok(()),
            false => Err(Error::RoleNotFound),
        };
        match op {
            AuthOp::Enable if self.is_root(ROOT) != Sure::Yes => return Err(Error::RootMissing),
            AuthOp::Enable => next.are_looked_at = true,
            AuthOp::Disable => next.are_looked_at = false,
            AuthOp::AddUser { user, password } => {
                if has_user(user).is_ok() {
                    return Err(Error::UserExists);
                }
                next.passwords.insert(user.clone(), password.clone());
            }
            AuthOp::DeleteUser { user } => {
                has_user(user)?;
                next.passwords.remove(user);
                next.roles_of.remove(user);
            }
            AuthOp::AddRole { role } => {
                if self.roles.contains_key(role) {
                    return Err(Error::RoleExists);
                }
                next.roles.insert(role.clone(), BTreeMap::new());
            }
            AuthOp::DeleteRole { role } => {
                has_role(role)?;
                next.roles.remove(role);
                for roles in next.roles_of.values_mut() {
                    roles.remove(role);
                }
            }
            AuthOp::GrantRole { user, role } => {
                has_user(user)?;
                has_role(role)?;
                let roles = next.roles_of.entry(user.clone()).or_default();
                roles.insert(role.clone());
            }
            AuthOp::RevokeRole { user, role } => {
                has_user(user)?;
                if !self.has_role(user, role) {
                    return Err(Error::RoleNotGranted);
                }
                next.roles_of.entry(user.clone()).or_default().remove(role);
            }
            AuthOp::GrantPermission {
                role,
                permission,
                keys,
            } => {
                has_role(role)?;
                let list = next.roles.entry(role.clone()).or_default();
                list.insert(keys.clone(), *permission);
            }
            AuthOp::RevokePermission { role, keys } => {
                has_role(role)?;
                let list = next.roles.entry(role.clone()).or_default();
                if list.remove(keys).is_none() {
                    return Err(Error::PermissionNotGranted);
                }
            }
        }
        Ok(next)
    }
}

/// Whether some ranges together hold all of another.
fn covered<'k>(keys: &Keys, given: impl Iterator<Item = &'k Keys>) -> bool {
    let end = |keys: &Keys| match keys.range_end.as_deref() {
        None => Some(format!("{}\0", keys.key)),
        Some(TO_THE_END) => None,
        Some(end) => Some(end.to_string()),
    };
    let mut given: Vec<(&str, Option<String>)> = given
        .map(|given| (given.key.as_str(), end(given)))
        .collect();
    given.sort();
    let wanted = end(keys);
    // All up to here is covered.
    let mut reach = keys.key.clone();
    for (from, to) in given {
        let is_done = wanted.as_ref().is_some_and(|wanted| reach >= *wanted);
        if is_done || from > reach.as_str() {
            break;
        }
        match to {
            None => return true,
            Some(to) => reach = reach.max(to),
        }
    }
    wanted.is_some_and(|wanted| reach >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Keys {
        Keys {
            key: from.to_string(),
            range_end: Some(to.to_string()),
        }
    }

    #[test]
    fn ranges_together_hold_what_none_of_them_holds_alone() {
        let given = [
            span("a", "c"),
            span("e", "g"),
            span("c", "e"),
            Keys::one("x"),
        ];
        let holds = |keys: &Keys| covered(keys, given.iter());
        assert!(holds(&span("b", "f")) && holds(&span("a", "g")) && holds(&Keys::one("d")));
        assert!(holds(&Keys::one("x")) && !holds(&Keys::one("y")));
        assert!(!holds(&span("b", "h")) && !holds(&span("0", "b")) && !holds(&Keys::from("a")));
        assert!(covered(&Keys::from("z"), [Keys::from("y")].iter()));
        assert!(!covered(&Keys::one("a"), [].iter()));
    }

    #[test]
    fn a_change_does_what_it_says_or_says_why_not() {
        let user = || "ann".to_string();
        let role = || "r".to_string();
        let rights = Rights::default();
        let grant = AuthOp::GrantRole {
            user: user(),
            role: role(),
        };
        assert_eq!(rights.change(&AuthOp::Enable), Err(Error::RootMissing));
        assert_eq!(rights.change(&grant), Err(Error::UserNotFound));
        let password = "p".to_string();
        let add = AuthOp::AddUser {
            user: user(),
            password,
        };
        let rights = rights.change(&add).unwrap();
        assert_eq!(rights.change(&add), Err(Error::UserExists));
        assert!(rights.is_password("ann", "p") && !rights.is_password("ann", "q"));
        assert_eq!(rights.change(&grant), Err(Error::RoleNotFound));
        let rights = rights.change(&AuthOp::AddRole { role: role() }).unwrap();
        let permit = AuthOp::GrantPermission {
            role: role(),
            permission: Permission::Read,
            keys: Keys::one("k"),
        };
        let rights = rights.change(&permit).unwrap().change(&grant).unwrap();
        assert_eq!(
            rights.may("ann", &Keys::one("k"), Permission::Read),
            Sure::Yes
        );
        assert_eq!(
            rights.may("ann", &Keys::one("k"), Permission::Write),
            Sure::No
        );
        let gone = rights.change(&AuthOp::DeleteRole { role: role() }).unwrap();
        assert_eq!(gone.may("ann", &Keys::one("k"), Permission::Read), Sure::No);
    }
}
