//! Who judges the histories of a row, and how each is measured.

use super::key_value::KeyValue;
use super::measure::measure;
use super::milliseconds;
use super::others::objects::{Register as PlainRegister, Sequential, Text, Texts};
use super::others::{self, Says};
use super::rows::Subject;
use stormglass_checker::{History, Judgement, Limits, Register, Specification, Verdict, check};

/// A judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Ours,
    Porcupine,
    PorcupineUnsplit,
    Todc,
    Stateright,
    Adya,
}

impl Peer {
    const ALL: [Self; 6] = [
        Self::Ours,
        Self::Porcupine,
        Self::PorcupineUnsplit,
        Self::Todc,
        Self::Stateright,
        Self::Adya,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Porcupine => "porcupine-rs",
            Self::PorcupineUnsplit => "porcupine-rs unsplit",
            Self::Todc => "todc-utils",
            Self::Stateright => "stateright",
            Self::Adya => "adya",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }
}

/// What a judge took for the histories of a row, and what it said.
#[derive(Debug, Default)]
pub(crate) struct Score {
    histories: u64,
    all_ns: u64,
    slowest_ns: u64,
    pub(crate) pairing_ns: u64,
    /// The most memory that a search held; 0 where it does not say.
    pub(crate) bytes: u64,
    /// A letter a history: v, i or u.
    pub(crate) says: String,
}

impl Score {
    fn add(&mut self, says: Says, nanoseconds: u64) {
        self.histories += 1;
        self.all_ns += nanoseconds;
        self.slowest_ns = self.slowest_ns.max(nanoseconds);
        self.says.push(match says {
            Says::Valid => 'v',
            Says::Invalid => 'i',
            Says::Unknown => 'u',
        });
    }

    /// How a process hands it to the one that prints.
    pub(crate) fn line(&self) -> String {
        format!(
            "score {} {} {} {} {} {}",
            self.histories, self.all_ns, self.slowest_ns, self.pairing_ns, self.bytes, self.says
        )
    }

    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("score ")?.split(' ');
        let mut number = || words.next()?.parse().ok();
        Some(Self {
            histories: number()?,
            all_ns: number()?,
            slowest_ns: number()?,
            pairing_ns: number()?,
            bytes: number()?,
            says: words.next()?.to_owned(),
        })
    }

    pub(crate) fn time(&self) -> String {
        let all = milliseconds(self.all_ns);
        match self.histories {
            1 => all,
            _ => format!("{all}, slowest {}", milliseconds(self.slowest_ns)),
        }
    }

    /// Whether two judges agree where both have an answer.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let mut pairs = self.says.chars().zip(other.says.chars());
        pairs.all(|(one, other)| one == other || one == 'u' || other == 'u')
    }
}

/// Lets `peer` judge `histories`. `None` where there is no such judge yet.
pub(crate) fn score(peer: Peer, subject: Subject, histories: &[History]) -> Option<Score> {
    let mut score = Score::default();
    for history in histories {
        match (peer, subject) {
            (Peer::Ours, Subject::Registers) => ours(&mut score, Register::default, history),
            (Peer::Ours, Subject::Texts) => ours(&mut score, || KeyValue, history),
            // THE PLACE OF THE JUDGE OF TRANSACTIONS: strict serializability of `history`, measured as in `ours` below.
            (Peer::Ours, Subject::Transactions) => return None,
            (Peer::Adya, _) => {
                let prepared = others::adya::prepare(history);
                let (says, nanoseconds) = measure(|| (), |()| others::adya::judge(&prepared));
                score.add(says, nanoseconds);
            }
            (Peer::PorcupineUnsplit, _) => theirs::<Texts>(&mut score, Peer::Porcupine, history),
            (_, Subject::Texts) => theirs::<Text>(&mut score, peer, history),
            (..) => theirs::<PlainRegister>(&mut score, peer, history),
        }
    }
    Some(score)
}

fn ours<S: Specification>(score: &mut Score, specification: impl Fn() -> S, history: &History) {
    let limits = Limits::default();
    let (judgement, nanoseconds) = measure(&specification, |specification| {
        check(&specification, history, &limits).expect("the history is well formed")
    });
    let (_, pairing_ns) = measure(|| (), |()| history.operations());
    let Judgement { verdict, work } = judgement;
    score.bytes = score.bytes.max(work.bytes_peak);
    score.pairing_ns += pairing_ns;
    let says = match verdict {
        Verdict::Valid(_) => Says::Valid,
        Verdict::Invalid(_) => Says::Invalid,
        Verdict::Unknown(_) => Says::Unknown,
    };
    score.add(says, nanoseconds);
}

/// Each part in turn until one is invalid.
fn theirs<O: Sequential>(score: &mut Score, peer: Peer, history: &History) {
    let (mut says, mut all) = (Says::Valid, 0);
    for part in others::prepare::<O>(history) {
        let (said, nanoseconds) = match peer {
            Peer::Todc => measure(
                || others::todc::prepare::<O>(&part),
                others::todc::judge::<O>,
            ),
            Peer::Stateright => {
                let prepared = others::stateright::prepare::<O>(&part);
                measure(|| (), |()| others::stateright::judge(&prepared))
            }
            _ => {
                let prepared = others::porcupine::prepare::<O>(&part);
                measure(|| (), |()| others::porcupine::judge(&prepared))
            }
        };
        all += nanoseconds;
        if said != Says::Valid {
            says = said;
            break;
        }
    }
    score.add(says, all);
}
