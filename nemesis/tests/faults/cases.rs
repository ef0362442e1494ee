//! For every kind of fault a small schedule, and what it must leave.

use crate::look::{Evidence, Seen, nodes};
use crate::{
    AFTER_MS, CUT_PAIRS, DOWN_MS, FLAKY_MS, JUMP_MS, LASTS_MS, ROLLING, SLOW_MS, START_MS, STEP_MS,
    machines, members, network,
};
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::schedule::{
    Action, Change, ClockBend, DiskTrouble, Disturbance, Fault, Leaves, Links, Target, Trigger,
    When,
};

/// A schedule whose first fault is of the kind in question, and what must be seen if it happened.
pub(crate) struct Case {
    pub(crate) schedule: Vec<Fault>,
    pub(crate) evidence: fn(&Seen) -> Evidence,
}

/// A fault at the usual time.
pub(crate) fn fault(kind: FaultKind, action: Action) -> Fault {
    Fault {
        id: 0,
        kind,
        action,
        when: When::AtMs(START_MS),
        lasts_ms: LASTS_MS,
    }
}

const TWO: Target = Target::Node(NodeId(2));

fn everybody() -> Target {
    Target::Nodes(NodeId::all(5).collect())
}

fn leader() -> Links {
    let target = Target::Leader;
    Links::Around { target }
}

fn everywhere() -> Links {
    let all: Vec<NodeId> = NodeId::all(5).collect();
    Links::OneWay {
        from: all.clone(),
        to: all,
    }
}

fn disturb(links: Links, disturbance: Disturbance) -> Action {
    Action::Disturb { links, disturbance }
}

fn cut(links: Links) -> Action {
    disturb(links, Disturbance::Cut)
}

pub(crate) fn crash(target: Target, leaves: Leaves) -> Action {
    Action::Crash { target, leaves }
}

fn disk(target: Target, trouble: DiskTrouble) -> Action {
    Action::Disk { target, trouble }
}

fn clock(target: Target, bend: ClockBend) -> Action {
    Action::Clock { target, bend }
}

/// The fault that brings about the fact another one waits for.
fn second(kind: FaultKind, action: Action) -> Fault {
    Fault {
        id: 1,
        ..fault(kind, action)
    }
}

fn manage(change: Change) -> Action {
    Action::Manage { change }
}

fn on(fact: Trigger, from_ms: u64, after_ms: u64) -> When {
    When::OnFact {
        fact,
        from_ms,
        after_ms,
    }
}

