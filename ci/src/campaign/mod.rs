//! Campaigns: many trials, one result each, and none of them lost.
//!
//! ```text
//! campaign file ─► plan ─► units ─► crew ─► workers (a process each) ─► rows ─► store
//!                 (what)  (which)          one order, one answer               (redb)
//!                                                                                │
//!                         known failures, nights before ─► closing ◄─────────────┘ ◄─ stores of other shards
//!                                                             └─► lines, campaign.json, summary, page
//! ```
//!
//! A unit is a seed, a planted bug to be found, or a model. What it is depends on the campaign file and its number alone, so any number of machines
//! share a campaign without a word between them. A unit is finished when its row is committed; whatever ends a campaign, taking it up
//! again runs what is not finished, and nothing else.
//!
//! ```text
//! <out>/campaign.redb     the rows
//!       runs/             run directories: of failures (the first few of each kind) and of a sample of the valid
//!       models/           counterexamples
//!       trials.jsonl, kills.jsonl, models.jsonl, campaign.json, summary.md, campaign.html      made from the rows, again whenever wanted
//! ```

pub(crate) mod closing;
pub(crate) mod crew;
pub(crate) mod known;
pub(crate) mod nights;
pub(crate) mod plan;
pub(crate) mod rows;
pub(crate) mod signature;
pub(crate) mod store;
pub(crate) mod units;
pub(crate) mod work;
pub(crate) mod worker;

use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, interrupt};
use crew::{Crew, Done, LOCK};
use plan::{Budget, Plan};
use rows::{RUNS, Rows};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{About, STORE, Store};
use stormglass_reports::run_directory;
use units::Pattern;
use work::{Job, TrialJob};

/// A copy of the campaign file, in the directory of a campaign: to go on with it, nothing else has to be named.
pub(crate) const PLAN: &str = "campaign.toml";

/// Counterexamples of models, in the directory of a campaign.
pub(crate) const MODELS: &str = "models";

/// The most failures that are made small.
const SHRINKS_MAX: usize = 20;

/// How long the workers of an earlier process may take to end.
const WORKERS_END: Duration = Duration::from_secs(30);

/// A campaign that is to be run, or to be taken up again.
pub(crate) struct Campaign<'a> {
    plan: &'a Plan,
    /// An absolute path: the workers are told of it.
    folder: PathBuf,
    workers: usize,
    store: Store,
    about: About,
    rows: Rows,
}

