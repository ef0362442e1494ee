//! Begin here: for each guarantee the smallest history that keeps everything weaker and breaks just it.

use crate::common::{event, history, ok};
use serde_json::{Value, json};
use stormglass_checker::guarantees::{Answer, Unproven, Witness};
use stormglass_checker::{Event, Guarantee, History, Kind, Ladder, Limits, Register, ladder};

/// Reads a history of whole operations: `0 write x 1`, `1 read x null`, with `@7` at the end for a version.
fn story(lines: &[&str]) -> History {
    let mut events = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let value: Value = serde_json::from_str(words[3]).unwrap();
        let input = if words[1] == "read" {
            Value::Null
        } else {
            value.clone()
        };
        let mut pair = ok(words[0].parse().unwrap(), words[1], input, value);
        pair.iter_mut()
            .for_each(|event| event.key = Some(words[2].to_owned()));
        pair[1].version = words.get(4).map(|word| word[1..].parse().unwrap());
        events.extend(pair);
    }
    history(events)
}

fn judged(history: &History) -> Ladder {
    ladder(&Register::default(), history, &Limits::default()).unwrap()
}

/// `broken` and what is stronger are broken, everything else is kept. The culprits are the ids given.
fn breaks_just(broken: Guarantee, culprits: &[usize], lines: &[&str]) -> Ladder {
    let ladder = judged(&story(lines));
    for rung in &ladder.rungs {
        let expected = rung.guarantee == broken || rung.guarantee.is_stronger_than(broken);
        assert_eq!(rung.answer.violation().is_some(), expected, "{ladder}");
        assert_eq!(rung.answer.is_satisfied(), !expected, "{ladder}");
    }
    let violation = ladder.answer(broken).unwrap().violation().unwrap();
    let ids: Vec<usize> = violation
        .culprits
        .iter()
        .map(|operation| operation.id)
        .collect();
    assert_eq!(ids, culprits, "{}", violation.explanation);
    assert!(violation.explanation.contains(broken.definition()));
    ladder
}

/// A write is acknowledged, and another client does not see it yet. ZooKeeper does this.
#[test]
fn a_stale_read() {
    let ladder = breaks_just(
        Guarantee::Linearizability,
        &[0, 1],
        &["0 write x 1", "1 read x null", "1 read x 1"],
    );
    assert_eq!(
        ladder.strongest(),
        [Guarantee::OrderedSequential, Guarantee::Convergence]
    );
    let next = ladder.next();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].guarantee, Guarantee::Linearizability);
}

/// One write was acknowledged before the next was called, and yet they are seen the other way round. Without clocks nobody could tell.
#[test]
fn writes_out_of_time() {
    let ladder = breaks_just(
        Guarantee::OrderedSequential,
        &[0, 1, 2, 3],
        &["0 write x 1", "1 write x 2", "2 read x 2", "2 read x 1"],
    );
    assert_eq!(
        ladder.strongest(),
        [Guarantee::Sequential, Guarantee::Convergence]
    );
}

/// A read of what is written only later. Sequential consistency knows no time.
#[test]
fn a_read_of_the_future() {
    breaks_just(
        Guarantee::OrderedSequential,
        &[0, 1],
        &["0 read x 1", "1 write x 1", "0 read x 1"],
    );
}

/// Two clients each write one key and do not see the other's write: the store buffers of a processor. Each key by itself is fine.
#[test]
fn two_keys_have_no_order_together() {
    let ladder = breaks_just(
        Guarantee::Sequential,
        &[0, 1, 2, 3],
        &[
            "0 write x 1",
            "1 write y 1",
            "0 read y null",
            "1 read x null",
            "0 read y 1",
            "1 read x 1",
        ],
    );
    assert_eq!(
        ladder.strongest(),
        [Guarantee::AllSessions, Guarantee::Convergence]
    );
    let violation = ladder
        .answer(Guarantee::Sequential)
        .unwrap()
        .violation()
        .unwrap();
    assert_eq!(
        violation.explanation,
        "Promised is sequential consistency: \"the result of any execution is the same as if the operations of all the \
         processors were executed in some sequential order, and the operations of each individual processor appear in this \
         sequence in the order specified by its program\" (Lamport, 1979).
These operations collide, even if every other one may happen at any time or never:
  #0 (process 0: write x 1 -> ok): called at event 0, returned at event 1
  #1 (process 1: write y 1 -> ok): called at event 2, returned at event 3
  #2 (process 0: read y -> ok): called at event 4, returned at event 5
  #3 (process 1: read x -> ok): called at event 6, returned at event 7
Now #0 (process 0: write x 1 -> ok) comes before #2 (process 0: read y -> ok), because process 0 called them in this order,
and #2 (process 0: read y -> ok) comes before #1 (process 1: write y 1 -> ok), because the first saw what was there before any write,
and #1 (process 1: write y 1 -> ok) comes before #3 (process 1: read x -> ok), because process 1 called them in this order,
and #3 (process 1: read x -> ok) comes before #0 (process 0: write x 1 -> ok), because the first saw what was there before any write: a contradiction."
    );
}

