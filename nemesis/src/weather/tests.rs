//! What becomes of frames, fault by fault, and that no fault disturbs the draws of another.

use super::*;

const ONE_TWO: (NodeId, NodeId) = (NodeId(1), NodeId(2));

fn weather_of(links: Links) -> Weather {
    let base = Network {
        delay_us_min: 1_000,
        delay_us_max: 3_000,
    };
    Weather::new(base, (4, 1), links, 9)
}

fn weather() -> Weather {
    weather_of(Links::Any)
}

fn send(weather: &mut Weather, from: u8, to: u8) -> Passage {
    send_at(weather, from, to, 0)
}

fn send_at(weather: &mut Weather, from: u8, to: u8, now_ns: u64) -> Passage {
    let (from, to) = (Party::Node(NodeId(from)), Party::Node(NodeId(to)));
    weather.passage(from, to, now_ns, || "vote")
}

fn put(weather: &mut Weather, disturbance: Disturbance) {
    weather.disturb(1, ONE_TWO, &disturbance, (0, 500 * NS_PER_MS));
}

#[test]
fn a_cut_is_one_way_and_lifts() {
    let mut weather = weather();
    put(&mut weather, Disturbance::Cut);
    assert_eq!(send(&mut weather, 1, 2), Passage::Cut);
    assert!(matches!(send(&mut weather, 2, 1), Passage::After(_)));
    let (one, two) = (Party::Node(NodeId(1)), Party::Node(NodeId(2)));
    assert!(
        !weather.may_dial(two, one, 0),
        "a handshake needs both ways"
    );
    weather.lift(1);
    assert!(weather.may_dial(two, one, 0));
    assert!(matches!(send(&mut weather, 1, 2), Passage::After(_)));
    let traffic = weather.traffic();
    assert_eq!((weather.met(1), traffic.cut, traffic.sent), (2, 1, 3));
}

#[test]
fn a_fault_leaves_the_draws_of_other_links_and_other_frames_as_they_were() {
    let mut calm = weather();
    let mut stormy = weather();
    put(&mut stormy, Disturbance::Cut);
    for round in 0..20 {
        send(&mut stormy, 1, 2);
        send(&mut calm, 1, 2);
        assert_eq!(
            send(&mut stormy, 3, 4),
            send(&mut calm, 3, 4),
            "round {round}"
        );
    }
    stormy.lift(1);
    assert_eq!(send(&mut stormy, 1, 2), send(&mut calm, 1, 2));
}

#[test]
fn a_slow_link_adds_its_delay_and_a_clog_holds_until_its_end() {
    let mut weather = weather();
    let (delay_ms_min, delay_ms_max) = (50, 60);
    put(
        &mut weather,
        Disturbance::Slow {
            delay_ms_min,
            delay_ms_max,
        },
    );
    match send(&mut weather, 1, 2) {
        Passage::After(delay) => assert!((51_000_000..=63_000_000).contains(&delay), "{delay}"),
        other => panic!("a slow link loses nothing: {other:?}"),
    }
    put(&mut weather, Disturbance::Clog);
    match send_at(&mut weather, 1, 2, 100 * NS_PER_MS) {
        Passage::After(delay) => {
            assert!((401_000_000..=403_000_000).contains(&delay), "{delay}")
        }
        other => panic!("a clogged link loses nothing: {other:?}"),
    }
    assert_eq!((weather.traffic().slowed, weather.traffic().held), (1, 1));
}

#[test]
fn a_flaky_link_is_off_and_on() {
    let mut weather = weather();
    put(&mut weather, Disturbance::Flaky { period_ms: 10 });
    let passes = |weather: &mut Weather, ms| send_at(weather, 1, 2, ms * NS_PER_MS) != Passage::Cut;
    let seen: Vec<bool> = [0, 9, 10, 19, 20, 31]
        .map(|ms| passes(&mut weather, ms))
        .to_vec();
    assert_eq!(seen, [false, false, true, true, false, true]);
    assert_eq!(weather.met(1), 3);
}

