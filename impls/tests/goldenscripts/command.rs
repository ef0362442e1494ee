//! The commands of a script.
use stormglass_impls::knobs::Knobs;

use crate::cluster::{Cluster, Fault, Selection};
use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::rc::Rc;
use stormglass_impls::contract::{ClientId, NodeId, RequestId};
use stormglass_impls::machine::cache;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::session::Ask;
use stormglass_impls::system::System;

/// Carries out one script.
pub(crate) struct Script {
    system: Rc<dyn System>,
    mutant: Option<String>,
    /// There once the script made it.
    cluster: Option<Cluster>,
    /// The requests of each client, that of number 1 first, and how the script put them.
    asked: BTreeMap<ClientId, Vec<(Parcel, String)>>,
}

impl Script {
    /// A script for a system, with a mutant planted if one is named.
    pub(crate) fn new(system: Rc<dyn System>, mutant: Option<&str>) -> Self {
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
        let mut knobs = Knobs::default();
        knobs.entries_per_append_max =
            number(args, "entries")?.unwrap_or(knobs.entries_per_append_max);
        let planted = self
            .mutant
            .as_deref()
            .map_or(String::new(), |mutant| format!(" mutant={mutant}"));
        let head = format!("{} nodes={nodes}{planted}\n", self.system.name());
        let cluster = self.cluster.insert(Cluster::new(
            self.system.clone(),
            nodes as u8,
            knobs,
            self.mutant.as_deref(),
        ));
        Ok(head + &cluster.take_trace())
    }

    /// Every command but `cluster` goes to the cluster.
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Result<String, Fault> {
        let cluster = self
            .cluster
            .as_mut()
            .ok_or("the first command is `cluster`")?;
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
                let skip = number(args, "skip")?.unwrap_or(0);
                let count = number(args, "count")?.unwrap_or(usize::MAX);
                cluster.deliver(&Selection {
                    from,
                    to: nodes(cluster, args)?,
                    skip,
                    count,
                })?;
            }
            "stabilize" => cluster.stabilize()?,
            "put" | "append" | "delete" | "cas" | "get" => {
                let client = client(args)?;
                let node = node(cluster, args)?;
                let (ask, text) = ask(name, args)?;
                let asked = self.asked.entry(client).or_default();
                let body = Parcel::new(ask);
                cluster.request(
                    node,
                    client,
                    RequestId(asked.len() as u64 + 1),
                    body.clone(),
                    &text,
                )?;
                asked.push((body, text));
            }
            "retry" => {
                let client = client(args)?;
                let node = node(cluster, args)?;
                let asked = self
                    .asked
                    .get(&client)
                    .ok_or(format!("{client} has asked nothing yet"))?;
                let request = number(args, "request")?.unwrap_or(asked.len());
                let known = request.checked_sub(1).and_then(|at| asked.get(at));
                let (body, text) =
                    known.ok_or(format!("{client} has asked no request {request}"))?;
                let text = format!("{text} again");
                cluster.request(node, client, RequestId(request as u64), body.clone(), &text)?;
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
            "partition" => {
                cluster.partition(&nodes(cluster, args)?.into_iter().collect::<BTreeSet<_>>())?
            }
            "heal" => cluster.heal(),
            "drop" => {
                let from = args.next_pos().map(|name| cluster.node(name)).transpose()?;
                let skip = number(args, "skip")?.unwrap_or(0);
                cluster.drop_flights(&Selection {
                    from,
                    to: nodes(cluster, args)?,
                    skip,
                    count: usize::MAX,
                })?;
            }
            "duplicate" => {
                let from = node(cluster, args)?;
                let to = node(cluster, args)?;
                cluster.duplicate(from, to)?;
            }
            "status" => {
                let nodes = nodes(cluster, args)?;
                cluster.status(&nodes);
            }
            "audit" => cluster.audit(),
            _ => return Err(format!("no such command: {name}")),
        }
        Ok(cluster.take_trace())
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let trace = match command.name.as_str() {
            "cluster" => self.make_cluster(&mut args),
            name => self.command(name, &mut args),
        };
        let trace = trace?;
        args.reject_next()?;
        Ok(trace)
    }
}

/// The next argument, which names a node.
fn node(cluster: &Cluster, args: &mut ArgumentConsumer<'_>) -> Result<NodeId, Fault> {
    cluster.node(args.next_pos().ok_or("which node?")?)
}

/// All other arguments, which name nodes.
fn nodes(cluster: &Cluster, args: &mut ArgumentConsumer<'_>) -> Result<Vec<NodeId>, Fault> {
    std::iter::from_fn(|| args.next_pos())
        .map(|name| cluster.node(name))
        .collect()
}

fn number(args: &mut ArgumentConsumer<'_>, key: &str) -> Result<Option<usize>, Fault> {
    let read = |value: &str| {
        value
            .parse()
            .map_err(|_| format!("{key}={value} is not a number"))
    };
    args.take_key(key).map(read).transpose()
}

fn client(args: &mut ArgumentConsumer<'_>) -> Result<ClientId, Fault> {
    let name = args.take_key("client").unwrap_or("c1");
    let number = name
        .strip_prefix('c')
        .and_then(|number| number.parse().ok());
    number
        .map(ClientId)
        .ok_or(format!("{name} is no client: they are c1, c2 and so on"))
}

/// What is asked of a cache, and the words for it.
fn ask(
    name: &str,
    args: &mut ArgumentConsumer<'_>,
) -> Result<(Ask<cache::Command, cache::Query>, String), Fault> {
    let own = str::to_string;
    if let "put" | "append" = name {
        let what = || {
            format!(
                "what is {} where? {name} n1 k=v",
                if name == "put" { "put" } else { "appended" }
            )
        };
        let (key, value) = args.next_key().ok_or_else(what)?;
        let text = format!("{name} {key}={value}");
        let command = match name {
            "put" => cache::Command::Put {
                key: own(key),
                value: own(value),
            },
            _ => cache::Command::Append {
                key: own(key),
                suffix: own(value),
            },
        };
        return Ok((Ask::Command(command), text));
    }
    let key = args.next_pos().ok_or("which key?")?;
    Ok(match name {
        "get" => (
            Ask::Query(cache::Query::Get { key: own(key) }),
            format!("get {key}"),
        ),
        "delete" => (
            Ask::Command(cache::Command::Delete { key: own(key) }),
            format!("delete {key}"),
        ),
        _ => {
            let expected = args.take_key("expect");
            let new = args
                .take_key("set")
                .ok_or("set to what? cas n1 k expect=a set=b")?;
            let text = format!(
                "cas {key} expect={} set={new}",
                expected.unwrap_or("(absent)")
            );
            let command = cache::Command::Cas {
                key: own(key),
                expected: expected.map(own),
                new: own(new),
            };
            (Ask::Command(command), text)
        }
    })
}
