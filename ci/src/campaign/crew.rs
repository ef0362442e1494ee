//! The workers of a campaign, and the hands that give them their orders.
//!
//! One thread stands by each worker, waits for its answer as long as the order may take, and starts another when it dies. What killed a worker is
//! tried again in a fresh one, so that whether it repeats is known; then it is an outcome like any other, and the campaign goes on.

use super::plan::Plan;
use super::work::{Answer, Job, Order};
use super::worker::READY;
use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, interrupt};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use stormglass_reports::campaign::Outcome;

/// The file whose lock every worker holds.
pub(crate) const LOCK: &str = ".workers.lock";

/// After so many orders a worker is replaced: what one leaves behind in its memory does not count against the limit of another for long.
const ORDERS_MAX: u32 = 200;
/// How long a worker may take to begin.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How often a wait is broken off to look whether it is over.
const LOOK: Duration = Duration::from_millis(50);
/// How much of what a worker last said is kept.
const SAID_BYTES_MAX: usize = 4_096;

/// What came of an order.
#[derive(Debug)]
pub(crate) enum Ended {
    Answered(Answer),
    /// The worker died over it, or took too long and was ended.
    Died {
        outcome: Outcome,
        /// How, in words.
        said: String,
        /// Whether that happened again in another worker.
        repeats: bool,
    },
}

/// An order that is over.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) job: Job,
    pub(crate) ended: Ended,
}

/// The workers.
pub(crate) struct Crew<'a> {
    pub(crate) plan: &'a Plan,
    /// The directory of the campaign.
    pub(crate) folder: &'a Path,
    pub(crate) workers: usize,
}

