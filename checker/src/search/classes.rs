//! Operations of unknown outcome that act alike: of these, the earliest called stands for any other, so only their number counts.

use super::{Item, Moment};
use crate::limits::{Meter, Reason};
use crate::specification::{Effect, Specification};

/// The class of an item that has none.
pub(super) const NO_CLASS: u32 = u32::MAX;

/// All classes of a history.
pub(super) struct Classes {
    pub(super) list: Vec<Class>,
    /// The class of each item of unknown outcome.
    pub(super) class_of: Vec<u32>,
}

/// Operations of unknown outcome that act alike.
pub(super) struct Class {
    /// Its items, in order of call.
    pub(super) items: Vec<u32>,
    /// How many of them were called so far.
    pub(super) called: u32,
    /// How many of them every configuration has used.
    pub(super) used_by_all: u32,
}

impl Classes {
    pub(super) fn none() -> Self {
        Self {
            list: Vec::new(),
            class_of: Vec::new(),
        }
    }

    pub(super) fn new<S: Specification>(
        specification: &S,
        items: &[Item<'_, S::Op>],
        moments: &[Moment],
        meter: &mut Meter,
    ) -> Result<Self, Reason> {
        let mut list: Vec<Class> = Vec::new();
        let mut class_of = vec![NO_CLASS; items.len()];
        for moment in moments.iter().filter(|moment| !moment.returns) {
            let item = &items[moment.item as usize];
            // What never changes the state and need not happen says nothing.
            if item.deadline.is_some() || item.effect == Effect::Reads {
                continue;
            }
            let mut class = list.len();
            for (number, known) in list.iter().enumerate() {
                meter.step(1)?;
                let other = &items[known.items[0] as usize];
                if specification.interchangeable(other.op, item.op) {
                    class = number;
                    break;
                }
            }
            if class == list.len() {
                list.push(Class {
                    items: Vec::new(),
                    called: 0,
                    used_by_all: 0,
                });
            }
            list[class].items.push(moment.item);
            class_of[moment.item as usize] = class as u32;
        }
        Ok(Self { list, class_of })
    }
}
