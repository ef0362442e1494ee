//! What a run broke, by name.

use crate::judge::Judged;
use crate::record::ViolationKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use stormglass_checker::Verdict;
use stormglass_workloads::workload::promises;
use stormglass_workloads::{etcd, zookeeper};

/// The property that a run broke: the one its verdict names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Property {
    /// What the clients saw breaks the workload's promise.
    Promise {
        /// Its name, as `linearizability`.
        name: String,
    },
    /// Something broke inside the cluster.
    Inside {
        /// The kind of law.
        kind: ViolationKind,
        /// Its name, as `election-safety`.
        name: String,
    },
}

/// The other names that are not those of an invariant.
const NAMES: [(&str, ViolationKind); 9] = [
    ("panic", ViolationKind::Panic),
    ("host", ViolationKind::Host),
    ("node", ViolationKind::Host),
    ("progress", ViolationKind::Progress),
    ("protocol", ViolationKind::Protocol),
    ("hang", ViolationKind::Hang),
    ("flood", ViolationKind::Hang),
    ("standstill", ViolationKind::Hang),
    ("harness", ViolationKind::Harness),
];

impl Property {
    /// What a run broke, also where that is only measured; `None` when it broke nothing.
    ///
    /// A mistake of the harness comes first, since then nothing is known of the cluster; then what the clients saw.
    pub fn of(judged: &Judged) -> Option<Self> {
        let violations = &judged.violations;
        let flawed = violations
            .iter()
            .find(|violation| violation.kind == ViolationKind::Harness);
        let seen = matches!(judged.judgement.verdict, Verdict::Invalid(_));
        if flawed.is_none() && seen {
            let name = judged.promise_name().to_string();
            return Some(Property::Promise { name });
        }
        flawed
            .or(violations.first())
            .map(|violation| Property::Inside {
                kind: violation.kind,
                name: violation.name.clone(),
            })
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Property::Promise { name } | Property::Inside { name, .. } => name,
        })
    }
}

impl From<Property> for String {
    fn from(property: Property) -> Self {
        property.to_string()
    }
}

impl From<String> for Property {
    /// A name says its kind: what is none of the names above is an invariant.
    fn from(name: String) -> Self {
        let is_promise = |name: &str| promises().iter().any(|promise| promise.name == name);
        let all = [etcd::promises::GUARANTEES, zookeeper::promises::GUARANTEES];
        if all.contains(&name.as_str()) || is_promise(&name) {
            return Property::Promise { name };
        }
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let kind = known.map_or(ViolationKind::Invariant, |(_, kind)| *kind);
        Property::Inside { kind, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_workloads::workload::{WORKLOADS, WorkloadConfig};

    #[test]
    fn a_broken_promise_is_known_by_its_name() {
        for info in WORKLOADS {
            for cluster in info.clusters {
                let workload = WorkloadConfig::named(info.name, cluster).unwrap();
                let promise = workload.start(0).promise();
                let name = promise.split(':').next().unwrap();
                let property = Property::from(name.to_string());
                assert!(matches!(property, Property::Promise { .. }), "{name}");
            }
        }
    }

    #[test]
    fn a_property_is_written_as_its_name() {
        for name in [
            "linearizability",
            "watches",
            "election-safety",
            "panic",
            "progress",
        ] {
            let property = Property::from(name.to_string());
            let json = serde_json::to_string(&property).unwrap();
            assert_eq!(json, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<Property>(&json).unwrap(), property);
        }
    }
}
