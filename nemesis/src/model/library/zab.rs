//! The bounds of Zab. Messages arrive in order, or their link breaks: Zab counts on that.

use super::super::bounds::{Bounds, Disk, Network, Witness};
use super::{knobs, never, plain, read, steps, times, write};

/// All three vote for n3 and settle on it.
const N3_IS_ELECTED: &[&str] = &[
    "n1 takes from n2: Vote n2 epoch=0 last=none round=1",
    "n1 takes from n3: Vote n3 epoch=0 last=none round=1",
    "n2 takes from n1: Vote n1 epoch=0 last=none round=1",
    "n2 takes from n1: Vote n2 epoch=0 last=none round=1",
    "n2 takes from n1: Vote n3 epoch=0 last=none round=1",
    "n1 takes from n2: Vote n3 epoch=0 last=none round=1",
    "n2 takes from n3: Vote n3 epoch=0 last=none round=1",
    "n3 takes from n1: Vote n1 epoch=0 last=none round=1",
    "n3 takes from n1: Vote n2 epoch=0 last=none round=1",
    "n3 takes from n1: Vote n3 epoch=0 last=none round=1",
    "n3 takes from n2: Vote n2 epoch=0 last=none round=1",
    "n3 takes from n2: Vote n3 epoch=0 last=none round=1",
    "n3: the settle timer runs out",
    "n1: the settle timer runs out",
    "n2: the settle timer runs out",
    "n3 takes from n1: FollowerInfo accepted=0",
];

/// And n3 leads them in epoch 1.
const N3_LEADS: &[&str] = &[
    "n1 takes from n3: LeaderInfo epoch=1",
    "n3 takes from n1: AckEpoch current=0 last=none",
    "n1 takes from n3: Diff",
    "n1 takes from n3: NewLeader epoch=1",
    "n3 takes from n1: AckNewLeader last=none",
    "n1 takes from n3: UpToDate committed=none",
    "n3 takes from n2: FollowerInfo accepted=0",
    "n2 takes from n3: LeaderInfo epoch=1",
    "n3 takes from n2: AckEpoch current=0 last=none",
    "n2 takes from n3: Diff",
    "n2 takes from n3: NewLeader epoch=1",
    "n3 takes from n2: AckNewLeader last=none",
    "n2 takes from n3: UpToDate committed=none",
];

/// The same where the end of a write is a step of its own.
const N3_LEADS_ON_DISK: &[&str] = &[
    "n3 takes from n2: FollowerInfo accepted=0",
    "n3: its oldest write is durable",
    "n1 takes from n3: LeaderInfo epoch=1",
    "n2 takes from n3: LeaderInfo epoch=1",
    "n1: its oldest write is durable",
    "n3 takes from n1: AckEpoch current=0 last=none",
    "n1 takes from n3: Diff",
    "n1 takes from n3: NewLeader epoch=1",
    "n1: its oldest write is durable",
    "n3 takes from n1: AckNewLeader last=none",
    "n2: its oldest write is durable",
    "n3 takes from n2: AckEpoch current=0 last=none",
    "n2 takes from n3: Diff",
    "n2 takes from n3: NewLeader epoch=1",
    "n2: its oldest write is durable",
    "n3 takes from n2: AckNewLeader last=none",
    "n1 takes from n3: UpToDate committed=none",
    "n2 takes from n3: UpToDate committed=none",
    "n3: its oldest write is durable",
];

/// n3 proposes twice. The second proposal reaches nobody, and n2 leads n1 in epoch 2, in which something is committed.
const N3_IS_OVERTAKEN: &[&str] = &[
    "c1 asks n3: write k 1",
    "n1 takes from n3: Propose [1:1=c1#1]",
    "n2 takes from n3: Propose [1:1=c1#1]",
    "n3 takes from n1: Ack 1:1",
    "n1 takes from n3: Commit 1:1",
    "n2 takes from n3: Commit 1:1",
    "n3 takes from n2: Ack 1:1",
    "c2 asks n3: write k 2",
    "the link of n1 and n3 breaks",
    "the link of n2 and n3 breaks",
    "n2 takes from n1: Vote n1 epoch=1 last=1:1 round=2",
    "n1 takes from n2: Vote n2 epoch=1 last=1:1 round=2",
    "n2 takes from n1: Vote n2 epoch=1 last=1:1 round=2",
    "n2: the settle timer runs out",
    "n1: the settle timer runs out",
    "n2 takes from n1: FollowerInfo accepted=1",
    "n1 takes from n2: LeaderInfo epoch=2",
    "n2 takes from n1: AckEpoch current=1 last=1:1",
    "n1 takes from n2: Diff",
    "n1 takes from n2: NewLeader epoch=2",
    "n2 takes from n1: AckNewLeader last=1:1",
    "n1 takes from n2: UpToDate committed=1:1",
    "c3 asks n2: write k 3",
    "n1 takes from n2: Propose [2:1=c3#1]",
    "n2 takes from n1: Ack 2:1",
    "n1 takes from n2: Commit 2:1",
];

