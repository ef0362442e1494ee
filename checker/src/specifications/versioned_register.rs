//! The versioned register: a register whose server numbers its states.

use crate::monitors::{Finding, Observed, versions};
use crate::operation::{Operation, Outcome};
use crate::specification::{Specification, SpecificationError};
use crate::specifications::{Register, RegisterOp, Scalar};

/// A register in which every write, and every compare-and-set that succeeds, has a version greater than all before: a revision of etcd, a
/// zxid of ZooKeeper. An operation may tell the version: a write the one it was given, a read or a refused compare-and-set the one
/// of the state it saw. One that tells none is judged by its value alone.
///
/// Operations are those of a [`Register`]; the version is that of the event that completes them.
#[derive(Debug, Default)]
pub struct VersionedRegister {
    register: Register,
    initial_version: Option<u64>,
}

/// An operation on a versioned register, with what is known of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionedOp {
    /// What it did to the value.
    pub op: RegisterOp,
    /// The version of the state it saw or made; `None` where it is not known.
    pub version: Option<u64>,
}

/// The state of a versioned register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionedState {
    /// What it holds.
    pub content: Scalar,
    /// The version, or the least it can be.
    pub version: u64,
    /// Whether the version is known. If not, something tells it later, or nothing ever does.
    pub exact: bool,
}

impl VersionedState {
    /// The state once something says that its version is `told`. `None` when it cannot be.
    fn told(self, told: Option<u64>) -> Option<Self> {
        match told {
            None => Some(self),
            Some(version) if version == self.version || version > self.version && !self.exact => {
                Some(Self {
                    version,
                    exact: true,
                    ..self
                })
            }
            Some(_) => None,
        }
    }

    /// The state after `content` is written, with the version it was given if that is known.
    fn written(self, content: Scalar, given: Option<u64>) -> Option<Self> {
        let least = self.version.checked_add(1)?;
        let unknown = Self {
            content,
            version: least,
            exact: false,
        };
        unknown.told(given)
    }
}

impl VersionedRegister {
    /// A register that holds what `register` does until first written, with that version if it is known. Versions given to
    /// writes are greater.
    pub fn starting_at(register: Register, version: Option<u64>) -> Self {
        Self {
            register,
            initial_version: version,
        }
    }
}

impl Specification for VersionedRegister {
    type Op = VersionedOp;
    type State = VersionedState;

    fn name(&self) -> &str {
        "versioned-register"
    }

    fn promise(&self) -> &str {
        "linearizability: \"each operation applied by concurrent processes takes effect instantaneously at some point \
         between its invocation and its response\" (Herlihy and Wing, 1990), and versions that grow with every change"
    }

    fn parse(&self, operation: &Operation) -> Result<Option<VersionedOp>, SpecificationError> {
        let unknown = operation.outcome == Outcome::Unknown;
        let op = match self.register.parse(operation)? {
            Some(op) => op,
            // That it leaves the value alone does not mean that it leaves the version alone.
            None if unknown && operation.f == "cas" => {
                let (old, new) = self.register.pair(&operation.input)?;
                RegisterOp::MaybeCas(old, new)
            }
            None => return Ok(None),
        };
        Ok(Some(VersionedOp {
            op,
            version: operation.version.filter(|_| !unknown),
        }))
    }

    fn initial(&self) -> VersionedState {
        VersionedState {
            content: self.register.initial(),
            version: self.initial_version.unwrap_or(0),
            exact: self.initial_version.is_some(),
        }
    }

    fn step(&self, state: &VersionedState, op: &VersionedOp) -> Option<VersionedState> {
        match op.op {
            RegisterOp::Read(seen) if state.content == seen => state.told(op.version),
            RegisterOp::Differs(old) if state.content != old => state.told(op.version),
            RegisterOp::Write(new) => state.written(new, op.version),
            RegisterOp::Cas(old, new) if state.content == old => state.written(new, op.version),
            RegisterOp::MaybeCas(old, new) if state.content == old => state.written(new, None),
            RegisterOp::MaybeCas(..) => Some(*state),
            RegisterOp::Read(_) | RegisterOp::Differs(_) | RegisterOp::Cas(..) => None,
        }
    }

    fn describe(&self, op: &VersionedOp) -> String {
        let told = self.register.describe(&op.op);
        match op.version {
            Some(version) => format!("{told} at version {version}"),
            None => told,
        }
    }

    fn per_key(&self) -> bool {
        true
    }

    fn describe_state(&self, state: &VersionedState) -> String {
        let content = self.register.describe_state(&state.content);
        match state.exact {
            true => format!("{content} at version {}", state.version),
            false => format!("{content} at version {} or later", state.version),
        }
    }

    fn interchangeable(&self, left: &VersionedOp, right: &VersionedOp) -> bool {
        left == right
    }

    fn monitor(&self, observed: &[Observed<'_, VersionedOp>]) -> Option<Finding> {
        versions::judge(self.register.initial(), self.initial_version, observed)
    }
}
