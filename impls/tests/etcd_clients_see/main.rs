//! What clients of the etcd-style service see under random schedules, while members crash and connections break with what is under way on them. Every client
//! asks again until it is answered, so that in the end it is known what was done at each revision: the *diary*. By that all answers and everything
//! that watches told is judged: each watch tells of its keys in order, of every change, once, of whole revisions, with what was there before; it
//! says of no revision too early that it has told everything; it is over only where that is compacted.

#[expect(
    dead_code,
    reason = "the two forms of the invariants are compared elsewhere"
)]
#[path = "../scheduler/mod.rs"]
mod scheduler;

mod asks;
mod diary;

use asks::wanted;
use diary::{Answered, Diary, Told, judge_watch};
use scheduler::{Cluster, Dice, NODES};
use std::collections::{BTreeMap, VecDeque};
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId, RequestId};
use stormglass_impls::etcd::message::Timer;
use stormglass_impls::etcd::words::{
    Ask, Done, Error, Event, LeaseId, Op, Reply, Request, Revision, Watch, WatchId,
};
use stormglass_impls::knobs::Knobs;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::raft::message::Timer as LogTimer;
use stormglass_impls::system::Setup;

const CLIENTS: usize = 4;
/// How long there are faults and new requests.
const STORM: usize = 3_000;
/// How long there is time to finish, and to ask how far the members are.
const CALM: usize = 2_500;
/// How long there is time to be told.
const END: usize = 500;

/// What is there time for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Storm,
    Calm,
    End,
}
/// Who has leases. One is there at a time, so that a revision which nobody asked for is that one's end.
const LESSEE: usize = 0;

/// A watch that a client wants to go on for ever.
struct Wanted {
    watch: Watch,
    /// The next revision to be told of. 0: whatever comes.
    next: Revision,
    /// Under which number it is watched on this connection.
    number: Option<WatchId>,
}

/// What a client has asked and was not answered.
struct Open {
    id: RequestId,
    ask: Ask,
    /// The newest revision that anybody had been told of when it was asked.
    after: Revision,
    asked_ms: u64,
}

#[derive(Default)]
struct Client {
    server: u8,
    requests: u64,
    open: Option<Open>,
    wanted: Vec<Wanted>,
    lease: Option<LeaseId>,
    /// How far its member was when that was last said.
    member_at: Revision,
    watches: WatchId,
    /// What is under way to it from its member.
    mail: VecDeque<(Option<RequestId>, Parcel)>,
}

/// What all of them have seen so far.
#[derive(Default)]
struct Seen {
    answers: Vec<Answered>,
    /// Each watch on each connection.
    told: Vec<(usize, Told)>,
    /// The newest revision that anybody was told of.
    revision: Revision,
    /// The compactions that were asked for.
    compactions: Vec<Revision>,
    /// How many leases there have been.
    leases: LeaseId,
    /// How long they live without being kept alive.
    ttl_ms: u64,
    /// What time it is.
    now_ms: u64,
    /// When somebody was first told of a revision.
    seen_ms: BTreeMap<Revision, u64>,
}

impl Seen {
    fn see(&mut self, revision: Revision) {
        if revision > self.revision {
            self.revision = revision;
            self.seen_ms.insert(revision, self.now_ms);
        }
    }
}

/// How often what is tested here happened.
#[derive(Clone, Copy, Debug, Default)]
struct Tested {
    answers: u64,
    revisions: u64,
    lease_ends: u64,
    watches: u64,
    changes: u64,
    prevs: u64,
    progress: u64,
    compacted: u64,
    retries: u64,
    /// Watches that go on at the end.
    live: u64,
    unfinished: u64,
}

impl Client {
    fn break_off(&mut self) {
        self.mail.clear();
        self.member_at = 0;
        for wanted in &mut self.wanted {
            wanted.number = None;
        }
        // What is asked of one member alone is not asked again.
        self.open = self.open.take().filter(|open| !is_local(&open.ask));
    }

