//! What tests of the command share: a folder, the command run in it, and what it said.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of its own, and the command run in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        self.command(&arguments)
            .output()
            .expect("the command starts")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormglass"));
        command.args(arguments).current_dir(self.path());
        // What the one who runs the tests has configured is no part of them.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STORMGLASS_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// The directory of the newest run.
    pub(crate) fn latest(&self) -> PathBuf {
        let runs = self.path().join(".stormglass/runs");
        runs.join(text(&runs.join("latest")).trim())
    }
}

pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn expect(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout:\n{}\nstderr:\n{}",
        out(output),
        err(output)
    );
}
