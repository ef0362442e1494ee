//! The two forms of the invariants agree for the etcd-style service, too, while clients change keys, leases and rights, compact, watch, ask again at other
//! members, and hand leadership over.

mod scheduler;

use scheduler::{Cluster, Dice, Found, NODES};
use std::collections::BTreeSet;
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId, RequestId};
use stormglass_impls::etcd::message::Timer;
use stormglass_impls::etcd::words::{
    Ask, AuthOp, DeleteRange, Identity, Keys, Op, Put, ROOT, Range, Reply, Request, Revision, Txn,
    TxnOp, Watch,
};
use stormglass_impls::knobs::Knobs;
use stormglass_impls::manage::Manage;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::raft::message::Timer as LogTimer;
use stormglass_impls::system::Setup;

const CLIENTS: usize = 4;

/// What the clients know together.
#[derive(Default)]
struct Known {
    /// What each has asked last. It may ask that again elsewhere.
    last: [Option<(RequestId, Request)>; CLIENTS],
    requests: u64,
    /// The newest revision that somebody was told.
    revision: Revision,
}

fn run(seed: u64, mutant: Option<&str>) -> Found {
    let mut dice = Dice::of(seed);
    let knobs = Knobs {
        snapshot_every: [0, 3, 10][dice.below(3)],
        entries_kept: [0, 2][dice.below(2)],
        uncommitted_max: [4, 1_000][dice.below(2)],
        ..Knobs::default()
    };
    let crashes = [1, 2, 5][dice.below(3)];
    let setup = Setup {
        knobs,
        mutant: mutant.map(str::to_string),
        ..Setup::of(NodeId(1), NODES)
    };
    let mut cluster = Cluster::new(catalog::system("etcd").unwrap(), setup);
    NodeId::all(NODES).for_each(|node| cluster.boot(node));
    let mut known = Known::default();
    cluster.compare(seed, 4_000, |cluster| {
        happen(cluster, &mut known, crashes, &mut dice);
    })
}

fn happen(cluster: &mut Cluster, known: &mut Known, crashes: usize, dice: &mut Dice) {
    for (_, _, request_id, reply) in std::mem::take(&mut cluster.answers) {
        if request_id.is_some() {
            let Reply { header, .. } = reply.take();
            known.revision = known.revision.max(header.revision);
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
        5..50 => {
            let impatient = dice.below(40) == 0;
            let election = Timer::Raft(LogTimer::Election);
            let wanted = |timer: &Parcel| (timer.open() == Some(&election)) == impatient;
            cluster.fire(node, |timers| timers.iter().position(wanted));
        }
        50..100 => ask(cluster, known, dice),
        100..160 => cluster.sync(node),
        _ => (0..4).for_each(|_| cluster.deliver(dice)),
    }
}

fn ask(cluster: &mut Cluster, known: &mut Known, dice: &mut Dice) {
    let (number, node) = (dice.below(CLIENTS), dice.node());
    if cluster.is_down(node) {
        return;
    }
    let client = ClientId(number as u32);
    if let Some((request_id, request)) = &known.last[number]
        && dice.below(4) == 0
    {
        return cluster.request(node, client, *request_id, Parcel::new(request.clone()));
    }
    // Root may do everything, whether that is looked at or not.
    let root = Identity {
        user: ROOT.to_string(),
        auth_revision: u64::MAX,
    };
    let as_user = (dice.below(20) > 0).then_some(root);
    let ask = wanted(known.revision, dice);
    let request = Request { as_user, ask };
    // The cluster counts what is new.
    known.requests += 1;
    known.last[number] = Some((RequestId(known.requests), request.clone()));
    cluster.ask(node, client, request);
}

fn put(dice: &mut Dice) -> Put {
    Put {
        key: ["a", "b", "c"][dice.below(3)].to_string(),
        value: "v".to_string(),
        lease: [0, 0, 1, 2][dice.below(4)],
        prev_kv: dice.below(2) == 0,
    }
}

fn keys(dice: &mut Dice) -> Keys {
    match dice.below(3) {
        0 => Keys::from("b"),
        at => Keys::one(["a", "b"][at - 1]),
    }
}

fn wanted(revision: Revision, dice: &mut Dice) -> Ask {
    let near = |dice: &mut Dice| (revision + 2).saturating_sub(dice.below(6) as u64);
    let lease = dice.below(3) as u64 + 1;
    Ask::Write(match dice.below(24) {
        0..6 => Op::Put(put(dice)),
        6..9 => Op::DeleteRange(DeleteRange {
            keys: keys(dice),
            prev_kv: true,
        }),
        9..11 => {
            let (revision, keys) = (near(dice), keys(dice));
            let read = Range {
                revision,
                ..Range::of(keys)
            };
            let success = vec![TxnOp::Put(put(dice)), TxnOp::Range(read)];
            Op::Txn(Txn {
                compare: Vec::new(),
                success,
                failure: Vec::new(),
            })
        }
        11..13 => Op::Compact {
            revision: near(dice),
        },
        13..15 => Op::Grant { lease, ttl_ms: 100 },
        15 => Op::Revoke { lease },
        16 => return Ask::KeepAlive { lease },
        17 => return Ask::TimeToLive { lease },
        18 => return Ask::Range(Range::of(keys(dice))),
        19 => {
            return Ask::Watch(Watch {
                watch: 1,
                keys: keys(dice),
                start_revision: near(dice),
                prev_kv: true,
                progress_notify: true,
                fragment: false,
            });
        }
        20 => {
            let to = dice.node();
            let all_but = NodeId::all(NODES).filter(|node| *node != to);
            return Ask::Manage(match dice.below(3) {
                0 => Manage::Members(all_but.collect()),
                1 => Manage::Members(NodeId::all(NODES).collect()),
                _ => Manage::Transfer(to),
            });
        }
        _ => Op::Auth(rights(dice)),
    })
}

fn rights(dice: &mut Dice) -> AuthOp {
    let (user, role) = (ROOT.to_string(), ROOT.to_string());
    let password = "pw".to_string();
    match dice.below(6) {
        0 | 1 => AuthOp::AddUser { user, password },
        2 => AuthOp::GrantRole { user, role },
        3 | 4 => AuthOp::Enable,
        _ => AuthOp::Disable,
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
    println!("{progress} entries in all; put to the test: {tested:?}");
    assert!(
        progress > 3_000,
        "a service that gets nowhere tests nothing"
    );
    let vacuous = tested.iter().find(|(_, count)| *count == 0);
    assert_eq!(vacuous, None, "a law that nothing could have broken");
}

#[test]
fn a_harmless_change_breaks_nothing_in_either_form() {
    let system = catalog::system("etcd").unwrap();
    for harmless in system.harmless() {
        for seed in 1..=40 {
            let found = run(seed, Some(harmless.id));
            assert_eq!(found.laws(), (None, None), "{}, seed {seed}", harmless.id);
        }
    }
}

/// The mutants that break a law of the members. What the others break only clients see.
const SEEN: [&str; 5] = [
    "etcd/index-outside-txn",
    "etcd/ack-before-fsync",
    "etcd/revision-decreases",
    "etcd/restored-delete-lost",
    "etcd/auth-forgotten",
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
