//! Changes that are no bugs: a checker that calls one of them a violation raises a false alarm. Each replaces one
//! [habit](super::habits).

use super::habits::Habits;
use super::rules::Rules;
use crate::system::Harmless;

/// All of them.
pub const HARMLESS: &[Harmless] = &[
    Harmless {
        id: "harmless/life-told-at-once",
        change: "a follower tells its leader of every sign of life of a client at once",
    },
    Harmless {
        id: "harmless/last-client-first",
        change: "of the clients that watch a node the one with the greatest number is told first",
    },
];

/// The rules with a harmless change planted. `None` when there is no such change.
pub fn rules(id: &str) -> Option<Rules> {
    let usual = Habits::USUAL;
    let habits = match id {
        "harmless/life-told-at-once" => Habits {
            tells_of_life_at_once: true,
            ..usual
        },
        "harmless/last-client-first" => Habits {
            last_client_first: true,
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
