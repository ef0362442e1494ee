//! A client of the simulation, and its way to the nodes.

use super::Simulation;
use super::agenda::{Event, Timers};
use crate::desk::{Calling, Plan};
use crate::record::ViolationKind;
use crate::trial::Trial;
use crate::weather::{self, Passage};
use stormglass_impls::contract::{
    Answer, ClientId, Effect, Effects, Input, Node, NodeId, Now, RequestId, Session,
};
use stormglass_impls::system::Word;
use stormglass_impls::wire::{ClientFrame, Party};
use stormglass_workloads::client::{Client, ClientConfig, ClientTimer, NoDisk, Outcome};

/// A client and what it has open.
pub(super) struct Seat {
    client: Client,
    pub(super) timers: Timers<ClientTimer>,
    calling: Option<Calling>,
    /// By node: when the last frame to it arrives.
    asked_ns: Vec<u64>,
}

impl Seat {
    pub(super) fn new(config: &ClientConfig, trial: &Trial) -> Self {
        let mut nothing = Effects::default();
        Self {
            client: Client::boot(config, NoDisk, Now::default(), &mut nothing),
            timers: Timers::new(),
            calling: None,
            asked_ns: vec![0; usize::from(trial.nodes)],
        }
    }
}

impl Simulation<'_> {
    pub(super) fn plan(&mut self, client: u32) {
        if let Plan::CallAt(at_ns) = self.desk.plan(client, self.now_ns.get()) {
            self.agenda.add(at_ns, Event::Work { client });
        }
    }

    pub(super) fn call(&mut self, client: u32) {
        let (request_id, calling) = self.desk.call(client, self.now_ns.get());
        let recorded = self.desk.recorded(client);
        self.board.borrow_mut().recorded(ClientId(client), recorded);
        let body = calling.request(self.system.as_ref(), self.binding.as_ref());
        self.clients[client as usize].calling = Some(calling);
        self.step_client(
            client,
            Input::Request {
                client: ClientId(client),
                session: Session(0),
                request_id,
                body,
            },
        );
    }

    pub(super) fn step_client(&mut self, client: u32, input: Input<Client>) {
        let now = self.now();
        let mut effects = Effects::default();
        let seat = &mut self.clients[client as usize];
        seat.client.step(now, input, &mut effects);
        for effect in effects.drain() {
            match effect {
                Effect::Send {
                    to,
                    message:
                        ClientFrame::Call {
                            session,
                            request_id,
                            body,
                        },
                } => self.ask(client, to, (session, request_id), &body),
                Effect::ResetLink(node) => self.break_away(client, node),
                Effect::SetTimer { timer, range } => {
                    let timers = &mut self.clients[client as usize].timers;
                    timers.draws += 1;
                    let party = Party::Client(ClientId(client));
                    let keys = [weather::key(party), timers.draws];
                    let wait_ns = self.timers.within(&keys, range.min_ns..=range.max_ns);
                    let at_ns = now.monotonic_ns + wait_ns;
                    let sequence = self.agenda.add(at_ns, Event::ClientTimer { client });
                    timers.set(timer, at_ns, sequence);
                }
                Effect::CancelTimer(timer) => self.clients[client as usize].timers.cancel(&timer),
                Effect::Reply {
                    answer: Answer::Done(outcome),
                    ..
                } => self.ended(client, outcome),
                other => unreachable!("a client does not {other:?}"),
            }
        }
    }

    fn ask(&mut self, client: u32, to: NodeId, which: (Session, RequestId), body: &[u8]) {
        let now_ns = self.now_ns.get();
        if self.nodes[to.index()].member.is_none() {
            // Nobody listens there: the connection is refused at once.
            let at_ns = now_ns + self.trial.network.delay_us_max * 1_000;
            self.agenda.add(at_ns, Event::Broken { node: to, client });
            return;
        }
        let at_ns = self.asked_at(client, to);
        let body = self.system.decode(Word::Request, body);
        let body = body.expect("a binding makes requests of its system");
        let life = self.nodes[to.index()].life;
        if let Some(tap) = &mut self.board.borrow_mut().tap {
            let ends = (Party::Client(ClientId(client)), Party::Node(to));
            let words = format!("asks {}: {body:?}", which.1);
            tap.client_frame((now_ns, at_ns), ends.0, ends.1, words);
        }
        self.agenda.add(
            at_ns,
            Event::Call {
                client,
                to,
                life,
                which,
                body,
            },
        );
    }

    /// A client breaks its connection to a node, which hears of it after all that the client said before.
    fn break_away(&mut self, client: u32, node: NodeId) {
        if self.nodes[node.index()].member.is_some() {
            let at_ns = self.asked_at(client, node);
            let life = self.nodes[node.index()].life;
            self.agenda.add(at_ns, Event::Gone { client, node, life });
        }
    }

    /// When what a client says to a node now arrives. Nothing disturbs that way.
    fn asked_at(&mut self, client: u32, node: NodeId) -> u64 {
        let now_ns = self.now_ns.get();
        let (from, to) = (Party::Client(ClientId(client)), Party::Node(node));
        let Passage::After(delay_ns) = self.conditions.weather.passage(from, to, now_ns, || "")
        else {
            unreachable!("no fault lies between a client and a node");
        };
        let last_ns = &mut self.clients[client as usize].asked_ns[node.index()];
        *last_ns = (now_ns + delay_ns).max(*last_ns);
        *last_ns
    }

    fn ended(&mut self, client: u32, outcome: Outcome) {
        let calling = self.clients[client as usize].calling.take();
        let calling = calling.expect("only what was called can end");
        let (now_ns, binding) = (self.now_ns.get(), self.binding.as_ref());
        let returned = self
            .desk
            .returned(client, now_ns, &calling, outcome, binding);
        if let Err(error) = returned {
            let mut board = self.board.borrow_mut();
            board.violation(ViolationKind::Protocol, "protocol", None, error);
        }
        self.plan(client);
    }
}
