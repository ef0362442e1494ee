//! porcupine-rs.

use super::objects::Sequential;
use super::{Asked, Says};
use porcupine_rs::{Model, Operation, check_operations};
use std::marker::PhantomData;

pub(crate) struct Object<O>(PhantomData<O>);

impl<O> Clone for Object<O> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<O: Sequential> Model for Object<O> {
    type State = O::State;
    type Op = O::Op;
    type Metadata = ();

    fn init() -> O::State {
        O::State::default()
    }

    fn step(state: &O::State, op: &O::Op) -> (bool, O::State) {
        match O::step(state, op) {
            Some(next) => (true, next),
            None => (false, state.clone()),
        }
    }
}

pub(crate) fn prepare<O: Sequential>(part: &[Asked<O::Op>]) -> Vec<Operation<Object<O>>> {
    let operations = part.iter().map(|asked| Operation {
        client_id: None,
        call_time: asked.call as i64,
        return_time: asked.ret.map_or(i64::MAX, |ret| ret as i64),
        op: asked.op.clone(),
        metadata: None,
    });
    operations.collect()
}

pub(crate) fn judge<O: Sequential>(operations: &[Operation<Object<O>>]) -> Says {
    check_operations(operations).into()
}
