//! The two forms of the invariants agree for the ZooKeeper-style service, too, while clients open sessions, make and remove all kinds of nodes, go to other
//! servers and stay away until their sessions end.

mod scheduler;

use scheduler::{Cluster, Dice, Found, NODES};
use std::collections::BTreeSet;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId, RequestId};
use stormglass_impls::knobs::Knobs;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::Setup;
use stormglass_impls::zab::message::Timer;
use stormglass_impls::zookeeper::message::OWN_REQUESTS;
use stormglass_impls::zookeeper::words::{Body, Mode, Op, Reply, Request, SessionId, open_to_all};

const CLIENTS: usize = 4;

/// What a client knows.
#[derive(Clone, Default)]
struct Client {
    server: u8,
    session: Option<SessionId>,
    connected: bool,
    seen: u64,
    requests: u64,
}

fn run(seed: u64, mutant: Option<&str>) -> Found {
    let mut dice = Dice::of(seed);
    let knobs = Knobs {
        snapshot_every: [0, 3, 10][dice.below(3)],
        entries_kept: [0, 2][dice.below(2)],
        uncommitted_max: [4, 1_000][dice.below(2)],
        zxids_per_epoch_max: [5, 1_000, 1_000][dice.below(3)],
        // A timeout of 20 to 200 ms, and a step takes one.
        heartbeat_interval_ms: 5,
        ..Knobs::default()
    };
    let crashes = [1, 2, 5][dice.below(3)];
    let setup = Setup {
        knobs,
        mutant: mutant.map(str::to_string),
        ..Setup::of(NodeId(1), NODES)
    };
    let mut cluster = Cluster::new(catalog::system("zookeeper").unwrap(), setup);
    NodeId::all(NODES).for_each(|node| cluster.boot(node));
    let mut clients = vec![Client::default(); CLIENTS];
    cluster.compare(seed, 4_000, |cluster| {
        happen(cluster, &mut clients, crashes, &mut dice);
    })
}

fn happen(cluster: &mut Cluster, clients: &mut [Client], crashes: usize, dice: &mut Dice) {
    for (node, client, request_id, reply) in std::mem::take(&mut cluster.answers) {
        if request_id.is_none() {
            continue;
        }
        let Reply { zxid, body } = reply.take();
        let known = &mut clients[client.0 as usize];
        if known.server != node.0 {
            continue;
        }
        known.seen = known.seen.max(zxid);
        match body {
            Body::Connected { session, .. } => {
                (known.session, known.connected) = (Some(session), true);
            }
            Body::Expired => (known.session, known.connected) = (None, false),
            Body::Behind | Body::NotServing => known.connected = false,
            Body::Pong | Body::Done(_) | Body::Status(_) => {}
        }
    }
    let node = dice.node();
    cluster.now_ms += 1;
    if cluster.is_down(node) {
        if dice.below(20) == 0 {
            cluster.boot(node);
        }
        return;
    }
    match dice.below(400) {
        at if at < crashes => cluster.crash(node, dice),
        5..40 => {
            let impatient = dice.below(40) == 0;
            let wanted = |timer: &Parcel| (timer.open() == Some(&Timer::Election)) == impatient;
            cluster.fire(node, |timers| timers.iter().position(wanted));
        }
        40..90 => ask(cluster, clients, dice),
        90..150 => cluster.sync(node),
        _ => (0..4).for_each(|_| cluster.deliver(dice)),
    }
}

fn ask(cluster: &mut Cluster, clients: &mut [Client], dice: &mut Dice) {
    let number = dice.below(CLIENTS);
    let (client, id) = (&mut clients[number], ClientId(number as u32));
    client.requests += 1;
    if !client.connected || dice.below(20) == 0 {
        client.connected = false;
        client.server = dice.node().0;
        let connect = Request::Connect {
            session: client.session,
            timeout_ms: 100,
            seen: client.seen,
            told: client.seen,
            watches: Vec::new(),
        };
        let request_id = RequestId(OWN_REQUESTS + client.requests);
        let (server, body) = (NodeId(client.server), Parcel::new(connect));
        if !cluster.is_down(server) {
            cluster.request(server, id, request_id, body);
        }
        return;
    }
    let path = ["/a", "/b", "/a/c"][dice.below(3)].to_string();
    let create = |path: String, mode| Op::Create {
        path,
        data: "d".into(),
        mode,
        acl: open_to_all(),
    };
    let (data, version) = ("e".to_string(), None);
    let op = match dice.below(12) {
        0..4 => create(path, [Mode::Persistent, Mode::Ephemeral][dice.below(2)]),
        4..6 => create("/s".into(), Mode::EphemeralSequential),
        6..8 => Op::Delete { path, version },
        8 => Op::Set {
            path,
            data,
            version,
        },
        9 => Op::Close,
        _ => Op::Multi(vec![
            create("/m".into(), Mode::PersistentSequential),
            create("/n".into(), Mode::EphemeralSequential),
            Op::Check {
                path: "/a".into(),
                version: [None, Some(1)][dice.below(2)],
            },
        ]),
    };
    if op == Op::Close {
        (client.session, client.connected) = (None, false);
    }
    let server = NodeId(client.server);
    if !cluster.is_down(server) {
        cluster.ask(server, id, Request::Write(op));
    }
}

#[test]
fn a_correct_service_breaks_nothing_in_either_form() {
    let mut tested: Vec<(&str, u64)> = Vec::new();
    let mut progress = 0;
    for seed in 1..=300 {
        let found = run(seed, None);
        assert_eq!(
            found.laws(),
            (None, None),
            "seed {seed}: {:?}",
            found.incremental
        );
        progress += found.progress;
        tested.resize(found.witnesses.len(), ("", 0));
        for (sum, (law, count)) in tested.iter_mut().zip(found.witnesses) {
            *sum = (law, sum.1 + count);
        }
    }
    println!("{progress} transactions in all; put to the test: {tested:?}");
    assert!(
        progress > 3_000,
        "a service that gets nowhere tests nothing"
    );
    let vacuous = tested.iter().find(|(_, count)| *count == 0);
    assert_eq!(vacuous, None, "a law that nothing could have broken");
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("zookeeper").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=40 {
            let found = run(seed, Some(harmless.id));
            assert_eq!(found.laws(), (None, None), "{}, seed {seed}", harmless.id);
        }
    }
}

/// The mutants that break a law of the servers. What the others break only clients see.
const SEEN: [&str; 3] = [
    "zookeeper/partial-multi-snapshot",
    "zookeeper/stale-ephemeral",
    "zookeeper/create-after-close",
];

#[test]
fn what_the_plain_form_finds_the_incremental_form_has_found() {
    for mutant in SEEN {
        let (mut incremental, mut plain, mut seeds) = (0, 0, 0);
        let mut laws = BTreeSet::new();
        while seeds < 50 || (incremental == 0 && seeds < 1_000) {
            seeds += 1;
            let found = run(seeds, Some(mutant));
            incremental += u64::from(found.incremental.is_some());
            plain += u64::from(found.plain.is_some());
            laws.extend(found.laws().0);
        }
        println!("{mutant}: incremental {incremental}, plain {plain} of {seeds}: {laws:?}");
        assert!(
            incremental > 0 && plain > 0,
            "{mutant} is not found by both forms"
        );
    }
}
