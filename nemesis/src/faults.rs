//! The kinds of fault one can ask for: their names, what they do, where they can be made, and what they ask of a cluster.

use crate::schedule::{Action, Change, ClockBend, DiskTrouble, Disturbance, Leaves, Links, Target};
use crate::trial::Arena;
use serde::{Deserialize, Serialize};
use stormglass_impls::facts::FactKind;
use stormglass_impls::system::Budget;

/// What a cluster must promise to survive for a fault to lie within its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// A network that loses, delays, repeats and reorders, or resets links instead.
    Network,
    /// Nodes that stop, lose what they had not synced, and come back.
    Crashes,
    /// Nodes that stand still for a while.
    Pauses,
    /// A disk that fails loudly.
    DiskStops,
    /// A disk that loses or alters what it had synced.
    SyncedLoss,
    /// Wall clocks that are anything.
    WallClock,
    /// Monotonic clocks that run faster or slower than others.
    Drift,
    /// Members and leaders that change while it serves.
    Membership,
}

impl Demand {
    /// Whether a budget grants it. How much drift is granted says [`Budget::drift_percent_max`].
    pub fn is_within(self, budget: &Budget) -> bool {
        match self {
            Demand::Network => true,
            Demand::Crashes => budget.crashes,
            Demand::Pauses => budget.pauses,
            Demand::DiskStops => budget.disk_stops,
            Demand::SyncedLoss => budget.synced_loss,
            Demand::WallClock => budget.wall_clock,
            Demand::Drift => budget.drift_percent_max > 0,
            Demand::Membership => budget.membership,
        }
    }
}

/// A kind of fault, for lists and for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultInfo {
    /// Which.
    pub kind: FaultKind,
    /// Its name, as given to `--faults`.
    pub name: &'static str,
    /// The family it belongs to, which `--faults` takes too.
    pub family: &'static str,
    /// What happens, in a sentence.
    pub summary: &'static str,
    /// What it asks of a cluster.
    pub demand: Demand,
    /// The arenas that can represent it.
    pub arenas: &'static [Arena],
    /// The smallest cluster in which it means something.
    pub nodes_min: u8,
    /// Whether it can befall a server that is not ours, which has no gate and tells no facts.
    pub foreign: bool,
}

const BOTH: &[Arena] = &[Arena::Simulator, Arena::Turmoil];
const ALL: &[Arena] = &[Arena::Simulator, Arena::Turmoil, Arena::Live];
const TURMOIL: &[Arena] = &[Arena::Turmoil];

