//! Users, roles, and what they may do with which keys: part of the replicated state, and judged where a command is applied.

use super::store::Store;
use super::words::{
    Ask, AuthOp, Error, Identity, Keys, LeaseId, Op, Permission, Put, ROOT, Range, TO_THE_END, Txn,
    TxnOp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Auth {
    /// Whether it is looked at.
    pub enabled: bool,
    /// Grows by one with every change.
    pub revision: u64,
    users: BTreeMap<String, User>,
    roles: BTreeMap<String, Vec<Grant>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct User {
    /// As it was given. Here it only has to tell users apart.
    password: String,
    roles: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Grant {
    keys: Keys,
    permission: Permission,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            enabled: false,
            revision: 1,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl Auth {
    /// Whether whoever shows that password is that user. Gives the identity.
    ///
    /// # Errors
    /// When it is not, or nobody asks for identities.
    pub fn authenticate(&self, user: &str, password: &str) -> Result<u64, Error> {
        if !self.enabled {
            return Err(Error::AuthNotEnabled);
        }
        match self.users.get(user) {
            Some(known) if known.password == password => Ok(self.revision),
            _ => Err(Error::AuthFailed),
        }
    }

    /// Whether somebody may ask that of a store that holds this.
    ///
    /// # Errors
    /// Why not.
    pub fn permits(
        &self,
        as_user: Option<&Identity>,
        ask: &Ask,
        store: &Store,
    ) -> Result<(), Error> {
        // Nobody is anybody before that.
        if matches!(ask, Ask::Authenticate { .. }) {
            return Ok(());
        }
        let asker = match self.asker(as_user)? {
            None => return Ok(()),
            Some(asker) => asker,
        };
        match ask {
            Ask::Range(range) => asker.reads(range),
            Ask::Watch(watch) => asker.may(Permission::Read, &watch.keys),
            Ask::TimeToLive { lease } => asker.may_with_keys_of(*lease, Permission::Read, store),
            Ask::Write(op) => asker.writes(op, store),
            Ask::Snapshot => Err(Error::PermissionDenied),
            Ask::CancelWatch { .. }
            | Ask::Progress { .. }
            | Ask::KeepAlive { .. }
            | Ask::Authenticate { .. }
            | Ask::Manage(_) => Ok(()),
        }
    }

    /// Whether somebody may change a store that holds this.
    ///
    /// # Errors
    /// Why not.
    pub fn permits_write(
        &self,
        as_user: Option<&Identity>,
        op: &Op,
        store: &Store,
    ) -> Result<(), Error> {
        match self.asker(as_user)? {
            None => Ok(()),
            Some(asker) => asker.writes(op, store),
        }
    }

    /// Who asks, if that is looked at and not root.
    fn asker(&self, as_user: Option<&Identity>) -> Result<Option<Asker<'_>>, Error> {
        if !self.enabled {
            return Ok(None);
        }
        let identity = as_user.ok_or(Error::UserEmpty)?;
        if identity.auth_revision < self.revision {
            return Err(Error::OldAuthRevision);
        }
        let user = self.users.get(&identity.user);
        // Whoever is removed has an old revision. A member that is behind may not know a new user yet.
        let roles = &user.ok_or(Error::PermissionDenied)?.roles;
        Ok((!roles.contains(ROOT)).then_some(Asker { auth: self, roles }))
    }

    /// Changes who may do what.
    ///
    /// # Errors
    /// When there is not what it speaks of, or there is already.
    pub fn change(&mut self, op: &AuthOp) -> Result<u64, Error> {
        match op {
            AuthOp::Enable => {
                let root = self.users.get(ROOT);
                if !root.is_some_and(|root| root.roles.contains(ROOT)) {
                    return Err(Error::RootMissing);
                }
                self.enabled = true;
            }
            AuthOp::Disable => self.enabled = false,
            AuthOp::AddUser { user, password } => {
                if user.is_empty() {
                    return Err(Error::BadArguments);
                }
                if self.users.contains_key(user) {
                    return Err(Error::UserExists);
                }
                let password = password.clone();
                let roles = BTreeSet::new();
                self.users.insert(user.clone(), User { password, roles });
            }
            AuthOp::DeleteUser { user } => {
                // Whoever removes root locks everybody out.
                if self.enabled && user == ROOT {
                    return Err(Error::BadArguments);
                }
                self.users.remove(user).ok_or(Error::UserNotFound)?;
            }
            AuthOp::AddRole { role } => {
                if role.is_empty() {
                    return Err(Error::BadArguments);
                }
                if self.roles.contains_key(role) {
                    return Err(Error::RoleExists);
                }
                self.roles.insert(role.clone(), Vec::new());
            }
            AuthOp::DeleteRole { role } => {
                if self.enabled && role == ROOT {
                    return Err(Error::BadArguments);
                }
                self.roles.remove(role).ok_or(Error::RoleNotFound)?;
                for user in self.users.values_mut() {
                    user.roles.remove(role);
                }
            }
            AuthOp::GrantRole { user, role } => {
                let known = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                // The role `root` is there without having been made.
                if role != ROOT && !self.roles.contains_key(role) {
                    return Err(Error::RoleNotFound);
                }
                known.roles.insert(role.clone());
            }
            AuthOp::RevokeRole { user, role } => {
                if self.enabled && user == ROOT && role == ROOT {
                    return Err(Error::BadArguments);
                }
                let known = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                if !known.roles.remove(role) {
                    return Err(Error::RoleNotGranted);
                }
            }
            AuthOp::GrantPermission {
                role,
                permission,
                keys,
            } => {
                let grants = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                let (permission, keys) = (*permission, keys.clone());
                grants.retain(|grant| grant.keys != keys);
                grants.push(Grant { keys, permission });
                grants.sort();
            }
            AuthOp::RevokePermission { role, keys } => {
                let grants = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                let before = grants.len();
                grants.retain(|grant| grant.keys != *keys);
                if grants.len() == before {
                    return Err(Error::PermissionNotGranted);
                }
            }
        }
        self.revision += 1;
        Ok(self.revision)
    }
}

/// Somebody who is not root.
struct Asker<'a> {
    auth: &'a Auth,
    roles: &'a BTreeSet<String>,
}

impl Asker<'_> {
    /// Whether these keys, all of them, are among those with which it may do that: one grant may hold a part of them and another the rest.
    fn may(&self, wanted: Permission, keys: &Keys) -> Result<(), Error> {
        let roles = self.roles.iter();
        let grants = roles.filter_map(|role| self.auth.roles.get(role)).flatten();
        let allowing = grants.filter(|grant| grant.permission.allows(wanted));
        let mut allowed: Vec<&Keys> = allowing.map(|grant| &grant.keys).collect();
        if allowed.iter().any(|granted| granted.contain(keys)) {
            return Ok(());
        }
        // From the left to the right, as far as the grants reach.
        allowed.sort();
        let Some(end) = keys.range_end.as_deref() else {
            return Err(Error::PermissionDenied);
        };
        let mut reached = keys.key.clone();
        for granted in allowed {
            let Some(granted_end) = granted.range_end.as_deref() else {
                // A single key: the next one in order is the key with a zero behind it.
                if granted.key == reached {
                    reached.push('\0');
                }
                continue;
            };
            if granted.key > reached {
                continue;
            }
            if granted_end == TO_THE_END {
                return Ok(());
            }
            if granted_end > reached.as_str() {
                reached = granted_end.to_string();
            }
        }
        match end != TO_THE_END && reached.as_str() >= end {
            true => Ok(()),
            false => Err(Error::PermissionDenied),
        }
    }

    fn reads(&self, range: &Range) -> Result<(), Error> {
        self.may(Permission::Read, &range.keys)
    }

    fn puts(&self, put: &Put, store: &Store) -> Result<(), Error> {
        let keys = Keys::one(&put.key);
        self.may(Permission::Write, &keys)?;
        if put.prev_kv {
            self.may(Permission::Read, &keys)?;
        }
        match put.lease {
            0 => Ok(()),
            lease => self.may_with_keys_of(lease, Permission::Write, store),
        }
    }

    fn deletes(&self, keys: &Keys, prev_kv: bool) -> Result<(), Error> {
        self.may(Permission::Write, keys)?;
        match prev_kv {
            true => self.may(Permission::Read, keys),
            false => Ok(()),
        }
    }

    fn may_with_keys_of(
        &self,
        lease: LeaseId,
        wanted: Permission,
        store: &Store,
    ) -> Result<(), Error> {
        let mut keys = store.keys_of(lease);
        keys.try_for_each(|key| self.may(wanted, &Keys::one(key)))
    }

    fn writes(&self, op: &Op, store: &Store) -> Result<(), Error> {
        match op {
            Op::Put(put) => self.puts(put, store),
            Op::DeleteRange(delete) => self.deletes(&delete.keys, delete.prev_kv),
            Op::Txn(txn) => self.transacts(txn, store),
            Op::Revoke { lease } => self.may_with_keys_of(*lease, Permission::Write, store),
            Op::Compact { .. } | Op::Grant { .. } => Ok(()),
            Op::Auth(_) => Err(Error::PermissionDenied),
        }
    }

    /// All that a transaction may turn out to do.
    fn transacts(&self, txn: &Txn, store: &Store) -> Result<(), Error> {
        for compare in &txn.compare {
            self.may(Permission::Read, &compare.keys)?;
        }
        for op in txn.success.iter().chain(&txn.failure) {
            match op {
                TxnOp::Range(range) => self.reads(range)?,
                TxnOp::Put(put) => self.puts(put, store)?,
                TxnOp::DeleteRange(delete) => self.deletes(&delete.keys, delete.prev_kv)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(auth: &mut Auth, op: AuthOp) {
        auth.change(&op).unwrap();
    }

    /// Ann has a role that may read `[a, c)` and the key `c`, and write `[c, f)`.
    fn guarded() -> Auth {
        let mut auth = Auth::default();
        for user in [ROOT, "ann"] {
            let (user, password) = (user.to_string(), "pw".to_string());
            changed(&mut auth, AuthOp::AddUser { user, password });
        }
        let grant = |user: &str, role: &str| AuthOp::GrantRole {
            user: user.to_string(),
            role: role.to_string(),
        };
        let role = "r".to_string();
        changed(&mut auth, AuthOp::AddRole { role: role.clone() });
        changed(&mut auth, grant(ROOT, ROOT));
        changed(&mut auth, grant("ann", "r"));
        for (permission, key, range_end) in [
            (Permission::Read, "a", Some("c")),
            (Permission::Read, "c", None),
            (Permission::Read, "c\0", Some("d")),
            (Permission::Write, "c", Some("f")),
        ] {
            let (key, range_end) = (key.to_string(), range_end.map(str::to_string));
            let keys = Keys { key, range_end };
            let role = role.clone();
            changed(
                &mut auth,
                AuthOp::GrantPermission {
                    role,
                    permission,
                    keys,
                },
            );
        }
        changed(&mut auth, AuthOp::Enable);
        auth
    }

    fn asks(auth: &Auth, user: &str, ask: Ask) -> Result<(), Error> {
        let identity = Identity {
            user: user.to_string(),
            auth_revision: auth.authenticate(user, "pw")?,
        };
        auth.permits(Some(&identity), &ask, &Store::default())
    }

    fn read(key: &str, end: &str) -> Ask {
        let (key, range_end) = (key.to_string(), Some(end.to_string()));
        Ask::Range(Range::of(Keys { key, range_end }))
    }

    fn put(key: &str, prev_kv: bool) -> Ask {
        let (key, value) = (key.to_string(), String::new());
        let lease = 0;
        Ask::Write(Op::Put(Put {
            key,
            value,
            lease,
            prev_kv,
        }))
    }

    #[test]
    fn several_grants_together_cover_a_range() {
        let auth = guarded();
        let denied = Err(Error::PermissionDenied);
        assert_eq!(asks(&auth, "ann", read("a", "c")), Ok(()));
        assert_eq!(asks(&auth, "ann", read("b", "d")), Ok(()));
        assert_eq!(asks(&auth, "ann", read("b", "d1")), denied);
        assert_eq!(asks(&auth, "ann", read("a", TO_THE_END)), denied);
        assert_eq!(asks(&auth, "ann", put("c", true)), Ok(()));
        assert_eq!(asks(&auth, "ann", put("e", false)), Ok(()));
        assert_eq!(asks(&auth, "ann", put("e", true)), denied);
        assert_eq!(asks(&auth, "ann", put("a", false)), denied);
        assert_eq!(asks(&auth, ROOT, put("a", true)), Ok(()));
    }

    #[test]
    fn an_identity_is_worth_nothing_once_rights_have_changed() {
        let mut auth = guarded();
        let identity = Identity {
            user: "ann".to_string(),
            auth_revision: auth.revision,
        };
        let asks = |auth: &Auth, identity| {
            let identity: Option<&Identity> = identity;
            auth.permits(identity, &put("c", false), &Store::default())
        };
        assert_eq!(asks(&auth, Some(&identity)), Ok(()));
        assert_eq!(asks(&auth, None), Err(Error::UserEmpty));
        let (user, password) = ("ann".to_string(), "pw".to_string());
        let login = Ask::Authenticate { user, password };
        assert_eq!(auth.permits(None, &login, &Store::default()), Ok(()));
        let role = "other".to_string();
        changed(&mut auth, AuthOp::AddRole { role });
        assert_eq!(asks(&auth, Some(&identity)), Err(Error::OldAuthRevision));
        changed(&mut auth, AuthOp::Disable);
        assert_eq!(asks(&auth, None), Ok(()));
    }

    #[test]
    fn rights_are_looked_at_only_where_root_can_change_them() {
        let mut auth = Auth::default();
        assert_eq!(auth.change(&AuthOp::Enable), Err(Error::RootMissing));
        assert_eq!(auth.revision, 1, "what fails changes nothing");
        let mut auth = guarded();
        let (user, role) = (ROOT.to_string(), ROOT.to_string());
        let unroot = AuthOp::RevokeRole { user, role };
        assert_eq!(auth.change(&unroot), Err(Error::BadArguments));
    }
}
