//! Zones: registers in which no value is written twice, and the order of groups that nothing may interrupt.
//!
//! # The idea
//! When no value is written twice, a read says which write it follows. A write and the reads of its value are a *cluster*. A
//! register never returns to a value, so the operations of a cluster follow each other with no other cluster between them, and
//! the question is no longer in which order the operations happened but only in which order the clusters did.
//!
//! Real time knows two numbers of a cluster: its *first return*, by when it has begun, and its *last call*, before which it has
//! not ended. Together they are its *zone*:
//!
//! ```text
//!   time ───────────────────────────────────────────────────────────►
//!   write 1    ├─────┤                                   first return of 1: a
//!   read  1               ├──────────┤                   last call of 1:    b
//!                    a    b
//!                    ╞════╡  the register surely held 1 from a to b: a forward zone
//!
//!   write 2      ├────────────────┤                      first return of 2: d
//!   read  2           ├───────────────────┤              last call of 2:    c
//!                     c           d
//!                     ╞═══════════╡  2 may have been there for any one moment from c to d: a backward zone
//! ```
//!
//! One cluster must come before another exactly when one of its operations returned before one of the other's was called:
//! when its first return is before the other's last call. Two clusters that each must come before the other cannot be
//! ordered. In the words of Gibbons and Korach ("Testing Shared Memories", 1997, section 4), that is the case when two forward zones
//! overlap, or when a backward zone lies inside a forward one.
//!
//! # Why pairs are enough, and how they are found
//! Sort the clusters by the sum of their two numbers and let `r` be a first return, `c` a last call. If `u` must come before `v`
//! and not the other way round, then `r(u) < c(v)` and `c(u) <= r(v)`, so the sum of `u` is the smaller one: the sorted order
//! respects every demand that is not contradicted. Conversely let `v` stand behind `u` and demand to be before it: `r(v) < c(u)`.
//! From `r(u) + c(u) <= r(v) + c(v)` follows `r(u) < c(v)`, so `u` demands to be before `v` as well, and the two collide. One sweep
//! with the greatest last call so far therefore finds a collision or proves the order. It takes a sort and a pass.
//!
//! # Around the theorem
//! - The initial value is a cluster that returned before everything. It is not written again.
//! - A write of unknown outcome has no return. If its value was read, it happened, and the reads bound it; if not, it is
//!   left out, which makes nothing else impossible.
//! - Inside a cluster the write comes first and the reads follow in the order of their calls. That is wrong only when a read
//!   returned before the write was called.
//! - Nothing above asks what a group consists of. [`super::cas_chain`] orders longer groups in the same way.
//!
//! # Few culprits
//! The two operations whose return and call make a zone prove it alone: whatever else happens, a value that is written at most once
//! was there from the one to the other. So four operations, two of each cluster, show a collision.

/// What real time knows of a group of operations that no operation of another group may interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone {
    /// By then the group has begun: the least return of its operations.
    pub(crate) first_return: usize,
    /// Until then the group has not ended: the greatest call of its operations.
    pub(crate) last_call: usize,
}

/// The greatest position a zone may have, so that the sum of two is a number.
pub(crate) const POSITION_MAX: usize = usize::MAX / 2;

/// The zones in an order that real time allows, as numbers of `zones`. Where none exists, two of them that must each come before the
/// other.
pub(crate) fn arrange(zones: &[Zone]) -> Result<Vec<usize>, (usize, usize)> {
    let mut order: Vec<usize> = (0..zones.len()).collect();
    order.sort_by_key(|number| zones[*number].first_return + zones[*number].last_call);
    // Of the zones so far, the one called last.
    let mut latest: Option<usize> = None;
    for number in &order {
        let zone = zones[*number];
        match latest {
            Some(before) if zones[before].last_call > zone.first_return => {
                return Err((before, *number));
            }
            Some(before) if zones[before].last_call >= zone.last_call => {}
            _ => latest = Some(*number),
        }
    }
    Ok(order)
}

/// How far [`bring_behind`] looks.
pub(crate) const NEAR: usize = 8;

