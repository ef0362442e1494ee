//! How a run behaved towards its clients, in numbers that were worked out by hand: keys, availability, recovery.

use crate::common::Scenario;
use crate::common::measured::{behaviour, crash, outage, text};
use serde_json::{Value, json};
use stormglass_checker::Kind;
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::schedule::{Action, Target};
use stormglass_reports::behaviour::{
    Back, Behaviour, Heal, KEYS_MAX, KeyRow, KeyVerdict, Served, Spread, render,
};

const MS: u64 = 1_000_000;

/// The tutorial: what a storm of forty-six operations comes to, key by key.
#[test]
fn a_key_has_its_operations_latencies_and_faults() {
    let keys = behaviour(&Scenario::storm()).keys;
    assert_eq!((keys.keys, keys.operations_left_out), (5, 0));
    let named: Vec<_> = keys
        .rows
        .iter()
        .map(|row| (row.key.as_deref().unwrap(), row.operations))
        .collect();
    assert_eq!(
        named,
        [("k0", 10), ("k1", 9), ("k2", 9), ("k3", 9), ("k4", 9)]
    );
    // Four writes of 10 ms, four reads of 3 ms, one of 5 ms at the end; and a refusal.
    let k0 = &keys.rows[0];
    assert_eq!((k0.ok, k0.fail, k0.info), (9, 1, 0));
    let latency = k0.latency.unwrap();
    assert_eq!(
        [
            latency.median_ns,
            latency.p90_ns,
            latency.p99_ns,
            latency.max_ns
        ],
        [5, 10, 10, 10].map(|ms| ms * MS)
    );
    assert_eq!((k0.first_ns, k0.last_ns), (400 * MS, 10_105 * MS));
    // Of the two that were installed, the crash met k2 alone, at 5.2 s.
    let faults: Vec<u64> = keys.rows.iter().map(|row| row.faults).collect();
    assert_eq!(faults, [1, 1, 2, 1, 1]);
    assert!(keys.rows.iter().all(|row| row.verdict == KeyVerdict::Kept));
    let all = keys.all.unwrap();
    assert_eq!(
        (all.operations, all.ok, all.fail, all.info, all.faults),
        (46, 45, 1, 0, 2)
    );
}

#[test]
fn the_broken_key_comes_first_and_of_the_others_nothing_is_said() {
    let keys = behaviour(&Scenario::stale_read()).keys;
    let rows: Vec<(&str, KeyVerdict)> = keys
        .rows
        .iter()
        .map(|row| (row.key.as_deref().unwrap(), row.verdict))
        .collect();
    assert_eq!(
        rows[..2],
        [("stale", KeyVerdict::Broken), ("k0", KeyVerdict::Unsaid)]
    );
    assert_eq!(keys.all.unwrap().verdict, KeyVerdict::Broken);
    let html = render(&behaviour(&Scenario::stale_read())).unwrap();
    assert!(html.contains("<td class=\"word wrong-word\">broken</td>"));
}

#[test]
fn keys_past_the_most_are_counted_in_a_last_line() {
    let mut scenario = Scenario::empty();
    for key in 0..KEYS_MAX as u64 + 3 {
        let at_ms = 100 + key * 10;
        scenario.ok(
            0,
            at_ms,
            at_ms + 1,
            "write",
            &format!("k{key:04}"),
            json!(key),
            json!(key),
        );
    }
    scenario.ok(0, 9_000, 9_001, "read", "k0202", Value::Null, json!(202));
    let behaviour = behaviour(&scenario);
    let keys = &behaviour.keys;
    assert_eq!(
        (keys.rows.len(), keys.keys, keys.operations_left_out),
        (200, 203, 3)
    );
    assert_eq!(
        keys.rows[0].key.as_deref(),
        Some("k0202"),
        "it has two operations"
    );
    let text = text(&render(&behaviour).unwrap());
    assert!(text.contains("and 3 more keys with 3 operations"), "{text}");
}

