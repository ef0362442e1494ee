//! The bounds that have names, and which of them show which mutant.

mod etcd;
mod kills;
mod zab;

pub use kills::{KILLS, Kill, kill_of};

use super::bounds::{Ask, Bounds, Disk, Network, TimerBound, Witness};
use serde_json::json;

/// The bounds of that name, of a cluster.
pub fn bounds(cluster: &str, name: &str) -> Option<Bounds> {
    all()
        .into_iter()
        .find(|known| known.cluster == cluster && known.name == name)
}

/// The bounds in which a cluster is explored when none are named: the first.
pub fn usual(cluster: &str) -> Option<Bounds> {
    all().into_iter().find(|known| known.cluster == cluster)
}

/// All bounds that have names.
pub fn all() -> Vec<Bounds> {
    let mut all = raft();
    all.extend(paxos());
    all.extend(zab::zab());
    all.extend(etcd::etcd());
    all
}

fn plain(cluster: &str, name: &str, summary: &str) -> Bounds {
    Bounds {
        name: name.into(),
        cluster: cluster.into(),
        summary: summary.into(),
        nodes: 3,
        spares: 0,
        knobs: Vec::new(),
        epoch_max: 2,
        log_max: 3,
        clients: Vec::new(),
        asks_max: 1,
        crashes: 0,
        resets: 0,
        timers: vec![never("heartbeat")],
        disk: Disk::Atomic,
        inputs_while_writing: 1,
        network: Network::Set,
        prelude: Vec::new(),
        shows: Vec::new(),
    }
}

fn never(timer: &str) -> TimerBound {
    at(timer, &[], None)
}

fn times(timer: &str, times: u8) -> TimerBound {
    TimerBound {
        timer: timer.into(),
        nodes: None,
        times: Some(times),
    }
}

fn at(timer: &str, nodes: &[u8], times: Option<u8>) -> TimerBound {
    TimerBound {
        timer: timer.into(),
        nodes: Some(nodes.to_vec()),
        times,
    }
}

fn write(value: u64) -> Ask {
    Ask::Write("k".into(), json!(value))
}

fn read() -> Ask {
    Ask::Read("k".into())
}

fn knobs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

fn steps(list: &[&str]) -> Vec<String> {
    list.iter().map(|step| step.to_string()).collect()
}

/// n1 leads in term 1, by the vote of n2.
const N1_LEADS: [&str; 3] = [
    "n1: the election timer runs out",
    "n2 takes from n1: @1 RequestVote last=0@0",
    "n1 takes from n2: @1 Vote granted",
];
/// And has committed its first entry.
const N1_COMMITS: [&str; 2] = [
    "n2 takes from n1: @1 Append base=0@0 [1@1] commit=0",
    "n1 takes from n2: @1 Accepted matched=1",
];

