//! The gate of every host and client: asks the weather and the machines.

use super::Stage;
use crate::machines::Sync;
use crate::weather::Passage;
use crate::wiretap::{Fate as Seen, Tap, client_words};
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::{Input, NodeId};
use stormglass_impls::host::{Admit, Fate, Fsync, Gate, frame};
use stormglass_impls::system::{Erased, Word};
use stormglass_impls::wire::{ClientFrame, Party};
use tokio::time::sleep;

pub(super) struct StormGate(pub(super) Rc<Stage>);

impl StormGate {
    /// The kind of message a frame carries.
    fn kind(&self, framed: &[u8]) -> &'static str {
        let payload = frame::payload(framed).unwrap_or_default();
        let message = self.0.system.decode(Word::Message, payload);
        message.map_or("", |message| self.0.system.message_kind(&message))
    }

    /// Lets a listener hear what is sent.
    fn tell(
        &self,
        tap: &mut Tap,
        ends: (Party, Party),
        framed: &[u8],
        passage: Passage,
        fate: Seen,
    ) {
        let payload = frame::payload(framed).unwrap_or_default();
        let system = self.0.system.as_ref();
        if let (Party::Node(from), Party::Node(to)) = ends {
            if let Ok(message) = system.decode(Word::Message, payload) {
                tap.judged(from, to, &message, fate);
            }
        } else if let (Ok(frame), Passage::After(ns)) = (ClientFrame::read(payload), passage) {
            let now_ns = super::now_ns();
            let words = client_words(system, &frame);
            tap.client_frame((now_ns, now_ns + ns), ends.0, ends.1, words);
        }
    }
}

impl Gate for StormGate {
    fn dial(&self, from: Party, to: Party, _: u64) -> bool {
        let weather = &mut self.0.conditions.borrow_mut().weather;
        weather.may_dial(from, to, super::now_ns())
    }

    fn frame(&self, from: Party, to: Party, _: u64, framed: &[u8]) -> Fate {
        let weather = &mut self.0.conditions.borrow_mut().weather;
        let before = weather.traffic();
        let passage = weather.passage(from, to, super::now_ns(), || self.kind(framed));
        if let Some(tap) = &mut self.0.board.borrow_mut().tap {
            self.tell(
                tap,
                (from, to),
                framed,
                passage,
                Seen::between(&before, &weather.traffic()),
            );
        }
        match passage {
            Passage::Cut => Fate::Drop,
            Passage::Reset => Fate::Reset,
            Passage::After(ns) => Fate::Delay { ns },
            Passage::Overtaken(ns) => Fate::Overtaken { ns },
            Passage::Twice { after_ns, apart_ns } => Fate::Copy {
                after_ns,
                times: 1,
                delay_ns: apart_ns,
            },
            Passage::Corrupt { after_ns, bit } => Fate::Corrupt { after_ns, bit },
        }
    }

    fn rejected(&self, _: Party, _: Party) {
        self.0.conditions.borrow_mut().weather.rejected();
    }

    fn admit(&self, node: NodeId, _: &[Input<Erased>]) -> Admit {
        let machines = &mut self.0.conditions.borrow_mut().machines;
        let now_ns = super::now_ns();
        let busy_until_ns = &self.0.busy_until_ns[node.index()];
        if machines.holds(node) || busy_until_ns.get() > now_ns {
            return Admit::Hold;
        }
        let takes_ns = machines.step_takes_ns(node);
        if takes_ns > 0 {
            busy_until_ns.set(now_ns + takes_ns);
        }
        Admit::Next(0)
    }

    fn sync(&self, node: NodeId) -> Fsync {
        let sync = self.0.conditions.borrow_mut().machines.sync(node);
        self.0.unsynced[node.index()].borrow_mut().next = Some(sync);
        let ns = match sync {
            Sync::After(ns) | Sync::Lies { after_ns: ns, .. } => ns,
            Sync::Fails(_) => 0,
        };
        Fsync::After { ns }
    }

    async fn changed(&self, node: NodeId) {
        let woken = self.0.woken[node.index()].notified();
        let left_ns = self.0.busy_until_ns[node.index()]
            .get()
            .saturating_sub(super::now_ns());
        tokio::select! {
            biased;
            () = woken => {}
            () = sleep(Duration::from_nanos(left_ns)), if left_ns > 0 => {}
        }
    }
}