#[test]
fn operations_without_a_key_have_a_row_of_their_own_and_a_call_that_never_returned_lasts_to_the_end()
 {
    let mut scenario = outage();
    scenario.line(7_000, 4, Kind::Invoke, "write", "k9", json!(5), None);
    let judged = scenario.judged();
    let mut run = scenario.run();
    let last = run
        .history
        .events
        .iter_mut()
        .find(|event| event.key.as_deref() == Some("k9"));
    last.unwrap().key = None;
    let behaviour = Behaviour::of(&scenario.trial, &run, &judged);
    let row: &KeyRow = behaviour
        .keys
        .rows
        .iter()
        .find(|row| row.key.is_none())
        .unwrap();
    assert_eq!((row.operations, row.info, row.latency), (1, 1, None));
    assert_eq!((row.first_ns, row.last_ns), (7_000 * MS, 11_000 * MS));
    assert!(text(&render(&behaviour).unwrap()).contains("(no key) 1 0 0 1"));
}

#[test]
fn a_fault_is_measured_by_what_was_called_while_it_was_in_force() {
    let availability = behaviour(&outage()).availability;
    let served = |from_ms, until_ms, counts: [u64; 5], median_ms, stall_ms| Served {
        from_ns: from_ms * MS,
        until_ns: until_ms * MS,
        operations: counts[0],
        ok: counts[1],
        ok_within: counts[2],
        answered: counts[3],
        answered_within: counts[4],
        median_ns: Some(median_ms * MS),
        stall_ns: Some(stall_ms * MS),
    };
    // From the return at 1010 to that at 1520 there was none.
    assert_eq!(
        availability.calm,
        served(0, 2_000, [2, 2, 2, 2, 2], 10, 510)
    );
    let windows: Vec<Served> = availability
        .windows
        .iter()
        .map(|window| window.served)
        .collect();
    // One of unknown outcome, one refused at 2300, one that returned at 4200, after the crash was over; nothing ok from 1520 to 4200.
    assert_eq!(
        windows[0],
        served(2_000, 4_000, [3, 1, 0, 2, 1], 1_700, 2_680)
    );
    // One that returned within, one just after. The stall before it reaches into it.
    assert_eq!(windows[1], served(3_500, 6_000, [2, 2, 1, 2, 1], 10, 2_680));
}

#[test]
fn a_kind_has_the_middle_and_the_worst_of_its_windows() {
    let mut scenario = Scenario::empty();
    let pause = || Action::Pause {
        target: Target::Node(NodeId(2)),
    };
    for (id, from_ms) in [(0, 1_000), (1, 2_000), (2, 3_000), (3, 4_000)] {
        scenario.fault(id, 2, FaultKind::Pause, pause(), (from_ms, from_ms + 500));
    }
    // Both ok; one of two; one of three; nothing called.
    scenario.ok(0, 1_100, 1_110, "write", "k", json!(1), json!(1));
    scenario.ok(0, 1_200, 1_210, "write", "k", json!(2), json!(2));
    scenario.ok(0, 2_100, 2_130, "write", "k", json!(3), json!(3));
    scenario.mismatch(0, 2_200, 2_210, "k", json!([7, 8]));
    scenario.ok(0, 3_100, 3_190, "write", "k", json!(4), json!(4));
    scenario.mismatch(0, 3_200, 3_210, "k", json!([7, 8]));
    scenario.unknown(0, 3_300, 3_400, "k", json!(5), "deadline");
    let kinds = behaviour(&scenario).availability.kinds;
    assert_eq!(kinds.len(), 1);
    let pause = &kinds[0];
    assert_eq!(
        (pause.kind, pause.windows, pause.operations),
        (FaultKind::Pause, 4, 7)
    );
    let spread = |median, worst| Some(Spread { median, worst });
    assert_eq!(pause.ok_share, spread(0.5, 1.0 / 3.0));
    assert_eq!(pause.answered_share, spread(1.0, 2.0 / 3.0));
    let times = |median: u64, worst: u64| {
        Some(Spread {
            median: median * MS,
            worst: worst * MS,
        })
    };
    assert_eq!(pause.median_ns, times(30, 90));
    // 1210 to 2130 lies over the first and the second; 2130 to 3190 over the second and the third; after 3400 nobody waits.
    assert_eq!(pause.stall_ns, times(1_060, 1_060));
    let html = text(&render(&behaviour(&scenario)).unwrap());
    assert!(
        html.contains("pause 4 7 50.0 % 33.3 % 100 % 66.7 % 30 ms 90 ms 1.06 s 1.06 s"),
        "{html}"
    );
}

