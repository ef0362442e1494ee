//! The commands of a script.

use super::arguments::{
    ask, client, kind, knobs, manage, node, nodes, ns, number, selection, session,
};
use super::cluster::{Cluster, Fault};
use crate::contract::{ClientId, RequestId};
use crate::parcel::Parcel;
use crate::system::System;
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
    asked: BTreeMap<ClientId, Vec<(Parcel, String)>>,
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
    fn request(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Result<String, Fault> {
        let cluster = self.cluster.as_mut().ok_or(NO_CLUSTER)?;
        let client = client(args, if name == "manage" { "c9" } else { "c1" })?;
        let session = session(args)?;
        let node = node(cluster, args)?;
        let asked = self.asked.entry(client).or_default();
        let (request, body, text) = if name == "retry" {
            if asked.is_empty() {
                return Err(format!("{client} has asked nothing yet"));
            }
            let request = number(args, "request")?.unwrap_or(asked.len());
            let known = request.checked_sub(1).and_then(|at| asked.get(at));
            let (body, text) = known.ok_or(format!("{client} has asked no request {request}"))?;
            (request, body.clone(), format!("{text} again"))
        } else {
            let (ask, text) = match name {
                "manage" => manage(args)?,
                _ => ask(name, args)?,
            };
            let body = Parcel::new(ask);
            asked.push((body.clone(), text.clone()));
            (asked.len(), body, text)
        };
        cluster.request(
            node,
            client,
            session,
            RequestId(request as u64),
            body,
            &text,
        )?;
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
            name @ ("put" | "append" | "delete" | "cas" | "get" | "manage" | "retry") => {
                self.request(name, &mut args)
            }
            name => self.command(name, &mut args),
        };
        let trace = trace?;
        args.reject_next()?;
        Ok(trace)
    }
}
