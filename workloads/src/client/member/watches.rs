//! The open watches of a client: what each was told, and how it stands with the member.

use std::collections::BTreeMap;
use stormglass_impls::contract::RequestId;
use stormglass_impls::etcd::words::{
    Ask, Change, Event, Identity, Request, Revision, Watch, WatchId,
};

/// The watches that were begun, and are not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Watches(BTreeMap<WatchId, Watching>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Watching {
    /// As whom.
    as_user: Option<Identity>,
    /// As it was asked for first. Where it begins anew is another matter.
    watch: Watch,
    /// The first revision of which it was not told. It never goes back, whatever a member tells.
    next: Revision,
    stage: Stage,
    /// The fragments of what is not told to its end.
    parts: Vec<Change>,
}

/// How a watch stands with the member that the client talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// It went with its connection, and has to begin anew.
    Lost,
    /// The member was asked to begin it anew, under this number.
    Asked(RequestId),
    /// The member has it.
    Here,
}

impl Watches {
    /// A member has begun a watch, in place of one of the same number.
    pub(super) fn began(
        &mut self,
        as_user: Option<Identity>,
        watch: Watch,
        start_revision: Revision,
    ) {
        let begun = Watching {
            as_user,
            next: start_revision,
            stage: Stage::Here,
            parts: Vec::new(),
            watch,
        };
        self.0.insert(begun.watch.watch, begun);
    }

    /// A watch is over.
    pub(super) fn end(&mut self, watch: WatchId) {
        self.0.remove(&watch);
    }

    /// The connection is over, and all watches with it.
    pub(super) fn lose(&mut self) {
        for watching in self.0.values_mut() {
            watching.stage = Stage::Lost;
            watching.parts.clear();
        }
    }

    /// Those that have to begin anew.
    pub(super) fn lost(&self) -> Vec<WatchId> {
        let lost = self.0.iter().filter(|(_, one)| one.stage == Stage::Lost);
        lost.map(|(watch, _)| *watch).collect()
    }

    /// A watch is to begin anew: gives what the member is asked.
    ///
    /// # Panics
    /// When there is no such watch.
    pub(super) fn begins_anew(&mut self, watch: WatchId, request_id: RequestId) -> Request {
        let watching = self.0.get_mut(&watch);
        let watching = watching.expect("only an open watch can begin anew");
        watching.stage = Stage::Asked(request_id);
        Request {
            as_user: watching.as_user.clone(),
            ask: Ask::Watch(Watch {
                start_revision: watching.next,
                ..watching.watch.clone()
            }),
        }
    }

    /// The member has begun anew what it was asked to under this number.
    pub(super) fn began_anew(&mut self, request_id: RequestId) {
        let mut all = self.0.values_mut();
        if let Some(one) = all.find(|one| one.stage == Stage::Asked(request_id)) {
            one.stage = Stage::Here;
        }
    }

    /// The member has refused what it was asked under this number, and every other would.
    pub(super) fn was_refused(&mut self, request_id: RequestId) {
        self.0
            .retain(|_, one| one.stage != Stage::Asked(request_id));
    }

    /// A user has shown its password again: its watches begin anew as whoever it is by now.
    pub(super) fn identify(&mut self, user: &str, auth_revision: u64) {
        let identities = self.0.values_mut().filter_map(|one| one.as_user.as_mut());
        for identity in identities.filter(|identity| identity.user == user) {
            identity.auth_revision = auth_revision;
        }
    }

    /// A member tells something. Gives what is to be handed on: nothing of a watch that the member does not have, and of fragments nothing before the
    /// last of them.
    pub(super) fn told(&mut self, event: Event) -> Option<Event> {
        let watching = self.0.get_mut(&event.watch())?;
        if watching.stage != Stage::Here {
            return None;
        }
        match event {
            Event::Changes {
                watch,
                revision,
                changes,
                fragment,
            } => {
                watching.parts.extend(changes);
                if fragment {
                    return None;
                }
                let changes = std::mem::take(&mut watching.parts);
                let last = changes.last().map_or(0, |change| change.kv.mod_revision);
                watching.next = watching.next.max(last.saturating_add(1));
                Some(Event::Changes {
                    watch,
                    revision,
                    changes,
                    fragment,
                })
            }
            Event::Progress { revision, .. } => {
                watching.next = watching.next.max(revision.saturating_add(1));
                Some(event)
            }
            Event::Compacted { watch, .. } => {
                self.end(watch);
                Some(event)
            }
        }
    }

    /// Whether there is no watch.
    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a member is to say something of a watch.
    pub(super) fn are_with_a_member(&self) -> bool {
        self.0.values().any(|one| one.stage != Stage::Lost)
    }

    /// Whether a watch is to begin anew, and its member has not said so yet.
    pub(super) fn are_awaited(&self) -> bool {
        let mut all = self.0.values();
        all.any(|one| matches!(one.stage, Stage::Asked(_)))
    }

    /// Whether one of them is, under this number.
    pub(super) fn are_awaited_under(&self, request_id: RequestId) -> bool {
        let mut all = self.0.values();
        all.any(|one| one.stage == Stage::Asked(request_id))
    }
}
