//! Lighthouse under storms: its own code, its own client, and a chaos test in thirty lines.

use lighthouse::{Client, Config, Reads};
use std::time::Duration;
use stormglass::{Chaos, Ending, Node, Operation};

struct Visitor(Client);

impl stormglass::Client for Visitor {
    async fn call(&mut self, operation: &Operation) -> Ending {
        let key = operation.key.as_deref().unwrap_or_default();
        let ended = match operation.f {
            "read" => self.0.read(key).await,
            _ => self.0.write(key, operation.value.clone()).await.map(|()| operation.value.clone()),
        };
        ended.map_or_else(Ending::unknown, Ending::value)
    }
}

fn config(node: Node, reads: Reads) -> Config {
    let peers = node.peers().iter().map(|peer| format!("{peer}:7000")).collect();
    Config { id: node.id, listen: "0.0.0.0:7000".into(), peers, path: "/registers".into(), reads }
}

#[test]
fn survives_storms() {
    let survived = Chaos::new("lighthouse")
        .nodes(3)
        .node(|node| lighthouse::serve(config(node, Reads::Majority)))
        .client(|caller| Visitor(Client::new(format!("{}:7000", caller.nodes[0]))))
        .faults("all")
        .time(Duration::from_secs(20))
        .seeds(0..10)
        .check();
    assert!(survived.installed("partition") > 20, "{survived}");
    assert!(survived.installed("crash") > 20, "{survived}");
    assert!(survived.installed("slow") > 5, "{survived}");
}
