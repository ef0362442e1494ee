//! A harmless change is a change all the same: each test says what can be seen of it. And it is harmless: the same small play, with an
//! election, a cut, a retry and a read, ends as it ends without the change.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::contract::{
    Answer, ClientId, DelayRange, Effect, Effects, Input, NodeId, Now, RequestId, Session,
};
use stormglass_impls::machine::cache::{Cache, Command, Output, Query};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::raft::Raft;
use stormglass_impls::raft::message::{Index, Payload, Timer};
use stormglass_impls::session::{Ask, Told};
use stormglass_impls::system::{Erased, Member, Setup, System, Watch};

const NODES: u8 = 3;
const CLIENT: ClientId = ClientId(1);

/// Three nodes whose messages arrive at once and in order, and whose disks are quick.
struct Stage {
    system: Rc<dyn System>,
    members: Vec<Box<dyn Member>>,
    watch: Box<dyn Watch>,
    in_flight: VecDeque<(NodeId, NodeId, Parcel)>,
    /// Hears nobody and is heard by nobody.
    cut_off: Option<NodeId>,
    seen: Seen,
}

/// What can be seen of a play.
#[derive(Default)]
struct Seen {
    /// From whom to whom, and of what kind, in the order of sending.
    sent: Vec<(NodeId, NodeId, &'static str)>,
    /// How long a leader waits between heartbeats.
    heartbeat: Option<DelayRange>,
    answers: BTreeMap<RequestId, Answer<Told<Output>>>,
    /// The log of each node at the end: `None` for a no-op.
    logs: Vec<Vec<Option<RequestId>>>,
    /// How far each node is at the end.
    progress: Vec<u64>,
}

impl Stage {
    fn new(change: Option<&str>) -> Self {
        let system = catalog::system("raft-cache").expect("there is raft-cache");
        let mut stage = Self {
            members: Vec::new(),
            watch: system.watch(),
            in_flight: VecDeque::new(),
            cut_off: None,
            seen: Seen::default(),
            system,
        };
        for id in NodeId::all(NODES) {
            let setup = Setup {
                mutant: change.map(str::to_string),
                ..Setup::of(id, NODES)
            };
            let mut effects = Effects::default();
            let disk = stage.system.blank_disk();
            let member = stage
                .system
                .boot(&setup, disk.as_ref(), Now::default(), &mut effects);
            stage.members.push(member);
        }
        stage
    }

    /// One input, the ends of the writes it causes, and all the messages that follow.
    fn play(&mut self, node: u8, input: Input<Erased>) {
        let mut inputs = VecDeque::from([(NodeId(node), input)]);
        loop {
            while let Some((node, input)) = inputs.pop_front() {
                let mut effects = Effects::default();
                let member = &mut self.members[node.index()];
                member.step(Now::default(), input, &mut effects);
                let verdict = self
                    .watch
                    .stepped(node, member.as_ref(), effects.as_slice());
                verdict.expect("every invariant holds");
                for effect in effects.drain() {
                    inputs.extend(self.carry_out(node, effect));
                }
            }
            let Some((from, to, message)) = self.in_flight.pop_front() else {
                return;
            };
            if !self.cut_off.is_some_and(|cut| [from, to].contains(&cut)) {
                inputs.push_back((to, Input::Deliver { from, message }));
            }
        }
    }

    fn carry_out(
        &mut self,
        node: NodeId,
        effect: Effect<Erased>,
    ) -> Option<(NodeId, Input<Erased>)> {
        match effect {
            Effect::Send { to, message } => {
                let kind = self.system.message_kind(&message);
                self.seen.sent.push((node, to, kind));
                self.in_flight.push_back((node, to, message));
            }
            Effect::Persist(_) => return Some((node, Input::Persisted)),
            Effect::SetTimer { timer, range } if timer.open() == Some(&Timer::Heartbeat) => {
                self.seen.heartbeat = Some(range);
            }
            Effect::Reply {
                request_id, answer, ..
            } => {
                self.seen
                    .answers
                    .insert(request_id, answer.map(Parcel::take));
            }
            _ => {}
        }
        None
    }

    fn fire(&mut self, node: u8, timer: Timer) {
        self.play(node, Input::TimerFired(Parcel::new(timer)));
    }

    fn ask(&mut self, node: u8, request: u64, ask: Ask<Command, Query>) {
        let input = Input::Request {
            session: Session(0),
            client: CLIENT,
            request_id: RequestId(request),
            body: Parcel::new(ask),
        };
        self.play(node, input);
    }

