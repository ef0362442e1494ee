//! Who is connected to a node: its links to the other nodes, and its clients.
//!
//! A node dials every other node and sends on the connection it made; it receives on the connection the other made. Each connection speaks
//! for its peer only until a newer one greets: the older is closed at that moment, and nothing more of it is delivered.
//!
//! # When a link is up
//!
//! A node that holds both connections says so on the one that it made, and names the other. The link is up while it holds both and the other node
//! has named the same two. That word stands among the messages, in order: what the other node sent before it belongs to the time before.
//!
//! So what a node sends between its [`Input::LinkUp`] and its [`Input::LinkDown`] arrives between those of the other node for the same two
//! connections, from the first message on and without a gap, or not at all.
//!
//! That holds for a protocol that counts on its links ([`Links::Fifo`]). Two things would break it, and are lost for its sake. A core that is late
//! with its mail still speaks on a connection that is gone, when another may be up: so what it sends goes out when it has taken the last
//! `LinkUp`. And of a link's two connections one may end first: so what still comes on the other is not delivered. A protocol that asks nothing of
//! its links ([`Links::Any`]) can make use of half a link, and is given it.

use super::connection::{End, Outbox, Wire, dial, pass_on_panic, take};
use super::frame::Frame;
use super::gate::Gate;
use super::mailbox::Mailbox;
use super::net::Net;
use crate::contract::{ClientId, Input, NodeId};
use crate::parcel::{Parcel, encode_into};
use crate::system::{Erased, Links, System, Word};
use crate::wire::{ClientFrame, Greeting, Party};
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
    /// Whether what does not belong to a link that is up is lost.
    guards_links: bool,
}

