//! Running a test: what was kept first, then the seeds.

use super::environment::{Environment, Selection};
use super::failure::{self, ChaosError, Failure, Origin};
use super::survived::Survived;
use super::{Chaos, UnderTest, command, regressions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass_nemesis::judge::{Judged, Ruling};
use stormglass_nemesis::record::Run;
use stormglass_nemesis::trial::Trial;
use stormglass_reports::run_directory::TRIAL;
use stormglass_reports::{RunDirectory, Timings};

impl<N, C> Chaos<N, C>
where
    Self: UnderTest,
{
    /// Runs the test, and says what it came to on standard output.
    ///
    /// # Panics
    /// At the first trial that is not valid, with at most [`LINES_MAX`](super::LINES_MAX) lines: the verdict, the beginning of its explanation, where
    /// the rest is, and the command that repeats it. Unknown and vacuous are not valid.
    #[track_caller]
    pub fn check(&self) -> Survived {
        match self.run() {
            Ok(survived) => {
                println!("{survived}");
                survived
            }
            Err(error) => panic!("{}", failure::brief(&error)),
        }
    }

    /// As [`Chaos::check`], but returns what that panics with, and says nothing.
    ///
    /// # Errors
    /// [`ChaosError::Failed`] for a trial that is not valid; the others for a test that cannot be run.
    pub fn run(&self) -> Result<Survived, ChaosError> {
        let environment = Environment::read()?;
        let told = &self.plan.pattern;
        let mut chaos = self.clone();
        chaos.plan.pattern.storm_ms = environment.storm_ms(told.storm_ms, told.tick_ms)?;
        match &environment.selection {
            Selection::Trial(path) => self.repeat(path, &environment),
            Selection::Seed(seed) => {
                let survived = Survived::new(&told.cluster, None);
                chaos.seeded(&[*seed], &environment, survived)
            }
            Selection::Seeds(seeds) => chaos.whole(seeds, &environment),
            Selection::Count(count) => {
                let first = self.plan.seeds.first().copied().unwrap_or_default();
                let seeds: Vec<u64> = (first..first.saturating_add(*count)).collect();
                chaos.whole(&seeds, &environment)
            }
            Selection::AsTold => chaos.whole(&self.plan.seeds, &environment),
        }
    }

    /// Runs the trial of a file, and nothing else: a plain trial, or a regression. The file says everything but what is tested.
    ///
    /// # Errors
    /// As [`Chaos::run`]. A file that cannot be used is named with the field or the line that is wrong.
    pub fn replay(&self, path: &Path) -> Result<Survived, ChaosError> {
        self.repeat(path, &Environment::read()?)
    }

    /// The trial of a seed, as the test would run it; of a core, in the first of its arenas.
    ///
    /// # Errors
    /// [`ChaosError::Setup`].
    pub fn trial(&self, seed: u64) -> Result<Trial, ChaosError> {
        let mut trial = self.plan.pattern.clone();
        trial.seed = seed;
        if let Some(arena) = self.arenas().first() {
            trial.arena = *arena;
        }
        // A storm over no nodes cannot be drawn.
        trial.validate().map_err(ChaosError::Setup)?;
        self.arrange(&self.plan.faults, &mut trial)?;
        Ok(trial)
    }

    /// What was kept, and then the seeds.
    fn whole(&self, seeds: &[u64], environment: &Environment) -> Result<Survived, ChaosError> {
        let name = &self.plan.pattern.cluster;
        let mut survived = Survived::new(name, None);
        for path in regressions::files(&self.kept_in(environment))? {
            let mut trial = self.read(&path)?;
            trial.mutant = self.plan.pattern.mutant.clone();
            let origin = Origin::Regression(path.clone());
            let one = self.attempt(&trial, environment, origin);
            let (run, judged, cpu) = one.map_err(|error| error.of_file(&path))?;
            survived.add_regression(&run, &judged, cpu);
        }
        self.seeded(seeds, environment, survived)
    }

    fn seeded(
        &self,
        seeds: &[u64],
        environment: &Environment,
        mut survived: Survived,
    ) -> Result<Survived, ChaosError> {
        if seeds.is_empty() {
            return Err(ChaosError::Setup(
                "seeds: there are none, so nothing is tested".to_string(),
            ));
        }
        for seed in seeds {
            let trial = self.trial(*seed)?;
            for arena in self.arenas() {
                let trial = Trial {
                    arena,
                    ..trial.clone()
                };
                let origin = Origin::Seed {
                    keep_in: self.kept_in(environment),
                };
                let (run, judged, cpu) = self.attempt(&trial, environment, origin)?;
                survived.add(trial.seed, &run, &judged, cpu);
            }
        }
        Ok(survived)
    }

    fn repeat(&self, path: &Path, environment: &Environment) -> Result<Survived, ChaosError> {
        let trial = self.read(path)?;
        let mut survived = Survived::new(&trial.cluster, Some(path));
        let origin = Origin::Replayed(path.to_path_buf());
        let one = self.attempt(&trial, environment, origin);
        let (run, judged, cpu) = one.map_err(|error| error.of_file(path))?;
        survived.add(trial.seed, &run, &judged, cpu);
        Ok(survived)
    }

    /// Reads a trial of this test from a file.
    fn read(&self, path: &Path) -> Result<Trial, ChaosError> {
        let trial = regressions::read(path)?;
        let (found, wanted) = (&trial.cluster, &self.plan.pattern.cluster);
        if found == wanted {
            return Ok(trial);
        }
        let cause = format!(
            "cluster: the trial is one of {found:?}, this is a test of {wanted:?}; run the test it came from"
        );
        Err(ChaosError::Unfit {
            path: path.to_path_buf(),
            cause,
        })
    }

    fn kept_in(&self, environment: &Environment) -> PathBuf {
        let told = self.plan.regressions.clone();
        let folder = told.unwrap_or_else(|| regressions::folder(&self.plan.pattern.cluster));
        environment.in_package(&folder)
    }

    /// Runs and judges a trial. What is not valid is run again, to see whether it can be repeated, and kept.
    fn attempt(
        &self,
        trial: &Trial,
        environment: &Environment,
        origin: Origin,
    ) -> Result<(Run, Judged, Duration), ChaosError> {
        let ride = || {
            let ridden = self.ride(trial);
            ridden.map_err(|error| ChaosError::arena(trial.seed, error))
        };
        let began = Instant::now();
        let begun = cpu_time();
        let run = ride()?;
        let simulated = cpu_time().saturating_sub(begun);
        let judged = self.judge(trial, &run).map_err(|error| ChaosError::Check {
            seed: trial.seed,
            error,
        })?;
        let all = cpu_time().saturating_sub(begun);
        if judged.ruling == Ruling::Valid {
            return Ok((run, judged, all));
        }
        let repeats = ride()? == run;
        let timings = Timings {
            simulate_cpu_ms: Some(simulated.as_secs_f64() * 1e3),
            judge_cpu_ms: Some(all.saturating_sub(simulated).as_secs_f64() * 1e3),
            wall_ms: Some(began.elapsed().as_secs_f64() * 1e3),
        };
        let out = environment.out(self.plan.out.as_deref());
        let kept = keep(&out, trial, &run, &judged, &timings);
        let mut failure = Failure::new(trial, &run, &judged, repeats, kept);
        failure.origin = origin;
        failure.arena = Self::HAS_ARENAS.then_some(trial.arena);
        Err(ChaosError::Failed(Box::new(failure)))
    }
}

/// Keeps a run. An error here must not hide the verdict, so it is given as text.
fn keep(
    out: &Path,
    trial: &Trial,
    run: &Run,
    judged: &Judged,
    timings: &Timings,
) -> Result<PathBuf, String> {
    let kept = RunDirectory::create(out, trial).and_then(|directory| {
        let command = command::replay(&directory.path().join(TRIAL));
        directory.write(trial, run, judged, timings, &command)?;
        Ok(directory.path().to_path_buf())
    });
    kept.map_err(|error| error.to_string())
}

/// Processor time of this thread; where the system does not tell, wall time since the first call.
fn cpu_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    told.map_or_else(
        || {
            static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
            START.get_or_init(Instant::now).elapsed()
        },
        Duration::from_nanos,
    )
}
