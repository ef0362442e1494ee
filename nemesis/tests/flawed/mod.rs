//! A system with something wrong in it, for the tests of what an arena makes of that.

use std::any::Any;
use std::rc::Rc;
use stormglass_impls::contract::{DelayRange, Effect, Effects, Input, Now};
use stormglass_impls::facts::FactKind;
use stormglass_impls::knobs::Reads;
use stormglass_impls::manage::Manage;
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{
    Budget, DecodeError, DiskImage, Erased, Harmless, InvariantInfo, Member, Mutant, Setup, System,
    Unwatched, Watch, Word,
};

/// A system with something wrong in it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flaw {
    /// A node panics at its hundredth input.
    Panics,
    /// No answer is ever given.
    Mute,
    /// Every answer is bytes of some other system.
    Babbles,
    /// What is in the log cannot be read again.
    ForgetsItsWords,
    /// Everything is written twice, so that one write does not fit the one before.
    WritesTwice,
    /// A node works for ever at its hundredth input.
    NeverReturns,
    /// A node does nothing with a message but send it back, several times.
    Echoes,
    /// A node sets a timer that is due at once whenever one has run out.
    StandsStill,
}

pub(crate) struct Flawed(pub(crate) Rc<dyn System>, pub(crate) Flaw);

struct FlawedMember(Box<dyn Member>, Flaw, u32);

impl Member for FlawedMember {
    fn step(&mut self, now: Now, input: Input<Erased>, effects: &mut Effects<Erased>) {
        self.2 += 1;
        assert!(
            self.1 != Flaw::Panics || self.2 < 100,
            "the hundredth input is one too many"
        );
        if self.1 == Flaw::NeverReturns && self.2 >= 100 {
            loop {
                std::hint::spin_loop();
            }
        }
        match &input {
            Input::Deliver { from, message } if self.1 == Flaw::Echoes => {
                (0..3).for_each(|_| effects.send(*from, message.clone()));
                return;
            }
            Input::TimerFired(timer) if self.1 == Flaw::StandsStill => {
                effects.set_timer(timer.clone(), DelayRange::from_ms(0, 0));
                return;
            }
            _ => {}
        }
        let mut inner = Effects::default();
        self.0.step(now, input, &mut inner);
        for effect in inner.drain() {
            match effect {
                Effect::Reply { .. } if self.1 == Flaw::Mute => {}
                Effect::Reply {
                    client,
                    request_id,
                    answer,
                } if self.1 == Flaw::Babbles => {
                    effects.reply(
                        client,
                        request_id,
                        answer.map(|_| Parcel::new(vec![255_u8; 3])),
                    );
                }
                Effect::Persist(writes) if self.1 == Flaw::WritesTwice => {
                    effects.persist([writes.as_slice(), writes.as_slice()].concat());
                }
                effect => effects.push(effect),
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn progress(&self) -> u64 {
        self.0.progress()
    }
}

impl System for Flawed {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn summary(&self) -> &'static str {
        self.0.summary()
    }

    fn mutants(&self) -> &'static [Mutant] {
        self.0.mutants()
    }

    fn harmless(&self) -> &'static [Harmless] {
        self.0.harmless()
    }

    fn budget(&self) -> Budget {
        self.0.budget()
    }

    fn message_kinds(&self) -> &'static [&'static str] {
        self.0.message_kinds()
    }

    fn facts(&self) -> &'static [FactKind] {
        self.0.facts()
    }

    fn message_kind(&self, message: &Parcel) -> &'static str {
        self.0.message_kind(message)
    }

    fn invariants(&self) -> &'static [InvariantInfo] {
        self.0.invariants()
    }

    fn blank_disk(&self) -> Box<dyn DiskImage> {
        self.0.blank_disk()
    }

    fn read_disk(&self, bytes: &[u8]) -> Result<Box<dyn DiskImage>, DecodeError> {
        self.0.read_disk(bytes)
    }

    fn reads(&self) -> &'static [Reads] {
        self.0.reads()
    }

    fn boot(
        &self,
        setup: &Setup,
        disk: &dyn DiskImage,
        now: Now,
        effects: &mut Effects<Erased>,
    ) -> Box<dyn Member> {
        Box::new(FlawedMember(
            self.0.boot(setup, disk, now, effects),
            self.1,
            0,
        ))
    }

    fn decode(&self, word: Word, bytes: &[u8]) -> Result<Parcel, DecodeError> {
        let bytes = if word == Word::Write && self.1 == Flaw::ForgetsItsWords {
            &[]
        } else {
            bytes
        };
        self.0.decode(word, bytes)
    }

    fn manage(&self, manage: Manage) -> Option<Parcel> {
        self.0.manage(manage)
    }

    fn watch(&self) -> Box<dyn Watch> {
        match self.1 {
            // Its laws would see such writes before anybody reads them.
            Flaw::WritesTwice => Box::new(Unwatched),
            _ => self.0.watch(),
        }
    }
}
