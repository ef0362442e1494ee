//! The member client against members made by hand: what it says, and what it makes of what it hears.

use super::super::{Client, Manner, NoDisk, Patience};
use super::*;
use stormglass_impls::contract::{ClientId, DelayRange, Node, Now};
use stormglass_impls::etcd::words::{
    Change, Header, Identity, KeyValue, Keys, Op, Put, Range, Revision, Watch, WatchId,
};

fn client_of(servers: u8) -> Client {
    let config = ClientConfig {
        id: ClientId(0),
        servers,
        patience: Patience::default(),
        numbering: Numbering::Kept,
        manner: Manner::Member,
    };
    Client::boot(&config, NoDisk, Now::default(), &mut Effects::default())
}

fn client() -> Client {
    client_of(3)
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

fn nobody(ask: Ask) -> Request {
    Request { as_user: None, ask }
}

fn get() -> Request {
    nobody(Ask::Range(Range::of(Keys::one("a"))))
}

fn ask(id: u64) -> Input<Client> {
    call(id, &Call::Ask(get()))
}

fn watch(watch: WatchId, start_revision: Revision) -> Request {
    nobody(Ask::Watch(Watch {
        watch,
        keys: Keys::prefix("a"),
        start_revision,
        prev_kv: true,
        progress_notify: false,
        fragment: true,
    }))
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

fn own(number: u64) -> RequestId {
    RequestId(OWN_REQUESTS.0 | number)
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

fn is_reset(effects: &[Effect<Client>], server: u8) -> bool {
    effects.contains(&Effect::ResetLink(NodeId(server)))
}

fn hear(from: u8, message: ClientFrame) -> Input<Client> {
    let from = NodeId(from);
    Input::Deliver { from, message }
}

fn reply(result: Result<Done, Error>) -> Reply {
    let header = Header {
        cluster: 1,
        revision: 10,
        term: 1,
    };
    Reply { header, result }
}

fn answer(from: u8, request_id: RequestId, result: Result<Done, Error>) -> Input<Client> {
    let answer = Answer::Done(write(&reply(result)));
    hear(from, ClientFrame::Answer { request_id, answer })
}

fn refuse(from: u8, request_id: RequestId, refusal: Refusal) -> Input<Client> {
    let answer = Answer::Refused(refusal);
    hear(from, ClientFrame::Answer { request_id, answer })
}

fn event(from: u8, event: &Event) -> Input<Client> {
    hear(from, ClientFrame::Event(write(event)))
}

fn nothing() -> Result<Done, Error> {
    Ok(Done::Range {
        kvs: Vec::new(),
        count: 0,
    })
}

fn watching(start_revision: Revision) -> Result<Done, Error> {
    Ok(Done::Watch { start_revision })
}

/// A watch tells of changes of some keys, each at the revision beside it.
fn changes(watch: WatchId, all: &[(&str, Revision)], fragment: bool) -> Event {
    let change = |(key, revision): &(&str, Revision)| Change {
        kv: KeyValue {
            key: key.to_string(),
            value: "x".into(),
            create_revision: 2,
            mod_revision: *revision,
            version: 1,
            lease: 0,
        },
        prev_kv: None,
    };
    Event::Changes {
        watch,
        revision: 20,
        changes: all.iter().map(change).collect(),
        fragment,
    }
}

fn fire(client: &mut Client, timer: ClientTimer) -> Vec<Effect<Client>> {
    step(client, Input::TimerFired(timer))
}

fn retry(client: &mut Client) -> Vec<Effect<Client>> {
    fire(client, ClientTimer::Retry)
}

/// The watches that a client begins in these effects: their numbers, and from where.
fn begun(effects: &[Effect<Client>]) -> Vec<(WatchId, Revision)> {
    let begun = said(effects);
    let begun = begun.into_iter().filter_map(|(_, _, request)| {
        let Ask::Watch(watch) = request.ask else {
            return None;
        };
        Some((watch.watch, watch.start_revision))
    });
    begun.collect()
}

/// A client whose first member has begun its watch 7, from revision 11 on.
fn watcher() -> Client {
    let mut client = client();
    let asked = step(&mut client, call(1, &Call::Ask(watch(7, 0))));
    assert_eq!(said(&asked), [(1, own(1), watch(7, 0))]);
    step(&mut client, answer(1, own(1), watching(11)));
    client
}

/// What the watches have told by the end of another operation, which a member answers.
fn heard(client: &mut Client, id: u64, from: u8) -> Vec<Event> {
    step(client, ask(id));
    let done = step(client, answer(from, RequestId(id), nothing()));
    returned(&done).events
}

#[test]
fn a_client_asks_its_member_and_hands_back_what_that_says() {
    let mut client = client();
    let asked = step(&mut client, ask(1));
    assert_eq!(said(&asked), [(1, RequestId(1), get())]);
    let done = step(&mut client, answer(1, RequestId(1), nothing()));
    let expected = Returned {
        reply: Some(reply(nothing())),
        server: NodeId(1),
        events: Vec::new(),
    };
    assert_eq!(returned(&done), expected);
    assert_eq!(said(&step(&mut client, ask(2)))[0].0, 1);
}

#[test]
fn a_retry_goes_to_the_next_member_after_a_pause_under_the_same_number() {
    let not_leader = Refusal::NotLeader {
        leader: Some(NodeId(3)),
    };
    let reasons = [
        Input::TimerFired(ClientTimer::Retry),
        Input::LinkDown(NodeId(1)),
        refuse(1, RequestId(1), not_leader),
        refuse(1, RequestId(1), Refusal::LeadershipLost),
    ];
    for reason in reasons {
        let mut client = client();
        step(&mut client, ask(1));
        let left = step(&mut client, reason);
        assert!(
            is_reset(&left, 1),
            "an answer that comes late is not wanted"
        );
        assert_eq!((said(&left), outcome(&left)), (vec![], None));
        let late = answer(1, RequestId(1), nothing());
        assert_eq!(step(&mut client, late), []);
        assert_eq!(said(&retry(&mut client)), [(2, RequestId(1), get())]);
    }
}

#[test]
fn an_error_of_the_service_is_an_answer() {
    let mut client = client();
    step(&mut client, ask(1));
    let error = Err(Error::FutureRevision);
    let done = step(&mut client, answer(1, RequestId(1), error.clone()));
    assert_eq!(returned(&done).reply, Some(reply(error)));
}

#[test]
fn a_member_with_no_time_is_asked_again_when_it_has() {
    let mut client = client();
    step(&mut client, ask(1));
    let busy = Refusal::Overloaded { retry_after_ms: 70 };
    let waits = step(&mut client, refuse(1, RequestId(1), busy));
    let pause = Effect::SetTimer {
        timer: ClientTimer::Retry,
        range: DelayRange::from_ms(70, 70),
    };
    assert_eq!(waits, [pause]);
    assert_eq!(said(&retry(&mut client)), [(1, RequestId(1), get())]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut client = client();
    step(&mut client, ask(1));
    let done = step(&mut client, refuse(1, RequestId(1), Refusal::Senseless));
    let refused = Some(Outcome::Refused(Refusal::Senseless));
    assert_eq!(outcome(&done), refused);
    let senseless = Input::Request {
        client: ClientId(0),
        session: Session(0),
        request_id: RequestId(2),
        body: Vec::new(),
    };
    assert_eq!(outcome(&step(&mut client, senseless)), refused);
}

#[test]
fn where_sessions_expire_a_client_opens_one() {
    let session_of = |effects: &[Effect<Client>]| match effects {
        [
            Effect::Send {
                message: ClientFrame::Call { session, .. },
                ..
            },
            ..,
        ] => *session,
        other => panic!("{other:?} asks nothing"),
    };
    let mut client = client();
    step(&mut client, ask(1));
    let opened = |session| Refusal::SessionOpened {
        session: Session(session),
    };
    let again = step(&mut client, refuse(1, RequestId(1), opened(5)));
    assert_eq!(session_of(&again), Session(5));
    let late = refuse(1, RequestId(1), opened(6));
    assert_eq!(step(&mut client, late), [], "it may have run in the first");
    let expired = refuse(1, RequestId(1), Refusal::SessionExpired);
    let ended = step(&mut client, expired);
    assert_eq!(outcome(&ended), Some(Outcome::Unknown));
    let next = step(&mut client, ask(2));
    let asked = next
        .iter()
        .skip_while(|effect| !matches!(effect, Effect::Send { .. }));
    let asked: Vec<_> = asked.cloned().collect();
    assert_eq!(session_of(&asked), Session(0));
}

#[test]
fn at_the_deadline_the_outcome_is_unknown_and_the_connection_is_given_up() {
    let mut client = client();
    step(&mut client, ask(1));
    let ended = fire(&mut client, ClientTimer::Deadline);
    assert_eq!(outcome(&ended), Some(Outcome::Unknown));
    assert!(is_reset(&ended, 1));
    let next = step(&mut client, ask(2));
    assert_eq!(said(&next), [(2, RequestId(2), get())], "without a pause");
    let late = answer(2, RequestId(1), nothing());
    assert_eq!(step(&mut client, late), []);
}

#[test]
fn a_deadline_in_a_pause_ends_the_pause() {
    let mut client = client();
    step(&mut client, ask(1));
    step(&mut client, Input::LinkDown(NodeId(1)));
    let ended = fire(&mut client, ClientTimer::Deadline);
    assert_eq!(outcome(&ended), Some(Outcome::Unknown));
    assert!(!is_reset(&ended, 2), "nothing is awaited there");
    assert!(ended.contains(&Effect::CancelTimer(ClientTimer::Retry)));
    assert_eq!(said(&step(&mut client, ask(2)))[0].0, 2);
}

#[test]
fn what_watches_tell_comes_with_the_next_answer_as_it_was_told() {
    let mut client = watcher();
    let told = [
        changes(7, &[("a", 13)], false),
        changes(7, &[("a", 12)], false),
        changes(7, &[("a", 12)], false),
        Event::Progress {
            watch: 7,
            revision: 15,
        },
    ];
    for one in &told {
        assert_eq!(step(&mut client, event(1, one)), []);
    }
    step(&mut client, event(1, &changes(8, &[("a", 14)], false)));
    assert_eq!(heard(&mut client, 2, 1), told);
    assert_eq!(heard(&mut client, 3, 1), [], "once");
}

#[test]
fn a_watch_goes_on_at_the_next_member_where_it_was_told_to() {
    let told = [
        (changes(7, &[("a", 12), ("b", 14)], false), 15),
        (changes(7, &[("a", 12), ("b", 14)], true), 11),
        (
            Event::Progress {
                watch: 7,
                revision: 16,
            },
            17,
        ),
    ];
    for (one, next) in told {
        let mut client = watcher();
        step(&mut client, event(1, &one));
        let left = step(&mut client, Input::LinkDown(NodeId(1)));
        assert_eq!(said(&left), [], "after a pause");
        let again = retry(&mut client);
        assert_eq!(said(&again), [(2, own(2), watch(7, next))]);
    }
    let mut client = watcher();
    step(&mut client, Input::LinkDown(NodeId(1)));
    let again = begun(&retry(&mut client));
    assert_eq!(again, [(7, 11)], "where the answer said that it begins");
}

#[test]
fn fragments_are_put_together_and_those_of_a_broken_connection_are_dropped() {
    let mut client = watcher();
    step(&mut client, event(1, &changes(7, &[("a", 12)], true)));
    step(&mut client, event(1, &changes(7, &[("b", 12)], true)));
    assert_eq!(heard(&mut client, 2, 1), []);
    step(&mut client, event(1, &changes(7, &[("c", 12)], false)));
    let whole = changes(7, &[("a", 12), ("b", 12), ("c", 12)], false);
    assert_eq!(heard(&mut client, 3, 1), [whole]);
    step(&mut client, event(1, &changes(7, &[("a", 13)], true)));
    step(&mut client, Input::LinkDown(NodeId(1)));
    assert_eq!(begun(&retry(&mut client)), [(7, 13)]);
    step(&mut client, answer(2, own(2), watching(13)));
    let last = changes(7, &[("b", 13)], false);
    step(&mut client, event(2, &last));
    assert_eq!(heard(&mut client, 4, 2), [last]);
}

#[test]
fn the_operation_follows_the_watches() {
    let mut client = watcher();
    let cancel = nobody(Ask::CancelWatch { watch: 7 });
    step(&mut client, call(2, &Call::Ask(cancel.clone())));
    let overdue = retry(&mut client);
    assert!(is_reset(&overdue, 1));
    let again = said(&retry(&mut client));
    let expected = [(2, own(2), watch(7, 11)), (2, RequestId(2), cancel)];
    assert_eq!(again, expected);
}

#[test]
fn what_an_older_connection_tells_is_ignored() {
    let mut client = watcher();
    step(&mut client, Input::LinkDown(NodeId(1)));
    let old = changes(7, &[("a", 12)], false);
    step(&mut client, event(1, &old)); // In the pause.
    retry(&mut client);
    step(&mut client, event(1, &old)); // At the next member.
    step(&mut client, answer(1, own(2), watching(11)));
    step(&mut client, event(2, &old)); // From that, which has not answered.
    step(&mut client, answer(2, own(1), watching(11))); // Nor does this answer.
    step(&mut client, event(2, &old));
    step(&mut client, answer(2, own(2), watching(11)));
    let new = changes(7, &[("a", 13)], false);
    step(&mut client, event(2, &new));
    assert_eq!(heard(&mut client, 2, 2), [new]);
}

#[test]
fn a_watch_that_begins_anew_at_the_same_member_hears_nothing_of_the_older_one() {
    let mut client = client_of(1);
    step(&mut client, call(1, &Call::Ask(watch(7, 0))));
    step(&mut client, answer(1, own(1), watching(11)));
    step(&mut client, Input::LinkDown(NodeId(1)));
    let old = changes(7, &[("a", 12)], false);
    step(&mut client, event(1, &old));
    assert_eq!(said(&retry(&mut client)), [(1, own(2), watch(7, 11))]);
    step(&mut client, event(1, &old));
    step(&mut client, answer(1, own(2), watching(11)));
    step(&mut client, event(1, &old));
    assert_eq!(heard(&mut client, 2, 1), [old], "told once, by the newer");
}

/// A paused member answers both attempts when it wakes: what follows the first answer belongs to the watch that ended with that connection.
#[test]
fn a_watch_begins_with_the_answer_to_its_newest_attempt() {
    let mut client = client_of(1);
    step(&mut client, call(1, &Call::Ask(watch(7, 3))));
    retry(&mut client);
    assert_eq!(said(&retry(&mut client)), [(1, own(2), watch(7, 3))]);
    let told = changes(7, &[("a", 3)], false);
    step(&mut client, answer(1, own(1), watching(3)));
    step(&mut client, event(1, &told));
    let done = step(&mut client, answer(1, own(2), watching(3)));
    assert_eq!(returned(&done).events, []);
    step(&mut client, event(1, &told));
    assert_eq!(heard(&mut client, 2, 1), [told]);
}

#[test]
fn a_watch_that_no_member_begins_is_tried_elsewhere_with_nothing_else_to_do() {
    let mut client = watcher();
    step(&mut client, Input::LinkDown(NodeId(1)));
    retry(&mut client);
    let overdue = fire(&mut client, ClientTimer::Watch);
    assert!(is_reset(&overdue, 2));
    assert_eq!(said(&retry(&mut client)), [(3, own(3), watch(7, 11))]);
    let busy = Refusal::Overloaded { retry_after_ms: 5 };
    let refused = step(&mut client, refuse(3, own(3), busy));
    assert!(is_reset(&refused, 3));
    assert_eq!(said(&retry(&mut client)), [(1, own(4), watch(7, 11))]);
    let begun = step(&mut client, answer(1, own(4), watching(11)));
    assert_eq!(begun, [Effect::CancelTimer(ClientTimer::Watch)]);
    assert_eq!(fire(&mut client, ClientTimer::Watch), []);
}

#[test]
fn a_watch_is_over_when_it_is_cancelled_or_its_past_is_forgotten() {
    let ends = |client: &mut Client, result: Result<Done, Error>| {
        let cancel = nobody(Ask::CancelWatch { watch: 7 });
        step(client, call(2, &Call::Ask(cancel)));
        step(client, answer(1, RequestId(2), result));
    };
    let compacted = Event::Compacted {
        watch: 7,
        compact_revision: 15,
    };
    let mut cancelled = watcher();
    ends(&mut cancelled, Ok(Done::Heard));
    let mut unknown = watcher();
    ends(&mut unknown, Err(Error::WatchNotFound));
    let mut forgotten = watcher();
    step(&mut forgotten, event(1, &compacted));
    assert_eq!(heard(&mut forgotten, 2, 1), [compacted]);
    for mut client in [cancelled, unknown, forgotten] {
        step(&mut client, event(1, &changes(7, &[("a", 12)], false)));
        assert_eq!(heard(&mut client, 3, 1), []);
        let down = step(&mut client, Input::LinkDown(NodeId(1)));
        assert_eq!(down, [], "it wants no connection");
    }
    let mut refused = watcher();
    ends(&mut refused, Err(Error::UserEmpty));
    let told = changes(7, &[("a", 12)], false);
    step(&mut refused, event(1, &told));
    assert_eq!(heard(&mut refused, 3, 1), [told], "it goes on");
}

#[test]
fn a_cancellation_of_unknown_outcome_leaves_the_watch_open() {
    let mut client = watcher();
    let cancel = nobody(Ask::CancelWatch { watch: 7 });
    step(&mut client, call(2, &Call::Ask(cancel)));
    let ended = fire(&mut client, ClientTimer::Deadline);
    assert_eq!(outcome(&ended), Some(Outcome::Unknown));
    assert_eq!(begun(&retry(&mut client)), [(7, 11)]);
}

#[test]
fn a_watch_begins_anew_as_whoever_its_client_is_by_now() {
    let identity = |auth_revision| {
        let user = "ann".to_string();
        Some(Identity {
            user,
            auth_revision,
        })
    };
    let as_user = |as_user| Request {
        as_user,
        ..watch(7, 4)
    };
    let mut client = client();
    step(&mut client, call(1, &Call::Ask(as_user(identity(3)))));
    step(&mut client, answer(1, own(1), watching(4)));
    let authenticate = nobody(Ask::Authenticate {
        user: "ann".into(),
        password: "p".into(),
    });
    step(&mut client, call(2, &Call::Ask(authenticate)));
    let shown = Ok(Done::Auth { auth_revision: 9 });
    step(&mut client, answer(1, RequestId(2), shown));
    step(&mut client, Input::LinkDown(NodeId(1)));
    let again = said(&retry(&mut client));
    assert_eq!(again, [(2, own(2), as_user(identity(9)))]);
    let denied = Err(Error::PermissionDenied);
    step(&mut client, answer(2, own(2), denied));
    let down = step(&mut client, Input::LinkDown(NodeId(2)));
    assert_eq!(down, [], "there is nothing left that wants a connection");
}

#[test]
fn a_client_that_rests_says_nothing_and_then_takes_in_what_came() {
    let mut client = watcher();
    let rests = step(&mut client, call(2, &Call::Rest { ms: 5_000 }));
    assert_eq!(said(&rests), []);
    let told = changes(7, &[("a", 12)], false);
    for input in [event(1, &told), Input::LinkDown(NodeId(1))] {
        assert_eq!(step(&mut client, input), []);
    }
    let woken = step(&mut client, Input::TimerFired(ClientTimer::Rest));
    let rested = returned(&woken);
    assert_eq!((rested.reply, rested.events), (None, vec![told]));
    assert_eq!(begun(&retry(&mut client)), [(7, 13)]);
}

#[test]
fn a_retry_with_a_number_of_its_own_is_a_bug_that_can_be_planted() {
    let config = ClientConfig {
        id: ClientId(0),
        servers: 3,
        patience: Patience::default(),
        numbering: Numbering::Fresh,
        manner: Manner::Member,
    };
    let mut client = Client::boot(&config, NoDisk, Now::default(), &mut Effects::default());
    let put = nobody(Ask::Write(Op::Put(Put {
        key: "a".into(),
        value: "x".into(),
        lease: 0,
        prev_kv: false,
    })));
    step(&mut client, call(1, &Call::Ask(put)));
    step(&mut client, Input::LinkDown(NodeId(1)));
    assert_ne!(said(&retry(&mut client))[0].1, RequestId(1));
}
