//! A node on real sockets: `lighthouse ID FILE ADDRESS..`, the addresses of all nodes by number from 1.

use lighthouse::{Config, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || std::io::Error::other("usage: lighthouse ID FILE ADDRESS..");
    let [id, path, nodes @ ..] = arguments.as_slice() else {
        return Err(usage());
    };
    let id: u8 = id.parse().map_err(|_| usage())?;
    let mut peers = nodes.to_vec();
    if id == 0 || usize::from(id) > peers.len() {
        return Err(usage());
    }
    let listen = peers.remove(usize::from(id) - 1);
    let path = path.clone();
    let config = Config {
        listen,
        peers,
        path,
        ..Config::new(id, &[])
    };
    serve(config).await
}
