//! What trials that failed alike have in common.
//!
//! `<cluster>/<property>`, and behind it, where the property alone says little (a panic, a run that tested nothing, a process that died), what was
//! said, without the numbers. A planted bug stands behind the cluster: `raft-cache+raft/ack-before-fsync/...`. What did not happen again when the
//! trial was run again ends with `not repeatable`, and is never the same failure as one that did.

use crate::command::run::Done;
use stormglass_nemesis::judge::Ruling;
use stormglass_nemesis::record::ViolationKind;
use stormglass_nemesis::trial::Trial;

/// The most characters of what was said.
const SAID_MAX: usize = 80;

/// What was broken in a trial, and its signature. Nothing for one that passes.
pub(crate) fn of(done: &Done) -> Option<(String, String)> {
    let judged = &done.judged;
    let property = match judged.ruling {
        Ruling::Valid | Ruling::Measured => return None,
        Ruling::Violation => done.summary.broken().unwrap_or("violation".to_string()),
        Ruling::Unknown => "unknown".to_string(),
        Ruling::Vacuous => "vacuous".to_string(),
    };
    let named = judged
        .violations
        .iter()
        .find(|violation| violation.name == property);
    let said = match (judged.ruling, named) {
        (Ruling::Vacuous, _) => judged.vacuous.as_deref(),
        (_, Some(violation)) => match violation.kind {
            // The name is a law: it says enough, and its message is about this trial.
            ViolationKind::Invariant | ViolationKind::Progress => None,
            ViolationKind::Panic
            | ViolationKind::Host
            | ViolationKind::Protocol
            | ViolationKind::Hang
            | ViolationKind::Harness => Some(violation.message.as_str()),
        },
        _ => None,
    };
    let repeats = done.differs.is_none();
    let signature = join(&subject(&done.trial), &property, said, repeats);
    Some((property, signature))
}

/// What failed: a cluster, with the bug that is planted in it.
pub(crate) fn subject(trial: &Trial) -> String {
    match &trial.mutant {
        Some(mutant) => format!("{}+{mutant}", trial.cluster),
        None => trial.cluster.clone(),
    }
}

/// A signature of these parts.
pub(crate) fn join(subject: &str, property: &str, said: Option<&str>, repeats: bool) -> String {
    let mut signature = format!("{subject}/{property}");
    if let Some(said) = said.map(plain).filter(|said| !said.is_empty()) {
        signature += "/";
        signature += &said;
    }
    if !repeats {
        signature += "/not repeatable";
    }
    signature
}

/// What was said, without the numbers, in one line.
fn plain(said: &str) -> String {
    let mut plain = String::new();
    for character in said.trim().chars() {
        let last = plain.chars().last();
        match character {
            digit if digit.is_ascii_digit() => {
                if last != Some('#') {
                    plain.push('#');
                }
            }
            space if space.is_whitespace() || space.is_control() => {
                if last != Some(' ') {
                    plain.push(' ');
                }
            }
            other => plain.push(other),
        }
    }
    plain.chars().take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_trial_to_trial_is_left_out() {
        let one = join(
            "etcd",
            "panic",
            Some("index 17 out of 3\n at x.rs:88"),
            true,
        );
        let other = join(
            "etcd",
            "panic",
            Some("index 9 out of  204 at x.rs:88"),
            true,
        );
        assert_eq!(one, other);
        assert_eq!(one, "etcd/panic/index # out of # at x.rs:#");
        assert_ne!(
            one,
            join("etcd", "panic", Some("index 17 out of 3 at x.rs:88"), false)
        );
        let long = join("etcd", "panic", Some(&"é".repeat(500)), true);
        assert_eq!(long.chars().count(), "etcd/panic/".len() + SAID_MAX);
    }
}
