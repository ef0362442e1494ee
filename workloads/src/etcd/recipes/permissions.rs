//! Permissions: root makes users and roles, and says what they may do with which keys, which changes all the time; three users put it to the test.
//!
//! Every client is one of the users, and sometimes root. Every client sets all up first, until it finds that somebody has.

use super::watches::Watcher;
use super::{Dice, Recipe, equal, put, txn_get};
use crate::dice::Purpose;
use crate::etcd::dialect::{Asked, Ended};
use std::collections::BTreeMap;
use stormglass_impls::etcd::words::{
    Ask, AuthOp, DeleteRange, Done, Error, Identity, Keys, LeaseId, Op, Permission, Put, ROOT,
    Range, Target, Txn, TxnOp,
};

/// Where guarded keys are.
const GUARDED: &str = "guarded";

/// How many users there are, each with a role of its own.
const USERS: u64 = 3;

/// The lease that all of them share, so that one meets keys of others.
const LEASE: LeaseId = 1;

/// Clients that change rights, and that have them or not.
pub(super) struct Permissions {
    keys: u32,
    setup: Vec<AuthOp>,
    /// How many steps of the setup are done for certain, whoever did them: that rights are looked at must not wait for each client to have done all.
    done: usize,
    people: BTreeMap<u32, Person>,
}

/// How far a client is.
#[derive(Debug, Default)]
struct Person {
    /// As root, and as the user that it is: how often rights had changed when it showed its password last. None once that is old.
    root: Option<u64>,
    own: Option<u64>,
    /// Whether it is about to change rights.
    changes: bool,
    watcher: Watcher,
}

impl Permissions {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            setup: setup(keys),
            done: 0,
            people: BTreeMap::new(),
        }
    }
}

fn user(number: u64) -> String {
    format!("u{}", number % USERS)
}

fn role(number: u64) -> String {
    format!("r{}", number % USERS)
}

fn password(user: &str) -> String {
    format!("of {user}")
}

fn key(number: u64) -> String {
    format!("{GUARDED}/k{number}")
}

fn added(user: String) -> AuthOp {
    AuthOp::AddUser {
        password: password(&user),
        user,
    }
}

/// What must be there lest the service refuse to look at rights.
fn least() -> Vec<AuthOp> {
    vec![
        added(ROOT.into()),
        AuthOp::AddRole { role: ROOT.into() },
        AuthOp::GrantRole {
            user: ROOT.into(),
            role: ROOT.into(),
        },
    ]
}

/// All that must be there before rights are looked at, and that they are.
fn setup(keys: u32) -> Vec<AuthOp> {
    let mut steps = least();
    for number in 0..USERS {
        steps.extend([
            added(user(number)),
            AuthOp::AddRole { role: role(number) },
            AuthOp::GrantRole {
                user: user(number),
                role: role(number),
            },
            AuthOp::GrantPermission {
                role: role(number),
                permission: Permission::ReadWrite,
                keys: Keys::one(key(number % u64::from(keys))),
            },
            AuthOp::GrantPermission {
                role: role(number),
                permission: Permission::Read,
                keys: two(),
            },
        ]);
    }
    steps.push(AuthOp::Enable);
    steps
}

/// The first two keys.
fn two() -> Keys {
    Keys {
        key: key(0),
        range_end: Some(key(2)),
    }
}

/// Some of the keys: few ways to say so, lest a permission be never taken back.
fn some(dice: &Dice<'_>) -> Keys {
    match dice.below(Purpose::Other, 10) {
        0 => Keys::prefix(&format!("{GUARDED}/")),
        1 | 2 => two(),
        _ => Keys::one(key(dice.key())),
    }
}

/// A change of rights. The last of the roles comes and goes.
fn change(dice: &Dice<'_>) -> AuthOp {
    let (one, other) = (
        dice.below(Purpose::Length, USERS),
        dice.below(Purpose::Other, USERS),
    );
    let permissions = [Permission::Read, Permission::Write, Permission::ReadWrite];
    match dice.below(Purpose::Function, 100) {
        0..52 => AuthOp::GrantPermission {
            role: role(one),
            permission: permissions[dice.below(Purpose::Detail, 3) as usize],
            keys: some(dice),
        },
        52..74 => AuthOp::RevokePermission {
            role: role(one),
            keys: some(dice),
        },
        74..88 => AuthOp::GrantRole {
            user: user(one),
            role: role(other),
        },
        88..94 => AuthOp::RevokeRole {
            user: user(one),
            role: role(other),
        },
        94..96 => AuthOp::DeleteRole {
            role: role(USERS - 1),
        },
        _ => AuthOp::AddRole {
            role: role(USERS - 1),
        },
    }
}

