//! The timers of one core.

/// The timers that are set, each with its deadline.
///
/// A core has a handful, so a list that is searched is both the simplest and the fastest table.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    set: Vec<Entry<T>>,
    /// How many timers were set so far: breaks ties between equal deadlines.
    count: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    timer: T,
    deadline_ns: u64,
    order: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            set: Vec::new(),
            count: 0,
        }
    }
}

impl<T: PartialEq> Timers<T> {
    /// Sets a timer, or moves it when it is set. The deadline is in nanoseconds of the node's monotonic clock.
    pub fn set(&mut self, timer: T, deadline_ns: u64) {
        self.cancel(&timer);
        self.count += 1;
        let order = self.count;
        let place = self
            .set
            .partition_point(|entry| (entry.deadline_ns, entry.order) < (deadline_ns, order));
        self.set.insert(
            place,
            Entry {
                timer,
                deadline_ns,
                order,
            },
        );
    }

    /// Stops a timer, if it is set.
    pub fn cancel(&mut self, timer: &T) {
        self.set.retain(|entry| entry.timer != *timer);
    }

    /// The timers due at a reading of the clock: by deadline, those of equal deadline by when they were set.
    pub fn due(&self, now_ns: u64) -> impl ExactSizeIterator<Item = &T> {
        self.set[..self.due_count(now_ns)]
            .iter()
            .map(|entry| &entry.timer)
    }

    /// How many timers are due.
    pub fn due_count(&self, now_ns: u64) -> usize {
        self.set
            .partition_point(|entry| entry.deadline_ns <= now_ns)
    }

    /// Takes out the timer at this position of [`Timers::due`]. It is no longer set.
    ///
    /// # Panics
    /// When there is none.
    pub fn take(&mut self, position: usize) -> T {
        self.set.remove(position).timer
    }

    /// When the next timer that is not due yet will be, in nanoseconds of the monotonic clock.
    pub fn next_after(&self, now_ns: u64) -> Option<u64> {
        self.set
            .get(self.due_count(now_ns))
            .map(|entry| entry.deadline_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_by_deadline_and_then_by_when_they_were_set() {
        let mut timers = Timers::default();
        timers.set("late", 30);
        timers.set("first of two", 20);
        timers.set("second of two", 20);
        timers.set("early", 10);
        assert_eq!(timers.due(9).count(), 0);
        assert_eq!(
            timers.due(20).copied().collect::<Vec<_>>(),
            ["early", "first of two", "second of two"]
        );
        assert_eq!(timers.next_after(20), Some(30));
        assert_eq!(timers.take(1), "first of two");
        assert_eq!(
            timers.due(20).copied().collect::<Vec<_>>(),
            ["early", "second of two"]
        );
    }

    #[test]
    fn setting_a_timer_again_moves_it_and_cancelling_stops_it() {
        let mut timers = Timers::default();
        timers.set("a", 10);
        timers.set("b", 10);
        timers.set("a", 10);
        assert_eq!(timers.due(10).copied().collect::<Vec<_>>(), ["b", "a"]);
        timers.set("a", 50);
        assert_eq!(timers.due(10).copied().collect::<Vec<_>>(), ["b"]);
        timers.cancel(&"b");
        timers.cancel(&"never set");
        assert_eq!(
            (timers.due(10).count(), timers.next_after(10)),
            (0, Some(50))
        );
    }
}
