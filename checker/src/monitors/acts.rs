//! Acts: what the operations of a register come down to for [`super::cas_chain`].

use crate::monitors::Observed;
use crate::monitors::zones::POSITION_MAX;
use crate::specifications::{RegisterOp, Scalar};

/// An operation in terms of clusters. Positions of the history count from 1 here; 0 is before everything.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    pub(crate) role: Role,
    /// The value it saw, wrote, or did not find.
    pub(crate) value: usize,
    pub(crate) call: usize,
    pub(crate) deadline: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It read the value, or replaced it by itself.
    Reads,
    /// It wrote the value, whatever was there before.
    Writes,
    /// It wrote the value in place of this one.
    Replaces(usize),
    /// It did not find the value.
    Refused,
    /// It changed nothing and tells nothing.
    Silent,
}

/// Small numbers for the values that occur in one part of a history.
pub(crate) struct Numbers {
    /// The values in ascending order; empty when they are small enough to stand for themselves.
    sorted: Vec<usize>,
    pub(crate) count: usize,
}

impl Numbers {
    pub(crate) fn of(initial: Scalar, observed: &[Observed<'_, RegisterOp>]) -> Self {
        let mut values = vec![initial.number()];
        for one in observed {
            match *one.op {
                RegisterOp::Read(value) | RegisterOp::Write(value) | RegisterOp::Differs(value) => {
                    values.push(value.number());
                }
                RegisterOp::Cas(old, new) | RegisterOp::MaybeCas(old, new) => {
                    values.extend([old.number(), new.number()]);
                }
            }
        }
        let greatest = values.iter().copied().max().unwrap_or(0);
        if greatest / 4 <= values.len() {
            return Self {
                sorted: Vec::new(),
                count: greatest + 1,
            };
        }
        // A few values of a register of many keys: their numbers are far apart.
        values.sort_unstable();
        values.dedup();
        Self {
            count: values.len(),
            sorted: values,
        }
    }

    pub(crate) fn number(&self, content: Scalar) -> Option<usize> {
        match self.sorted.is_empty() {
            true => Some(content.number()),
            false => self.sorted.binary_search(&content.number()).ok(),
        }
    }
}

/// The operations in terms of clusters. `None` when one is of a kind that has no place there.
pub(crate) fn acts(numbers: &Numbers, observed: &[Observed<'_, RegisterOp>]) -> Option<Vec<Act>> {
    let mut acts = Vec::with_capacity(observed.len());
    let mut latest_call = 0;
    for one in observed {
        let (role, value) = match *one.op {
            RegisterOp::Read(value) => (Role::Reads, value),
            RegisterOp::Write(value) => (Role::Writes, value),
            RegisterOp::Differs(value) => (Role::Refused, value),
            RegisterOp::Cas(old, new) if old == new => (Role::Reads, old),
            RegisterOp::MaybeCas(old, new) if old == new => (Role::Silent, old),
            // It returned without saying whether it changed anything.
            RegisterOp::MaybeCas(..) if one.deadline.is_some() => return None,
            RegisterOp::Cas(old, new) | RegisterOp::MaybeCas(old, new) => {
                (Role::Replaces(numbers.number(old)?), new)
            }
        };
        let role = match (role, one.deadline) {
            (Role::Reads | Role::Refused, None) => Role::Silent,
            _ => role,
        };
        let deadline = one.deadline.map(|deadline| deadline.saturating_add(1));
        let call = one.call.checked_add(1)?;
        let latest = deadline.unwrap_or(call);
        if call < latest_call || latest < call || latest > POSITION_MAX {
            return None;
        }
        latest_call = call;
        acts.push(Act {
            role,
            value: numbers.number(value)?,
            call,
            deadline,
        });
    }
    Some(acts)
}
