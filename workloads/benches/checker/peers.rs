//! Who judges the histories of a row, and how each is measured.

use super::measure::measure;
use super::milliseconds;
use super::others::objects::{Register as PlainRegister, Sequential, Text, Texts};
use super::others::{self, Says};
use super::rows::Subject;
use stormglass_checker::specifications::kv::{Kv, Missing};
use stormglass_checker::transactions::TransactionVerdict;
use stormglass_checker::{
    Case, History, Judgement, Limits, Register, Specification, TransactionOptions, Verdict, check,
    check_transactions,
};

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

    /// Why it is not there to be asked.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let is_porcupine = matches!(self, Self::Porcupine | Self::PorcupineUnsplit);
        let is_missing = is_porcupine && !cfg!(feature = "porcupine");
        is_missing.then_some("SKIPPED: build with --features porcupine")
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }
}

/// What a judge took for the histories of a row, and what it said.
#[derive(Debug, Default)]
pub(crate) struct Score {
    histories: u64,
    /// The verdict, from operations that lie ready.
    all_ns: u64,
    slowest_ns: u64,
    /// Pairing calls with returns, and parsing operations.
    pub(crate) preparing_ns: u64,
    /// All of it, as users call it, with proof.
    pub(crate) proving_ns: u64,
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
            "score {} {} {} {} {} {} {}",
            self.histories,
            self.all_ns,
            self.slowest_ns,
            self.preparing_ns,
            self.proving_ns,
            self.bytes,
            self.says
        )
    }

    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("score ")?.split(' ');
        let mut number = || words.next()?.parse().ok();
        Some(Self {
            histories: number()?,
            all_ns: number()?,
            slowest_ns: number()?,
            preparing_ns: number()?,
            proving_ns: number()?,
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

/// Lets `peer` judge `histories`.
pub(crate) fn score(peer: Peer, subject: Subject, histories: &[History]) -> Score {
    let mut score = Score::default();
    for history in histories {
        match (peer, subject) {
            (Peer::Ours, Subject::Registers) => ours(&mut score, Register::default, history),
            (Peer::Ours, Subject::Texts) => ours(&mut score, || Kv::new(Missing::Empty), history),
            (Peer::Ours, Subject::Transactions) => transactions(&mut score, history),
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
    score
}

fn ours<S: Specification>(score: &mut Score, specification: impl Fn() -> S, history: &History) {
    let limits = Limits::default();
    let operations = history.operations().expect("the history is well formed");
    let ready = specification();
    let case = Case::new(&ready, &operations).expect("the operations are the specification's");
    let (decision, verdict_ns) = measure(|| (), |()| case.decide(&limits));
    let says = match decision.legal {
        Some(true) => Says::Valid,
        Some(false) => Says::Invalid,
        None => Says::Unknown,
    };
    score.add(says, verdict_ns);
    score.bytes = score.bytes.max(decision.work.bytes_peak);
    let ((), preparing_ns) = measure(&specification, |specification| {
        let operations = history.operations().expect("the history is well formed");
        Case::new(&specification, &operations).expect("the operations are the specification's");
    });
    score.preparing_ns += preparing_ns;
    let (judgement, proving_ns) = measure(&specification, |specification| {
        check(&specification, history, &limits).expect("the history is well formed")
    });
    score.proving_ns += proving_ns;
    let Judgement { verdict, .. } = judgement;
    let proved = match verdict {
        Verdict::Valid(_) => Says::Valid,
        Verdict::Invalid(_) => Says::Invalid,
        Verdict::Unknown(_) => Says::Unknown,
    };
    assert_eq!(says, proved, "a verdict is the same with proof and without");
}

/// The judge of transactions pairs, judges and proves in one.
fn transactions(score: &mut Score, history: &History) {
    let options = TransactionOptions::default();
    let (judgement, nanoseconds) = measure(
        || (),
        |()| check_transactions(history, &options).expect("the history is well formed"),
    );
    let says = match judgement.verdict {
        TransactionVerdict::Valid => Says::Valid,
        TransactionVerdict::Invalid { .. } => Says::Invalid,
        TransactionVerdict::Unknown { .. } => Says::Unknown,
    };
    score.add(says, nanoseconds);
    score.proving_ns += nanoseconds;
    score.bytes = score.bytes.max(judgement.work.bytes_peak);
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
            #[cfg(feature = "porcupine")]
            Peer::Porcupine => {
                let prepared = others::porcupine::prepare::<O>(&part);
                measure(|| (), |()| others::porcupine::judge(&prepared))
            }
            other => unreachable!("{} does not judge one key at a time", other.name()),
        };
        all += nanoseconds;
        if said != Says::Valid {
            says = said;
            break;
        }
    }
    score.add(says, all);
}
