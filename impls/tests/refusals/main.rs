//! What a refusal claims, it keeps. Each kind is forced on real Raft nodes; then everything that is under way arrives, and the machines
//! are looked at. A request that was refused for certain never runs. One whose fate is unknown is shown both ways. What can be asked again
//! under the same number is asked again, and runs once.
//!
//! The last test does the same at random, for many requests at once.

mod cluster;

use cluster::{CLIENT, Cluster, OPERATOR, Request, append, set};
use std::collections::BTreeSet;
use std::mem::discriminant;
use stormglass_impls::contract::{Answer, ClientId, NodeId, Refusal, RequestId, Session};
use stormglass_impls::knobs::Knobs;
use stormglass_impls::machine::cache::{Output, Query};
use stormglass_impls::manage::Manage;
use stormglass_impls::raft::message::Timer;
use stormglass_impls::session::{Ask, Told};

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);
const N4: NodeId = NodeId(4);

/// A request that was refused.
struct Forced {
    /// How it came to that.
    how: &'static str,
    cluster: Cluster,
    request: Request,
    /// How often the request will have run when everything has arrived: an earlier attempt may have been carried out, and of a refusal
    /// that is not certain this is the part that it leaves open.
    runs: usize,
}

/// Forces a kind of refusal, in every way that is known.
fn force(kind: Refusal) -> Vec<Forced> {
    match kind {
        Refusal::NotLeader { .. } => vec![at_a_follower(), at_a_candidate()],
        Refusal::LeadershipLost => vec![lost_and_carried_out(), lost_and_gone()],
        Refusal::Overloaded { .. } => vec![too_many_wait(), too_many_bytes_wait()],
        Refusal::SessionOpened { .. } => vec![without_a_session()],
        Refusal::SessionExpired => vec![expired_before_it_ran(), expired_after_it_ran()],
        Refusal::ChangeUnderWay => vec![
            command_while_handing_over(),
            members_on_their_way(),
            transfer_given_up(),
        ],
        Refusal::Senseless => vec![
            senseless("no voters", Manage::Members(set([]))),
            senseless(
                "a voter that is none",
                Manage::Members(set([N1, NodeId(7)])),
            ),
            senseless("to a node that is none", Manage::Transfer(NodeId(7))),
            senseless("to a node without a vote", Manage::Transfer(N4)),
        ],
    }
}

fn command(session: u64) -> Request {
    append(CLIENT, session, "x")
}

fn operator(manage: Manage) -> Request {
    Request {
        client: OPERATOR,
        session: Session(0),
        request_id: RequestId(1),
        body: Ask::Manage(manage),
    }
}

/// Three nodes, the first leads, and all know all.
fn led(knobs: Knobs) -> Cluster {
    let mut cluster = Cluster::new(3, 3, knobs);
    cluster.elect(N1);
    cluster.converge();
    cluster
}

fn at_a_follower() -> Forced {
    let (mut cluster, request) = (led(Knobs::default()), command(0));
    cluster.ask(N2, &request);
    Forced {
        how: "asked a follower",
        cluster,
        request,
        runs: 0,
    }
}

fn at_a_candidate() -> Forced {
    let (mut cluster, request) = (led(Knobs::default()), command(0));
    cluster.cut(N3);
    cluster.fire(N3, Timer::Election);
    cluster.ask(N3, &request);
    Forced {
        how: "asked a candidate",
        cluster,
        request,
        runs: 0,
    }
}

/// n2 has the entry and leads next, and commits it.
fn lost_and_carried_out() -> Forced {
    let (mut cluster, request) = (led(Knobs::default()), command(0));
    cluster.ask(N1, &request);
    cluster.deliver_to(N2);
    cluster.cut(N1);
    cluster.elect(N2);
    cluster.mend();
    cluster.fire(N2, Timer::Heartbeat);
    cluster.deliver_to(N1);
    Forced {
        how: "deposed, and the next leader has the entry",
        cluster,
        request,
        runs: 1,
    }
}

/// Nobody but n1 ever has the entry.
fn lost_and_gone() -> Forced {
    let (mut cluster, request) = (led(Knobs::default()), command(0));
    cluster.cut(N1);
    cluster.ask(N1, &request);
    cluster.elect(N2);
    cluster.mend();
    cluster.fire(N2, Timer::Heartbeat);
    cluster.deliver_to(N1);
    Forced {
        how: "deposed, and nobody else has the entry",
        cluster,
        request,
        runs: 0,
    }
}

