//! The transactions of a history: calls paired with returns, aborted ones kept, and each access to a key.

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::options::TransactionKind;
use super::scalar::{Keys, same};
use crate::check::CheckError;
use crate::error::{HistoryError, Problem, excerpt};
use crate::history::{Event, History, Kind, Process};
use crate::specification::SpecificationError;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Aborted,
    /// It may have committed, or may do so at any time after its call.
    Unknown,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    pub(super) process: u64,
    /// Positions in `history.events`.
    pub(super) call: usize,
    pub(super) ret: Option<usize>,
    pub(super) fate: Fate,
    /// The micro-operations of the return if it committed, otherwise of the call.
    pub(super) micro: &'a [Value],
}

impl Transaction<'_> {
    /// The event by which it has taken effect.
    pub(super) fn deadline(&self) -> Option<usize> {
        self.ret.filter(|_| self.fate == Fate::Committed)
    }
}

/// What a micro-operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Append,
    Write,
    Read,
}

/// A micro-operation that says something: a write of any transaction, or a read of a committed one. Its place in
/// [`Records::accesses`] is its number, and those of one transaction stand together in their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) transaction: u32,
    pub(super) key: u32,
    pub(super) function: Function,
    pub(super) value: &'a Value,
}

impl<'a> Access<'a> {
    pub(super) fn is_read(&self) -> bool {
        self.function == Function::Read
    }

    /// The list that was read. `null` is the empty one.
    pub(super) fn list(&self) -> &'a [Value] {
        self.value.as_array().map_or(&[], Vec::as_slice)
    }
}

/// All that the history says.
#[derive(Debug)]
pub(super) struct Records<'a> {
    /// In order of calls.
    pub(super) transactions: Vec<Transaction<'a>>,
    pub(super) keys: Keys<'a>,
    pub(super) accesses: Vec<Access<'a>>,
    /// Which transactions are taken as committed: those that returned so, and those of unknown fate whose writes were read.
    pub(super) included: Vec<bool>,
    pub(super) kind: TransactionKind,
}

impl<'a> Records<'a> {
    pub(super) fn of(history: &'a History, kind: TransactionKind) -> Result<Self, CheckError> {
        let transactions = pair(history)?;
        let mut keys = Keys::default();
        let mut accesses = Vec::new();
        let mut shape = Shape::default();
        for (number, transaction) in transactions.iter().enumerate() {
            let committed = transaction.fate == Fate::Committed;
            let event = match transaction.ret {
                Some(ret) if committed => ret,
                _ => transaction.call,
            };
            for micro in transaction.micro {
                let (function, key, value) = parse(micro)
                    .and_then(|parsed| shape.admit(kind, parsed))
                    .map_err(|source| refuse(history, event, transaction.process, source))?;
                if function == Function::Read && !committed {
                    continue;
                }
                accesses.push(Access {
                    transaction: number as u32,
                    key: keys.number(key),
                    function,
                    value,
                });
            }
        }
        let included = transactions
            .iter()
            .map(|transaction| transaction.fate == Fate::Committed)
            .collect();
        let kind = match (kind, shape.register) {
            (TransactionKind::Auto, true) => TransactionKind::Register,
            (TransactionKind::Auto, false) => TransactionKind::ListAppend,
            (stated, _) => stated,
        };
        Ok(Self {
            transactions,
            keys,
            accesses,
            included,
            kind,
        })
    }

    /// The memory it takes, about.
    pub(super) fn bytes(&self) -> u64 {
        let transactions = self.transactions.capacity() * size_of::<Transaction<'_>>();
        let accesses = self.accesses.capacity() * size_of::<Access<'_>>();
        (transactions + accesses + self.keys.len() * 96) as u64
    }

    pub(super) fn access(&self, number: u32) -> &Access<'a> {
        &self.accesses[number as usize]
    }

    pub(super) fn fate(&self, transaction: u32) -> Fate {
        self.transactions[transaction as usize].fate
    }

    /// A committed transaction saw a write of `transaction`, so if that is of unknown fate, it committed.
    pub(super) fn include(&mut self, transaction: u32) {
        if self.fate(transaction) == Fate::Unknown {
            self.included[transaction as usize] = true;
        }
    }
}

/// What the micro-operations seen so far leave open.
#[derive(Debug, Default)]
struct Shape {
    list_append: bool,
    register: bool,
}

impl Shape {
    /// A micro-operation of lists and one of registers do not go together.
    fn admit<'a>(
        &mut self,
        kind: TransactionKind,
        parsed: (Function, &'a Value, &'a Value),
    ) -> Result<(Function, &'a Value, &'a Value), SpecificationError> {
        let (function, _, value) = parsed;
        match function {
            Function::Append => self.list_append = true,
            Function::Write => self.register = true,
            Function::Read if value.is_array() => self.list_append = true,
            Function::Read if !value.is_null() => self.register = true,
            Function::Read => {}
        }
        let expected = match kind {
            TransactionKind::Auto if self.list_append && self.register => {
                "either lists (append, and reads of lists) or registers (w, and reads of scalars)"
            }
            TransactionKind::ListAppend if self.register => "append, or a read of a list",
            TransactionKind::Register if self.list_append => "w, or a read of a scalar",
            _ => return Ok(parsed),
        };
        Err(SpecificationError::new(expected, value))
    }
}

