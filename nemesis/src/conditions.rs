//! What the nemesis has made of the world: the links and the machines, with the faults in force on them.

use crate::machines::Machines;
use crate::trial::Trial;
use crate::weather::Weather;
use stormglass_impls::system::Budget;

/// The state of everything a fault can touch. It lives outside of every crash domain.
#[derive(Debug)]
pub struct Conditions {
    /// The links between the nodes.
    pub weather: Weather,
    /// The machines under the nodes.
    pub machines: Machines,
}

impl Conditions {
    /// A good day for the cluster of a trial.
    pub fn new(trial: &Trial, budget: &Budget) -> Self {
        Self {
            weather: Weather::new(
                trial.network,
                // The operator is one more.
                (trial.nodes, trial.clients + 1),
                budget.links,
                trial.seed,
            ),
            machines: Machines::new(trial.nodes, trial.sync_ms, trial.seed),
        }
    }
}