/// The case of a kind. There is no default: a new kind has to say what it leaves.
pub(crate) fn case(kind: FaultKind) -> Case {
    use FaultKind as Kind;
    let of = |action: Action, evidence: fn(&Seen) -> Evidence| Case {
        schedule: vec![fault(kind, action)],
        evidence,
    };
    match kind {
        Kind::PartitionHalves
        | Kind::PartitionOne
        | Kind::PartitionLeader
        | Kind::PartitionOneWay
        | Kind::PartitionRing
        | Kind::PartitionBridge
        | Kind::PartitionRandom
        | Kind::FlakyLinks => of(cut_of(kind), network_evidence(kind)),
        Kind::LoseMessages
        | Kind::LoseKind
        | Kind::ReorderMessages
        | Kind::DuplicateMessages
        | Kind::CorruptMessages
        | Kind::ResetLinks
        | Kind::ClogLinks
        | Kind::SlowLinks
        | Kind::SlowNode => messages(kind),
        Kind::Crash
        | Kind::CrashLoop
        | Kind::CrashAll
        | Kind::PowerBlip
        | Kind::RollingRestart
        | Kind::KillFreshLeader
        | Kind::KillVoter
        | Kind::KillWriter
        | Kind::KillNewcomer => crashes(kind),
        Kind::Pause => of(Action::Pause { target: TWO }, machines::paused),
        Kind::PauseLeader => of(
            Action::Pause {
                target: Target::Leader,
            },
            machines::leader_paused,
        ),
        Kind::SlowCpu => of(
            Action::SlowCpu {
                target: TWO,
                step_ms_min: STEP_MS,
                step_ms_max: STEP_MS + 5,
            },
            machines::slow_steps,
        ),
        Kind::LoseUnsynced | Kind::TornWrite => writers(kind),
        Kind::SlowDisk => {
            let (delay_ms_min, delay_ms_max) = (SLOW_MS, SLOW_MS + 20);
            let trouble = DiskTrouble::Slow {
                delay_ms_min,
                delay_ms_max,
            };
            of(disk(everybody(), trouble), machines::slow_syncs)
        }
        Kind::DiskError => of(disk(TWO, DiskTrouble::Fails), machines::disk_failed),
        Kind::DiskFull => of(disk(TWO, DiskTrouble::Full), machines::disk_failed),
        Kind::LyingFsync => of(disk(TWO, DiskTrouble::Lies), machines::lied),
        Kind::BitFlip => of(crash(TWO, Leaves::FlippedBit), machines::flipped),
        Kind::MisdirectedWrite => of(disk(TWO, DiskTrouble::Misdirects), machines::misdirected),
        Kind::Wipe => of(crash(TWO, Leaves::Nothing), machines::wiped),
        Kind::ClockJump => of(
            clock(TWO, ClockBend::Jump { ms: JUMP_MS }),
            machines::jumped,
        ),
        Kind::ClockDrift => of(
            clock(Target::Leader, ClockBend::Drift { percent: 50 }),
            machines::drifted,
        ),
        Kind::ClockStrobe => {
            let bend = ClockBend::Strobe {
                ms: JUMP_MS,
                period_ms: FLAKY_MS,
            };
            of(clock(TWO, bend), machines::strobed)
        }
        Kind::RemoveNode => of(manage(Change::Without(TWO)), members::without_two),
        Kind::KillChanger => {
            let kill = Fault {
                when: on(Trigger::MembersChanged, START_MS, AFTER_MS),
                ..fault(kind, crash(Target::Subject, Leaves::Some))
            };
            let change = second(FaultKind::RemoveNode, manage(Change::Without(TWO)));
            Case {
                schedule: vec![kill, change],
                evidence: machines::changer_down,
            }
        }
        Kind::PartitionElection => {
            let (left, right) = (nodes([1, 2]), nodes([3, 4, 5]));
            let halves = Fault {
                when: on(Trigger::BecameLeader, 0, AFTER_MS),
                ..fault(kind, cut(Links::Between { left, right }))
            };
            Case {
                schedule: vec![halves],
                evidence: network::halved_at_an_election,
            }
        }
        Kind::PartitionLeaver => {
            let target = Target::Subject;
            let cut = Fault {
                when: on(Trigger::HandedOver, START_MS, 0),
                ..fault(kind, cut(Links::Around { target }))
            };
            let transfer = manage(Change::Transfer(Target::Behind));
            Case {
                schedule: vec![cut, second(FaultKind::TransferLeader, transfer)],
                evidence: network::leaver_cut_off,
            }
        }
        Kind::AddNode | Kind::ReplaceNode | Kind::ChangeMembers => {
            let voters = nodes(members::OTHERS);
            of(manage(Change::Voters(voters)), members::others)
        }
        Kind::TransferLeader => of(
            manage(Change::Transfer(Target::Behind)),
            members::handed_over,
        ),
    }
}

/// What each kind of partition cuts.
fn cut_of(kind: FaultKind) -> Action {
    use FaultKind as Kind;
    let (left, right) = (nodes([1, 2]), nodes([3, 4, 5]));
    match kind {
        Kind::PartitionHalves => cut(Links::Between { left, right }),
        Kind::PartitionOne => cut(Links::Around { target: TWO }),
        Kind::PartitionLeader => cut(leader()),
        Kind::PartitionOneWay => cut(Links::OneWay {
            from: left,
            to: right,
        }),
        Kind::PartitionRing => cut(Links::AcrossRing {
            order: NodeId::all(5).collect(),
        }),
        Kind::PartitionBridge => cut(Links::Between {
            left,
            right: nodes([4, 5]),
        }),
        Kind::PartitionRandom => cut(Links::Pairs(CUT_PAIRS.to_vec())),
        Kind::FlakyLinks => disturb(
            leader(),
            Disturbance::Flaky {
                period_ms: FLAKY_MS,
            },
        ),
        other => unreachable!("{} cuts nothing", other.name()),
    }
}

fn network_evidence(kind: FaultKind) -> fn(&Seen) -> Evidence {
    use FaultKind as Kind;
    match kind {
        Kind::PartitionHalves => network::halves,
        Kind::PartitionOne => network::alone,
        Kind::PartitionLeader => network::leader_alone,
        Kind::PartitionOneWay => network::one_way,
        Kind::PartitionRing => network::ring,
        Kind::PartitionBridge => network::bridge,
        Kind::PartitionRandom => network::pairs,
        Kind::FlakyLinks => network::flaky,
        other => unreachable!("{} cuts nothing", other.name()),
    }
}