fn raft() -> Vec<Bounds> {
    use Witness::*;
    let plain = |name, summary| plain("raft-cache", name, summary);
    let many_snapshots = || knobs(&[("snapshot_every", "1"), ("entries_kept", "0")]);
    vec![
        Bounds {
            clients: vec![vec![write(1)]],
            shows: vec![Leads, LeadsLast, StepsDown, Truncates, Decides, Answers],
            ..plain("two-terms", "3 nodes, 2 terms, a write; nobody dies")
        },
        Bounds {
            epoch_max: 1,
            log_max: 2,
            clients: vec![vec![write(1)]],
            crashes: 2,
            shows: vec![Leads, Decides, Answers, Crashes],
            ..plain("crash", "3 nodes, 1 term, a write, 2 crashes")
        },
        Bounds {
            clients: vec![vec![write(1)]],
            crashes: 1,
            shows: vec![
                Leads, LeadsLast, StepsDown, Truncates, Decides, Answers, Crashes,
            ],
            ..plain(
                "two-terms-crash",
                "3 nodes, 2 terms, a write, a crash; a minute or two",
            )
        },
        Bounds {
            nodes: 2,
            epoch_max: 3,
            log_max: 4,
            clients: vec![vec![write(1)]],
            // Whoever is elected has the other's vote, and so all that the other has: nothing is ever removed.
            shows: vec![Leads, LeadsLast, StepsDown, Decides, Answers],
            ..plain("pair", "2 nodes, 3 terms, a write")
        },
        Bounds {
            epoch_max: 4,
            log_max: 2,
            knobs: knobs(&[
                ("entries_per_append_max", "1"),
                ("appends_in_flight_max", "1"),
            ]),
            timers: vec![
                never("heartbeat"),
                at("election", &[1], Some(2)),
                at("election", &[2], Some(2)),
            ],
            shows: vec![Leads, LeadsLast, StepsDown, Truncates, Decides],
            ..plain(
                "figure-8",
                "3 nodes, 4 terms, in which n1 and n2 lead by turns: figure 8 of the paper",
            )
        },
        Bounds {
            clients: vec![vec![write(1)], vec![read()]],
            timers: vec![never("heartbeat"), at("election", &[1, 2], Some(2))],
            shows: vec![Leads, LeadsLast, Decides, Answers],
            ..plain(
                "read",
                "3 nodes, 2 terms, a write and a read that a quorum confirms",
            )
        },
        Bounds {
            epoch_max: 4,
            log_max: 4,
            clients: vec![vec![read()], vec![write(1)], vec![read()]],
            prelude: steps(
                &[
                    &N1_LEADS[..],
                    &[
                        "c1 asks n1: read k",
                        "n2: the election timer runs out",
                        "n1 takes from n2: @2 RequestVote last=0@0",
                        "n1: the election timer runs out",
                        "n2 takes from n1: @3 RequestVote last=1@1",
                        "n1 takes from n2: @3 Vote granted",
                        "n3 takes from n1: @3 RequestVote last=1@1",
                        "n2 takes from n1: @1 Append base=0@0 [] commit=0 round=1",
                        "n3 takes from n1: @3 Append base=1@1 [2@3] commit=0",
                        "n1 takes from n3: @3 Rejected base=1 hint=1",
                        "n3 takes from n1: @3 Append base=0@0 [1@1, 2@3] commit=0",
                        "n1 takes from n3: @3 Accepted matched=2",
                        "n3: the election timer runs out",
                        "n2 takes from n3: @4 RequestVote last=2@3",
                        "n3 takes from n2: @4 Vote granted",
                    ],
                ]
                .concat(),
            ),
            timers: vec![
                never("heartbeat"),
                at("election", &[1], Some(2)),
                at("election", &[2, 3], Some(2)),
            ],
            shows: vec![Decides, Answers],
            ..plain(
                "read-again",
                "3 nodes; n1 leads in term 3 as it did in term 1, and n3 in term 4",
            )
        },
        Bounds {
            knobs: many_snapshots(),
            clients: vec![vec![write(1)]],
            timers: vec![times("heartbeat", 1), at("election", &[1, 2], Some(2))],
            shows: vec![Leads, LeadsLast, Decides, TakesSnapshot, InstallsSnapshot],
            ..plain(
                "snapshot",
                "3 nodes, 2 terms, a write, a heartbeat, a snapshot after every entry",
            )
        },
        Bounds {
            nodes: 2,
            log_max: 5,
            knobs: knobs(&[("snapshot_every", "1")]),
            clients: vec![vec![write(1)], vec![read(), write(2), read()]],
            asks_max: 2,
            crashes: 1,
            network: Network::Fifo,
            shows: vec![Leads, LeadsLast, Decides, TakesSnapshot, Answers, Crashes],
            ..plain(
                "retry",
                "2 nodes, messages in order, 2 terms, a crash, answers that are lost and calls that are made again, snapshots",
            )
        },
        Bounds {
            epoch_max: 3,
            log_max: 4,
            clients: vec![vec![Ask::Members(vec![1, 2])]],
            timers: vec![never("heartbeat"), at("election", &[1, 2], Some(3))],
            shows: vec![Leads, StepsDown, ChangesMembers, Decides],
            ..plain("membership", "3 nodes, 3 terms, n3 loses its vote")
        },
        Bounds {
            epoch_max: 1,
            log_max: 4,
            clients: vec![
                vec![Ask::Members(vec![1, 2])],
                vec![Ask::Members(vec![1, 3])],
            ],
            shows: vec![Leads, ChangesMembers, Decides],
            ..plain(
                "two-changes",
                "3 nodes, 1 term, two operators who want different members",
            )
        },
        Bounds {
            nodes: 4,
            epoch_max: 3,
            log_max: 4,
            clients: vec![
                vec![Ask::Members(vec![1, 2, 3])],
                vec![Ask::Members(vec![2, 3, 4])],
            ],
            timers: vec![never("heartbeat"), at("election", &[1, 2], Some(3))],
            prelude: steps(
                &[
                    &N1_LEADS[..],
                    &[
                        "n3 takes from n1: @1 RequestVote last=0@0",
                        "n1 takes from n3: @1 Vote granted",
                        "n2: the election timer runs out",
                        "n3 takes from n2: @2 RequestVote last=0@0",
                        "n2 takes from n3: @2 Vote granted",
                        "n4 takes from n2: @2 RequestVote last=0@0",
                        "n2 takes from n4: @2 Vote granted",
                    ],
                ]
                .concat(),
            ),
            shows: vec![ChangesMembers, Decides],
            ..plain(
                "passing-changes",
                "4 nodes; n1 led in term 1 and n2 leads in term 2, and each is asked to take a voter out",
            )
        },
        Bounds {
            nodes: 4,
            spares: 1,
            log_max: 5,
            clients: vec![vec![Ask::Members(vec![1, 4])]],
            asks_max: 3,
            timers: vec![
                never("heartbeat"),
                at("election", &[1], Some(1)),
                at("election", &[2, 4], None),
            ],
            prelude: steps(
                &[
                    &N1_LEADS[..],
                    &N1_COMMITS[..],
                    &[
                        "c1 asks n1: members [1, 4]",
                        "n4 takes from n1: @1 Append base=2@1 [] commit=1",
                        "n1 takes from n4: @1 Rejected base=2 hint=1",
                        "n4 takes from n1: @1 Append base=0@0 [1@1, 2@1] commit=1",
                        "n1 takes from n4: @1 Accepted matched=2",
                        "n2 takes from n1: @1 Append base=1@1 [2@1] commit=1",
                        "n1 takes from n2: @1 Accepted matched=2",
                    ],
                ]
                .concat(),
            ),
            shows: vec![LeadsLast, ChangesMembers, Decides],
            ..plain(
                "joint",
                "3 voters and a learner that has caught up; the voters change from n1, n2, n3 to n1, n4",
            )
        },
        Bounds {
            log_max: 2,
            timers: Vec::new(),
            shows: vec![Leads, LeadsLast, StepsDown, Truncates, Decides],
            ..plain(
                "storm",
                "3 nodes, 2 terms, heartbeats as often as they like: what a storm does before it goes further",
            )
        },
        Bounds {
            epoch_max: 3,
            clients: vec![vec![Ask::Transfer(2)]],
            timers: vec![
                never("heartbeat"),
                never("transfer"),
                at("election", &[1, 3], Some(2)),
            ],
            shows: vec![Leads, StepsDown, HandsOver, Decides],
            ..plain(
                "transfer",
                "3 nodes, 3 terms, a leader is asked to hand over",
            )
        },
        Bounds {
            knobs: knobs(&[("pre_vote", "true"), ("check_quorum", "true")]),
            timers: vec![
                never("heartbeat"),
                times("quorum", 1),
                at("election", &[1, 2], None),
            ],
            shows: vec![Leads, StepsDown, Decides],
            ..plain(
                "pre-vote",
                "3 nodes, 2 terms, pre-votes, and a leader that looks for its quorum",
            )
        },
    ]
}

