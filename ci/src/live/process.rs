//! Starts a node as a process, and ends it.

use super::Plan;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use stormglass_impls::contract::NodeId;

/// Whether a node ends with the process that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// It does, however that one ends.
    Tied,
    /// It goes on.
    Loose,
}

/// A node that this process started.
#[derive(Debug)]
pub struct NodeProcess {
    /// Which.
    pub id: NodeId,
    child: Child,
    /// What it prints goes here.
    text: PathBuf,
}

impl NodeProcess {
    /// Starts a node of the cluster in a directory. `program` is the `stormglass` command.
    pub fn start(program: &Path, directory: &Path, id: NodeId, bond: Bond) -> io::Result<Self> {
        let own = Plan::node_directory(directory, id);
        fs::create_dir_all(&own)?;
        let text = own.join("output.txt");
        let output = OpenOptions::new().create(true).append(true).open(&text)?;
        let mut command = Command::new(program);
        command
            .args(["node", "--id", &id.0.to_string(), "--dir"])
            .arg(directory)
            .stdout(output.try_clone()?)
            .stderr(output);
        match bond {
            // The pipe closes when this process ends, whatever ends it.
            Bond::Tied => command.arg("--tied").stdin(Stdio::piped()),
            Bond::Loose => command.stdin(Stdio::null()),
        };
        // A group of its own: what is typed at this terminal does not reach it. A node that died of a Ctrl-C would be taken for one that broke.
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self { id, child, text })
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it printed last: the message of a panic, if it panicked, or the last line.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.text).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        match lines.iter().rposition(|line| line.contains("panicked at")) {
            Some(at) => lines[at..]
                .iter()
                .take(2)
                .copied()
                .collect::<Vec<_>>()
                .join(" "),
            None => lines.last().copied().unwrap_or_default().to_string(),
        }
    }
}
