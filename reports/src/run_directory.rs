//! The directory of a run.
//!
//! ```text
//! .stormglass/runs/latest                                      the name of the newest run, as text
//! .stormglass/runs/<cluster>-<workload>-<seed>-<short id>/     trial.json history.jsonl record.json run.json
//!                                                              report.html summary.md junit.xml perfetto.json plots/*.svg
//!                                                              messages.json, of a run that broke
//!                                                              shrunk/ and original.html, once it was shrunk
//! ```

mod messages;
mod salvage;
mod shrunk;

pub use messages::MESSAGES;
pub use salvage::{EARLIER, Salvaged};
pub use shrunk::{ORIGINAL, SHRUNK, sentence as shrunk_sentence};

use crate::error::ReportError;
use crate::summary::{RunSummary, SUMMARY_VERSION, Timings};
use crate::{junit, markdown, page, perfetto, plots};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use siphasher::sip::SipHasher13;
use std::ffi::OsStr;
use std::fs;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use stormglass_checker::{Event, History, Kind, Process};
use stormglass_nemesis::judge::{Judged, judge};
use stormglass_nemesis::record::{RECORD_VERSION, Record, Run};
use stormglass_nemesis::trial::Trial;

/// Where runs are kept unless told otherwise.
pub const DEFAULT_OUT: &str = ".stormglass/runs";

/// The file in the directory of runs that names the newest.
pub const LATEST: &str = "latest";

/// The whole experiment. Written before the run starts.
pub const TRIAL: &str = "trial.json";
/// What the clients saw.
pub const HISTORY: &str = "history.jsonl";
/// What the arena saw.
pub const RECORD: &str = "record.json";
/// The verdict for machines. Written last.
pub const SUMMARY: &str = "run.json";
/// The page.
pub const PAGE: &str = "report.html";
/// The lines for a job page.
pub const MARKDOWN: &str = "summary.md";
/// The test case.
pub const JUNIT: &str = "junit.xml";
/// The time axis for trace viewers.
pub const PERFETTO: &str = "perfetto.json";
/// The directory of the plots.
pub const PLOTS: &str = "plots";

/// The most attempts at a free name for one and the same trial.
const ATTEMPTS_MAX: u32 = 100_000;

const RUN_AGAIN: &str =
    "the run was interrupted; run the trial again with `stormglass replay` on its trial.json";
const REBUILD: &str = "make it again with `stormglass report` on the directory";

/// The directory of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
    name: String,
}

