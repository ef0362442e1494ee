//! Rights: lists of who may do what, set and put to the test by three users.

use super::{Dice, Purpose, Recipe, delete, made, read, reads_of, set};
use crate::zookeeper::dialect::{Asked, Ended};
use std::collections::BTreeSet;
use stormglass_impls::zookeeper::words::{
    Acl, Mode, Op, Rights, What, Who, digest_of, open_to_all,
};

/// Where guarded nodes are.
const ROOT: &str = "/guarded";

/// How many users there are. Every fourth client is none of them.
const USERS: u64 = 3;

/// Clients that guard nodes, and try those that others guard.
pub(super) struct Guarded {
    keys: u32,
    /// Who said in its session which user it is.
    known: BTreeSet<u32>,
}

impl Guarded {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            keys,
            known: BTreeSet::new(),
        }
    }
}

fn user(number: u64) -> String {
    format!("u{number}")
}

fn password(number: u64) -> String {
    format!("p{number}")
}

/// Some list. Somebody may always set it, lest the node be of no more use.
fn list(dice: &Dice<'_>) -> Vec<Acl> {
    let number = dice.below(Purpose::Length, USERS);
    let digest = Who::Digest {
        user: user(number),
        digest: digest_of(&user(number), &password(number)),
    };
    let all = |who| Acl {
        who,
        rights: Rights::ALL,
    };
    let some = |who| Acl {
        who,
        rights: Rights(dice.below(Purpose::Other, 16) as u8),
    };
    match dice.below(Purpose::Detail, 5) {
        0 => open_to_all(),
        1 => vec![all(Who::Auth)],
        2 => vec![all(digest)],
        3 => vec![all(digest), some(Who::Anyone)],
        _ => vec![some(Who::Auth), all(digest)],
    }
}

impl Recipe for Guarded {
    fn roots(&self) -> Vec<Asked> {
        vec![made(ROOT.to_string(), "", Mode::Persistent)]
    }

    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let own = u64::from(dice.client) % (USERS + 1);
        if own < USERS && !self.known.contains(&dice.client) && dice.percent(Purpose::Other, 50) {
            return Asked::Write(Op::AddAuth {
                user: user(own),
                password: password(own),
            });
        }
        let path = format!("{ROOT}/k{}", dice.key());
        let child = || format!("{path}/c{}", dice.below(Purpose::Detail, 2));
        match dice.below(Purpose::Function, 100) {
            0..18 => Asked::Write(Op::Create {
                path,
                data: dice.data(),
                mode: Mode::Persistent,
                acl: list(dice),
            }),
            18..26 => made(child(), dice.data(), Mode::Persistent),
            26..42 => Asked::Write(set(path, dice.data(), None)),
            42..54 => Asked::Write(Op::SetAcl {
                path,
                acl: list(dice),
                version: None,
            }),
            54..68 => read(What::Acl, path),
            68..80 => read(What::Data, path),
            80..86 => read(What::Children, path),
            86..90 => read(What::Exists, path),
            90..94 => delete(path),
            94..97 => delete(child()),
            97..98 => Asked::Write(Op::Close),
            _ => Asked::Sync,
        }
    }

    fn ended(&mut self, client: u32, asked: &Asked, ended: &Ended) {
        if let (Asked::Write(Op::AddAuth { .. }), Ok(_)) = (asked, &ended.result) {
            self.known.insert(client);
        }
    }

    fn anew(&mut self, client: u32) {
        self.known.remove(&client);
    }

    fn finals(&self) -> Vec<Asked> {
        reads_of(ROOT, self.keys, What::Exists)
    }
}
