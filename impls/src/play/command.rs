//! The commands of a script.

use super::arguments::{
    Asked, CACHE_COMMANDS, ask, client, kind, knobs, manage, node, nodes, ns, number, selection,
    session,
};
use super::cluster::{Cluster, Fault};
use super::{keys, znodes};
use crate::contract::{ClientId, RequestId};
use crate::etcd::words as etcd;
use crate::parcel::Parcel;
use crate::system::System;
use crate::zookeeper::message::OWN_REQUESTS;
use crate::zookeeper::words::Request;
use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::rc::Rc;

const NO_CLUSTER: &str = "the first command is `cluster`";

/// Carries out one script.
pub(super) struct Player {
    system: Rc<dyn System>,
    mutant: Option<String>,
    /// There once the script made it.
    cluster: Option<Cluster>,
    /// The requests of each client, that of number 1 first, and how the script put them.
    asked: BTreeMap<(ClientId, Count), Vec<(Parcel, String)>>,
}

/// Which of a client's requests are numbered together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Count {
    /// What it wants done.
    Asked,
    /// What it needs itself to be able to ask: a connection, and a sign of life.
    Own,
}

impl Count {
    fn of(name: &str) -> Count {
        match name {
            "connect" | "ping" => Count::Own,
            _ => Count::Asked,
        }
    }

    fn request_id(self, number: usize) -> RequestId {
        RequestId(match self {
            Count::Asked => number as u64,
            Count::Own => OWN_REQUESTS + number as u64,
        })
    }
}

impl Player {
    /// A script for a system, with a mutant planted if one is named.
    pub(super) fn new(system: Rc<dyn System>, mutant: Option<&str>) -> Self {
        Self {
            system,
            mutant: mutant.map(str::to_string),
            cluster: None,
            asked: BTreeMap::new(),
        }
    }

