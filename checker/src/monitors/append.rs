//! Lists that only grow, when each is given every value at most once.
//!
//! # Method
//! A read tells everything that was appended before it, in order. So the longest read is a ruler. Everything in it must have been
//! appended, once; every other read must be a beginning of it, or two reads contradict each other. What is left has only one
//! order of groups: reads of the empty list, the first append of the ruler, reads of one element, the second append, and so on;
//! after the longest reads come the appends that no read shows, if they returned. Appends that no read shows and whose
//! outcome is unknown are left out.
//!
//! One sweep over the groups, with the latest call so far, finds an operation that returned before one was called that must come
//! first. If there is none, the groups one after the other, each sorted by call, are a legal order.
//!
//! # Why it is exact
//! Within a group any order is legal for the object, and sorting by call keeps real time. Between groups each order is forced:
//! by the two operations alone where one is a read, since a read shows exactly the appends before it; by the ruler where both are
//! appends. So a pair against real time is a contradiction of these two and, for two appends, the ruler. Leaving out what nobody saw
//! removes demands and adds none. That values are unique is what makes a read name its appends; where a value is appended twice, the answer
//! is `None`.
//!
//! The time is that of sorting: n log n, and one step for each element of the longest read.

use rustc_hash::FxHashMap;

use super::schedule::Latest;
use super::{Finding, Observed};
use crate::specifications::{Append, AppendOp, List, Scalar};

/// One operation in its group.
struct Placed {
    /// Reads of n elements are group 2n; the append of element n of the ruler, counted from 1, is group 2n - 1.
    group: usize,
    call: usize,
    at: usize,
}

/// Judges one list from empty. `None` when some value is appended twice.
pub fn judge(append: &Append, observed: &[Observed<'_, AppendOp>]) -> Option<Finding> {
    // Never iterated.
    let mut appended: FxHashMap<Scalar, usize> = FxHashMap::default();
    let mut longest: Option<(usize, usize, List)> = None;
    for (at, seen) in observed.iter().enumerate() {
        match *seen.op {
            AppendOp::Append(element) => {
                if appended.insert(element, at).is_some() {
                    return None;
                }
            }
            AppendOp::Read(list) => {
                let length = append.length(list);
                if longest.is_none_or(|(most, ..)| length > most) {
                    longest = Some((length, at, list));
                }
            }
        }
    }
    let ruler = longest.map_or(Vec::new(), |(.., list)| append.growth(list));
    let ruler_read = longest.map(|(_, at, _)| at);
    // Never iterated.
    let mut places: FxHashMap<Scalar, usize> = FxHashMap::default();
    for (number, (element, _)) in ruler.iter().enumerate() {
        let twice = places.insert(*element, number + 1).is_some();
        if twice || !appended.contains_key(element) {
            return Some(Finding::Illegal(ruler_read.into_iter().collect()));
        }
    }

    let mut placed = Vec::with_capacity(observed.len());
    for (at, seen) in observed.iter().enumerate() {
        let group = match *seen.op {
            AppendOp::Append(element) => match places.get(&element) {
                Some(place) => 2 * place - 1,
                None if seen.deadline.is_none() => continue,
                None => 2 * ruler.len() + 1,
            },
            AppendOp::Read(list) => {
                let length = append.length(list);
                let beginning = match length.checked_sub(1) {
                    Some(last) => ruler.get(last).is_some_and(|(_, same)| *same == list),
                    None => true,
                };
                if !beginning {
                    let both = ruler_read.into_iter().chain([at]);
                    return Some(illegal(both.collect()));
                }
                2 * length
            }
        };
        placed.push(Placed {
            group,
            call: seen.call,
            at,
        });
    }
    placed.sort_unstable_by_key(|one| (one.group, one.call, one.at));

    let mut latest = Latest::NONE;
    for one in &placed {
        if let Some(first) = latest.whose
            && observed[one.at]
                .deadline
                .is_some_and(|deadline| deadline < latest.call)
        {
            let appends = [first, one.at]
                .iter()
                .all(|at| matches!(observed[*at].op, AppendOp::Append(_)));
            let link = ruler_read.filter(|_| appends);
            return Some(illegal([first, one.at].into_iter().chain(link).collect()));
        }
        latest = latest.max(Latest::of(one.call, one.at));
    }
    Some(Finding::Legal(
        placed.into_iter().map(|one| one.at).collect(),
    ))
}

fn illegal(mut culprits: Vec<usize>) -> Finding {
    culprits.sort_unstable();
    culprits.dedup();
    Finding::Illegal(culprits)
}