/// Takes a micro-operation apart: what it does, key, value.
fn parse(micro: &Value) -> Result<(Function, &Value, &Value), SpecificationError> {
    const EXPECTED: &str =
        "a micro-operation [\"append\", key, value], [\"w\", key, value] or [\"r\", key, result]";
    let Some([name, key, value]) = micro.as_array().map(Vec::as_slice) else {
        return Err(SpecificationError::new(EXPECTED, micro));
    };
    let function = match name.as_str().map(|name| name.trim_start_matches(':')) {
        Some("append") => Function::Append,
        Some("w") => Function::Write,
        Some("r") => Function::Read,
        _ => return Err(SpecificationError::new(EXPECTED, micro)),
    };
    let scalar = |value: &Value| !value.is_array() && !value.is_object();
    if !scalar(key) {
        return Err(SpecificationError::new("a key that is a JSON scalar", key));
    }
    if !(scalar(value) || function == Function::Read && value.is_array()) {
        let expected = "a JSON scalar, or a list of them where a list is read";
        return Err(SpecificationError::new(expected, value));
    }
    Ok((function, key, value))
}

fn refuse(
    history: &History,
    position: usize,
    process: u64,
    source: SpecificationError,
) -> CheckError {
    let f = history.events.get(position);
    CheckError::Specification {
        specification: "transactions".to_owned(),
        event: position,
        f: f.map_or_else(String::new, |event| event.f.clone()),
        process,
        source,
    }
}

/// Pairs calls with returns, in order of calls.
fn pair(history: &History) -> Result<Vec<Transaction<'_>>, CheckError> {
    let mut open: FxHashMap<u64, usize> = FxHashMap::default();
    let mut retired: FxHashMap<u64, usize> = FxHashMap::default();
    let mut transactions: Vec<Transaction<'_>> = Vec::new();
    for (position, event) in history.events.iter().enumerate() {
        let Process::Client(process) = event.process else {
            continue;
        };
        let malformed = |problem| HistoryError::Malformed {
            file: "history".to_owned(),
            line: position + 1,
            problem,
        };
        if !matches!(event.f.trim_start_matches(':'), "txn" | "transaction") {
            let source = SpecificationError::new("txn or transaction", &event.f);
            return Err(refuse(history, position, process, source));
        }
        if event.kind == Kind::Invoke {
            if let Some(info) = retired.get(&process) {
                let info_line = info + 1;
                return Err(malformed(Problem::ProcessReused { process, info_line }).into());
            }
            if let Some(slot) = open.insert(process, transactions.len()) {
                let first_line = transactions[slot].call + 1;
                return Err(malformed(Problem::TwoOpenCalls {
                    process,
                    first_line,
                })
                .into());
            }
            transactions.push(Transaction {
                process,
                call: position,
                ret: None,
                fate: Fate::Unknown,
                micro: list(history, position, event, process)?,
            });
            continue;
        }
        let Some(transaction) = open
            .remove(&process)
            .and_then(|slot| transactions.get_mut(slot))
        else {
            let (kind, f) = (event.kind.name(), event.f.clone());
            return Err(malformed(Problem::ReturnWithoutCall { process, kind, f }).into());
        };
        if let Some(call) = history.events.get(transaction.call)
            && call.f != event.f
        {
            return Err(malformed(Problem::ReturnDiffers {
                field: "f",
                call: excerpt(&call.f),
                call_line: transaction.call + 1,
                found: excerpt(&event.f),
            })
            .into());
        }
        transaction.ret = Some(position);
        match event.kind {
            Kind::Ok => {
                let micro = list(history, position, event, process)?;
                agree(transaction.micro, micro)
                    .map_err(|source| refuse(history, position, process, source))?;
                transaction.fate = Fate::Committed;
                transaction.micro = micro;
            }
            Kind::Fail => transaction.fate = Fate::Aborted,
            Kind::Info | Kind::Invoke => {
                retired.insert(process, position);
            }
        }
    }
    Ok(transactions)
}

fn list<'a>(
    history: &History,
    position: usize,
    event: &'a Event,
    process: u64,
) -> Result<&'a [Value], CheckError> {
    event.value.as_array().map(Vec::as_slice).ok_or_else(|| {
        let source = SpecificationError::new("a list of micro-operations", &event.value);
        refuse(history, position, process, source)
    })
}

/// The return must repeat the micro-operations of its call; only what reads found is new.
fn agree(call: &[Value], ret: &[Value]) -> Result<(), SpecificationError> {
    const EXPECTED: &str = "the micro-operations of the call, with the results of reads";
    if call.len() != ret.len() {
        let found = format!("{} in place of {}", ret.len(), call.len());
        return Err(SpecificationError::new(EXPECTED, found));
    }
    for (called, returned) in call.iter().zip(ret) {
        let (function, key, value) = parse(called)?;
        let (function_again, key_again, value_again) = parse(returned)?;
        let repeated = function == function_again
            && same(key, key_again)
            && (function == Function::Read || same(value, value_again));
        if !repeated {
            return Err(SpecificationError::new(EXPECTED, returned));
        }
    }
    Ok(())
}
