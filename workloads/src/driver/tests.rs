//! The driver against sockets on the loopback: a cluster, and servers made by hand.

use super::*;
use crate::client::session::Call;
use crate::client::{Manner, Numbering, Patience};
use crate::workload::{Operation, WorkloadConfig};
use std::io;
use std::path::Path;
use std::time::Duration;
use stormglass_impls::catalog;
use stormglass_impls::contract::ClientId;
use stormglass_impls::host::connection::take;
use stormglass_impls::host::{Compaction, Disk, Host, PlainGate, TokioClock, TokioNet, draw_from};
use stormglass_impls::system::Setup;
use stormglass_impls::zookeeper::words;
use tokio::net::TcpListener;

/// A file in memory.
#[derive(Default)]
struct Memory(RefCell<Vec<u8>>);

impl Disk for Memory {
    type File = ();

    async fn open(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn read(&self, (): &()) -> io::Result<Vec<u8>> {
        Ok(self.0.borrow().clone())
    }

    async fn append(&self, (): &(), _: u64, bytes: Vec<u8>) -> io::Result<()> {
        self.0.borrow_mut().extend(bytes);
        Ok(())
    }

    async fn truncate(&self, (): &(), length: u64) -> io::Result<()> {
        self.0.borrow_mut().truncate(length as usize);
        Ok(())
    }

    async fn sync(&self, (): &()) -> io::Result<()> {
        Ok(())
    }

    async fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A desk with a list of bodies, one call every millisecond.
struct List {
    bodies: Vec<Vec<u8>>,
    called_ns: Vec<u64>,
    ended: Vec<(u64, Outcome)>,
}

impl List {
    fn new(bodies: Vec<Vec<u8>>) -> Self {
        Self {
            bodies,
            called_ns: Vec::new(),
            ended: Vec::new(),
        }
    }
}

impl Desk for List {
    fn next(&mut self, now: Now) -> Task {
        assert_eq!(
            self.called_ns.len(),
            self.ended.len(),
            "a client has one operation open"
        );
        if self.ended.len() == self.bodies.len() {
            return Task::Done;
        }
        Task::CallAt {
            at_ns: now.monotonic_ns + 1_000_000,
        }
    }

    fn call(&mut self, now: Now) -> (RequestId, Vec<u8>) {
        self.called_ns.push(now.monotonic_ns);
        (
            RequestId(self.called_ns.len() as u64),
            self.bodies[self.ended.len()].clone(),
        )
    }

    fn ended(&mut self, _: Now, request_id: RequestId, outcome: Outcome) {
        self.ended.push((request_id.0, outcome));
    }
}

fn driver(addresses: &[String], patience: Patience) -> Driver<TokioNet, TokioClock, PlainGate> {
    Driver {
        config: ClientConfig {
            id: ClientId(0),
            servers: addresses.len() as u8,
            patience,
            numbering: Numbering::Kept,
            manner: Manner::Leader,
        },
        addresses: addresses.to_vec(),
        net: TokioNet,
        clock: TokioClock::start(),
        gate: Rc::new(PlainGate),
        draw: draw_from(1),
    }
}

fn life(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("it takes far less");
    });
}

async fn listen(count: usize) -> (Vec<TcpListener>, Vec<String>) {
    let mut listeners = Vec::new();
    for _ in 0..count {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let addresses = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().to_string());
    let addresses = addresses.collect();
    (listeners, addresses)
}

