//! Nights of trials: how often something broke, and what is new, known and resolved.
//!
//! A night is a directory: of runs, or one that `stormglass soak` filled, whose `trials.jsonl` has a line a trial.

mod night;
mod page;
mod plot;

pub use night::{Failure, Night, Signature};

use crate::error::ReportError;
use crate::run_directory::{io_error, put};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

/// The page, in the directory of runs.
pub const TREND: &str = "trend.html";

/// What has become of a failure by a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It happened, and in no night before.
    New,
    /// It happened, and in a night before.
    Known,
    /// It happened in a night before and not in this one, which tested the same cluster with the same bug planted.
    Resolved,
    /// It happened in a night before, and this one did not test that cluster so.
    Untested,
}

impl Standing {
    /// Its name, as pages show it.
    pub fn name(self) -> &'static str {
        match self {
            Standing::New => "new",
            Standing::Known => "known",
            Standing::Resolved => "resolved",
            Standing::Untested => "untested",
        }
    }
}

/// A failure over all nights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ranked {
    /// What broke.
    #[serde(flatten)]
    pub signature: Signature,
    /// What has become of it by the newest night.
    pub standing: Standing,
    /// How often it happened in all nights.
    pub count: u64,
    /// How often in the newest.
    pub count_newest: u64,
    /// In how many nights it happened.
    pub nights: usize,
    /// The positions of the first and the last night it happened in, from 0.
    pub first: usize,
    /// See `first`.
    pub last: usize,
    /// How many of them came out differently when they were run again.
    pub unrepeated: u64,
    /// A run that shows it, as that night wrote it down.
    pub run: Option<String>,
}

/// Several nights, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The nights.
    pub nights: Vec<Night>,
    /// What has become of each failure by each night: of those that happened then or before. One list a night.
    pub standings: Vec<Vec<(Signature, Standing, u64)>>,
    /// All failures, the most frequent first.
    pub ranking: Vec<Ranked>,
}

impl Trend {
    /// Reads nights. A directory that is named twice counts once.
    ///
    /// # Errors
    /// [`ReportError::NoTrials`] for a directory that holds none, [`ReportError::Io`].
    pub fn read(folders: &[PathBuf]) -> Result<Self, ReportError> {
        let mut nights: BTreeMap<PathBuf, Night> = BTreeMap::new();
        for folder in folders {
            let whole = folder.canonicalize().map_err(io_error(folder, "read"))?;
            if let Entry::Vacant(place) = nights.entry(whole) {
                place.insert(Night::read(folder)?);
            }
        }
        Ok(Self::of(nights.into_values().collect()))
    }

    /// Nights in any order.
    pub fn of(mut nights: Vec<Night>) -> Self {
        nights.sort_by(|one, other| {
            (one.written_ms, &one.name).cmp(&(other.written_ms, &other.name))
        });
        let ranking = ranking(&nights);
        let standings = (0..nights.len())
            .map(|at| {
                let so_far = &nights[..=at];
                let mut list: Vec<_> = ranking
                    .iter()
                    .filter_map(|ranked| {
                        let signature = &ranked.signature;
                        let standing = standing(so_far, signature)?;
                        Some((signature.clone(), standing, nights[at].count_of(signature)))
                    })
                    .collect();
                list.sort_by_key(|(_, standing, count)| (*standing, std::cmp::Reverse(*count)));
                list
            })
            .collect();
        Self {
            nights,
            standings,
            ranking,
        }
    }

    /// How many failures stand so by a night.
    pub fn count(&self, night: usize, wanted: Standing) -> usize {
        let list = self.standings.get(night).map_or(&[][..], Vec::as_slice);
        list.iter()
            .filter(|(_, standing, _)| *standing == wanted)
            .count()
    }

    /// What it comes to, in a sentence.
    pub fn sentence(&self) -> String {
        use crate::units::count;
        let number = |one: &str, many: &str, number: u64| {
            format!("{} {}", count(number), if number == 1 { one } else { many })
        };
        let sum = |pick: fn(&Night) -> u64| self.nights.iter().map(pick).sum::<u64>();
        let newest = self.nights.len().saturating_sub(1);
        let of = |standing| self.count(newest, standing) as u64;
        format!(
            "{}, {}, {}; by the newest: {} new, {} known, {} resolved, {} untested.",
            number("night", "nights", self.nights.len() as u64),
            number("trial", "trials", sum(|night| night.trials)),
            number("violation", "violations", sum(|night| night.violations)),
            of(Standing::New),
            of(Standing::Known),
            of(Standing::Resolved),
            of(Standing::Untested),
        )
    }

    /// Makes the page in `out`, and says where it is.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write(&self, out: &Path) -> Result<PathBuf, ReportError> {
        fs::create_dir_all(out).map_err(io_error(out, "created"))?;
        let path = out.join(TREND);
        put(&path, page::render(self)?.as_bytes())?;
        Ok(path)
    }
}

/// What has become of a failure by the last of these nights; nothing when it never happened.
fn standing(nights: &[Night], signature: &Signature) -> Option<Standing> {
    let (now, before) = nights.split_last()?;
    let was = before.iter().any(|night| night.count_of(signature) > 0);
    match (now.count_of(signature) > 0, was) {
        (true, false) => Some(Standing::New),
        (true, true) => Some(Standing::Known),
        (false, true) if now.tested(signature) => Some(Standing::Resolved),
        (false, true) => Some(Standing::Untested),
        (false, false) => None,
    }
}

fn ranking(nights: &[Night]) -> Vec<Ranked> {
    let mut all: BTreeMap<&Signature, Ranked> = BTreeMap::new();
    for (at, night) in nights.iter().enumerate() {
        for (signature, failure) in &night.failures {
            let Some(standing) = standing(nights, signature) else {
                continue;
            };
            let ranked = all.entry(signature).or_insert_with(|| Ranked {
                signature: signature.clone(),
                standing,
                count: 0,
                count_newest: 0,
                nights: 0,
                first: at,
                last: at,
                unrepeated: 0,
                run: None,
            });
            ranked.count += failure.count;
            ranked.unrepeated += failure.unrepeated;
            ranked.nights += 1;
            ranked.last = at;
            if at + 1 == nights.len() {
                ranked.count_newest = failure.count;
            }
            if failure.run.is_some() {
                ranked.run.clone_from(&failure.run);
            }
        }
    }
    let mut ranking: Vec<Ranked> = all.into_values().collect();
    ranking.sort_by_key(|ranked| std::cmp::Reverse(ranked.count));
    ranking
}
