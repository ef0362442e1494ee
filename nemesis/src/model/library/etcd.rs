//! The bounds of the etcd-style service. The log below has bounds of its own, those of Raft; what is explored here is what stands on it: the store, the
//! backend beside the log, and who may tell a client what.

use super::super::bounds::{Ask, Bounds, Disk, Network, Witness};
use super::{N1_COMMITS, N1_LEADS, at, never, plain, read, steps, times, write};
use stormglass_impls::etcd::words::{
    Ask as Words, AuthOp, DeleteRange, Keys, Op, Put, ROOT, Range, Txn, TxnOp,
};
use stormglass_workloads::etcd::dialect::Asked;

fn ask(words: Words) -> Ask {
    Ask::Service(Asked::ask(words).operation().value)
}

fn change(op: Op) -> Ask {
    ask(Words::Write(op))
}

fn delete() -> Ask {
    change(Op::DeleteRange(DeleteRange {
        keys: Keys::one("k"),
        prev_kv: false,
    }))
}

fn read_here() -> Ask {
    ask(Words::Range(Range {
        serializable: true,
        ..Range::of(Keys::one("k"))
    }))
}

/// Puts, and then reads what is compacted: it fails as a whole.
fn doomed() -> Ask {
    let put = TxnOp::Put(Put {
        key: "k".into(),
        value: "3".into(),
        lease: 0,
        prev_kv: false,
    });
    let past = TxnOp::Range(Range {
        revision: 1,
        ..Range::of(Keys::one("k"))
    });
    change(Op::Txn(Txn {
        compare: Vec::new(),
        success: vec![put, past],
        failure: Vec::new(),
    }))
}

/// Lease 7 is granted, and n1 knows that it is.
const LEASE_IS_GRANTED: [&str; 3] = [
    "c1 asks n1: grant lease 7 1000 ms",
    "n2 takes from n1: @1 Append base=1@1 [2@1] commit=1",
    "n1 takes from n2: @1 Accepted matched=2",
];

/// n2 is elected by n3, and n1 does not know, when two entries are committed.
const N2_TAKES_OVER: [&str; 3] = [
    "n2: the election timer runs out",
    "n3 takes from n2: @2 RequestVote last=2@1",
    "n2 takes from n3: @2 Vote granted",
];

/// The same when there is one.
const N2_TAKES_OVER_EARLY: [&str; 3] = [
    "n2: the election timer runs out",
    "n3 takes from n2: @2 RequestVote last=1@1",
    "n2 takes from n3: @2 Vote granted",
];

pub(super) fn etcd() -> Vec<Bounds> {
    use Witness::*;
    // A question that a member passes on to the leader is a new one each time that it arrives: it arrives once, or there is no end.
    let of_three = |name, summary| Bounds {
        network: Network::Fifo,
        timers: vec![never("heartbeat"), never("tick")],
        ..plain("etcd", name, summary)
    };
    // n1 leads and has committed its first entry; the rest of the prelude is given. Nobody is elected any more.
    let of_two_leaders = |name, summary, rest: &[&[&str]]| {
        let rest = rest.iter().map(|part| steps(part));
        Bounds {
            timers: vec![
                never("heartbeat"),
                never("tick"),
                at("election", &[1, 2], Some(2)),
            ],
            prelude: [steps(&N1_LEADS), steps(&N1_COMMITS)]
                .into_iter()
                .chain(rest)
                .flatten()
                .collect(),
            shows: vec![StepsDown, Decides, Answers],
            ..of_three(name, summary)
        }
    };
    let of_one = |name, summary| Bounds {
        nodes: 1,
        epoch_max: 2,
        crashes: 1,
        timers: vec![never("heartbeat"), times("tick", 2)],
        disk: Disk::Pipelined,
        shows: vec![Decides, Answers, Crashes],
        ..plain("etcd", name, summary)
    };
    let compact = |revision| change(Op::Compact { revision });
    let right = |op| change(Op::Auth(op));
    vec![
        Bounds {
            nodes: 2,
            clients: vec![vec![write(1)], vec![read(), read_here()]],
            shows: vec![Leads, LeadsLast, StepsDown, Decides, Answers],
            ..of_three("pair", "2 nodes, 2 terms, a put, a read of either kind")
        },
        Bounds {
            clients: vec![vec![write(1)], vec![read()]],
            ..of_two_leaders(
                "read",
                "3 nodes, 2 terms, a put and a read under two leaders",
                &[&N2_TAKES_OVER_EARLY],
            )
        },
        Bounds {
            log_max: 4,
            clients: vec![vec![write(1)], vec![write(2)]],
            ..of_one(
                "backend",
                "a node and two puts; it stores what it has applied, and dies",
            )
        },
        Bounds {
            log_max: 5,
            clients: vec![vec![write(1), delete(), compact(3)]],
            ..of_one(
                "compacted",
                "a node whose key is deleted and forgotten; it dies",
            )
        },
        Bounds {
            log_max: 6,
            clients: vec![vec![write(1), write(2), compact(3), doomed(), read()]],
            crashes: 0,
            shows: vec![Decides, Answers],
            ..of_one("txn", "a node and a transaction that fails behind a put")
        },
        Bounds {
            log_max: 7,
            clients: vec![vec![
                right(AuthOp::AddUser {
                    user: ROOT.into(),
                    password: "secret".into(),
                }),
                right(AuthOp::AddRole { role: ROOT.into() }),
                right(AuthOp::GrantRole {
                    user: ROOT.into(),
                    role: ROOT.into(),
                }),
                right(AuthOp::Enable),
                read_here(),
            ]],
            ..of_one(
                "rights",
                "a node that looks at rights; it dies, and does so again",
            )
        },
        Bounds {
            log_max: 4,
            clients: vec![
                vec![change(Op::Grant {
                    lease: 7,
                    ttl_ms: 1_000,
                })],
                vec![change(Op::Revoke { lease: 7 })],
                vec![ask(Words::KeepAlive { lease: 7 })],
            ],
            ..of_two_leaders(
                "lease",
                "3 nodes, 2 terms; a lease is revoked, and kept alive",
                &[&LEASE_IS_GRANTED, &N2_TAKES_OVER],
            )
        },
    ]
}