#[test]
fn a_client_works_its_list_off_at_a_cluster() {
    life(async {
        let (listeners, addresses) = listen(3).await;
        drop(listeners);
        for id in NodeId::all(3) {
            let host = Host {
                system: catalog::system("raft-cache").unwrap(),
                setup: Setup::of(id, 3),
                addresses: addresses.clone(),
                wal_path: "/wal".into(),
                compaction: Compaction::default(),
                net: TokioNet,
                disk: Memory::default(),
                clock: TokioClock::start(),
                gate: Rc::new(PlainGate),
                draw: draw_from(id.0.into()),
            };
            tokio::task::spawn_local(async move {
                let Err(error) = host.run().await;
                panic!("{error}");
            });
        }
        let config = WorkloadConfig::register();
        let binding = config.binding("raft-cache").unwrap();
        let mut workload = config.start(7);
        let operations: Vec<Operation> = (0..30).map(|n| workload.operation(0, n)).collect();
        let mut desk = List::new(
            operations
                .iter()
                .map(|operation| binding.request(operation))
                .collect(),
        );
        driver(
            &addresses,
            Patience {
                deadline_ms: 10_000,
                ..Patience::default()
            },
        )
        .drive(&mut desk)
        .await
        .unwrap();
        assert_eq!(desk.ended.len(), 30);
        for (operation, (request_id, outcome)) in operations.iter().zip(&desk.ended) {
            let Outcome::Done(reply) = outcome else {
                panic!("#{request_id} was not answered")
            };
            binding.completion(operation, reply).unwrap();
        }
        assert!(
            desk.called_ns
                .windows(2)
                .all(|pair| pair[0] + 1_000_000 <= pair[1]),
            "called when planned"
        );
    });
}

/// Reads the calls of the next connection, and answers the first so many.
async fn serve_calls(listener: &TcpListener, answers_max: usize) -> Vec<u64> {
    let (stream, _) = listener.accept().await.unwrap();
    let (wire, caller) = take(stream, 1).await.unwrap();
    assert_eq!(caller, Party::Client(ClientId(0)));
    let (from, to) = (Party::Node(NodeId(1)), Party::Client(ClientId(0)));
    let outbox = Outbox::new(Rc::new(PlainGate), from, to, 1);
    let mut calls = Vec::new();
    let deliver = async |frame| {
        let Frame::Data(payload) = frame else {
            panic!("a client greets once")
        };
        let Ok(ClientFrame::Call {
            request_id, body, ..
        }) = postcard::from_bytes(&payload)
        else {
            panic!("a client calls")
        };
        calls.push(request_id.0);
        if calls.len() > answers_max {
            return Err(End::Dropped);
        }
        let answer = ClientFrame::Answer {
            request_id,
            answer: Answer::Done(body),
        };
        outbox.send(&postcard::to_allocvec(&answer).unwrap());
        Ok(())
    };
    wire.serve(&outbox, deliver).await;
    calls
}

#[test]
fn a_refused_dial_and_a_broken_connection_are_tried_elsewhere_under_the_same_request() {
    life(async {
        let (mut listeners, addresses) = listen(3).await;
        let answering = listeners.pop().unwrap();
        let hanging_up = listeners.pop().unwrap();
        drop(listeners); // Nobody listens at the client's first server.
        let answering = tokio::task::spawn_local(async move { serve_calls(&answering, 9).await });
        let hanging_up = tokio::task::spawn_local(async move { serve_calls(&hanging_up, 0).await });
        // Far too patient to get anywhere by timeouts alone.
        let patience = Patience {
            attempt_timeout_ms: 60_000,
            backoff_ms: 10,
            deadline_ms: 60_000,
        };
        let mut desk = List::new(vec![vec![4], vec![5]]);
        driver(&addresses, patience).drive(&mut desk).await.unwrap();
        assert_eq!(
            desk.ended,
            [(1, Outcome::Done(vec![4])), (2, Outcome::Done(vec![5]))]
        );
        assert_eq!(hanging_up.await.unwrap(), [1]);
        assert_eq!(
            answering.await.unwrap(),
            [1, 2],
            "the second call went where the first was answered"
        );
    });
}

#[test]
fn a_server_that_hung_up_is_dialled_again() {
    life(async {
        let (mut listeners, addresses) = listen(1).await;
        let listener = listeners.pop().unwrap();
        let server = tokio::task::spawn_local(async move {
            (
                serve_calls(&listener, 0).await,
                serve_calls(&listener, 9).await,
            )
        });
        let patience = Patience {
            attempt_timeout_ms: 60_000,
            backoff_ms: 10,
            deadline_ms: 60_000,
        };
        let mut desk = List::new(vec![vec![4]]);
        driver(&addresses, patience).drive(&mut desk).await.unwrap();
        assert_eq!(desk.ended, [(1, Outcome::Done(vec![4]))]);
        assert_eq!(server.await.unwrap(), (vec![1], vec![1]));
    });
}

