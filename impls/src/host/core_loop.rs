//! Takes an input, steps the core, carries out its effects; again and again.

use super::Draw;
use super::clock::Clock;
use super::gate::{Admit, Gate};
use super::net::Net;
use super::persist::Batches;
use super::switchboard::Switchboard;
use super::timers::Timers;
use crate::contract::{Effect, Effects, Input, NodeId, Now};
use crate::parcel::Parcel;
use crate::system::{DiskImage, Erased, Member, Setup};
use crate::wire::ClientFrame;
use std::convert::Infallible;

/// After how many steps on end the other tasks of the host get their turn.
const STEPS_ON_END_MAX: u32 = 64;

/// A core and all that its effects touch.
pub(super) struct CoreLoop<'a, N, C, G> {
    node: NodeId,
    member: Box<dyn Member>,
    clock: &'a C,
    gate: &'a G,
    draw: Draw<Parcel>,
    switchboard: &'a Switchboard<N, G>,
    batches: &'a Batches,
    timers: Timers<Parcel>,
}

impl<'a, N: Net, C: Clock, G: Gate> CoreLoop<'a, N, C, G> {
    /// Boots the node from its disk and carries out what it wants done first.
    pub(super) fn boot(
        setup: &Setup,
        disk: &dyn DiskImage,
        clock: &'a C,
        draw: Draw<Parcel>,
        switchboard: &'a Switchboard<N, G>,
        batches: &'a Batches,
    ) -> Self {
        let (node, gate) = (setup.id, &*switchboard.gate);
        let mut effects = Effects::default();
        let now = clock.now();
        let member = switchboard.system.boot(setup, disk, now, &mut effects);
        let mut core = Self {
            node,
            member,
            clock,
            gate,
            draw,
            switchboard,
            batches,
            timers: Timers::default(),
        };
        core.carry_out(now, &mut effects);
        core
    }

    pub(super) async fn run(mut self) -> Infallible {
        let mut effects = Effects::default();
        let mut steps_on_end = 0;
        loop {
            // The clock is read with the mail already there, and timers due at this reading stand before the mail: a paused node
            // wakes to its timers.
            let now = self.clock.now();
            let Some(input) = self.admit(now) else {
                self.wait(now).await;
                steps_on_end = 0;
                continue;
            };
            self.member.step(now, input, &mut effects);
            self.carry_out(now, &mut effects);
            steps_on_end += 1;
            if steps_on_end == STEPS_ON_END_MAX {
                tokio::task::yield_now().await;
                steps_on_end = 0;
            }
        }
    }

    /// The input the gate admits of those that are ready, if any.
    fn admit(&mut self, now: Now) -> Option<Input<Erased>> {
        let mailbox = &self.switchboard.mailbox;
        let due_count = self.timers.due_count(now.monotonic_ns);
        let admitted = if due_count > 0 {
            let mut ready: Vec<Input<Erased>> = self
                .timers
                .due(now.monotonic_ns)
                .cloned()
                .map(Input::TimerFired)
                .collect();
            mailbox.look(|waiting| ready.extend_from_slice(waiting));
            self.gate.admit(self.node, &ready)
        } else if mailbox.is_empty() {
            return None;
        } else {
            mailbox.look(|waiting| self.gate.admit(self.node, waiting))
        };
        match admitted {
            Admit::Hold => None,
            Admit::Next(position) if position < due_count => {
                Some(Input::TimerFired(self.timers.take(position)))
            }
            Admit::Next(position) => {
                let mail = mailbox.take(position - due_count);
                let mail = mail.expect("a gate admits one of the inputs it was shown");
                self.switchboard.taken(&mail);
                Some(mail)
            }
        }
    }

    /// Waits until the gate has something new to decide.
    async fn wait(&self, now: Now) {
        let mailbox = &self.switchboard.mailbox;
        let held = !mailbox.is_empty() || self.timers.due_count(now.monotonic_ns) > 0;
        let next_timer_ns = self.timers.next_after(now.monotonic_ns);
        tokio::select! {
            biased;
            () = mailbox.arrived() => {}
            () = self.gate.changed(self.node), if held => {}
            () = self.clock.sleep_until(next_timer_ns.unwrap_or(u64::MAX)), if next_timer_ns.is_some() => {}
        }
    }

    /// Carries out effects in their order.
    fn carry_out(&mut self, now: Now, effects: &mut Effects<Erased>) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => self.switchboard.send(to, &message),
                Effect::ResetLink(peer) => self.switchboard.reset(peer),
                Effect::Persist(writes) => self.batches.push(writes),
                Effect::SetTimer { timer, range } => {
                    let delay_ns = (self.draw)(&timer, range);
                    self.timers
                        .set(timer, now.monotonic_ns.saturating_add(delay_ns));
                }
                Effect::CancelTimer(timer) => self.timers.cancel(&timer),
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => {
                    let answer = answer.map(|reply| reply.encode());
                    self.switchboard
                        .tell(client, &ClientFrame::Answer { request_id, answer });
                }
                Effect::Notify { client, event } => self
                    .switchboard
                    .tell(client, &ClientFrame::Event(event.encode())),
                // Who wants to know of facts watches the system's steps, and has seen it.
                Effect::Note(_) => {}
            }
        }
    }
}
