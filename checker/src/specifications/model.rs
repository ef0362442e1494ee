//! The catalogue: every specification by its name, for commands that are told one.
//!
//! ```
//! use stormglass_checker::{History, Limits, Model, Options, Verdict};
//!
//! let history = History::parse_jsonl(
//!     "example",
//!     r#"{"process":0,"type":"invoke","f":"acquire"}
//! {"process":0,"type":"ok","f":"acquire"}
//! "#
//!     .as_bytes(),
//! )?;
//! let mutex = Model::from_name("mutex").unwrap();
//! let judgement = mutex.judge(&Options::default(), &history, &Limits::default())?;
//! let Verdict::Valid(certificate) = judgement.verdict else { panic!("it was free") };
//! mutex.verify(&Options::default(), &history, &certificate)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde_json::Value;

use crate::certificate;
use crate::check::{CheckError, check};
use crate::history::{Event, History, Kind, Process};
use crate::limits::Limits;
use crate::specification::{Specification, SpecificationError};
use crate::verdict::{Certificate, Judgement};

use super::kv::Missing;
use super::{
    Append, Counter, EvictingCache, FencedLock, Kv, Mutex, Queue, Register, Set, TtlCache,
    VersionedRegister,
};

/// A specification that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// [`Register`].
    Register,
    /// [`Kv`]; with transactions if the history has some.
    Kv,
    /// [`Mutex`].
    Mutex,
    /// [`FencedLock`].
    FencedLock,
    /// [`EvictingCache`]; with tokens if the history has some.
    EvictingCache,
    /// [`TtlCache`].
    TtlCache,
    /// [`VersionedRegister`].
    VersionedRegister,
    /// [`Append`].
    Append,
    /// [`Set`].
    Set,
    /// [`Counter`].
    Counter,
    /// [`Queue`].
    Queue,
}

/// What a model may be told beside the history. Each says which models heed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `register`: what it holds until first written. Null unless told otherwise.
    pub initial: Value,
    /// `kv` without transactions: what a get of a missing key returns. Null unless told otherwise.
    pub missing: Missing,
    /// `mutex`: any process may release it, not only its owner.
    pub released_by_anyone: bool,
    /// `fenced-lock`: the lock may be lost to a timeout. True unless told otherwise.
    pub lock_expires: bool,
    /// `ttl-cache`: how much too early or too late a value may vanish, in nanoseconds.
    pub slack_ns: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            initial: Value::Null,
            missing: Missing::Null,
            released_by_anyone: false,
            lock_expires: true,
            slack_ns: 0,
        }
    }
}

/// Something to be done with a specification, whichever it is.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<S: Specification>(self, specification: &S) -> Self::Output;
}

