//! Versions: registers whose server numbers their states.
//!
//! # The idea
//! A server that says "this is revision 17" has said where in the order its answer stands. Sort all answers by their versions, and in
//! each version put the write that made it first and the reads of it behind, in the order of their calls:
//!
//! ```text
//!   version      3                    4                     7
//!            ┌─────────────┐     ┌──────────────┐     ┌──────────────────────┐
//!            │ write a     │     │ (write b, ?) │     │ cas b→c              │
//!            │ read a      │     │ read b       │     │ read c   read c      │
//!            └─────────────┘     └──────────────┘     └──────────────────────┘
//!                                 made by a write of unknown outcome
//! ```
//!
//! No other order is possible, so it only has to be checked:
//! - A version has one value, and at most one write that made it.
//! - What a compare-and-set found is the value of the version before.
//! - Real time agrees: nothing returned before something of an earlier version, or the write of its own, was called. One pass with the
//!   greatest call so far sees that.
//!
//! Values may repeat here, as often as they like.
//!
//! # Unknown outcomes
//! A version that was read but whose write is not known is made by a write of unknown outcome, or was there from the start.
//! And a compare-and-set that found a value other than that of the last known version tells of a version in between that nobody
//! saw, if the numbers leave room for one. Each such *gap* needs an operation of its own, one of unknown outcome that writes
//! its value and was called before anything at or behind the gap had returned. That bound only grows from gap to gap, so whoever can
//! fill an earlier gap can fill a later one as well, and it is best to go through the gaps in order and to
//! take what is least useful elsewhere: a compare-and-set that fits the value before, if there is one, and a write otherwise. Operations that no gap
//! needs are left out.
//!
//! When a gap stays open, all that could fill it was called too late or is used up, and the history is illegal. There is one
//! exception: a compare-and-set of unknown outcome is left that would fit if yet another unknown write came before it. Then the monitor gives
//! no answer.
//!
//! # Refused comparisons
//! One without a version is put into the order in the end. It is enclosed, and the history illegal, when an
//! operation of one version returned before it and another of the same version was called after it. If it finds no place
//! for any other reason, an operation of unknown outcome might have made one, and the monitor gives no answer.
//!
//! # When it applies
//! When every certain read, write and compare-and-set tells its version. When none does, versions say nothing, and the history is
//! judged as that of a plain register ([`super::cas_chain`]).

use std::collections::BTreeMap;

use crate::monitors::refused::{Misfit, Step, insert};
use crate::monitors::{Finding, Observed, cas_chain};
use crate::specifications::{RegisterOp, Scalar, VersionedOp};

/// An operation that tells its version.
#[derive(Clone, Copy)]
struct Told {
    /// Its position in the list the monitor was given.
    observed: usize,
    version: u64,
    role: Role,
    /// The value it saw, wrote, or did not find.
    value: Scalar,
    call: usize,
    deadline: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Reads,
    Writes,
    /// It wrote the value in place of this one.
    Replaces(Scalar),
    Refused,
}

/// A write, or a compare-and-set of the value `old`, of which nobody knows whether it happened.
#[derive(Clone, Copy)]
struct Unknown {
    observed: usize,
    call: usize,
    old: Option<Scalar>,
    value: Scalar,
}

/// All operations of one version.
struct Group {
    /// Its first operation in the list of those that tell their version: the writer, if it is known.
    start: usize,
    end: usize,
    writer: bool,
    value: Scalar,
    /// The one that returned first of this group and all behind it.
    first_return: usize,
    /// The operation of unknown outcome that made this state, or the one before it that a compare-and-set found.
    filled_by: Option<Unknown>,
}

/// A state whose writer is not known.
struct Gap {
    /// The group it is the state of, or in front of which it lies.
    group: usize,
    value: Scalar,
    /// The value before it.
    before: Scalar,
    /// Operations that prove that it was there.
    proof: Culprits,
}

/// Operations that cannot be ordered, as positions in the list the monitor was given.
type Culprits = Vec<usize>;

/// Why there is no order.
enum Refusal {
    Illegal(Culprits),
    /// It is not for this monitor to say.
    Open,
}