fn too_many_wait() -> Forced {
    overload(
        "as many as may wait do",
        Knobs {
            uncommitted_max: 1,
            ..Knobs::default()
        },
    )
}

fn too_many_bytes_wait() -> Forced {
    overload(
        "as many bytes as may wait do",
        Knobs {
            uncommitted_bytes_max: 1,
            ..Knobs::default()
        },
    )
}

fn overload(how: &'static str, knobs: Knobs) -> Forced {
    let (mut cluster, request) = (led(knobs), command(0));
    cluster.ask(N1, &append(ClientId(2), 0, "y"));
    cluster.ask(N1, &request);
    Forced {
        how,
        cluster,
        request,
        runs: 0,
    }
}

const SESSION_MS: u64 = 1_000;

fn with_sessions() -> Cluster {
    led(Knobs {
        session_ms: SESSION_MS,
        ..Knobs::default()
    })
}

fn without_a_session() -> Forced {
    let (mut cluster, request) = (with_sessions(), command(0));
    cluster.ask(N1, &request);
    cluster.deliver_all();
    Forced {
        how: "named no session where sessions expire",
        cluster,
        request,
        runs: 0,
    }
}

/// A session that has expired by now; in it, a command ran if `ran`.
fn expired(how: &'static str, ran: bool) -> Forced {
    let mut cluster = with_sessions();
    cluster.ask(N1, &command(0));
    cluster.deliver_all();
    let Some(Refusal::SessionOpened { session }) = cluster.refused(CLIENT) else {
        panic!("a session is opened");
    };
    let request = command(session.0);
    if ran {
        cluster.ask(N1, &request);
        cluster.deliver_all();
        assert_eq!(
            cluster.answer(CLIENT),
            Some(&Answer::Done(Told::Output(Output::Stored)))
        );
    }
    cluster.pass_ms(SESSION_MS + 1);
    cluster.ask(N1, &append(ClientId(2), 0, "y"));
    cluster.deliver_all();
    cluster.ask(N1, &request);
    cluster.deliver_all();
    Forced {
        how,
        cluster,
        request,
        runs: usize::from(ran),
    }
}

fn expired_before_it_ran() -> Forced {
    expired("silent for too long, and nothing was asked before", false)
}

fn expired_after_it_ran() -> Forced {
    expired(
        "silent for too long, and an earlier attempt was carried out",
        true,
    )
}

fn command_while_handing_over() -> Forced {
    let (mut cluster, request) = (led(Knobs::default()), command(0));
    cluster.cut(N2);
    cluster.ask(N1, &append(ClientId(2), 0, "y"));
    cluster.ask(N1, &operator(Manage::Transfer(N2)));
    cluster.ask(N1, &request);
    Forced {
        how: "asked a leader that is handing over",
        cluster,
        request,
        runs: 0,
    }
}

fn members_on_their_way() -> Forced {
    let mut cluster = Cluster::new(4, 3, Knobs::default());
    cluster.elect(N1);
    cluster.converge();
    let request = operator(Manage::Members(set([N1, N2, N4])));
    cluster.ask(N1, &request);
    Forced {
        how: "asked for other members",
        cluster,
        request,
        runs: 0,
    }
}

fn transfer_given_up() -> Forced {
    let (mut cluster, request) = (led(Knobs::default()), operator(Manage::Transfer(N2)));
    cluster.cut(N2);
    cluster.ask(N1, &append(ClientId(2), 0, "y"));
    cluster.ask(N1, &request);
    assert_eq!(cluster.answer(OPERATOR), None, "it tries for a while");
    cluster.fire(N1, Timer::Transfer);
    Forced {
        how: "the node that was to lead did not answer",
        cluster,
        request,
        runs: 0,
    }
}

fn senseless(how: &'static str, manage: Manage) -> Forced {
    let (mut cluster, request) = (Cluster::new(4, 3, Knobs::default()), operator(manage));
    cluster.elect(N1);
    cluster.converge();
    cluster.ask(N1, &request);
    Forced {
        how,
        cluster,
        request,
        runs: 0,
    }
}

