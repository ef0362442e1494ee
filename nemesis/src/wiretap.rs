//! What went over the network in a stretch of a trial, frame by frame: sent by whom, what became of it, when it arrived.
//!
//! A record holds no frames: there would be millions. A trial repeats, so whoever wants to see those around a moment runs it once more and
//! listens.

use crate::judge::Judged;
use crate::record::{Run, Traffic, ViolationKind};
use crate::trial::Trial;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::ops::Range;
use stormglass_checker::Verdict;
use stormglass_impls::contract::{Effect, NodeId};
use stormglass_impls::parcel::Parcel;
use stormglass_impls::system::{Erased, System, Word};
use stormglass_impls::wire::{ClientFrame, Party};

/// The version of the file of messages.
pub const MESSAGES_VERSION: u32 = 1;

/// The most letters that are kept: the last ones.
const LETTERS_MAX: usize = 4_000;

/// The most characters of a letter's text.
const TEXT_CHARACTERS_MAX: usize = 160;

/// What went over the network in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// [`MESSAGES_VERSION`].
    pub schema_version: u32,
    /// From when, in simulated nanoseconds.
    pub from_ns: u64,
    /// Until when.
    pub until_ns: u64,
    /// How many letters of that stretch are not here, for there were too many.
    pub left_out: u64,
    /// In the order in which they were sent.
    pub letters: Vec<Letter>,
    /// When which node booted.
    pub boots: Vec<(u64, NodeId)>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Who sent it.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// What it says.
    pub text: String,
    /// When it was sent, in simulated nanoseconds.
    pub sent_ns: u64,
    /// What the network did to it.
    pub fate: Fate,
    /// When it arrived, in simulated nanoseconds: never, once, or more often.
    pub arrived_ns: Vec<u64>,
}

/// What the network did to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It was never handed to the network: there was no connection.
    Unsent,
    /// Nothing. It arrives, unless its connection or its receiver is gone by then.
    Passed,
    /// Cut by a partition.
    Cut,
    /// Lost by itself.
    Lost,
    /// Lost together with its connection.
    Reset,
    /// Delayed.
    Slowed,
    /// Held until a fault was over.
    Held,
    /// Overtaken by later ones.
    Reordered,
    /// Sent twice.
    Duplicated,
    /// Damaged, which its receiver must notice.
    Corrupted,
}

impl Fate {
    /// What happened to a frame, by what the network counted before and after.
    pub(crate) fn between(before: &Traffic, after: &Traffic) -> Self {
        // What ends it comes first, then what shows most.
        match () {
            () if after.cut > before.cut => Self::Cut,
            () if after.lost > before.lost => Self::Lost,
            () if after.reset > before.reset => Self::Reset,
            () if after.corrupted > before.corrupted => Self::Corrupted,
            () if after.duplicated > before.duplicated => Self::Duplicated,
            () if after.reordered > before.reordered => Self::Reordered,
            () if after.held > before.held => Self::Held,
            () if after.slowed > before.slowed => Self::Slowed,
            () => Self::Passed,
        }
    }

    /// How often a frame may arrive after that.
    fn arrivals_max(self) -> usize {
        match self {
            Self::Unsent | Self::Cut | Self::Lost | Self::Reset | Self::Corrupted => 0,
            Self::Duplicated => 2,
            Self::Passed | Self::Slowed | Self::Held | Self::Reordered => 1,
        }
    }
}

/// The same words on the same way: told apart by nothing but their order.
type Likeness = (NodeId, NodeId, u128);

/// Listens to a trial.
#[derive(Debug)]
pub(crate) struct Tap {
    window: Range<u64>,
    /// How many letters came before the first that is kept.
    gone: usize,
    letters: VecDeque<Letter>,
    boots: Vec<(u64, NodeId)>,
    /// Letters of which nobody knows yet what the network does to them.
    unjudged: BTreeMap<Likeness, VecDeque<usize>>,
    under_way: BTreeMap<Likeness, VecDeque<usize>>,
}

fn likeness(from: NodeId, to: NodeId, message: &Parcel) -> Likeness {
    let mut hasher = SipHasher13::new();
    message.hash(&mut hasher);
    (from, to, hasher.finish128().as_u128())
}

impl Tap {
    fn new(window: Range<u64>) -> Self {
        Self {
            window,
            gone: 0,
            letters: VecDeque::new(),
            boots: Vec::new(),
            unjudged: BTreeMap::new(),
            under_way: BTreeMap::new(),
        }
    }

    fn keep(&mut self, letter: Letter) -> usize {
        if self.letters.len() == LETTERS_MAX {
            self.letters.pop_front();
            self.gone += 1;
        }
        self.letters.push_back(letter);
        self.gone + self.letters.len() - 1
    }

    fn letter(&mut self, number: usize) -> Option<&mut Letter> {
        self.letters.get_mut(number.checked_sub(self.gone)?)
    }

    /// A node wants this done.
    pub(crate) fn wanted(&mut self, now_ns: u64, node: NodeId, effects: &[Effect<Erased>]) {
        for effect in effects {
            if let Effect::Send { to, message } = effect {
                self.sent(now_ns, node, *to, message);
            }
        }
    }

    /// A node said something to another.
    fn sent(&mut self, now_ns: u64, from: NodeId, to: NodeId, message: &Parcel) {
        if !self.window.contains(&now_ns) {
            return;
        }
        let text = format!("{message:?}");
        let number = self.keep(Letter {
            from: Party::Node(from),
            to: Party::Node(to),
            text: text.chars().take(TEXT_CHARACTERS_MAX).collect(),
            sent_ns: now_ns,
            fate: Fate::Unsent,
            arrived_ns: Vec::new(),
        });
        let alike = self.unjudged.entry(likeness(from, to, message));
        alike.or_default().push_back(number);
    }