impl Crew<'_> {
    /// Has all jobs done, and hands over what is finished, several at a time when they come at once; nothing, now and then, when nothing comes. `each` may
    /// end it, and so may the user: workers are then ended at once, and what they were at is not finished.
    pub(crate) fn work(
        &self,
        jobs: impl Iterator<Item = Job> + Send,
        mut each: impl FnMut(Vec<Done>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        // The very file that runs, even when another has its name by now.
        let program = match cfg!(target_os = "linux") {
            true => PathBuf::from("/proc/self/exe"),
            false => std::env::current_exe().or_exit(Exit::Internal)?,
        };
        let jobs = Mutex::new(jobs);
        let over = AtomicBool::new(false);
        let (send, receive) = mpsc::sync_channel(self.workers * 2);
        let outcome = thread::scope(|scope| {
            for _ in 0..self.workers {
                let (send, jobs, over, program) = (send.clone(), &jobs, &over, &program);
                scope.spawn(move || self.stand_by(program, jobs, over, &send));
            }
            drop(send);
            let mut failed = None;
            loop {
                let first = match receive.recv_timeout(LOOK * 4) {
                    Ok(first) => Some(first),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                let mut batch = Vec::new();
                for done in first.into_iter().chain(receive.try_iter()) {
                    match done {
                        Ok(done) => batch.push(done),
                        Err(failure) => failed = Some(failure),
                    }
                }
                if !over.load(Ordering::Relaxed)
                    && (each(batch).is_break() || failed.is_some() || interrupt::asked())
                {
                    over.store(true, Ordering::Relaxed);
                }
            }
            failed
        });
        match outcome {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Takes a job after the other to a worker.
    fn stand_by(
        &self,
        program: &Path,
        jobs: &Mutex<impl Iterator<Item = Job>>,
        over: &AtomicBool,
        done: &mpsc::SyncSender<Result<Done, Failure>>,
    ) {
        let mut worker = None;
        let is_over = || over.load(Ordering::Relaxed) || interrupt::asked();
        while !is_over() {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next else { return };
            match self.finish(program, &mut worker, job, &is_over) {
                Ok(Some(finished)) => {
                    if done.send(Ok(finished)).is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(failure) => {
                    let _ = done.send(Err(failure));
                    return;
                }
            }
        }
    }

    /// Has a job done, in a second worker when the first one dies over it. Nothing when it is over before that.
    fn finish(
        &self,
        program: &Path,
        worker: &mut Option<Worker>,
        job: Job,
        is_over: &impl Fn() -> bool,
    ) -> Result<Option<Done>, Failure> {
        let mut died: Option<(Outcome, String)> = None;
        loop {
            if worker
                .as_ref()
                .is_none_or(|worker| worker.orders >= ORDERS_MAX)
            {
                *worker = Some(Worker::start(program, &self.folder.join(LOCK))?);
            }
            let hand = worker.as_mut().expect("it was just started");
            let is_fresh = hand.orders == 0;
            let order = Order {
                job: job.clone(),
                memory: self.memory(&job),
            };
            let came = match hand.ask(&order, self.longest(&job), is_over) {
                Some(came) => came,
                None => return Ok(None),
            };
            let ended = match (came, died.take()) {
                // What earlier orders left behind in it is not this one's fault.
                (Err(_), None) if !is_fresh => {
                    *worker = None;
                    continue;
                }
                (Ok(answer), None) => Ended::Answered(answer),
                (Err(death), None) => {
                    *worker = None;
                    died = Some(death);
                    continue;
                }
                (
                    Ok(Answer::Failed {
                        cause,
                        is_hosts: true,
                        is_full,
                    }),
                    Some(_),
                ) => Ended::Answered(Answer::Failed {
                    cause,
                    is_hosts: true,
                    is_full,
                }),
                (Ok(_), Some((outcome, said))) => Ended::Died {
                    outcome,
                    said,
                    repeats: false,
                },
                (Err(_), Some((outcome, said))) => {
                    *worker = None;
                    Ended::Died {
                        outcome,
                        said,
                        repeats: true,
                    }
                }
            };
            return Ok(Some(Done { job, ended }));
        }
    }

    /// The longest that a job may take, by the clock on the wall.
    fn longest(&self, job: &Job) -> Duration {
        let trial = self.plan.timeout;
        match job {
            Job::Trial(_) => trial,
            Job::Canary { .. } => trial.saturating_mul(4),
            Job::Model { model, .. } => model.time.saturating_add(trial),
            Job::Shrink { budget_ms, .. } => Duration::from_millis(*budget_ms)
                .saturating_mul(2)
                .saturating_add(trial),
        }
    }

    /// The most memory that a job may take, in bytes. A model has a limit of its own, which it keeps by itself.
    fn memory(&self, job: &Job) -> u64 {
        let trial = self.plan.memory.as_u64();
        match job {
            Job::Model { model, .. } => model.memory.as_u64().saturating_add(trial),
            Job::Trial(_) | Job::Canary { .. } | Job::Shrink { .. } => trial,
        }
    }
}

/// A worker, and what it is heard saying.
struct Worker {
    process: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    said: Arc<Mutex<VecDeque<u8>>>,
    /// How many it was given.
    orders: u32,
}

impl Worker {
    fn start(program: &Path, lock: &PathBuf) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.arg("worker").arg("--lock").arg(lock);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // The terminal's interrupt is for the campaign, which ends its workers itself.
        command.process_group(0);
        let mut process = command.spawn().or_exit(Exit::SystemFailed)?;
        let (answered, answers) = mpsc::channel();
        let output = process.stdout.take().expect("it is piped");
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                if answered.send(line).is_err() {
                    return;
                }
            }
        });
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let mut errors = process.stderr.take().expect("it is piped");
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            let mut buffer = [0; 1_024];
            while let Ok(length @ 1..) = errors.read(&mut buffer) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend(&buffer[..length]);
                let before = heard.len().saturating_sub(SAID_BYTES_MAX);
                heard.drain(..before);
            }
        });
        let mut worker = Self {
            input: process.stdin.take(),
            process,
            answers,
            said,
            orders: 0,
        };
        match worker.answers.recv_timeout(STARTS_WITHIN) {
            Ok(line) if line == READY => Ok(worker),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {
                Err(unable("it does not say that it is ready".to_string()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(unable(worker.died().1)),
        }
    }

    /// Gives an order and waits for what comes of it: an answer, or how the worker died. Nothing when all is over before.
    fn ask(
        &mut self,
        order: &Order,
        longest: Duration,
        is_over: &impl Fn() -> bool,
    ) -> Option<Result<Answer, (Outcome, String)>> {
        self.orders += 1;
        let line = serde_json::to_string(order).expect("orders are plain data");
        let given = self.input.as_mut().map(|input| {
            let given = writeln!(input, "{line}");
            given.and_then(|()| input.flush())
        });
        if !matches!(given, Some(Ok(()))) {
            return Some(Err(self.died()));
        }
        let until = Instant::now() + longest;
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(line) => {
                    let read = serde_json::from_str(&line);
                    return Some(read.map_err(|error| {
                        let said = format!("it answered with what is no answer: {error}");
                        (Outcome::Crashed, said)
                    }));
                }
                Err(RecvTimeoutError::Disconnected) => return Some(Err(self.died())),
                Err(RecvTimeoutError::Timeout) if is_over() => return None,
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                    let longest = humantime::format_duration(longest);
                    let said = format!("it took longer than {longest} and was ended");
                    return Some(Err((Outcome::TimedOut, said)));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// How it died.
    fn died(&mut self) -> (Outcome, String) {
        let status = self.process.wait();
        // What it said last may still be on its way.
        thread::sleep(LOOK);
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = said.iter().copied().collect();
        death(status.ok(), &String::from_utf8_lossy(&bytes))
    }
}

fn unable(cause: String) -> Failure {
    Failure {
        exit: Exit::SystemFailed,
        error: anyhow::anyhow!("a worker does not start: {cause}; what is finished is safe"),
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It is in the middle of something, or has nothing to do: either way nobody will miss it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The signal of an abort, and the one that cannot be caught. The numbers are the same wherever this runs.
const ABORT: i32 = 6;
const KILL: i32 = 9;

/// What an end of a worker means, and the last lines it said.
fn death(status: Option<ExitStatus>, lines: &str) -> (Outcome, String) {
    let signal = status.and_then(|status| status.signal());
    let lines = lines.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let wanting = lines
        .iter()
        .find(|line| line.starts_with("memory allocation of "));
    let last = wanting.or(lines.last());
    let said = |text: String| match last {
        Some(last) => format!("{text}; the last it said: {last}"),
        None => text,
    };
    match signal {
        Some(ABORT) if wanting.is_some() => {
            let text = "it wanted more memory than a trial may have".to_string();
            (Outcome::OutOfMemory, said(text))
        }
        Some(KILL) => {
            let text =
                "it was killed from outside, as the kernel does when there is no memory left";
            (Outcome::OutOfMemory, text.to_string())
        }
        Some(signal) => {
            let name = match signal {
                4 => " (illegal instruction)",
                ABORT => " (abort)",
                7 => " (bus error)",
                8 => " (arithmetic)",
                11 => " (segmentation fault)",
                _ => "",
            };
            let text = format!("the process that ran it died of signal {signal}{name}");
            (Outcome::Crashed, said(text))
        }
        None => {
            let code = status.and_then(|status| status.code());
            let code = code.map_or("unknown".to_string(), |code| code.to_string());
            let text = format!("the process that ran it ended with code {code}");
            (Outcome::Crashed, said(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_for_want_of_memory_is_told_from_a_crash() {
        let of = |raw, last| death(Some(ExitStatus::from_raw(raw)), last);
        let wanting = "memory allocation of 4096 bytes failed\nskipping backtrace printing\n";
        let (outcome, said) = of(ABORT, wanting);
        assert_eq!(outcome, Outcome::OutOfMemory);
        assert!(said.contains("4096 bytes"), "{said}");
        assert_eq!(of(KILL, "").0, Outcome::OutOfMemory);
        let (outcome, said) = of(11, "first\nlast words\n\n");
        assert_eq!(outcome, Outcome::Crashed);
        assert!(said.contains("signal 11") && said.contains("last words"));
        assert_eq!(of(ABORT, "an assert").0, Outcome::Crashed);
        assert!(of(101 << 8, "").1.contains("code 101"));
    }
}
