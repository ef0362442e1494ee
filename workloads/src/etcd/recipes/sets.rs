//! Sets: elements are keys below the set's name, added and never removed.

use super::{Dice, Recipe, get, local_get, numbered, put, txn, txn_get, unchanged, write};
use crate::dice::Purpose;
use crate::etcd::dialect::Asked;
use stormglass_impls::etcd::words::{Ask, Keys, Op, Range, TxnOp};

/// Where sets are.
const ROOT: &str = "sets";

/// Clients that fill sets: all of them one after the other, lest lists of elements grow with the length of the run.
pub(super) struct Sets {
    keys: u32,
}

impl Sets {
    pub(super) fn new(keys: u32) -> Self {
        Self { keys }
    }
}

impl Recipe for Sets {
    fn next(&mut self, dice: &Dice<'_>) -> Asked {
        let set = format!("{ROOT}/k{}/", dice.key_in_turn());
        let element = format!("{set}{}", dice.value(0));
        let all = Keys::prefix(&set);
        match dice.below(Purpose::Function, 100) {
            0..30 => write(Op::Put(put(element, String::new()))),
            30..40 => txn(
                vec![unchanged(&element, 0)],
                vec![TxnOp::Put(put(element, String::new())), txn_get(all)],
                Vec::new(),
            ),
            40..72 => get(all),
            72..80 => Asked::ask(Ask::Range(Range {
                limit: 1 + dice.below(Purpose::Detail, 4),
                ..Range::of(all)
            })),
            80..85 => get(Keys::one(element)),
            _ => local_get(all),
        }
    }

    fn finals(&self) -> Vec<Asked> {
        let sets = numbered(ROOT, self.keys);
        sets.map(|set| get(Keys::prefix(&format!("{set}/"))))
            .collect()
    }
}
