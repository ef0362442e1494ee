//! The session client against servers made by hand: what it says, and what it makes of what it hears.

use super::super::{Client, Manner, NoDisk, Patience};
use super::*;
use stormglass_impls::contract::{ClientId, DelayRange, Node, Now};
use stormglass_impls::zookeeper::words::{Change, Done, Read, Stat, Watched, What};

const SESSION: SessionId = SessionId(7);

fn client() -> Client {
    let config = ClientConfig {
        id: ClientId(0),
        servers: 3,
        patience: Patience::default(),
        numbering: Numbering::Kept,
        manner: Manner::Session { timeout_ms: 900 },
    };
    Client::boot(&config, NoDisk, Now::default(), &mut Effects::default())
}

fn step(client: &mut Client, input: Input<Client>) -> Vec<Effect<Client>> {
    let mut effects = Effects::default();
    client.step(Now::default(), input, &mut effects);
    effects.as_slice().to_vec()
}

fn call(id: u64, call: &Call) -> Input<Client> {
    Input::Request {
        client: ClientId(0),
        session: Session(0),
        request_id: RequestId(id),
        body: write(call),
    }
}

fn read_of(what: What, path: &str) -> Request {
    Request::Read(Read {
        what,
        path: path.into(),
        watch: true,
    })
}

fn ask(id: u64) -> Input<Client> {
    call(id, &Call::Ask(read_of(What::Data, "/a")))
}

/// What the client says: to whom, under which number, what.
fn said(effects: &[Effect<Client>]) -> Vec<(u8, RequestId, Request)> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Send {
            to,
            message: ClientFrame::Call {
                request_id, body, ..
            },
        } => Some((to.0, *request_id, read(body).unwrap())),
        _ => None,
    });
    said.collect()
}

fn outcome(effects: &[Effect<Client>]) -> Option<Outcome> {
    effects.iter().find_map(|effect| match effect {
        Effect::Reply {
            answer: Answer::Done(outcome),
            ..
        } => Some(outcome.clone()),
        _ => None,
    })
}

fn returned(effects: &[Effect<Client>]) -> Returned {
    match outcome(effects) {
        Some(Outcome::Done(bytes)) => read(&bytes).unwrap(),
        other => panic!("{other:?} is no answer"),
    }
}

fn resets(effects: &[Effect<Client>]) -> bool {
    let is_reset = |effect: &Effect<Client>| matches!(effect, Effect::ResetLink(_));
    effects.iter().any(is_reset)
}

fn hear(from: u8, message: ClientFrame) -> Input<Client> {
    let from = NodeId(from);
    Input::Deliver { from, message }
}

fn answer(from: u8, request_id: RequestId, zxid: u64, body: Body) -> Input<Client> {
    let answer = Answer::Done(write(&Reply { zxid, body }));
    hear(from, ClientFrame::Answer { request_id, answer })
}

fn event(from: u8, event: &Event) -> Input<Client> {
    hear(from, ClientFrame::Event(write(event)))
}

fn fired(change: Change, path: &str, zxid: u64) -> Event {
    let path = path.into();
    Event::Fired { change, path, zxid }
}

fn data() -> Body {
    Body::Done(Ok(Done::Data("x".into(), Stat::default())))
}

/// A server accepts the connection that the client asks for in these effects.
fn accept(
    client: &mut Client,
    asked: &[Effect<Client>],
    session: SessionId,
) -> Vec<Effect<Client>> {
    let (server, number, request) = said(asked).remove(0);
    assert!(matches!(request, Request::Connect { .. }), "{request:?}");
    let timeout_ms = 600;
    step(
        client,
        answer(
            server,
            number,
            0,
            Body::Connected {
                session,
                timeout_ms,
            },
        ),
    )
}

fn retry(client: &mut Client) -> Vec<Effect<Client>> {
    step(client, Input::TimerFired(ClientTimer::Retry))
}

/// A client that is connected to its first server, with nothing open.
fn connected() -> Client {
    let mut client = client();
    let asked = step(&mut client, ask(1));
    accept(&mut client, &asked, SESSION);
    step(&mut client, answer(1, RequestId(1), 10, data()));
    client
}