#[test]
fn a_share_of_the_frames_is_hit_and_counted() {
    let percent = 30;
    type Case = (Disturbance, fn(&Passage) -> bool, fn(&Traffic) -> u64);
    let cases: [Case; 5] = [
        (
            Disturbance::Lose {
                percent,
                only: None,
            },
            |p| *p == Passage::Cut,
            |t| t.lost,
        ),
        (
            Disturbance::Reset { percent },
            |p| *p == Passage::Reset,
            |t| t.reset,
        ),
        (
            Disturbance::Corrupt { percent },
            |p| matches!(p, Passage::Corrupt { .. }),
            |t| t.corrupted,
        ),
        (
            Disturbance::Reorder {
                percent,
                late_ms_max: 40,
            },
            |p| matches!(p, Passage::Overtaken(ns) if *ns <= 43_000_000),
            |t| t.reordered,
        ),
        (
            Disturbance::Duplicate {
                percent,
                apart_ms_max: 40,
            },
            |p| matches!(p, Passage::Twice { apart_ns, .. } if *apart_ns <= 40_000_000),
            |t| t.duplicated,
        ),
    ];
    for (disturbance, is_hit, count) in cases {
        let mut weather = weather();
        put(&mut weather, disturbance.clone());
        let hits = (0..1_000)
            .filter(|_| is_hit(&send(&mut weather, 1, 2)))
            .count() as u64;
        assert!((200..400).contains(&hits), "{disturbance:?}: {hits}");
        assert_eq!(
            (weather.met(1), count(&weather.traffic())),
            (hits, hits),
            "{disturbance:?}"
        );
    }
}

#[test]
fn a_loss_by_kind_spares_the_other_kinds() {
    let mut weather = weather();
    let lose = |kind: &str| Disturbance::Lose {
        percent: 100,
        only: Some(kind.to_string()),
    };
    put(&mut weather, lose("append"));
    assert!(matches!(send(&mut weather, 1, 2), Passage::After(_)));
    put(&mut weather, lose("vote"));
    assert_eq!(send(&mut weather, 1, 2), Passage::Cut);
}

/// A protocol that counts on order never sees a gap, a copy or a swap: the link breaks instead.
#[test]
fn under_a_protocol_that_counts_on_order_disorder_becomes_a_reset() {
    let percent = 100;
    for disturbance in [
        Disturbance::Lose {
            percent,
            only: None,
        },
        Disturbance::Reorder {
            percent,
            late_ms_max: 40,
        },
        Disturbance::Duplicate {
            percent,
            apart_ms_max: 40,
        },
    ] {
        let mut weather = weather_of(Links::Fifo);
        put(&mut weather, disturbance);
        assert_eq!(send(&mut weather, 1, 2), Passage::Reset);
        assert_eq!((weather.traffic().reset, weather.traffic().cut), (1, 0));
    }
}

/// A cut is no silence there: the frame that meets it breaks the connection, and none is made before the cut is over.
#[test]
fn under_a_protocol_that_counts_on_order_a_cut_breaks_the_connection() {
    let (one, two) = (Party::Node(NodeId(1)), Party::Node(NodeId(2)));
    let mut weather = weather_of(Links::Fifo);
    put(&mut weather, Disturbance::Cut);
    assert_eq!(send(&mut weather, 1, 2), Passage::Reset);
    assert!(!weather.may_dial(one, two, 0) && !weather.may_dial(two, one, 0));
    assert_eq!((weather.traffic().cut, weather.traffic().reset), (1, 0));
    weather.lift(1);
    assert!(weather.may_dial(one, two, 0));
    assert!(matches!(send(&mut weather, 1, 2), Passage::After(_)));

    put(&mut weather, Disturbance::Flaky { period_ms: 10 });
    let seen = [0, 10, 20].map(|ms| send_at(&mut weather, 1, 2, ms * NS_PER_MS));
    assert_eq!((seen[0], seen[2]), (Passage::Reset, Passage::Reset));
    assert!(matches!(seen[1], Passage::After(_)));
    assert_eq!((weather.traffic().cut, weather.traffic().reset), (3, 0));
}

/// What keeps its place is no disorder, however late it is.
#[test]
fn under_a_protocol_that_counts_on_order_what_is_late_is_only_late() {
    let mut weather = weather_of(Links::Fifo);
    put(&mut weather, Disturbance::Clog);
    assert!(matches!(send(&mut weather, 1, 2), Passage::After(ns) if ns > 400 * NS_PER_MS));
    assert_eq!((weather.traffic().held, weather.traffic().reset), (1, 0));
}
