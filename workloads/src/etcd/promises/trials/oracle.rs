//! The definition itself, for small stories of keys and watches: a story is legal if there is an order of revisions that explains it.
//!
//! Revision by revision everything is tried that may have happened there: the change that is known to have made it, one of unknown outcome, or the end of a
//! lease. What was answered must be what the store gives then. At last each watch must have told just what happened. This takes exponential time, and
//! says neither when it would take too much. Whether a lease was there is not asked: one that is wanted is.

use crate::etcd::promises::generate::store::{Lease, Store};
use crate::etcd::promises::story::{Deed, Story};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{
    Ask, Done, Error, Event, LeaseId, Op, Revision, Watch, WatchId,
};

/// How much is tried for one story.
const STEPS_MAX: u32 = 20_000;

/// Whether a story of so many clients is legal; `None` when that would take too long to find out.
pub(super) fn is_legal(story: &Story, clients: u64) -> Option<bool> {
    if !in_order(story) {
        return Some(false);
    }
    let Some(mut search) = Search::of(story, clients) else {
        return Some(false);
    };
    let found = search.is_read_right(&search.empty()) && search.place(&search.empty());
    match (found, search.steps < STEPS_MAX) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// The newest revision that anybody had been shown before an operation was called.
fn floor(story: &Story, deed: &Deed) -> Revision {
    let call = deed.call;
    let earlier = story.deeds.iter().filter(|other| other.answer < call);
    earlier.filter_map(Deed::newest).max().unwrap_or(0)
}

/// What the order in time asks of each answer: that it is not older than what was shown before, and not newer than what was asked for by then.
fn in_order(story: &Story) -> bool {
    story.deeds.iter().all(|deed| {
        let Some(revision) = deed.revision().filter(|_| deed.is_linearizable()) else {
            return true;
        };
        revision >= floor(story, deed) + u64::from(deed.own_revision().is_some())
    }) && story.deeds.iter().all(|deed| {
        let Some(newest) = deed.newest() else {
            return true;
        };
        let mut made = story.deeds.iter();
        made.all(|change| {
            let own = change.own_revision();
            own.is_none_or(|own| own > newest || change.call < deed.answer)
        })
    })
}

struct Search<'a> {
    story: &'a Story,
    clients: u64,
    writes: BTreeMap<Revision, &'a Deed>,
    /// What was answered at each revision that made none.
    others: BTreeMap<Revision, Vec<&'a Deed>>,
    /// What of unknown outcome is not placed, with the revisions above which it must be.
    wishes: Vec<(&'a Op, Revision)>,
    leases: BTreeSet<LeaseId>,
    last: Revision,
    steps: u32,
    /// Whether each change has a revision of its own.
    is_possible: bool,
}

impl<'a> Search<'a> {
    /// `None` when two changes have one revision, or one has that of the empty store.
    fn of(story: &'a Story, clients: u64) -> Option<Self> {
        let mut search = Self {
            story,
            clients,
            writes: BTreeMap::new(),
            others: BTreeMap::new(),
            wishes: Vec::new(),
            leases: BTreeSet::new(),
            last: 1,
            steps: 0,
            is_possible: true,
        };
        for deed in &story.deeds {
            search.last = search.last.max(deed.newest().unwrap_or(0));
            if let Some(Op::Grant { lease, .. }) = deed.op() {
                search.leases.insert(*lease);
            }
            match (deed.own_revision(), deed.revision(), deed.op()) {
                (Some(own), ..) => {
                    let other = search.writes.insert(own, deed);
                    search.is_possible &= other.is_none() && own > 1;
                }
                (None, Some(revision), _) if is_of_keys(deed) => {
                    search.others.entry(revision).or_default().push(deed);
                }
                (None, None, Some(op)) if changes_keys(op) => {
                    search.wishes.push((op, floor(story, deed)));
                }
                _ => {}
            }
        }
        search.is_possible.then_some(search)
    }

    /// The store at its first revision, with all leases that anybody asked for.
    fn empty(&self) -> Store {
        let mut store = Store::default();
        self.leases
            .iter()
            .for_each(|lease| grant(&mut store, *lease));
        store
    }

    /// Tries all that may have happened next.
    fn place(&mut self, store: &Store) -> bool {
        self.steps += 1;
        if self.steps >= STEPS_MAX {
            return false;
        }
        let revision = store.revision + 1;
        if revision > self.last {
            return self.watches_agree(store);
        }
        if let Some(deed) = self.writes.get(&revision).copied() {
            let (Some(op), Some(ended)) = (deed.op(), &deed.ended) else {
                return false;
            };
            let mut next = store.clone();
            return next.apply(None, op, 0) == ended.result && self.go_on(revision, &next);
        }
        self.an_end(store) || self.a_wish(store)
    }

    /// A lease ended here.
    fn an_end(&mut self, store: &Store) -> bool {
        let used = store
            .leases
            .iter()
            .filter(|(_, lease)| !lease.keys.is_empty());
        let used: Vec<LeaseId> = used.map(|(lease, _)| *lease).collect();
        used.into_iter().any(|lease| {
            let mut next = store.clone();
            next.end(lease);
            grant(&mut next, lease);
            self.go_on(store.revision + 1, &next)
        })
    }

    /// Something of unknown outcome was done here.
    fn a_wish(&mut self, store: &Store) -> bool {
        for at in 0..self.wishes.len() {
            let (op, floor) = self.wishes[at];
            if floor > store.revision {
                continue;
            }
            self.wishes.remove(at);
            let mut next = store.clone();
            let done = next.apply(None, op, 0);
            if done.is_ok() && self.go_on(store.revision + 1, &next) {
                return true;
            }
            self.wishes.insert(at, (op, floor));
        }
        false
    }

    fn go_on(&mut self, revision: Revision, store: &Store) -> bool {
        store.revision == revision && self.is_read_right(store) && self.place(store)
    }

    /// Whether what was answered at this revision is so.
    fn is_read_right(&self, store: &Store) -> bool {
        let others = self.others.get(&store.revision).into_iter().flatten();
        others.into_iter().all(|deed| {
            let Some(ended) = &deed.ended else {
                return true;
            };
            match deed.request().map(|request| &request.ask) {
                Some(Ask::Range(range)) => store.read(range, store.revision, 0) == ended.result,
                Some(Ask::Write(op)) => {
                    let mut next = store.clone();
                    next.apply(None, op, 0) == ended.result && next.revision == store.revision
                }
                _ => true,
            }
        })
    }

    /// Whether each watch told what happened, all of it, and in order.
    fn watches_agree(&self, store: &Store) -> bool {
        // Of each watch that is known to be at work, what it tells of next.
        let mut open: BTreeMap<(u64, WatchId), (&Watch, Revision)> = BTreeMap::new();
        for deed in &self.story.deeds {
            let client = deed.process % self.clients;
            for event in deed.events() {
                if let Some((watch, next)) = open.get_mut(&(client, event.watch()))
                    && !tells(store, watch, next, event)
                {
                    return false;
                }
            }
            match deed.request().map(|request| &request.ask) {
                Some(Ask::Watch(watch)) => {
                    let key = (client, watch.watch);
                    open.remove(&key);
                    let asked = match (watch.start_revision, deed.revision()) {
                        (0, Some(revision)) => revision + 1,
                        (asked, _) => asked,
                    };
                    if let Some(Done::Watch { start_revision }) = deed.done() {
                        if *start_revision != asked {
                            return false;
                        }
                        open.insert(key, (watch, asked));
                    }
                }
                Some(Ask::CancelWatch { watch }) => {
                    open.remove(&(client, *watch));
                }
                _ => {}
            }
        }
        true
    }
}

/// Whether a watch that is to tell of a revision next may tell this.
fn tells(store: &Store, watch: &Watch, next: &mut Revision, event: &Event) -> bool {
    let happened = |at| store.told(&watch.keys, at, watch.prev_kv, 0);
    match event {
        Event::Changes {
            changes, revision, ..
        } => {
            let Some(last) = changes.last().map(|change| change.kv.mod_revision) else {
                return false;
            };
            let all: Vec<_> = (*next..=last).flat_map(happened).collect();
            let is_right = last <= *revision && *revision <= store.revision && all == *changes;
            *next = last + 1;
            is_right
        }
        Event::Progress { revision, .. } => {
            let is_right = (*next..=*revision).all(|at| happened(at).is_empty());
            *next = (*next).max(revision + 1);
            is_right
        }
        Event::Compacted { .. } => false,
    }
}

fn grant(store: &mut Store, lease: LeaseId) {
    let new = Lease {
        ttl_ms: 1,
        kept_ns: 0,
        keys: BTreeSet::new(),
    };
    store.leases.insert(lease, new);
}

/// Whether an answer says something of keys: those that say something of leases are not looked at.
fn is_of_keys(deed: &Deed) -> bool {
    let of_lease = deed.error() == Some(&Error::LeaseNotFound);
    match deed.request().map(|request| &request.ask) {
        Some(Ask::Range(_)) => true,
        Some(Ask::Write(op)) => changes_keys(op) && !of_lease,
        _ => false,
    }
}

fn changes_keys(op: &Op) -> bool {
    matches!(op, Op::Put(_) | Op::DeleteRange(_) | Op::Txn(_))
}