/// Changes an order that real time allows to another one, in which a zone that `fits` stands directly behind the one at `place`. False when
/// there is none near that may.
pub(crate) fn bring_behind(
    zones: &[Zone],
    order: &mut [usize],
    place: usize,
    fits: impl Fn(usize) -> bool,
) -> bool {
    let may_pass =
        |later: usize, earlier: usize| zones[earlier].first_return >= zones[later].last_call;
    for from in (place + 2)..order.len().min(place + 2 + NEAR) {
        let moved = order[from];
        let free = order[place + 1..from]
            .iter()
            .all(|passed| may_pass(moved, *passed));
        if free && fits(moved) {
            order[place + 1..=from].rotate_right(1);
            return true;
        }
    }
    for from in (place.saturating_sub(NEAR)..place).rev() {
        let moved = order[from];
        let free = order[from + 1..=place]
            .iter()
            .all(|passed| may_pass(*passed, moved));
        if free && fits(moved) {
            order[from..=place].rotate_left(1);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Zone, arrange, bring_behind};

    fn zone(first_return: usize, last_call: usize) -> Zone {
        Zone {
            first_return,
            last_call,
        }
    }

    #[test]
    fn forward_zones_that_follow_each_other_are_ordered() {
        assert_eq!(arrange(&[zone(5, 9), zone(1, 4)]), Ok(vec![1, 0]));
    }

    #[test]
    fn forward_zones_that_overlap_collide() {
        assert_eq!(arrange(&[zone(1, 5), zone(4, 9)]), Err((0, 1)));
    }

    #[test]
    fn a_backward_zone_inside_a_forward_one_collides() {
        assert!(arrange(&[zone(1, 9), zone(5, 4)]).is_err());
    }

    #[test]
    fn a_backward_zone_that_reaches_beyond_a_forward_one_is_put_there() {
        assert_eq!(arrange(&[zone(2, 8), zone(9, 4)]), Ok(vec![0, 1]));
        assert_eq!(arrange(&[zone(2, 8), zone(6, 1)]), Ok(vec![1, 0]));
    }

    #[test]
    fn backward_zones_never_collide() {
        assert!(arrange(&[zone(9, 1), zone(8, 2), zone(5, 5)]).is_ok());
    }

    /// A group that ends where another begins, at the same position, is not before it: only a return strictly before a call is.
    #[test]
    fn zones_that_touch_do_not_collide() {
        assert!(arrange(&[zone(1, 4), zone(4, 6)]).is_ok());
    }

    #[test]
    fn a_zone_is_brought_behind_another_when_nothing_forbids_it() {
        let zones = [zone(5, 1), zone(6, 1), zone(7, 1), zone(9, 8)];
        let mut order = [0, 1, 2, 3];
        assert!(bring_behind(&zones, &mut order, 0, |number| number == 2));
        assert_eq!(order, [0, 2, 1, 3]);
        assert!(bring_behind(&zones, &mut order, 2, |number| number == 0));
        assert_eq!(order, [2, 1, 0, 3]);
        assert!(!bring_behind(&zones, &mut order, 0, |number| number == 3));
        assert!(!bring_behind(&zones, &mut order, 3, |number| number == 0));
    }

    /// Every triple of small zones: `arrange` finds an order exactly when one of the six is right.
    #[test]
    fn small_zones_are_ordered_when_and_only_when_they_can_be() {
        let all: Vec<Zone> = (0..16).map(|number| zone(number / 4, number % 4)).collect();
        let right = |zones: &[Zone], order: &[usize]| {
            (0..order.len()).all(|at| {
                (0..at)
                    .all(|before| zones[order[at]].first_return >= zones[order[before]].last_call)
            })
        };
        let orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        for number in 0..16 * 16 * 16 {
            let zones = [all[number / 256], all[number / 16 % 16], all[number % 16]];
            match arrange(&zones) {
                Ok(order) => assert!(right(&zones, &order), "{zones:?} {order:?}"),
                Err((left, other)) => {
                    assert!(
                        orders.iter().all(|order| !right(&zones, order)),
                        "{zones:?}"
                    );
                    let pair = [zones[left], zones[other]];
                    assert!(
                        !right(&pair, &[0, 1]) && !right(&pair, &[1, 0]),
                        "{zones:?}"
                    );
                }
            }
        }
    }
}
