//! What clients of the ZooKeeper-style service see under random schedules, while servers crash and connections break with what is under way on them:
//! their view never goes back, they are told of nothing that they do not watch, and an event comes before what it announces and before the answer
//! which says that no event up to its zxid is still to come.

#[expect(
    dead_code,
    reason = "the two forms of the invariants are compared elsewhere"
)]
mod scheduler;

use scheduler::{Cluster, Dice, NODES};
use std::collections::{BTreeMap, VecDeque};
use stormglass_impls::catalog;
use stormglass_impls::contract::{ClientId, NodeId, RequestId};
use stormglass_impls::knobs::{Knobs, Reads};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::Setup;
use stormglass_impls::zab::message::Timer;
use stormglass_impls::zookeeper::message::OWN_REQUESTS;
use stormglass_impls::zookeeper::words::{
    Body, Change, Done, Error, Event, Mode, Op, Read, Reply, Request, SessionId, Stat, Watch,
    Watched, What, open_to_all,
};

const CLIENTS: usize = 3;

/// What is known of a node that is watched: nothing if it is not there.
type Basis = Option<Stat>;

/// What a client knows.
#[derive(Default)]
struct Client {
    server: u8,
    session: Option<SessionId>,
    /// What it has asked to begin the connection, until that is answered.
    connecting: Option<RequestId>,
    connected: bool,
    seen: u64,
    told: u64,
    /// Up to where it was told on this connection.
    told_here: u64,
    requests: u64,
    own_requests: u64,
    open: Option<(RequestId, Request)>,
    /// Whether that was asked on this connection.
    out: bool,
    watches: BTreeMap<Watch, Basis>,
    /// What is under way to it from its server.
    mail: VecDeque<(Option<RequestId>, Parcel)>,
}

/// How often what is tested here happened.
#[derive(Clone, Copy, Debug, Default)]
struct Tested {
    answers: u64,
    events: u64,
    caught_up: u64,
    rereads: u64,
    retries: u64,
    expired: u64,
}

impl Client {
    fn break_off(&mut self) {
        self.mail.clear();
        (self.connected, self.connecting, self.out) = (false, None, false);
    }

    fn hear(&mut self, tested: &mut Tested) -> Result<(), String> {
        let Some((request_id, word)) = self.mail.pop_front() else {
            return Ok(());
        };
        let Some(request_id) = request_id else {
            if self.connected {
                self.told(word.take(), tested)?;
            }
            return Ok(());
        };
        let Reply { zxid, body } = word.take();
        if self.connecting == Some(request_id) {
            self.seen = self.seen.max(zxid);
            self.connecting = None;
            match body {
                Body::Connected { session, .. } => {
                    (self.session, self.connected) = (Some(session), true);
                    self.told_here = 0;
                }
                Body::Expired => self.expired(tested),
                _ => {}
            }
            return Ok(());
        }
        let is_open = self.open.as_ref().is_some_and(|(id, _)| *id == request_id);
        if !self.connected || !is_open {
            return Ok(());
        }
        match &body {
            Body::NotServing => {
                self.break_off();
                return Ok(());
            }
            Body::Done(Err(Error::SessionExpired)) => {
                self.expired(tested);
                return Ok(());
            }
            _ => {}
        }
        let Some((_, request)) = self.open.take() else {
            return Ok(());
        };
        tested.answers += 1;
        let is_write = matches!(request, Request::Write(_));
        if !is_write && zxid < self.seen {
            return Err(format!("its view goes back from {} to {zxid}", self.seen));
        }
        self.seen = self.seen.max(zxid);
        self.told = self.told.max(zxid);
        self.told_here = self.told_here.max(zxid);
        if request == Request::Write(Op::Close) {
            self.session = None;
            self.watches.clear();
            self.break_off();
        }
        if let (Request::Read(read), Body::Done(done)) = (&request, &body) {
            self.has_read(read, done, tested)?;
        }
        Ok(())
    }