/// n3 has a transaction that reached nobody, dies, and leads n2 in epoch 2. n2 writes what it takes over.
const N2_TAKES_OVER_WHAT_IS_OPEN: &[&str] = &[
    "c1 asks n3: write k 1",
    "n3: its oldest write is durable",
    "n3 dies and comes back",
    "n1 takes from n2: Vote n2 epoch=1 last=none round=2",
    "n1 takes from n3: Vote n3 epoch=1 last=1:1 round=1",
    "n2 takes from n1: Vote n1 epoch=1 last=none round=2",
    "n2 takes from n1: Vote n2 epoch=1 last=none round=2",
    "n2 takes from n3: Vote n3 epoch=1 last=1:1 round=1",
    "n3 takes from n1: Vote n1 epoch=1 last=none round=2",
    "n1 takes from n3: Vote n3 epoch=1 last=1:1 round=2",
    "n2 takes from n1: Vote n3 epoch=1 last=1:1 round=2",
    "n1 takes from n2: Vote n3 epoch=1 last=1:1 round=2",
    "n2 takes from n3: Vote n3 epoch=1 last=1:1 round=2",
    "n3 takes from n1: Vote n2 epoch=1 last=none round=2",
    "n3 takes from n1: Vote n2 epoch=1 last=none round=2",
    "n3 takes from n1: Vote n3 epoch=1 last=1:1 round=2",
    "n3 takes from n2: Vote n2 epoch=1 last=none round=2",
    "n3 takes from n2: Vote n2 epoch=1 last=none round=2",
    "n3 takes from n2: Vote n3 epoch=1 last=1:1 round=2",
    "n3: the settle timer runs out",
    "n2: the settle timer runs out",
    "n3 takes from n2: FollowerInfo accepted=1",
    "n3: its oldest write is durable",
    "n2 takes from n3: LeaderInfo epoch=2",
    "n2: its oldest write is durable",
    "n3 takes from n2: AckEpoch current=1 last=none",
    "n3: its oldest write is durable",
    "n2 takes from n3: Diff",
    "n2 takes from n3: Propose [1:1=c1#1]",
    "n2 takes from n3: NewLeader epoch=2",
];

/// n3 and n1 have committed what n2 has not. n3 dies, and leads n2 in epoch 2. n2 writes what it takes over.
const N2_TAKES_OVER_WHAT_IS_COMMITTED: &[&str] = &[
    "c1 asks n3: write k 1",
    "n3: its oldest write is durable",
    "n1 takes from n3: Propose [1:1=c1#1]",
    "n1: its oldest write is durable",
    "n3 takes from n1: Ack 1:1",
    "n3 dies and comes back",
    "n1 takes from n2: Vote n2 epoch=1 last=none round=2",
    "n1 takes from n3: Vote n3 epoch=1 last=1:1 round=1",
    "n2 takes from n1: Vote n1 epoch=1 last=1:1 round=2",
    "n1 takes from n2: Vote n1 epoch=1 last=1:1 round=2",
    "n2 takes from n3: Vote n3 epoch=1 last=1:1 round=1",
    "n3 takes from n1: Vote n1 epoch=1 last=1:1 round=2",
    "n1 takes from n3: Vote n3 epoch=1 last=1:1 round=2",
    "n2 takes from n1: Vote n3 epoch=1 last=1:1 round=2",
    "n1 takes from n2: Vote n3 epoch=1 last=1:1 round=2",
    "n2 takes from n3: Vote n3 epoch=1 last=1:1 round=2",
    "n3 takes from n1: Vote n1 epoch=1 last=1:1 round=2",
    "n3 takes from n1: Vote n3 epoch=1 last=1:1 round=2",
    "n3 takes from n2: Vote n2 epoch=1 last=none round=2",
    "n3 takes from n2: Vote n1 epoch=1 last=1:1 round=2",
    "n3 takes from n2: Vote n1 epoch=1 last=1:1 round=2",
    "n3 takes from n2: Vote n3 epoch=1 last=1:1 round=2",
    "n3: the settle timer runs out",
    "n2: the settle timer runs out",
    "n3 takes from n2: FollowerInfo accepted=1",
    "n3: its oldest write is durable",
    "n2 takes from n3: LeaderInfo epoch=2",
    "n2: its oldest write is durable",
    "n3 takes from n2: AckEpoch current=1 last=none",
    "n3: its oldest write is durable",
    "n2 takes from n3: Diff",
    "n2 takes from n3: Propose [1:1=c1#1]",
    "n2 takes from n3: NewLeader epoch=2",
];

