//! Sets that only grow, whatever mixture of full reads and questions for one element looks at them.
//!
//! # Method
//! Each element has a birth: the first add of it that takes effect. A birth can happen from the earliest call of an add of it
//! on, and, if any add of it returned, until the earliest return. At each moment of that span the add called first is open or of
//! unknown outcome, so it can be the birth, and every other add can follow it and change nothing. So elements that are added many
//! times are one operation each, and an element that nobody saw and no returned add needs is left out.
//!
//! Full reads must form a chain: of two that each hold what the other lacks, neither can be first. Sorted by size, each must hold the
//! one before, which takes one pass over all they hold. Reads that are equal are a group. Births and groups then alternate: what the
//! first group holds is born, reads of the first group, births of what the second group holds besides, and so on; at last the
//! births that no read saw. A `contains` that says yes comes after the birth of its element, one that says no before it.
//!
//! A sweep along that line gives each birth and each look its earliest moment, the latest call of all that must come before.
//! There is a legal order exactly if each of these moments lies before the return of its operation.
//!
//! # Why it is exact
//! What a look saw is true in an order exactly if it comes after the births of what it says is there and before those of what it says is
//! not. So the object asks for nothing but pairs, first this and then that, and the pairs have no cycle: births and groups are a
//! line, a yes has nothing after it, a no has nothing before it. For such a relation earliest moments decide: sorted by
//! moment it is kept and real time with it. If an operation returned before its moment, then
//! another was called later that must come first. The two collide, together with a read that holds the element of the first and lacks that of
//! the second where it takes one to know which was born first. Where the one called late is a birth, all adds of its element were.
//!
//! The time is that of sorting, and one step for each element of each read. With removals an element can be born
//! many times, and a look no longer tells which birth it saw; these histories are answered `None`.

use rustc_hash::FxHashMap;

use super::schedule::{Latest, Schedule};
use super::{Finding, Observed};
use crate::specifications::{Scalar, SetOp};

/// The first add of one element.
struct Birth {
    element: Scalar,
    /// The add called first.
    opener: usize,
    first_call: usize,
    /// The first return of an add, and whose it is.
    due: Option<(usize, usize)>,
    /// Some look saw the element.
    seen: bool,
    /// The first group of reads that holds it, counted from 1; one more than there are when none does.
    group: usize,
    /// The no that was called last.
    denied: Latest<Cause>,
    /// The earliest moment it can have.
    moment: Latest<Cause>,
}

/// Whose call makes something late.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// All adds of the element of this birth.
    Birth(usize),
    /// A question for the element of this birth, answered no.
    Denial(usize, usize),
    Read(usize),
}

impl Cause {
    fn birth(self) -> Option<usize> {
        match self {
            Self::Birth(birth) | Self::Denial(_, birth) => Some(birth),
            Self::Read(_) => None,
        }
    }
}

/// Judges one set from empty. `None` when something is removed.
pub fn judge(observed: &[Observed<'_, SetOp>]) -> Option<Finding> {
    let mut births: Vec<Birth> = Vec::new();
    // Never iterated.
    let mut numbers: FxHashMap<Scalar, usize> = FxHashMap::default();
    for (at, seen) in observed.iter().enumerate() {
        match seen.op {
            SetOp::Remove(_) => return None,
            SetOp::Add(element) => {
                let number = *numbers.entry(*element).or_insert(births.len());
                match births.get_mut(number) {
                    Some(birth) => birth.also(seen, at),
                    None => births.push(Birth::new(*element, seen, at)),
                }
            }
            SetOp::Read(_) | SetOp::Contains(..) => {}
        }
    }
    let mut reads = Vec::new();
    let mut yes = Vec::new();
    for (at, seen) in observed.iter().enumerate() {
        match seen.op {
            SetOp::Read(members) => {
                // No set holds an element twice.
                if members.0.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Some(Finding::Illegal(vec![at]));
                }
                for element in members.0.iter() {
                    match numbers.get(element) {
                        Some(number) => births[*number].seen = true,
                        None => return Some(Finding::Illegal(vec![at])),
                    }
                }
                reads.push((members.0.len(), at));
            }
            SetOp::Contains(element, held) => match numbers.get(element) {
                Some(number) if *held => {
                    births[*number].seen = true;
                    yes.push((at, *number));
                }
                Some(number) => {
                    let denied = Latest::of(seen.call, Cause::Denial(at, *number));
                    births[*number].denied = births[*number].denied.max(denied);
                }
                None if *held => return Some(Finding::Illegal(vec![at])),
                None => {}
            },
            SetOp::Add(_) | SetOp::Remove(_) => {}
        }
    }
    let groups = match group(observed, reads, &numbers, &mut births) {
        Ok(groups) => groups,
        Err((left, right)) => {
            return Some(Finding::Illegal(vec![left.min(right), left.max(right)]));
        }
    };
    let line = Line {
        observed,
        births,
        groups,
    };
    Some(line.judge(&numbers, &yes))
}

impl Birth {
    fn new(element: Scalar, add: &Observed<'_, SetOp>, at: usize) -> Self {
        Self {
            element,
            opener: at,
            first_call: add.call,
            due: add.deadline.map(|deadline| (deadline, at)),
            seen: false,
            group: usize::MAX,
            denied: Latest::NONE,
            moment: Latest::NONE,
        }
    }