/// The two connections between this node and another.
struct Link<G> {
    /// With the number that the other node gave it.
    made: Option<(Rc<Outbox<G>>, u64)>,
    taken: Option<Rc<Outbox<G>>>,
    /// The greatest number of a connection taken from there.
    taken_newest: u64,
    /// Whether the core was last told that it is up.
    up: bool,
    /// How many times the core was told so and has not taken it yet.
    ups_in_mail: u32,
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
            taken_newest: 0,
            up: false,
            ups_in_mail: 0,
        });
        let counts_on_links = system.budget().links == Links::Fifo;
        Self {
            guards_links: counts_on_links && gate.guards_links(),
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

    fn next_connection(&self) -> u64 {
        self.connections_count.set(self.connections_count.get() + 1);
        self.connections_count.get()
    }

    fn outbox_to(&self, party: Party, connection: u64) -> Rc<Outbox<G>> {
        let from = Party::Node(self.node);
        Outbox::new(Rc::clone(&self.gate), from, party, connection)
    }

    /// Sends to a node, if there is a connection to it.
    pub(crate) fn send(&self, to: NodeId, message: &Parcel) {
        let links = self.links.borrow();
        let Some(link) = links.get(to.index()) else {
            return;
        };
        let knows_its_link = link.up && link.ups_in_mail == 0;
        if let (Some((outbox, _)), true) = (&link.made, knows_its_link || !self.guards_links) {
            outbox.send_with(|framed| message.encode_into(framed));
        }
    }

    /// The core takes an input out of the mailbox.
    pub(crate) fn taken(&self, input: &Input<Erased>) {
        if let Input::LinkUp(peer) = input {
            self.links.borrow_mut()[peer.index()].ups_in_mail -= 1;
        }
    }

    /// Tells a client, if it is connected.
    pub(crate) fn tell(&self, client: ClientId, frame: &ClientFrame) {
        if let Some(outbox) = self.clients.borrow().get(&client) {
            outbox.send_with(|framed| encode_into(frame, framed));
        }
    }

    /// Breaks both connections of a link. They are made anew by whoever made them.
    pub(crate) fn reset(&self, peer: NodeId) {
        self.gate.broken_off(self.node, peer);
        self.end(peer, |_| true);
    }

    /// Closes those connections of a link, and tells the core when the link goes down with them.
    fn end(&self, peer: NodeId, ends: impl Fn(&Outbox<G>) -> bool) {
        let mut links = self.links.borrow_mut();
        let Some(link) = links.get_mut(peer.index()) else {
            return;
        };
        let made = link.made.take_if(|(outbox, _)| ends(outbox));
        let taken = link.taken.take_if(|outbox| ends(outbox));
        let ended: Vec<_> = made
            .map(|(outbox, _)| outbox)
            .into_iter()
            .chain(taken)
            .collect();
        ended.iter().for_each(|outbox| outbox.close());
        if !ended.is_empty() && std::mem::take(&mut link.up) {
            self.mailbox.push(Input::LinkDown(peer));
        }
    }

    /// Puts a connection in its place, which is empty, and tells the other node when there are two.
    fn begin(&self, peer: NodeId, put: impl FnOnce(&mut Link<G>)) {
        let link = &mut self.links.borrow_mut()[peer.index()];
        put(link);
        if let (Some((made, _)), Some(taken)) = (&link.made, &link.taken) {
            assert!(!link.up, "a link is up when the other node has named both");
            let taken = taken.connection();
            made.greet(Greeting::Paired { taken });
        }
    }

    /// The other node holds the connection on which it says so, and the one that it gave this number. It says so again when it takes another.
    fn paired_there(&self, peer: NodeId, number: u64) {
        let link = &mut self.links.borrow_mut()[peer.index()];
        let made = link.made.as_ref().map(|(_, number)| *number);
        if made == Some(number) && !std::mem::replace(&mut link.up, true) {
            link.ups_in_mail += 1;
            self.mailbox.push(Input::LinkUp(peer));
        }
    }

    /// Keeps a connection to a node, for ever.
    pub(crate) async fn keep_link(self: Rc<Self>, peer: NodeId, address: String) {
        loop {
            let outbox = self.outbox_to(Party::Node(peer), self.next_connection());
            if let Ok((wire, number)) = dial(&self.net, &outbox, &address).await {
                self.begin(peer, |link| link.made = Some((Rc::clone(&outbox), number)));
                // Who is dialled only listens: a payload from there makes no sense.
                let deliver = async |_| Err(End::Senseless("a node answers nothing".into()));
                wire.serve(&outbox, deliver).await;
                self.end(peer, |current| std::ptr::eq(current, &*outbox));
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
                        callers.spawn_local(async move { switchboard.receive(stream).await });
                    }
                    // Too many open files, or a caller that is already gone: neither is a reason to stop listening.
                    Err(_) => sleep(RECONNECT_AFTER).await,
                },
            }
        }
    }

    async fn receive(&self, stream: N::Stream) {
        let connection = self.next_connection();
        let Ok((wire, caller)) = take(stream, connection).await else {
            return;
        };
        let outbox = self.outbox_to(caller, connection);
        match caller {
            Party::Node(peer) if peer != self.node && self.knows(peer) => {
                self.receive_peer(peer, &outbox, wire).await;
            }
            Party::Client(client) => self.receive_client(client, outbox, wire).await,
            Party::Node(_) => {}
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

    async fn receive_peer(&self, peer: NodeId, outbox: &Rc<Outbox<G>>, wire: Wire<N::Stream>) {
        let newest = self.links.borrow()[peer.index()].taken_newest;
        if outbox.connection() < newest {
            return; // A late greeting.
        }
        // One count numbers the connections made and taken, so this is the one taken before, if it still stands.
        self.end(peer, |current| current.connection() == newest);
        self.begin(peer, |link| {
            link.taken_newest = outbox.connection();
            link.taken = Some(Rc::clone(outbox));
        });
        let deliver = async |frame| {
            match frame {
                Frame::Data(payload) => {
                    let message = Self::read(self.system.decode(Word::Message, &payload))?;
                    self.may_deliver(outbox).await?;
                    if !self.guards_links || self.links.borrow()[peer.index()].up {
                        self.mailbox.push(Input::Deliver {
                            from: peer,
                            message,
                        });
                    }
                }
                Frame::Greeting(Greeting::Paired { taken }) => {
                    self.paired_there(peer, taken);
                }
                _ => return Err(End::Senseless("a peer greets once".into())),
            }
            Ok(())
        };
        if wire.serve(outbox, deliver).await.is_damage() {
            self.gate
                .rejected(Party::Node(peer), Party::Node(self.node));
        }
        self.end(peer, |current| std::ptr::eq(current, &**outbox));
    }

    async fn receive_client(&self, client: ClientId, outbox: Rc<Outbox<G>>, wire: Wire<N::Stream>) {
        {
            let mut clients = self.clients.borrow_mut();
            if let Some(old) = clients.get(&client) {
                if old.connection() > outbox.connection() {
                    return; // A late greeting.
                }
                old.close();
                self.mailbox.push(Input::ClientGone(client));
            }
            clients.insert(client, Rc::clone(&outbox));
        }
        let deliver = async |frame| {
            let Frame::Data(payload) = frame else {
                return Err(End::Senseless("a client greets once".into()));
            };
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
