//! Names the user gives: found, or answered with the near ones.

use super::Failure;

/// What was looked for and not found, with the nearest of what there is.
pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> Failure {
    Failure::usage(unknown_text(kind, name, known))
}

/// The same in words.
pub(crate) fn unknown_text(kind: &str, name: &str, known: &[&str]) -> String {
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|known| (closeness(name, known), *known))
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let near: Vec<&str> = near
        .into_iter()
        .filter(|(closeness, _)| *closeness > 0.6)
        .map(|(_, name)| name)
        .take(3)
        .collect();
    let hint = match near.as_slice() {
        [] => format!("there are: {}", known.join(", ")),
        near => format!(
            "did you mean {}? (`stormglass list` shows all)",
            near.join(" or ")
        ),
    };
    format!("there is no {kind} {name:?}; {hint}")
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