#[test]
fn a_client_connects_and_then_asks_and_stays_connected() {
    let mut client = client();
    let asked = step(&mut client, ask(1));
    let connect = Request::Connect {
        session: None,
        timeout_ms: 900,
        seen: 0,
        told: 0,
        watches: Vec::new(),
    };
    assert_eq!(said(&asked), [(1, RequestId(1 << 63 | 1), connect)]);
    let accepted = accept(&mut client, &asked, SESSION);
    let request = read_of(What::Data, "/a");
    assert_eq!(said(&accepted), [(1, RequestId(1), request.clone())]);
    let done = step(&mut client, answer(1, RequestId(1), 10, data()));
    let expected = Returned {
        reply: Reply {
            zxid: 10,
            body: data(),
        },
        session: SESSION,
        server: NodeId(1),
        events: Vec::new(),
    };
    assert_eq!(returned(&done), expected);
    let next = step(&mut client, ask(2));
    assert_eq!(said(&next), [(1, RequestId(2), request)]);
}

#[test]
fn a_retry_goes_to_the_next_server_in_the_same_session_under_the_same_number() {
    let mut client = connected();
    step(&mut client, ask(2));
    let overdue = retry(&mut client);
    assert!(resets(&overdue), "an answer that comes late is not wanted");
    let asked = retry(&mut client);
    let [(2, number, Request::Connect { session, seen, .. })] = &said(&asked)[..] else {
        panic!("it connects to the next server: {asked:?}");
    };
    assert_eq!((*session, *seen), (Some(SESSION), 10));
    assert_eq!(*number, RequestId(1 << 63 | 2));
    let accepted = accept(&mut client, &asked, SESSION);
    assert_eq!(said(&accepted)[0].1, RequestId(2));
}

#[test]
fn a_server_that_is_behind_or_serves_nobody_is_left() {
    for body in [Body::Behind, Body::NotServing] {
        let mut client = client();
        let asked = step(&mut client, ask(1));
        let number = said(&asked)[0].1;
        let left = step(&mut client, answer(1, number, 0, body));
        assert_eq!((said(&left), outcome(&left)), (vec![], None));
        assert_eq!(said(&retry(&mut client))[0].0, 2);
    }
}

#[test]
fn an_operation_that_was_sent_in_a_session_that_expired_is_unknown() {
    let expired = [Body::Expired, Body::Done(Err(Error::SessionExpired))];
    for body in expired {
        let mut client = connected();
        step(&mut client, ask(2));
        let ended = step(&mut client, answer(1, RequestId(2), 11, body));
        assert_eq!(outcome(&ended), Some(Outcome::Unknown));
        let asked = step(&mut client, ask(3));
        let Request::Connect {
            session,
            seen,
            watches,
            timeout_ms,
            ..
        } = &said(&asked)[0].2
        else {
            panic!("it has no session: {asked:?}");
        };
        assert_eq!((*session, *seen, watches.len()), (None, 11, 0));
        assert_eq!(*timeout_ms, 900, "what it wants, not what it was granted");
    }
}

#[test]
fn an_operation_that_was_lost_with_a_connection_is_unknown_if_the_session_expires() {
    let mut client = connected();
    step(&mut client, ask(2));
    step(&mut client, Input::LinkDown(NodeId(1)));
    let number = said(&retry(&mut client))[0].1;
    let ended = step(&mut client, answer(2, number, 0, Body::Expired));
    assert_eq!(outcome(&ended), Some(Outcome::Unknown));
}

#[test]
fn an_operation_that_was_not_sent_goes_on_in_a_new_session() {
    let mut client = connected();
    step(&mut client, Input::LinkDown(NodeId(1)));
    step(&mut client, ask(2));
    let number = said(&retry(&mut client))[0].1;
    let asked = step(&mut client, answer(2, number, 0, Body::Expired));
    assert_eq!(outcome(&asked), None);
    let accepted = accept(&mut client, &asked, SessionId(8));
    assert_eq!(said(&accepted)[0].1, RequestId(2));
    let done = step(&mut client, answer(2, RequestId(2), 12, data()));
    assert_eq!(returned(&done).session, SessionId(8));
}

#[test]
fn what_watches_tell_before_an_answer_comes_with_it_in_order() {
    let mut client = connected();
    let told = [
        fired(Change::DataChanged, "/a", 11),
        fired(Change::Created, "/b", 12),
    ];
    step(&mut client, event(1, &told[0]));
    step(&mut client, ask(2));
    step(&mut client, event(1, &told[1]));
    let done = step(&mut client, answer(1, RequestId(2), 12, data()));
    assert_eq!(returned(&done).events, told);
    step(&mut client, ask(3));
    let done = step(&mut client, answer(1, RequestId(3), 12, data()));
    assert_eq!(returned(&done).events, [], "once");
}

