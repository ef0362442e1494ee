//! Queues, when no value is enqueued twice.
//!
//! # Method
//! What is wrong by itself comes first: a value taken that nobody enqueued, taken twice, or taken before its enqueue was called (Bouajjani,
//! Emmi, Enea and Hamza, On Reducing Linearizability to State Reachability, 2015, call these bad patterns, after Henzinger, Sezgin and
//! Vafeiadis, Aspect-Oriented Linearizability Proofs, 2013). Then each value has two spans, of its enqueue and of its dequeue, and legal
//! orders are orders of values: in a queue the first in is the first out. An enqueue of unknown outcome has no end of its own, yet it comes
//! before its value was taken. A value that nobody took and whose enqueue is unknown is left out.
//!
//! **A dequeue that found nothing** needs a moment at which nothing need be there: outside of every span from the end of an enqueue to the
//! call of its dequeue. These spans are sorted and merged. If a merged one covers the whole dequeue, the chain of spans that does is the
//! collision. If none does, the first free moment is chosen, and the dequeue becomes like a value whose two spans are this moment.
//!
//! **The order of values.** A value must go before another if its enqueue returned before that of the other was called, or its dequeue did
//! so. Take, of the values that are left, the one whose enqueue returned first, `a`, and the one whose dequeue returned first, `b`. If the
//! dequeue of `a` was not called after `b` was taken, nothing must go before `a`; it is next. If the enqueue of `b` was not called after
//! that of `a` returned, `b` is next. Otherwise `a` was enqueued before `b` and `b` was taken before `a`: these four operations collide.
//!
//! **The moments.** With the values in order, every operation is given the latest call among those that must come before it, as in a queue
//! that is played through, and sorted by it.
//!
//! **Dequeues of unknown outcome** can take what nobody is known to have taken. Both are sorted, the values by the end of the enqueue, the
//! dequeues by call, and given to each other in this order, as far as there are both; any value left over stays for ever.
//!
//! # Why it is exact
//! *Bad patterns are enough.* If none is there, one of `a` and `b` is always next, so the values get an order that keeps both relations. A
//! dequeue that found nothing, at its free moment, stands in no contradiction to any value: it would take a value that was enqueued before
//! the moment and taken after it, and those spans the moment avoids. In that order every call that must come before an operation is before
//! its return: enqueues and dequeues by the two relations, an enqueue before its own dequeue by the ends chosen above, and across a free
//! moment everything before it is called before it and everything after it returns after it.
//!
//! *The gifts are the best ones.* Take any legal order in which some unknown dequeues take values. Where one takes a value whose own
//! enqueue is of unknown outcome, leave out both. If of two values the one whose enqueue ended first is taken by the later dequeue or not
//! at all, exchange the two. What must be taken before a known value is taken, must be so because its own enqueue ended early, and that
//! holds for the first one sooner. The spans from the end of the enqueue to the call of the dequeue cover no more than before: a long one
//! and one inside it become two that overlap. To use an earlier dequeue in place of a later one, or one more, makes spans shorter and asks
//! for nothing new. So the gifts in order are as good as any.
//!
//! Culprits of a lost value are many by nature: it is lost only if none of the dequeues took it, so that each of them is a witness.
//!
//! The time is that of sorting: n log n.

use super::schedule::Schedule;
use super::{Finding, Observed};
use crate::specifications::QueueOp;

mod spans;

use spans::{Clash, FAR, Item, Times, Value, arrange, twice};

