//! Runs a client core on tokio: the same sockets, framing and gate as the host's, from the other end.
//!
//! A [`Driver`] works in a closed loop: it fetches one operation at a time from its [`Desk`], gives it to the core, and hands the outcome
//! back. It dials a server when the core first sends there and again after the connection broke. What is sent while it dials waits for
//! the connection.

use crate::client::{Client, ClientConfig, ClientTimer, NoDisk, Outcome};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stormglass_impls::contract::{
    Answer, Effect, Effects, Input, Node, NodeId, Now, RequestId, Session,
};
use stormglass_impls::host::connection::{End, Outbox, dial, pass_on_panic};
use stormglass_impls::host::frame::Frame;
use stormglass_impls::host::mailbox::Mailbox;
use stormglass_impls::host::timers::Timers;
use stormglass_impls::host::{Clock, Draw, Gate, Net};
use stormglass_impls::parcel::encode_into;
use stormglass_impls::wire::{ClientFrame, Party};
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
                    if let Some(outbox) = self.connections.forget(server) {
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
        let outbox = self.connections.current(server).unwrap_or_else(|| {
            let outbox = self.connections.begin(server);
            let connections = Rc::clone(&self.connections);
            self.tasks
                .spawn_local(connections.run(server, Rc::clone(&outbox)));
            outbox
        });
        outbox.send_with(|framed| encode_into(message, framed));
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

    /// There is no connection to a server any more. Gives the one that there was.
    fn forget(&self, server: NodeId) -> Option<Rc<Outbox<G>>> {
        self.open.borrow_mut().get_mut(server.index())?.take()
    }

    fn begin(&self, server: NodeId) -> Rc<Outbox<G>> {
        self.count.set(self.count.get() + 1);
        let (from, to) = (Party::Client(self.config.id), Party::Node(server));
        let outbox = Outbox::new(Rc::clone(&self.gate), from, to, self.count.get());
        self.open.borrow_mut()[server.index()] = Some(Rc::clone(&outbox));
        outbox
    }

    /// Makes a connection and serves it until it ends.
    async fn run(self: Rc<Self>, server: NodeId, outbox: Rc<Outbox<G>>) {
        if let Ok((wire, _)) = dial(&self.net, &outbox, &self.addresses[server.index()]).await {
            self.mailbox.push(Input::LinkUp(server));
            let deliver = async |frame| {
                let Frame::Data(payload) = frame else {
                    return Err(End::Senseless("a server greets once".into()));
                };
                match postcard::from_bytes(&payload) {
                    Ok(ClientFrame::Call { .. }) => {
                        Err(End::Senseless("a server calls nobody".into()))
                    }
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
                }
            };
            wire.serve(&outbox, deliver).await;
        }
        // One that the client broke is forgotten, and another may stand in its place.
        let is_current = |current: &Rc<Outbox<G>>| Rc::ptr_eq(current, &outbox);
        if self.current(server).as_ref().is_some_and(is_current) {
            self.forget(server);
            self.mailbox.push(Input::LinkDown(server));
        }
    }
}

#[cfg(test)]
mod tests;