/// A refusal that is certain changes no machine, whatever arrives later and whoever comes back from its disk.
#[test]
fn what_is_refused_for_certain_never_runs_and_what_is_not_may_have() {
    for kind in Refusal::ALL {
        let mut open = [false, false];
        for Forced {
            how,
            mut cluster,
            request,
            runs,
        } in force(*kind)
        {
            let refusal = cluster.refused(request.client);
            let refusal = refusal.unwrap_or_else(|| panic!("{kind:?}: {how}: it is not refused"));
            assert_eq!(
                discriminant(&refusal),
                discriminant(kind),
                "{how}: {refusal:?}"
            );
            cluster.converge();
            cluster.crash_all();
            cluster.converge();
            for (node, ran) in cluster.runs("x") {
                assert_eq!(ran, runs, "{kind:?}: {how}: at {node}");
            }
            open[usize::from(runs > 0)] = true;
        }
        let claim = kind.claim();
        match (claim.definite, kind) {
            (false, _) => assert_eq!(open, [true, true], "{}: shown both ways", claim.name),
            // It is this attempt that certainly does not run.
            (true, Refusal::SessionExpired) => assert_eq!(open, [true, true]),
            (true, _) => assert_eq!(open, [true, false], "{}", claim.name),
        }
    }
}

#[test]
fn what_may_be_asked_again_runs_once_and_what_may_not_is_refused_again() {
    for kind in Refusal::ALL {
        let claim = kind.claim();
        for Forced {
            how,
            mut cluster,
            mut request,
            runs,
        } in force(*kind)
        {
            let refused = cluster.refused(request.client).expect("it is refused");
            if let Refusal::SessionOpened { session } = refused {
                request.session = session;
            }
            let mut answer = Answer::Refused(refused);
            for _ in 0..10 {
                let leader = cluster.converge();
                cluster.ask(leader, &request);
                cluster.deliver_all();
                answer = cluster
                    .answer(request.client)
                    .expect("it is answered")
                    .clone();
                if !matches!(answer, Answer::Refused(_)) {
                    break;
                }
            }
            let leader = cluster.converge();
            let is_command = matches!(request.body, Ask::Command(_));
            let expected = match (claim.retryable, answer) {
                (true, Answer::Done(_)) => usize::from(is_command),
                (false, Answer::Refused(again)) => {
                    assert_eq!(discriminant(&again), discriminant(kind), "{how}: {again:?}");
                    runs
                }
                (_, other) => panic!("{}: {how}: asked again, it says {other:?}", claim.name),
            };
            for (node, ran) in cluster.runs("x") {
                assert_eq!(ran, expected, "{}: {how}: at {node}", claim.name);
            }
            match (claim.retryable, &request.body) {
                (true, Ask::Manage(Manage::Members(goal))) => {
                    assert_eq!(cluster.node(leader).members().voters, *goal);
                }
                (true, Ask::Manage(Manage::Transfer(to))) => assert_eq!(leader, *to, "{how}"),
                _ => {}
            }
        }
    }
}

/// A read leaves nothing behind, so whatever refuses it, it can be asked again.
#[test]
fn a_read_that_waits_is_refused_when_its_leader_is_deposed() {
    let mut cluster = led(Knobs::default());
    cluster.cut(N1);
    let read = Request {
        body: Ask::Query(Query::Get {
            key: "k".to_string(),
        }),
        ..command(0)
    };
    cluster.ask(N1, &read);
    cluster.elect(N2);
    cluster.mend();
    cluster.fire(N2, Timer::Heartbeat);
    cluster.deliver_to(N1);
    let refused = cluster.refused(CLIENT);
    assert!(
        matches!(refused, Some(Refusal::NotLeader { .. })),
        "{refused:?}"
    );
    cluster.ask(N2, &read);
    cluster.deliver_all();
    assert_eq!(
        cluster.answer(CLIENT),
        Some(&Answer::Done(Told::Output(Output::Value(None))))
    );
}

/// An operator who was told that the leader hands over is told nothing else when it steps down.
#[test]
fn a_transfer_is_answered_once() {
    let mut cluster = led(Knobs::default());
    cluster.ask(N1, &operator(Manage::Transfer(N2)));
    cluster.deliver_all();
    assert!(cluster.node(N2).is_leader());
    let answers = cluster
        .answers
        .iter()
        .filter(|(client, ..)| *client == OPERATOR);
    let answers: Vec<_> = answers.map(|(.., answer)| answer.clone()).collect();
    assert_eq!(answers, [Answer::Done(Told::Managed)]);
}

