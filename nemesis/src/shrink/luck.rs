//! Tries what did not keep the property once more, under other seeds.
//!
//! Some bugs want two things to meet within a millisecond. Leaving out anything moves everything after it a little, so that they miss each
//! other, and the search is stuck with hundreds of operations nobody needs. Faults and operations are fixed by then, and the seed draws
//! delays and timeouts only: under one of a few other seeds half the operations often do as well as all.

use super::search::Search;
use super::size::with_fewer_nodes;
use crate::trial::{Arena, Trial};

/// As many operations and faults are no burden to a reader.
const FEW_CALLS: usize = 12;
const FEW_FAULTS: usize = 3;

/// Halves what there is too much of, for as long as some seed keeps the property. Says whether anything changed.
pub(super) fn other_seeds(search: &mut Search<'_>) -> bool {
    let seeds = match search.trial().arena {
        Arena::Simulator => 10,
        Arena::Turmoil | Arena::Live => 2,
    };
    let mut changed = false;
    while smaller(search.trial())
        .iter()
        .any(|trial| under_other_seeds(search, trial, seeds))
    {
        changed = true;
    }
    changed
}

fn under_other_seeds(search: &mut Search<'_>, trial: &Trial, seeds: u64) -> bool {
    (0..=seeds).any(|by| {
        let seed = trial.seed.wrapping_add(by);
        search.offer(Trial {
            seed,
            ..trial.clone()
        })
    })
}

/// The trial without large parts of what it has too much of.
fn smaller(trial: &Trial) -> Vec<Trial> {
    let mut smaller = Vec::new();
    let calls = trial.calls.as_deref().unwrap_or_default();
    if calls.len() > FEW_CALLS {
        for distance in [8, 4, 2] {
            let calls = calls.iter().step_by(distance).cloned().collect();
            smaller.push(Trial {
                calls: Some(calls),
                ..trial.clone()
            });
        }
        for (start, end) in parts(calls.len()) {
            let calls = [&calls[..start], &calls[end..]].concat();
            smaller.push(Trial {
                calls: Some(calls),
                ..trial.clone()
            });
        }
    }
    if trial.schedule.len() > FEW_FAULTS {
        for (start, end) in parts(trial.schedule.len()) {
            let schedule = [&trial.schedule[..start], &trial.schedule[end..]].concat();
            smaller.push(Trial {
                schedule,
                ..trial.clone()
            });
        }
    }
    if trial.nodes > 3 {
        smaller.extend(with_fewer_nodes(trial));
    }
    smaller
}

/// Where the halves and the quarters of so many things begin and end.
fn parts(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let quarter = move |at: usize| count * at / 4;
    [(2, 4), (0, 2), (3, 4), (2, 3), (1, 2), (0, 1)]
        .into_iter()
        .map(move |(start, end)| (quarter(start), quarter(end)))
        .filter(|(start, end)| start < end)
}