impl RunDirectory {
    /// Makes a directory of its own for a run of `trial` in `out`, writes `trial.json` and records the name in `latest`. Do this before
    /// the run starts, so that a run that never ends can be repeated.
    ///
    /// The short id is six hexadecimal digits of a hash of the trial and of a number of the attempt, which grows until a name is free.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn create(out: &Path, trial: &Trial) -> Result<Self, ReportError> {
        fs::create_dir_all(out).map_err(io_error(out, "created"))?;
        let json = trial.to_json();
        for name in Self::names(trial) {
            let path = out.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => {
                    let directory = Self { path, name };
                    directory.put(TRIAL, json.as_bytes())?;
                    put(
                        &out.join(LATEST),
                        format!("{}\n", directory.name).as_bytes(),
                    )?;
                    return Ok(directory);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(ReportError::Io {
                        path,
                        action: "created",
                        source,
                    });
                }
            }
        }
        let source = io::Error::new(
            io::ErrorKind::AlreadyExists,
            "every short id of this trial is taken",
        );
        Err(ReportError::Io {
            path: out.to_path_buf(),
            action: "created",
            source,
        })
    }

    /// The names for the runs of a trial in one directory: that of the first, and of each attempt behind it.
    pub fn names(trial: &Trial) -> impl Iterator<Item = String> + use<> {
        let json = trial.to_json();
        let stem = format!(
            "{}-{}-{}",
            safe(&trial.cluster),
            safe(trial.workload.name()),
            trial.seed
        );
        (0..ATTEMPTS_MAX).map(move |attempt| format!("{stem}-{:06x}", short_id(&json, attempt)))
    }

    /// Records this run in `latest`: several may have been made at a time, and some of them removed.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn make_latest(&self, out: &Path) -> Result<(), ReportError> {
        put(&out.join(LATEST), format!("{}\n", self.name).as_bytes())
    }

    /// Finds a run in `out`: by `latest`, by its name, by its short id, by a unique prefix of either, or by a path from anywhere.
    ///
    /// # Errors
    /// [`ReportError::NoRuns`], [`ReportError::NotFound`], [`ReportError::Ambiguous`] with the candidates, or [`ReportError::Missing`]
    /// when the directory holds no trial.
    pub fn open(out: &Path, name: &str) -> Result<Self, ReportError> {
        if name == LATEST {
            return Self::at(&out.join(latest(out)?));
        }
        // An empty name would be every prefix, and the directory of runs itself.
        let as_path = Path::new(name);
        let plain =
            as_path.components().count() == 1 && as_path.file_name() == Some(OsStr::new(name));
        if plain && out.join(name).is_dir() {
            return Self::at(&out.join(name));
        }
        if !name.is_empty() && as_path.is_dir() {
            return Self::at(as_path);
        }
        let names = if plain { Self::list(out)? } else { Vec::new() };
        let exact: Vec<_> = names
            .iter()
            .filter(|run| short_id_of(run) == name)
            .cloned()
            .collect();
        let begins = |run: &&String| run.starts_with(name) || short_id_of(run).starts_with(name);
        let mut candidates = if exact.is_empty() {
            names.iter().filter(begins).cloned().collect()
        } else {
            exact
        };
        match candidates.len() {
            0 if plain && names.is_empty() => Err(ReportError::NoRuns {
                out: out.to_path_buf(),
            }),
            0 => Err(ReportError::NotFound {
                name: name.to_string(),
                out: out.to_path_buf(),
            }),
            1 => Self::at(&out.join(candidates.remove(0))),
            _ => Err(ReportError::Ambiguous {
                name: name.to_string(),
                candidates,
            }),
        }
    }

    /// The run in this very directory.
    ///
    /// # Errors
    /// [`ReportError::Missing`] when it holds no trial.
    pub fn at(path: &Path) -> Result<Self, ReportError> {
        if !path.join(TRIAL).is_file() {
            let (meaning, remedy) = (
                "this is no run directory",
                "name a directory that `stormglass run` made",
            );
            return Err(ReportError::Missing {
                path: path.join(TRIAL),
                meaning,
                remedy,
            });
        }
        // `.` and `..` have no name of their own; the directory they mean has.
        let whole = path.canonicalize().map_err(io_error(path, "read"))?;
        Ok(Self {
            path: path.to_path_buf(),
            name: shrunk::name_of(&whole),
        })
    }

    /// The names of all runs in `out`, in order. A directory that does not exist has none.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn list(out: &Path) -> Result<Vec<String>, ReportError> {
        let entries = match fs::read_dir(out) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(ReportError::Io {
                    path: out.to_path_buf(),
                    action: "read",
                    source,
                });
            }
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error(out, "read"))?;
            if entry.path().join(TRIAL).is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name: `<cluster>-<workload>-<seed>-<short id>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its page is, or will be.
    pub fn page(&self) -> PathBuf {
        self.path.join(PAGE)
    }

    /// The command that runs it again from its directory.
    pub fn replay_command(&self) -> String {
        format!("stormglass replay {}", quoted(self.path.display()))
    }

    /// Reads the trial.
    ///
    /// # Errors
    /// [`ReportError::Missing`] or [`ReportError::Trial`].
    pub fn trial(&self) -> Result<Trial, ReportError> {
        let path = self.path.join(TRIAL);
        if !path.is_file() {
            let (meaning, remedy) = (
                "this is no run directory",
                "name a directory that `stormglass run` made",
            );
            return Err(ReportError::Missing {
                path,
                meaning,
                remedy,
            });
        }
        Ok(Trial::read(&path)?)
    }

    /// Reads the trial and what came back from it.
    ///
    /// # Errors
    /// One that names the file that is missing or bad, its line where it has one, and the remedy.
    pub fn load(&self) -> Result<(Trial, Run), ReportError> {
        let trial = self.trial()?;
        let record: Record = self.read_json(
            RECORD,
            RECORD_VERSION,
            "the run did not come to its end",
            RUN_AGAIN,
        )?;
        let path = self.path.join(HISTORY);
        if !path.is_file() {
            return Err(ReportError::Missing {
                path,
                meaning: "the run did not come to its end",
                remedy: RUN_AGAIN,
            });
        }
        let run = Run {
            history: History::read_jsonl(&path)?,
            record,
        };
        let calls = calls(&run);
        match self.summary() {
            Ok(summary) if summary.counts.operations > calls => Err(ReportError::Malformed {
                path,
                line: run.history.events.len().max(1),
                cause: format!(
                    "it ends here, after {calls} calls, where {SUMMARY} counts {}",
                    summary.counts.operations
                ),
                remedy: RUN_AGAIN,
            }),
            _ => Ok((trial, run)),
        }
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// One that names the file, its line where it has one, and the remedy.
    pub fn summary(&self) -> Result<RunSummary, ReportError> {
        self.read_json(
            SUMMARY,
            SUMMARY_VERSION,
            "the reports were not finished",
            REBUILD,
        )
    }

    /// Writes everything. `command` runs the trial again from nothing; the page shows the replay of this directory beside it.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write(
        &self,
        trial: &Trial,
        run: &Run,
        judged: &Judged,
        timings: &Timings,
        command: &str,
    ) -> Result<RunSummary, ReportError> {
        self.put(TRIAL, trial.to_json().as_bytes())?;
        let mut history = Vec::new();
        run.history
            .write_jsonl(&mut history)
            .map_err(io_error(&self.path.join(HISTORY), "written"))?;
        self.put(HISTORY, &history)?;
        let mut record = serde_json::to_string_pretty(&run.record).expect("a record is plain data");
        record.push('\n');
        self.put(RECORD, record.as_bytes())?;
        self.report(trial, run, judged, timings, command)
    }

    /// Judges what is in the directory again, and makes the reports again. The trial, the history and the record stay as they are.
    ///
    /// # Errors
    /// Those of [`RunDirectory::load`] and [`RunDirectory::write`], and [`ReportError::Check`].
    pub fn rebuild(&self) -> Result<RunSummary, ReportError> {
        let (trial, run) = self.load()?;
        let judged = judge(&trial, &run)?;
        // What the old summary knew and nothing else does; a bad one is being replaced, so its errors do not matter.
        let old = self.summary().ok();
        let command = old
            .as_ref()
            .map_or_else(|| self.replay_command(), |old| old.command.clone());
        let simulate_cpu_ms = old.and_then(|old| old.timings.simulate_cpu_ms);
        let timings = Timings {
            simulate_cpu_ms,
            ..Timings::default()
        };
        self.report(&trial, &run, &judged, &timings, &command)
    }

    /// Makes everything that can be made again.
    fn report(
        &self,
        trial: &Trial,
        run: &Run,
        judged: &Judged,
        timings: &Timings,
        command: &str,
    ) -> Result<RunSummary, ReportError> {
        let summary = RunSummary::new(&self.name, trial, &run.record, judged, timings, command);
        let replay = self.replay_command();
        let known = stormglass_impls::catalog::system(&trial.cluster).is_some();
        let (messages, messages_note) = self.messages();
        let told = page::Told {
            trial,
            run,
            judged,
            messages: messages.as_ref(),
            messages_note: messages_note.as_deref(),
            summary: &summary,
            replay: known.then_some(replay.as_str()),
            shrunk: None,
        };
        let plots = plots::plots(trial, run)?;
        let page = page::render(&told, &plots)?;
        let directory = self.path.join(PLOTS);
        fs::create_dir_all(&directory).map_err(io_error(&directory, "created"))?;
        for plot in &plots {
            put(
                &directory.join(format!("{}.svg", plot.name)),
                plot.standalone().as_bytes(),
            )?;
        }
        self.put_page(trial, run, &page)?;
        self.put(
            MARKDOWN,
            markdown::render(std::slice::from_ref(&summary)).as_bytes(),
        )?;
        self.put(
            JUNIT,
            junit::render(std::slice::from_ref(&summary))?.as_bytes(),
        )?;
        self.put(PERFETTO, &perfetto::render(trial, run, judged))?;
        self.put(SUMMARY, summary.to_json().as_bytes())?;
        // It is whole again.
        let _ = fs::remove_file(self.path.join(EARLIER));
        Ok(summary)
    }

    fn put(&self, file: &str, content: &[u8]) -> Result<(), ReportError> {
        put(&self.path.join(file), content)
    }

    fn read_json<T: DeserializeOwned>(
        &self,
        file: &str,
        wanted: u32,
        meaning: &'static str,
        remedy: &'static str,
    ) -> Result<T, ReportError> {
        let path = self.path.join(file);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReportError::Missing {
                    path,
                    meaning,
                    remedy,
                });
            }
            Err(source) => {
                return Err(ReportError::Io {
                    path,
                    action: "read",
                    source,
                });
            }
        };
        let malformed = |error: serde_json::Error| ReportError::Malformed {
            path: path.clone(),
            line: error.line().max(1),
            cause: error.to_string(),
            remedy,
        };
        // The version first: a file of another version may lack what this one must have.
        let version: Version = serde_json::from_slice(&bytes).map_err(malformed)?;
        if version.schema_version != wanted {
            return Err(ReportError::Version {
                path,
                found: version.schema_version,
                wanted,
            });
        }
        serde_json::from_slice(&bytes).map_err(malformed)
    }
}

/// How many operations a history begins.
fn calls(run: &Run) -> u64 {
    let events = run.history.events.iter();
    let is_call = |event: &&Event| event.kind == Kind::Invoke && event.process != Process::Nemesis;
    events.filter(is_call).count() as u64
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// Removes what writers left half written in a folder because they were killed. Nobody else may be writing there.
pub fn remove_parts(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(".part") {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file under another name and renames it, so that nobody sees half of it.
pub(crate) fn put(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two processes, and two threads of one, may write `latest` at once; each time has a temporary name of its own.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let (process, time) = (std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed));
    let part = path.with_file_name(format!(".{name}.{process}.{time}.part"));
    let written = fs::write(&part, content).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        // The first error is the one to tell; a left-over part does no harm.
        let _ = fs::remove_file(&part);
        ReportError::Io {
            path: path.to_path_buf(),
            action: "written",
            source,
        }
    })
}

pub(crate) fn io_error(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(io::Error) -> ReportError + use<> {
    let path = path.to_path_buf();
    move |source| ReportError::Io {
        path,
        action,
        source,
    }
}

/// The name in `latest`.
fn latest(out: &Path) -> Result<String, ReportError> {
    let path = out.join(LATEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ReportError::NoRuns {
                out: out.to_path_buf(),
            });
        }
        Err(source) => {
            return Err(ReportError::Io {
                path,
                action: "read",
                source,
            });
        }
    };
    let name = text.trim();
    // The file names a neighbour and nothing else.
    if name.starts_with('.') || name.is_empty() || !name.chars().all(is_plain) {
        let cause = "expected the name of a run".to_string();
        return Err(ReportError::Malformed {
            path,
            line: 1,
            cause,
            remedy: "delete it, and name the run",
        });
    }
    Ok(name.to_string())
}

/// Six hexadecimal digits that tell trials, and attempts at one trial, apart.
fn short_id(trial_json: &str, attempt: u32) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(trial_json.as_bytes());
    hasher.write_u32(attempt);
    hasher.finish() & 0xff_ffff
}

fn short_id_of(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or(name)
}

/// A text as part of a file name: what is not a letter, a digit, a dot or a dash becomes a dash, and it begins with a letter or a digit.
fn safe(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let name: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .map(|character| if is_plain(character) { character } else { '-' })
        .collect();
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        name
    } else {
        format!("x{name}")
    }
}

pub(crate) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._".contains(character)
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: impl std::fmt::Display) -> String {
    let text = word.to_string();
    if !text.is_empty()
        && text
            .chars()
            .all(|character| is_plain(character) || character == '/')
    {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
