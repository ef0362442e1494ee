//! What monitors find, held against every order and the search: orders are verified, culprits must collide by themselves.

use rustc_hash::FxHashSet;
use stormglass_checker::{
    Certificate, Finding, History, Limits, Operation, Outcome, Part, Specification, Verdict, check,
    verify,
};

use super::Random;
use super::fuzz::{Player, Size, Tally, each_history, monitor, set_free};
use super::independent::WithoutHints;

/// Histories larger than the oracle can try.
pub(crate) const LARGER: Size = Size {
    clients: 4,
    operations: 12,
    crashes_percent: 12,
};

/// The search is asked for one history in this many: to gather its evidence takes long.
const HISTORIES_A_SEARCH: u64 = 64;

/// Judges `histories` random histories of one key, half of them bent, by the monitor and by trying every order, some by the
/// search too, and verifies what the monitor found.
///
/// # Errors
/// The first history on which they disagree, as text.
pub(crate) fn findings<S: Specification, P: Player>(
    specification: impl Fn() -> S,
    player: impl Fn(&mut Random) -> P,
    size: Size,
    histories: u64,
    seed: u64,
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    each_history(player, size, histories, seed, |number, history| {
        let with_search = number % HISTORIES_A_SEARCH < 2;
        let plain = WithoutHints(specification());
        compare(&plain, history, with_search, &mut tally)
    })?;
    Ok(tally)
}

fn compare<S: Specification>(
    plain: &WithoutHints<S>,
    history: &History,
    with_search: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let operations = history.operations().map_err(text)?;
    let legal = some_order(plain, &operations, 5_000_000)?.ok_or("too many configurations")?;
    if with_search {
        let limits = Limits::default();
        let verdict = check(plain, history, &limits).map_err(text)?.verdict;
        if matches!(verdict, Verdict::Valid(_)) != legal {
            return Err(format!("the search disagrees: {verdict:?}"));
        }
    }
    if legal {
        tally.valid += 1;
    } else {
        tally.invalid += 1;
    }
    match monitor(&plain.0, &operations)? {
        None => Ok(()),
        Some(Finding::Legal(order)) => {
            tally.monitored_valid += 1;
            let part = Part { key: None, order };
            let certificate = Certificate { parts: vec![part] };
            verify(plain, &operations, &certificate)
        }
        Some(Finding::Illegal(culprits)) => {
            tally.monitored_invalid += 1;
            if legal {
                return Err(format!("an order is legal, not illegal by {culprits:?}"));
            }
            match some_order(
                plain,
                &set_free(&operations, &|id| culprits.contains(&id)),
                100_000,
            )? {
                Some(true) => Err(format!("the culprits do not collide: {culprits:?}")),
                Some(false) => Ok(()),
                None => {
                    tally.untried += 1;
                    Ok(())
                }
            }
        }
    }
}

/// Tries every order of at most 64 operations, each configuration once: what has happened, and the state. `None` when there are too many.
fn some_order<S: Specification>(
    specification: &S,
    operations: &[Operation],
    configurations_max: usize,
) -> Result<Option<bool>, String> {
    let mut part = Vec::new();
    for operation in operations {
        if let Some(op) = specification.parse(operation).map_err(text)? {
            part.push((operation, op));
        }
    }
    let certain = (0..part.len()).filter(|at| part[*at].0.outcome != Outcome::Unknown);
    let certain = certain.fold(0_u64, |mask, at| mask | 1 << at);
    let mut seen = FxHashSet::default();
    let mut open = vec![(0_u64, specification.initial())];
    while let Some((done, state)) = open.pop() {
        if done & certain == certain {
            return Ok(Some(true));
        }
        if seen.len() > configurations_max {
            return Ok(None);
        }
        for (at, (operation, op)) in part.iter().enumerate() {
            let waits = part
                .iter()
                .enumerate()
                .any(|(other, (earlier, _))| done & 1 << other == 0 && earlier.precedes(operation));
            if done & 1 << at != 0 || waits {
                continue;
            }
            if let Some(next) = specification.step(&state, op) {
                let configuration = (done | 1 << at, next);
                if seen.insert(configuration.clone()) {
                    open.push(configuration);
                }
            }
        }
    }
    Ok(Some(false))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