macro_rules! faults {
    ($( $(#[$doc:meta])* $kind:ident $name:literal $family:literal $demand:ident $arenas:ident $nodes_min:literal $foreign:literal $summary:literal; )*) => {
        /// The kinds of fault one can ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum FaultKind { $(#[doc = $summary] $kind,)* }

        /// All kinds of fault, in the order in which lists show them.
        pub const FAULTS: &[FaultInfo] = &[$(FaultInfo {
            kind: FaultKind::$kind,
            name: $name,
            family: $family,
            summary: $summary,
            demand: Demand::$demand,
            arenas: $arenas,
            nodes_min: $nodes_min,
            foreign: $foreign,
        },)*];
    };
}

faults! {
    PartitionHalves "partition-halves" "partition" Network BOTH 2 true "a majority and a minority cannot hear each other";
    PartitionOne "partition-one" "partition" Network BOTH 2 true "one node is cut off from all others";
    PartitionLeader "partition-leader" "partition" Network BOTH 2 false "the leader is cut off from all others";
    PartitionOneWay "partition-one-way" "partition" Network BOTH 2 true "what some nodes send does not arrive at the others";
    PartitionRing "partition-ring" "partition" Network BOTH 4 true "each node hears only its two neighbours on a ring";
    PartitionBridge "partition-bridge" "partition" Network BOTH 3 true "two groups hear each other only through one node that hears both";
    PartitionRandom "partition-random" "partition" Network BOTH 3 true "each pair of nodes is cut apart or not, as it falls";
    PartitionElection "partition-election" "partition" Network BOTH 3 false "the nodes fall into two halves just after one of them became leader";
    FlakyLinks "flaky-links" "partition" Network BOTH 2 false "links are cut and joined again, over and over";
    LoseMessages "lose-messages" "message" Network BOTH 2 false "some messages are lost";
    LoseKind "lose-kind" "message" Network BOTH 2 false "messages of one kind are lost, the others pass";
    ReorderMessages "reorder-messages" "message" Network BOTH 2 false "some messages are overtaken by later ones";
    DuplicateMessages "duplicate-messages" "message" Network BOTH 2 false "some messages arrive twice";
    CorruptMessages "corrupt-messages" "message" Network BOTH 2 false "some messages arrive with a bit flipped, which the checksum must catch";
    ResetLinks "reset-links" "message" Network BOTH 2 false "connections break, and what was under way on them is lost";
    ClogLinks "clog-links" "slow" Network BOTH 2 false "what some links carry is held, and released at the end";
    SlowLinks "slow-links" "slow" Network BOTH 2 true "frames on some links are delayed";
    SlowNode "slow-node" "slow" Network BOTH 2 false "all a node sends and is sent is delayed";
    Crash "crash" "crash" Crashes ALL 1 true "a node stops, loses some of what it had not synced, and restarts";
    CrashLoop "crash-loop" "crash" Crashes ALL 1 false "a node stops and restarts, over and over";
    CrashAll "crash-all" "crash" Crashes ALL 1 true "all nodes stop at once and restart";
    PowerBlip "power-blip" "crash" Crashes ALL 1 true "nodes stop together and are back before an election timeout";
    RollingRestart "rolling-restart" "crash" Crashes ALL 2 false "all nodes restart, one after the other";
    KillFreshLeader "kill-fresh-leader" "crash" Crashes ALL 1 false "a node is stopped just after it became leader";
    KillVoter "kill-voter" "crash" Crashes BOTH 2 false "a node is stopped just after it gave its vote";
    KillWriter "kill-writer" "crash" Crashes BOTH 1 false "a node is stopped while its disk is writing";
    KillNewcomer "kill-newcomer" "crash" Crashes ALL 1 false "the node that was started last is stopped again";
    Pause "pause" "pause" Pauses BOTH 1 false "a node stands still, and wakes to its timers, then to its mail";
    PauseLeader "pause-leader" "pause" Pauses BOTH 2 false "the leader stands still while others may replace it";
    SlowCpu "slow-cpu" "pause" Pauses BOTH 1 false "every step of a node takes long";
    LoseUnsynced "lose-unsynced" "disk" Crashes BOTH 1 false "nodes stop and lose everything they had not synced";
    TornWrite "torn-write" "disk" Crashes BOTH 1 false "nodes stop in the middle of a write";
    SlowDisk "slow-disk" "disk" DiskStops BOTH 1 false "syncs of a node's disk take long";
    DiskError "disk-error" "disk" DiskStops BOTH 1 false "a sync fails, which stops the node; it restarts with what was synced";
    DiskFull "disk-full" "disk" DiskStops BOTH 1 false "a write finds no room, which stops the node; it restarts once there is";
    LyingFsync "lying-fsync" "disk" SyncedLoss BOTH 1 false "syncs say they are done and are not; then the node restarts";
    BitFlip "bit-flip" "disk" SyncedLoss TURMOIL 1 false "a node stops, and a bit of what it had synced is flipped before it restarts";
    MisdirectedWrite "misdirected-write" "disk" SyncedLoss TURMOIL 1 false "a write lands on older ones; then the node restarts";
    Wipe "wipe" "disk" SyncedLoss BOTH 1 false "a node stops, and comes back with an empty disk";
    ClockJump "clock-jump" "clock" WallClock BOTH 1 false "a node's wall clock is far ahead or behind for a while";
    ClockDrift "clock-drift" "clock" Drift BOTH 1 false "a node's clocks run faster or slower than the others'";
    ClockStrobe "clock-strobe" "clock" WallClock BOTH 1 false "a node's wall clock jumps ahead and back, over and over";
    RemoveNode "remove-node" "membership" Membership ALL 2 false "a voter loses its vote, and has it again at the end";
    AddNode "add-node" "membership" Membership ALL 2 false "a spare gets a vote on top of the others, and gives it back at the end";
    ReplaceNode "replace-node" "membership" Membership ALL 2 false "a spare takes the place of a voter, and gives it back at the end";
    ChangeMembers "change-members" "membership" Membership ALL 2 false "others have the votes, several at once, and give them back at the end";
    TransferLeader "transfer-leader" "membership" Membership ALL 2 false "the leader is asked to hand over";
    KillChanger "kill-changer" "membership" Membership BOTH 2 false "a node is stopped just after it learned of other members";
    PartitionLeaver "partition-leaver" "membership" Membership BOTH 2 false "a leader is cut off just after it told another node to take over";
}

/// The kinds that a list names: kinds and families separated by commas, or `all`, or `none`. A family, and `all`, leave out what is refused; to
/// name that by itself is an error. `refuses` says why a kind cannot be made, as a clause behind its name.
///
/// # Errors
/// A sentence that names the word.
pub fn named(
    list: &str,
    refuses: &dyn Fn(FaultKind) -> Option<String>,
) -> Result<Vec<FaultKind>, String> {
    let mut chosen = Vec::new();
    for word in list
        .split(',')
        .map(str::trim)
        .filter(|word| *word != "none")
    {
        if let Some(info) = FAULTS.iter().find(|info| info.name == word)
            && let Some(cause) = refuses(info.kind)
        {
            return Err(format!("faults: {word} {cause}; choose another"));
        }
        // Some families have the name of their plainest kind.
        let meant = FAULTS.iter();
        let meant: Vec<FaultKind> = meant
            .filter(|info| [info.name, info.family, "all"].contains(&word))
            .map(|info| info.kind)
            .collect();
        if meant.is_empty() {
            let mut known: Vec<&str> = vec!["all", "none"];
            known.extend(FAULTS.iter().flat_map(|info| [info.family, info.name]));
            known.dedup();
            return Err(format!(
                "faults: there is no fault {word:?}; there are {known:?}"
            ));
        }
        let possible = meant.into_iter().filter(|kind| refuses(*kind).is_none());
        let before = chosen.len();
        chosen.extend(possible);
        if chosen.len() == before {
            return Err(format!(
                "faults: no fault of the family {word} can befall this cluster; choose another"
            ));
        }
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

impl FaultKind {
    /// Its name, as given to `--faults`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The kind of fault without which this one waits for ever, if there is one.
    pub fn needs(self) -> Option<FaultKind> {
        match self {
            FaultKind::KillNewcomer | FaultKind::KillVoter => Some(FaultKind::Crash),
            FaultKind::PartitionElection => Some(FaultKind::PartitionLeader),
            FaultKind::KillChanger => Some(FaultKind::ChangeMembers),
            FaultKind::PartitionLeaver => Some(FaultKind::TransferLeader),
            _ => None,
        }
    }

    /// Whether it changes who the members are.
    pub fn changes_members(self) -> bool {
        use FaultKind as Kind;
        matches!(
            self,
            Kind::RemoveNode | Kind::AddNode | Kind::ReplaceNode | Kind::ChangeMembers
        )
    }

    /// The fact that it waits for, or by which its target is known: one that a cluster never notes leaves it without either.
    pub fn awaits(self) -> Option<FactKind> {
        use FaultKind as Kind;
        match self {
            Kind::PartitionLeader
            | Kind::PartitionElection
            | Kind::KillFreshLeader
            | Kind::PauseLeader
            | Kind::TransferLeader => Some(FactKind::BecameLeader),
            Kind::KillVoter => Some(FactKind::Voted),
            Kind::KillChanger => Some(FactKind::MembersChanged),
            Kind::PartitionLeaver => Some(FactKind::HandedOver),
            _ => None,
        }
    }

    /// Its entry in the list.
    pub fn info(self) -> &'static FaultInfo {
        // The list is in the order of the enum: one macro makes both.
        &FAULTS[self as usize]
    }

    /// Whether its nodes are down from its beginning to its end.
    pub fn keeps_down(self) -> bool {
        use FaultKind as Kind;
        match self {
            Kind::LoseUnsynced | Kind::TornWrite | Kind::BitFlip | Kind::Wipe => true,
            Kind::CrashLoop | Kind::RollingRestart => false,
            Kind::KillChanger => true,
            kind => kind.info().family == "crash",
        }
    }

    /// Whether an action is what this kind of fault does.
    pub fn fits(self, action: &Action) -> bool {
        use FaultKind as Kind;
        let crash = |wanted: &[Leaves]| matches!(action, Action::Crash { leaves, .. } if wanted.contains(leaves));
        let disk = |wanted: fn(&DiskTrouble) -> bool| matches!(action, Action::Disk { trouble, .. } if wanted(trouble));
        let links = |wanted: fn(&Disturbance) -> bool| matches!(action, Action::Disturb { disturbance, .. } if wanted(disturbance));
        let cut = |wanted: fn(&Links) -> bool| matches!(action, Action::Disturb { links, disturbance: Disturbance::Cut } if wanted(links));
        let manage = |wanted: fn(&Change) -> bool| matches!(action, Action::Manage { change } if wanted(change));
        match self {
            Kind::PartitionHalves | Kind::PartitionBridge | Kind::PartitionElection => {
                cut(|links| matches!(links, Links::Between { .. }))
            }
            Kind::PartitionOne => cut(|links| matches!(links, Links::Around { .. })),
            // Once its target is resolved, the leader is a node like others.
            Kind::PartitionLeader => cut(|links| {
                matches!(
                    links,
                    Links::Around {
                        target: Target::Leader | Target::Node(_)
                    }
                )
            }),
            Kind::PartitionOneWay => cut(|links| matches!(links, Links::OneWay { .. })),
            Kind::PartitionRing => cut(|links| matches!(links, Links::AcrossRing { .. })),
            Kind::PartitionRandom => cut(|links| matches!(links, Links::Pairs(_))),
            Kind::FlakyLinks => links(|what| matches!(what, Disturbance::Flaky { .. })),
            Kind::LoseMessages => {
                links(|what| matches!(what, Disturbance::Lose { only: None, .. }))
            }
            Kind::LoseKind => links(|what| matches!(what, Disturbance::Lose { only: Some(_), .. })),
            Kind::ReorderMessages => links(|what| matches!(what, Disturbance::Reorder { .. })),
            Kind::DuplicateMessages => links(|what| matches!(what, Disturbance::Duplicate { .. })),
            Kind::CorruptMessages => links(|what| matches!(what, Disturbance::Corrupt { .. })),
            Kind::ResetLinks => links(|what| matches!(what, Disturbance::Reset { .. })),
            Kind::ClogLinks => links(|what| matches!(what, Disturbance::Clog)),
            Kind::SlowLinks | Kind::SlowNode => {
                links(|what| matches!(what, Disturbance::Slow { .. }))
            }
            Kind::Crash | Kind::PowerBlip | Kind::CrashAll => {
                crash(&[Leaves::Some, Leaves::Synced])
            }
            Kind::PartitionLeaver => cut(|links| matches!(links, Links::Around { .. })),
            Kind::KillFreshLeader
            | Kind::KillVoter
            | Kind::KillWriter
            | Kind::KillNewcomer
            | Kind::KillChanger => crash(&[Leaves::Some, Leaves::Synced, Leaves::Torn]),
            Kind::LoseUnsynced => crash(&[Leaves::Synced]),
            Kind::TornWrite => crash(&[Leaves::Torn]),
            Kind::BitFlip => crash(&[Leaves::FlippedBit]),
            Kind::Wipe => crash(&[Leaves::Nothing]),
            Kind::CrashLoop => matches!(action, Action::CrashLoop { .. }),
            Kind::RollingRestart => matches!(action, Action::RollingRestart { .. }),
            Kind::Pause | Kind::PauseLeader => matches!(action, Action::Pause { .. }),
            Kind::SlowCpu => matches!(action, Action::SlowCpu { .. }),
            Kind::SlowDisk => disk(|trouble| matches!(trouble, DiskTrouble::Slow { .. })),
            Kind::DiskError => disk(|trouble| matches!(trouble, DiskTrouble::Fails)),
            Kind::DiskFull => disk(|trouble| matches!(trouble, DiskTrouble::Full)),
            Kind::LyingFsync => disk(|trouble| matches!(trouble, DiskTrouble::Lies)),
            Kind::MisdirectedWrite => disk(|trouble| matches!(trouble, DiskTrouble::Misdirects)),
            Kind::RemoveNode => manage(|change| matches!(change, Change::Without(_))),
            Kind::AddNode | Kind::ReplaceNode | Kind::ChangeMembers => {
                manage(|change| matches!(change, Change::Voters(_)))
            }
            Kind::TransferLeader => manage(|change| matches!(change, Change::Transfer(_))),
            Kind::ClockJump => matches!(
                action,
                Action::Clock {
                    bend: ClockBend::Jump { .. },
                    ..
                }
            ),
            Kind::ClockDrift => matches!(
                action,
                Action::Clock {
                    bend: ClockBend::Drift { .. },
                    ..
                }
            ),
            Kind::ClockStrobe => matches!(
                action,
                Action::Clock {
                    bend: ClockBend::Strobe { .. },
                    ..
                }
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_kinds_and_has_no_name_twice() {
        for (at, info) in FAULTS.iter().enumerate() {
            assert_eq!(info.kind as usize, at, "{}", info.name);
            assert_eq!(info.kind.info(), info);
            let json = serde_json::to_string(&info.kind).unwrap();
            assert_eq!(
                json,
                format!("{:?}", info.name),
                "the file says what the command line says"
            );
            assert!(
                FAULTS[..at]
                    .iter()
                    .all(|other| other.name != info.name && other.family != info.name)
            );
        }
        assert!(FAULTS.len() >= 30);
    }
}