/// Somebody sees two writes of another the wrong way round. The writes went wrong, or the reads did: nobody can tell which.
#[test]
fn four_orders_and_not_one() {
    let ladder = breaks_just(
        Guarantee::AllSessions,
        &[0, 1, 2, 3],
        &["0 write x 1", "0 write x 2", "1 read x 2", "1 read x 1"],
    );
    assert_eq!(
        ladder.strongest(),
        [
            Guarantee::ReadYourWrites,
            Guarantee::MonotonicReads,
            Guarantee::MonotonicWrites,
            Guarantee::WritesFollowReads,
            Guarantee::Convergence
        ]
    );
}

#[test]
fn a_client_does_not_see_its_own_write() {
    breaks_just(
        Guarantee::ReadYourWrites,
        &[0, 1],
        &["0 write x 1", "0 read x null", "0 read x 1"],
    );
}

#[test]
fn a_client_goes_back() {
    let ladder = breaks_just(
        Guarantee::MonotonicReads,
        &[0, 1, 2],
        &["0 write x 1", "1 read x 1", "1 read x null", "1 read x 1"],
    );
    let violation = ladder
        .answer(Guarantee::MonotonicReads)
        .unwrap()
        .violation()
        .unwrap();
    assert!(
        violation.explanation.ends_with(
            "In the order of writes the initial content is not later than #0 (process 0: write x 1 -> ok), because the initial content comes first,\n\
             and #0 (process 0: write x 1 -> ok) is not later than the initial content, because process 1 called #1 (process 1: read x -> 1) and \
             later #2 (process 1: read x -> ok): a contradiction."
        ),
        "{}",
        violation.explanation
    );
}

/// Only numbers of the server show that the second write was ordered first. By values alone the history is linearizable.
#[test]
fn the_writes_of_a_client_change_places() {
    let ladder = judged(&story(&["0 write x 1 @2", "0 write x 2 @1"]));
    let broken: Vec<Guarantee> = ladder
        .rungs
        .iter()
        .filter(|rung| rung.answer.violation().is_some())
        .map(|rung| rung.guarantee)
        .collect();
    assert_eq!(
        broken,
        [Guarantee::AllSessions, Guarantee::MonotonicWrites],
        "{ladder}"
    );
    // With a read that shows it, it is no longer linearizable, either, but still in order: the reader is behind.
    let ladder = judged(&story(&[
        "0 write x 1 @2",
        "0 write x 2 @1",
        "1 read x 1 @2",
    ]));
    assert_eq!(
        ladder.strongest()[0],
        Guarantee::OrderedSequential,
        "{ladder}"
    );
    let explanation = &ladder
        .answer(Guarantee::MonotonicWrites)
        .unwrap()
        .violation()
        .unwrap()
        .explanation;
    assert!(
        explanation.contains("the server numbered them 1 and 2"),
        "{explanation}"
    );
}

/// Each of two clients overwrites what the other wrote after having seen it.
#[test]
fn a_write_comes_before_what_its_client_saw() {
    breaks_just(
        Guarantee::WritesFollowReads,
        &[0, 1, 2, 3],
        &[
            "0 read x 2",
            "0 write x 1",
            "1 read x 1",
            "1 write x 2",
            "2 read x 2",
        ],
    );
}

/// Two compare-and-sets of unknown outcome each need what the other wrote. Both might never have happened, had nobody seen what one of them wrote: so the
/// read is part of the story.
#[test]
fn a_circle_of_unknown_outcomes_is_told_with_who_saw_it() {
    let cas = |process, kind, values: [u64; 2]| event(process, kind, "cas", json!(values));
    let mut events = ok(2, "read", Value::Null, Value::Null).to_vec();
    events.extend([
        cas(0, Kind::Invoke, [3, 2]),
        cas(1, Kind::Invoke, [2, 3]),
        cas(0, Kind::Info, [3, 2]),
        cas(1, Kind::Info, [2, 3]),
    ]);
    let quiet = judged(&history(events.clone()));
    assert!(quiet.answer(Guarantee::AllSessions).unwrap().is_satisfied());
    events.extend(ok(2, "read", Value::Null, json!(2)));
    let ladder = judged(&history(events));
    for guarantee in [Guarantee::AllSessions, Guarantee::WritesFollowReads] {
        let violation = ladder.answer(guarantee).unwrap().violation().unwrap();
        let ids: Vec<usize> = violation
            .culprits
            .iter()
            .map(|culprit| culprit.id)
            .collect();
        assert_eq!(ids, [1, 2, 3], "{}", violation.explanation);
        let shown = "#1 (process 0: cas [3,2] -> ?) took effect: #3 (process 2: read -> 2) saw what it wrote.";
        let told = &violation.explanation;
        assert!(told.contains(shown), "{told}");
    }
}

