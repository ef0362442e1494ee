//! Runs a client core on tokio: the same sockets, framing and gate as the host's, from the other end.
//!
//! A [`Driver`] works in a closed loop: it fetches one operation at a time from its [`Desk`], gives it to the core, and hands the outcome
//! back. It dials a server when the core first sends there and again after the connection broke. What is sent while it dials waits for
//! the connection.

use crate::client::{Client, ClientConfig, ClientTimer, NoDisk, Outcome};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stormglass_impls::contract::{
    Answer, Effect, Effects, Input, Node, NodeId, Now, RequestId, Session,
};
use stormglass_impls::host::connection::{End, Outbox, dial, pass_on_panic};
use stormglass_impls::host::mailbox::Mailbox;
use stormglass_impls::host::timers::Timers;
use stormglass_impls::host::{Clock, Draw, Gate, Net};
use stormglass_impls::wire::{ClientFrame, Hello, Party};
use tokio::task::JoinSet;

/// Where a client fetches its work and hands in what became of it. Times are readings of the client's own clocks.
pub trait Desk {
    /// What the client does next. Asked when it has nothing open.
    fn next(&mut self, now: Now) -> Task;

    /// The client calls now: which request of its session, and its body in the system's wire form. Asked at the time
    /// [`Desk::next`] named, or as soon after it as the client comes to it.
    fn call(&mut self, now: Now) -> (RequestId, Vec<u8>);

    /// The operation called last has ended.
    fn ended(&mut self, now: Now, request_id: RequestId, outcome: Outcome);
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It calls, not before this reading of its monotonic clock, in nanoseconds.
    CallAt {
        /// The reading.
        at_ns: u64,
    },
    /// Nothing more.
    Done,
}

/// One client, ready to run.
pub struct Driver<N, C, G> {
    /// Which client, of how many servers, how patient.
    pub config: ClientConfig,
    /// The addresses of the servers by id, `host:port`.
    pub addresses: Vec<String>,
    /// The network.
    pub net: N,
    /// The client's clocks.
    pub clock: C,
    /// Where the nemesis stands.
    pub gate: Rc<G>,
    /// Draws the lengths of timers.
    pub draw: Draw<ClientTimer>,
}

/// A driver that cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client of {servers} servers was given {addresses} addresses")]
pub struct AddressError {
    /// How many servers the client knows.
    pub servers: u8,
    /// How many addresses were given.
    pub addresses: usize,
}

impl<N: Net, C: Clock, G: Gate> Driver<N, C, G> {
    /// Runs the client until its desk has no more work. Must be polled inside a [`tokio::task::LocalSet`].
    pub async fn drive(self, desk: &mut impl Desk) -> Result<(), AddressError> {
        let (servers, addresses) = (self.config.servers, self.addresses.len());
        if usize::from(servers) != addresses {
            return Err(AddressError { servers, addresses });
        }
        let connections = Connections {
            net: self.net,
            gate: self.gate,
            config: self.config,
            addresses: self.addresses,
            mailbox: Mailbox::default(),
            open: RefCell::new(vec![None; addresses]),
            count: Cell::new(0),
        };
        let mut effects = Effects::default();
        let now = self.clock.now();
        let core = Client::boot(&connections.config, NoDisk, now, &mut effects);
        let mut running = Running {
            core,
            clock: self.clock,
            draw: self.draw,
            timers: Timers::default(),
            connections: Rc::new(connections),
            tasks: JoinSet::new(),
            idle: None,
        };
        running.idle = Some(desk.next(now));
        running.carry_out(now, &mut effects, desk);
        running.run(desk).await;
        Ok(())
    }
}

/// A client at work.
struct Running<N, C, G> {
    core: Client,
    clock: C,
    draw: Draw<ClientTimer>,
    timers: Timers<ClientTimer>,
    connections: Rc<Connections<N, G>>,
    /// One for each connection. Dropped with the client.
    tasks: JoinSet<()>,
    /// What comes next, while nothing is open.
    idle: Option<Task>,
}

impl<N: Net, C: Clock, G: Gate> Running<N, C, G> {
    async fn run(&mut self, desk: &mut impl Desk) {
        let mut effects = Effects::default();
        while self.idle != Some(Task::Done) {
            // As in the host: the clock is read with the mail already there, and what is due at this reading comes before it.
            let now = self.clock.now();
            match self.next_input(now, desk) {
                Some(input) => {
                    self.core.step(now, input, &mut effects);
                    self.carry_out(now, &mut effects, desk);
                }
                None => self.wait(now).await,
            }
            while let Some(ended) = self.tasks.try_join_next() {
                pass_on_panic(ended);
            }
        }
    }

    fn next_input(&mut self, now: Now, desk: &mut impl Desk) -> Option<Input<Client>> {
        if self.timers.due_count(now.monotonic_ns) > 0 {
            return Some(Input::TimerFired(self.timers.take(0)));
        }
        if let Some(input) = self.connections.mailbox.take(0) {
            return Some(input);
        }
        match self.idle {
            Some(Task::CallAt { at_ns }) if at_ns <= now.monotonic_ns => {
                self.idle = None;
                let (request_id, body) = desk.call(now);
                Some(Input::Request {
                    client: self.connections.config.id,
                    session: Session(0),
                    request_id,
                    body,
                })
            }
            _ => None,
        }
    }

