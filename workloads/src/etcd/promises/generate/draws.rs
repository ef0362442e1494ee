//! What clients ask, by draws.

use super::World;
use crate::draw::Draws;
use crate::etcd::dialect::Asked;
use stormglass_impls::etcd::words::{
    Ask, AuthOp, Compare, CompareResult, DeleteRange, Keys, LeaseId, Op, Permission, Put, Range,
    Request, Target, Txn, TxnOp, Watch,
};

/// Draws, one after the other.
pub(in crate::etcd::promises) struct Dice {
    draws: Draws,
    thrown: u64,
}

impl Dice {
    pub(in crate::etcd::promises) fn new(seed: u64, purpose: &str) -> Self {
        let draws = Draws::new(seed, purpose);
        Self { draws, thrown: 0 }
    }

    /// A number below `below`.
    pub(in crate::etcd::promises) fn below(&mut self, below: u64) -> u64 {
        self.thrown += 1;
        self.draws.within(&[self.thrown], 0..=below - 1)
    }

    pub(in crate::etcd::promises) fn permille(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

impl World {
    /// What a client asks next.
    pub(super) fn ask(&mut self, who: usize) -> Asked {
        let must_log_in = self.plan.rights && self.clients[who].identity.is_none();
        if must_log_in && self.dice.below(10) > 0 {
            let user = self.clients[who].user.to_string();
            let password = match self.dice.below(10) {
                0 => "wrong".to_string(),
                _ => "right".to_string(),
            };
            return Asked::ask(Ask::Authenticate { user, password });
        }
        if self.dice.below(50) == 0 {
            return Asked::Rest { ms: 10 };
        }
        let ask = self.draw(who);
        let as_user = self.clients[who].identity.clone();
        Asked::Ask(Request { as_user, ask })
    }

    fn draw(&mut self, who: usize) -> Ask {
        if self.dice.permille(self.plan.watch_permille) {
            return self.watching(who);
        }
        if self.dice.permille(self.plan.lease_permille) {
            return self.leasing(who);
        }
        if self.dice.permille(self.plan.compact_permille) {
            let ahead = self.dice.below(4);
            let behind = self.dice.below(20);
            let revision = (self.store.revision + ahead).saturating_sub(behind);
            return Ask::Write(Op::Compact { revision });
        }
        if self.plan.rights && self.dice.permille(10) {
            return Ask::Write(Op::Auth(self.change_of_rights()));
        }
        match self.dice.below(100) {
            0..=24 => Ask::Range(self.range(false)),
            25..=39 => Ask::Range(self.range(true)),
            40..=64 => Ask::Write(Op::Put(self.put(who))),
            65..=71 => Ask::Write(Op::DeleteRange(self.delete())),
            72..=84 => self.append(who),
            _ => Ask::Write(Op::Txn(self.txn(who))),
        }
    }

    fn key(&mut self) -> String {
        let number = self.dice.below(self.plan.keys);
        match self.dice.below(4) {
            0 => format!("s/{number}"),
            _ => format!("k/{number}"),
        }
    }

    fn keys(&mut self) -> Keys {
        match self.dice.below(6) {
            0 => Keys::prefix("k/"),
            1 => Keys::prefix("s/"),
            2 => {
                let key = self.key();
                let end = if key.as_str() < "l" { "l" } else { "t" };
                let range_end = Some(end.to_string());
                Keys { key, range_end }
            }
            _ => Keys::one(self.key()),
        }
    }

    fn range(&mut self, serializable: bool) -> Range {
        let now = self.store.revision;
        Range {
            keys: self.keys(),
            revision: match self.dice.below(8) {
                0 => (now + 2).saturating_sub(self.dice.below(12)).max(1),
                _ => 0,
            },
            limit: match self.dice.below(8) {
                0 => 1 + self.dice.below(3),
                _ => 0,
            },
            serializable,
        }
    }

    fn put(&mut self, who: usize) -> Put {
        let lease = match self.dice.below(4) {
            0 => self.lease(who),
            _ => 0,
        };
        let key = match lease {
            0 => self.key(),
            _ => format!("l/{}", self.dice.below(self.plan.keys)),
        };
        Put {
            key,
            value: format!("v{}", self.operations),
            lease,
            prev_kv: self.dice.below(3) == 0,
        }
    }

    fn delete(&mut self) -> DeleteRange {
        let keys = match self.dice.below(8) {
            0 => self.keys(),
            1 => Keys::one(format!("l/{}", self.dice.below(self.plan.keys))),
            _ => Keys::one(self.key()),
        };
        DeleteRange {
            keys,
            prev_kv: self.dice.below(3) == 0,
        }
    }

    fn compare(&mut self) -> Compare {
        let key = self.key();
        let now = self.store.get(&key, self.store.revision);
        let now = now.cloned();
        let near = |number: Option<u64>, draw: u64| (number.unwrap_or(0) + draw).saturating_sub(1);
        let draw = self.dice.below(2) + self.dice.below(2);
        let target = match self.dice.below(5) {
            0 => Target::Version(near(now.map(|kv| kv.version), draw)),
            1 => Target::CreateRevision(near(now.map(|kv| kv.create_revision), draw)),
            2 => Target::ModRevision(near(now.map(|kv| kv.mod_revision), draw)),
            3 => Target::Value(now.map_or("v".to_string(), |kv| kv.value)),
            _ => Target::ModRevision(now.map_or(0, |kv| kv.mod_revision)),
        };
        let result = match self.dice.below(6) {
            0 => CompareResult::NotEqual,
            1 => CompareResult::Greater,
            2 => CompareResult::Less,
            _ => CompareResult::Equal,
        };
        let keys = match self.dice.below(12) {
            0 => Keys::prefix("s/"),
            _ => Keys::one(key),
        };
        Compare {
            keys,
            result,
            target,
        }
    }

    fn branch(&mut self, who: usize) -> Vec<TxnOp> {
        let parts = self.dice.below(4);
        let mut branch = Vec::new();
        for _ in 0..parts {
            branch.push(match self.dice.below(4) {
                0 | 1 => TxnOp::Put(self.put(who)),
                2 => TxnOp::Range(self.range(false)),
                _ => TxnOp::DeleteRange(self.delete()),
            });
        }
        branch
    }

    fn txn(&mut self, who: usize) -> Txn {
        let compares = self.dice.below(3);
        Txn {
            compare: (0..compares).map(|_| self.compare()).collect(),
            success: self.branch(who),
            failure: match self.dice.below(2) {
                0 => Vec::new(),
                _ => self.branch(who),
            },
        }
    }

    /// Reads a list, or appends to the one that was read last.
    fn append(&mut self, who: usize) -> Ask {
        let Some((key, set, value)) = self.clients[who].read.take() else {
            // Lists do not grow for ever.
            let epoch = self.operations / 1000;
            let key = format!("lists/{epoch}-{}", self.dice.below(self.plan.keys));
            return Ask::Range(Range::of(Keys::one(key)));
        };
        let element = self.operations;
        let value = match value.as_str() {
            "" => element.to_string(),
            old => format!("{old} {element}"),
        };
        let (keys, read) = (Keys::one(key.clone()), Range::of(Keys::one(key.clone())));
        Ask::Write(Op::Txn(Txn {
            compare: vec![Compare {
                keys,
                result: CompareResult::Equal,
                target: Target::ModRevision(set),
            }],
            success: vec![TxnOp::Put(Put {
                key,
                value,
                lease: 0,
                prev_kv: false,
            })],
            failure: vec![TxnOp::Range(read)],
        }))
    }

    fn lease(&mut self, who: usize) -> LeaseId {
        let own = &self.clients[who].leases;
        match own.is_empty() {
            true => 0,
            false => own[self.dice.below(own.len() as u64) as usize],
        }
    }

    fn leasing(&mut self, who: usize) -> Ask {
        let lease = self.lease(who);
        match self.dice.below(6) {
            _ if lease == 0 => {}
            0 => {}
            1 => return Ask::Write(Op::Revoke { lease }),
            2 => return Ask::TimeToLive { lease },
            3 => {
                let put = Put {
                    lease,
                    key: format!("l/{}", self.dice.below(self.plan.keys)),
                    ..self.put(who)
                };
                return Ask::Write(Op::Put(put));
            }
            _ => return Ask::KeepAlive { lease },
        }
        // Mostly a new number, now and then one that there was.
        self.leases += u64::from(self.leases == 0 || self.dice.below(10) > 0);
        Ask::Write(Op::Grant {
            lease: self.leases,
            ttl_ms: 20 + self.dice.below(400),
        })
    }

    fn watching(&mut self, who: usize) -> Ask {
        let watch = self.dice.below(3);
        let is_there = self.clients[who].watches.contains_key(&watch);
        match self.dice.below(10) {
            0 if is_there => return Ask::CancelWatch { watch },
            1..=5 if is_there => return Ask::Progress { watch },
            _ => {}
        }
        let now = self.store.revision;
        Ask::Watch(Watch {
            watch,
            keys: self.keys(),
            start_revision: match self.dice.below(3) {
                0 => (now + 3).saturating_sub(self.dice.below(20)).max(1),
                _ => 0,
            },
            prev_kv: self.dice.below(2) == 0,
            progress_notify: self.dice.below(2) == 0,
            fragment: false,
        })
    }

    fn change_of_rights(&mut self) -> AuthOp {
        let user = ["alice", "bob"][self.dice.below(2) as usize].to_string();
        let role = ["reader", "writer"][self.dice.below(2) as usize].to_string();
        let keys = match self.dice.below(3) {
            0 => Keys::prefix("k/"),
            1 => Keys::prefix("s/"),
            _ => Keys::one("k/0"),
        };
        let permission = [Permission::Read, Permission::Write, Permission::ReadWrite]
            [self.dice.below(3) as usize];
        match self.dice.below(12) {
            0 => AuthOp::Disable,
            1 | 2 => AuthOp::Enable,
            3 => AuthOp::RevokePermission { role, keys },
            4..=6 => AuthOp::GrantRole { user, role },
            7 => AuthOp::RevokeRole { user, role },
            _ => AuthOp::GrantPermission {
                role,
                permission,
                keys,
            },
        }
    }
}