    fn hear(&mut self, number: usize, seen: &mut Seen) -> Result<(), String> {
        let Some((request_id, word)) = self.mail.pop_front() else {
            return Ok(());
        };
        let Some(request_id) = request_id else {
            return self.told(number, word.take(), seen);
        };
        let Reply { header, result } = word.take();
        if self.open.as_ref().is_none_or(|open| open.id != request_id) {
            return Ok(());
        }
        let Some(Open {
            ask,
            after,
            asked_ms,
            ..
        }) = self.open.take()
        else {
            return Ok(());
        };
        match (&ask, &result) {
            (Ask::Watch(watch), Ok(Done::Watch { start_revision })) => {
                if watch.start_revision == 0 && *start_revision != header.revision + 1 {
                    return Err(format!(
                        "it watches from {start_revision}, answered at {}",
                        header.revision
                    ));
                }
                seen.told
                    .push((number, Told::begun(watch, *start_revision)));
                let wanted = self.wanted.iter_mut();
                for wanted in wanted.filter(|wanted| wanted.number == Some(watch.watch)) {
                    wanted.next = *start_revision;
                }
            }
            (Ask::Range(_), Ok(_)) => self.member_at = header.revision,
            (Ask::Write(Op::Grant { lease, .. }), Ok(_)) => self.lease = Some(*lease),
            (Ask::Write(Op::Revoke { .. }), _) => self.lease = None,
            (_, Err(Error::LeaseNotFound)) => self.lease = None,
            _ => {}
        }
        // A write is answered as of when it was done, which may be long ago.
        seen.see(header.revision);
        let revision = header.revision;
        seen.answers.push(Answered {
            ask,
            after,
            asked_ms,
            revision,
            result,
        });
        Ok(())
    }

    fn told(&mut self, number: usize, event: Event, seen: &mut Seen) -> Result<(), String> {
        let watch = event.watch();
        let Some(wanted) = self
            .wanted
            .iter_mut()
            .find(|wanted| wanted.number == Some(watch))
        else {
            return Ok(());
        };
        if let Event::Changes { changes, .. } = &event {
            let last = changes.last().ok_or("no changes are told")?;
            seen.see(last.kv.mod_revision);
        }
        let told = seen.told.iter_mut();
        let mut told = told.filter(|(client, told)| *client == number && told.watch.watch == watch);
        let Some((_, told)) = told.next() else {
            return Err(format!("{event:?} before the watch was answered"));
        };
        match &event {
            Event::Changes {
                changes, fragment, ..
            } => {
                let last = changes.last().ok_or("no changes are told")?;
                let whole = u64::from(!fragment);
                wanted.next = wanted.next.max(last.kv.mod_revision + whole);
            }
            Event::Progress { revision, .. } => wanted.next = wanted.next.max(revision + 1),
            Event::Compacted {
                compact_revision, ..
            } => {
                wanted.next = *compact_revision;
                wanted.number = None;
            }
        }
        told.events.push(event);
        Ok(())
    }
}

/// Whether a member answers it by itself.
fn is_local(ask: &Ask) -> bool {
    match ask {
        Ask::Watch(_) | Ask::CancelWatch { .. } | Ask::Progress { .. } => true,
        Ask::Range(range) => range.serializable,
        _ => false,
    }
}

fn run(seed: u64, mutant: Option<&str>, tested: &mut Tested) -> Result<(), String> {
    let mut dice = Dice::of(seed);
    let knobs = Knobs {
        snapshot_every: [0, 3, 10][dice.below(3)],
        entries_kept: [0, 2][dice.below(2)],
        ..Knobs::default()
    };
    let setup = Setup {
        knobs,
        mutant: mutant.map(str::to_string),
        ..Setup::of(NodeId(1), NODES)
    };
    let mut cluster = Cluster::new(catalog::system("etcd").unwrap(), setup);
    NodeId::all(NODES).for_each(|node| cluster.boot(node));
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| Client {
            server: dice.node().0,
            ..Client::default()
        })
        .collect();
    let mut seen = Seen {
        ttl_ms: [150, 600][dice.below(2)],
        ..Seen::default()
    };
    let verdict = live(&mut cluster, &mut clients, &mut seen, &mut dice, tested);
    let verdict = verdict.and_then(|()| {
        if clients.iter().any(|client| client.open.is_some()) {
            // Nobody knows what was done.
            tested.unfinished += 1;
            return Ok(());
        }
        judge(&clients, seen, tested)
    });
    verdict.map_err(|cause| format!("seed {seed}: {cause}"))
}

