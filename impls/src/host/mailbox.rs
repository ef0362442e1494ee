//! What waits to be taken by a core.

use std::cell::RefCell;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// How many inputs may wait before connections are no longer read. A host that is held for long lets its peers' sockets fill, as a
/// paused process does.
const WAITING_MAX: usize = 4096;

/// The inputs that wait for one core, in the order of their arrival. Shared by the tasks of one thread.
#[derive(Debug)]
pub struct Mailbox<T> {
    waiting: RefCell<VecDeque<T>>,
    arrived: Notify,
    taken: Notify,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self {
            waiting: RefCell::default(),
            arrived: Notify::new(),
            taken: Notify::new(),
        }
    }
}

impl<T> Mailbox<T> {
    /// Puts an input behind the others, however many there are.
    pub fn push(&self, input: T) {
        self.waiting.borrow_mut().push_back(input);
        self.arrived.notify_one();
    }

    /// Waits until there is room for what a connection brings.
    pub async fn room(&self) {
        while self.waiting.borrow().len() >= WAITING_MAX {
            self.taken.notified().await;
        }
    }

    /// Completes when something was pushed since it last completed.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Looks at all that waits.
    pub fn look<R>(&self, see: impl FnOnce(&[T]) -> R) -> R {
        see(self.waiting.borrow_mut().make_contiguous())
    }

    /// Takes the input at a position.
    pub fn take(&self, position: usize) -> Option<T> {
        let taken = self.waiting.borrow_mut().remove(position);
        self.taken.notify_waiters();
        taken
    }
}