fn preluded(parts: &[&[&str]]) -> Vec<String> {
    steps(&parts.concat())
}

pub(super) fn zab() -> Vec<Bounds> {
    use Witness::*;
    let plain = |name, summary| Bounds {
        network: Network::Fifo,
        timers: vec![never("heartbeat"), times("election", 0)],
        clients: vec![vec![write(1)]],
        ..plain("zab-cache", name, summary)
    };
    let elected = |name, summary| Bounds {
        prelude: preluded(&[N3_IS_ELECTED]),
        ..plain(name, summary)
    };
    let two_writes = || vec![vec![write(1)], vec![write(2)]];
    vec![
        Bounds {
            resets: 3,
            shows: vec![Campaigns, Votes, Leads, LeadsLast, Decides, Answers],
            ..elected(
                "two-epochs",
                "3 nodes that have elected one, 2 epochs, a write; links break 3 times",
            )
        },
        Bounds {
            timers: vec![never("heartbeat"), times("election", 1)],
            shows: vec![Leads, LeadsLast, Decides, Answers],
            ..elected(
                "patience",
                "3 nodes that have elected one, 2 epochs, a write; patience ends once",
            )
        },
        Bounds {
            crashes: 1,
            shows: vec![Leads, LeadsLast, Decides, Answers, Crashes],
            ..elected(
                "crash",
                "3 nodes that have elected one, 2 epochs, a write, a crash",
            )
        },
        Bounds {
            resets: 1,
            shows: vec![Leads, LeadsLast, Decides, Answers],
            ..plain(
                "election",
                "3 nodes from the very beginning, 2 epochs, a write; a link breaks",
            )
        },
        Bounds {
            clients: vec![vec![write(1)], vec![read()]],
            timers: vec![times("heartbeat", 1), times("election", 0)],
            resets: 1,
            shows: vec![Leads, Decides, Answers],
            ..elected(
                "read",
                "3 nodes that have elected one, a write and a read of a quorum, a heartbeat; a link breaks",
            )
        },
        Bounds {
            clients: two_writes(),
            resets: 2,
            shows: vec![Leads, LeadsLast, Decides, Answers],
            ..elected(
                "two-writes",
                "3 nodes that have elected one, 2 epochs, 2 writes; links break twice",
            )
        },
        Bounds {
            knobs: knobs(&[("snapshot_every", "1"), ("entries_kept", "0")]),
            clients: two_writes(),
            resets: 2,
            shows: vec![Leads, Decides, Answers, TakesSnapshot, InstallsSnapshot],
            ..elected(
                "snapshot",
                "3 nodes that have elected one, 2 writes, a snapshot after each; links break twice",
            )
        },
        Bounds {
            knobs: knobs(&[("zxids_per_epoch_max", "1")]),
            clients: two_writes(),
            shows: vec![StepsDown, LeadsLast, Decides, Answers],
            ..elected(
                "roll-over",
                "3 nodes that have elected one, 2 writes, and an epoch has room for one",
            )
        },
        Bounds {
            log_max: 4,
            clients: vec![vec![write(1)], vec![write(2)], vec![write(3)]],
            crashes: 1,
            resets: 2,
            prelude: preluded(&[N3_IS_ELECTED, N3_LEADS, N3_IS_OVERTAKEN]),
            shows: vec![Truncates, Decides, Crashes],
            ..plain(
                "overtaken",
                "3 nodes; n3 has what was never committed, n1 and n2 have gone on without it; a crash",
            )
        },
        Bounds {
            epoch_max: 3,
            clients: two_writes(),
            crashes: 3,
            disk: Disk::Pipelined,
            inputs_while_writing: 3,
            prelude: preluded(&[N3_IS_ELECTED, N3_LEADS_ON_DISK, N2_TAKES_OVER_WHAT_IS_OPEN]),
            shows: vec![Leads, LeadsLast, Decides, Crashes],
            ..plain(
                "takes-over",
                "3 nodes; n2 writes what it takes over from n3, and that is not committed yet; 2 crashes more, a third epoch",
            )
        },
        Bounds {
            epoch_max: 3,
            clients: two_writes(),
            crashes: 3,
            disk: Disk::Pipelined,
            inputs_while_writing: 3,
            prelude: preluded(&[
                N3_IS_ELECTED,
                N3_LEADS_ON_DISK,
                N2_TAKES_OVER_WHAT_IS_COMMITTED,
            ]),
            shows: vec![Leads, LeadsLast, Decides, Crashes],
            ..plain(
                "takes-over-committed",
                "3 nodes; n2 writes what it takes over from n3, and that is committed; 2 crashes more, a third epoch",
            )
        },
    ]
}