    /// The network did something to what a node said.
    pub(crate) fn judged(&mut self, from: NodeId, to: NodeId, message: &Parcel, fate: Fate) {
        let likeness = likeness(from, to, message);
        let alike = self.unjudged.get_mut(&likeness);
        let Some(number) = alike.and_then(VecDeque::pop_front) else {
            return;
        };
        if let Some(letter) = self.letter(number) {
            letter.fate = fate;
        }
        if fate.arrivals_max() > 0 {
            self.under_way
                .entry(likeness)
                .or_default()
                .push_back(number);
        }
    }

    /// A node took what another said.
    pub(crate) fn arrived(&mut self, now_ns: u64, from: NodeId, to: NodeId, message: &Parcel) {
        let likeness = likeness(from, to, message);
        let Some(number) = self
            .under_way
            .get(&likeness)
            .and_then(|alike| alike.front().copied())
        else {
            return;
        };
        let is_over = self.letter(number).is_none_or(|letter| {
            letter.arrived_ns.push(now_ns);
            letter.arrived_ns.len() >= letter.fate.arrivals_max()
        });
        if is_over && let Some(alike) = self.under_way.get_mut(&likeness) {
            alike.pop_front();
        }
    }

    /// A frame between a client and a node, which arrives then, unless the node is gone.
    pub(crate) fn client_frame(
        &mut self,
        (sent_ns, arrives_ns): (u64, u64),
        from: Party,
        to: Party,
        text: String,
    ) {
        if self.window.contains(&sent_ns) {
            self.keep(Letter {
                from,
                to,
                text: text.chars().take(TEXT_CHARACTERS_MAX).collect(),
                sent_ns,
                fate: Fate::Passed,
                arrived_ns: vec![arrives_ns],
            });
        }
    }

    pub(crate) fn booted(&mut self, now_ns: u64, node: NodeId) {
        if self.window.contains(&now_ns) {
            self.boots.push((now_ns, node));
        }
    }

    /// What was heard so far.
    pub(crate) fn messages(&self) -> Messages {
        Messages {
            schema_version: MESSAGES_VERSION,
            from_ns: self.window.start,
            until_ns: self.window.end,
            left_out: self.gone as u64,
            letters: self.letters.iter().cloned().collect(),
            boots: self.boots.clone(),
        }
    }
}

/// A frame between a client and a node in words.
pub(crate) fn client_words(system: &dyn System, frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Call {
            request_id, body, ..
        } => match system.decode(Word::Request, body) {
            Ok(request) => format!("asks {request_id}: {request:?}"),
            Err(_) => format!("asks {request_id}"),
        },
        ClientFrame::Answer { request_id, .. } => format!("answers {request_id}"),
        ClientFrame::Event(_) => "tells of an event".to_string(),
    }
}

thread_local! {
    /// To which stretch the next board of this thread listens.
    static WANTED: RefCell<Option<Range<u64>>> = const { RefCell::new(None) };
    /// What the last board of this thread that listened has heard.
    static HEARD: RefCell<Option<Messages>> = const { RefCell::new(None) };
}

/// Runs a trial and listens from a time until another, in simulated nanoseconds. What is heard is no part of the record.
pub fn listening<T>(window: Range<u64>, run: impl FnOnce() -> T) -> (T, Option<Messages>) {
    WANTED.replace(Some(window));
    HEARD.take();
    let result = run();
    WANTED.take();
    (result, HEARD.take())
}

/// A tap for a board that begins, if somebody wants to listen.
pub(crate) fn wanted() -> Option<Tap> {
    WANTED.take().map(Tap::new)
}

/// A board that listened has ended.
pub(crate) fn heard(tap: &Tap) {
    HEARD.replace(Some(tap.messages()));
}

/// The stretch around what broke, in simulated nanoseconds: up to a little after it, from a little before the first of the operations that
/// collide. None when nothing broke.
pub fn stretch(run: &Run, judged: &Judged) -> Option<Range<u64>> {
    const BEFORE_NS: u64 = 500_000_000;
    const BEFORE_NS_MAX: u64 = 20_000_000_000;
    const AFTER_NS: u64 = 200_000_000;
    let inside = judged.violations.iter().map(|violation| violation.time_ns);
    let (begins_ns, broke_ns) = match &judged.judgement.verdict {
        Verdict::Invalid(evidence) => {
            let last = evidence.prefix_events.checked_sub(1)?;
            let broke_ns = run.history.events.get(last)?.time;
            let calls = evidence.culprits.iter().map(|culprit| culprit.call_time);
            (calls.min().unwrap_or(broke_ns).min(broke_ns), broke_ns)
        }
        _ => {
            let broke_ns = inside.min()?;
            (broke_ns, broke_ns)
        }
    };
    let from_ns = begins_ns
        .max(broke_ns.saturating_sub(BEFORE_NS_MAX))
        .saturating_sub(BEFORE_NS);
    Some(from_ns..broke_ns.saturating_add(AFTER_NS))
}

/// Whether what broke in a run can be listened to: it repeats, and comes to an end.
pub fn repeats(trial: &Trial, run: &Run, judged: &Judged) -> bool {
    let hung = judged
        .violations
        .iter()
        .any(|violation| violation.kind == ViolationKind::Hang);
    !hung && !run.record.interrupted && trial.arena.repeats()
}
