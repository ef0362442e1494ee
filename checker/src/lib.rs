//! # What
//! Judges what the clients of a concurrent system saw. A [`History`] of calls and returns goes in; out comes a [`Verdict`]: valid with a
//! certificate, invalid with evidence, or unknown because a limit was reached.
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
//! The pages of the modules are a short book on how this is done. The code map below is its table of contents.
//!
//! # Entry points
//! - [`read`] opens a history file of any of the [`formats`], [`read_with`] also says how it was read; [`History::parse_jsonl`] and
//!   [`History::write_jsonl`] work on readers and writers.
//! - [`check()`] judges it by a [`Specification`]; [`Register`] is one, and the trait's page shows how to write another.
//! - [`Model`] knows every specification by name, for commands.
//! - [`ladder()`](guarantees::ladder) names the strongest of nine guarantees that a history satisfies.
//! - [`check_transactions`] names the anomalies of transactions, and the levels of isolation that they leave.
//! - [`verify`] checks a certificate without the search; [`oracle::is_legal`] tries every order, for tests.
//!
//! # Code map
//! In the order in which it is best read. What is recorded:
//!
//! 1. [`history`]: events, and what makes a recording honest.
//! 2. [`operation`]: calls paired with returns, and what real time says of two operations.
//! 3. [`formats`]: the files that histories are read from and written to. [`error`]: what can be wrong with one.
//!
//! What is promised:
//!
//! 4. [`specification`]: what a sequential object may do, and the definition of linearizability.
//! 5. [`specifications`]: the objects that are written here, and what goes unnoticed with each.
//!
//! How it is judged:
//!
//! 6. [`check`](mod@check): from a history to a verdict. [`case`]: the parts that are judged apart, and why they may be.
//! 7. [`monitors`]: judges for histories of a particular shape, in time n log n: [`zones`](monitors::zones),
//!    [`cas_chain`](monitors::cas_chain), [`versions`](monitors::versions), [`append`](monitors::append), [`set`](monitors::set),
//!    [`counter`](monitors::counter), [`queue`](monitors::queue).
//! 8. [`search`]: two engines for all other histories, the laws they rest on, and how they compare with others'.
//! 9. [`limits`]: what work is counted, and what it means to reach a limit.
//!
//! What comes out:
//!
//! 10. [`verdict`]: the data. [`evidence`]: the shortest story of a violation.
//! 11. [`certificate`], [`refutation`], [`oracle`]: the judges of the judge. [`states`]: the states a certificate leads through, for people. [`believe`]: what is left to believe.
//!
//! Other questions to the same history:
//!
//! 12. [`guarantees`]: weaker guarantees, and the ladder of all of them.
//! 13. [`transactions`]: which isolation a database kept, by the anomalies in a history of transactions.
//!
//! # Invariants
//! - A valid verdict has a certificate that [`verify`] accepts; an invalid one names a prefix that is illegal by itself.
//! - Unknown is never a pass. A limit of time can turn an answer into unknown and nothing else.
//! - The same history, specification and limits of steps and bytes give the same verdict and the same counted work.
//! - No input makes it panic; memory of the search stays under [`Limits::bytes`].
//!
//! # Not here
//! No client, network or fault; no clock that decides; no knowledge of any system under test. Promises of particular systems are written
//! elsewhere, as specifications.

#[doc = include_str!("../BELIEVE.md")]
pub mod believe {}

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod case;
pub mod certificate;
pub mod check;
pub mod error;
pub mod evidence;
pub mod formats;
pub mod guarantees;
pub mod history;
pub mod limits;
pub mod monitors;
pub mod operation;
pub mod oracle;
pub mod refutation;
mod scope;
pub mod search;
pub mod specification;
pub mod specifications;
pub mod states;
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
pub use operation::{Operation, Outcome, Pair};
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
