//! Phase 2: a quorum comes to have the leader's history (Zab 1.0).
//!
//! A follower changes nothing before it has all of it: what it is sent it gathers, and takes over in one step when NEWLEADER comes. A crash
//! before that leaves it with what it had, and it has lost nothing that it ever acknowledged.

use super::impossible::Impossible;
use super::leader::Stretch;
use super::log::beginning;
use super::message::{Epoch, Message, Place, Txn, Zxid};
use super::rules::{Stage, Way, Window};
use super::turn::Installed;
use super::{Held, Phase, Role, Snapshot, Turn, Zab};
use crate::contract::{Fact, NodeId};
use crate::machine::Machine;
use crate::session::Sessions;
use crate::snapshot::Assembly;

/// What a follower has gathered of its leader's history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Taking<C> {
    base: Base,
    /// What comes after that.
    pub(super) txns: Vec<Txn<C>>,
}

/// What of its own history a follower keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Base {
    All,
    UpTo(Zxid),
    /// Nothing: a snapshot is on its way, or is there. An empty one is nothing at all.
    Snapshot {
        place: Place,
        assembly: Assembly<Zxid>,
        whole: Option<Snapshot>,
    },
}

impl<C> Taking<C> {
    fn of(base: Base) -> Self {
        let txns = Vec::new();
        Self { base, txns }
    }
}

impl<M: Machine> Zab<M> {
    /// A quorum takes part in this leader's epoch: its history is the one the epoch begins with.
    pub(super) fn begin_synchronisation(&mut self, turn: &mut Turn<'_, M>) {
        let initial = self.log.last_place();
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let epoch = leader.epoch.expect("a quorum takes part in it");
        leader.stretch = Stretch::Synchronisation { initial };
        let peers = leader.peers.iter();
        let accepted = peers.filter(|(_, peer)| peer.stage == Stage::Accepted);
        let accepted: Vec<NodeId> = accepted.map(|(node, _)| *node).collect();
        self.current = epoch;
        turn.held.push(Held::OwnHistory);
        self.be_patient(turn);
        for peer in self.in_order(&accepted) {
            self.synchronise(peer, turn);
        }
    }

    /// Sends a follower what it needs to have this leader's history. From now on it is sent every proposal.
    pub(super) fn synchronise(&mut self, to: NodeId, turn: &mut Turn<'_, M>) {
        let way_to_synchronise = self.rules().way_to_synchronise;
        let prefers_snapshots = self.habits().prefers_snapshots;
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let epoch = leader
            .epoch
            .expect("who is synchronised has accepted the epoch");
        let peer = leader.peers.get_mut(&to);
        let peer = peer.expect("who is synchronised is in conversation");
        peer.stage = Stage::Sent;
        let window = Window {
            dropped: self.log.dropped().1,
            shared: self.log.last_up_to(peer.last),
        };
        let way = match prefers_snapshots {
            true => Way::Snap,
            false => way_to_synchronise(peer.last, window),
        };
        let after = match way {
            Way::Diff { after } => {
                self.send(to, Message::Diff, turn);
                self.log.place_of(after)
            }
            Way::Trunc { to: last } => {
                self.send(to, Message::Trunc { to: last }, turn);
                self.log.place_of(last)
            }
            Way::Snap => Some(self.send_snapshot(to, turn)),
        };
        let after = after.expect("what a follower keeps is in its leader's history");
        let rest = self.log.after(after);
        for txns in self.portions(rest) {
            let txns = txns.to_vec();
            self.send(to, Message::Propose { txns }, turn);
        }
        self.send(to, Message::NewLeader { epoch }, turn);
    }

    /// Sends a snapshot in pieces. Gives the place of its last transaction.
    fn send_snapshot(&self, to: NodeId, turn: &mut Turn<'_, M>) -> Place {
        let snapshot = self.snapshot.as_ref();
        let total = snapshot.map_or(0, |snapshot| snapshot.image.len());
        let (zxid, place) = snapshot.map_or((Zxid::NONE, Place(0)), |snapshot| {
            (snapshot.zxid, snapshot.place)
        });
        let mut offset = 0;
        loop {
            let piece = snapshot.map(|snapshot| {
                let image = &snapshot.image;
                image.chunk(offset, self.knobs().snapshot_chunk_bytes)
            });
            let bytes = piece.unwrap_or_default().to_vec();
            let end = offset + bytes.len();
            let piece = Message::Snap {
                zxid,
                place,
                total,
                offset,
                bytes,
            };
            self.send(to, piece, turn);
            if end >= total {
                return place;
            }
            offset = end;
        }
    }

    /// A leader says how a follower comes to have its history.
    fn take_base(&mut self, base: Base, turn: &mut Turn<'_, M>) {
        match self.phase() {
            Some(Phase::Synchronisation { taking }) if taking.is_none() => {
                *taking = Some(Taking::of(base));
            }
            _ => self.fail(Impossible::SynchronisedTwice, turn),
        }
    }

    /// The follower keeps all it has.
    pub(super) fn take_diff(&mut self, turn: &mut Turn<'_, M>) {
        self.take_base(Base::All, turn);
    }

    /// The follower keeps what it has up to a transaction.
    pub(super) fn take_trunc(&mut self, to: Zxid, turn: &mut Turn<'_, M>) {
        self.take_base(Base::UpTo(to), turn);
    }

