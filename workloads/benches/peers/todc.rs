//! todc-utils.

use super::objects::Sequential;
use super::{Asked, Says};
use std::marker::PhantomData;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

struct Object<O>(PhantomData<O>);

impl<O: Sequential> Specification for Object<O> {
    type State = O::State;
    type Operation = O::Op;

    fn init() -> O::State {
        O::State::default()
    }

    fn apply(op: &O::Op, state: &O::State) -> (bool, O::State) {
        match O::step(state, op) {
            Some(next) => (true, next),
            None => (false, state.clone()),
        }
    }
}

/// `None` for no operations, of which it cannot make a history.
pub(crate) fn prepare<O: Sequential>(part: &[Asked<O::Op>]) -> Option<History<O::Op>> {
    let mut events = Vec::new();
    for asked in part {
        let process = asked.process as usize;
        events.push((asked.call, process, Action::Call(asked.op.clone())));
        let ret = asked.ret.unwrap_or(usize::MAX);
        events.push((ret, process, Action::Response(asked.op.clone())));
    }
    events.sort_by_key(|(at, ..)| *at);
    let actions: Vec<_> = events
        .into_iter()
        .map(|(_, process, action)| (process, action))
        .collect();
    (!actions.is_empty()).then(|| History::from_actions(actions))
}

pub(crate) fn judge<O: Sequential>(history: Option<History<O::Op>>) -> Says {
    history
        .is_none_or(WGLChecker::<Object<O>>::is_linearizable)
        .into()
}