    async fn wait(&self, now: Now) {
        let call_ns = match self.idle {
            Some(Task::CallAt { at_ns }) => Some(at_ns),
            Some(Task::Done) | None => None,
        };
        let wake_ns = self
            .timers
            .next_after(now.monotonic_ns)
            .into_iter()
            .chain(call_ns)
            .min();
        tokio::select! {
            biased;
            () = self.connections.mailbox.arrived() => {}
            () = self.clock.sleep_until(wake_ns.unwrap_or(u64::MAX)), if wake_ns.is_some() => {}
        }
    }

    fn carry_out(&mut self, now: Now, effects: &mut Effects<Client>, desk: &mut impl Desk) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => self.send(to, &message),
                Effect::ResetLink(server) => {
                    if let Some(outbox) = self.connections.current(server) {
                        outbox.close();
                    }
                }
                Effect::SetTimer { timer, range } => {
                    let delay_ns = (self.draw)(&timer, range);
                    self.timers
                        .set(timer, now.monotonic_ns.saturating_add(delay_ns));
                }
                Effect::CancelTimer(timer) => self.timers.cancel(&timer),
                Effect::Reply {
                    request_id,
                    answer: Answer::Done(outcome),
                    ..
                } => {
                    desk.ended(now, request_id, outcome);
                    self.idle = Some(desk.next(now));
                }
                // A client has no disk: what it would write is as durable as it will ever be.
                Effect::Persist(_) => self.connections.mailbox.push(Input::Persisted),
                // A client core refuses nothing, and nobody listens to its events.
                Effect::Reply {
                    answer: Answer::Refused(_),
                    ..
                }
                | Effect::Notify { .. }
                | Effect::Note(_) => {}
            }
        }
    }

    fn send(&mut self, server: NodeId, message: &ClientFrame) {
        if server.0 == 0 || server.0 > self.connections.config.servers {
            return;
        }
        let payload = postcard::to_allocvec(message);
        let payload =
            payload.expect("postcard fails only on maps of unknown length, and data has none");
        let outbox = self.connections.current(server).unwrap_or_else(|| {
            let outbox = self.connections.begin(server);
            let connections = Rc::clone(&self.connections);
            self.tasks
                .spawn_local(connections.run(server, Rc::clone(&outbox)));
            outbox
        });
        outbox.send(&payload);
    }
}

/// The client's connections to the servers, one at most to each.
struct Connections<N, G> {
    net: N,
    gate: Rc<G>,
    config: ClientConfig,
    addresses: Vec<String>,
    mailbox: Mailbox<Input<Client>>,
    /// By server: the connection that stands or is being made.
    open: RefCell<Vec<Option<Rc<Outbox<G>>>>>,
    count: Cell<u64>,
}

impl<N: Net, G: Gate> Connections<N, G> {
    /// The connection to a server, if there is one.
    fn current(&self, server: NodeId) -> Option<Rc<Outbox<G>>> {
        self.open.borrow().get(server.index())?.clone()
    }

    fn begin(&self, server: NodeId) -> Rc<Outbox<G>> {
        self.count.set(self.count.get() + 1);
        let (from, to) = (Party::Client(self.config.id), Party::Node(server));
        let outbox = Outbox::new(Rc::clone(&self.gate), from, to, self.count.get());
        outbox.greet(Hello::Client(self.config.id));
        self.open.borrow_mut()[server.index()] = Some(Rc::clone(&outbox));
        outbox
    }

    /// Makes a connection and serves it until it ends.
    async fn run(self: Rc<Self>, server: NodeId, outbox: Rc<Outbox<G>>) {
        if let Ok(wire) = dial(&self.net, &outbox, &self.addresses[server.index()]).await {
            self.mailbox.push(Input::LinkUp(server));
            let deliver = async |payload: Bytes| match postcard::from_bytes(&payload) {
                Ok(ClientFrame::Call { .. }) => Err(End::Senseless("a server calls nobody".into())),
                Ok(message) => {
                    self.mailbox.room().await;
                    if outbox.is_closed() {
                        return Err(End::Dropped);
                    }
                    self.mailbox.push(Input::Deliver {
                        from: server,
                        message,
                    });
                    Ok(())
                }
                Err(error) => Err(End::Senseless(error.to_string())),
            };
            wire.serve(&outbox, deliver).await;
        }
        self.open.borrow_mut()[server.index()] = None;
        self.mailbox.push(Input::LinkDown(server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Numbering;
    use crate::client::Patience;
    use crate::workload::{Operation, WorkloadConfig};
    use std::io;
    use std::path::Path;
    use std::time::Duration;
    use stormglass_impls::catalog;
    use stormglass_impls::contract::ClientId;
    use stormglass_impls::host::connection::Wire;
    use stormglass_impls::host::{
        Compaction, Disk, Host, PlainGate, TokioClock, TokioNet, draw_from,
    };
    use stormglass_impls::system::Setup;
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
            let config = WorkloadConfig::named("register").unwrap();
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
        let mut wire = Wire::new(stream);
        let hello: Hello = postcard::from_bytes(&wire.first().await.unwrap()).unwrap();
        assert_eq!(hello, Hello::Client(ClientId(0)));
        let (from, to) = (Party::Node(NodeId(1)), Party::Client(ClientId(0)));
        let outbox = Outbox::new(Rc::new(PlainGate), from, to, 1);
        let mut calls = Vec::new();
        let deliver = async |payload: Bytes| {
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
            let answering =
                tokio::task::spawn_local(async move { serve_calls(&answering, 9).await });
            let hanging_up =
                tokio::task::spawn_local(async move { serve_calls(&hanging_up, 0).await });
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
}
