//! Changes that are no bugs: a checker that calls one of them a violation raises a false alarm. Each replaces one
//! [habit](super::habits).

use super::habits::Habits;
use super::rules::Rules;
use crate::contract::NodeId;
use crate::system::Harmless;

/// All of them.
pub const HARMLESS: &[Harmless] = &[
    Harmless {
        id: "harmless/extra-heartbeat",
        change: "a leader lets itself be heard twice as often",
    },
    Harmless {
        id: "harmless/retry-logged-again",
        change: "a retried command is put into the log again, where the session table makes it run once",
    },
    Harmless {
        id: "harmless/noops-at-first",
        change: "a new leader proposes two no-ops that nobody needs",
    },
    Harmless {
        id: "harmless/peers-reversed",
        change: "messages go to the peers in reverse order",
    },
    Harmless {
        id: "harmless/settles-at-once",
        change: "a node follows whom a quorum wants without waiting for a better vote",
    },
    Harmless {
        id: "harmless/snapshot-always",
        change: "a leader sends every follower a snapshot, and never the difference alone",
    },
];

/// The rules with a harmless change planted. `None` when there is no such change.
pub fn rules(id: &str) -> Option<Rules> {
    let usual = Habits::USUAL;
    let habits = match id {
        "harmless/extra-heartbeat" => Habits {
            heartbeats_per_interval: 2,
            ..usual
        },
        "harmless/retry-logged-again" => Habits {
            puts_into_log: |_| true,
            ..usual
        },
        "harmless/noops-at-first" => Habits {
            noops_per_leadership: 2,
            ..usual
        },
        "harmless/peers-reversed" => Habits {
            node_at: |place, nodes| NodeId(nodes + 1 - place),
            ..usual
        },
        "harmless/settles-at-once" => Habits {
            waits_to_settle: false,
            ..usual
        },
        "harmless/snapshot-always" => Habits {
            prefers_snapshots: true,
            ..usual
        },
        _ => return None,
    };
    Some(Rules {
        habits,
        ..Rules::PAPER
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_change_can_be_planted() {
        for harmless in HARMLESS {
            assert!(
                rules(harmless.id).is_some(),
                "{} is listed but has no rules",
                harmless.id
            );
        }
        assert!(rules("harmless/no-such").is_none());
    }
}