/// Judges one queue from empty. `None` when some value is enqueued twice.
pub fn judge(observed: &[Observed<'_, QueueOp>]) -> Option<Finding> {
    let roles = match Roles::of(observed)? {
        Ok(roles) => roles,
        Err(culprits) => return Some(illegal(culprits)),
    };
    // First without the values that nobody is known to have taken: a collision of others is a small one.
    let mut items = match arrange(observed, &roles.taken, &roles.empty)? {
        Ok(items) => items,
        Err(clash) => return Some(illegal(clash.culprits())),
    };
    if !roles.left.is_empty() {
        let gifts = roles
            .unknown
            .iter()
            .map(Some)
            .chain(std::iter::repeat(None));
        let left = roles.left.iter().zip(gifts);
        let left = left.map(|(value, gift)| match gift {
            Some(dequeue) => Value {
                dequeue: Some(*dequeue),
                taken: Times {
                    call: twice(observed[*dequeue].call).max(value.put.call),
                    end: FAR,
                },
                ..*value
            },
            None => *value,
        });
        let values: Vec<Value> = roles.taken.iter().copied().chain(left).collect();
        items = match arrange(observed, &values, &roles.empty)? {
            Ok(items) => items,
            Err(clash) => return Some(illegal(roles.witnesses(observed, &clash))),
        };
    }
    Some(Finding::Legal(order(observed, &items)))
}

/// The operations by what they are to the queue.
struct Roles {
    /// Values whose dequeue is known.
    taken: Vec<Value>,
    /// Values that were enqueued and that nobody is known to have taken, by the end of the enqueue.
    left: Vec<Value>,
    /// Dequeues that found nothing.
    empty: Vec<usize>,
    /// Dequeues of unknown outcome, by call.
    unknown: Vec<usize>,
    /// All dequeues.
    dequeues: Vec<usize>,
}

impl Roles {
    /// `None` when a value is enqueued twice; culprits when some are wrong by themselves.
    fn of(observed: &[Observed<'_, QueueOp>]) -> Option<Result<Self, Vec<usize>>> {
        let mut enqueues = Vec::new();
        let mut takes = Vec::new();
        let mut roles = Self {
            taken: Vec::new(),
            left: Vec::new(),
            empty: Vec::new(),
            unknown: Vec::new(),
            dequeues: Vec::new(),
        };
        for (at, seen) in observed.iter().enumerate() {
            match *seen.op {
                QueueOp::Enqueue(element) => enqueues.push((element, at)),
                QueueOp::Dequeue(element) => takes.push((element, at)),
                QueueOp::Empty => roles.empty.push(at),
                QueueOp::DequeueUnknown => roles.unknown.push(at),
            }
            if !matches!(seen.op, QueueOp::Enqueue(_)) {
                roles.dequeues.push(at);
            }
        }
        enqueues.sort_unstable();
        takes.sort_unstable();
        if enqueues.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        for pair in takes.windows(2) {
            if pair[0].0 == pair[1].0 {
                return Some(Err(vec![pair[0].1, pair[1].1]));
            }
        }
        let mut takes = takes.into_iter().peekable();
        for (element, enqueue) in enqueues {
            if let Some((_, stranger)) = takes.next_if(|(taken, _)| *taken < element) {
                return Some(Err(vec![stranger]));
            }
            let dequeue = takes.next_if(|(taken, _)| *taken == element);
            match Value::of(observed, enqueue, dequeue.map(|(_, at)| at)) {
                Ok(value) if value.dequeue.is_some() => roles.taken.push(value),
                Ok(value) if observed[enqueue].deadline.is_some() => roles.left.push(value),
                Ok(_) => {}
                Err(culprits) => return Some(Err(culprits)),
            }
        }
        if let Some((_, stranger)) = takes.next() {
            return Some(Err(vec![stranger]));
        }
        roles.left.sort_unstable_by_key(|value| value.put.end);
        roles
            .unknown
            .sort_unstable_by_key(|at| (observed[*at].call, *at));
        Some(Ok(roles))
    }

    /// The culprits of a clash in which there are values that nobody is known to have taken: with any one dequeue free, it might
    /// have taken such a value in time.
    fn witnesses(&self, observed: &[Observed<'_, QueueOp>], clash: &Clash) -> Vec<usize> {
        let known = |value: &&Value| {
            value
                .dequeue
                .is_some_and(|at| observed[at].deadline.is_some())
        };
        let mut culprits = Vec::new();
        // Lost values whose enqueue ended before this are in the clash.
        let lost_until;
        // Dequeues of unknown outcome that were called before this have no part in it.
        let mut in_time = 0;
        match clash {
            Clash::Covered { empty, chain } => {
                culprits.extend(chain.iter().filter(known).map(|value| value.enqueue));
                lost_until = observed[*empty].deadline.map_or(FAR, twice);
            }
            Clash::Crossed(_, second) => {
                // As many dequeues as were called in time may have taken a value each; one more value was left.
                culprits.push(second.enqueue);
                in_time = second.taken.end;
                let takers = |at: &usize| twice(observed[*at].call) < in_time;
                let left = self.left.get(self.unknown.partition_point(takers));
                lost_until = left.map_or(FAR, |value| value.put.end + 1);
            }
        }
        let lost = self.left.iter().filter(|value| value.put.end < lost_until);
        culprits.extend(lost.map(|value| value.enqueue));
        let witness = |at: &&usize| {
            let seen = &observed[**at];
            *seen.op != QueueOp::DequeueUnknown || twice(seen.call) >= in_time
        };
        culprits.extend(self.dequeues.iter().filter(witness));
        culprits
    }
}

/// Plays the queue through and gives every operation its moment.
fn order(observed: &[Observed<'_, QueueOp>], items: &[Item]) -> Vec<usize> {
    let mut schedule = Schedule::default();
    // The latest moments of an enqueue and of a dequeue so far. A dequeue that found nothing is both.
    let (mut put, mut taken) = (0, 0);
    for (rank, item) in items.iter().enumerate() {
        match item {
            Item::Value(value) => {
                put = put.max(observed[value.enqueue].call);
                schedule.place(put, 2 * rank, value.enqueue);
                if let Some(dequeue) = value.dequeue {
                    taken = taken.max(put).max(observed[dequeue].call);
                    schedule.place(taken, 2 * rank + 1, dequeue);
                }
            }
            Item::Empty(at, _) => {
                put = put.max(taken).max(observed[*at].call);
                taken = put;
                schedule.place(put, 2 * rank, *at);
            }
        }
    }
    schedule.into_order()
}

fn illegal(mut culprits: Vec<usize>) -> Finding {
    culprits.sort_unstable();
    culprits.dedup();
    Finding::Illegal(culprits)
}
