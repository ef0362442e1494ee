//! The operator: a client that changes the members of the cluster, and who leads it, as the faults of a trial want it.
//!
//! It asks as any client does, through the same core and the same network, so its requests are lost and retried like theirs. What it asks is no
//! part of the history: it changes nothing that a workload sees.

use crate::schedule::Action;
use crate::trial::Trial;
use stormglass_impls::contract::{ClientId, NodeId, RequestId};
use stormglass_impls::manage::Manage;
use stormglass_impls::node_set::NodeSet;
use stormglass_workloads::client::{ClientConfig, Manner, Numbering, Outcome, Patience};

/// How long it pauses before it asks again for what is not done yet.
const BUSY_NS: u64 = 20_000_000;
/// And when there is nothing to do: it looks how a node is.
const IDLE_NS: u64 = 200_000_000;

/// What the operator has to do.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Which voters the cluster is to have.
    goal: NodeSet,
    /// Whether it was said to have them.
    reached: bool,
    /// Who is to lead.
    transfer: Option<NodeId>,
    /// Whether nothing comes after this.
    ending: bool,
    requests: u64,
    current: Option<Manage>,
}

impl Operator {
    /// The operator of a trial, where it needs one.
    pub fn of(trial: &Trial) -> Option<Self> {
        let manages = |action: &Action| matches!(action, Action::Manage { .. });
        let wanted = trial.schedule.iter().any(|fault| manages(&fault.action));
        wanted.then(|| Self {
            goal: trial.voters(),
            reached: true,
            transfer: None,
            ending: false,
            requests: 0,
            current: None,
        })
    }

    /// What its client core is told. It has the number after the last client's.
    pub fn client(trial: &Trial) -> ClientConfig {
        ClientConfig {
            id: ClientId(trial.clients),
            servers: trial.nodes,
            patience: Patience {
                deadline_ms: 400,
                ..trial.patience
            },
            numbering: Numbering::Kept,
            manner: Manner::Leader,
        }
    }

    /// The cluster is to have these voters.
    pub fn wants(&mut self, goal: NodeSet) {
        self.reached &= goal == self.goal;
        self.goal = goal;
    }

    /// That node is to lead.
    pub fn wants_leader(&mut self, node: NodeId) {
        self.transfer = Some(node);
    }

    /// The storm is over: what is wanted now is wanted for good.
    pub fn ends(&mut self) {
        self.ending = true;
        self.transfer = None;
    }

    /// When it asks next, in simulated nanoseconds; never when all is done.
    pub fn plan(&self, now_ns: u64) -> Option<u64> {
        if self.is_done() {
            return None;
        }
        let busy = !self.reached || self.transfer.is_some();
        Some(now_ns + if busy { BUSY_NS } else { IDLE_NS })
    }

    /// What it asks now.
    pub fn call(&mut self) -> (RequestId, Manage) {
        let errand = match self.transfer.take() {
            Some(node) => Manage::Transfer(node),
            None if self.reached => Manage::Status,
            None => Manage::Members(self.goal),
        };
        self.requests += 1;
        self.current = Some(errand);
        (RequestId(self.requests), errand)
    }

    /// How that ended.
    pub fn ended(&mut self, outcome: &Outcome) {
        let asked = self.current.take();
        if matches!(outcome, Outcome::Done(_)) && asked == Some(Manage::Members(self.goal)) {
            self.reached = true;
        }
    }

    /// Whether the cluster is as it should be for good, and nothing is asked.
    pub fn is_done(&self) -> bool {
        self.ending && self.reached && self.current.is_none()
    }

    /// What the cluster was not said to have, if it should.
    pub fn missing(&self) -> Option<NodeSet> {
        (!self.reached).then_some(self.goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator() -> Operator {
        Operator {
            goal: NodeSet::first(3),
            reached: true,
            transfer: None,
            ending: false,
            requests: 0,
            current: None,
        }
    }

    #[test]
    fn it_asks_until_the_cluster_has_the_voters_it_wants_now() {
        let mut operator = operator();
        assert_eq!(operator.call().1, Manage::Status, "nothing to do");
        operator.ended(&Outcome::Done(vec![]));
        let (two, four) = (NodeSet::first(2), NodeSet::first(4));
        operator.wants(two);
        assert_eq!(operator.call(), (RequestId(2), Manage::Members(two)));
        operator.wants(four);
        operator.ended(&Outcome::Done(vec![]));
        assert_eq!(
            operator.missing(),
            Some(four),
            "what was done is not wanted any more"
        );
        assert_eq!(operator.call().1, Manage::Members(four));
        operator.ended(&Outcome::Unknown);
        operator.ends();
        assert!(!operator.is_done());
        operator.call();
        operator.ended(&Outcome::Done(vec![]));
        assert!(operator.is_done() && operator.plan(5).is_none());
    }
}
