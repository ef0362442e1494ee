//! Changes that are no bugs: a checker that calls one of them a violation raises a false alarm. Each replaces one
//! [habit](super::habits).

use super::habits::Habits;
use super::rules::Rules;
use crate::system::Harmless;

/// All of them.
pub const HARMLESS: &[Harmless] = &[
    Harmless {
        id: "harmless/one-change-at-once",
        change: "a watch that is told of more than one change at once counts as slow",
    },
    Harmless {
        id: "harmless/one-change-a-fragment",
        change: "where changes may come in parts every change comes alone",
    },
    Harmless {
        id: "harmless/backend-seldom-written",
        change: "the backend is written every tenth time only",
    },
];

/// The rules with a harmless change planted. `None` when there is no such change.
pub fn rules(id: &str) -> Option<Rules> {
    let usual = Habits::USUAL;
    let habits = match id {
        "harmless/one-change-at-once" => Habits {
            changes_at_once: 1,
            ..usual
        },
        "harmless/one-change-a-fragment" => Habits {
            changes_in_fragment: 1,
            ..usual
        },
        "harmless/backend-seldom-written" => Habits {
            ticks_per_commit: 10,
            ..usual
        },
        _ => return None,
    };
    Some(Rules {
        habits,
        ..Rules::DOCUMENTED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_change_can_be_planted() {
        for harmless in HARMLESS {
            assert!(rules(harmless.id).is_some(), "{} has no rules", harmless.id);
        }
        assert!(rules("harmless/no-such").is_none());
    }
}
