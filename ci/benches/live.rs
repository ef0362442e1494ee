//! How fast real clusters on this machine are: closed-loop clients that put and get values of 64 bytes, every write synced.
//!
//!     cargo bench -p stormglass --bench live -- [--cluster raft-cache] [--nodes 3,5,7] [--clients 1,16,256] [--seconds 5] [--etcd]
//!
//! With `--etcd`, Debian's etcd runs the same load in turns with ours, through its HTTP gateway (`/v3/kv`, JSON and base64), by a client that
//! keeps its connections. Both clusters and all clients share this machine's processors and its disk, so measure it in a quiet hour, and
//! believe only what comes out twice.

#[path = "live/etcd.rs"]
mod etcd;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use stormglass::live::plan::{PLAN_VERSION, Plan, free_ports};
use stormglass::live::process::{Bond, NodeProcess};
use stormglass::live::{asking, chance, lock};
use stormglass_impls::contract::{ClientId, NodeId, Now, RequestId};
use stormglass_impls::host::{PlainGate, TokioClock, TokioNet, draw_from};
use stormglass_impls::knobs::Knobs;
use stormglass_impls::machine::cache::{Command, Query};
use stormglass_impls::session::Ask;
use stormglass_workloads::client::{ClientConfig, Manner, Numbering, Outcome, Patience};
use stormglass_workloads::driver::{Desk, Driver, Task};

const KEYS: u64 = 1_000;
const VALUE_BYTES: usize = 64;
/// Not counted, at the beginning of each measurement.
const WARM_UP: Duration = Duration::from_secs(1);
/// How often a measurement is made, in turns with what it is compared with.
const ROUNDS: usize = 2;

/// What the clients do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    Put,
    Get,
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Load::Put => "put",
            Load::Get => "get",
        }
    }
}

fn key(client: u64, n: u64) -> String {
    format!("key{}", (client * 7_919 + n) % KEYS)
}

/// How long each operation took, of those that ended in the time that counts.
struct Measured {
    begins: Instant,
    ends: Instant,
    took: Vec<Duration>,
    failed: u64,
    /// How busy all nodes together kept the processors, in percent of one.
    cpu_percent: Option<u64>,
}

type Shared = Rc<RefCell<Measured>>;

impl Measured {
    fn start(seconds: u64) -> Shared {
        let begins = Instant::now() + WARM_UP;
        Rc::new(RefCell::new(Measured {
            begins,
            ends: begins + Duration::from_secs(seconds),
            took: Vec::new(),
            failed: 0,
            cpu_percent: None,
        }))
    }

    /// An operation that was called at a moment has ended.
    fn ended(&mut self, called: Instant, ok: bool) {
        let now = Instant::now();
        if now < self.begins || now > self.ends {
            return;
        }
        match ok {
            true => self.took.push(now - called),
            false => self.failed += 1,
        }
    }

    fn text(&mut self, seconds: u64) -> String {
        self.took.sort_unstable();
        let quantile = |part: f64| {
            let at = (self.took.len() as f64 * part) as usize;
            let took = self.took.get(at.min(self.took.len().saturating_sub(1)));
            took.map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        let rate = self.took.len() as f64 / seconds as f64;
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("  {failed} FAILED"),
        };
        let busy = self.cpu_percent.map_or_else(String::new, |percent| {
            let each_us = percent as f64 * 1e4 / rate;
            format!("  nodes use {percent} % of a processor, {each_us:.0} us an operation")
        });
        format!(
            "{rate:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms{failed}{busy}",
            quantile(0.5),
            quantile(0.99)
        )
    }
}

/// One of our clients.
struct Caller {
    client: u64,
    load: Load,
    calls: u64,
    called: Instant,
    measured: Shared,
}

impl Desk for Caller {
    fn next(&mut self, now: Now) -> Task {
        match Instant::now() < self.measured.borrow().ends {
            true => Task::CallAt {
                at_ns: now.monotonic_ns,
            },
            false => Task::Done,
        }
    }

    fn call(&mut self, _: Now) -> (RequestId, Vec<u8>) {
        self.calls += 1;
        let key = key(self.client, self.calls);
        let ask = match self.load {
            Load::Put => Ask::Command(Command::Put {
                key,
                value: "x".repeat(VALUE_BYTES),
            }),
            Load::Get => Ask::Query(Query::Get { key }),
        };
        self.called = Instant::now();
        (RequestId(self.calls), asking::encode(&ask))
    }

    fn ended(&mut self, _: Now, _: RequestId, outcome: Outcome) {
        let ok = matches!(outcome, Outcome::Done(_));
        self.measured.borrow_mut().ended(self.called, ok);
    }
}

/// A cluster of ours, ended when it is dropped.
struct Ours {
    plan: Plan,
    nodes: Vec<NodeProcess>,
    directory: tempfile::TempDir,
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(NodeProcess::kill);
    }
}