    /// The follower keeps nothing, and gets a snapshot piece by piece.
    pub(super) fn take_snap(
        &mut self,
        (zxid, place): (Zxid, Place),
        (total, offset, bytes): (usize, usize, &[u8]),
        turn: &mut Turn<'_, M>,
    ) {
        if offset == 0 {
            let assembly = Assembly::new(zxid, total);
            let whole = None;
            self.take_base(
                Base::Snapshot {
                    place,
                    assembly,
                    whole,
                },
                turn,
            );
        }
        match self.phase() {
            Some(Phase::Synchronisation {
                taking:
                    Some(Taking {
                        base:
                            Base::Snapshot {
                                place,
                                assembly,
                                whole,
                            },
                        ..
                    }),
            }) if assembly.of == zxid && assembly.length() == offset => {
                assembly.add(offset, bytes);
                if place.0 > 0
                    && let Some(image) = assembly.finish()
                {
                    let place = *place;
                    *whole = Some(Snapshot { zxid, place, image });
                }
            }
            // Its base was refused already.
            None => {}
            Some(_) => self.fail(Impossible::SynchronisedTwice, turn),
        }
    }

    /// The follower has been sent the whole history: it takes it over, and says so when it is durable.
    pub(super) fn take_new_leader(&mut self, epoch: Epoch, turn: &mut Turn<'_, M>) {
        let Some(Phase::Synchronisation { taking }) = self.phase() else {
            return self.fail(Impossible::HistoryTwice, turn);
        };
        let Some(Taking { base, txns }) = taking.take() else {
            return self.fail(Impossible::HistoryTwice, turn);
        };
        if epoch != self.accepted {
            return self.fail(Impossible::OtherEpoch, turn);
        }
        match base {
            Base::All => {}
            Base::UpTo(zxid) => {
                let Some(place) = self.log.place_of(zxid) else {
                    return self.fail(Impossible::KeepsWhatItLacks, turn);
                };
                self.give_up(place, turn);
            }
            Base::Snapshot { whole, .. } => self.install(whole, turn),
        }
        for txn in txns {
            self.log.append(txn.clone());
            turn.appended.push(txn);
        }
        self.current = epoch;
        let last = self.log.last();
        let Role::Following(follower) = &mut self.role else {
            return;
        };
        follower.phase = Phase::Synchronised;
        let leader = follower.leader;
        self.claim(leader, Message::AckNewLeader { last }, turn);
    }

    /// Gives up what stands after a place: it was never committed.
    fn give_up(&mut self, after: Place, turn: &mut Turn<'_, M>) {
        assert!(
            after >= self.delivered,
            "what was delivered is never given up"
        );
        if self.log.last_place() > after {
            self.log.truncate(after);
            turn.truncated = Some(after);
            let from = after.next().0;
            turn.effects.note(Fact::Truncated { from });
        }
    }

    /// Begins anew with a snapshot, or with nothing. What was delivered is delivered again from there.
    fn install(&mut self, snapshot: Option<Snapshot>, turn: &mut Turn<'_, M>) {
        let mutant = self.setup().mutant.as_deref();
        self.sessions = Sessions::begun(snapshot.as_ref().map(|known| &known.image), mutant);
        self.delivered = snapshot.as_ref().map_or(Place(0), |known| known.place);
        self.log = beginning(snapshot.as_ref());
        self.snapshot.clone_from(&snapshot);
        turn.installed = Some(Installed(snapshot));
        let index = self.delivered.0;
        turn.effects.note(Fact::SnapshotInstalled { index });
    }

    /// A follower has the leader's history, durably.
    pub(super) fn take_ack_new_leader(&mut self, from: NodeId, last: Zxid, turn: &mut Turn<'_, M>) {
        let committed = self.delivered_zxid();
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let broadcasts = leader.broadcasts();
        let Some(peer) = leader.peers.get_mut(&from) else {
            return;
        };
        if peer.stage != Stage::Sent {
            self.impossible(Impossible::HistoryTwice, turn);
            return self.part_with(from, turn);
        }
        (peer.stage, peer.acked) = (Stage::Current, last);
        if broadcasts {
            self.send(from, Message::UpToDate { committed }, turn);
            return self.count_acks(turn);
        }
        self.be_patient(turn);
        self.begin_if_current(turn);
    }

    /// The leader's own history is durable as that of its epoch.
    pub(super) fn own_history_durable(&mut self, turn: &mut Turn<'_, M>) {
        if let Role::Leading(leader) = &mut self.role {
            leader.own_current = true;
        }
        self.begin_if_current(turn);
    }

    /// Begins to broadcast when a quorum has the history of this epoch.
    fn begin_if_current(&mut self, turn: &mut Turn<'_, M>) {
        let Role::Leading(leader) = &self.role else {
            return;
        };
        let peers = leader.peers.values();
        let current = peers.filter(|peer| peer.stage == Stage::Current).count();
        let own = usize::from(leader.own_current);
        if let Stretch::Synchronisation { initial } = leader.stretch
            && self.is_quorum(current + own)
        {
            self.begin_broadcast(initial, turn);
        }
    }

    /// A quorum has the history that the leader's epoch begins with: the follower takes part.
    pub(super) fn take_up_to_date(&mut self, committed: Zxid, turn: &mut Turn<'_, M>) {
        match self.phase() {
            Some(phase @ Phase::Synchronised) => *phase = Phase::Broadcast,
            _ => return self.fail(Impossible::CommittedTooSoon, turn),
        }
        self.commit(committed, turn);
    }
}
