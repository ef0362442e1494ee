//! A node made from what its disk kept.

use super::members::Members;
use super::message::{Index, Timer};
use super::rules::Rules;
use super::{Raft, RaftDisk, Role, leader};
use crate::claims::Claims;
use crate::contract::Effects;
use crate::fixed::Fixed;
use crate::knobs::Reads;
use crate::machine::Machine;
use crate::session::Sessions;
use crate::system::Setup;

impl<M: Machine> Raft<M> {
    /// Makes a node from what its disk kept. `stored`: a machine that is kept beside the log, and up to which entry everything was applied to it. It is
    /// taken up where it is not behind the snapshot; what was stored was committed.
    pub(crate) fn begin(
        setup: &Setup,
        disk: RaftDisk<M::Command>,
        stored: Option<(Index, Sessions<M>)>,
        effects: &mut Effects<Self>,
    ) -> Self {
        let (own, of_machine) = mutants_of::<M>(setup);
        let rules =
            Rules::planted(own).expect("a setup names a mutant or a harmless change of its system");
        leader::assert_sound(&setup.knobs);
        let RaftDisk {
            term,
            vote,
            snapshot,
            mut log,
        } = disk;
        log.found(Members::of(setup.voters));
        let end = snapshot.as_ref().map(|snapshot| snapshot.last.index);
        let end = end.unwrap_or_default();
        let (commit, sessions) = match stored.filter(|(applied, _)| *applied >= end) {
            Some((applied, mut sessions)) => {
                sessions.machine_mut().settle_in(of_machine);
                (applied, sessions)
            }
            None => {
                let image = snapshot.as_ref().map(|snapshot| &snapshot.image);
                (end, Sessions::begun(image, of_machine))
            }
        };
        let raft = Self {
            fixed: Fixed::new(setup.clone(), rules),
            term,
            vote,
            log,
            snapshot,
            commit,
            sessions,
            role: Role::follower(None),
            trusts: setup.knobs.reads == Reads::Lease,
            claims: Claims::default(),
        };
        effects.set_timer(Timer::Election, raft.election_range());
        raft
    }
}

/// The change that a setup plants in the protocol, and the one that it plants in the machine. There is one at most.
pub(super) fn mutants_of<M: Machine>(setup: &Setup) -> (Option<&str>, Option<&str>) {
    let planted = setup.mutant.as_deref();
    match planted.is_some_and(M::has_mutant) {
        true => (None, planted),
        false => (planted, None),
    }
}