impl Model {
    /// All there are.
    pub fn all() -> &'static [Self] {
        &[
            Self::Register,
            Self::VersionedRegister,
            Self::Kv,
            Self::Append,
            Self::Set,
            Self::Counter,
            Self::Queue,
            Self::Mutex,
            Self::FencedLock,
            Self::EvictingCache,
            Self::TtlCache,
        ]
    }

    /// The model of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::all().iter().copied();
        all.find(|model| model.name() == name)
    }

    /// Its name, as commands take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Kv => "kv",
            Self::Mutex => "mutex",
            Self::FencedLock => "fenced-lock",
            Self::EvictingCache => "evicting-cache",
            Self::TtlCache => "ttl-cache",
            Self::VersionedRegister => "versioned-register",
            Self::Append => "append",
            Self::Set => "set",
            Self::Counter => "counter",
            Self::Queue => "queue",
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Register => "a compare-and-set register a key",
            Self::Kv => {
                "a key-value store, with texts to append to and transactions of several keys"
            }
            Self::Mutex => "a mutex a key, held by one process at a time",
            Self::FencedLock => {
                "a lock a key that may expire, with tokens that fence off late writes"
            }
            Self::EvictingCache => "a cache that may drop anything at any time, as memcached",
            Self::TtlCache => "a cache that keeps a value for its time and no longer",
            Self::VersionedRegister => "a register a key whose server numbers its states",
            Self::Append => "a list a key that values are appended to and that is read as a whole",
            Self::Set => "a set a key, read as a whole or asked for one element",
            Self::Counter => "a counter a key",
            Self::Queue => "a queue a key: first in, first out",
        }
    }

    /// The functions its operations may have.
    pub fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Register => &["read", "write", "cas"],
            Self::Kv => &super::kv::FUNCTIONS,
            Self::Mutex => &["acquire", "release"],
            Self::FencedLock => &["acquire", "release", "write"],
            Self::EvictingCache => &["get", "set", "add", "replace", "delete", "gets", "cas"],
            Self::TtlCache => &["get", "set", "delete"],
            Self::VersionedRegister => &["read", "write", "cas"],
            Self::Append => &["append", "read"],
            Self::Set => &["add", "remove", "read", "contains"],
            Self::Counter => &["add", "inc", "dec", "read"],
            Self::Queue => &["enqueue", "dequeue"],
        }
    }

    /// What it tests, quoted.
    pub fn promise(self) -> String {
        struct Promise;
        impl Visitor for Promise {
            type Output = String;
            fn visit<S: Specification>(self, specification: &S) -> String {
                specification.promise().to_owned()
            }
        }
        self.with(&Options::default(), &History::default(), Promise)
    }

    /// Does something with the specification that `options` and the functions of `history` ask for.
    pub fn with<V: Visitor>(self, options: &Options, history: &History, visitor: V) -> V::Output {
        let has = |functions: &[&str]| {
            let client = |event: &&Event| matches!(event.process, Process::Client(_));
            let mut events = history.events.iter().filter(client);
            events.any(|event| functions.contains(&event.f.as_str()))
        };
        match self {
            Self::Register => visitor.visit(&Register::starting_at(&options.initial)),
            Self::Kv if has(&[super::kv::TRANSACTION]) => visitor.visit(&Kv::with_transactions()),
            Self::Kv => visitor.visit(&Kv::new(options.missing)),
            Self::Mutex if options.released_by_anyone => {
                visitor.visit(&Mutex::released_by_anyone())
            }
            Self::Mutex => visitor.visit(&Mutex::default()),
            Self::FencedLock if options.lock_expires => visitor.visit(&FencedLock::default()),
            Self::FencedLock => visitor.visit(&FencedLock::without_expiry()),
            Self::EvictingCache if has(&["gets", "cas"]) => {
                visitor.visit(&EvictingCache::with_tokens())
            }
            Self::EvictingCache => visitor.visit(&EvictingCache::default()),
            Self::TtlCache => visitor.visit(&TtlCache::with_slack(options.slack_ns)),
            Self::VersionedRegister => visitor.visit(&VersionedRegister::starting_at(
                Register::starting_at(&options.initial),
                None,
            )),
            Self::Append => visitor.visit(&Append::default()),
            Self::Set => visitor.visit(&Set::default()),
            Self::Counter => visitor.visit(&Counter),
            Self::Queue => visitor.visit(&Queue::default()),
        }
    }

    /// Whether the model can be held against this history at all, whatever its operations are: where times matter to it, that they never go back.
    /// [`judge`](Self::judge) and [`verify`](Self::verify) ask this themselves; a [`Visitor`] does not.
    ///
    /// # Errors
    /// The first event whose time is before that of an earlier one.
    pub fn accepts(self, history: &History) -> Result<(), CheckError> {
        match self {
            Self::TtlCache => times_go_forward(history),
            _ => Ok(()),
        }
    }

    /// [`check`](fn@crate::check) by this model.
    ///
    /// # Errors
    /// Those of `check`. When times matter to the model, also that they go back.
    pub fn judge(
        self,
        options: &Options,
        history: &History,
        limits: &Limits,
    ) -> Result<Judgement, CheckError> {
        struct Judge<'a>(&'a History, &'a Limits);
        impl Visitor for Judge<'_> {
            type Output = Result<Judgement, CheckError>;
            fn visit<S: Specification>(self, specification: &S) -> Self::Output {
                check(specification, self.0, self.1)
            }
        }
        self.accepts(history)?;
        self.with(options, history, Judge(history, limits))
    }

    /// [`verify`](crate::verify()) by this model.
    ///
    /// # Errors
    /// The first thing that is wrong, in words.
    pub fn verify(
        self,
        options: &Options,
        history: &History,
        certificate: &Certificate,
    ) -> Result<(), String> {
        struct Verify<'a>(&'a History, &'a Certificate);
        impl Visitor for Verify<'_> {
            type Output = Result<(), String>;
            fn visit<S: Specification>(self, specification: &S) -> Self::Output {
                let operations = self.0.operations().map_err(|error| error.to_string())?;
                certificate::verify(specification, &operations, self.1)
            }
        }
        self.accepts(history).map_err(|error| error.to_string())?;
        self.with(options, history, Verify(history, certificate))
    }
}

/// Times that decide must be those of one clock.
fn times_go_forward(history: &History) -> Result<(), CheckError> {
    let clients = history.events.iter().enumerate();
    let mut latest = 0;
    for (position, event) in clients {
        let Process::Client(process) = event.process else {
            continue;
        };
        // What is known of an operation does not rest on when a call of unknown outcome was given up.
        if event.kind == Kind::Info {
            continue;
        }
        if event.time < latest {
            let expected =
                format!("a time of {latest} ns or later, of one clock that never goes back");
            return Err(CheckError::Specification {
                specification: Model::TtlCache.name().to_owned(),
                event: position,
                f: event.f.clone(),
                process,
                source: SpecificationError::new(expected, event.time),
            });
        }
        latest = event.time;
    }
    Ok(())
}
