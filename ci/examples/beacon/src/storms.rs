//! Beacon under storms.

use super::{Reply, Request, ask, serve};
use std::time::Duration;
use stormglass::{Chaos, Client, Ending, Operation};

/// A client of one node, at that address.
struct Visitor(String);

impl Client for Visitor {
    async fn call(&mut self, operation: &Operation) -> Ending {
        let key = operation.key.clone().unwrap_or_default();
        let request = match operation.f {
            "read" => Request::Read(key),
            _ => Request::Write(key, operation.value.clone()),
        };
        match ask(&self.0, &request, Duration::from_secs(1)).await {
            Ok(Reply::Value(value)) => Ending::value(value),
            Ok(Reply::Stored) => Ending::done(operation),
            // It may have happened all the same: only an answer is certain.
            other => Ending::unknown(format!("{other:?}")),
        }
    }
}

fn at_port(hosts: Vec<String>) -> Vec<String> {
    hosts.iter().map(|host| format!("{host}:7000")).collect()
}

#[test]
fn survives_storms() {
    Chaos::new("beacon")
        .nodes(3)
        .node(|node| {
            let (listen, path) = ("0.0.0.0:7000".to_string(), "/registers".to_string());
            serve(node.id, listen, at_port(node.peers()), path)
        })
        .client(|caller| Visitor(at_port(caller.nodes)[0].clone()))
        .faults("all")
        .time(Duration::from_secs(10))
        .seeds(0..4)
        .check();
}