/// A directory on the disk the build is on: a temporary one may lie in memory.
fn directory() -> tempfile::TempDir {
    let target = Path::new(env!("CARGO_BIN_EXE_stormglass"));
    let parent = target.parent().expect("a program lies in a directory");
    tempfile::tempdir_in(parent).expect("the build's directory can be written")
}

impl Ours {
    async fn start(cluster: &str, nodes: u8) -> Self {
        let directory = directory();
        let ports = free_ports("127.0.0.1", nodes, 8_400).expect("there are free ports");
        let plan = Plan {
            schema_version: PLAN_VERSION,
            system: cluster.to_string(),
            voters: nodes,
            addresses: ports
                .iter()
                .map(|port| format!("127.0.0.1:{port}"))
                .collect(),
            knobs: Knobs::serving(),
            mutant: None,
        };
        plan.write(directory.path()).expect("it can be written");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_stormglass"));
        let start = |node| {
            let started = NodeProcess::start(&program, directory.path(), node, Bond::Tied);
            started.expect("the command starts")
        };
        let ours = Self {
            nodes: NodeId::all(nodes).map(start).collect(),
            plan,
            directory,
        };
        let leader = asking::leader(&ours.plan, Duration::from_secs(20)).await;
        leader.expect("somebody leads");
        ours
    }

    /// The processor time that all nodes have used, in hundredths of a second; nothing where the system does not say.
    fn cpu_ticks(&self) -> Option<u64> {
        let ticks = |node| {
            let pid = lock::holder(&Plan::node_directory(self.directory.path(), node))?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        };
        NodeId::all(self.plan.nodes()).map(ticks).sum()
    }

    async fn measure(&self, load: Load, clients: u64, seconds: u64) -> Shared {
        let measured = Measured::start(seconds);
        let before = self.cpu_ticks();
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..clients {
            let driver = Driver {
                config: ClientConfig {
                    // New ones each time: a client numbers its requests from 1.
                    id: ClientId(chance() as u32),
                    servers: self.plan.nodes(),
                    patience: Patience {
                        attempt_timeout_ms: 2_000,
                        backoff_ms: 30,
                        deadline_ms: 10_000,
                    },
                    numbering: Numbering::Kept,
                    manner: Manner::Leader,
                },
                addresses: self.plan.addresses.clone(),
                net: TokioNet,
                clock: TokioClock::start(),
                gate: Rc::new(PlainGate),
                draw: draw_from(chance()),
            };
            let mut caller = Caller {
                client,
                load,
                calls: 0,
                called: Instant::now(),
                measured: Rc::clone(&measured),
            };
            tasks.spawn_local(async move { driver.drive(&mut caller).await });
        }
        tasks.join_all().await;
        let whole = WARM_UP.as_secs() + seconds;
        let used = self.cpu_ticks().zip(before);
        measured.borrow_mut().cpu_percent = used.map(|(after, before)| (after - before) / whole);
        measured
    }
}

struct Arguments {
    cluster: String,
    nodes: Vec<u8>,
    clients: Vec<u64>,
    seconds: u64,
    etcd: bool,
}

fn arguments() -> Arguments {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = given.iter().position(|word| word == name)?;
        given.get(at + 1).cloned()
    };
    fn numbers<T: std::str::FromStr>(text: Option<String>, usual: &str) -> Vec<T> {
        let text = text.unwrap_or_else(|| usual.to_string());
        let numbers = text.split(',').filter_map(|number| number.parse().ok());
        numbers.collect()
    }
    Arguments {
        cluster: option("--cluster").unwrap_or_else(|| "raft-cache".to_string()),
        nodes: numbers(option("--nodes"), "3,5,7"),
        clients: numbers(option("--clients"), "1,16,256"),
        seconds: numbers(option("--seconds"), "5")[0],
        etcd: given.iter().any(|word| word == "--etcd"),
    }
}

fn main() {
    // `cargo test` runs benches, too, to see whether they do.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let arguments = arguments();
    if arguments.etcd && !etcd::is_there() {
        eprintln!("etcd is NOT compared: there is none (apt-get install etcd-server)");
    }
    let compared = arguments.etcd && etcd::is_there();
    let ran = asking::block_on(async {
        for &nodes in &arguments.nodes {
            let ours = Ours::start(&arguments.cluster, nodes).await;
            let theirs = match compared {
                true => Some(etcd::Theirs::start(directory(), nodes).await),
                false => None,
            };
            // Every key is there before it is got.
            for load in [Load::Put, Load::Get] {
                for &clients in &arguments.clients {
                    for _ in 0..ROUNDS {
                        let seconds = arguments.seconds;
                        let measured = ours.measure(load, clients, seconds).await;
                        let told = measured.borrow_mut().text(seconds);
                        let what = format!("{} {nodes} nodes {clients:>3} clients", load.name());
                        println!("{what}  {:<10} {told}", arguments.cluster);
                        if let Some(theirs) = &theirs {
                            let measured = theirs.measure(load, clients, seconds).await;
                            let told = measured.borrow_mut().text(seconds);
                            println!("{what}  {:<10} {told}", "etcd");
                        }
                    }
                }
            }
        }
    });
    ran.expect("a runtime");
}
