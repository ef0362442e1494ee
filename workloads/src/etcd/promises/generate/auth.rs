//! Who may do what in the service that keeps all promises.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{
    AuthOp, Error, Identity, Keys, LeaseId, Op, Permission, Put, ROOT, Range, TxnOp,
};

/// See [the module](self).
#[derive(Clone, Debug)]
pub struct Auth {
    /// How often it was changed.
    pub revision: u64,
    /// Whether rights are looked at.
    pub is_enabled: bool,
    /// The users: passwords and roles.
    users: BTreeMap<String, (String, BTreeSet<String>)>,
    /// The roles: what they may do with which keys.
    roles: BTreeMap<String, Vec<(Keys, Permission)>>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            revision: 1,
            is_enabled: false,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl Auth {
    /// Whether somebody is who may ask anything at all: `None` while that does not matter.
    fn user<'i>(&self, identity: Option<&'i Identity>) -> Result<Option<&'i str>, Error> {
        if !self.is_enabled {
            return Ok(None);
        }
        let identity = identity.ok_or(Error::UserEmpty)?;
        match identity.auth_revision < self.revision {
            true => Err(Error::OldAuthRevision),
            false => Ok(Some(&identity.user)),
        }
    }

    /// Whether somebody may do something with all of these keys.
    fn may(&self, user: &str, keys: &Keys, wanted: Permission) -> bool {
        let Some((_, roles)) = self.users.get(user) else {
            return false;
        };
        if user == ROOT && roles.contains(ROOT) {
            return true;
        }
        let lists = roles.iter().filter_map(|role| self.roles.get(role));
        let given: Vec<&Keys> = lists
            .flatten()
            .filter(|(_, permission)| permission.allows(wanted))
            .map(|(keys, _)| keys)
            .collect();
        // Goes along the range as far as some permission leads.
        let Some(end) = &keys.range_end else {
            return given.iter().any(|given| given.hold(&keys.key));
        };
        let mut from = keys.key.clone();
        loop {
            let rest = Keys {
                key: from.clone(),
                range_end: Some(end.clone()),
            };
            if given.iter().any(|given| given.contain(&rest)) {
                return true;
            }
            let leads = given.iter().filter(|given| given.hold(&from));
            let next = leads.map(|given| match &given.range_end {
                Some(end) => end.clone(),
                None => format!("{from}\0"),
            });
            match next.max() {
                Some(next) if next > from => from = next,
                _ => return false,
            }
        }
    }

    fn demand(&self, user: &str, keys: &Keys, wanted: Permission) -> Result<(), Error> {
        match self.may(user, keys, wanted) {
            true => Ok(()),
            false => Err(Error::PermissionDenied),
        }
    }

    /// Whether somebody may read.
    ///
    /// # Errors
    /// Why not.
    pub fn allow_read(&self, identity: Option<&Identity>, keys: &Keys) -> Result<(), Error> {
        match self.user(identity)? {
            None => Ok(()),
            Some(user) => self.demand(user, keys, Permission::Read),
        }
    }

    /// Whether somebody may do this, where each lease has these keys.
    ///
    /// # Errors
    /// Why not.
    pub fn allow_op(
        &self,
        identity: Option<&Identity>,
        op: &Op,
        with_lease: impl Fn(LeaseId) -> Vec<String>,
    ) -> Result<(), Error> {
        let Some(user) = self.user(identity)? else {
            return Ok(());
        };
        let of_put = |put: &Put| {
            let keys = Keys::one(put.key.clone());
            self.demand(user, &keys, Permission::Write)?;
            if put.prev_kv {
                self.demand(user, &keys, Permission::Read)?;
            }
            for key in with_lease(put.lease) {
                self.demand(user, &Keys::one(key), Permission::Write)?;
            }
            Ok(())
        };
        let of_part = |part: &TxnOp| match part {
            TxnOp::Range(Range { keys, .. }) => self.demand(user, keys, Permission::Read),
            TxnOp::Put(put) => of_put(put),
            TxnOp::DeleteRange(delete) => {
                self.demand(user, &delete.keys, Permission::Write)?;
                match delete.prev_kv {
                    true => self.demand(user, &delete.keys, Permission::Read),
                    false => Ok(()),
                }
            }
        };
        match op {
            Op::Put(put) => of_put(put),
            Op::DeleteRange(delete) => of_part(&TxnOp::DeleteRange(delete.clone())),
            Op::Txn(txn) => {
                for compare in &txn.compare {
                    self.demand(user, &compare.keys, Permission::Read)?;
                }
                txn.success.iter().chain(&txn.failure).try_for_each(of_part)
            }
            Op::Revoke { lease } => with_lease(*lease)
                .into_iter()
                .try_for_each(|key| self.demand(user, &Keys::one(key), Permission::Write)),
            Op::Auth(_) => {
                let everything = Keys::from("");
                let roles = self.users.get(user).map(|(_, roles)| roles);
                let is_root = user == ROOT && roles.is_some_and(|roles| roles.contains(ROOT));
                match is_root && self.may(user, &everything, Permission::ReadWrite) {
                    true => Ok(()),
                    false => Err(Error::PermissionDenied),
                }
            }
            Op::Compact { .. } | Op::Grant { .. } => Ok(()),
        }
    }

    /// Somebody shows a password.
    ///
    /// # Errors
    /// When it is not the right one.
    pub fn authenticate(&self, user: &str, password: &str) -> Result<u64, Error> {
        if !self.is_enabled {
            return Err(Error::AuthNotEnabled);
        }
        match self.users.get(user) {
            Some((right, _)) if right == password => Ok(self.revision),
            _ => Err(Error::AuthFailed),
        }
    }

    /// Rights change.
    ///
    /// # Errors
    /// Why they do not.
    pub fn change(&mut self, op: &AuthOp) -> Result<(), Error> {
        match op {
            AuthOp::Enable => {
                let root = self.users.get(ROOT);
                if !root.is_some_and(|(_, roles)| roles.contains(ROOT)) {
                    return Err(Error::RootMissing);
                }
                self.is_enabled = true;
            }
            AuthOp::Disable => self.is_enabled = false,
            AuthOp::AddUser { user, password } => {
                if self.users.contains_key(user) {
                    return Err(Error::UserExists);
                }
                let new = (password.clone(), BTreeSet::new());
                self.users.insert(user.clone(), new);
            }
            AuthOp::DeleteUser { user } => {
                self.users.remove(user).ok_or(Error::UserNotFound)?;
            }
            AuthOp::AddRole { role } => {
                if self.roles.contains_key(role) {
                    return Err(Error::RoleExists);
                }
                self.roles.insert(role.clone(), Vec::new());
            }
            AuthOp::DeleteRole { role } => {
                self.roles.remove(role).ok_or(Error::RoleNotFound)?;
                for (_, roles) in self.users.values_mut() {
                    roles.remove(role);
                }
            }
            AuthOp::GrantRole { user, role } => {
                let (_, roles) = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                if !self.roles.contains_key(role) {
                    return Err(Error::RoleNotFound);
                }
                roles.insert(role.clone());
            }
            AuthOp::RevokeRole { user, role } => {
                let (_, roles) = self.users.get_mut(user).ok_or(Error::UserNotFound)?;
                if !roles.remove(role) {
                    return Err(Error::RoleNotGranted);
                }
            }
            AuthOp::GrantPermission {
                role,
                permission,
                keys,
            } => {
                let list = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                list.retain(|(own, _)| own != keys);
                list.push((keys.clone(), *permission));
            }
            AuthOp::RevokePermission { role, keys } => {
                let list = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                let before = list.len();
                list.retain(|(own, _)| own != keys);
                if list.len() == before {
                    return Err(Error::PermissionNotGranted);
                }
            }
        }
        self.revision += 1;
        Ok(())
    }
}