    /// One more add of the element.
    fn also(&mut self, add: &Observed<'_, SetOp>, at: usize) {
        if add.call < self.first_call {
            (self.first_call, self.opener) = (add.call, at);
        }
        if let Some(deadline) = add.deadline
            && self.due.is_none_or(|(first, _)| deadline < first)
        {
            self.due = Some((deadline, at));
        }
    }

    /// False when it may as well never happen.
    fn must(&self) -> bool {
        self.seen || self.due.is_some()
    }
}

/// Puts reads into groups of equal ones, ascending, and tells each birth its group. Fails with two that contradict each other.
fn group(
    observed: &[Observed<'_, SetOp>],
    mut reads: Vec<(usize, usize)>,
    numbers: &FxHashMap<Scalar, usize>,
    births: &mut [Birth],
) -> Result<Vec<Vec<usize>>, (usize, usize)> {
    reads.sort_unstable();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut before: (&[Scalar], usize) = (&[], 0);
    for (_, at) in reads {
        let SetOp::Read(members) = observed[at].op else {
            continue;
        };
        let (smaller, smaller_at) = before;
        if groups.is_empty() || smaller.len() < members.0.len() {
            groups.push(Vec::new());
        }
        // Both ascend, so one pass finds what is in one and not in the other.
        let mut missing = smaller.iter().peekable();
        for element in members.0.iter() {
            if missing.next_if_eq(&element).is_some() {
                continue;
            }
            if let Some(number) = numbers.get(element) {
                births[*number].group = groups.len();
            }
        }
        if missing.next().is_some() {
            return Err((smaller_at, at));
        }
        if let Some(group) = groups.last_mut() {
            group.push(at);
        }
        before = (&members.0, at);
    }
    for birth in births.iter_mut() {
        birth.group = birth.group.min(groups.len() + 1);
    }
    Ok(groups)
}

/// Births and groups of reads in the one order they can have.
struct Line<'a, 'b> {
    observed: &'a [Observed<'b, SetOp>],
    births: Vec<Birth>,
    groups: Vec<Vec<usize>>,
}

impl Line<'_, '_> {
    fn judge(mut self, numbers: &FxHashMap<Scalar, usize>, yes: &[(usize, usize)]) -> Finding {
        let mut schedule = Schedule::default();
        let mut by_group: Vec<usize> = (0..self.births.len())
            .filter(|number| self.births[*number].must())
            .collect();
        by_group.sort_by_key(|number| self.births[*number].group);
        let mut waiting = by_group.into_iter().peekable();
        let mut before = Latest::NONE;
        for group in 1..=self.groups.len() + 1 {
            let mut births_latest = before;
            while let Some(number) = waiting.next_if(|number| self.births[*number].group == group) {
                let birth = &mut self.births[number];
                let own = Latest::of(birth.first_call, Cause::Birth(number));
                birth.moment = before.max(own).max(birth.denied);
                births_latest = births_latest.max(birth.moment);
                schedule.place(birth.moment.call, 2 * group - 1, birth.opener);
                let (moment, due) = (birth.moment, birth.due);
                if let Some((deadline, add)) = due
                    && deadline < moment.call
                {
                    return self.collision(moment.whose, add, Some(number));
                }
            }
            before = births_latest;
            for at in self.groups.get(group - 1).into_iter().flatten() {
                let seen = &self.observed[*at];
                let moment = births_latest.max(Latest::of(seen.call, Cause::Read(*at)));
                before = before.max(moment);
                schedule.place(moment.call, 2 * group, *at);
                if seen.deadline.is_some_and(|deadline| deadline < moment.call) {
                    return self.collision(moment.whose, *at, None);
                }
            }
        }
        for (at, number) in yes {
            let seen = &self.observed[*at];
            let moment = self.births[*number].moment;
            schedule.place(moment.call.max(seen.call), usize::MAX, *at);
            if seen.deadline.is_some_and(|deadline| deadline < moment.call) {
                return self.collision(moment.whose, *at, Some(*number));
            }
        }
        for (at, seen) in self.observed.iter().enumerate() {
            match seen.op {
                SetOp::Contains(_, false) => schedule.place(seen.call, 0, at),
                // Whatever was added again changes nothing at any moment after the birth.
                SetOp::Add(element) if seen.deadline.is_some() => {
                    if let Some(birth) = numbers.get(element).map(|number| &self.births[*number])
                        && birth.opener != at
                    {
                        schedule.place(birth.moment.call.max(seen.call), usize::MAX, at);
                    }
                }
                _ => {}
            }
        }
        Finding::Legal(schedule.into_order())
    }

    /// `late` returned before `cause` was called, which must come first. `about`: the birth that `late` has to do with.
    fn collision(&self, cause: Option<Cause>, late: usize, about: Option<usize>) -> Finding {
        let mut culprits = vec![late];
        let first = cause.and_then(Cause::birth);
        match cause {
            Some(Cause::Birth(number)) => {
                let element = self.births[number].element;
                let adds = self.observed.iter().enumerate();
                culprits.extend(
                    adds.filter(|(_, seen)| *seen.op == SetOp::Add(element))
                        .map(|(at, _)| at),
                );
            }
            Some(Cause::Denial(at, _) | Cause::Read(at)) => culprits.push(at),
            None => {}
        }
        // What tells which of two elements was born first.
        if let (Some(first), Some(second)) = (first, about)
            && first != second
        {
            let group = self.births[first].group;
            culprits.extend(self.groups.get(group - 1).and_then(|reads| reads.first()));
        }
        culprits.sort_unstable();
        culprits.dedup();
        Finding::Illegal(culprits)
    }
}
