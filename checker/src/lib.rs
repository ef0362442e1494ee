//! # What
//! Judges what the clients of a concurrent system saw. A [`History`] of calls and returns goes in; out comes a
//! [`Verdict`]: valid with a certificate, invalid with evidence, or unknown because a limit was reached.
//!
//! ```
//! use stormglass_checker::{History, Limits, Register, Verdict, check, verify};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"index":0,"time":10,"process":0,"type":"invoke","f":"write","key":"x","value":1}
//! {"index":1,"time":15,"process":1,"type":"invoke","f":"read","key":"x","value":null}
//! {"index":2,"time":20,"process":1,"type":"ok","f":"read","key":"x","value":1}
//! {"index":3,"time":25,"process":0,"type":"ok","f":"write","key":"x","value":1}
//! "#
//!     .as_bytes(),
//! )?;
//! let register = Register::default();
//! let judgement = check(&register, &history, &Limits::default())?;
//! let Verdict::Valid(certificate) = judgement.verdict else { panic!("the read overlaps the write") };
//! assert_eq!(certificate.parts[0].order, [0, 1]);
//! verify(&register, &history.operations()?, &certificate)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Entry points
//! - [`read`] opens a history file of any of the [`formats`], [`read_with`] also says how it was read;
//!   [`History::parse_jsonl`] and [`History::write_jsonl`] work on readers and writers.
//! - [`check()`] judges it by a [`Specification`]; [`Register`] is one, and the trait's page shows how to write another.
//! - [`ladder()`](guarantees::ladder) names the strongest of nine guarantees that a history satisfies.
//! - [`verify`] checks a certificate without the search; [`oracle::is_legal`] tries every order, for tests.
//!
//! # Code map
//! - [`history`], [`formats`]: events, and the formats they are read from.
//! - [`operation`]: calls paired with returns. [`error`]: what can be wrong with a history.
//! - [`specification`], [`specifications`]: what an object promises.
//! - [`guarantees`]: weaker guarantees on the same history, and the ladder of all of them.
//! - [`monitors`]: judges for histories of a particular shape, in time n log n.
//! - [`transactions`]: which isolation a database kept, by the anomalies in a history of transactions.
//! - `search`: the frontier of configurations; its module page states the laws it rests on.
//! - [`case`], `scope`: a history read by a specification, and the parts of it that are judged apart.
//! - [`check`](mod@check), `evidence`: verdicts put together, and the shortest story of a violation.
//! - [`verdict`], [`limits`]: the data that comes out. [`certificate`], [`refutation`], [`oracle`]: the judges of the judge.
//!
//! # Invariants
//! - A valid verdict has a certificate that [`verify`] accepts; an invalid one names a prefix that is illegal by itself.
//! - Unknown is never a pass. A limit of time can turn an answer into unknown and nothing else.
//! - The same history, specification and limits of steps and bytes give the same verdict and the same counted work.
//! - No input makes it panic; memory of the search stays under [`Limits::bytes`].
//!
//! # Not here
//! No client, network or fault; no clock that decides; no knowledge of any system under test. Promises of particular
//! systems are written elsewhere, as specifications.

pub mod case;
pub mod certificate;
pub mod check;
pub mod error;
mod evidence;
pub mod formats;
pub mod guarantees;
pub mod history;
pub mod limits;
pub mod monitors;
pub mod operation;
pub mod oracle;
pub mod refutation;
mod scope;
mod search;
pub mod specification;
pub mod specifications;
pub mod transactions;
pub mod verdict;

pub use case::{Case, Decision};
pub use certificate::verify;
pub use check::{CheckError, check};
pub use error::{HistoryError, Problem};
pub use formats::input::{FailedCas, Input, ReadOptions, Recording, read, read_from, read_with};
pub use guarantees::{Guarantee, Ladder, ladder};
pub use history::{Event, History, Kind, Process};
pub use limits::{Limits, Reason, Work, spend};
pub use monitors::{Finding, Observed};
pub use operation::{Operation, Outcome};
pub use refutation::{Confirmed, verify_evidence};
pub use search::Judge;
pub use specification::{Access, Effect, Specification, SpecificationError};
pub use specifications::model::{self, Model, Options};
pub use specifications::nondeterministic::{Nondeterministic, Possibilities};
pub use specifications::{
    Append, Counter, EvictingCache, FencedLock, Kv, Mutex, Queue, Register, Set, TtlCache,
    VersionedRegister,
};
pub use transactions::{TransactionJudgement, TransactionOptions, check_transactions};
pub use verdict::{Certificate, Context, Evidence, Judgement, Part, Progress, Unknown, Verdict};
