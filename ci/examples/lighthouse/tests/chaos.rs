//! Lighthouse under storms: its own code, its own client, and a chaos test in thirty lines.

use lighthouse::{Client, Config, PORT};
use std::time::Duration;
use stormglass::{Chaos, Ending, Operation};

struct Visitor(Client);

impl stormglass::Client for Visitor {
    async fn call(&mut self, operation: &Operation) -> Ending {
        let key = operation.key.as_deref().unwrap_or_default();
        let value = operation.value.clone();
        let ended = match operation.f {
            "read" => self.0.read(key).await.map(Ending::value),
            _ => self
                .0
                .write(key, value)
                .await
                .map(|()| Ending::done(operation)),
        };
        ended.unwrap_or_else(Ending::unknown)
    }
}

#[test]
fn survives_storms() {
    let survived = Chaos::new("lighthouse")
        .nodes(3)
        .node(|node| lighthouse::serve(Config::new(node.id, &node.peers())))
        .client(|caller| Visitor(Client::new(format!("{}:{PORT}", caller.nodes[0]))))
        .faults("all")
        .time(Duration::from_secs(20))
        .seeds(0..10)
        .check();
    assert!(survived.installed("partition") > 20, "{survived}");
    assert!(survived.installed("crash") > 20, "{survived}");
    assert!(survived.installed("slow") > 5, "{survived}");
}
