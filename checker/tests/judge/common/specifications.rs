//! What is fuzzed of the specifications: each with and without hints, and against a truth that shares nothing with it.

use serde_json::{Value, json};
use stormglass_checker::specifications::kv::Missing;
use stormglass_checker::{
    EvictingCache, FencedLock, History, Kv, Limits, Mutex, Operation, Possibilities, Specification,
    TtlCache, Verdict, check,
};

use super::Random;
use super::fuzz::{Player, SMALL, Size, Tally, each_history, fuzz};
use super::independent::{self, WithoutHints};
use super::players::evicting_cache::EvictingCaches;
use super::players::fenced_lock::FencedLocks;
use super::players::kv::KeyValues;
use super::players::mutex::Mutexes;
use super::players::nondeterministic::{LossyCounter, LossyCounters};
use super::players::ttl_cache::TtlCaches;

/// Tries a number of histories from a seed.
pub(crate) type Run = fn(u64, u64) -> Result<Tally, String>;

/// Fewer calls overlap, so that times tell more.
const FEW: Size = Size {
    clients: 2,
    ..SMALL
};

/// Everything, by name.
pub(crate) const SPECIFICATIONS: &[(&str, Run)] = &[
    ("kv", |histories, seed| {
        thrice(
            SMALL,
            Kv::default,
            |_| KeyValues::new(false, Value::Null),
            |operations| independent::kv(operations, &Value::Null),
            histories,
            seed,
        )
    }),
    ("kv-empty", |histories, seed| {
        thrice(
            SMALL,
            || Kv::new(Missing::Empty),
            |_| KeyValues::new(false, json!("")),
            |operations| independent::kv(operations, &json!("")),
            histories,
            seed,
        )
    }),
    ("kv-transactions", |histories, seed| {
        thrice(
            SMALL,
            Kv::with_transactions,
            |_| KeyValues::new(true, Value::Null),
            |operations| independent::kv(operations, &Value::Null),
            histories,
            seed,
        )
    }),
    ("mutex", |histories, seed| {
        thrice(
            SMALL,
            Mutex::default,
            |random| Mutexes::new(false, random),
            |operations| independent::mutex(operations, false),
            histories,
            seed,
        )
    }),
    ("mutex-released-by-anyone", |histories, seed| {
        thrice(
            SMALL,
            Mutex::released_by_anyone,
            |random| Mutexes::new(true, random),
            |operations| independent::mutex(operations, true),
            histories,
            seed,
        )
    }),
    ("fenced-lock", |histories, seed| {
        thrice(
            SMALL,
            FencedLock::default,
            |random| FencedLocks::new(true, random),
            |operations| independent::fenced_lock(operations, true),
            histories,
            seed,
        )
    }),
    ("fenced-lock-without-expiry", |histories, seed| {
        thrice(
            SMALL,
            FencedLock::without_expiry,
            |random| FencedLocks::new(false, random),
            |operations| independent::fenced_lock(operations, false),
            histories,
            seed,
        )
    }),
    ("evicting-cache", |histories, seed| {
        thrice(
            SMALL,
            EvictingCache::default,
            |random| EvictingCaches::new(false, random),
            independent::evicting_cache,
            histories,
            seed,
        )
    }),
    ("evicting-cache-tokens", |histories, seed| {
        thrice(
            SMALL,
            EvictingCache::with_tokens,
            |random| EvictingCaches::new(true, random),
            independent::evicting_cache,
            histories,
            seed,
        )
    }),
    ("ttl-cache", |histories, seed| {
        thrice(
            FEW,
            TtlCache::default,
            |random| TtlCaches::new(0, random),
            |operations| independent::ttl_cache(operations, 0),
            histories,
            seed,
        )
    }),
    ("ttl-cache-slack", |histories, seed| {
        thrice(
            FEW,
            || TtlCache::with_slack(900),
            |random| TtlCaches::new(900, random),
            |operations| independent::ttl_cache(operations, 900),
            histories,
            seed,
        )
    }),
    ("lossy-counter", |histories, seed| {
        thrice(
            SMALL,
            || Possibilities(LossyCounter),
            LossyCounters::new,
            independent::lossy_counter,
            histories,
            seed,
        )
    }),
];

/// With hints and without.
fn twice<S: Specification, P: Player>(
    size: Size,
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    histories: u64,
    seed: u64,
) -> Result<Tally, String> {
    let plain = fuzz(
        || WithoutHints(specification()),
        &player,
        size,
        histories / 4,
        seed ^ 0x5eed,
    );
    plain.map_err(|problem| format!("without hints: {problem}"))?;
    fuzz(specification, player, size, histories, seed)
}

/// Also against a truth of its own.
fn thrice<S: Specification, P: Player>(
    size: Size,
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    truth: impl Fn(&[Operation]) -> bool,
    histories: u64,
    seed: u64,
) -> Result<Tally, String> {
    each_history(&player, size, histories, !seed, |_, history| {
        agree(&specification(), history, &truth)
    })?;
    twice(size, specification, player, histories, seed)
}

fn agree<S: Specification>(
    specification: &S,
    history: &History,
    truth: &impl Fn(&[Operation]) -> bool,
) -> Result<(), String> {
    let operations = history.operations().map_err(|error| error.to_string())?;
    let judgement = check(specification, history, &Limits::default());
    let verdict = judgement.map_err(|error| error.to_string())?.verdict;
    match (verdict, truth(&operations)) {
        (Verdict::Valid(_), true) | (Verdict::Invalid(_), false) => Ok(()),
        (verdict, truth) => Err(format!("in truth legal: {truth}; {verdict:?}")),
    }
}
