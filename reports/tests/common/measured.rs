//! What the tests of a run's behaviour share: two runs of which every number is known, and the words of a page.

use crate::common::Scenario;
use serde_json::{Value, json};
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::faults::FaultKind;
use stormglass_nemesis::schedule::{Action, ClockBend, Disturbance, Leaves, Links, Target};
use stormglass_reports::behaviour::Behaviour;

pub(crate) fn behaviour(scenario: &Scenario) -> Behaviour {
    Behaviour::of(&scenario.trial, &scenario.run(), &scenario.judged())
}

/// The text of the sections without their tags, spaces made one.
pub(crate) fn text(html: &str) -> String {
    let words = html
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    words
        .collect::<Vec<_>>()
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn crash() -> Action {
    let (target, leaves) = (Target::Leader, Leaves::Some);
    Action::Crash { target, leaves }
}

fn cut(target: Target) -> Action {
    let (links, disturbance) = (Links::Around { target }, Disturbance::Cut);
    Action::Disturb { links, disturbance }
}

/// A leader that is stopped from 2 s to 4 s, another node cut off from 3.5 s to 6 s, and eight operations:
///
/// ```text
/// ms     1000 1500        2100 2200 2500            4500      5900           10050
///        ok   ok          ----------unknown 3100    ok 4510   -----ok 6100   ok 10060
///                              fail 2300
///                                   -------------------- ok 4200
/// ```
pub(crate) fn outage() -> Scenario {
    let mut scenario = Scenario::empty();
    scenario.fault(0, 1, FaultKind::Crash, crash(), (2_000, 4_000));
    let other = Target::Node(NodeId(2));
    scenario.fault(1, 2, FaultKind::PartitionOne, cut(other), (3_500, 6_000));
    scenario.fact(100, 1, Fact::BecameLeader { epoch: 1 });
    scenario.fact(2_600, 3, Fact::BecameLeader { epoch: 2 });
    scenario.ok(0, 1_000, 1_010, "write", "k0", json!(1), json!(1));
    scenario.ok(1, 1_500, 1_520, "read", "k0", Value::Null, json!(1));
    scenario.unknown(0, 2_100, 3_100, "k0", json!(2), "deadline");
    scenario.mismatch(1, 2_200, 2_300, "k1", json!([7, 8]));
    scenario.ok(1, 2_500, 4_200, "read", "k1", Value::Null, Value::Null);
    scenario.ok(2, 4_500, 4_510, "write", "k0", json!(3), json!(3));
    scenario.ok(1, 5_900, 6_100, "read", "k0", Value::Null, json!(3));
    scenario.ok(2, 10_050, 10_060, "read", "k0", Value::Null, json!(3));
    scenario
}

/// A wall clock half a second ahead from 1 s to 3 s, which strobes another tenth from 2 s to 4 s; and a clock that runs a tenth slow from 2 s to 4 s.
pub(crate) fn bent() -> Scenario {
    let mut scenario = outage();
    let clock = |node, bend| Action::Clock {
        target: Target::Node(NodeId(node)),
        bend,
    };
    scenario.fault(
        10,
        1,
        FaultKind::ClockJump,
        clock(1, ClockBend::Jump { ms: 500 }),
        (1_000, 3_000),
    );
    scenario.fault(
        11,
        2,
        FaultKind::ClockDrift,
        clock(2, ClockBend::Drift { percent: -10 }),
        (2_000, 4_000),
    );
    scenario.fault(
        12,
        1,
        FaultKind::ClockStrobe,
        clock(
            1,
            ClockBend::Strobe {
                ms: 100,
                period_ms: 500,
            },
        ),
        (2_000, 4_000),
    );
    scenario
}
