//! Counters to which always the same number is added.
//!
//! # Method
//! A read then tells how many adds came before it: its count. A count that is no whole number, or greater than the number of adds there
//! are, is wrong by itself. The rest is one sweep over calls and returns that adds as late as it can. An add is let happen when it
//! returns, or when a read returns whose count is not reached; then those that return first go first, and those of unknown
//! outcome last. There is a legal order exactly if no read returns before enough adds were called, and none is called when
//! its count is already passed. A read happens at its call or when its count is reached, whichever is later.
//!
//! # Why it is exact
//! Let `n(t)` be the number of adds that have happened at `t`. The history is legal exactly if adds can be given moments between call and
//! return so that for each read `n` is at most its count at its call and at least its count at its return: `n` grows by single steps,
//! so in between it passes the count. The sweep has the smallest `n(t)` of all ways to reach the counts in time. For take the last moment
//! `s` up to `t` at which a read made an add happen that returns after `t`. At `s` exactly the count of the read was reached, and
//! any way has as many. Every add after `s` has returned by `t`; it was also called after `s`, or it would have gone before the one
//! that returns after `t`. So any way has these, too, between `s` and `t`. Where there is no such `s`, all that happened has returned. So if
//! the sweep passes the count of a read that is about to be called, every other way does.
//!
//! The same argument names culprits: a read that returned at `s`, the one called at `t`, and of the adds called and
//! returned in between as many as it takes. Among all reads that will do as the first, the one with the greatest count takes
//! the fewest.
//!
//! The time is that of sorting: n log n. When different numbers are added, a read does not tell how many; the answer is then `None`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Finding, Observed};
use crate::specifications::CounterOp;

/// An operation as the sweep sees it.
#[derive(Debug, Clone, Copy)]
enum Role {
    Add,
    /// The adds that came before it.
    Read(usize),
}

