//! Hunting planted bugs: a trial from a seed, and whether it caught the bug.

use crate::harness;
use crate::judge::{Judged, Ruling};
use crate::record::ViolationKind;
use crate::swarm;
use crate::trial::{Arena, Trial};
use stormglass_impls::contract::DelayRange;
use stormglass_impls::system::{Harmless, System};
use stormglass_workloads::workload::WorkloadConfig;

/// A harmless change of a trial: the system is as it was, its surroundings are not.
#[derive(Clone, Copy)]
pub struct HarmlessTrial {
    /// Its id and what it changes.
    pub about: Harmless,
    /// Makes the change.
    pub change: fn(&mut Trial),
}

/// All of them.
pub const HARMLESS_TRIALS: &[HarmlessTrial] = &[
    HarmlessTrial {
        about: Harmless {
            id: "harmless/election-timeout-doubled",
            change: "nodes wait twice as long before they stand for election",
        },
        change: |trial| {
            let range = &mut trial.knobs.election_timeout;
            *range = DelayRange {
                min_ns: range.min_ns * 2,
                max_ns: range.max_ns * 2,
            };
        },
    },
    HarmlessTrial {
        about: Harmless {
            id: "harmless/batch-of-one",
            change: "one entry an append",
        },
        change: |trial| trial.knobs.entries_per_append_max = 1,
    },
    HarmlessTrial {
        about: Harmless {
            id: "harmless/slower-disk",
            change: "a sync takes half as long again, and a millisecond more",
        },
        change: |trial| trial.sync_ms = (trial.sync_ms.0 * 3 / 2 + 1, trial.sync_ms.1 * 3 / 2 + 1),
    },
];

/// A storm that brings a rare mutant out, where the general one seldom does. Each can be said on the command line of `run`.
#[derive(Clone, Copy, Debug)]
pub struct Bait {
    /// The mutant.
    pub mutant: &'static str,
    /// Why this storm.
    pub why: &'static str,
    /// How many nodes.
    pub nodes: u8,
    /// Names of kinds and families of fault.
    pub faults: &'static [&'static str],
    /// The knobs it needs, as [`Knobs::turn`] reads them.
    pub knobs: &'static [(&'static str, &'static str)],
    /// How many clients.
    pub clients: u32,
    /// How many nodes on top have no vote to begin with.
    pub spares: u8,
    /// How long a sync takes, in milliseconds.
    pub sync_ms: (u64, u64),
    /// Whether only a majority heals.
    pub core: bool,
}

impl Bait {
    /// What baits have unless they say otherwise.
    const PLAIN: Bait = Bait {
        mutant: "",
        why: "",
        nodes: 5,
        faults: &[],
        knobs: &[],
        clients: 5,
        spares: 0,
        sync_ms: (0, 4),
        core: false,
    };
}

/// An election takes longer than a client waits before it asks elsewhere: there is time to see a stale read.
const LEASE: &[(&str, &str)] = &[
    ("reads", "lease"),
    ("check_quorum", "true"),
    ("election_timeout_ms", "400..450"),
];
const LEASE_NO_DRIFT: &[(&str, &str)] = &[
    ("reads", "lease"),
    ("check_quorum", "true"),
    ("election_timeout_ms", "400..450"),
    ("clock_drift_percent_max", "1"),
];
const QUICK_ELECTIONS: &[(&str, &str)] = &[
    ("election_timeout_ms", "80..90"),
    ("heartbeat_interval_ms", "25"),
];
const ONE_ENTRY: &[(&str, &str)] = &[("entries_per_append_max", "1")];

