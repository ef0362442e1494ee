//! A node of the simulation, and the machine under it.

use super::agenda::{Event, Timers};
use super::{STEPS_TO_AUDIT, Simulation};
use crate::arena::setup;
use crate::machines::{Append, Left, Sync};
use crate::schedule::Leaves;
use crate::trial::Trial;
use crate::weather::Passage;
use crate::wiretap::{Fate, client_words};
use std::collections::VecDeque;
use stormglass_impls::contract::{ClientId, DelayRange, Effect, Effects, Input, NodeId};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{DiskImage, Erased, Member};
use stormglass_impls::wire::{ClientFrame, Party};

/// A node, or the machine where one was.
pub(super) struct Host {
    /// Counts the boots; what belongs to an older life is not delivered.
    pub(super) life: u64,
    pub(super) member: Option<Box<dyn Member>>,
    /// What is on the disk for good.
    pub(super) disk: Box<dyn DiskImage>,
    /// Batches that the disk said were synced and were not, each with the fault that made it lie, oldest first.
    lied: Vec<(u32, Vec<Parcel>)>,
    /// Batches given to the disk and not yet synced, oldest first.
    pub(super) unsynced: VecDeque<Vec<Parcel>>,
    /// Whether the oldest of them is being synced.
    pub(super) syncing: bool,
    pub(super) timers: Timers<Parcel>,
    /// Inputs that wait because the node stands still or is at work, oldest first.
    mail: VecDeque<Input<Erased>>,
    /// Until when the last step takes.
    busy_until_ns: u64,
    /// By client: when the last frame to it arrives.
    pub(super) told_ns: Vec<u64>,
}

impl Host {
    pub(super) fn new(disk: Box<dyn DiskImage>, trial: &Trial) -> Self {
        Self {
            life: 0,
            member: None,
            disk,
            lied: Vec::new(),
            unsynced: VecDeque::new(),
            syncing: false,
            timers: Timers::new(),
            mail: VecDeque::new(),
            busy_until_ns: 0,
            told_ns: vec![0; trial.clients as usize + 1],
        }
    }
}