fn heal(
    fault: Option<(u32, FaultKind, u64)>,
    at_ms: u64,
    overlapped_by: u64,
    service: Back,
) -> Heal {
    Heal {
        fault: fault.map(|(id, ..)| id),
        kind: fault.map(|(_, kind, _)| kind),
        from_ns: fault.map(|(.., from_ms)| from_ms * MS),
        at_ns: at_ms * MS,
        overlapped_by,
        service,
        leader_after_begin: None,
        leader_after_heal: None,
    }
}

#[test]
fn recovery_is_counted_from_the_healing_to_what_was_called_after_it() {
    let after = |ms: u64| Back::AfterNs(ms * MS);
    let recovery = behaviour(&outage()).recovery;
    assert!(recovery.leaders_known);
    let crash = Heal {
        // The first leader fell with the crash, and the next came at 2600.
        leader_after_begin: Some(after(600)),
        leader_after_heal: Some(after(0)),
        ..heal(Some((0, FaultKind::Crash, 2_000)), 4_000, 1, after(510))
    };
    // What was called at 5900 returned at 6100, and does not count.
    let partition = heal(
        Some((1, FaultKind::PartitionOne, 3_500)),
        6_000,
        0,
        after(4_060),
    );
    let storm = Heal {
        leader_after_heal: Some(after(0)),
        ..heal(None, 10_000, 0, after(60))
    };
    assert_eq!(recovery.heals, [crash, partition, storm]);
    let html = text(&render(&behaviour(&outage())).unwrap());
    // Of 60 ms, 510 ms and 4060 ms.
    let sentence =
        "Of 3 healings service was back after 510 ms in the middle, and after 4.06 s at the worst.";
    assert!(html.contains(sentence), "{html}");
    assert!(
        html.contains("crash (fault 0) 4.000 s 510 ms 600 ms at once overlapped by 1 fault"),
        "{html}"
    );
}

#[test]
fn what_does_not_come_back_never_does_and_what_nobody_asks_for_is_not_missed() {
    let mut scenario = Scenario::empty();
    scenario.fault(0, 1, FaultKind::Crash, crash(), (2_000, 4_000));
    scenario.fact(100, 1, Fact::BecameLeader { epoch: 1 });
    scenario.unknown(0, 4_500, 6_000, "k", json!(1), "deadline");
    let heals = behaviour(&scenario).recovery.heals;
    assert_eq!(heals[0].service, Back::Never);
    assert_eq!(
        (heals[0].leader_after_begin, heals[0].leader_after_heal),
        (Some(Back::Never), Some(Back::Never))
    );
    assert_eq!(
        heals[1].service,
        Back::Unasked,
        "nothing was called after 10 s"
    );
    let html = text(&render(&behaviour(&scenario)).unwrap());
    assert!(
        html.contains("Of 2 healings service came back after none; after 1 of them it never was."),
        "{html}"
    );
    assert!(
        html.contains("crash (fault 0) 4.000 s never never never"),
        "{html}"
    );
    // A fault that nobody lifted is not healed, and neither is a storm that was cut short.
    scenario.record.faults[0].until_ns = None;
    scenario.record.healed_ns = scenario.record.ended_ns;
    assert_eq!(behaviour(&scenario).recovery.heals, []);
    let html = text(&render(&behaviour(&scenario)).unwrap());
    assert!(html.contains("No fault was healed in this run."), "{html}");
}

#[test]
fn a_run_in_which_nothing_happened_says_so_in_words() {
    let html = render(&behaviour(&Scenario::empty())).unwrap();
    let words = text(&html);
    for sentence in [
        "No operation was called.",
        "Nothing was called, and no fault was set up.",
        "No operation was called: nothing shows when service was back.",
        "No fault was installed.",
        "No node noted any fact.",
        "No clock was bent in this run.",
    ] {
        assert!(words.contains(sentence), "{sentence} is not in {words}");
    }
    assert!(
        !html.contains("<tbody>\n</tbody>"),
        "a table without rows says nothing"
    );
    let mut calm = Scenario::empty();
    calm.ok(0, 100, 110, "write", "k", json!(1), json!(1));
    let words = text(&render(&behaviour(&calm)).unwrap());
    assert!(words.contains("No fault was set up. Over the whole run 1 operations were called: 100 % of them ended ok"), "{words}");
    assert!(
        words.contains("No fault was healed in this run."),
        "{words}"
    );
}
