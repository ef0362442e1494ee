//! Who is connected to a node: its links to the other nodes, and its clients.
//!
//! A node dials every other node and sends on the connection it made; it receives on the connection the other made. A link is up
//! while both stand. Each connection speaks for its peer only until the next one greets: the older is closed at that moment, and
//! nothing more of it is delivered.

use super::connection::{End, Outbox, Wire, dial, pass_on_panic};
use super::gate::Gate;
use super::mailbox::Mailbox;
use super::net::Net;
use crate::contract::{ClientId, Input, NodeId};
use crate::system::{Erased, System, Word};
use crate::wire::{ClientFrame, Hello, Party};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long a host waits before it dials again, and before it accepts again after a failure.
pub const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// The connections of one node.
pub(crate) struct Switchboard<N, G> {
    pub(crate) net: N,
    pub(crate) gate: Rc<G>,
    pub(crate) system: Rc<dyn System>,
    pub(crate) node: NodeId,
    pub(crate) mailbox: Mailbox<Input<Erased>>,
    /// By node, this one included, whose own place stays empty.
    links: RefCell<Vec<Link<G>>>,
    clients: RefCell<BTreeMap<ClientId, Rc<Outbox<G>>>>,
    connections_count: Cell<u64>,
}

/// The two connections between this node and another.
struct Link<G> {
    made: Option<Rc<Outbox<G>>>,
    taken: Option<Rc<Outbox<G>>>,
    /// Whether the core was last told that it is up.
    up: bool,
}

/// Which of the two.
#[derive(Clone, Copy)]
enum Side {
    Made,
    Taken,
}

impl<G> Link<G> {
    fn side(&mut self, side: Side) -> &mut Option<Rc<Outbox<G>>> {
        match side {
            Side::Made => &mut self.made,
            Side::Taken => &mut self.taken,
        }
    }
}

impl<N: Net, G: Gate> Switchboard<N, G> {
    pub(crate) fn new(
        net: N,
        gate: Rc<G>,
        system: Rc<dyn System>,
        node: NodeId,
        nodes: u8,
    ) -> Self {
        let links = NodeId::all(nodes).map(|_| Link {
            made: None,
            taken: None,
            up: false,
        });
        Self {
            net,
            gate,
            system,
            node,
            mailbox: Mailbox::default(),
            links: RefCell::new(links.collect()),
            clients: RefCell::default(),
            connections_count: Cell::new(0),
        }
    }

    fn outbox_to(&self, party: Party) -> Rc<Outbox<G>> {
        self.connections_count.set(self.connections_count.get() + 1);
        let from = Party::Node(self.node);
        Outbox::new(
            Rc::clone(&self.gate),
            from,
            party,
            self.connections_count.get(),
        )
    }

    /// Sends to a node, if there is a connection to it.
    pub(crate) fn send(&self, to: NodeId, payload: &[u8]) {
        let links = self.links.borrow();
        if let Some(outbox) = links.get(to.index()).and_then(|link| link.made.as_ref()) {
            outbox.send(payload);
        }
    }

    /// Tells a client, if it is connected.
    pub(crate) fn tell(&self, client: ClientId, frame: &ClientFrame) {
        if let Some(outbox) = self.clients.borrow().get(&client) {
            let payload = postcard::to_allocvec(frame);
            outbox.send(
                &payload.expect("postcard fails only on maps of unknown length, and data has none"),
            );
        }
    }

    /// Breaks both connections of a link. They are made anew by whoever made them.
    pub(crate) fn reset(&self, peer: NodeId) {
        if peer.index() < self.links.borrow().len() {
            self.put(peer, Side::Made, None);
            self.put(peer, Side::Taken, None);
        }
    }

    /// Puts a connection in its place, closing the one that was there, and tells the core when the link went up or down.
    fn put(&self, peer: NodeId, side: Side, outbox: Option<Rc<Outbox<G>>>) {
        let mut links = self.links.borrow_mut();
        let link = &mut links[peer.index()];
        if let Some(old) = link.side(side).take() {
            old.close();
            if std::mem::take(&mut link.up) {
                self.mailbox.push(Input::LinkDown(peer));
            }
        }
        *link.side(side) = outbox;
        if link.made.is_some() && link.taken.is_some() && !link.up {
            link.up = true;
            self.mailbox.push(Input::LinkUp(peer));
        }
    }

