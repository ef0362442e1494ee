//! Refused comparisons: operations that change nothing and say only what the value was not.
//!
//! Once the other operations stand in an order, each refused one needs a place in it where the value differs from the one it names.
//! Taking them in the order of their calls and giving each the earliest place it may have is best: a place that is earlier
//! leaves more room to all that follow. So for one order of the others the answer is exact; whether another order would
//! have had room is for the caller to know.
//!
//! One way to another order is tried here: an operation of unknown outcome that nobody needed so far may have ended the value that is in
//! the way, just before the next one was written.

use std::collections::BTreeMap;

/// An operation in an order, or one that waits to be put there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<V> {
    /// Its position in the list the monitor was given.
    pub(crate) observed: usize,
    /// The position of its call.
    pub(crate) call: usize,
    /// The position by which it has had its effect, if it must have one.
    pub(crate) deadline: Option<usize>,
    /// The value after it. For a refused one, the value it did not find.
    pub(crate) value: V,
    /// The value it needs to find, if it needs one.
    pub(crate) needs: Option<V>,
}

/// A refused operation that found no place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Misfit {
    /// Its number in the list of refused operations.
    pub(crate) refused: usize,
    /// The last step of the order that returned before it was called.
    pub(crate) after: Option<usize>,
    /// The first step of the order that was called after it returned.
    pub(crate) before: Option<usize>,
    /// The step of the order that ends the value in its way; as many as there are when none does.
    pub(crate) ended_by: usize,
}

/// Puts `refused`, ascending by call, into `order`, in which the value is `initial` first. Gives the positions of all in the list the
/// monitor was given, or those that found no place. Where there are several of these, only the first is certain to have none.
pub(crate) fn insert<V: Copy + PartialEq>(
    initial: V,
    order: &[Step<V>],
    refused: &[Step<V>],
) -> Result<Vec<usize>, Vec<Misfit>> {
    if refused.is_empty() {
        return Ok(order.iter().map(|step| step.observed).collect());
    }
    // Place number p is behind the first p steps.
    let value = |place: usize| match place {
        0 => initial,
        _ => order[place - 1].value,
    };
    let last = order.len();
    let mut other_value_from = vec![last + 1; last + 1];
    for place in (0..last).rev() {
        other_value_from[place] = match value(place + 1) == value(place) {
            true => other_value_from[place + 1],
            false => place + 1,
        };
    }

    let mut returned: Vec<(usize, usize)> = (0..last)
        .filter_map(|step| Some((order[step].deadline?, step)))
        .collect();
    returned.sort_unstable();
    let mut returned = returned.into_iter().peekable();
    let mut called: Vec<(usize, usize)> = (0..last).map(|step| (order[step].call, step)).collect();
    called.sort_unstable();
    // The least step of those called from here on.
    for at in (1..last).rev() {
        called[at - 1].1 = called[at - 1].1.min(called[at].1);
    }
    let mut done: Vec<(usize, usize)> = (0..refused.len())
        .filter_map(|number| Some((refused[number].deadline?, number)))
        .collect();
    done.sort_unstable();
    let mut done = done.into_iter().peekable();

    let mut places: Vec<usize> = Vec::with_capacity(refused.len());
    let mut after: Option<usize> = None;
    let mut behind_refused = 0;
    let mut misfits = Vec::new();
    for (number, step) in refused.iter().enumerate() {
        while let Some((_, earlier)) = returned.next_if(|(deadline, _)| *deadline < step.call) {
            after = after.max(Some(earlier));
        }
        while let Some((_, earlier)) = done.next_if(|(deadline, _)| *deadline < step.call) {
            // Called, and so placed, before this one.
            behind_refused = behind_refused.max(places[earlier]);
        }
        let before = step.deadline.and_then(|deadline| {
            let later = called.partition_point(|(call, _)| *call <= deadline);
            called.get(later).map(|(_, step)| *step)
        });
        let mut place = after.map_or(0, |step| step + 1).max(behind_refused);
        if value(place) == step.value {
            place = other_value_from[place];
        }
        let latest = before.unwrap_or(last);
        if place > latest {
            misfits.push(Misfit {
                refused: number,
                after,
                before,
                ended_by: place - 1,
            });
            place = latest;
        }
        places.push(place);
    }

    if !misfits.is_empty() {
        return Err(misfits);
    }
    let mut by_place: Vec<usize> = (0..refused.len()).collect();
    by_place.sort_by_key(|number| places[*number]);
    let mut by_place = by_place.into_iter().peekable();
    let mut all = Vec::with_capacity(order.len() + refused.len());
    for place in 0..=last {
        while let Some(number) = by_place.next_if(|number| places[*number] == place) {
            all.push(refused[number].observed);
        }
        all.extend(order.get(place).map(|step| step.observed));
    }
    Ok(all)
}

/// Puts some of `spares` into `order`, so that the misfits may find room. `spares` are of unknown outcome, have no place in the order, and
/// ascend by call; those that are used are taken away. False when that cannot help.
pub(crate) fn make_room<V: Copy + Ord>(
    order: &mut Vec<Step<V>>,
    refused: &[Step<V>],
    misfits: &[Misfit],
    spares: &mut Vec<Step<V>>,
) -> bool {
    let mut used = vec![false; spares.len()];
    // For each value, the spares that need it.
    let mut needing: Vec<(V, usize)> = (0..spares.len())
        .filter_map(|spare| Some((spares[spare].needs?, spare)))
        .collect();
    needing.sort_unstable();
    let mut needing_none = (0..spares.len()).filter(|spare| spares[*spare].needs.is_none());
    let mut next_write = needing_none.next();
    // Where in the order, and which spare.
    let mut added: BTreeMap<usize, usize> = BTreeMap::new();
    for misfit in misfits {
        let (value, deadline) = (
            refused[misfit.refused].value,
            refused[misfit.refused].deadline,
        );
        let end = misfit.ended_by;
        let ends_freely = order.get(end).is_none_or(|step| step.needs.is_none());
        let called_before = misfit.before.is_some_and(|before| before < end);
        if called_before || !ends_freely || added.contains_key(&end) {
            continue;
        }
        // The steps from the end on were called after this one returned, so they do not forbid a spare that was called before it did.
        let bound = deadline.unwrap_or(usize::MAX);
        let first = needing.partition_point(|(needed, _)| *needed < value);
        let fitting = needing[first..]
            .iter()
            .take_while(|(needed, _)| *needed == value);
        let fitting = fitting
            .map(|(_, spare)| *spare)
            .find(|spare| spares[*spare].call <= bound);
        let spare = match (fitting, next_write) {
            (Some(spare), _) => spare,
            (None, Some(spare)) if spares[spare].call <= bound => {
                next_write = needing_none.next();
                spare
            }
            _ => continue,
        };
        used[spare] = true;
        added.insert(end, spare);
    }
    if added.is_empty() {
        return false;
    }
    let mut longer = Vec::with_capacity(order.len() + added.len());
    for at in 0..=order.len() {
        longer.extend(added.get(&at).map(|spare| spares[*spare]));
        longer.extend(order.get(at));
    }
    *order = longer;
    let mut number = 0;
    spares.retain(|_| {
        number += 1;
        !used[number - 1]
    });
    true
}