impl<'a> Campaign<'a> {
    /// Begins a campaign, or takes up what is in its directory.
    pub(crate) fn open(
        plan: &'a Plan,
        folder: &Path,
        about: About,
        resume: bool,
        workers: usize,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!("{}: cannot be made ({error})", folder.display()),
        })?;
        let folder = std::path::absolute(folder).or_exit(Exit::Unreadable)?;
        let exists = folder.join(STORE).exists();
        if exists && !resume {
            return Err(Failure::usage(format!(
                "{}: a campaign is here already; go on with it with --resume, or name another directory with --out",
                folder.display()
            )));
        }
        let (store, about) = match exists {
            true => {
                let store = Store::open(&folder)?;
                let about = agree(&store.read()?.about, about, &folder)?;
                store.put_about(&about)?;
                (store, about)
            }
            false => {
                must_be_empty(&folder)?;
                if let Some(text) = &plan.text {
                    std::fs::write(folder.join(PLAN), text).or_exit(Exit::Internal)?;
                }
                (Store::begin(&folder, &about)?, about)
            }
        };
        let content = store.read()?;
        let runs = folder.join(RUNS);
        wait_for_workers(&folder)?;
        let rows = Rows::of(content, runs);
        if exists {
            rows.remove_orphans();
            run_directory::remove_parts(&folder);
            run_directory::remove_parts(&folder.join(RUNS));
        }
        Ok(Self {
            plan,
            folder,
            workers,
            store,
            about,
            rows,
        })
    }

    /// Runs what is not finished. `tell` is told each row that does not pass, and each of all if it wants.
    pub(crate) fn run(&mut self, mut tell: impl FnMut(&rows::Told<'_>)) -> Result<Exit, Failure> {
        let earlier_s = self.rows.spent_s();
        let began = Instant::now();
        let jobs = self.jobs(earlier_s, began);
        self.work(jobs, earlier_s, began, &mut tell)?;
        if interrupt::asked() {
            return Ok(Exit::Interrupted);
        }
        let shrinks = self.shrinks();
        self.work(shrinks, earlier_s, began, &mut tell)?;
        if interrupt::asked() {
            return Ok(Exit::Interrupted);
        }
        // Of workers that died, and no worker is left.
        run_directory::remove_parts(&self.folder.join(RUNS));
        self.about.is_finished = true;
        self.store.put_about(&self.about)?;
        Ok(Exit::Valid)
    }

    /// All that the store has.
    pub(crate) fn content(&self) -> Result<store::Content, Failure> {
        self.store.read()
    }

    /// How many trials are finished.
    pub(crate) fn trials(&self) -> u64 {
        self.rows.trials()
    }

    fn work(
        &mut self,
        jobs: Box<dyn Iterator<Item = Job> + Send>,
        earlier_s: f64,
        began: Instant,
        tell: &mut impl FnMut(&rows::Told<'_>),
    ) -> Result<(), Failure> {
        let crew = Crew {
            plan: self.plan,
            folder: &self.folder,
            workers: self.workers,
        };
        let (store, rows) = (&self.store, &mut self.rows);
        let mut failed = None;
        crew.work(jobs, |batch: Vec<Done>| {
            if batch.is_empty() {
                return ControlFlow::Continue(());
            }
            let ended_s = earlier_s + began.elapsed().as_secs_f64();
            // What is finished is written down even when something else of the batch failed.
            let (taken, failure) = rows.take(batch, ended_s);
            let committed = store.commit(&taken.batch);
            if committed.is_ok() {
                rows.remove(&taken.evicted);
                taken.each(&mut *tell);
            }
            failed = committed.err().or(failure);
            match failed {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// What is to be done and is not finished: planted bugs first, since a night that cannot see is over; then models, which take longest; then seeds.
    fn jobs(&self, earlier_s: f64, began: Instant) -> Box<dyn Iterator<Item = Job> + Send> {
        let (plan, shard) = (self.plan, self.about.shard);
        let canaries = plan.canaries.iter().enumerate();
        let canaries = canaries
            .filter(|(number, _)| shard.has(*number) && !self.rows.has_canary(*number as u64))
            .map(|(number, canary)| Job::Canary {
                number: number as u64,
                canary: canary.clone(),
            });
        let models = plan.models.iter().enumerate();
        let models = models
            .filter(|(number, _)| shard.has(*number) && !self.rows.has_model(*number as u64))
            .map(|(number, model)| Job::Model {
                number: number as u64,
                model: model.clone(),
                out: self.folder.join(MODELS),
            });
        let first: Vec<Job> = canaries.chain(models).collect();
        if plan.storms.is_empty() {
            return Box::new(first.into_iter());
        }
        let finished = self.rows.units();
        let pattern = Pattern::of(plan);
        let sample = plan.sample;
        let trials: Vec<(Vec<String>, u64)> = plan
            .storms
            .iter()
            .map(|storm| (storm.words.clone(), storm.share))
            .collect();
        let out = self.folder.join(RUNS);
        let (budget, first_seed) = (self.about.budget, self.about.first_seed);
        let units = shard
            .units()
            .take_while(move |unit| first_seed.checked_add(*unit).is_some())
            .filter(move |unit| !finished.contains(unit))
            .take_while(move |unit| match budget {
                Budget::Trials(trials) => *unit < trials,
                Budget::Time(time) => {
                    earlier_s + began.elapsed().as_secs_f64() < time.as_secs_f64()
                }
            });
        let seeds = units.map(move |unit| {
            let (number, nth) = pattern.storm(unit);
            Job::Trial(TrialJob {
                unit,
                seed: first_seed + unit,
                words: trials[number].0.clone(),
                keep: sample > 0 && nth % sample == 0,
                out: out.clone(),
            })
        });
        Box::new(first.into_iter().chain(seeds))
    }

    /// The failures that are yet to be made small.
    fn shrinks(&self) -> Box<dyn Iterator<Item = Job> + Send> {
        let budget_ms = u64::try_from(self.plan.shrink.as_millis()).unwrap_or(u64::MAX);
        if budget_ms == 0 {
            return Box::new(std::iter::empty());
        }
        let found = self.rows.to_shrink(SHRINKS_MAX);
        let jobs: Vec<Job> = found
            .into_iter()
            .map(|(signature, unit, run)| Job::Shrink {
                signature,
                unit,
                run: self.folder.join(RUNS).join(run),
                budget_ms,
            })
            .collect();
        Box::new(jobs.into_iter())
    }
}

/// A campaign tidies up in its directory, so it begins in one in which there is nothing of anybody's.
fn must_be_empty(folder: &Path) -> Result<(), Failure> {
    // What a beginning leaves that was cut short.
    let ours = |name: &str| name.starts_with(STORE) || name == PLAN;
    let entries = std::fs::read_dir(folder).or_exit(Exit::Unreadable)?;
    for entry in entries {
        let name = entry.or_exit(Exit::Unreadable)?.file_name();
        if !ours(&name.to_string_lossy()) {
            return Err(Failure::usage(format!(
                "{}: holds {name:?} and no campaign; name a new or an empty directory with --out",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// What is there must be the campaign that is meant.
fn agree(there: &About, meant: About, folder: &Path) -> Result<About, Failure> {
    let differs = |what: &str, there: &str, here: &str| {
        Err(Failure::usage(format!(
            "{}: the campaign here is of another {what} ({there}, not {here}); begin another with --out",
            folder.display()
        )))
    };
    if there.build != meant.build {
        return differs("build", &there.build, &meant.build);
    }
    if there.plan != meant.plan {
        return differs("campaign file", &there.plan, &meant.plan);
    }
    if there.shard != meant.shard {
        return differs("shard", &there.shard.to_string(), &meant.shard.to_string());
    }
    if there.first_seed != meant.first_seed {
        let (there, here) = (there.first_seed.to_string(), meant.first_seed.to_string());
        return differs("first seed", &there, &here);
    }
    Ok(About {
        is_finished: false,
        ..meant
    })
}

/// Waits until the workers of whoever worked here before are gone: they end as soon as they notice that nobody waits for them.
fn wait_for_workers(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(LOCK);
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .or_exit(Exit::Unreadable)?;
    let until = Instant::now() + WORKERS_END;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > until {
            return Err(Failure {
                exit: Exit::Unreadable,
                error: anyhow::anyhow!(
                    "{}: workers of an earlier process still hold it; end them",
                    path.display()
                ),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What tells this very program from others that were built.
pub(crate) fn build() -> Result<String, Failure> {
    let program = std::env::current_exe().or_exit(Exit::Internal)?;
    let bytes = std::fs::read(program).or_exit(Exit::Internal)?;
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let halves = (crc32fast::hash(one), crc32fast::hash(other));
    Ok(format!(
        "{:08x}{:08x}{:08x}",
        halves.0,
        halves.1,
        bytes.len()
    ))
}