impl Simulation<'_> {
    pub(super) fn start(&mut self, node: NodeId) {
        let now = self.now_of(node);
        let setup = setup(node, self.trial);
        let host = &mut self.nodes[node.index()];
        host.life += 1;
        let mut effects = Effects::default();
        host.member = Some(
            self.system
                .boot(&setup, host.disk.as_ref(), now, &mut effects),
        );
        self.carry_out(node, &mut effects);
        self.links_begin(node);
    }

    /// Stops a node. What the machines say is left of its disk is what it finds when it starts.
    pub(super) fn stop(&mut self, node: NodeId) {
        let left = self.conditions.machines.take_left(node);
        let host = &mut self.nodes[node.index()];
        if host.member.take().is_none() {
            return;
        }
        host.life += 1;
        host.timers.clear();
        host.mail.clear();
        host.busy_until_ns = 0;
        host.syncing = false;
        self.leave(node, left);
        self.links_end(node);
        for client in 0..self.clients.len() as u32 {
            let at_ns = self.told_at(node, client);
            self.agenda.add(at_ns, Event::Broken { node, client });
        }
    }

    /// Leaves on a disk what a crash leaves. A node that stopped by itself leaves what was synced.
    fn leave(&mut self, node: NodeId, left: Option<Left>) {
        let host = &mut self.nodes[node.index()];
        let lied: Vec<(u32, Vec<Parcel>)> = std::mem::take(&mut host.lied);
        let unsynced: Vec<Vec<Parcel>> = host.unsynced.drain(..).collect();
        let batches = lied.iter().map(|(_, batch)| batch).chain(&unsynced);
        let writes: Vec<&Parcel> = batches.flatten().collect();
        let share = |draw: u64, of: usize| ((u128::from(draw) * (of as u128 + 1)) >> 64) as usize;
        let kept = match left.map(|left| (left.leaves, left.draw)) {
            Some((Leaves::Some, draw)) => share(draw, writes.len()),
            // One write is torn, and a torn write is cut off when the log is read.
            Some((Leaves::Torn, draw)) if !writes.is_empty() => share(draw, writes.len() - 1),
            _ => 0,
        };
        writes[..kept]
            .iter()
            .for_each(|write| host.disk.apply(write));
        let machines = &mut self.conditions.machines;
        machines.wear().unsynced_lost += unsynced.len() as u64;
        // A batch that was only said to be synced is lost unless all of it happens to be kept.
        let mut end = 0;
        for (fault, batch) in &lied {
            end += batch.len();
            if end > kept {
                machines.wear().synced_lost += 1;
                machines.meet(*fault, 1);
            }
        }
        match left {
            Some(Left {
                leaves: Leaves::Torn,
                fault,
                ..
            }) if !writes.is_empty() => {
                machines.wear().writes_torn += 1;
                machines.meet(fault, 1);
            }
            Some(Left {
                leaves: Leaves::Synced,
                fault,
                ..
            }) => machines.meet(fault, unsynced.len() as u64),
            Some(Left {
                leaves: Leaves::Nothing,
                fault,
                ..
            }) => {
                self.nodes[node.index()].disk = self.system.blank_disk();
                machines.wear().synced_lost += 1;
                machines.meet(fault, 1);
            }
            _ => {}
        }
    }

    /// Gives a node an input, at once, or when it can take it.
    pub(super) fn hand(&mut self, node: NodeId, input: Input<Erased>) {
        let host = &mut self.nodes[node.index()];
        if host.member.is_none() {
            return;
        }
        let waits = !host.mail.is_empty() || host.busy_until_ns > self.now_ns.get();
        if self.conditions.machines.holds(node) || waits {
            host.mail.push_back(input);
        } else {
            self.step(node, input);
        }
    }

    /// A timer's time has come. If the node cannot take it now, it stays due.
    pub(super) fn timer_fires(&mut self, node: NodeId, life: u64, sequence: u64) {
        let host = &mut self.nodes[node.index()];
        if host.life != life {
            return;
        }
        let busy = host.busy_until_ns > self.now_ns.get();
        if self.conditions.machines.is_paused(node) || busy {
            return;
        }
        if let Some(timer) = host.timers.take(sequence) {
            self.step(node, Input::TimerFired(timer));
        }
    }

    /// A node may have been held, and goes on if nothing else holds it: it wakes to its timers, then to its mail.
    pub(super) fn wake(&mut self, node: NodeId) {
        loop {
            let now_ns = self.now_ns.get();
            let host = &mut self.nodes[node.index()];
            let busy = host.busy_until_ns > now_ns;
            if host.member.is_none() || busy || self.conditions.machines.is_paused(node) {
                return;
            }
            let own_ns = self.conditions.machines.monotonic_ns(node, now_ns);
            let input = match host.timers.take_due(own_ns) {
                Some(timer) => Some(Input::TimerFired(timer)),
                None => host.mail.pop_front(),
            };
            let Some(input) = input else { return };
            self.step(node, input);
        }
    }

    /// A node's clock changed: finds anew when its timers are due.
    pub(super) fn reclock(&mut self, node: NodeId) {
        let now_ns = self.now_ns.get();
        let host = &mut self.nodes[node.index()];
        let life = host.life;
        for waiting in host.timers.iter_mut() {
            let at_ns = self
                .conditions
                .machines
                .when_ns(node, waiting.due_ns)
                .max(now_ns);
            waiting.sequence = self.agenda.add(at_ns, Event::NodeTimer { node, life });
        }
    }

    pub(super) fn step(&mut self, node: NodeId, input: Input<Erased>) {
        let now_ns = self.now_ns.get();
        let now = self.now_of(node);
        let mut effects = Effects::default();
        self.note_taken(node, &input);
        let host = &mut self.nodes[node.index()];
        let Some(member) = &mut host.member else {
            return;
        };
        member.step(now, input, &mut effects);
        let takes_ns = self.conditions.machines.step_takes_ns(node);
        if takes_ns > 0 {
            host.busy_until_ns = now_ns + takes_ns;
            let life = host.life;
            self.agenda
                .add(now_ns + takes_ns, Event::Free { node, life });
        }
        self.stepped = Some(node);
        self.carry_out(node, &mut effects);
        self.steps += 1;
        if self.steps == self.next_audit {
            self.next_audit += self.next_audit.max(STEPS_TO_AUDIT);
            self.audit();
        }
    }

    fn carry_out(&mut self, node: NodeId, effects: &mut Effects<Erased>) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => self.send(node, to, message),
                Effect::Persist(writes) => self.persist(node, writes),
                Effect::SetTimer { timer, range } => self.set_timer(node, timer, range),
                Effect::CancelTimer(timer) => self.nodes[node.index()].timers.cancel(&timer),
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => {
                    let answer = answer.map(|reply| reply.encode());
                    self.tell(node, client, ClientFrame::Answer { request_id, answer });
                }
                Effect::Notify { client, event } => {
                    self.tell(node, client, ClientFrame::Event(event.encode()))
                }
                // The observer has written it down, and it is told to the conductor below.
                Effect::Note(_) => {}
                Effect::ResetLink(peer) => self.break_off(node, peer),
            }
        }
        while let Some((time_ns, node, notice)) = { self.board.borrow_mut().next_notice() } {
            self.conductor.noticed(time_ns, node, &notice);
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Parcel) {
        if let Some(held) = &mut self.held {
            return held.letters.push((from, to, message));
        }
        if !self.carries(from, to) {
            return;
        }
        let now_ns = self.now_ns.get();
        let (sender, receiver) = (Party::Node(from), Party::Node(to));
        let kind = || self.system.message_kind(&message);
        let weather = &mut self.conditions.weather;
        let before = weather.traffic();
        let passage = weather.passage(sender, receiver, now_ns, kind);
        if let Some(tap) = &mut self.board.borrow_mut().tap {
            let fate = Fate::between(&before, &weather.traffic());
            tap.judged(from, to, &message, fate);
        }
        let epoch = self.epoch(from, to);
        match passage {
            Passage::Cut => {}
            Passage::Reset => self.break_off(from, to),
            Passage::After(ns) => {
                let at_ns = self.in_order(from, to, ns);
                self.agenda.add(
                    at_ns,
                    Event::Message {
                        from,
                        to,
                        epoch,
                        message,
                    },
                );
            }
            Passage::Overtaken(ns) => {
                self.agenda.add(
                    now_ns + ns,
                    Event::Message {
                        from,
                        to,
                        epoch,
                        message,
                    },
                );
            }
            Passage::Twice { after_ns, apart_ns } => {
                let at_ns = self.in_order(from, to, after_ns);
                let again = message.clone();
                self.agenda.add(
                    at_ns,
                    Event::Message {
                        from,
                        to,
                        epoch,
                        message,
                    },
                );
                let message = again;
                self.agenda.add(
                    at_ns + apart_ns,
                    Event::Message {
                        from,
                        to,
                        epoch,
                        message,
                    },
                );
            }
            Passage::Corrupt { after_ns, .. } => {
                let at_ns = self.in_order(from, to, after_ns);
                self.agenda.add(at_ns, Event::Damaged { from, to, epoch });
            }
        }
    }

    /// When a frame that is sent now and keeps its place arrives.
    fn in_order(&mut self, from: NodeId, to: NodeId, after_ns: u64) -> u64 {
        let now_ns = self.now_ns.get();
        let wire = self.wire(from, to);
        wire.last_arrival_ns = (now_ns + after_ns).max(wire.last_arrival_ns);
        wire.last_arrival_ns
    }

    fn tell(&mut self, node: NodeId, client: ClientId, frame: ClientFrame) {
        if let Some(held) = &mut self.held {
            return held.told.push((client, frame));
        }
        let client = client.0;
        let at_ns = self.told_at(node, client);
        if let Some(tap) = &mut self.board.borrow_mut().tap {
            let ends = (Party::Node(node), Party::Client(ClientId(client)));
            let words = client_words(self.system.as_ref(), &frame);
            tap.client_frame((self.now_ns.get(), at_ns), ends.0, ends.1, words);
        }
        self.agenda.add(
            at_ns,
            Event::Told {
                from: node,
                client,
                frame,
            },
        );
    }

    /// When what a node tells a client now arrives. Nothing disturbs that way.
    fn told_at(&mut self, node: NodeId, client: u32) -> u64 {
        let now_ns = self.now_ns.get();
        let (from, to) = (Party::Node(node), Party::Client(ClientId(client)));
        let Passage::After(delay_ns) = self.conditions.weather.passage(from, to, now_ns, || "")
        else {
            unreachable!("no fault lies between a node and a client");
        };
        let last_ns = &mut self.nodes[node.index()].told_ns[client as usize];
        *last_ns = (now_ns + delay_ns).max(*last_ns);
        *last_ns
    }

    fn persist(&mut self, node: NodeId, writes: Vec<Parcel>) {
        self.nodes[node.index()].unsynced.push_back(writes);
        self.write_on(node);
    }

    /// Takes up the oldest batch that waits for the disk, if the disk is free. How long it takes is the disk's to say when it begins: a
    /// disk that was slow for a while has not slowed down what comes after.
    fn write_on(&mut self, node: NodeId) {
        let now_ns = self.now_ns.get();
        let host = &mut self.nodes[node.index()];
        if host.syncing || host.unsynced.is_empty() {
            return;
        }
        host.syncing = true;
        if self.held.is_some() {
            return;
        }
        let life = host.life;
        let machines = &mut self.conditions.machines;
        let (at_ns, event) = match machines.append(node) {
            Append::Full(fault) => (now_ns, Event::Failed { node, life, fault }),
            // What lands on older bytes has no meaning without bytes: no trial that is run here asks for it.
            Append::Fits | Append::Misdirected(_) => match machines.sync(node) {
                Sync::After(ns) => {
                    let lie = None;
                    (now_ns + ns, Event::Synced { node, life, lie })
                }
                Sync::Lies { after_ns, fault } => {
                    let lie = Some(fault);
                    (now_ns + after_ns, Event::Synced { node, life, lie })
                }
                Sync::Fails(fault) => (now_ns, Event::Failed { node, life, fault }),
            },
        };
        self.agenda.add(at_ns, event);
    }

    pub(super) fn synced(&mut self, node: NodeId, life: u64, lie: Option<u32>) {
        let host = &mut self.nodes[node.index()];
        if host.life != life {
            return;
        }
        let batch = host.unsynced.pop_front();
        let batch = batch.expect("a sync ends the oldest batch");
        host.syncing = false;
        match lie {
            Some(fault) => host.lied.push((fault, batch)),
            None => {
                // An honest sync makes all durable that was written before it.
                let lied = host.lied.drain(..).map(|(_, batch)| batch);
                let writes = lied.chain([batch]).flatten();
                writes.for_each(|write| host.disk.apply(&write));
            }
        }
        self.write_on(node);
        self.hand(node, Input::Persisted);
    }

    /// The disk fails loudly, and what a failed sync left nobody knows: the node stops.
    pub(super) fn disk_fails(&mut self, node: NodeId, life: u64, fault: u32) {
        if self.nodes[node.index()].life == life {
            self.conductor
                .stopped_itself(node, fault, self.now_ns.get());
            self.stop(node);
        }
    }

    fn set_timer(&mut self, node: NodeId, timer: Parcel, range: DelayRange) {
        let host = &mut self.nodes[node.index()];
        host.timers.draws += 1;
        let keys = [node.0.into(), host.timers.draws];
        let wait_ns = self.timers.within(&keys, range.min_ns..=range.max_ns);
        let machines = &self.conditions.machines;
        let now_ns = self.now_ns.get();
        let due_ns = machines.monotonic_ns(node, now_ns) + wait_ns;
        let at_ns = machines.when_ns(node, due_ns).max(now_ns);
        let life = host.life;
        let sequence = self.agenda.add(at_ns, Event::NodeTimer { node, life });
        host.timers.set(timer, due_ns, sequence);
    }
}