/// Numbers that look random (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// A request with a word of its own, by a client of its own.
struct Tried {
    request: Request,
    word: String,
    /// An attempt was not refused for certain then and there.
    open: bool,
    /// Where the answers to it begin.
    from: usize,
}

/// What the random run adds to the known ways: requests that are refused here and taken there, messages lost, and nodes that crash.
#[test]
fn at_random_no_claim_is_broken() {
    let mut seen = [0_usize; 3];
    let mut kinds = BTreeSet::new();
    for seed in 1..=300_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let knobs = Knobs {
            uncommitted_max: 2,
            snapshot_every: [0, 3][seed as usize % 2],
            entries_kept: 1,
            check_quorum: seed % 3 == 0,
            pre_vote: seed % 5 == 0,
            ..Knobs::default()
        };
        let mut cluster = Cluster::new(3, 3, knobs);
        let mut tried: Vec<Tried> = Vec::new();
        for _ in 0..400 {
            let node = NodeId(1 + dice.below(3) as u8);
            match dice.below(40) {
                0 => cluster.crash(node),
                1 => cluster.restart(node),
                2 => cluster.cut(node),
                3..5 => cluster.mend(),
                5..7 => cluster.fire(node, Timer::Election),
                7..10 => cluster.fire(node, Timer::Heartbeat),
                10 => cluster.ask(
                    node,
                    &operator(Manage::Transfer(NodeId(1 + dice.below(3) as u8))),
                ),
                11 => cluster.fire(node, Timer::Transfer),
                12..16 => {
                    let node = cluster
                        .leader()
                        .filter(|_| dice.below(2) == 0)
                        .unwrap_or(node);
                    let word = format!("<{}>", tried.len());
                    let request = append(ClientId(100 + tried.len() as u32), 0, &word);
                    let from = cluster.answers.len();
                    tried.push(Tried {
                        request,
                        word,
                        open: false,
                        from,
                    });
                    attempt(&mut cluster, node, tried.last_mut().unwrap());
                }
                16..18 if !tried.is_empty() => {
                    let again = dice.below(tried.len());
                    attempt(&mut cluster, node, &mut tried[again]);
                }
                18 => cluster.lose(dice.below(8)),
                _ => (0..3).for_each(|_| cluster.deliver_one()),
            }
        }
        cluster.converge();
        cluster.crash_all();
        cluster.converge();
        let refusals = cluster
            .answers
            .iter()
            .filter_map(|(.., answer)| match answer {
                Answer::Refused(refusal) => Some(refusal.claim().name),
                Answer::Done(_) => None,
            });
        kinds.extend(refusals);
        for Tried {
            request,
            word,
            open,
            from,
        } in &tried
        {
            let answers = cluster.answers[*from..].iter();
            let answers: Vec<_> = answers
                .filter(|(client, ..)| *client == request.client)
                .collect();
            let done = answers
                .iter()
                .any(|(.., answer)| matches!(answer, Answer::Done(_)));
            for (node, ran) in cluster.runs(word) {
                let fits = match (done, open) {
                    (true, _) => ran == 1,
                    (false, true) => ran <= 1,
                    (false, false) => ran == 0,
                };
                assert!(
                    fits,
                    "seed {seed}: {word} ran {ran} times at {node}: {answers:?}"
                );
                seen[usize::from(*open) + usize::from(done)] += 1;
            }
        }
    }
    println!("certainly not, perhaps, certainly: {seen:?}; {kinds:?}");
    for kind in [
        "not-leader",
        "leadership-lost",
        "overloaded",
        "change-under-way",
    ] {
        assert!(kinds.contains(kind), "{kind} never came up");
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

/// Asks, and notes whether that leaves open what happens.
fn attempt(cluster: &mut Cluster, node: NodeId, tried: &mut Tried) {
    let before = cluster.answers.len();
    if !cluster.is_up(node) {
        return;
    }
    cluster.ask(node, &tried.request);
    let answer = cluster.answers[before..].last();
    let certain = answer.is_some_and(|(.., answer)| match answer {
        Answer::Refused(refusal) => refusal.claim().definite,
        Answer::Done(_) => false,
    });
    tried.open |= !certain;
}
