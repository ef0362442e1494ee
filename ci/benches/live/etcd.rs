//! Debian's etcd under the same closed loop, through its HTTP gateway.

use super::{Load, Measured, Shared, VALUE_BYTES, key};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use stormglass::live::plan::free_ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) fn is_there() -> bool {
    let version = Command::new("etcd").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// An etcd cluster, ended when it is dropped.
pub(super) struct Theirs {
    members: Vec<Child>,
    /// Where its clients call.
    addresses: Vec<String>,
    _directory: tempfile::TempDir,
}

impl Drop for Theirs {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

impl Theirs {
    pub(super) async fn start(directory: tempfile::TempDir, nodes: u8) -> Self {
        let ports = free_ports("127.0.0.1", 2 * nodes, 9_400).expect("there are free ports");
        let (client_ports, peer_ports) = ports.split_at(nodes.into());
        let peers = peer_ports.iter().enumerate();
        let peers: Vec<String> = peers
            .map(|(at, port)| format!("e{at}=http://127.0.0.1:{port}"))
            .collect();
        let member = |at: usize| {
            let client = format!("http://127.0.0.1:{}", client_ports[at]);
            let peer = format!("http://127.0.0.1:{}", peer_ports[at]);
            let mut command = Command::new("etcd");
            command
                .args(["--name", &format!("e{at}"), "--data-dir"])
                .arg(directory.path().join(format!("e{at}")))
                .args([
                    "--listen-client-urls",
                    &client,
                    "--advertise-client-urls",
                    &client,
                ])
                .args([
                    "--listen-peer-urls",
                    &peer,
                    "--initial-advertise-peer-urls",
                    &peer,
                ])
                .args([
                    "--initial-cluster",
                    &peers.join(","),
                    "--initial-cluster-state",
                    "new",
                ])
                .args(["--heartbeat-interval", "100", "--election-timeout", "1000"])
                .args(["--log-level", "error"])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().expect("etcd starts")
        };
        let mut theirs = Self {
            members: (0..usize::from(nodes)).map(member).collect(),
            addresses: client_ports
                .iter()
                .map(|port| format!("127.0.0.1:{port}"))
                .collect(),
            _directory: directory,
        };
        theirs.address_the_leader().await;
        theirs
    }

    /// Waits until somebody leads, and lets all clients call there, as ours do.
    async fn address_the_leader(&mut self) {
        let began = Instant::now();
        loop {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "etcd does not start"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
            for address in self.addresses.clone() {
                let Ok(mut connection) = Connection::open(&address).await else {
                    continue;
                };
                let status = connection.post("/v3/maintenance/status", "{}").await;
                let Ok(status) = status
                    .as_deref()
                    .map(serde_json::from_str::<serde_json::Value>)
                else {
                    continue;
                };
                let status = status.unwrap_or_default();
                let own = &status["header"]["member_id"];
                if own.is_string() && *own == status["leader"] {
                    self.addresses = vec![address];
                    return;
                }
            }
        }
    }

    pub(super) async fn measure(&self, load: Load, clients: u64, seconds: u64) -> Shared {
        let measured = Measured::start(seconds);
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..clients {
            let address = self.addresses[client as usize % self.addresses.len()].clone();
            let measured = Rc::clone(&measured);
            tasks.spawn_local(async move {
                let connection = Connection::open(&address).await;
                let mut connection = connection.expect("etcd takes connections");
                let ends = measured.borrow().ends;
                let mut calls = 0;
                while Instant::now() < ends {
                    calls += 1;
                    let key = base64(key(client, calls).as_bytes());
                    let called = Instant::now();
                    let answered = match load {
                        Load::Put => {
                            let value = base64(&[b'x'; VALUE_BYTES]);
                            let body = format!(r#"{{"key":"{key}","value":"{value}"}}"#);
                            connection.post("/v3/kv/put", &body).await
                        }
                        Load::Get => {
                            let body = format!(r#"{{"key":"{key}"}}"#);
                            connection.post("/v3/kv/range", &body).await
                        }
                    };
                    let ok = answered.is_ok();
                    measured.borrow_mut().ended(called, ok);
                    if !ok {
                        connection = Connection::open(&address).await.expect("etcd lives");
                    }
                }
            });
        }
        tasks.join_all().await;
        measured
    }
}

/// One connection that is kept.
struct Connection {
    stream: TcpStream,
    host: String,
    arrived: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_string(),
            arrived: Vec::new(),
        })
    }

    /// Posts a body, and gives that of the answer.
    async fn post(&mut self, path: &str, body: &str) -> std::io::Result<String> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let broken = |what: &str| std::io::Error::other(what.to_string());
        self.arrived.clear();
        loop {
            if let Some(end) = self.arrived.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.arrived[..end]).to_ascii_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:"));
                let length = length.and_then(|length| length.trim().parse::<usize>().ok());
                let length = length.ok_or_else(|| broken("an answer of unknown length"))?;
                if self.arrived.len() >= end + 4 + length {
                    let body = &self.arrived[end + 4..end + 4 + length];
                    let body = String::from_utf8_lossy(body).into_owned();
                    return match head.starts_with("http/1.1 200") {
                        true => Ok(body),
                        false => Err(broken(&body)),
                    };
                }
            }
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                return Err(broken("etcd closed the connection"));
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for digit in 0..4 {
            match digit <= three.len() {
                true => text.push(char::from(DIGITS[(word >> (18 - 6 * digit)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}
