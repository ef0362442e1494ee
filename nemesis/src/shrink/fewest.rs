//! Delta debugging: as few things as a test allows.

/// As many parts as there are things.
pub(super) const ALL: usize = usize::MAX;

/// Leaves out as many of `things` as `keeps` allows, those at the end first: large parts at first, then smaller ones, until no single
/// one can go, or more than `parts_max` of such parts would have to be tried. What `keeps` was last true of is what is left. Where it has no
/// answer, nothing more is tried: to put together what nobody runs, once for each of thousands of things, would take longer than the search.
///
/// Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002), with complements only: a part alone is the
/// complement of the rest.
pub(super) fn fewest<T: Clone>(
    things: Vec<T>,
    parts_max: usize,
    keeps: &mut dyn FnMut(&[T]) -> Option<bool>,
) -> Vec<T> {
    let mut kept = things;
    if kept.is_empty() {
        return kept;
    }
    match keeps(&[]) {
        Some(true) => return Vec::new(),
        Some(false) => {}
        None => return kept,
    }
    let mut part = kept.len().div_ceil(2);
    loop {
        let before = kept.len();
        let mut end = kept.len();
        while end > 0 {
            let start = end.saturating_sub(part);
            let rest = [&kept[..start], &kept[end..]].concat();
            if !rest.is_empty() {
                match keeps(&rest) {
                    Some(true) => kept = rest,
                    Some(false) => {}
                    None => return kept,
                }
            }
            end = start;
        }
        let is_settled = kept.len() == before;
        if is_settled && (part == 1 || kept.len().div_ceil(part) > parts_max) {
            return kept;
        }
        part = part.div_ceil(2).min(kept.len().div_ceil(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_found_among_many() {
        for needed in [vec![], vec![0], vec![99], vec![3, 50, 51], vec![0, 99]] {
            let mut runs = 0;
            let kept = fewest((0..100).collect(), ALL, &mut |kept: &[i32]| {
                runs += 1;
                Some(needed.iter().all(|one| kept.contains(one)))
            });
            assert_eq!(kept, needed);
            assert!(runs < 60, "{runs} runs for {needed:?}");
        }
    }

    #[test]
    fn all_stay_where_all_are_needed() {
        let all: Vec<i32> = (0..7).collect();
        assert_eq!(
            fewest(all.clone(), ALL, &mut |kept: &[i32]| Some(kept.len() == 7)),
            all
        );
    }

    #[test]
    fn nothing_is_tried_after_the_end() {
        for end in 1..40 {
            let mut tried = 0;
            let kept = fewest((0..1_000).collect(), ALL, &mut |kept: &[i32]| {
                tried += 1;
                (tried < end).then(|| kept.contains(&7))
            });
            assert!(tried <= end, "{tried} after {end}");
            assert!(kept.contains(&7), "{kept:?}");
        }
    }
}