    fn told(&mut self, event: Event, tested: &mut Tested) -> Result<(), String> {
        let Event::Fired { change, path, zxid } = event else {
            self.break_off();
            return Ok(());
        };
        tested.events += 1;
        tested.caught_up += u64::from(self.told_here == 0);
        if zxid <= self.told_here {
            return Err(format!(
                "the event {change:?} {path} at {zxid} comes after an answer at {}",
                self.told_here
            ));
        }
        self.seen = self.seen.max(zxid);
        let before = self.watches.len();
        self.watches
            .retain(|watch, _| watch.path != path || !is_for(change, watch.what));
        match self.watches.len() < before {
            true => Ok(()),
            false => Err(format!(
                "{change:?} {path} at {zxid}, which it does not watch"
            )),
        }
    }

    /// A watched node is as it was, or an event has come.
    fn has_read(
        &mut self,
        read: &Read,
        done: &Result<Done, Error>,
        tested: &mut Tested,
    ) -> Result<(), String> {
        let now = match done {
            Ok(Done::Exists(stat)) => *stat,
            Ok(Done::Data(_, stat) | Done::Children(_, stat)) => Some(*stat),
            Err(Error::NoNode) => None,
            _ => return Ok(()),
        };
        for (watch, then) in self
            .watches
            .iter()
            .filter(|(watch, _)| watch.path == read.path)
        {
            tested.rereads += 1;
            let is_same = match (watch.what, then, &now) {
                (_, None, None) => true,
                (Watched::Data, Some(then), Some(now)) => then.mzxid == now.mzxid,
                (Watched::Children, Some(then), Some(now)) => then.pzxid == now.pzxid,
                _ => false,
            };
            if !is_same {
                return Err(format!("{watch:?} has not fired: {then:?} and now {now:?}"));
            }
        }
        let what = match (read.what, done) {
            (What::Exists, Ok(Done::Exists(None))) => Watched::Exists,
            (What::Children, Ok(_)) => Watched::Children,
            (_, Ok(_)) => Watched::Data,
            _ => return Ok(()),
        };
        if read.watch {
            let path = read.path.clone();
            self.watches.insert(Watch { what, path }, now);
        }
        Ok(())
    }

    fn expired(&mut self, tested: &mut Tested) {
        tested.expired += 1;
        self.session = None;
        self.watches.clear();
        self.open = None;
        self.break_off();
    }
}

/// Whether a change of a node ends a watch of it.
fn is_for(change: Change, what: Watched) -> bool {
    match what {
        Watched::Data | Watched::Exists => change != Change::ChildrenChanged,
        Watched::Children => matches!(change, Change::Deleted | Change::ChildrenChanged),
    }
}

fn run(seed: u64, mutant: Option<&str>, tested: &mut Tested) -> Result<(), String> {
    let mut dice = Dice::of(seed);
    let knobs = Knobs {
        snapshot_every: [0, 3, 10][dice.below(3)],
        entries_kept: [0, 2][dice.below(2)],
        reads: [Reads::Quorum, Reads::Log][dice.below(2)],
        zxids_per_epoch_max: [20, 1_000, 1_000][dice.below(3)],
        // A timeout of 120 to 1,200 ms, and a step takes one.
        heartbeat_interval_ms: 30,
        ..Knobs::default()
    };
    let setup = Setup {
        knobs,
        mutant: mutant.map(str::to_string),
        ..Setup::of(NodeId(1), NODES)
    };
    let deliveries = [2, 4][dice.below(2)];
    let mut cluster = Cluster::new(catalog::system("zookeeper").unwrap(), setup);
    NodeId::all(NODES).for_each(|node| cluster.boot(node));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    let mut verdict = Ok(());
    cluster.compare(seed, 4_000, |cluster| {
        if verdict.is_ok() {
            verdict = happen(cluster, &mut clients, deliveries, &mut dice, tested);
        }
    });
    verdict.map_err(|cause| format!("seed {seed}: {cause}"))
}

