//! The ledger of nights: a line for each campaign that came to its end, so that a failure can be dated and a culprit looked for.

use crate::command::{Exit, Failure};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Command;

/// The most commits that are named.
const COMMITS_MAX: usize = 30;

/// A night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Night {
    /// The campaign: nights of one name are compared.
    pub(crate) name: String,
    /// As in 2026-11-30.
    pub(crate) day: String,
    pub(crate) commit: Option<String>,
    /// The seed of its first trial: a campaign that ends twice, since it was taken up again, is one night.
    pub(crate) first_seed: u64,
    pub(crate) is_green: bool,
    /// What failed.
    pub(crate) signatures: BTreeSet<String>,
}

impl Night {
    /// A campaign of the same seeds on the same commit is the same night: it ended more than once.
    fn is_same(&self, other: &Night) -> bool {
        (&self.name, self.first_seed, &self.commit)
            == (&other.name, other.first_seed, &other.commit)
    }
}

/// All nights that were written down, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nights(Vec<Night>);

impl Nights {
    /// Reads a ledger; an empty one where there is none.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(path, None, &error)),
        };
        let mut nights = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if !line.trim().is_empty() {
                let night = serde_json::from_str(line);
                nights.push(night.map_err(|error| unusable(path, Some(number), &error))?);
            }
        }
        Ok(Self(nights))
    }

    /// The nights of a campaign that came before tonight: before where it stands, if it ended before and was taken up again.
    fn before<'a>(&'a self, tonight: &'a Night) -> impl DoubleEndedIterator<Item = &'a Night> {
        let there = self.0.iter().position(|night| night.is_same(tonight));
        let earlier = &self.0[..there.unwrap_or(self.0.len())];
        earlier.iter().filter(|night| night.name == tonight.name)
    }

    /// The first night that saw a failure; nothing when none did before tonight.
    pub(crate) fn first_seen<'a>(
        &'a self,
        tonight: &'a Night,
        signature: &str,
    ) -> Option<&'a Night> {
        let mut before = self.before(tonight);
        before.find(|night| night.signatures.contains(signature))
    }

    /// The commits since the last green night, the newest first; nothing where no night was green or nobody knows the commits.
    pub(crate) fn since_green(&self, tonight: &Night) -> Vec<String> {
        let green = self.before(tonight).rev().find(|night| night.is_green);
        let green = green.and_then(|night| night.commit.as_deref());
        match (green, tonight.commit.as_deref()) {
            (Some(green), Some(commit)) if green != commit => commits(green, commit),
            _ => Vec::new(),
        }
    }

    /// Writes tonight into the ledger. Whoever else does so at the same time waits: no night is lost.
    pub(crate) fn write(path: &Path, tonight: &Night) -> Result<(), Failure> {
        let failed = |error: io::Error| unusable(path, None, &error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = File::create(path.with_extension("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let mut nights = Self::read(path)?.0;
        match nights.iter_mut().find(|night| night.is_same(tonight)) {
            // The day on which it was first told stays.
            Some(there) => {
                let day = std::mem::take(&mut there.day);
                *there = Night {
                    day,
                    ..tonight.clone()
                };
            }
            None => nights.push(tonight.clone()),
        }
        let mut text = String::new();
        for night in nights {
            text += &serde_json::to_string(&night).expect("a night is plain data");
            text += "\n";
        }
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
        written.map_err(failed)
    }
}

fn unusable(path: &Path, line: Option<usize>, cause: &dyn std::fmt::Display) -> Failure {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(
            "{}{line}: {cause}; this is the ledger of nights: mend it, or name another with --nights",
            path.display()
        ),
    }
}

/// The commit that is checked out here; what the environment says goes first. Nothing where there is none.
pub(crate) fn commit() -> Option<String> {
    let told = ["STORMGLASS_COMMIT", "GITHUB_SHA"];
    let told = told.iter().filter_map(|name| std::env::var(name).ok());
    let told = told.map(|commit| commit.trim().to_string());
    told.into_iter()
        .find(|commit| !commit.is_empty())
        .or_else(|| git(&["rev-parse", "HEAD"])?.into_iter().next())
}

fn commits(from: &str, to: &str) -> Vec<String> {
    let range = format!("{from}..{to}");
    let most = format!("--max-count={}", COMMITS_MAX + 1);
    let mut found = git(&["log", "--oneline", "--no-decorate", &most, &range]).unwrap_or_default();
    if found.len() > COMMITS_MAX {
        found.truncate(COMMITS_MAX);
        found.push(format!("and more: git log {range}"));
    }
    found
}

fn git(words: &[&str]) -> Option<Vec<String>> {
    let done = Command::new("git").args(words).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    done.status
        .success()
        .then(|| text.lines().map(ToString::to_string).collect())
}

/// The day, in UTC, as in 2026-11-30.
pub(crate) fn today() -> String {
    let now = std::time::SystemTime::now().max(std::time::SystemTime::UNIX_EPOCH);
    let now = humantime::format_rfc3339_seconds(now).to_string();
    now.chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night(first_seed: u64, is_green: bool, signatures: &[&str]) -> Night {
        Night {
            name: "usual".to_string(),
            day: format!("2026-11-{:02}", first_seed),
            commit: None,
            first_seed,
            is_green,
            signatures: signatures.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_failure_is_as_old_as_the_first_night_that_saw_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("nights.jsonl");
        for (seed, signatures) in [(1, &[][..]), (2, &["a"]), (3, &["a", "b"])] {
            let tonight = night(seed, signatures.is_empty(), signatures);
            Nights::write(&path, &tonight).unwrap();
            // A campaign that ends again is no second night.
            Nights::write(&path, &tonight).unwrap();
        }
        let nights = Nights::read(&path).unwrap();
        assert_eq!(nights.0.len(), 3);
        let first = |tonight: &Night, signature: &str| {
            let first = nights.first_seen(tonight, signature);
            first.map(|night| night.first_seed)
        };
        let tonight = night(4, false, &["a", "b", "c"]);
        assert_eq!(first(&tonight, "a"), Some(2));
        assert_eq!(first(&tonight, "b"), Some(3));
        assert_eq!(first(&tonight, "c"), None);
        // What the same campaign saw before it was taken up again is no night before.
        assert_eq!(first(&night(3, false, &["b"]), "b"), None);
        // The same seeds on another commit are another night, and a night that ends again stays where it was.
        let mut later = night(1, false, &["a"]);
        later.commit = Some("c".to_string());
        assert_eq!(first(&later, "a"), Some(2));
        Nights::write(&path, &night(1, false, &["b"])).unwrap();
        let again = Nights::read(&path).unwrap();
        assert_eq!((again.0.len(), again.0[0].first_seed), (3, 1));
        assert!(again.first_seen(&again.0[0].clone(), "b").is_none());
        let mut other = night(4, false, &["a"]);
        other.name = "other".to_string();
        assert_eq!(first(&other, "a"), None);
    }
}
