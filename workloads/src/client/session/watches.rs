//! Which watches a client has: what a read leaves behind, and what is over when it has fired.

use stormglass_impls::zookeeper::words::{Change, Done, Read, Request, Watch, Watched, What};

/// The watch that a read leaves behind.
pub(super) fn watch_of(request: &Request, done: &Done) -> Option<Watch> {
    let Request::Read(Read {
        what,
        path,
        watch: true,
    }) = request
    else {
        return None;
    };
    let watched = match (what, done) {
        (What::Exists, Done::Exists(None)) => Watched::Exists,
        (What::Exists, Done::Exists(Some(_))) | (What::Data, Done::Data(..)) => Watched::Data,
        (What::Children, Done::Children(..)) => Watched::Children,
        _ => return None,
    };
    Some(Watch {
        what: watched,
        path: path.clone(),
    })
}

/// Whether a watch of that kind is over after that change of its node.
pub(super) fn uses_up(change: Change, watched: Watched) -> bool {
    match (change, watched) {
        (
            Change::Created | Change::Deleted | Change::DataChanged,
            Watched::Data | Watched::Exists,
        ) => true,
        (Change::Deleted | Change::ChildrenChanged, Watched::Children) => true,
        (Change::ChildrenChanged, Watched::Data | Watched::Exists)
        | (Change::Created | Change::DataChanged, Watched::Children) => false,
    }
}