/// What a list of operations says, sorted by version.
struct Versions {
    initial: Scalar,
    initial_version: Option<u64>,
    told: Vec<Told>,
    unknown: Vec<Unknown>,
    /// Refused comparisons that tell no version.
    refused: Vec<Step<Scalar>>,
}

/// Judges a register that holds `initial` at first, with that version if it is known. `None` when some certain operations tell their
/// version and some do not, or when operations of unknown outcome leave the answer open.
pub(crate) fn judge(
    initial: Scalar,
    initial_version: Option<u64>,
    observed: &[Observed<'_, VersionedOp>],
) -> Option<Finding> {
    if observed.iter().all(|one| one.op.version.is_none()) {
        let plain: Vec<_> = observed
            .iter()
            .map(|one| Observed {
                op: &one.op.op,
                call: one.call,
                deadline: one.deadline,
            })
            .collect();
        return cas_chain::judge(initial, &plain);
    }
    let versions = Versions::read(initial, initial_version, observed)?;
    match versions.solve() {
        Ok(order) => Some(Finding::Legal(order)),
        Err(Refusal::Illegal(mut culprits)) => {
            culprits.sort_unstable();
            culprits.dedup();
            Some(Finding::Illegal(culprits))
        }
        Err(Refusal::Open) => None,
    }
}

impl Versions {
    fn read(
        initial: Scalar,
        initial_version: Option<u64>,
        observed: &[Observed<'_, VersionedOp>],
    ) -> Option<Self> {
        let mut versions = Self {
            initial,
            initial_version,
            told: Vec::with_capacity(observed.len()),
            unknown: Vec::new(),
            refused: Vec::new(),
        };
        let mut latest_call = 0;
        for (position, one) in observed.iter().enumerate() {
            if one.call < latest_call || one.deadline.is_some_and(|deadline| deadline < one.call) {
                return None;
            }
            latest_call = one.call;
            let (role, value) = match one.op.op {
                RegisterOp::Read(value) => (Role::Reads, value),
                RegisterOp::Write(value) => (Role::Writes, value),
                RegisterOp::Differs(value) => (Role::Refused, value),
                // It returned without saying whether it changed anything.
                RegisterOp::MaybeCas(..) if one.deadline.is_some() => return None,
                RegisterOp::Cas(old, new) | RegisterOp::MaybeCas(old, new) => {
                    (Role::Replaces(old), new)
                }
            };
            match (one.deadline, one.op.version) {
                (Some(deadline), Some(version)) => versions.told.push(Told {
                    observed: position,
                    version,
                    role,
                    value,
                    call: one.call,
                    deadline,
                }),
                (Some(_), None) if role == Role::Refused => versions.refused.push(Step {
                    observed: position,
                    call: one.call,
                    deadline: one.deadline,
                    value,
                    needs: None,
                }),
                (Some(_), None) => return None,
                (None, _) => versions.unknown.extend(
                    match role {
                        Role::Writes => Some(None),
                        Role::Replaces(old) => Some(Some(old)),
                        Role::Reads | Role::Refused => None,
                    }
                    .map(|old| Unknown {
                        observed: position,
                        call: one.call,
                        old,
                        value,
                    }),
                ),
            }
        }
        let reads = |told: &Told| matches!(told.role, Role::Reads | Role::Refused);
        versions
            .told
            .sort_unstable_by_key(|told| (told.version, reads(told), told.observed));
        Some(versions)
    }

    fn solve(&self) -> Result<Vec<usize>, Refusal> {
        let mut groups = self.groups()?;
        self.keep_real_time(&mut groups)?;
        let gaps = self.gaps(&groups)?;
        self.fill(&mut groups, &gaps)?;
        self.spell_out(&groups)
    }

    fn illegal<T>(&self, told: impl IntoIterator<Item = usize>) -> Result<T, Refusal> {
        Err(Refusal::Illegal(
            told.into_iter().map(|at| self.told[at].observed).collect(),
        ))
    }

    /// The groups, after making sure that each has one writer at most and one value.
    fn groups(&self) -> Result<Vec<Group>, Refusal> {
        let mut groups = Vec::new();
        let mut start = 0;
        while start < self.told.len() {
            let first = self.told[start];
            let mut end = start;
            // Of a group without a writer, the first read tells the value.
            let mut teller: Option<usize> = None;
            while self
                .told
                .get(end)
                .is_some_and(|told| told.version == first.version)
            {
                let role = self.told[end].role;
                if end > start && matches!(role, Role::Writes | Role::Replaces(_)) {
                    return self.illegal([start, end]);
                }
                teller = teller.or((role != Role::Refused).then_some(end));
                end += 1;
            }
            let Some(teller) = teller else {
                // Something was there, but what?
                return Err(Refusal::Open);
            };
            let value = self.told[teller].value;
            for at in start..end {
                let refused = self.told[at].role == Role::Refused;
                if (self.told[at].value == value) == refused {
                    return self.illegal([teller, at]);
                }
            }
            groups.push(Group {
                start,
                end,
                writer: matches!(first.role, Role::Writes | Role::Replaces(_)),
                value,
                first_return: start,
                filled_by: None,
            });
            start = end;
        }
        Ok(groups)
    }

    /// The operation of a group that tells its value best.
    fn teller(&self, group: &Group) -> usize {
        (group.start..group.end)
            .find(|at| self.told[*at].role != Role::Refused)
            .unwrap_or(group.start)
    }

    /// Makes sure that nothing returned before something that it stands behind was called.
    fn keep_real_time(&self, groups: &mut [Group]) -> Result<(), Refusal> {
        let later = |left: usize, right: usize| match self.told[left].call < self.told[right].call {
            true => right,
            false => left,
        };
        let mut latest: Option<usize> = None;
        for group in groups.iter() {
            let mut latest_here = latest;
            for at in group.start..group.end {
                if let Some(earlier) =
                    latest.filter(|earlier| self.told[at].deadline < self.told[*earlier].call)
                {
                    return self.illegal([earlier, at]);
                }
                latest_here = Some(latest_here.map_or(at, |latest| later(latest, at)));
                if at == group.start && group.writer {
                    latest = latest_here;
                }
            }
            latest = latest_here;
        }
        let mut first: Option<usize> = None;
        for group in groups.iter_mut().rev() {
            first = (group.start..group.end)
                .chain(first)
                .min_by_key(|at| self.told[*at].deadline);
            group.first_return = first.unwrap_or(group.start);
        }
        Ok(())
    }

    /// The states that some operation of unknown outcome must have made, in order.
    fn gaps(&self, groups: &[Group]) -> Result<Vec<Gap>, Refusal> {
        // Versions given to writes are greater than this.
        let floor = self.initial_version.unwrap_or(0);
        let mut gaps = Vec::new();
        let (mut value, mut version) = (self.initial, floor);
        for (number, group) in groups.iter().enumerate() {
            let first = self.told[group.start];
            let teller = self.teller(group);
            let from_the_start = number == 0
                && !group.writer
                && group.value == self.initial
                && self
                    .initial_version
                    .is_none_or(|initial| initial == first.version);
            if !from_the_start && first.version <= floor {
                return self.illegal([teller]);
            }
            let before = number
                .checked_sub(1)
                .map(|before| self.teller(&groups[before]));
            let proof = |told: [Option<usize>; 2]| {
                let told = told.into_iter().flatten();
                told.map(|at| self.told[at].observed).collect()
            };
            match first.role {
                Role::Replaces(old) if old != value => {
                    if first.version - version < 2 {
                        return self.illegal(before.into_iter().chain([group.start]));
                    }
                    gaps.push(Gap {
                        group: number,
                        value: old,
                        before: value,
                        proof: proof([before, Some(group.start)]),
                    });
                }
                Role::Reads | Role::Refused if !from_the_start => gaps.push(Gap {
                    group: number,
                    value: group.value,
                    before: value,
                    // The initial value must not be what was read.
                    proof: proof([before.filter(|_| group.value == self.initial), Some(teller)]),
                }),
                _ => {}
            }
            (value, version) = (group.value, first.version);
        }
        Ok(gaps)
    }

    /// Gives each gap an operation of unknown outcome.
    fn fill(&self, groups: &mut [Group], gaps: &[Gap]) -> Result<(), Refusal> {
        if gaps.is_empty() {
            return Ok(());
        }
        let mut supply = self.unknown.clone();
        supply.sort_by_key(|unknown| unknown.value.number());
        let mut by_value: Vec<usize> = (0..gaps.len()).collect();
        by_value.sort_by_key(|gap| gaps[*gap].value.number());
        for same in by_value.chunk_by(|left, right| gaps[*left].value == gaps[*right].value) {
            let value = gaps[same[0]].value;
            let from = supply.partition_point(|unknown| unknown.value.number() < value.number());
            let to = supply.partition_point(|unknown| unknown.value.number() <= value.number());
            self.fill_same(groups, gaps, same, &supply[from..to])?;
        }
        Ok(())
    }

    /// Fills the gaps of one value from the operations that write it.
    fn fill_same(
        &self,
        groups: &mut [Group],
        gaps: &[Gap],
        same: &[usize],
        supply: &[Unknown],
    ) -> Result<(), Refusal> {
        let mut writes: Vec<Unknown> = Vec::new();
        let mut replacing: BTreeMap<usize, Vec<Unknown>> = BTreeMap::new();
        let mut left = supply.iter().peekable();
        for (filled, gap) in same.iter().map(|gap| &gaps[*gap]).enumerate() {
            let first = &self.told[groups[gap.group].first_return];
            while let Some(unknown) = left.next_if(|unknown| unknown.call <= first.deadline) {
                match unknown.old {
                    Some(old) => replacing.entry(old.number()).or_default().push(*unknown),
                    None => writes.push(*unknown),
                }
            }
            let fitting = replacing.get_mut(&gap.before.number()).and_then(Vec::pop);
            match fitting.or_else(|| writes.pop()) {
                Some(unknown) => groups[gap.group].filled_by = Some(unknown),
                None if replacing.values().any(|some| !some.is_empty()) => {
                    return Err(Refusal::Open);
                }
                None => {
                    let mut culprits = Vec::new();
                    for gap in same[..=filled].iter().map(|gap| &gaps[*gap]) {
                        culprits.extend(&gap.proof);
                    }
                    let writes =
                        |told: &&Told| matches!(told.role, Role::Writes | Role::Replaces(_));
                    let elsewhere = self.told.iter().filter(|told| told.value == gap.value);
                    culprits.extend(elsewhere.filter(writes).map(|told| told.observed));
                    if left.peek().is_some() {
                        culprits.push(first.observed);
                        culprits.extend(left.map(|late| late.observed));
                    }
                    return Err(Refusal::Illegal(culprits));
                }
            }
        }
        Ok(())
    }

    /// Writes the groups out, operation by operation, with the refused comparisons among them.
    fn spell_out(&self, groups: &[Group]) -> Result<Vec<usize>, Refusal> {
        let mut order: Vec<Step<Scalar>> = Vec::with_capacity(self.told.len());
        let mut group_of: Vec<Option<usize>> = Vec::with_capacity(self.told.len());
        for (number, group) in groups.iter().enumerate() {
            if let Some(filler) = group.filled_by {
                order.push(Step {
                    observed: filler.observed,
                    call: filler.call,
                    deadline: None,
                    value: filler.value,
                    needs: None,
                });
                group_of.push(None);
            }
            for told in &self.told[group.start..group.end] {
                order.push(Step {
                    observed: told.observed,
                    call: told.call,
                    deadline: Some(told.deadline),
                    value: group.value,
                    needs: None,
                });
                group_of.push(Some(number));
            }
        }
        insert(self.initial, &order, &self.refused).map_err(|misfits| {
            let Some(Misfit {
                refused,
                after: Some(after),
                before: Some(before),
                ..
            }) = misfits.first().copied()
            else {
                return Refusal::Open;
            };
            match group_of[after] {
                Some(group) if group_of[before] == Some(group) => Refusal::Illegal(vec![
                    order[after].observed,
                    order[before].observed,
                    self.told[self.teller(&groups[group])].observed,
                    self.refused[refused].observed,
                ]),
                _ => Refusal::Open,
            }
        })
    }
}