    fn end(mut self) -> Seen {
        for member in &self.members {
            let raft: &Raft<Cache> = member.as_any().downcast_ref().expect("raft-cache is Raft");
            let held = raft
                .log()
                .after(Index(0))
                .iter()
                .map(|entry| match &entry.payload {
                    Payload::Noop | Payload::Members(_) => None,
                    Payload::Command(submission) => Some(submission.request_id),
                });
            self.seen.logs.push(held.collect());
            self.seen.progress.push(member.progress());
        }
        self.seen
    }
}

fn append(suffix: &str) -> Ask<Command, Query> {
    Ask::Command(Command::Append {
        key: "k".into(),
        suffix: suffix.into(),
    })
}

/// The play: n1 leads and takes a command twice. Cut off, it takes three more in vain, while n2 comes to lead and takes four. Then n1 is
/// back, and gives up what it holds alone. At last the client reads.
fn play(change: Option<&str>) -> Seen {
    let mut stage = Stage::new(change);
    stage.fire(1, Timer::Election);
    stage.ask(1, 1, append("a"));
    stage.ask(1, 1, append("a"));
    stage.cut_off = Some(NodeId(1));
    for request in 2..=4 {
        stage.ask(1, request, append("lost"));
    }
    stage.fire(2, Timer::Election);
    for (request, suffix) in (5..=8).zip(["b", "c", "d", "e"]) {
        stage.ask(2, request, append(suffix));
    }
    stage.cut_off = None;
    stage.fire(2, Timer::Heartbeat);
    stage.ask(2, 9, Ask::Query(Query::Get { key: "k".into() }));
    stage.fire(2, Timer::Heartbeat);
    stage.end()
}

fn count(seen: &Seen, kind: &str) -> usize {
    seen.sent.iter().filter(|sent| sent.2 == kind).count()
}

fn noops(seen: &Seen) -> usize {
    seen.logs[0].iter().filter(|entry| entry.is_none()).count()
}

#[test]
fn with_any_change_the_play_ends_as_it_should() {
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    let changes = system.harmless().iter().map(|harmless| Some(harmless.id));
    for change in changes.chain([None]) {
        let seen = play(change);
        for request in [1, 5, 6, 7, 8] {
            let answer = seen.answers.get(&RequestId(request));
            assert_eq!(
                answer,
                Some(&Answer::Done(Told::Output(Output::Stored))),
                "{change:?}, request {request}"
            );
        }
        let read = seen.answers.get(&RequestId(9));
        let value = Answer::Done(Told::Output(Output::Value(Some("abcde".into()))));
        assert_eq!(read, Some(&value), "{change:?}");
        assert!(
            seen.logs.iter().all(|log| *log == seen.logs[0]),
            "{change:?}: {:?}",
            seen.logs
        );
        let length = seen.logs[0].len() as u64;
        assert_eq!(seen.progress, [length; 3], "{change:?}");
    }
}

#[test]
fn the_play_shows_every_kind_of_message_and_no_other() {
    let system = catalog::system("raft-cache").expect("there is raft-cache");
    let seen = play(None);
    for kind in system.message_kinds() {
        assert!(count(&seen, kind) > 0, "no message is of the kind {kind}");
    }
    let unknown = seen
        .sent
        .iter()
        .find(|sent| !system.message_kinds().contains(&sent.2));
    assert_eq!(unknown, None);
}

#[test]
fn an_extra_heartbeat_comes_after_half_the_time() {
    let [usual, changed] = [None, Some("harmless/extra-heartbeat")]
        .map(|change| play(change).heartbeat.expect("there was a leader"));
    assert_eq!(usual, DelayRange::from_ms(50, 50));
    assert_eq!(changed, DelayRange::from_ms(25, 25));
}

#[test]
fn what_is_sent_twice_goes_out_in_pairs() {
    let seen = play(Some("harmless/sent-twice"));
    assert!(seen.sent.chunks(2).all(|pair| pair[0] == pair[1]));
    assert!(seen.sent.len() >= 2 * play(None).sent.len());
}

#[test]
fn a_retry_that_is_logged_again_is_there_twice_and_runs_once() {
    let copies = |seen: &Seen| {
        let of_first = |entry: &&Option<RequestId>| **entry == Some(RequestId(1));
        seen.logs[0].iter().filter(of_first).count()
    };
    assert_eq!(copies(&play(None)), 1);
    assert_eq!(copies(&play(Some("harmless/retry-logged-again"))), 2);
}

#[test]
fn two_noops_begin_every_leadership() {
    assert_eq!(noops(&play(None)), 2);
    assert_eq!(noops(&play(Some("harmless/two-noops"))), 4);
}

#[test]
fn reversed_peers_are_asked_last_to_first() {
    let asked = |change| {
        let seen = play(change);
        [seen.sent[0].1, seen.sent[1].1]
    };
    assert_eq!(asked(None), [NodeId(2), NodeId(3)]);
    assert_eq!(
        asked(Some("harmless/peers-reversed")),
        [NodeId(3), NodeId(2)]
    );
}

#[test]
fn half_way_back_more_appends_are_refused() {
    let [usual, changed] =
        [None, Some("harmless/half-way-back")].map(|change| count(&play(change), "rejected"));
    assert!(
        usual > 0 && changed > usual,
        "{usual} refusals as usual, {changed} half way back"
    );
}
