//! Delta debugging: as few things as a test allows.

/// As many parts as there are things.
pub(super) const ALL: usize = usize::MAX;

/// Leaves out as many of `things` as `keeps` allows, those at the end first: large parts at first, then smaller ones, until no single
/// one can go, or more than `parts_max` of such parts would have to be tried. What `keeps` was last true of is what is left.
///
/// Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002), with complements only: a part alone is the
/// complement of the rest.
pub(super) fn fewest<T: Clone>(
    things: Vec<T>,
    parts_max: usize,
    keeps: &mut dyn FnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut kept = things;
    if kept.is_empty() || keeps(&[]) {
        return Vec::new();
    }
    let mut part = kept.len().div_ceil(2);
    loop {
        let before = kept.len();
        let mut end = kept.len();
        while end > 0 {
            let start = end.saturating_sub(part);
            let rest = [&kept[..start], &kept[end..]].concat();
            if !rest.is_empty() && keeps(&rest) {
                kept = rest;
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
                needed.iter().all(|one| kept.contains(one))
            });
            assert_eq!(kept, needed);
            assert!(runs < 60, "{runs} runs for {needed:?}");
        }
    }

    #[test]
    fn all_stay_where_all_are_needed() {
        let all: Vec<i32> = (0..7).collect();
        assert_eq!(
            fewest(all.clone(), ALL, &mut |kept: &[i32]| kept.len() == 7),
            all
        );
    }
}