fn messages(kind: FaultKind) -> Case {
    use FaultKind as Kind;
    let slow = Disturbance::Slow {
        delay_ms_min: SLOW_MS,
        delay_ms_max: SLOW_MS + 20,
    };
    let percent = 30;
    let (action, evidence): (_, fn(&Seen) -> Evidence) = match kind {
        Kind::LoseMessages => {
            let lose = Disturbance::Lose {
                percent: 90,
                only: None,
            };
            (disturb(everywhere(), lose), network::lost)
        }
        Kind::LoseKind => return votes_lost(),
        Kind::ReorderMessages => {
            let reorder = Disturbance::Reorder {
                percent,
                late_ms_max: 60,
            };
            (disturb(everywhere(), reorder), network::reordered)
        }
        Kind::DuplicateMessages => {
            let duplicate = Disturbance::Duplicate {
                percent: 60,
                apart_ms_max: 60,
            };
            (disturb(everywhere(), duplicate), network::duplicated)
        }
        Kind::CorruptMessages => (
            disturb(everywhere(), Disturbance::Corrupt { percent: 5 }),
            network::corrupted,
        ),
        Kind::ResetLinks => (
            disturb(everywhere(), Disturbance::Reset { percent: 5 }),
            network::links_reset,
        ),
        Kind::ClogLinks => (disturb(leader(), Disturbance::Clog), network::clogged),
        Kind::SlowLinks => (disturb(everywhere(), slow), network::slow),
        Kind::SlowNode => (disturb(leader(), slow), network::slow),
        other => unreachable!("{} disturbs no messages", other.name()),
    };
    Case {
        schedule: vec![fault(kind, action)],
        evidence,
    }
}

/// All votes are lost, and the leader crashes, so that another is wanted.
fn votes_lost() -> Case {
    let lose = Disturbance::Lose {
        percent: 100,
        only: Some("vote".to_string()),
    };
    let crash = Fault {
        id: 1,
        lasts_ms: DOWN_MS,
        ..fault(FaultKind::Crash, crash(Target::Leader, Leaves::Some))
    };
    Case {
        schedule: vec![
            fault(FaultKind::LoseKind, disturb(everywhere(), lose)),
            crash,
        ],
        evidence: network::votes_lost,
    }
}

fn crashes(kind: FaultKind) -> Case {
    use FaultKind as Kind;
    let subject = || crash(Target::Subject, Leaves::Synced);
    let three = || Target::Nodes(nodes([1, 2, 3]));
    let (action, evidence): (_, fn(&Seen) -> Evidence) = match kind {
        Kind::Crash => (crash(Target::Leader, Leaves::Some), machines::leader_down),
        Kind::CrashLoop => {
            let (up_ms, down_ms) = (DOWN_MS, DOWN_MS);
            let action = Action::CrashLoop {
                target: TWO,
                up_ms,
                down_ms,
            };
            (action, machines::down_again_and_again)
        }
        Kind::CrashAll => (crash(everybody(), Leaves::Some), machines::all_down),
        Kind::PowerBlip => (crash(three(), Leaves::Some), machines::blip),
        Kind::RollingRestart => {
            let action = Action::RollingRestart {
                order: ROLLING.to_vec(),
                down_ms: DOWN_MS,
            };
            (action, machines::all_down_in_turn)
        }
        Kind::KillFreshLeader => (subject(), machines::fresh_leader_down),
        Kind::KillVoter => (subject(), machines::voter_down),
        Kind::KillWriter => (subject(), machines::writer_down),
        Kind::KillNewcomer => (
            crash(Target::Newcomer, Leaves::Some),
            machines::newcomer_down,
        ),
        other => unreachable!("{} stops no node", other.name()),
    };
    let mut case = Case {
        schedule: vec![fault(kind, action)],
        evidence,
    };
    let fault = &mut case.schedule[0];
    match kind {
        Kind::PowerBlip => fault.lasts_ms = 100,
        Kind::RollingRestart => fault.lasts_ms = 2_500,
        Kind::KillFreshLeader => fault.when = on(Trigger::BecameLeader, 0, AFTER_MS),
        Kind::KillVoter => fault.when = on(Trigger::Voted, 0, AFTER_MS),
        Kind::KillWriter => fault.when = on(Trigger::Persisting, START_MS, 1),
        Kind::KillNewcomer => {
            let when = When::AtMs(START_MS - 2 * DOWN_MS);
            let first = Fault {
                id: 1,
                when,
                lasts_ms: DOWN_MS,
                ..old_crash()
            };
            case.schedule.push(first);
        }
        _ => {}
    }
    case
}

/// The crash that makes a newcomer.
fn old_crash() -> Fault {
    fault(FaultKind::Crash, crash(TWO, Leaves::Some))
}

/// All nodes stop while one of them is writing.
fn writers(kind: FaultKind) -> Case {
    let (leaves, evidence): (_, fn(&Seen) -> Evidence) = match kind {
        FaultKind::LoseUnsynced => (Leaves::Synced, machines::unsynced_lost),
        _ => (Leaves::Torn, machines::torn),
    };
    let when = on(Trigger::Persisting, START_MS, 1);
    let schedule = vec![Fault {
        when,
        ..fault(kind, crash(everybody(), leaves))
    }];
    Case { schedule, evidence }
}