    fn make_cluster(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<String, Fault> {
        if self.cluster.is_some() {
            return Err("there is a cluster already".to_string());
        }
        let nodes = number(args, "nodes")?.unwrap_or(3);
        if !(1..=9).contains(&nodes) {
            return Err(format!("a cluster has 1 to 9 nodes, not {nodes}"));
        }
        let voters = number(args, "voters")?.unwrap_or(nodes);
        if !(1..=nodes).contains(&voters) {
            return Err(format!(
                "of {nodes} nodes 1 to {nodes} have a vote, not {voters}"
            ));
        }
        let knobs = knobs(args)?;
        let planted = self
            .mutant
            .as_deref()
            .map_or(String::new(), |mutant| format!(" mutant={mutant}"));
        let head = format!("{} nodes={nodes}{planted}\n", self.system.name());
        let cluster = self.cluster.insert(Cluster::new(
            self.system.clone(),
            nodes as u8,
            voters as u8,
            knobs,
            self.mutant.as_deref(),
        ));
        Ok(head + &cluster.take_trace())
    }

    /// A client, or an operator, asks something new, or again what it has asked before.
    fn request(
        &mut self,
        command: &Command,
        args: &mut ArgumentConsumer<'_>,
    ) -> Result<String, Fault> {
        let cluster = self.cluster.as_mut().ok_or(NO_CLUSTER)?;
        let name = command.name.as_str();
        let system = self.system.name();
        let understands = match system {
            znodes::SYSTEM => znodes::COMMANDS,
            keys::SYSTEM => keys::COMMANDS,
            _ => CACHE_COMMANDS,
        };
        if !["manage", "retry"].contains(&name) && !understands.contains(&name) {
            let known = understands.join(" ");
            return Err(format!("{system} knows no {name}; it knows: {known}"));
        }
        let client = client(args, if name == "manage" { "c9" } else { "c1" })?;
        // A service has sessions of its own, or none.
        let session = match system {
            znodes::SYSTEM | keys::SYSTEM => None,
            _ => session(args)?,
        };
        let node = node(cluster, args)?;
        let own = match name {
            "retry" => number(args, "own")?,
            _ => None,
        };
        let count = own.map_or(Count::of(name), |_| Count::Own);
        let asked = self.asked.entry((client, count)).or_default();
        let (number, body, text) = if name == "retry" {
            if asked.is_empty() {
                return Err(format!("{client} has asked nothing yet"));
            }
            let number = number(args, "request")?.or(own).unwrap_or(asked.len());
            let known = number.checked_sub(1).and_then(|at| asked.get(at));
            let (body, text) = known.ok_or(format!("{client} has asked no request {number}"))?;
            (number, body.clone(), format!("{text} again"))
        } else {
            let (body, text) = asked_of(system, command, args)?;
            asked.push((body.clone(), text.clone()));
            (asked.len(), body, text)
        };
        let request_id = count.request_id(number);
        cluster.request(node, client, session, request_id, body, &text)?;
        Ok(cluster.take_trace())
    }

    /// Every other command goes to the cluster.
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Result<String, Fault> {
        let cluster = self.cluster.as_mut().ok_or(NO_CLUSTER)?;
        match name {
            "fire" => {
                let node = node(cluster, args)?;
                cluster.fire(node, args.next_pos().ok_or("which timer?")?)?;
            }
            "deliver" => {
                let from = args
                    .take_key("from")
                    .map(|name| cluster.node(name))
                    .transpose()?;
                cluster.deliver(&selection(cluster, args, from)?)?;
            }
            "stabilize" => cluster.stabilize()?,
            "gone" => {
                let client = client(args, "c1")?;
                cluster.client_gone(node(cluster, args)?, client)?;
            }
            "disk" => {
                let node = node(cluster, args)?;
                match args.next_pos().unwrap_or("nothing") {
                    "hold" => cluster.hold_disk(node, true),
                    "release" => cluster.hold_disk(node, false),
                    other => return Err(format!("a disk can hold or release, not {other}")),
                }
            }
            "persist" => cluster.persist(node(cluster, args)?)?,
            "crash" => {
                let keep = number(args, "keep")?.unwrap_or(0);
                cluster.crash(node(cluster, args)?, keep)?;
            }
            "restart" => cluster.restart(node(cluster, args)?)?,
            "restore" => {
                let number = number(args, "cluster")?.unwrap_or(2) as u64;
                let from = args.take_key("from").ok_or("from which node?")?;
                let (node, from) = (node(cluster, args)?, cluster.node(from)?);
                cluster.restore(node, from, number)?;
            }
            "partition" => {
                cluster.partition(&nodes(cluster, args)?.into_iter().collect::<BTreeSet<_>>())?
            }
            "heal" => cluster.heal(),
            "drop" => {
                let from = args.next_pos().map(|name| cluster.node(name)).transpose()?;
                cluster.drop_flights(&selection(cluster, args, from)?)?;
            }
            "duplicate" => {
                let from = node(cluster, args)?;
                let (to, kind) = (node(cluster, args)?, kind(cluster, args)?);
                cluster.duplicate(from, to, kind)?;
            }
            "pass" => {
                let mut words: Vec<&str> = std::iter::from_fn(|| args.next_pos()).collect();
                let time = words.pop().ok_or("how much time? pass 100ms")?;
                let nodes: Result<Vec<_>, _> =
                    words.into_iter().map(|name| cluster.node(name)).collect();
                cluster.pass(&nodes?, ns(time)?);
            }
            "status" => {
                let nodes = nodes(cluster, args)?;
                cluster.status(&nodes);
            }
            "witnesses" => cluster.witnesses(),
            "audit" => cluster.audit(),
            _ => return Err(format!("no such command: {name}")),
        }
        Ok(cluster.take_trace())
    }
}

impl Runner for Player {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let trace = match command.name.as_str() {
            "cluster" => self.make_cluster(&mut args),
            name if is_request(name) => self.request(command, &mut args),
            name => self.command(name, &mut args),
        };
        let trace = trace?;
        args.reject_next()?;
        Ok(trace)
    }
}

/// Whether a command is for a client or an operator, who asks a node.
fn is_request(name: &str) -> bool {
    let all = [
        &["manage", "retry"],
        CACHE_COMMANDS,
        znodes::COMMANDS,
        keys::COMMANDS,
    ];
    all.iter().any(|names| names.contains(&name))
}

/// What a system is asked, and the words for it.
fn asked_of(
    system: &str,
    command: &Command,
    args: &mut ArgumentConsumer<'_>,
) -> Result<(Parcel, String), Fault> {
    if command.name == "manage" {
        let (manage, text) = manage(args)?;
        let body = match system {
            znodes::SYSTEM => Parcel::new(Request::Manage(manage)),
            keys::SYSTEM => Parcel::new(etcd::Request {
                as_user: None,
                ask: etcd::Ask::Manage(manage),
            }),
            _ => Parcel::new(Asked::Manage(manage)),
        };
        return Ok((body, text));
    }
    if system == znodes::SYSTEM {
        let request = znodes::ask(command, args)?;
        let text = format!("{request:?}");
        return Ok((Parcel::new(request), text));
    }
    if system == keys::SYSTEM {
        let request = keys::ask(command, args)?;
        let text = format!("{request:?}");
        return Ok((Parcel::new(request), text));
    }
    let (ask, text) = ask(&command.name, args)?;
    Ok((Parcel::new(ask), text))
}