#[test]
fn what_comes_from_an_older_connection_is_ignored() {
    let mut client = connected();
    step(&mut client, ask(2));
    retry(&mut client);
    for server in [2, 3] {
        // The others are down, and so the client comes back to the first.
        retry(&mut client);
        step(&mut client, Input::LinkDown(NodeId(server)));
    }
    let asked = retry(&mut client);
    assert_eq!(said(&asked)[0].0, 1);
    let stale = [
        answer(1, RequestId(2), 20, data()),
        event(1, &fired(Change::Deleted, "/a", 20)),
        event(1, &Event::Closed),
        answer(2, said(&asked)[0].1, 20, Body::Pong),
    ];
    for frame in stale {
        assert_eq!(step(&mut client, frame), []);
    }
    accept(&mut client, &asked, SESSION);
    let done = step(&mut client, answer(1, RequestId(2), 21, data()));
    assert_eq!(returned(&done).events, []);
}

#[test]
fn a_client_that_rests_says_nothing_and_then_takes_in_what_came() {
    let mut client = connected();
    let rests = step(&mut client, call(2, &Call::Rest { ms: 5_000 }));
    assert_eq!(said(&rests), []);
    let told = fired(Change::Deleted, "/a", 15);
    let silent = [
        Input::TimerFired(ClientTimer::Ping),
        event(1, &told),
        event(1, &Event::Closed),
    ];
    for input in silent {
        assert_eq!(step(&mut client, input), []);
    }
    let woken = step(&mut client, Input::TimerFired(ClientTimer::Rest));
    assert_eq!(said(&woken)[0].2, Request::Ping, "first what was due");
    assert!(resets(&woken), "then that the server closed the connection");
    let rested = returned(&woken);
    assert_eq!((rested.reply.zxid, rested.events), (15, vec![told]));
    assert_eq!(said(&retry(&mut client))[0].0, 2, "it keeps its session");
}

#[test]
fn an_idle_client_gives_signs_of_life_and_leaves_a_server_that_gives_none() {
    let mut client = connected();
    let ping = |client: &mut Client| step(client, Input::TimerFired(ClientTimer::Ping));
    let pinged = ping(&mut client);
    let [(1, number, Request::Ping)] = said(&pinged)[..] else {
        panic!("it says that it lives: {pinged:?}");
    };
    let again = Effect::SetTimer {
        timer: ClientTimer::Ping,
        range: DelayRange::from_ms(200, 200),
    };
    assert!(pinged.contains(&again), "a third of what was granted");
    let answered = step(&mut client, answer(1, number, 30, Body::Pong));
    assert_eq!(said(&answered), []);
    ping(&mut client);
    let overdue = step(&mut client, Input::TimerFired(ClientTimer::Pong));
    assert!(resets(&overdue));
    assert_eq!(said(&retry(&mut client))[0].0, 2);
}

#[test]
fn watches_are_handed_to_the_next_server_until_they_fire() {
    let mut client = connected(); // It watches the data of /a.
    let reads = [
        (What::Exists, "/b", Done::Exists(None)),
        (What::Exists, "/c", Done::Exists(Some(Stat::default()))),
        (
            What::Children,
            "/d",
            Done::Children(vec![], Stat::default()),
        ),
        (
            What::Children,
            "/e",
            Done::Children(vec![], Stat::default()),
        ),
    ];
    for (id, (what, path, done)) in (2..).zip(reads) {
        step(&mut client, call(id, &Call::Ask(read_of(what, path))));
        step(
            &mut client,
            answer(1, RequestId(id), 11, Body::Done(Ok(done))),
        );
    }
    step(&mut client, ask(9));
    let error = Body::Done(Err(Error::NoNode));
    step(&mut client, answer(1, RequestId(9), 11, error));
    step(&mut client, event(1, &fired(Change::DataChanged, "/d", 12)));
    step(
        &mut client,
        event(1, &fired(Change::ChildrenChanged, "/c", 12)),
    );
    step(&mut client, event(1, &fired(Change::Deleted, "/e", 12)));
    step(&mut client, Input::LinkDown(NodeId(1)));
    let asked = retry(&mut client);
    let Request::Connect {
        seen,
        told,
        watches,
        ..
    } = &said(&asked)[0].2
    else {
        panic!("it connects: {asked:?}");
    };
    let watch = |what, path: &str| Watch {
        what,
        path: path.into(),
    };
    let expected = [
        watch(Watched::Data, "/a"),
        watch(Watched::Data, "/c"),
        watch(Watched::Exists, "/b"),
        watch(Watched::Children, "/d"),
    ];
    assert_eq!((*seen, *told, &watches[..]), (12, 11, &expected[..]));
}