fn happen(
    cluster: &mut Cluster,
    clients: &mut [Client],
    deliveries: usize,
    dice: &mut Dice,
    tested: &mut Tested,
) -> Result<(), String> {
    for (node, client, request_id, word) in std::mem::take(&mut cluster.answers) {
        let client = &mut clients[client.0 as usize];
        if client.server == node.0 {
            client.mail.push_back((request_id, word));
        }
    }
    let node = dice.node();
    cluster.now_ms += 1;
    if cluster.is_down(node) {
        if dice.below(20) == 0 {
            cluster.boot(node);
        }
        return Ok(());
    }
    match dice.below(400) {
        0 => {
            cluster.crash(node, dice);
            for client in clients.iter_mut().filter(|client| client.server == node.0) {
                client.break_off();
            }
        }
        5..40 => {
            let impatient = dice.below(40) == 0;
            let wanted = |timer: &Parcel| (timer.open() == Some(&Timer::Election)) == impatient;
            cluster.fire(node, |timers| timers.iter().position(wanted));
        }
        40..130 => {
            let number = dice.below(CLIENTS);
            ask(
                cluster,
                &mut clients[number],
                ClientId(number as u32),
                dice,
                tested,
            );
        }
        130..230 => {
            let number = dice.below(CLIENTS);
            for _ in 0..dice.below(3) {
                let said = clients[number].hear(tested);
                said.map_err(|cause| format!("c{number}: {cause}"))?;
            }
        }
        230..280 => cluster.sync(node),
        _ => (0..deliveries).for_each(|_| cluster.deliver(dice)),
    }
    Ok(())
}

fn ask(
    cluster: &mut Cluster,
    client: &mut Client,
    id: ClientId,
    dice: &mut Dice,
    tested: &mut Tested,
) {
    // A connection breaks now and then, with what is under way on it.
    let breaks = dice.below(12) == 0;
    if client.connecting.is_some() && !breaks {
        return;
    }
    if !client.connected || breaks {
        client.break_off();
        client.server = dice.node().0;
        client.own_requests += 1;
        let request_id = RequestId(OWN_REQUESTS + client.own_requests);
        client.connecting = Some(request_id);
        let connect = Request::Connect {
            session: client.session,
            timeout_ms: 600,
            seen: client.seen,
            told: client.told,
            watches: client.watches.keys().cloned().collect(),
        };
        return send(cluster, client.server, id, (request_id, connect));
    }
    if let Some(asked) = client.open.clone() {
        if !client.out {
            tested.retries += 1;
            client.out = true;
            send(cluster, client.server, id, asked);
        }
        return;
    }
    client.requests += 1;
    let asked = (RequestId(client.requests), wanted(dice));
    (client.open, client.out) = (Some(asked.clone()), true);
    send(cluster, client.server, id, asked);
}

fn send(cluster: &mut Cluster, server: u8, id: ClientId, (number, request): (RequestId, Request)) {
    if !cluster.is_down(NodeId(server)) {
        cluster.request(NodeId(server), id, number, Parcel::new(request));
    }
}

fn wanted(dice: &mut Dice) -> Request {
    let path = ["/a", "/a/c"][dice.below(2)].to_string();
    let (data, version) = ("d".to_string(), None);
    Request::Write(match dice.below(16) {
        at @ 0..8 => {
            let what = [What::Data, What::Exists, What::Children][at % 3];
            let watch = dice.below(4) > 0;
            return Request::Read(Read { what, path, watch });
        }
        8 => return Request::Sync,
        9..11 => Op::Create {
            path,
            data,
            mode: [Mode::Persistent, Mode::Ephemeral][dice.below(2)],
            acl: open_to_all(),
        },
        11 => Op::Delete { path, version },
        12 if dice.below(8) == 0 => Op::Close,
        _ => Op::Set {
            path,
            data,
            version,
        },
    })
}

#[test]
fn clients_see_what_they_are_promised() {
    let mut tested = Tested::default();
    for seed in 1..=300 {
        run(seed, None, &mut tested).unwrap();
    }
    println!("{tested:?}");
    let Tested {
        answers,
        events,
        caught_up,
        rereads,
        retries,
        expired,
    } = tested;
    let counts = [answers, events, caught_up, rereads, retries, expired];
    assert!(counts.iter().all(|count| *count > 20), "{tested:?}");
}

#[test]
fn a_client_that_is_promised_too_little_sees_it() {
    for mutant in ["zookeeper/watch-lost", "zookeeper/event-after-data"] {
        let mut tested = Tested::default();
        let seen = (1..=300).find_map(|seed| run(seed, Some(mutant), &mut tested).err());
        println!("{mutant}: {seen:?}");
        assert!(seen.is_some(), "{mutant} is not seen: {tested:?}");
    }
}