/// After the last write two clients see different things, and keep doing so.
#[test]
fn replicas_stay_apart() {
    let ladder = judged(&story(&[
        "0 write x 1",
        "1 write x 2",
        "0 read x 1",
        "1 read x 2",
        "0 read x 1",
    ]));
    let Some(Answer::Violated(violation)) = ladder.answer(Guarantee::Convergence) else {
        panic!("{ladder}")
    };
    assert_eq!(violation.culprits.len(), 2);
    assert!(
        ladder
            .answer(Guarantee::AllSessions)
            .unwrap()
            .is_satisfied(),
        "nothing else is broken but order:\n{ladder}"
    );
    // A read that is behind for ever breaks nothing else below linearizability.
    let ladder = judged(&story(&[
        "0 write x 1",
        "0 write x 2",
        "0 read x 2",
        "1 read x 1",
    ]));
    assert_eq!(ladder.strongest(), [Guarantee::OrderedSequential]);
    assert_eq!(ladder.next().len(), 2, "linearizability and convergence");
}

/// What is not known is not kept.
#[test]
fn unknown_is_no_pass() {
    // No steps: nothing is found out by searching. The session guarantees need no search.
    let stale = story(&["0 write x 1", "1 read x null"]);
    let limits = Limits {
        steps: 1,
        ..Limits::default()
    };
    let judged_little = ladder(&Register::default(), &stale, &limits).unwrap();
    assert!(matches!(
        judged_little.answer(Guarantee::Sequential),
        Some(Answer::Unknown(Unproven::Limit(_)))
    ));
    assert_eq!(judged_little.strongest(), [Guarantee::AllSessions]);

    // The same value twice: which write was seen? Whoever finds an order knows more.
    let twice = story(&[
        "0 write x 1",
        "0 write x 2",
        "0 write x 1",
        "1 read x 2",
        "1 read x 1",
    ]);
    let by_itself =
        stormglass_checker::guarantees::monotonic_reads::judge(&Register::default(), &twice)
            .unwrap();
    assert_eq!(
        by_itself,
        Answer::Unknown(Unproven::NotRuledOut { reads: 1 })
    );
    let together = judged(&twice);
    assert_eq!(
        together.answer(Guarantee::MonotonicReads),
        Some(&Answer::Satisfied(Witness::Stronger(Guarantee::Sequential)))
    );

    // A write of unknown outcome may come between two reads of those that are behind.
    let mut events = story(&["0 write x 1", "1 read x 1", "2 read x 3"]).events;
    let lost = |kind| Event {
        key: Some("x".to_owned()),
        ..event(3, kind, "write", json!(3))
    };
    events.splice(2..2, [lost(Kind::Invoke), lost(Kind::Info)]);
    let ladder = judged(&history(events));
    assert!(
        ladder
            .answer(Guarantee::Linearizability)
            .unwrap()
            .is_satisfied()
    );
    assert_eq!(
        ladder.answer(Guarantee::Convergence),
        Some(&Answer::Unknown(Unproven::StillInFlight))
    );
}

/// A client that lost an operation goes on under a new number, and that is a new session.
#[test]
fn a_new_number_is_a_new_session() {
    let lost = |kind| Event {
        key: Some("x".to_owned()),
        ..event(0, kind, "write", json!(2))
    };
    let mut events = story(&["0 write x 1"]).events;
    events.extend([lost(Kind::Invoke), lost(Kind::Info)]);
    events.extend(story(&["5 read x null"]).events);
    let ladder = judged(&history(events));
    assert!(
        ladder
            .answer(Guarantee::ReadYourWrites)
            .unwrap()
            .is_satisfied()
    );
}

/// The ladder survives a round trip through JSON, and prints one line a rung.
#[test]
fn a_ladder_is_data() {
    let ladder = judged(&story(&["0 write x 1", "1 read x null"]));
    let text = serde_json::to_string(&ladder).unwrap();
    assert_eq!(serde_json::from_str::<Ladder>(&text).unwrap(), ladder);
    assert_eq!(
        ladder.to_string(),
        "linearizability                 broken by #0 #1
ordered sequential consistency  kept
sequential consistency          kept, since ordered sequential consistency is
all session guarantees          kept
read your writes                kept
monotonic reads                 kept
monotonic writes                kept
writes follow reads             kept
convergence                     broken by #0 #1
"
    );
}

/// No history at all: there is nothing to keep or break, and no panic.
#[test]
fn nothing_happened() {
    let ladder = judged(&History::default());
    assert!(
        ladder
            .answer(Guarantee::Linearizability)
            .unwrap()
            .is_satisfied()
    );
    assert!(
        ladder
            .rungs
            .iter()
            .all(|rung| rung.answer.violation().is_none())
    );
}