/// What is the newest that the client has heard of, and up to where it was told what happened to its watches, when it connects anew.
fn heard_of(client: &mut Client) -> (u64, u64, Vec<Effect<Client>>) {
    let asked = retry(client);
    match said(&asked)[..] {
        [(_, _, Request::Connect { seen, told, .. })] => (seen, told, asked),
        _ => panic!("it connects: {asked:?}"),
    }
}

#[test]
fn only_what_comes_in_answer_to_what_was_asked_shows_that_no_event_is_missing() {
    let mut client = connected(); // It watches the data of /a, and was told of all up to 10.
    step(&mut client, Input::LinkDown(NodeId(1)));
    let (seen, told, asked) = heard_of(&mut client);
    assert_eq!((seen, told), (10, 10));
    // That /a has changed would be told with the connection, which breaks before.
    let (server, number, _) = said(&asked)[0];
    let connected = Body::Connected {
        session: SESSION,
        timeout_ms: 600,
    };
    step(&mut client, answer(server, number, 20, connected.clone()));
    step(&mut client, Input::LinkDown(NodeId(server)));
    let (seen, told, asked) = heard_of(&mut client);
    assert_eq!((seen, told), (20, 10), "no event has come since 10");
    // Of two events the second is lost.
    let (server, number, _) = said(&asked)[0];
    step(&mut client, answer(server, number, 20, connected.clone()));
    let first = fired(Change::DataChanged, "/b", 25);
    step(&mut client, event(server, &first));
    step(&mut client, Input::LinkDown(NodeId(server)));
    let (seen, told, asked) = heard_of(&mut client);
    assert_eq!((seen, told), (25, 10), "another may have come at 25");
    // Behind the events comes the answer to a sign of life. One to an operation may be older: it was done long ago.
    let (server, number, _) = said(&asked)[0];
    step(&mut client, answer(server, number, 25, connected));
    let pinged = step(&mut client, Input::TimerFired(ClientTimer::Ping));
    let number = said(&pinged)[0].1;
    step(&mut client, answer(server, number, 26, Body::Pong));
    step(&mut client, ask(2));
    step(&mut client, answer(server, RequestId(2), 24, data()));
    step(&mut client, Input::LinkDown(NodeId(server)));
    let (seen, told, _) = heard_of(&mut client);
    assert_eq!((seen, told), (26, 26));
}

#[test]
fn a_server_with_no_time_is_asked_again_on_the_same_connection() {
    let mut client = connected();
    step(&mut client, ask(2));
    let busy = hear(
        1,
        ClientFrame::Answer {
            request_id: RequestId(2),
            answer: Answer::Refused(Refusal::Overloaded { retry_after_ms: 5 }),
        },
    );
    assert_eq!(said(&step(&mut client, busy)), []);
    let again = said(&retry(&mut client));
    assert_eq!((again[0].0, again[0].1), (1, RequestId(2)));
}

#[test]
fn at_the_deadline_the_connection_is_given_up_too() {
    let mut client = connected();
    step(&mut client, ask(2));
    let ended = step(&mut client, Input::TimerFired(ClientTimer::Deadline));
    assert_eq!(outcome(&ended), Some(Outcome::Unknown));
    assert!(resets(&ended));
    let late = answer(1, RequestId(2), 11, data());
    assert_eq!(step(&mut client, late), []);
    assert_eq!(said(&retry(&mut client))[0].0, 2);
}

#[test]
fn a_client_that_closes_its_session_begins_anew() {
    let mut client = connected();
    step(&mut client, call(2, &Call::Ask(Request::Write(Op::Close))));
    let closed = Body::Done(Ok(Done::Fine));
    let done = step(&mut client, answer(1, RequestId(2), 11, closed));
    assert_eq!(returned(&done).session, SESSION);
    assert!(resets(&done));
    let asked = step(&mut client, ask(3));
    let Request::Connect {
        session, watches, ..
    } = &said(&asked)[0].2
    else {
        panic!("it connects: {asked:?}");
    };
    assert_eq!((*session, watches.len()), (None, 0));
}
