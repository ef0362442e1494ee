//! What clients ask.

use super::scheduler::Dice;
use super::{Client, LESSEE, Phase, Seen, Wanted};
use stormglass_impls::etcd::words::{
    Ask, Compare, CompareResult, DeleteRange, Keys, Op, Put, Range, Target, Txn, TxnOp, Watch,
};

fn keys(dice: &mut Dice) -> Keys {
    match dice.below(4) {
        0 => Keys::from("a"),
        1 => Keys::from("b"),
        at => Keys::one(["a", "b"][at - 2]),
    }
}

/// What a client asks next. When it is calm it only sees to its watches.
pub(crate) fn wanted(
    number: usize,
    client: &mut Client,
    seen: &mut Seen,
    dice: &mut Dice,
    phase: Phase,
) -> Option<Ask> {
    if client.wanted.len() < 2 && phase == Phase::Storm {
        let flag = |dice: &mut Dice| dice.below(2) == 0;
        let last_compaction = seen.compactions.last().copied().unwrap_or(1);
        let next = match dice.below(5) {
            0 => 0,
            1 => seen.revision + 1 + dice.below(4) as u64,
            2 => last_compaction,
            _ => (seen.revision + 1)
                .saturating_sub(dice.below(12) as u64)
                .max(1),
        };
        let watch = Watch {
            watch: 0,
            keys: keys(dice),
            start_revision: 0,
            prev_kv: flag(dice),
            progress_notify: flag(dice),
            fragment: flag(dice),
        };
        let number = None;
        client.wanted.push(Wanted {
            watch,
            next,
            number,
        });
    }
    if let Some(wanted) = client
        .wanted
        .iter_mut()
        .find(|wanted| wanted.number.is_none())
    {
        client.watches += 1;
        wanted.number = Some(client.watches);
        return Some(Ask::Watch(Watch {
            watch: client.watches,
            start_revision: wanted.next,
            ..wanted.watch.clone()
        }));
    }
    if phase != Phase::Storm {
        let keys = Keys::one("a");
        let range = Range {
            serializable: true,
            ..Range::of(keys)
        };
        return (phase == Phase::Calm).then_some(Ask::Range(range));
    }
    let value = format!("{number}.{}", client.requests);
    if number == LESSEE && client.lease.is_none() && dice.below(3) == 0 {
        seen.leases += 1;
        let (lease, ttl_ms) = (seen.leases, seen.ttl_ms);
        return Some(Ask::Write(Op::Grant { lease, ttl_ms }));
    }
    let lease = client.lease.unwrap_or(0);
    let near = |dice: &mut Dice| (seen.revision + 1).saturating_sub(dice.below(8) as u64);
    let put = |dice: &mut Dice, key: &str| Put {
        key: key.to_string(),
        value: value.clone(),
        lease: [0, lease][dice.below(2)],
        prev_kv: dice.below(2) == 0,
    };
    Some(match dice.below(24) {
        0..7 => {
            let key = ["a", "b", "c"][dice.below(3)];
            Ask::Write(Op::Put(put(dice, key)))
        }
        7..12 => Ask::Write(Op::DeleteRange(DeleteRange {
            keys: keys(dice),
            prev_kv: dice.below(2) == 0,
        })),
        12..15 => Ask::Write(Op::Txn(Txn {
            compare: vec![Compare {
                keys: Keys::one("a"),
                result: CompareResult::Greater,
                target: Target::ModRevision(near(dice).saturating_sub(2)),
            }],
            success: {
                let puts = ["a", "b", "c", "d", "e"].map(|key| TxnOp::Put(put(dice, key)));
                let old = Range {
                    revision: near(dice).max(1),
                    ..Range::of(keys(dice))
                };
                puts.into_iter().chain([TxnOp::Range(old)]).collect()
            },
            failure: vec![TxnOp::Range(Range::of(keys(dice)))],
        })),
        15 => Ask::Write(Op::Compact {
            revision: near(dice),
        }),
        16 if number == LESSEE && lease != 0 => Ask::Write(Op::Revoke { lease }),
        17 | 18 if number == LESSEE && lease != 0 => Ask::KeepAlive { lease },
        19 => match client.wanted.swap_remove(dice.below(2)).number {
            Some(watch) => Ask::CancelWatch { watch },
            None => return None,
        },
        20 => Ask::Progress {
            watch: client.wanted[dice.below(2)].number?,
        },
        _ => Ask::Range(Range {
            keys: keys(dice),
            revision: [0, 0, near(dice)][dice.below(3)],
            limit: dice.below(3) as u64,
            serializable: dice.below(3) == 0,
        }),
    })
}
