//! Names the user gives: found, or answered with the near ones.

use super::Failure;
use stormglass_impls::catalog;
use stormglass_nemesis::arena;

/// What was looked for and not found, with the nearest of what there is.
pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> Failure {
    Failure::usage(unknown_text(kind, name, known))
}

/// The same in words.
pub(crate) fn unknown_text(kind: &str, name: &str, known: &[&str]) -> String {
    let hint = match near(name, known).as_slice() {
        [] => format!("there are: {}", known.join(", ")),
        near => format!(
            "did you mean {}? (`stormglass list` shows all)",
            near.join(" or ")
        ),
    };
    format!("there is no {kind} {name:?}; {hint}")
}

/// A planted bug that is not one of the cluster's own, `known`. Which clusters have it is said before what has a like name.
pub(crate) fn unknown_mutant_text(cluster: &str, name: &str, known: &[&str]) -> String {
    let systems = catalog::systems();
    let others = systems
        .iter()
        .filter(|system| arena::mutants(system.as_ref()).contains(&name))
        .map(|system| system.name());
    match others.collect::<Vec<&str>>().as_slice() {
        [] => unknown_text("mutant", name, known),
        others => format!(
            "{cluster} has no mutant {name:?}, which is one of {} (`stormglass list mutants` shows all)",
            others.join(" and ")
        ),
    }
}

/// The nearest of the known names, at most three, the nearest first.
pub(crate) fn near<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|known| (closeness(name, known), *known))
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut near: Vec<&str> = near
        .into_iter()
        .filter(|(closeness, _)| *closeness > 0.6)
        .map(|(_, name)| name)
        .collect();
    // Like names are as near as each other, and so side by side.
    near.dedup();
    near.truncate(3);
    near
}

/// How near two names are, from 0 to 1. What one types is often the beginning of a name, or a part of it.
fn closeness(name: &str, known: &str) -> f64 {
    let part = !name.is_empty() && known.contains(name);
    strsim::jaro_winkler(name, known).max(if part { 0.9 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_bug_of_another_cluster_is_named_with_its_own() {
        let known = ["zookeeper/stale-ephemeral"];
        let text = |name| unknown_mutant_text("zookeeper", name, &known);
        assert_eq!(
            text("zab/uncommitted-kept"),
            "zookeeper has no mutant \"zab/uncommitted-kept\", which is one of zab-cache (`stormglass list mutants` shows all)"
        );
        assert!(text("zookeeper/stale").contains("did you mean zookeeper/stale-ephemeral"));
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["raft-cache", "paxos-cache", "zookeeper"];
        let text = |name| unknown("cluster", name, &known).error.to_string();
        assert!(
            text("raft-cash").contains("did you mean raft-cache"),
            "{}",
            text("raft-cash")
        );
        assert!(text("raft").contains("raft-cache"));
        assert!(!text("raft-cash").contains("zookeeper"));
        assert!(text("qqq").contains("there are: raft-cache, paxos-cache, zookeeper"));
    }
}
