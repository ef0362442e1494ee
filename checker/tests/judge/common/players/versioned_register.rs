//! A register whose states are numbered.

use serde_json::{Value, json};

use crate::common::Random;
use crate::common::fuzz::Player;
use crate::common::players::register::{Asked, Registers};

pub(crate) struct VersionedRegisters {
    registers: Registers,
    revision: u64,
    /// How far the revision goes ahead with a write, at most: others share the numbers.
    stride: u64,
    next: u64,
    /// Whether it tells versions: always, or not every time.
    silent_sometimes: bool,
    operations: u64,
}

impl VersionedRegisters {
    /// Without keys.
    pub(crate) fn new(asked: Asked, stride: u64, silent_sometimes: bool) -> Self {
        Self {
            registers: Registers::new(asked),
            revision: 0,
            stride,
            next: 1,
            silent_sometimes,
            operations: 0,
        }
    }
}

impl Player for VersionedRegisters {
    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        self.next = 1 + random.below(self.stride);
        self.registers.call(random)
    }

    fn carry_out(&mut self, key: Option<&str>, f: &str, input: &Value) -> Result<Value, ()> {
        let result = self.registers.carry_out(key, f, input)?;
        if f != "read" {
            self.revision += self.next;
        }
        self.operations += 1;
        Ok(result)
    }

    fn version(&self) -> Option<u64> {
        (!self.silent_sometimes || !self.operations.is_multiple_of(5)).then_some(self.revision)
    }

    fn lie(&self, random: &mut Random, f: &str, result: &Value) -> Value {
        match random.below(2) {
            0 => self.registers.lie(random, f, result),
            _ if f == "read" => json!(random.below(3)),
            _ => result.clone(),
        }
    }
}

/// Registers that tell every version, with values that are unique or not.
pub(crate) fn versioned_registers(random: &mut Random) -> VersionedRegisters {
    let asked = Asked {
        values: 3,
        keys: &[],
        unique: random.below(3) == 0,
        cas: true,
    };
    VersionedRegisters::new(asked, 1 + random.below(2), false)
}
