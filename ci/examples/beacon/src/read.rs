//! How a node reads.

use super::{Node, Request};
use serde_json::Value;
use std::io;

impl Node {
    /// The newest value that a majority knows. It is put at a majority before it is told, so that no later read sees an older one.
    pub async fn read(&self, key: String) -> io::Result<Value> {
        let newest = self.newest(&key).await?;
        self.store.lock().unwrap().put(&key, newest.clone())?;
        self.majority(Request::Put(key, newest.clone())).await?;
        Ok(newest.value)
    }
}
