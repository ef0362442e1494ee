//! Whether two runs of one trial are the same, and where they first differ.

use crate::arena::{self, ArenaError};
use crate::observer::describing;
use crate::record::{Marks, Run};
use crate::trial::Trial;
use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;
use std::ops::ControlFlow;
use stormglass_checker::History;

/// What usually makes a trial come out differently, where nobody meant it to.
pub const USUAL_CAUSES: &str = "The usual causes: other source or Cargo.lock, an unbiased select, a hash-ordered container, a real clock.";

/// The first difference between two runs of one trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum Difference {
    /// An input of a node: when, where or what.
    Input {
        /// The number of the first input that may differ, from 1.
        first: u64,
        /// The number of the last input of which the first difference may be: the same for runs of up to a quarter of a million inputs.
        last: u64,
        /// Those inputs, as the second run took them; nothing when they were not asked for.
        events: Vec<String>,
    },
    /// What the clients saw, though the nodes took the same inputs.
    History {
        /// The position of the first event that differs, from 0.
        event: usize,
    },
    /// What was written down about the run, though all else is the same.
    Record,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Input {
                first,
                last,
                events,
            } => {
                if first == last {
                    write!(f, "first difference at event {first}")?;
                } else {
                    write!(f, "first difference between event {first} and {last}")?;
                }
                match events.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", now:\n    {}", events.join("\n    ")),
                }
            }
            Difference::History { event } => {
                write!(f, "first difference at event {event} of the history")
            }
            Difference::Record => write!(f, "the records differ"),
        }
    }
}

/// Where two runs of one trial first differ, if they do.
pub fn difference(before: &Run, again: &Run) -> Option<Difference> {
    let inputs = (before.record.inputs, again.record.inputs);
    if before.record.digest != again.record.digest || inputs.0 != inputs.1 {
        let (first, last) = span(&before.record.marks, &again.record.marks, inputs);
        let events = Vec::new();
        return Some(Difference::Input {
            first,
            last,
            events,
        });
    }
    if let Some(event) = parting(&before.history, &again.history) {
        return Some(Difference::History { event });
    }
    (before.record != again.record).then_some(Difference::Record)
}

/// The position of the first event, from 0, at which two histories differ: all before it is the same. Where one goes on when the other
/// has ended, that is the end of the shorter one.
pub fn parting(before: &History, again: &History) -> Option<usize> {
    let (old, new) = (&before.events, &again.events);
    let differs = old.iter().zip(new).position(|(old, new)| old != new);
    let shorter = old.len().min(new.len());
    differs.or((old.len() != new.len()).then_some(shorter))
}

/// Between which inputs, counted from 1, two runs first differ.
fn span(before: &Marks, again: &Marks, inputs: (u64, u64)) -> (u64, u64) {
    // Marks lie a power of two apart; those of the finer list that the coarser one has are every so many.
    // They come from files, which may say anything.
    let every = before.every.max(again.every).max(1);
    let pick = |marks: &Marks| -> Vec<String> {
        let step = usize::try_from(every / marks.every.max(1)).unwrap_or(usize::MAX);
        let digits = marks.digits.as_bytes().chunks(4);
        let picked = digits.skip(step - 1).step_by(step);
        picked
            .map(|mark| String::from_utf8_lossy(mark).into_owned())
            .collect()
    };
    let (old, new) = (pick(before), pick(again));
    let same = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count() as u64;
    let first = same.saturating_mul(every).saturating_add(1);
    let last = first.saturating_add(every - 1);
    let last = last.min(inputs.0.max(inputs.1)).max(first);
    (first, last)
}

/// Runs a trial again and says where it first differs from before, with the inputs described. Gives the second run with it.
///
/// # Errors
/// Those of [`arena::run`].
pub fn explain(trial: &Trial, before: &Run) -> Result<(Run, Option<Difference>), ArenaError> {
    let again = arena::run(trial, &mut |_| ControlFlow::Continue(()))?;
    let difference = difference(before, &again);
    Ok((
        again,
        difference.map(|difference| described(trial, difference)),
    ))
}

/// A difference with its inputs described, as one more run of the trial takes them. Where chance is at work that run may differ as well;
/// the number says where to look all the same.
pub fn described(trial: &Trial, difference: Difference) -> Difference {
    let Difference::Input { first, last, .. } = difference else {
        return difference;
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    let (_, events) = describing(first - 1..last, || arena::run(trial, go_on));
    Difference::Input {
        first,
        last,
        events,
    }
}

/// A number for all of a run, history and record: 32 hexadecimal digits. Two runs of one trial have the same, in any process and any build.
pub fn fingerprint(run: &Run) -> String {
    let mut bytes = Vec::new();
    run.history
        .write_jsonl(&mut bytes)
        .expect("memory takes what is written to it");
    serde_json::to_writer(&mut bytes, &run.record).expect("a record is plain data");
    let mut hasher = SipHasher13::new();
    hasher.write(&bytes);
    format!("{:032x}", hasher.finish128().as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mark_that_differs_says_which_input() {
        let marks = |every: u64, digits: &str| Marks {
            every,
            digits: digits.to_string(),
        };
        let before = marks(1, "000100020003000400050006");
        assert_eq!(
            span(&before, &marks(1, "00010002ffff000400050006"), (6, 6)),
            (3, 3)
        );
        assert_eq!(
            span(&before, &marks(1, "00010002"), (6, 2)),
            (3, 3),
            "one goes on where the other ends"
        );
        assert_eq!(
            span(&before, &marks(2, "00020004ffff"), (6, 6)),
            (5, 6),
            "the coarser list decides"
        );
        for (one, other) in [(1, 0), (0, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            let (first, last) = span(&marks(one, "0001"), &marks(other, "ffff"), (6, 6));
            assert!(
                first >= 1 && last >= first,
                "files that say {one} and {other} are no panic"
            );
        }
    }
}
