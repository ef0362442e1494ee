//! The files of trials that broke something once.

use super::ChaosError;
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_nemesis::regression::Regression;
use stormglass_nemesis::trial::Trial;

/// Where the trials of a cluster are kept unless told otherwise, from its package on.
pub(super) fn folder(cluster: &str) -> PathBuf {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
        _ => '-',
    };
    let name: String = cluster.chars().map(plain).collect();
    Path::new("tests/regressions").join(name)
}

/// The files of a folder, by name. A folder that is not there has none.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, ChaosError> {
    let unreadable = |source| ChaosError::Regressions {
        path: folder.to_path_buf(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The trial of a file: a plain trial, or one with what it broke beside it.
pub(super) fn read(path: &Path) -> Result<Trial, ChaosError> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let fields = serde_json::from_str::<Value>(&text).unwrap_or_default();
    // A file that cannot be read, or is neither, is best explained by who reads trials.
    match fields.get("trial") {
        Some(_) => Ok(Regression::read(path)?.trial),
        None => Ok(Trial::read(path)?),
    }
}
