//! Panics of a foreign cluster, wherever they happen: in a node, in a task it spawned and forgot, in a client, in what a crash drops.
//!
//! Tokio keeps the panic of a task for whoever joins it, and mostly nobody does. The panic hook sees all of them. It belongs to the
//! process; what it catches is kept for the thread of the trial.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::PanicHookInfo;
use std::sync::Once;
use stormglass_impls::contract::NodeId;
use tokio::runtime::{Handle, Id};

/// A panic, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panicked {
    /// Absent for a client.
    pub(super) node: Option<NodeId>,
    pub(super) message: String,
}

#[derive(Default)]
struct Caught {
    /// The runtimes of the nodes. A node gets a new one at every start.
    houses: Vec<(Id, NodeId)>,
    panics: Vec<Panicked>,
}

thread_local! {
    static CAUGHT: RefCell<Option<Caught>> = const { RefCell::new(None) };
}

/// Catches the panics of this thread as long as it lives. It does not leave its thread.
pub(super) struct Panics(PhantomData<*const ()>);

impl Panics {
    /// Begins to catch.
    pub(super) fn catch() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                note(info);
                // The usual words and the backtrace are what the author of a server looks for.
                usual(info);
            }));
        });
        CAUGHT.set(Some(Caught::default()));
        Self(PhantomData)
    }

    /// Says that the runtime it is called on is that of a node.
    pub(super) fn house(&self, node: NodeId) {
        CAUGHT.with_borrow_mut(|caught| {
            if let (Some(caught), Ok(handle)) = (caught, Handle::try_current()) {
                caught.houses.retain(|(_, housed)| *housed != node);
                caught.houses.push((handle.id(), node));
            }
        });
    }

    /// The panics since it was last asked.
    pub(super) fn take(&self) -> Vec<Panicked> {
        CAUGHT.with_borrow_mut(|caught| {
            caught
                .as_mut()
                .map(|caught| std::mem::take(&mut caught.panics))
                .unwrap_or_default()
        })
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        CAUGHT.set(None);
    }
}

fn note(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without a message");
    let place = info
        .location()
        .map(|place| format!(" at {}:{}", place.file(), place.line()))
        .unwrap_or_default();
    let house = Handle::try_current().ok().map(|handle| handle.id());
    // A thread that is ending has no such place any more, and catches nothing.
    let _ = CAUGHT.try_with(|caught| {
        if let Ok(mut caught) = caught.try_borrow_mut()
            && let Some(caught) = caught.as_mut()
        {
            let housed = caught.houses.iter().find(|(id, _)| Some(*id) == house);
            let node = housed.map(|(_, node)| *node);
            let message = format!("{text}{place}");
            caught.panics.push(Panicked { node, message });
        }
    });
}
