//! A test alone in its process: what it does there would disturb others.

use lighthouse::{Client, Config, PORT};
use std::time::Duration;
use stormglass::{Chaos, Ending, Operation};

struct Visitor(Client);

impl stormglass::Client for Visitor {
    async fn call(&mut self, operation: &Operation) -> Ending {
        let key = operation.key.as_deref().unwrap_or_default();
        let ended = match operation.f {
            "read" => self.0.read(key).await.map(Ending::value),
            _ => {
                let written = self.0.write(key, operation.value.clone()).await;
                written.map(|()| Ending::done(operation))
            }
        };
        ended.unwrap_or_else(Ending::unknown)
    }
}

/// Tokio numbers tasks through the whole process and ends those of a crashed node in an order that depends on the numbers.
#[test]
fn a_trial_is_the_same_whatever_ran_before_it_in_this_process() {
    let once = || {
        let chaos = Chaos::new("lighthouse")
            .nodes(3)
            .node(|node| lighthouse::serve(Config::new(node.id, &node.peers())))
            .client(|caller| Visitor(Client::new(format!("{}:{PORT}", caller.nodes[0]))))
            .time(Duration::from_secs(10))
            .seeds(0..6);
        chaos.run().expect("lighthouse survives").digests
    };
    let first = once();
    for tasks in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without threads");
        (0..tasks).for_each(|_| drop(runtime.spawn(async {})));
        drop(runtime);
        assert_eq!(once(), first, "after {tasks} more tasks");
    }
}
