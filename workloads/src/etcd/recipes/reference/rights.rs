//! Who may do what, in the service of one member.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{
    Ask, AuthOp, Done, Error, Identity, Keys, Op, Permission, Put, ROOT, Request, TxnOp,
};

/// Users, roles, and what these may do.
#[derive(Default)]
pub(super) struct Rights {
    enabled: bool,
    /// How often they have changed, without the first time.
    changed: u64,
    users: BTreeMap<String, (String, BTreeSet<String>)>,
    roles: BTreeMap<String, BTreeMap<Keys, Permission>>,
}

impl Rights {
    fn revision(&self) -> u64 {
        self.changed + 1
    }

    pub(super) fn authenticate(&self, user: &str, password: &str) -> Result<Done, Error> {
        if !self.enabled {
            return Err(Error::AuthNotEnabled);
        }
        match self.users.get(user) {
            Some((known, _)) if known == password => Ok(Done::Auth {
                auth_revision: self.revision(),
            }),
            _ => Err(Error::AuthFailed),
        }
    }

    pub(super) fn change(&mut self, op: &AuthOp) -> Result<Done, Error> {
        match op {
            AuthOp::Enable => {
                let root = self.users.get(ROOT).ok_or(Error::RootMissing)?;
                if !root.1.contains(ROOT) {
                    return Err(Error::RootMissing);
                }
                self.enabled = true;
            }
            AuthOp::Disable => self.enabled = false,
            AuthOp::AddUser { user, password } => {
                if self.users.contains_key(user) {
                    return Err(Error::UserExists);
                }
                let added = (password.clone(), BTreeSet::new());
                self.users.insert(user.clone(), added);
            }
            AuthOp::DeleteUser { user } => {
                self.users.remove(user).ok_or(Error::UserNotFound)?;
            }
            AuthOp::AddRole { role } => {
                if self.roles.contains_key(role) {
                    return Err(Error::RoleExists);
                }
                self.roles.insert(role.clone(), BTreeMap::new());
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
                let known = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                known.insert(keys.clone(), *permission);
            }
            AuthOp::RevokePermission { role, keys } => {
                let known = self.roles.get_mut(role).ok_or(Error::RoleNotFound)?;
                known.remove(keys).ok_or(Error::PermissionNotGranted)?;
            }
        }
        self.changed += 1;
        Ok(Done::Auth {
            auth_revision: self.revision(),
        })
    }

    /// Whether somebody may ask that, who meets these keys of a lease.
    pub(super) fn permit(&self, request: &Request, met: &[String]) -> Result<(), Error> {
        let free = matches!(
            request.ask,
            Ask::Authenticate { .. } | Ask::KeepAlive { .. }
        );
        if !self.enabled || free {
            return Ok(());
        }
        let identity = request.as_user.as_ref().ok_or(Error::UserEmpty)?;
        if identity.auth_revision < self.revision() {
            return Err(Error::OldAuthRevision);
        }
        let may = |keys: &Keys, wanted| self.may(identity, keys, wanted);
        let with_all = |wanted| met.iter().all(|key| may(&Keys::one(key), wanted));
        let puts = |put: &Put| {
            let own = Keys::one(put.key.clone());
            let reads = !put.prev_kv || may(&own, Permission::Read);
            may(&own, Permission::Write) && reads
        };
        let parts = |part: &TxnOp| match part {
            TxnOp::Range(range) => may(&range.keys, Permission::Read),
            TxnOp::Put(put) => puts(put),
            TxnOp::DeleteRange(delete) => may(&delete.keys, Permission::Write),
        };
        let permitted = match &request.ask {
            Ask::Range(range) => may(&range.keys, Permission::Read),
            Ask::Watch(watch) => may(&watch.keys, Permission::Read),
            Ask::TimeToLive { .. } => with_all(Permission::Read),
            Ask::Write(Op::Put(put)) => puts(put) && with_all(Permission::Write),
            Ask::Write(Op::Revoke { .. }) => with_all(Permission::Write),
            Ask::Write(Op::DeleteRange(delete)) => {
                let reads = !delete.prev_kv || may(&delete.keys, Permission::Read);
                may(&delete.keys, Permission::Write) && reads
            }
            Ask::Write(Op::Txn(txn)) => {
                let mut compared = txn.compare.iter();
                compared.all(|compare| may(&compare.keys, Permission::Read))
                    && txn.success.iter().chain(&txn.failure).all(parts)
            }
            Ask::Write(Op::Auth(_)) => self.is_root(identity),
            _ => true,
        };
        if permitted {
            Ok(())
        } else {
            Err(Error::PermissionDenied)
        }
    }

    fn is_root(&self, identity: &Identity) -> bool {
        let known = self.users.get(&identity.user);
        known.is_some_and(|(_, roles)| roles.contains(ROOT))
    }

    /// Whether one permission of a user contains all of these keys. That several together may is left out here.
    fn may(&self, identity: &Identity, keys: &Keys, wanted: Permission) -> bool {
        let known = self.users.get(&identity.user);
        let roles = known.into_iter().flat_map(|(_, roles)| roles);
        let granted = roles.filter_map(|role| self.roles.get(role)).flatten();
        let mut fitting = granted.filter(|(_, permission)| permission.allows(wanted));
        self.is_root(identity) || fitting.any(|(own, _)| own.contain(keys))
    }
}