/// All of them.
pub const BAITS: &[Bait] = &[
    Bait {
        mutant: "raft/stale-vote-response",
        why: "a vote must be on its way for longer than the election it was given in",
        nodes: 3,
        faults: &["slow-links", "slow-node"],
        knobs: QUICK_ELECTIONS,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/commit-old-term",
        why: "figure 8 needs a row of leaders, each stopped before its entry is everywhere",
        faults: &["partition-leader", "kill-fresh-leader"],
        knobs: &[
            ("entries_per_append_max", "1"),
            ("appends_in_flight_max", "1"),
        ],
        clients: 12,
        sync_ms: (1, 10),
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/read-before-noop",
        why: "a new leader must be read from while its first entry is still being written",
        nodes: 3,
        faults: &["partition-leader", "kill-fresh-leader"],
        sync_ms: (1, 25),
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/commit-beyond-new",
        why: "an append must end before a conflict, and arrive when a newer leader leads",
        nodes: 3,
        faults: &[
            "slow-links",
            "slow-node",
            "partition-leader",
            "kill-fresh-leader",
        ],
        knobs: ONE_ENTRY,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/stale-round",
        why: "an answer must be on its way for longer than an election, to a leader that leads again",
        nodes: 3,
        faults: &["slow", "partition-leader"],
        knobs: &[("election_timeout_ms", "80..90")],
        clients: 12,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/prevote-low-term-stuck",
        why: "the only majority left is one node in a newer term with an old log, and one in an older term with a newer log",
        nodes: 3,
        faults: &["transfer-leader", "partition-leaver", "partition", "crash"],
        knobs: &[("pre_vote", "true"), ("check_quorum", "true")],
        core: true,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/snapshot-keeps-conflict",
        why: "a deposed leader must have a long tail that nobody has, and the snapshot that comes must end within it",
        nodes: 3,
        faults: &["partition-leader", "partition-halves"],
        knobs: &[("snapshot_every", "2"), ("entries_kept", "0")],
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/reconfigure-before-noop",
        why: "of four voters two must each lead with one other, take one voter out, and have committed nothing before",
        nodes: 4,
        faults: &["remove-node", "partition-election", "partition-leader"],
        knobs: &[("check_quorum", "true")],
        clients: 2,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/leaver-never-stands",
        why: "a leader must be cut off from one of few voters when it takes itself out",
        nodes: 4,
        faults: &["remove-node", "partition-election"],
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/joint-new-majority-only",
        why: "a leader must lose its joint configuration after the new voters have it",
        nodes: 3,
        spares: 2,
        faults: &[
            "change-members",
            "kill-changer",
            "partition-leader",
            "partition-halves",
        ],
        sync_ms: (1, 25),
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/lease-ignores-drift",
        why: "a leader whose clock is slow must be cut off from followers whose clocks are not",
        nodes: 3,
        faults: &["clock-drift", "partition-leader"],
        knobs: LEASE,
        clients: 12,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "raft/lease-through-transfer",
        why: "a leader must be cut off right after it told another to take over",
        nodes: 3,
        faults: &["transfer-leader", "partition-leaver"],
        knobs: LEASE_NO_DRIFT,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "paxos/void-seal-stands",
        why: "a seal must be known to one node only; of what a later leader proposes one slot must be lost and the next arrive; and that leader must die at once",
        nodes: 4,
        faults: &[
            "remove-node",
            "partition-leader",
            "partition-election",
            "lose-messages",
            "kill-fresh-leader",
        ],
        knobs: &[
            ("entries_per_append_max", "1"),
            ("election_timeout_ms", "80..160"),
            ("heartbeat_interval_ms", "70"),
            ("quorums", "2/3"),
        ],
        clients: 16,
        ..Bait::PLAIN
    },
    Bait {
        mutant: "zab/ack-before-sync",
        why: "a follower must die while it writes the history that it has acknowledged, and its leader just after it began",
        nodes: 3,
        faults: &[
            "kill-fresh-leader",
            "kill-writer",
            "partition-leader",
            "power-blip",
        ],
        knobs: &[("election_timeout_ms", "150..300")],
        sync_ms: (5, 60),
        ..Bait::PLAIN
    },
    Bait {
        mutant: "zab/epoch-before-history",
        why: "a follower must die between two writes of one batch, and lead soon after",
        nodes: 3,
        faults: &[
            "kill-fresh-leader",
            "kill-writer",
            "partition-leader",
            "power-blip",
        ],
        knobs: &[("election_timeout_ms", "150..300")],
        sync_ms: (5, 60),
        ..Bait::PLAIN
    },
];

/// The bait for a mutant, if it has one.
pub fn bait(mutant: &str) -> Option<&'static Bait> {
    BAITS.iter().find(|bait| bait.mutant == mutant)
}

impl Bait {
    fn lay(&self, trial: &mut Trial, system: &dyn System) {
        (trial.nodes, trial.spares) = (self.nodes + self.spares, self.spares);
        trial.sync_ms = self.sync_ms;
        trial.clients = self.clients;
        if self.core {
            trial.healing = swarm::core(trial);
        }
        for (key, value) in self.knobs {
            let turned = trial.knobs.turn(key, value);
            turned.expect("a bait turns knobs that there are");
        }
        let mut kinds = swarm::kinds_of(trial, system);
        kinds.retain(|kind| {
            let info = kind.info();
            self.faults.contains(&info.name) || self.faults.contains(&info.family)
        });
        trial.schedule = swarm::storm(trial, system, kinds).schedule();
    }
}

/// The trial of a seed in which something is hunted: a storm of a minute in which the seed draws everything, or that of its bait. `planted`
/// is a mutant, a harmless change of the system, or one of [`HARMLESS_TRIALS`].
pub fn trial(system: &dyn System, arena: Arena, seed: u64, planted: &str) -> Trial {
    let workload = WorkloadConfig::drawn(system.name(), seed);
    let mut trial = Trial::calm(system.name(), workload, arena, seed);
    match bait(planted) {
        Some(bait) => bait.lay(&mut trial, system),
        None => swarm::draw(&mut trial, system),
    }
    match HARMLESS_TRIALS
        .iter()
        .find(|known| known.about.id == planted)
    {
        Some(harmless) => (harmless.change)(&mut trial),
        None => trial.mutant = Some(planted.to_string()),
    }
    trial
}

/// What caught a planted bug, if it was caught: the name of the law that broke, that of the promise when only the clients saw it.
pub fn caught(trial: &Trial, judged: &Judged) -> Option<String> {
    let of_harness = trial.mutant.as_deref().is_some_and(harness::is_of_harness);
    match judged.ruling {
        Ruling::Violation if of_harness => {
            let audited = |kind| kind == ViolationKind::Harness;
            let found = judged
                .violations
                .iter()
                .any(|violation| audited(violation.kind));
            found.then(|| "harness audit".to_string())
        }
        Ruling::Violation => {
            let inside = judged.violations.first();
            let broken = inside.map_or(judged.promise_name(), |violation| &violation.name);
            Some(broken.to_string())
        }
        Ruling::Vacuous if of_harness => judged.vacuous.clone().map(|_| "vacuous".to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FAULTS;
    use stormglass_impls::catalog;

    #[test]
    fn every_bait_is_for_a_mutant_and_of_faults_that_exist() {
        let systems = catalog::systems();
        for bait in BAITS {
            let mut mutants = systems.iter().flat_map(|system| system.mutants());
            assert!(mutants.any(|mutant| mutant.id == bait.mutant), "{bait:?}");
            for name in bait.faults {
                let mut known = FAULTS.iter().flat_map(|info| [info.name, info.family]);
                assert!(known.any(|known| known == *name), "{bait:?}: {name}");
            }
        }
    }
}