fn paxos() -> Vec<Bounds> {
    use Witness::*;
    let plain = |name, summary| Bounds {
        epoch_max: 1,
        log_max: 1,
        ..plain("paxos-cache", name, summary)
    };
    vec![
        Bounds {
            clients: vec![vec![write(1)]],
            shows: vec![Campaigns, Leads, StepsDown, Decides, Answers],
            ..plain("synod", "3 acceptors, every node proposes once, one slot")
        },
        Bounds {
            epoch_max: 2,
            log_max: 2,
            clients: vec![vec![write(1)], vec![write(2)]],
            timers: vec![never("heartbeat"), at("election", &[1, 2], Some(2))],
            shows: vec![Campaigns, Leads, StepsDown, Decides, Answers],
            ..plain(
                "two-ballots",
                "3 acceptors, 2 proposers, 2 ballots, 2 slots",
            )
        },
        Bounds {
            clients: vec![vec![write(1)]],
            crashes: 1,
            shows: vec![Leads, Decides, Answers, Crashes],
            ..plain(
                "crash",
                "3 acceptors, every node proposes once, one slot, a crash",
            )
        },
        Bounds {
            epoch_max: 2,
            clients: vec![vec![write(1)], vec![write(2)]],
            timers: vec![never("heartbeat"), at("election", &[1, 2], Some(3))],
            shows: vec![Leads, LeadsLast, Decides, Answers],
            ..plain(
                "three-proposals",
                "3 acceptors, 3 proposals of two nodes, one slot",
            )
        },
        Bounds {
            epoch_max: 3,
            clients: vec![vec![write(1)], vec![write(2)]],
            timers: vec![never("heartbeat"), times("election", 3)],
            shows: vec![Leads, LeadsLast, Decides, Answers],
            ..plain(
                "three-ballots",
                "3 acceptors, 3 proposals in up to 3 ballots, one slot",
            )
        },
        Bounds {
            clients: vec![vec![write(1)], vec![read()]],
            shows: vec![Leads, Decides, Answers],
            ..plain(
                "read",
                "3 acceptors, every node proposes once, a write and a read of a quorum",
            )
        },
        Bounds {
            log_max: 2,
            clients: vec![vec![write(1)], vec![write(2)]],
            timers: vec![times("heartbeat", 1)],
            shows: vec![Leads, Decides, Answers],
            ..plain(
                "heartbeat",
                "3 acceptors, every node proposes once, two slots, a heartbeat",
            )
        },
        Bounds {
            log_max: 2,
            knobs: knobs(&[("snapshot_every", "1"), ("entries_kept", "1")]),
            clients: vec![vec![write(1), write(2), read()]],
            network: Network::Fifo,
            shows: vec![Leads, Decides, Answers, TakesSnapshot, InstallsSnapshot],
            ..plain(
                "snapshot",
                "3 acceptors, messages in order, every node proposes once, two slots, a snapshot after each",
            )
        },
        Bounds {
            spares: 2,
            epoch_max: 2,
            clients: vec![vec![Ask::Members(vec![2, 3])], vec![write(1)]],
            timers: Vec::new(),
            shows: vec![Leads, ChangesMembers, HandsOver, Decides, Answers],
            ..plain(
                "membership",
                "1 acceptor that makes way for two others, who then decide",
            )
        },
        Bounds {
            nodes: 4,
            knobs: knobs(&[("quorums", "3/2")]),
            epoch_max: 2,
            clients: vec![vec![write(1)]],
            timers: vec![
                never("heartbeat"),
                at("election", &[1], Some(1)),
                at("election", &[2], Some(1)),
            ],
            shows: vec![Leads, Decides, Answers],
            ..plain(
                "flexible",
                "4 acceptors, of which 3 promise and 2 accept; 2 proposers, one slot",
            )
        },
        Bounds {
            epoch_max: 3,
            log_max: 3,
            clients: vec![
                vec![Ask::Members(vec![1, 3])],
                vec![write(1)],
                vec![write(2)],
                vec![write(3)],
            ],
            timers: vec![
                never("heartbeat"),
                at("election", &[1], Some(1)),
                at("election", &[2], Some(1)),
                at("election", &[3], Some(2)),
            ],
            prelude: steps(&[
                "n1: the election timer runs out",
                "n3 takes from n1: @1.n1 Prepare after=0",
                "n1 takes from n3: @1.n1 Promise [] chosen=0",
                "n3 takes from n1: @1.n1 Heartbeat chosen=0",
                "n1 takes from n3: @1.n1 Heard highest=0 chosen=0",
                "c1 asks n1: members [1, 3]",
                "n2: the election timer runs out",
                "n3 takes from n2: @1.n2 Prepare after=0",
                "n2 takes from n3: @1.n2 Promise [] chosen=0",
                "c2 asks n2: write k 1",
                "c3 asks n2: write k 2",
            ]),
            shows: vec![ChangesMembers, Decides],
            ..plain(
                "void-seal",
                "3 acceptors; n1 has sealed slot 1, and n2, which does not know, proposes in it and behind it",
            )
        },
    ]
}