    /// Takes a connection that ended out of its place, unless another is there by now.
    fn ended(&self, peer: NodeId, side: Side, outbox: &Rc<Outbox<G>>) {
        let mut links = self.links.borrow_mut();
        let current = links[peer.index()]
            .side(side)
            .as_ref()
            .is_some_and(|current| Rc::ptr_eq(current, outbox));
        drop(links);
        if current {
            self.put(peer, side, None);
        }
    }

    /// Keeps a connection to a node, for ever.
    pub(crate) async fn keep_link(self: Rc<Self>, peer: NodeId, address: String) {
        loop {
            let outbox = self.outbox_to(Party::Node(peer));
            if let Ok(wire) = dial(&self.net, &outbox, &address).await {
                outbox.greet(Hello::Peer(self.node));
                self.put(peer, Side::Made, Some(Rc::clone(&outbox)));
                // Who is dialled only listens: a payload from there makes no sense.
                wire.serve(&outbox, async |_| {
                    Err(End::Senseless("a node answers nothing".into()))
                })
                .await;
                self.ended(peer, Side::Made, &outbox);
            }
            sleep(RECONNECT_AFTER).await;
        }
    }

    /// Takes connections, for ever.
    pub(crate) async fn keep_listening(self: Rc<Self>, listener: N::Listener) {
        let mut callers = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(ended) = callers.join_next() => pass_on_panic(ended),
                accepted = self.net.accept(&listener) => match accepted {
                    Ok(stream) => {
                        let switchboard = Rc::clone(&self);
                        callers.spawn_local(async move { switchboard.receive(Wire::new(stream)).await });
                    }
                    // Too many open files, or a caller that is already gone: neither is a reason to stop listening.
                    Err(_) => sleep(RECONNECT_AFTER).await,
                },
            }
        }
    }

    async fn receive(&self, mut wire: Wire<N::Stream>) {
        let Ok(first) = wire.first().await else {
            return;
        };
        match postcard::from_bytes(&first) {
            Ok(Hello::Peer(peer)) if peer != self.node && self.knows(peer) => {
                self.receive_peer(peer, wire).await
            }
            Ok(Hello::Client(client)) => self.receive_client(client, wire).await,
            Ok(Hello::Peer(_)) | Err(_) => {}
        }
    }

    fn knows(&self, peer: NodeId) -> bool {
        peer.0 > 0 && peer.index() < self.links.borrow().len()
    }

    /// Waits for room in the mailbox. An error when the connection was closed meanwhile.
    async fn may_deliver(&self, outbox: &Outbox<G>) -> Result<(), End> {
        self.mailbox.room().await;
        if outbox.is_closed() {
            Err(End::Dropped)
        } else {
            Ok(())
        }
    }

    fn read<T>(result: Result<T, impl std::fmt::Display>) -> Result<T, End> {
        result.map_err(|error| End::Senseless(error.to_string()))
    }

    async fn receive_peer(&self, peer: NodeId, wire: Wire<N::Stream>) {
        let outbox = self.outbox_to(Party::Node(peer));
        self.put(peer, Side::Taken, Some(Rc::clone(&outbox)));
        let deliver = async |payload: Bytes| {
            let message = Self::read(self.system.decode(Word::Message, &payload))?;
            self.may_deliver(&outbox).await?;
            self.mailbox.push(Input::Deliver {
                from: peer,
                message,
            });
            Ok(())
        };
        if wire.serve(&outbox, deliver).await.is_damage() {
            self.gate
                .rejected(Party::Node(peer), Party::Node(self.node));
        }
        self.ended(peer, Side::Taken, &outbox);
    }

    async fn receive_client(&self, client: ClientId, wire: Wire<N::Stream>) {
        let outbox = self.outbox_to(Party::Client(client));
        if let Some(old) = self.clients.borrow_mut().insert(client, Rc::clone(&outbox)) {
            old.close();
            self.mailbox.push(Input::ClientGone(client));
        }
        let deliver = async |payload: Bytes| {
            let ClientFrame::Call {
                session,
                request_id,
                body,
            } = Self::read(postcard::from_bytes(&payload))?
            else {
                return Err(End::Senseless("a client only calls".into()));
            };
            let body = Self::read(self.system.decode(Word::Request, &body))?;
            self.may_deliver(&outbox).await?;
            self.mailbox.push(Input::Request {
                client,
                session,
                request_id,
                body,
            });
            Ok(())
        };
        wire.serve(&outbox, deliver).await;
        let mut clients = self.clients.borrow_mut();
        if clients
            .get(&client)
            .is_some_and(|current| Rc::ptr_eq(current, &outbox))
        {
            clients.remove(&client);
            self.mailbox.push(Input::ClientGone(client));
        }
    }
}