/// A storm, time to finish, and time to be told.
fn live(
    cluster: &mut Cluster,
    clients: &mut [Client],
    seen: &mut Seen,
    dice: &mut Dice,
    tested: &mut Tested,
) -> Result<(), String> {
    let phases = [
        (Phase::Storm, STORM),
        (Phase::Calm, CALM),
        (Phase::End, END),
    ];
    for (phase, steps) in phases {
        for _ in 0..steps {
            happen(cluster, clients, seen, dice, (phase, tested))?;
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        while !client.mail.is_empty() {
            let said = client.hear(number, seen);
            said.map_err(|cause| format!("c{number}: {cause}"))?;
        }
    }
    Ok(())
}

/// Judges everything by what was done.
fn judge(clients: &[Client], seen: Seen, tested: &mut Tested) -> Result<(), String> {
    let diary = Diary::of(&seen.answers, seen.revision)?;
    tested.answers += seen.answers.len() as u64;
    tested.revisions += seen.revision;
    tested.lease_ends += diary.lease_ends.len() as u64;
    diary.judge_leases(&seen.answers, &seen.seen_ms)?;
    for answered in &seen.answers {
        diary.judge_answer(answered, &seen.compactions)?;
    }
    for (client, told) in &seen.told {
        let judged = judge_watch(&diary, told, &seen.compactions);
        let judged = judged.map_err(|cause| format!("c{client} {:?}: {cause}", told.watch))?;
        tested.watches += 1;
        tested.changes += judged.changes;
        tested.prevs += judged.prevs;
        tested.progress += judged.progress;
        tested.compacted += u64::from(judged.compacted);
        // It has had time enough to be told what its member had.
        let client = &clients[*client];
        let wanted = client.wanted.iter();
        let mut lives = wanted.filter(|wanted| wanted.number == Some(told.watch.watch));
        if lives.next().is_some() {
            tested.live += 1;
            let (keys, to) = (&told.watch.keys, client.member_at);
            let mut missed = diary.changes_of(keys, judged.next, to);
            if let Some(missed) = missed.next() {
                return Err(format!("{:?} is never told of {missed:?}", told.watch));
            }
        }
    }
    Ok(())
}

fn happen(
    cluster: &mut Cluster,
    clients: &mut [Client],
    seen: &mut Seen,
    dice: &mut Dice,
    (phase, tested): (Phase, &mut Tested),
) -> Result<(), String> {
    for (node, client, request_id, word) in std::mem::take(&mut cluster.answers) {
        let client = &mut clients[client.0 as usize];
        if client.server == node.0 {
            client.mail.push_back((request_id, word));
        }
    }
    let node = dice.node();
    cluster.now_ms += 1;
    seen.now_ms = cluster.now_ms;
    if cluster.is_down(node) {
        if dice.below(20) == 0 || phase != Phase::Storm {
            cluster.boot(node);
        }
        return Ok(());
    }
    if phase != Phase::Storm {
        let tick = |timer: &Parcel| timer.open() == Some(&Timer::Tick);
        cluster.fire(node, |timers| timers.iter().position(tick));
    }
    (0..3).for_each(|_| cluster.deliver(dice));
    if dice.below(2) == 0 {
        cluster.sync(node);
    }
    match dice.below(400) {
        0 | 1 if phase == Phase::Storm => {
            cluster.crash(node, dice);
            for client in clients.iter_mut().filter(|client| client.server == node.0) {
                client.break_off();
            }
        }
        5..60 => {
            let impatient = dice.below(60) == 0;
            let election = Timer::Raft(LogTimer::Election);
            let wanted = |timer: &Parcel| (timer.open() == Some(&election)) == impatient;
            cluster.fire(node, |timers| timers.iter().position(wanted));
        }
        60..130 => {
            let number = dice.below(CLIENTS);
            act(
                cluster,
                (number, &mut clients[number]),
                seen,
                dice,
                (phase, tested),
            );
        }
        130..240 => {
            let number = dice.below(CLIENTS);
            for _ in 0..dice.below(6) {
                let said = clients[number].hear(number, seen);
                said.map_err(|cause| format!("c{number}: {cause}"))?;
            }
        }
        _ => (0..4).for_each(|_| cluster.deliver(dice)),
    }
    Ok(())
}

fn act(
    cluster: &mut Cluster,
    (number, client): (usize, &mut Client),
    seen: &mut Seen,
    dice: &mut Dice,
    (phase, tested): (Phase, &mut Tested),
) {
    let is_lost = cluster.is_down(NodeId(client.server));
    if is_lost || (phase == Phase::Storm && dice.below(15) == 0) {
        client.break_off();
        client.server = dice.node().0;
    }
    if cluster.is_down(NodeId(client.server)) {
        return;
    }
    if let Some(open) = &client.open {
        if !is_local(&open.ask) && dice.below(4) == 0 {
            tested.retries += 1;
            let (id, ask) = (open.id, open.ask.clone());
            send(cluster, client.server, number, (id, ask));
        }
        return;
    }
    let Some(ask) = wanted(number, client, seen, dice, phase) else {
        return;
    };
    if let Ask::Write(Op::Compact { revision }) = &ask {
        seen.compactions.push(*revision);
    }
    client.requests += 1;
    let id = RequestId(client.requests);
    let after = seen.revision;
    client.open = Some(Open {
        id,
        ask: ask.clone(),
        after,
        asked_ms: cluster.now_ms,
    });
    send(cluster, client.server, number, (id, ask));
}

fn send(cluster: &mut Cluster, server: u8, number: usize, (id, ask): (RequestId, Ask)) {
    let (client, as_user) = (ClientId(number as u32), None);
    let request = Request { as_user, ask };
    cluster.request(NodeId(server), client, id, Parcel::new(request));
}

#[test]
fn clients_see_what_they_are_promised() {
    let mut tested = Tested::default();
    for seed in 1..=200 {
        run(seed, None, &mut tested).unwrap();
    }
    println!("{tested:?}");
    let Tested {
        answers,
        revisions,
        lease_ends,
        watches,
        changes,
        prevs,
        progress,
        compacted,
        retries,
        live,
        unfinished,
    } = tested;
    let counts = [
        answers, revisions, lease_ends, watches, changes, prevs, progress, compacted, retries, live,
    ];
    assert!(counts.iter().all(|count| *count > 20), "{tested:?}");
    assert!(unfinished < 10, "{tested:?}");
}

#[test]
fn a_harmless_change_harms_no_client() {
    for harmless in catalog::system("etcd").unwrap().harmless() {
        let mut tested = Tested::default();
        for seed in 1..=40 {
            let seen = run(seed, Some(harmless.id), &mut tested);
            assert_eq!(seen, Ok(()), "{}", harmless.id);
        }
        assert!(tested.unfinished < 4, "{tested:?}");
    }
}

#[test]
fn a_client_that_is_promised_too_little_sees_it() {
    for mutant in [
        "etcd/watch-starved-loss",
        "etcd/duplicate-event",
        "etcd/progress-ahead",
        "etcd/watch-goes-back",
        "etcd/future-progress",
        "etcd/compacted-delete-lost",
        "etcd/restored-delete-lost",
        "etcd/index-outside-txn",
        "etcd/revision-decreases",
        "etcd/txn-half-done",
        "etcd/stale-leader-revokes",
    ] {
        let mut tested = Tested::default();
        let seen = (1..=1_500).find_map(|seed| run(seed, Some(mutant), &mut tested).err());
        println!("{mutant}: {seen:?}");
        assert!(seen.is_some(), "{mutant} is not seen: {tested:?}");
    }
}