/// Judges one counter from 0. `None` when different numbers are added.
pub fn judge(observed: &[Observed<'_, CounterOp>]) -> Option<Finding> {
    let mut amount = None;
    let mut adds = 0_usize;
    for seen in observed {
        if let CounterOp::Add(number) = *seen.op {
            if *amount.get_or_insert(number) != number || number == 0 {
                return None;
            }
            adds += 1;
        }
    }
    let amount = amount.unwrap_or(1);
    let mut roles = Vec::with_capacity(observed.len());
    for (at, seen) in observed.iter().enumerate() {
        roles.push(match *seen.op {
            CounterOp::Add(_) => Role::Add,
            CounterOp::Fraction => return Some(Finding::Illegal(vec![at])),
            CounterOp::Read(value) => {
                let whole = value.checked_rem(amount) == Some(0);
                let count = value.checked_div(amount).filter(|_| whole);
                match count.and_then(|count| usize::try_from(count).ok()) {
                    Some(count) if count <= adds => Role::Read(count),
                    _ => return Some(Finding::Illegal(vec![at])),
                }
            }
        });
    }
    let sweep = Sweep {
        open: BinaryHeap::new(),
        happened: vec![false; observed.len()],
        waiting: vec![Vec::new(); adds + 1],
        count: 0,
        order: Vec::with_capacity(observed.len()),
    };
    let moments = moments(observed);
    match sweep.run(observed, &roles, &moments) {
        Ok(order) => Some(Finding::Legal(order)),
        Err(Broken::Early { read, count }) => {
            Some(too_early(observed, &roles, &moments, read, count, adds))
        }
        Err(Broken::Late { read, count }) => too_late(observed, &roles, &moments, read, count),
    }
}

/// Calls and returns in order: position, whether it is a return, operation.
fn moments(observed: &[Observed<'_, CounterOp>]) -> Vec<(usize, bool, usize)> {
    let mut moments = Vec::with_capacity(2 * observed.len());
    for (at, seen) in observed.iter().enumerate() {
        moments.push((seen.call, false, at));
        moments.extend(seen.deadline.map(|deadline| (deadline, true, at)));
    }
    moments.sort_unstable();
    moments
}

/// What the sweep cannot pass.
enum Broken {
    /// The read returned before enough adds were called.
    Early { read: usize, count: usize },
    /// The read was called after its count was passed.
    Late { read: usize, count: usize },
}

struct Sweep {
    /// Adds that were called, the first to return on top. Those that happened by another way are skipped.
    open: BinaryHeap<Reverse<(usize, usize)>>,
    happened: Vec<bool>,
    /// Reads that were called before their count was reached, by count.
    waiting: Vec<Vec<usize>>,
    count: usize,
    order: Vec<usize>,
}

impl Sweep {
    fn run(
        mut self,
        observed: &[Observed<'_, CounterOp>],
        roles: &[Role],
        moments: &[(usize, bool, usize)],
    ) -> Result<Vec<usize>, Broken> {
        for &(_, returns, at) in moments {
            match roles[at] {
                Role::Add if returns => self.add(at),
                Role::Add => {
                    let deadline = observed[at].deadline.unwrap_or(usize::MAX);
                    self.open.push(Reverse((deadline, at)));
                }
                Role::Read(count) if returns => {
                    while self.count < count {
                        let Some(Reverse((_, add))) = self.open.pop() else {
                            return Err(Broken::Early { read: at, count });
                        };
                        self.add(add);
                    }
                }
                Role::Read(count) if count < self.count => {
                    return Err(Broken::Late { read: at, count });
                }
                Role::Read(count) if count == self.count => self.order.push(at),
                Role::Read(count) => self.waiting[count].push(at),
            }
        }
        Ok(self.order)
    }

    /// Lets an add happen unless it has.
    fn add(&mut self, at: usize) {
        if std::mem::replace(&mut self.happened[at], true) {
            return;
        }
        self.count += 1;
        self.order.push(at);
        if let Some(waiting) = self.waiting.get_mut(self.count) {
            self.order.append(waiting);
        }
    }
}

/// `read`, with `count`, was called when more adds than that must have happened.
fn too_late(
    observed: &[Observed<'_, CounterOp>],
    roles: &[Role],
    moments: &[(usize, bool, usize)],
    read: usize,
    count: usize,
) -> Option<Finding> {
    let end = observed[read].call;
    let mut adds = Vec::new();
    // The first read, its count, and how many of the adds are between the two.
    let mut best: Option<(usize, usize, usize)> = None;
    for &(position, returns, at) in moments.iter().rev().filter(|moment| moment.0 < end) {
        let returned = observed[at].deadline.is_some_and(|deadline| deadline < end);
        match roles[at] {
            Role::Add if !returns && returned => adds.push(at),
            Role::Read(before) if returns => {
                let enough = before + adds.len() > count;
                if enough && position < end && best.is_none_or(|(_, most, _)| before > most) {
                    best = Some((at, before, adds.len()));
                }
            }
            _ => {}
        }
    }
    let (first, before, between) = match best {
        Some((first, before, between)) if before > 0 => (Some(first), before, between),
        _ => (None, 0, adds.len()),
    };
    let needed = (count + 1).saturating_sub(before);
    if needed > between {
        return None;
    }
    let culprits = adds.into_iter().take(needed).chain(first).chain([read]);
    Some(illegal(culprits.collect()))
}

/// `read`, with `count`, returned before so many adds were called.
fn too_early(
    observed: &[Observed<'_, CounterOp>],
    roles: &[Role],
    moments: &[(usize, bool, usize)],
    read: usize,
    count: usize,
    adds_total: usize,
) -> Finding {
    let start = observed[read].deadline.unwrap_or(usize::MAX);
    let mut between = Vec::new();
    let mut later = Vec::new();
    let mut best: Option<(usize, usize)> = None;
    for &(_, returns, at) in moments.iter().filter(|moment| moment.0 > start) {
        match roles[at] {
            Role::Add if !returns => later.push(at),
            Role::Add if observed[at].call > start => between.push(at),
            Role::Read(after) if !returns => {
                let enough = count + between.len() > after;
                if enough && best.is_none_or(|(_, least)| after < least) {
                    best = Some((at, after));
                }
            }
            _ => {}
        }
    }
    // Without a second read it takes so many late adds that the others cannot make up the count.
    let late = adds_total + 1 - count;
    if let Some((second, after)) = best {
        let needed = (after + 1).saturating_sub(count);
        if needed < late {
            let culprits = between.into_iter().take(needed).chain([read, second]);
            return illegal(culprits.collect());
        }
    }
    illegal(later.into_iter().take(late).chain([read]).collect())
}

fn illegal(mut culprits: Vec<usize>) -> Finding {
    culprits.sort_unstable();
    Finding::Illegal(culprits)
}
