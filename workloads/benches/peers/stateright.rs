//! The tester of stateright. It remembers nothing of what it tried and copies what is left at every step, so it is for short histories.

use super::objects::Sequential;
use super::{Asked, Says};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

pub(crate) struct Object<O: Sequential>(O::State);

impl<O: Sequential> Clone for Object<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Results are part of the operations.
impl<O: Sequential> SequentialSpec for Object<O> {
    type Op = O::Op;
    type Ret = ();

    fn invoke(&mut self, op: &O::Op) {
        if let Some(next) = O::step(&self.0, op) {
            self.0 = next;
        }
    }

    fn is_valid_step(&mut self, op: &O::Op, (): &()) -> bool {
        let next = O::step(&self.0, op);
        let allowed = next.is_some();
        self.0 = next.unwrap_or_else(|| self.0.clone());
        allowed
    }
}

pub(crate) fn prepare<O: Sequential>(
    part: &[Asked<O::Op>],
) -> LinearizabilityTester<u64, Object<O>> {
    let mut events = Vec::new();
    for asked in part {
        events.push((asked.call, asked, true));
        events.extend(asked.ret.map(|ret| (ret, asked, false)));
    }
    events.sort_by_key(|(at, ..)| *at);
    let mut tester = LinearizabilityTester::new(Object(O::State::default()));
    for (_, asked, call) in events {
        let taken = if call {
            tester.on_invoke(asked.process, asked.op.clone()).is_ok()
        } else {
            tester.on_return(asked.process, ()).is_ok()
        };
        assert!(taken, "the history is well formed");
    }
    tester
}

pub(crate) fn judge<O: Sequential>(tester: &LinearizabilityTester<u64, Object<O>>) -> Says {
    tester.is_consistent().into()
}
