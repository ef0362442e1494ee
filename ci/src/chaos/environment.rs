//! What the environment says about a test.

use super::ChaosError;
use std::env;
use std::path::{Path, PathBuf};
use stormglass_reports::run_directory::DEFAULT_OUT;

pub(super) const TRIAL: &str = "STORMGLASS_TRIAL";
const SEED: &str = "STORMGLASS_SEED";
const SEEDS: &str = "STORMGLASS_SEEDS";
const OUT: &str = "STORMGLASS_OUT";

/// The most seeds one variable may ask for.
const SEEDS_MAX: u64 = 1_000_000;

/// What the environment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Environment {
    pub(super) selection: Selection,
    out: Option<PathBuf>,
    /// Of the package under test. Absent when the test is not run by cargo.
    package_directory: Option<PathBuf>,
}

/// What to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// What the test says.
    AsTold,
    /// One trial.
    Trial(PathBuf),
    /// These seeds.
    Seeds(Vec<u64>),
    /// So many seeds, from the first one of the test on.
    Count(u64),
}

impl Environment {
    pub(super) fn read() -> Result<Self, ChaosError> {
        Self::of(|name| {
            let value = env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        })
    }

    fn of(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, ChaosError> {
        let number = |name, text: &str| {
            text.trim().parse::<u64>().map_err(|_| ChaosError::Environment {
                variable: name,
                cause: format!("{text:?} is not what it takes: a seed is a number, and seeds are a number of them or A..B"),
            })
        };
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        let selection = if let Some(path) = variable(TRIAL) {
            Selection::Trial(path)
        } else if let Some(seed) = text(SEED) {
            Selection::Seeds(vec![number(SEED, &seed)?])
        } else if let Some(seeds) = text(SEEDS) {
            let (selection, count) = match seeds.split_once("..") {
                Some((from, to)) => {
                    let (from, to) = (number(SEEDS, from)?, number(SEEDS, to)?);
                    let count = to.saturating_sub(from);
                    let seeds = (from..to).take(SEEDS_MAX as usize).collect();
                    (Selection::Seeds(seeds), count)
                }
                None => {
                    let count = number(SEEDS, &seeds)?;
                    (Selection::Count(count), count)
                }
            };
            if !(1..=SEEDS_MAX).contains(&count) {
                return Err(ChaosError::Environment {
                    variable: SEEDS,
                    cause: format!("{seeds:?} asks for {count} seeds; it takes 1 to {SEEDS_MAX}"),
                });
            }
            selection
        } else {
            Selection::AsTold
        };
        Ok(Self {
            selection,
            out: variable(OUT),
            package_directory: variable("CARGO_MANIFEST_DIR"),
        })
    }

    /// Where failed runs are kept: an absolute path where the system tells one, for the command that names it is used from anywhere.
    pub(super) fn out(&self, told: Option<&Path>) -> PathBuf {
        let chosen = self.out.as_deref().or(told);
        let chosen = chosen.unwrap_or(Path::new(DEFAULT_OUT));
        let whole = match &self.package_directory {
            Some(directory) => directory.join(chosen),
            None => chosen.to_path_buf(),
        };
        std::path::absolute(&whole).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Environment, ChaosError> {
        Environment::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn a_trial_goes_before_a_seed_and_a_seed_before_seeds() {
        let all = [(TRIAL, "t.json"), (SEED, "7"), (SEEDS, "2..4")];
        let selection = |from: usize| of(&all[from..]).unwrap().selection;
        assert_eq!(selection(0), Selection::Trial("t.json".into()));
        assert_eq!(selection(1), Selection::Seeds(vec![7]));
        assert_eq!(selection(2), Selection::Seeds(vec![2, 3]));
        assert_eq!(selection(3), Selection::AsTold);
        assert_eq!(
            of(&[(SEEDS, "40")]).unwrap().selection,
            Selection::Count(40)
        );
    }

    #[test]
    fn what_is_no_seed_is_refused_with_the_name_of_the_variable() {
        for (name, value) in [
            (SEED, "x"),
            (SEEDS, "0"),
            (SEEDS, "4..2"),
            (SEEDS, "1..y"),
            (SEEDS, "0..18446744073709551615"),
        ] {
            let error = of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn failed_runs_are_kept_in_the_package_unless_told_otherwise() {
        let package = ("CARGO_MANIFEST_DIR", "/package");
        let out = |variables: &[(&str, &str)], told: Option<&str>| {
            of(variables).unwrap().out(told.map(Path::new))
        };
        assert_eq!(
            out(&[package], None),
            Path::new("/package/.stormglass/runs")
        );
        assert_eq!(out(&[package], Some("/told")), Path::new("/told"));
        assert_eq!(
            out(&[package, (OUT, "/out")], Some("/told")),
            Path::new("/out")
        );
    }
}