impl Person {
    /// What a user does with keys.
    fn deed(&mut self, dice: &Dice<'_>) -> Ask {
        let one = key(dice.key());
        let other = key(dice.below(Purpose::Detail, dice.config.keys.into()));
        let put = Put {
            prev_kv: dice.percent(Purpose::Other, 30),
            ..put(one.clone(), dice.value(0))
        };
        let serializable = dice.percent(Purpose::Detail, 30);
        match (dice.below(Purpose::Function, 100), self.watcher.one(dice)) {
            (0..18, _) => Ask::Write(Op::Put(put)),
            (18..44, _) => Ask::Range(Range {
                serializable,
                ..Range::of(some(dice))
            }),
            (44..52, _) => Ask::Write(Op::DeleteRange(DeleteRange {
                keys: some(dice),
                prev_kv: put.prev_kv,
            })),
            (52..68, _) => Ask::Write(Op::Txn(Txn {
                compare: vec![equal(&one, Target::Version(dice.below(Purpose::Other, 2)))],
                success: vec![TxnOp::Put(put)],
                failure: vec![txn_get(Keys::one(other))],
            })),
            (68..73, one) => match one.filter(|_| self.watcher.has_enough()) {
                None => self.watcher.begin(some(dice), 0, dice),
                Some(watch) => Ask::CancelWatch { watch },
            },
            (73..75, Some(watch)) => Ask::CancelWatch { watch },
            (75..77, Some(watch)) => Ask::Progress { watch },
            (77..81, _) => Ask::Write(Op::Grant {
                lease: LEASE,
                ttl_ms: dice.config.ttl_ms,
            }),
            (81..88, _) => Ask::Write(Op::Put(Put {
                lease: LEASE,
                ..put
            })),
            (88..92, _) => Ask::TimeToLive { lease: LEASE },
            (92..95, _) => Ask::Write(Op::Revoke { lease: LEASE }),
            (95..97, _) => Ask::KeepAlive { lease: LEASE },
            _ => Ask::Range(Range::of(Keys::one(one))),
        }
    }

    /// As which of the two it did something.
    fn shown(&mut self, user: &str) -> &mut Option<u64> {
        match user {
            ROOT => &mut self.root,
            _ => &mut self.own,
        }
    }
}

fn authenticate(user: String, password: String) -> Asked {
    Asked::ask(Ask::Authenticate { user, password })
}

impl Recipe for Permissions {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let person = self.people.entry(dice.client).or_default();
        if let Some(step) = self.setup.get(self.done) {
            return Asked::ask(Ask::Write(Op::Auth(step.clone())));
        }
        let lot = dice.below(Purpose::Length, 100);
        person.changes |= lot < 4;
        let who = match person.changes {
            true => ROOT.to_string(),
            false => user(dice.client.into()),
        };
        let Some(auth_revision) = *person.shown(&who) else {
            let password = match lot {
                98..100 => password("nobody"),
                _ => password(&who),
            };
            return authenticate(who, password);
        };
        let user = who;
        let identity = Identity {
            user,
            auth_revision,
        };
        if person.changes {
            person.changes = false;
            return Asked::ask_as(Some(identity), Ask::Write(Op::Auth(change(dice))));
        }
        // Now and then it forgets to say who it is.
        let identity = (lot < 97).then_some(identity);
        Asked::ask_as(identity, person.deed(dice))
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        let person = self.people.entry(client).or_default();
        person.watcher.ended(asked, ended);
        let Asked::Ask(request) = asked else { return };
        let awaited = self.setup.get(self.done);
        if let (Ask::Write(Op::Auth(step)), None) = (&request.ask, &request.as_user)
            && awaited == Some(step)
        {
            self.done = match ended.result {
                // Rights are looked at: somebody has done all of it.
                Err(Error::UserEmpty) => self.setup.len(),
                // Something is missing.
                Err(_) if *step == AuthOp::Enable => 0,
                // Otherwise it is there already.
                Ok(_) | Err(_) => self.done + 1,
            };
            return;
        }
        match (&request.ask, &ended.result) {
            (Ask::Authenticate { user, .. }, Ok(Done::Auth { auth_revision })) => {
                *person.shown(user) = Some(*auth_revision);
            }
            (Ask::Authenticate { .. }, Err(Error::AuthNotEnabled)) => self.done = 0,
            (_, Err(Error::OldAuthRevision)) => {
                if let Some(identity) = &request.as_user {
                    *person.shown(&identity.user) = None;
                }
            }
            _ => {}
        }
    }

    /// Final reads are those of one whom the service knows without a password, as by a certificate, which no change of rights makes old.
    /// A storm may have let nothing through, so rights come to be looked at now, at last, and a user asks for what only root may.
    fn finals(&self) -> Vec<Asked> {
        let known = |user: &str| Identity {
            user: user.to_string(),
            auth_revision: u64::MAX,
        };
        let root = known(ROOT);
        let enable = Ask::Write(Op::Auth(AuthOp::Enable));
        let least = least().into_iter().chain([added(user(0)), AuthOp::Enable]);
        let least = least.map(|step| Asked::ask(Ask::Write(Op::Auth(step))));
        let refused = Asked::ask_as(Some(known(&user(0))), enable);
        let keys = (0..u64::from(self.keys)).map(|number| Keys::one(key(number)));
        let all = Keys::prefix(&format!("{GUARDED}/"));
        let reads = keys.chain([all]).map(Range::of).map(Ask::Range);
        let reads = reads.map(|read| Asked::ask_as(Some(root.clone()), read));
        reads.chain(least).chain([refused]).collect()
    }
}