/// What a server hears of its next connection, and what it answers: nothing to a read as long as it is silent.
async fn serve_session(
    listener: &TcpListener,
    connection: u64,
    silent: bool,
) -> Vec<words::Request> {
    let (stream, _) = listener.accept().await.unwrap();
    let (wire, _) = take(stream, connection).await.unwrap();
    let (from, to) = (Party::Node(NodeId(1)), Party::Client(ClientId(0)));
    let outbox = Outbox::new(Rc::new(PlainGate), from, to, connection);
    let mut heard = Vec::new();
    let deliver = async |frame| {
        let Frame::Data(payload) = frame else {
            panic!("a client greets once")
        };
        let Ok(ClientFrame::Call {
            request_id, body, ..
        }) = ClientFrame::read(&payload)
        else {
            panic!("a client calls")
        };
        let request: words::Request = postcard::from_bytes(&body).unwrap();
        let body = match &request {
            words::Request::Connect { .. } => Some(words::Body::Connected {
                session: words::SessionId(5),
                timeout_ms: 60_000,
            }),
            _ if silent => None,
            _ => Some(words::Body::Done(Ok(words::Done::Fine))),
        };
        heard.push(request);
        if let Some(body) = body {
            let reply = words::Reply { zxid: 1, body };
            let answer = Answer::Done(postcard::to_allocvec(&reply).unwrap());
            let answer = ClientFrame::Answer { request_id, answer };
            outbox.send(&postcard::to_allocvec(&answer).unwrap());
        }
        Ok(())
    };
    wire.serve(&outbox, deliver).await;
    heard
}

#[test]
fn a_connection_that_the_client_breaks_ends_and_the_next_begins_at_the_same_server() {
    life(async {
        let (mut listeners, addresses) = listen(1).await;
        let listener = listeners.pop().unwrap();
        let server = tokio::task::spawn_local(async move {
            (
                serve_session(&listener, 1, true).await,
                serve_session(&listener, 2, false).await,
            )
        });
        let patience = Patience {
            attempt_timeout_ms: 50,
            backoff_ms: 0,
            deadline_ms: 60_000,
        };
        let call = Call::Ask(words::Request::Sync);
        let mut desk = List::new(vec![postcard::to_allocvec(&call).unwrap()]);
        let mut driver = driver(&addresses, patience);
        driver.config.manner = Manner::Session { timeout_ms: 60_000 };
        driver.drive(&mut desk).await.unwrap();
        let [(1, Outcome::Done(_))] = desk.ended[..] else {
            panic!("it was answered in the end: {:?}", desk.ended);
        };
        let connect = |session, seen| words::Request::Connect {
            session,
            timeout_ms: 60_000,
            seen,
            told: 0,
            watches: Vec::new(),
        };
        let (first, second) = server.await.unwrap();
        assert_eq!(first, [connect(None, 0), words::Request::Sync]);
        let kept = Some(words::SessionId(5));
        assert_eq!(second, [connect(kept, 1), words::Request::Sync]);
    });
}

#[test]
fn silence_until_the_deadline_is_an_unknown_outcome_and_the_next_call_goes_on() {
    life(async {
        let (listeners, addresses) = listen(2).await;
        let patience = Patience {
            attempt_timeout_ms: 30,
            backoff_ms: 10,
            deadline_ms: 100,
        };
        let mut desk = List::new(vec![vec![4], vec![5]]);
        driver(&addresses, patience).drive(&mut desk).await.unwrap();
        assert_eq!(desk.ended, [(1, Outcome::Unknown), (2, Outcome::Unknown)]);
        assert!(
            desk.called_ns[1] - desk.called_ns[0] >= 100_000_000,
            "not before the deadline"
        );
        drop(listeners);
    });
}

#[test]
fn addresses_that_do_not_fit_the_servers_are_refused() {
    life(async {
        let mut driver = driver(&["127.0.0.1:1".to_string()], Patience::default());
        driver.config.servers = 2;
        let refused = driver.drive(&mut List::new(vec![])).await;
        assert_eq!(
            refused,
            Err(AddressError {
                servers: 2,
                addresses: 1
            })
        );
    });
}
