//! What a cluster is, as a file.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use stormglass_impls::contract::NodeId;
use stormglass_impls::knobs::Knobs;
use stormglass_impls::node_set::{NODES_MAX, NodeSet};
use stormglass_impls::system::Setup;

/// The version of the cluster file. A file of another version is refused, not guessed at.
pub const PLAN_VERSION: u32 = 1;

/// A cluster of real processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub schema_version: u32,
    /// What it runs, by its name.
    pub system: String,
    /// How many nodes have a vote when it begins, from the first on. The others are spares: they run, and may be added.
    pub voters: u8,
    /// The addresses of all nodes by id, `host:port`.
    pub addresses: Vec<String>,
    /// The protocol's knobs.
    pub knobs: Knobs,
    /// The bug planted in its nodes, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
}

/// A cluster file that cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("{}: cannot be read ({source}); `stormglass cluster up` makes a cluster", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("{}: cannot be written ({source})", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no cluster file.
    #[error("{}: not a usable cluster file: {cause}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

impl Plan {
    /// The cluster file of a directory.
    pub fn path(directory: &Path) -> PathBuf {
        directory.join("cluster.json")
    }

    /// Where a node keeps what is its own.
    pub fn node_directory(directory: &Path, node: NodeId) -> PathBuf {
        directory.join(node.to_string())
    }

    /// Reads the cluster of a directory.
    pub fn read(directory: &Path) -> Result<Self, PlanError> {
        let path = Self::path(directory);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(PlanError::Unreadable { path, source }),
        };
        let plan = serde_json::from_str(&text).map_err(|error| error.to_string());
        let plan: Result<Plan, String> = plan.and_then(|plan: Plan| plan.check().map(|()| plan));
        plan.map_err(|cause| PlanError::Malformed { path, cause })
    }

    /// Writes the cluster file of a directory, and makes the directory.
    pub fn write(&self, directory: &Path) -> Result<(), PlanError> {
        let path = Self::path(directory);
        let temporary = directory.join("cluster.json.new");
        let text = serde_json::to_string_pretty(self).expect("a plan is plain data") + "\n";
        let written = fs::create_dir_all(directory)
            .and_then(|()| fs::write(&temporary, text))
            .and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|source| PlanError::Unwritable { path, source })
    }

    /// How many nodes it has, spares and all.
    pub fn nodes(&self) -> u8 {
        u8::try_from(self.addresses.len()).unwrap_or(u8::MAX)
    }

    /// What a node of it is told.
    pub fn setup(&self, id: NodeId) -> Setup {
        Setup {
            id,
            nodes: self.nodes(),
            voters: NodeSet::first(self.voters),
            knobs: self.knobs.clone(),
            mutant: self.mutant.clone(),
        }
    }

    /// Checks what the types do not say.
    pub fn check(&self) -> Result<(), String> {
        if self.schema_version != PLAN_VERSION {
            return Err("schema_version: this build reads another version".to_string());
        }
        if !(1..=usize::from(NODES_MAX)).contains(&self.addresses.len()) {
            return Err(format!("addresses: a cluster has 1 to {NODES_MAX} nodes"));
        }
        if self.voters == 0 || self.voters > self.nodes() {
            return Err("voters: from one to all nodes have a vote".to_string());
        }
        match self
            .addresses
            .iter()
            .find(|address| host(address).is_none())
        {
            Some(address) => Err(format!("addresses: {address:?} is not host:port")),
            None => Ok(()),
        }
    }
}

/// The host of a `host:port`.
fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    (!host.is_empty()).then_some(host.trim_start_matches('[').trim_end_matches(']'))
}

/// Whether only this machine can reach an address.
pub fn is_loopback(address: &str) -> bool {
    let host = host(address).unwrap_or_default();
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// So many ports in a row at which nobody listens, the first of them from this one on. They lie below those that connections are given: a
/// node that is down for a while finds its port again.
pub fn free_ports(host: &str, count: u8, from: u16) -> Option<Vec<u16>> {
    const CONNECTIONS_FROM: u16 = 32_768;
    let step = u16::from(count).max(10);
    let mut first = from;
    while first < CONNECTIONS_FROM - step {
        let ports = first..first + u16::from(count);
        if ports
            .clone()
            .all(|port| TcpListener::bind((host, port)).is_ok())
        {
            return Some(ports.collect());
        }
        first += step;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            schema_version: PLAN_VERSION,
            system: "raft-cache".to_string(),
            voters: 2,
            addresses: ["127.0.0.1:7001", "[::1]:7002", "localhost:7003"]
                .map(String::from)
                .to_vec(),
            knobs: Knobs::serving(),
            mutant: None,
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("some/where");
        assert!(matches!(
            Plan::read(&directory),
            Err(PlanError::Unreadable { .. })
        ));
        plan().write(&directory).unwrap();
        assert_eq!(Plan::read(&directory).unwrap(), plan());
        let setup = plan().setup(NodeId(3));
        assert_eq!((setup.nodes, setup.voters), (3, NodeSet::first(2)));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut wrong = [plan(), plan(), plan(), plan()];
        wrong[0].schema_version = 9;
        wrong[1].voters = 4;
        wrong[2].addresses.clear();
        wrong[3].addresses[0] = "nowhere".to_string();
        for (plan, word) in wrong
            .iter()
            .zip(["version", "voters", "addresses", "nowhere"])
        {
            plan.write(directory.path()).unwrap();
            let error = Plan::read(directory.path()).unwrap_err().to_string();
            assert!(
                error.contains(word) && error.contains("cluster.json"),
                "{error}"
            );
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        assert!(plan().addresses.iter().all(|address| is_loopback(address)));
        for address in [
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "example.org:1",
            "localhost",
        ] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[test]
    fn ports_that_are_taken_are_left_out() {
        let ports = free_ports("127.0.0.1", 3, 21_000).unwrap();
        let taken = TcpListener::bind(("127.0.0.1", ports[1])).unwrap();
        let others = free_ports("127.0.0.1", 3, 21_000).unwrap();
        assert!(!others.contains(&ports[1]));
        drop(taken);
    }
}
