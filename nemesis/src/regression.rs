//! Small trials that broke something once, kept as files: each is run again before anything else is tested.

use crate::shrink::Property;
use crate::trial::Trial;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use stormglass_impls::knobs::Knobs;

/// A small trial, and what it broke when it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// What it broke. With its mutant planted it has to break the same again; without one it must not, for then the bug was mended.
    pub property: Property,
    /// The digest of that run: 32 hexadecimal digits. It changes with the protocol, and that is no failure.
    pub digest: String,
    /// The trial.
    pub trial: Trial,
}

include!(concat!(env!("OUT_DIR"), "/regressions.rs"));

/// A file that is no regression. Names the file, and the field or the line.
#[derive(Debug, thiserror::Error)]
pub enum RegressionError {
    /// The file or the folder cannot be read or written.
    #[error("{path}: cannot be {action}: {source}; check the path and the permissions")]
    Io {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something else.
    #[error("{path}:{line}: not a usable regression: {cause}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// What is wrong, by field.
        cause: String,
    },
}

impl Regression {
    /// All that came with the source, with the name of the file in `nemesis/regressions`.
    ///
    /// # Errors
    /// [`RegressionError::Malformed`], for the first that the source of today cannot use.
    pub fn kept() -> Result<Vec<(&'static str, Self)>, RegressionError> {
        let read = |(file, text): &(&'static str, &str)| {
            Self::parse(Path::new(file), text).map(|kept| (*file, kept))
        };
        KEPT.iter().map(read).collect()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`RegressionError`].
    pub fn read(path: &Path) -> Result<Self, RegressionError> {
        let text = std::fs::read_to_string(path).map_err(io_error(path, "read"))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, RegressionError> {
        let malformed = |line, cause| RegressionError::Malformed {
            path: path.to_path_buf(),
            line,
            cause,
        };
        let read: Self = serde_json::from_str(text)
            .map_err(|error| malformed(error.line(), error.to_string()))?;
        read.validate().map_err(|cause| malformed(1, cause))?;
        Ok(read)
    }

    /// All of a folder, by file name.
    ///
    /// # Errors
    /// [`RegressionError`], for the first file that is none.
    pub fn read_all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, RegressionError> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io_error(folder, "read"))? {
            let path = entry.map_err(io_error(folder, "read"))?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        let read = |path: PathBuf| Self::read(&path).map(|read| (path, read));
        paths.into_iter().map(read).collect()
    }

    /// Writes it into a folder, which is made if it is missing. Gives the file; one that told of the same bug is replaced.
    ///
    /// # Errors
    /// [`RegressionError::Io`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, RegressionError> {
        std::fs::create_dir_all(folder).map_err(io_error(folder, "written"))?;
        let path = folder.join(self.file_name());
        let mut text = serde_json::to_string_pretty(self).expect("a regression is plain data");
        text.push('\n');
        std::fs::write(&path, text).map_err(io_error(&path, "written"))?;
        Ok(path)
    }

    /// The name of its file: after the mutant, or after cluster and seed, and after what broke.
    pub fn file_name(&self) -> String {
        let Trial { cluster, seed, .. } = &self.trial;
        let bug = match &self.trial.mutant {
            Some(mutant) => mutant.clone(),
            None => format!("{cluster}-{seed}"),
        };
        let plain = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' => character,
            _ => '-',
        };
        let name: String = format!("{bug}-{}", self.property)
            .chars()
            .map(plain)
            .collect();
        format!("{name}.json")
    }

    /// Its size, in words: arena, nodes, what was called and what went wrong, and the knobs that are turned.
    pub fn about(&self) -> String {
        let trial = &self.trial;
        let called = match &trial.calls {
            Some(calls) => counted(calls.len(), "operation"),
            None => counted(trial.clients as usize, "client"),
        };
        let (nodes, faults) = (trial.nodes.into(), trial.schedule.len());
        let (nodes, faults) = (counted(nodes, "node"), counted(faults, "fault"));
        let size = [trial.arena.name().to_string(), nodes, called, faults];
        let knobs = turned(&trial.knobs);
        let all: Vec<String> = size.into_iter().chain(knobs).collect();
        all.join(", ")
    }

    fn validate(&self) -> Result<(), String> {
        let digits = |text: &str| text.chars().all(|digit| digit.is_ascii_hexdigit());
        if self.property.to_string().is_empty() {
            return Err("property: empty; name what the trial broke".to_string());
        }
        if self.digest.len() != 32 || !digits(&self.digest) {
            return Err("digest: not 32 hexadecimal digits; keep the trial anew".to_string());
        }
        self.trial
            .validate()
            .map_err(|cause| format!("trial: {cause}"))
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The knobs that are not as usual, if there are any, as a script calls them: `entries_per_append_max=1 election_timeout_ms=300..500`.
fn turned(knobs: &Knobs) -> Option<String> {
    let fields = |knobs: &Knobs| serde_json::to_value(knobs).expect("knobs are plain data");
    let (usual, here) = (fields(&Knobs::default()), fields(knobs));
    let turned = here.as_object().into_iter().flatten();
    let turned = turned.filter(|(name, value)| usual[name.as_str()] != **value);
    let text =
        turned.map(
            |(name, value)| match (value["min_ns"].as_u64(), value["max_ns"].as_u64()) {
                (Some(min), Some(max)) => {
                    format!("{name}_ms={}..{}", min / 1_000_000, max / 1_000_000)
                }
                _ => format!("{name}={value}"),
            },
        );
    let text: Vec<String> = text.collect();
    (!text.is_empty()).then(|| text.join(" "))
}

fn io_error(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> RegressionError + use<> {
    let path = path.to_path_buf();
    move |source| RegressionError::Io {
        path,
        action,
        source,
    }
}
