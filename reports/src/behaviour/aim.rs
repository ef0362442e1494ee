//! Whom a fault was aimed at, as it turned out: which part of the cluster, and whether the leader was in it.

use serde::Serialize;
use std::collections::BTreeSet;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::record::FaultRecord;
use stormglass_nemesis::schedule::{Action, Change, Fault, Links};

/// Whom a fault was aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Aim {
    /// Which links of it, where it was aimed at links.
    pub links: Option<Side>,
    /// Which part of the cluster.
    pub part: Part,
}

/// Which links of a part of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Those to all others, both ways.
    Around,
    /// Those on which it sends.
    From,
    /// Those on which it is sent.
    To,
}

/// A part of the cluster, by its size and by whether the leader is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The one that led.
    Leader,
    /// One that did not, while another did.
    Follower,
    /// One, while nobody led.
    Node,
    /// Fewer than half, the leader among them.
    MinorityWithLeader,
    /// Fewer than half.
    Minority,
    /// Half, the leader among them.
    HalfWithLeader,
    /// Half.
    Half,
    /// More than half, the leader among them.
    MajorityWithLeader,
    /// More than half.
    Majority,
    /// All.
    All,
    /// All but neighbours on a ring.
    Ring,
    /// Two groups, and others that hear both.
    Bridge,
    /// Pairs, some of them of the leader.
    PairsOfLeader,
    /// Pairs.
    Pairs,
    /// It befell nobody.
    Nobody,
}

impl Aim {
    /// Whom a fault was aimed at. `leader` is who led when it began.
    pub(super) fn of(
        planned: Option<&Fault>,
        went: &FaultRecord,
        leader: Option<NodeId>,
        nodes: u8,
    ) -> Self {
        let part = |some: &[NodeId]| Part::of(some, leader, nodes);
        let befallen = |links| Aim {
            links,
            part: part(&went.nodes),
        };
        match planned.map(|fault| &fault.action) {
            Some(Action::Disturb { links, .. }) => match links {
                Links::Around { .. } => befallen(Some(Side::Around)),
                Links::Between { left, right } => {
                    let fewer = if right.len() < left.len() {
                        right
                    } else {
                        left
                    };
                    let bridge = left.len() + right.len() < usize::from(nodes);
                    Aim {
                        links: Some(Side::Around),
                        part: if bridge { Part::Bridge } else { part(fewer) },
                    }
                }
                Links::OneWay { from, to } if from.len() <= to.len() => Aim {
                    // What all send to all has no direction.
                    links: Some(if part(from) == Part::All {
                        Side::Around
                    } else {
                        Side::From
                    }),
                    part: part(from),
                },
                Links::OneWay { to, .. } => Aim {
                    links: Some(Side::To),
                    part: part(to),
                },
                Links::AcrossRing { .. } => Aim {
                    links: Some(Side::Around),
                    part: Part::Ring,
                },
                Links::Pairs(pairs) => {
                    let led = |(one, other): &(NodeId, NodeId)| {
                        leader == Some(*one) || leader == Some(*other)
                    };
                    Aim {
                        links: Some(Side::Around),
                        part: if pairs.iter().any(led) {
                            Part::PairsOfLeader
                        } else {
                            Part::Pairs
                        },
                    }
                }
            },
            Some(Action::Manage {
                change: Change::Voters(voters),
            }) => Aim {
                links: None,
                part: part(voters),
            },
            Some(Action::RollingRestart { order, .. }) => Aim {
                links: None,
                part: part(order),
            },
            _ => befallen(None),
        }
    }

    /// Whom, in words.
    pub fn text(self) -> String {
        let part = self.part.text();
        match (self.links, self.part) {
            (Some(_), Part::All) => "all links".to_string(),
            (Some(_), Part::Ring | Part::Bridge | Part::Pairs | Part::PairsOfLeader)
            | (None, _) => part.to_string(),
            (Some(Side::Around), _) => format!("links of {part}"),
            (Some(Side::From), _) => format!("links from {part}"),
            (Some(Side::To), _) => format!("links to {part}"),
        }
    }
}

