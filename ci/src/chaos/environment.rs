//! What the environment says about a test.

use super::ChaosError;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stormglass_nemesis::trial::STORM_MS_MAX;
use stormglass_reports::run_directory::DEFAULT_OUT;

pub(super) const TRIAL: &str = "STORMGLASS_TRIAL";
const SEED: &str = "STORMGLASS_SEED";
const SEEDS: &str = "STORMGLASS_SEEDS";
const TIME: &str = "STORMGLASS_TIME";
const OUT: &str = "STORMGLASS_OUT";

/// The most seeds one variable may ask for.
const SEEDS_MAX: u64 = 1_000_000;

/// What the environment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Environment {
    pub(super) selection: Selection,
    /// How long the storm is to last, and how that was said.
    time: Option<(String, Duration)>,
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
    /// One seed.
    Seed(u64),
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
            Selection::Seed(number(SEED, &seed)?)
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
        let time = match text(TIME) {
            Some(told) => Some((told.clone(), time(&told)?)),
            None => None,
        };
        Ok(Self {
            selection,
            time,
            out: variable(OUT),
            package_directory: variable("CARGO_MANIFEST_DIR"),
        })
    }

    /// Where failed runs are kept: an absolute path where the system tells one, for the command that names it is used from anywhere.
    pub(super) fn out(&self, told: Option<&Path>) -> PathBuf {
        let chosen = self.out.as_deref().or(told);
        self.in_package(chosen.unwrap_or(Path::new(DEFAULT_OUT)))
    }

    /// A path from the package on, as a whole.
    pub(super) fn in_package(&self, path: &Path) -> PathBuf {
        let whole = match &self.package_directory {
            Some(directory) => directory.join(path),
            None => path.to_path_buf(),
        };
        std::path::absolute(&whole).unwrap_or(whole)
    }

    /// How long the storm lasts, in milliseconds, where the test says so much: with the last tick that it begins.
    pub(super) fn storm_ms(&self, told_ms: u64, tick_ms: u64) -> Result<u64, ChaosError> {
        let Some((text, time)) = &self.time else {
            return Ok(told_ms);
        };
        let storm_ms = u64::try_from(time.as_millis()).ok();
        let storm_ms = storm_ms.and_then(|ms| ms.checked_next_multiple_of(tick_ms.max(1)));
        let fits = storm_ms.filter(|ms| (1..=STORM_MS_MAX).contains(ms));
        fits.ok_or_else(|| ChaosError::Environment {
            variable: TIME,
            cause: format!(
                "{text:?} is no length of a storm; it takes a millisecond to seven days"
            ),
        })
    }
}

fn time(text: &str) -> Result<Duration, ChaosError> {
    humantime::parse_duration(text.trim()).map_err(|error| ChaosError::Environment {
        variable: TIME,
        cause: format!("{text:?} is no time ({error}); it takes one as 500ms, 20s, 2m or 1h 30m"),
    })
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
        assert_eq!(selection(1), Selection::Seed(7));
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
    fn a_time_goes_before_that_of_the_test_and_ends_with_a_tick() {
        let storm_ms = |text: &str, tick_ms| of(&[(TIME, text)]).unwrap().storm_ms(7, tick_ms);
        for (text, tick_ms, wanted_ms) in [
            ("20s", 1, 20_000),
            (" 2m ", 1, 120_000),
            ("1h 30m", 1, 5_400_000),
            ("1500us", 1, 1),
            ("1001ms", 10, 1_010),
        ] {
            assert_eq!(storm_ms(text, tick_ms).unwrap(), wanted_ms, "{text}");
        }
        assert_eq!(of(&[]).unwrap().storm_ms(7, 1).unwrap(), 7);
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_name_of_the_variable_and_what_it_takes() {
        for text in ["20", "soon", "-3s", "0s", "8d", "900years"] {
            let storm_ms = of(&[(TIME, text)]).and_then(|found| found.storm_ms(7, 1));
            let error = storm_ms.unwrap_err().to_string();
            let says =
                error.starts_with(TIME) && error.contains(text) && error.contains("it takes");
            assert!(says, "{error}");
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
