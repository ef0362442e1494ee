//! How a node is moved: by one input, whose effects are carried out and traced.

use super::cluster::Cluster;
use super::flights::Flight;
use super::notation;
use crate::contract::{Answer, Effect, Effects, Input, NodeId, Refusal};
use crate::system::{Broken, Erased};
use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Cluster {
    pub(super) fn boot(&mut self, node: NodeId) {
        let mut effects = Effects::default();
        let place = self.nodes.get(&node).expect("names were looked up");
        let (setup, disk, now) = (&place.setup, &*place.disk, place.now);
        let booted = catch_unwind(AssertUnwindSafe(|| {
            self.system.boot(setup, disk, now, &mut effects)
        }));
        let member = match booted {
            Ok(member) => member,
            Err(panic) => return self.say(format_args!("PANIC {node}: {}", text_of(&*panic))),
        };
        self.say(format_args!("{node} boots as {}", member.describe()));
        let verdict = self.watch.booted(node, &*member);
        self.place_mut(node).member = Some(member);
        self.carry_out(node, effects, &BTreeSet::new());
        self.judge(verdict);
        self.settle(node);
        let others = NodeId::all(self.place(node).setup.nodes).filter(|other| *other != node);
        others.for_each(|other| self.link(node, other));
    }

    /// Moves a node by one input, and then by the ends of its writes, unless they are held.
    pub(super) fn step(&mut self, node: NodeId, head: String, input: Input<Erased>) {
        self.say(head);
        self.step_quietly(node, input);
        self.settle(node);
    }

    /// Carries out a step without its first line.
    pub(super) fn step_quietly(&mut self, node: NodeId, input: Input<Erased>) {
        let place = self.nodes.get_mut(&node).expect("names were looked up");
        let set: BTreeSet<String> = place.timers.keys().cloned().collect();
        if let Input::TimerFired(timer) = &input {
            place.timers.remove(&format!("{timer:?}"));
        }
        let now = place.now;
        let member = place
            .member
            .as_mut()
            .expect("only a node that is up makes a step");
        let mut effects = Effects::default();
        let outcome = catch_unwind(AssertUnwindSafe(|| member.step(now, input, &mut effects)));
        if let Err(panic) = outcome {
            self.say(format_args!("PANIC {node}: {}", text_of(&*panic)));
            return self.go_down(node);
        }
        let verdict = self.watch.stepped(node, &**member, effects.as_slice());
        self.carry_out(node, effects, &set);
        self.judge(verdict);
    }

    /// Ends the writes under way, oldest first, unless they are held.
    pub(super) fn settle(&mut self, node: NodeId) {
        while self.is_up(node)
            && !self.place(node).holds
            && !self.place(node).outstanding.is_empty()
        {
            self.persist(node)
                .expect("a node that is up and writes can end a write");
        }
    }

    /// Does what a node wants done. `set`: the timers that were set before.
    pub(super) fn carry_out(
        &mut self,
        node: NodeId,
        mut effects: Effects<Erased>,
        set: &BTreeSet<String>,
    ) {
        for effect in effects.drain() {
            match effect {
                Effect::Send { to, message } => {
                    let flight = Flight {
                        from: node,
                        to,
                        kind: self.system.message_kind(&message),
                        message,
                    };
                    if self.hears(node, to) {
                        self.say(format_args!("  {node} → {to} {:?}", flight.message));
                        self.flights.push(flight);
                    } else {
                        self.say_lost("  ", &flight);
                    }
                }
                Effect::ResetLink(peer) => {
                    self.say(format_args!("  {node} resets its link to {peer}"));
                    self.unlink(node, peer);
                    self.link(node, peer);
                }
                Effect::Persist(writes) => {
                    self.say(format_args!("  {node} disk{}", notation::words(&writes)));
                    self.place_mut(node).outstanding.push_back(writes);
                }
                Effect::SetTimer { timer, .. } => {
                    self.place_mut(node)
                        .timers
                        .insert(format!("{timer:?}"), timer);
                }
                Effect::CancelTimer(timer) => {
                    self.place_mut(node).timers.remove(&format!("{timer:?}"));
                }
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } => {
                    self.say(format_args!(
                        "  {client} {request_id} ← {node} {}",
                        notation::answer(&answer)
                    ));
                    if let Answer::Refused(Refusal::SessionOpened { session }) = answer {
                        self.sessions.insert(client, session);
                    }
                }
                Effect::Notify { client, event } => {
                    self.say(format_args!("  {client} ← {node} {event:?}"))
                }
                Effect::Note(fact) => self.say(format_args!("  {}", notation::fact(node, fact))),
            }
        }
        let timers: Vec<&str> = self.place(node).timers.keys().map(String::as_str).collect();
        if !timers.iter().copied().eq(set.iter().map(String::as_str)) {
            let text = format!(
                "  {node} waits for {}",
                if timers.is_empty() {
                    "nothing".into()
                } else {
                    timers.join(" and ")
                }
            );
            self.say(text);
        }
    }

    pub(super) fn judge(&mut self, verdict: Result<(), Broken>) {
        if let Err(broken) = verdict {
            self.say_broken(&broken);
        }
    }
}

/// What a node said when it failed an assertion.
fn text_of(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word")
}