impl Part {
    fn of(some: &[NodeId], leader: Option<NodeId>, nodes: u8) -> Self {
        let some: BTreeSet<NodeId> = some.iter().copied().collect();
        let led = leader.is_some_and(|leader| some.contains(&leader));
        let nodes = usize::from(nodes);
        match some.len() {
            0 => Part::Nobody,
            1 if led => Part::Leader,
            1 if leader.is_some() => Part::Follower,
            1 => Part::Node,
            all if all >= nodes => Part::All,
            few if few * 2 < nodes && led => Part::MinorityWithLeader,
            few if few * 2 < nodes => Part::Minority,
            half if half * 2 == nodes && led => Part::HalfWithLeader,
            half if half * 2 == nodes => Part::Half,
            _ if led => Part::MajorityWithLeader,
            _ => Part::Majority,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Part::Leader => "the leader",
            Part::Follower => "a follower",
            Part::Node => "a node, while none led",
            Part::MinorityWithLeader => "a minority with the leader",
            Part::Minority => "a minority without a leader",
            Part::HalfWithLeader => "the half with the leader",
            Part::Half => "a half without a leader",
            Part::MajorityWithLeader => "a majority with the leader",
            Part::Majority => "a majority without a leader",
            Part::All => "all nodes",
            Part::Ring => "all but neighbours on a ring",
            Part::Bridge => "two groups, joined by others",
            Part::PairsOfLeader => "pairs, some with the leader",
            Part::Pairs => "pairs without a leader",
            Part::Nobody => "nobody",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_nemesis::faults::FaultKind;
    use stormglass_nemesis::record::FaultStatus;
    use stormglass_nemesis::schedule::{Disturbance, Target, When};

    fn text(action: Action, befallen: &[u8], leader: Option<u8>) -> String {
        let ids = |ids: &[u8]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
        // The kind does not matter here.
        let kind = FaultKind::Crash;
        let went = FaultRecord {
            id: 0,
            kind,
            nodes: ids(befallen),
            from_ns: Some(0),
            until_ns: None,
            status: FaultStatus::Installed,
            effects: 1,
        };
        let when = When::AtMs(0);
        let planned = Fault {
            id: 0,
            kind,
            action,
            when,
            lasts_ms: 1,
        };
        Aim::of(Some(&planned), &went, leader.map(NodeId), 5).text()
    }

    fn links(links: Links, leader: Option<u8>) -> String {
        let disturbance = Disturbance::Cut;
        text(Action::Disturb { links, disturbance }, &[], leader)
    }

    #[test]
    fn a_part_is_named_by_its_size_and_by_where_the_leader_is() {
        let pause = |befallen: &[u8], leader| {
            text(
                Action::Pause {
                    target: Target::Leader,
                },
                befallen,
                leader,
            )
        };
        assert_eq!(pause(&[2], Some(2)), "the leader");
        assert_eq!(pause(&[2], Some(3)), "a follower");
        assert_eq!(pause(&[2], None), "a node, while none led");
        assert_eq!(pause(&[2, 3], Some(3)), "a minority with the leader");
        assert_eq!(pause(&[2, 3], Some(1)), "a minority without a leader");
        assert_eq!(pause(&[2, 3, 4], Some(1)), "a majority without a leader");
        assert_eq!(pause(&[1, 2, 3, 4, 5], Some(1)), "all nodes");
        assert_eq!(pause(&[], None), "nobody");
    }

    #[test]
    fn links_are_named_by_the_smaller_side() {
        let ids = |ids: &[u8]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
        let between = |left: &[u8], right: &[u8]| Links::Between {
            left: ids(left),
            right: ids(right),
        };
        assert_eq!(
            links(between(&[1, 2, 3], &[4, 5]), Some(5)),
            "links of a minority with the leader"
        );
        assert_eq!(
            links(between(&[1, 2, 3], &[4, 5]), Some(1)),
            "links of a minority without a leader"
        );
        assert_eq!(
            links(between(&[1, 2], &[4, 5]), Some(1)),
            "two groups, joined by others"
        );
        let one_way = |from: &[u8], to: &[u8]| Links::OneWay {
            from: ids(from),
            to: ids(to),
        };
        assert_eq!(
            links(one_way(&[1], &[2, 3, 4, 5]), Some(1)),
            "links from the leader"
        );
        assert_eq!(
            links(one_way(&[2, 3, 4, 5], &[1]), Some(1)),
            "links to the leader"
        );
        assert_eq!(
            links(one_way(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]), Some(1)),
            "all links"
        );
        let pairs = || Links::Pairs(vec![(NodeId(1), NodeId(2))]);
        assert_eq!(links(pairs(), Some(2)), "pairs, some with the leader");
        assert_eq!(links(pairs(), Some(3)), "pairs without a leader");
        let around = Links::Around {
            target: Target::Leader,
        };
        let disturbance = Disturbance::Cut;
        assert_eq!(
            text(
                Action::Disturb {
                    links: around,
                    disturbance
                },
                &[4],
                Some(4)
            ),
            "links of the leader"
        );
    }
}
