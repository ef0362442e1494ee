//! Values that try to be something else.

use super::Scenario;
use serde_json::{Value, json};
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::record::{FaultStatus, Violation, ViolationKind};

/// Each of these breaks out of some place if it is not escaped there.
pub(crate) const ATTACKS: &[&str] = &[
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=document.title='owned'>",
    "\"><svg onload=document.title='owned'>",
    "' onmouseover='document.title=1' x='",
    "</title></style></svg><iframe src=//example.invalid>",
    "<!--<script>",
    "\u{0}\u{1b}[31mred\u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{fffe}",
    "{{ 7*7 }}{% raw %}&lt;&#60;&amp;",
    "]]>\n```\n| a | b |\n# heading\n@everyone <details>",
];

/// A storm whose every text is an attack.
pub(crate) fn hostile() -> Scenario {
    let mut scenario = Scenario::storm();
    for (number, attack) in ATTACKS.iter().enumerate() {
        let at_ms = 1_900 + number as u64 * 60;
        let process = 10 + number as u64 * 2;
        scenario.ok(
            process,
            at_ms,
            at_ms + 20,
            "write",
            attack,
            json!(attack),
            json!(attack),
        );
        scenario.ok(
            process,
            at_ms + 30,
            at_ms + 40,
            "read",
            attack,
            Value::Null,
            json!(attack),
        );
        scenario.unknown(
            process + 1_000,
            at_ms + 45,
            at_ms + 50,
            "k0",
            json!(format!("{{{attack}}}")),
            attack,
        );
    }
    // A stale read of a hostile key, so that the evidence is hostile too.
    let attack = ATTACKS[0];
    scenario.ok(
        0,
        9_100,
        9_110,
        "write",
        attack,
        json!(ATTACKS[1]),
        json!(ATTACKS[1]),
    );
    scenario.ok(
        0,
        9_120,
        9_130,
        "write",
        attack,
        json!(ATTACKS[2]),
        json!(ATTACKS[2]),
    );
    scenario.ok(
        0,
        9_140,
        9_150,
        "read",
        attack,
        Value::Null,
        json!(ATTACKS[1]),
    );
    let all = ATTACKS.concat();
    scenario.trial.cluster = all.clone();
    scenario.trial.mutant = Some(all.clone());
    scenario.record.digest = all.clone();
    scenario.record.faults[2].status = FaultStatus::Skipped {
        reason: all.clone(),
    };
    scenario.record.violations.push(Violation {
        kind: ViolationKind::Panic,
        name: all.clone(),
        time_ns: u64::MAX,
        node: Some(NodeId(0)),
        message: all,
    });
    scenario
}
