//! A mutex.

use serde_json::Value;

use crate::common::Random;
use crate::common::fuzz::Player;

pub(crate) struct Mutexes {
    anyone_releases: bool,
    /// Half of them break now and then, since a mutex returns nothing that could be bent.
    breaks: Option<Random>,
    holder: Option<u64>,
    process: u64,
}

impl Mutexes {
    pub(crate) fn new(anyone_releases: bool, random: &mut Random) -> Self {
        Self {
            anyone_releases,
            breaks: (random.below(2) == 0).then(|| Random(random.next())),
            holder: None,
            process: 0,
        }
    }
}

impl Player for Mutexes {
    fn turn(&mut self, process: u64, _time_ns: u64) {
        self.process = process;
    }

    fn call(&mut self, random: &mut Random) -> (Option<&'static str>, &'static str, Value) {
        let mine = self
            .holder
            .is_some_and(|holder| holder == self.process || self.anyone_releases);
        let release = if mine {
            random.below(4) > 0
        } else {
            random.below(5) == 0
        };
        (
            None,
            if release { "release" } else { "acquire" },
            Value::Null,
        )
    }

    fn carry_out(&mut self, _key: Option<&str>, f: &str, _input: &Value) -> Result<Value, ()> {
        let broken = self
            .breaks
            .as_mut()
            .is_some_and(|breaks| breaks.below(3) == 0);
        match (f, self.holder) {
            _ if broken => {}
            ("acquire", None) => self.holder = Some(self.process),
            ("release", Some(holder)) if holder == self.process || self.anyone_releases => {
                self.holder = None;
            }
            _ => return Err(()),
        }
        Ok(Value::Null)
    }

    fn lie(&self, _random: &mut Random, _f: &str, _result: &Value) -> Value {
        Value::Null
    }
}
