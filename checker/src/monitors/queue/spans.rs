//! Values as spans of time, put in order, or the reason why there is none.

use super::super::Observed;
use crate::specifications::QueueOp;

/// Longer than any history. All moments are twice a position in the history, so that there is one between any two events.
pub(super) const FAR: usize = usize::MAX - 2;

/// The moment of an event.
pub(super) fn twice(position: usize) -> usize {
    position.saturating_mul(2)
}

/// The earliest and the latest moment of something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) call: usize,
    pub(super) end: usize,
}

impl Times {
    fn of(seen: &Observed<'_, QueueOp>) -> Self {
        Self {
            call: twice(seen.call),
            end: seen.deadline.map_or(FAR, twice),
        }
    }

    fn precedes(self, other: Self) -> bool {
        self.end < other.call
    }
}

/// A value: how it came into the queue, and how it left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) enqueue: usize,
    /// `None` when it stays for ever.
    pub(super) dequeue: Option<usize>,
    pub(super) put: Times,
    /// After everything else when it stays for ever.
    pub(super) taken: Times,
}

impl Value {
    /// Fails with two culprits when it was taken before its enqueue was called.
    pub(super) fn of(
        observed: &[Observed<'_, QueueOp>],
        enqueue: usize,
        dequeue: Option<usize>,
    ) -> Result<Self, Vec<usize>> {
        let put = Times::of(&observed[enqueue]);
        let Some(at) = dequeue else {
            let taken = Times {
                call: FAR + 1,
                end: FAR + 2,
            };
            return Ok(Self {
                enqueue,
                dequeue,
                put,
                taken,
            });
        };
        let taken = Times::of(&observed[at]);
        if taken.precedes(put) {
            return Err(vec![enqueue, at]);
        }
        Ok(Self {
            enqueue,
            dequeue,
            put: Times {
                call: put.call,
                end: put.end.min(taken.end),
            },
            taken: Times {
                call: taken.call.max(put.call),
                end: taken.end,
            },
        })
    }

    /// The moments at which it is there, whatever else.
    fn surely_there(&self) -> Option<(usize, usize)> {
        (self.put.end < self.taken.call).then_some((self.put.end, self.taken.call))
    }
}

/// What has its place in the order of values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    Value(Value),
    /// A dequeue that found nothing, and the moment chosen for it.
    Empty(usize, usize),
}

impl Item {
    fn put(&self) -> Times {
        match *self {
            Self::Value(value) => value.put,
            Self::Empty(_, moment) => Times {
                call: moment,
                end: moment,
            },
        }
    }

    fn taken(&self) -> Times {
        match *self {
            Self::Value(value) => value.taken,
            Self::Empty(_, moment) => Times {
                call: moment,
                end: moment,
            },
        }
    }
}

/// Why there is no order.
#[derive(Debug)]
pub(super) enum Clash {
    /// At each moment of the dequeue that found nothing, one of the values was there.
    Covered { empty: usize, chain: Vec<Value> },
    /// The first was enqueued before the second; the second was taken before the first.
    Crossed(Value, Value),
}

impl Clash {
    /// The operations in it.
    pub(super) fn culprits(&self) -> Vec<usize> {
        let both = |value: &Value| [Some(value.enqueue), value.dequeue].into_iter().flatten();
        match self {
            Self::Covered { empty, chain } => {
                let chain = chain.iter().flat_map(both);
                chain.chain([*empty]).collect()
            }
            Self::Crossed(first, second) => both(first).chain(both(second)).collect(),
        }
    }
}

/// Puts values, and dequeues that found nothing, in an order that keeps both relations. `None` should the free moments fit to
/// no value, which the module page shows to be impossible.
pub(super) fn arrange(
    observed: &[Observed<'_, QueueOp>],
    values: &[Value],
    empty: &[usize],
) -> Option<Result<Vec<Item>, Clash>> {
    let mut items: Vec<Item> = values.iter().copied().map(Item::Value).collect();
    let covered = Covered::of(values);
    for at in empty {
        let times = Times::of(&observed[*at]);
        match covered.free_moment(times) {
            Some(moment) => items.push(Item::Empty(*at, moment)),
            None => {
                return Some(Err(Clash::Covered {
                    empty: *at,
                    chain: covered.chain(times),
                }));
            }
        }
    }
    let sorted_by = |key: fn(&Item) -> usize| {
        let mut places: Vec<usize> = (0..items.len()).collect();
        places.sort_unstable_by_key(|place| (key(&items[*place]), *place));
        places.into_iter().peekable()
    };
    let mut by_put = sorted_by(|item| item.put().end);
    let mut by_taken = sorted_by(|item| item.taken().end);
    let mut placed = vec![false; items.len()];
    let mut order = Vec::with_capacity(items.len());
    loop {
        while by_put.next_if(|place| placed[*place]).is_some() {}
        while by_taken.next_if(|place| placed[*place]).is_some() {}
        let (Some(first_put), Some(first_taken)) = (by_put.peek(), by_taken.peek()) else {
            return Some(Ok(order));
        };
        let (a, b) = (items[*first_put], items[*first_taken]);
        let next = if !b.taken().precedes(a.taken()) {
            *first_put
        } else if !a.put().precedes(b.put()) {
            *first_taken
        } else if let (Item::Value(a), Item::Value(b)) = (a, b) {
            return Some(Err(Clash::Crossed(a, b)));
        } else {
            return None;
        };
        placed[next] = true;
        order.push(items[next]);
    }
}

/// The moments at which some value is there, whatever else.
struct Covered {
    /// Ascending by the first moment.
    spans: Vec<(usize, usize, Value)>,
    /// The same, merged where they overlap.
    merged: Vec<(usize, usize)>,
}

impl Covered {
    fn of(values: &[Value]) -> Self {
        let spans = values.iter().filter_map(|value| {
            let (from, to) = value.surely_there()?;
            Some((from, to, *value))
        });
        let mut spans: Vec<_> = spans.collect();
        spans.sort_unstable_by_key(|(from, to, value)| (*from, *to, value.enqueue));
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (from, to, _) in &spans {
            match merged.last_mut() {
                Some(last) if *from < last.1 => last.1 = last.1.max(*to),
                _ => merged.push((*from, *to)),
            }
        }
        Self { spans, merged }
    }

    /// The first moment in `times` at which nothing need be there.
    fn free_moment(&self, times: Times) -> Option<usize> {
        let first = times.call + 1;
        let before = self.merged.partition_point(|(from, _)| *from < first);
        let span = before.checked_sub(1).and_then(|last| self.merged.get(last));
        match span {
            Some((_, to)) if first < *to => (*to < times.end && *to < FAR).then_some(*to + 1),
            _ => Some(first),
        }
    }

    /// Values that cover all of `times`, each there before the one before it is gone.
    fn chain(&self, times: Times) -> Vec<Value> {
        let mut chain = Vec::new();
        let mut reached = times.call + 1;
        let mut spans = self.spans.iter().peekable();
        while reached < times.end {
            let mut furthest: Option<(usize, Value)> = None;
            while let Some((_, to, value)) = spans.next_if(|(from, ..)| *from < reached) {
                if furthest.is_none_or(|(most, _)| *to > most) {
                    furthest = Some((*to, *value));
                }
            }
            match furthest {
                Some((to, value)) if to > reached => {
                    chain.push(value);
                    reached = to;
                }
                _ => break,
            }
        }
        chain
    }
}
