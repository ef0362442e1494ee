//! A space as a [`stateright::Model`]: for its Explorer, and to hold our search against its checkers.
//!
//! Stateright's own breadth-first search keeps the whole path of every state that waits, and of several properties it keeps the discovery of the
//! last thread; so it explores and cross-checks here, and verdicts come from [`search`](super::search::search). A property of kind *sometimes* looks at
//! what was seen on the step by which a state was reached first.

use super::action::Action;
use super::bounds::Witness;
use super::space::{Space, SpaceError, Worker};
use super::state::State;
use stateright::{Model, Property};
use std::sync::Mutex;

/// A space, ready for stateright.
pub struct Explorer {
    space: Space,
    begin: State,
    /// What threads know by heart, while they are not at work.
    workers: Mutex<Vec<Worker>>,
}

impl Explorer {
    /// Makes a space ready. An error when its prelude cannot be.
    pub fn new(space: Space) -> Result<Self, SpaceError> {
        let (_, begin) = space.begin()?;
        Ok(Self {
            space,
            begin,
            workers: Mutex::default(),
        })
    }

    /// Opens stateright's Explorer at an address, and stays there for as long as the process runs. An error when nothing can listen there.
    pub fn serve(self, address: std::net::SocketAddr) -> std::io::Result<()> {
        // Stateright panics where this fails.
        drop(std::net::TcpListener::bind(address)?);
        self.checker().serve(address);
        Ok(())
    }

    fn with_worker<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let spare = self
            .workers
            .lock()
            .expect("workers are only put and taken")
            .pop();
        let mut worker = spare.unwrap_or_default();
        let result = work(&mut worker);
        self.workers
            .lock()
            .expect("workers are only put and taken")
            .push(worker);
        result
    }
}

fn unbroken(_: &Explorer, state: &State) -> bool {
    !state.is_broken
}

/// Whether the witness of this number was seen on the step that led to a state.
fn seen<const NUMBER: usize>(_: &Explorer, state: &State) -> bool {
    state.seen & Witness::ALL[NUMBER].bit() != 0
}

/// One function for each witness: stateright's conditions cannot carry anything.
const SEEN: [fn(&Explorer, &State) -> bool; Witness::ALL.len()] = [
    seen::<0>, seen::<1>, seen::<2>, seen::<3>, seen::<4>, seen::<5>, seen::<6>, seen::<7>,
    seen::<8>, seen::<9>, seen::<10>, seen::<11>, seen::<12>,
];

impl Model for Explorer {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.space.enabled(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.with_worker(|worker| self.space.act(worker, state, action))
    }

    fn format_action(&self, action: &Action) -> String {
        self.space.describe(*action)
    }

    fn format_step(&self, state: &State, action: Action) -> Option<String> {
        let next = self.next_state(state, action)?;
        let nodes = self.space.nodes(&next).into_iter();
        let mut lines: Vec<String> = nodes
            .map(|(node, text)| format!("{node}: {text}"))
            .collect();
        if let Some((property, message)) = self.space.broken(&next) {
            lines.push(format!("{property} is broken: {message}"));
        }
        Some(lines.join("\n"))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let wanted = self.space.bounds().shows.iter();
        let sometimes = wanted.map(|witness| {
            let condition = SEEN[*witness as usize];
            Property::sometimes(witness.clause(), condition)
        });
        let mut properties = vec![Property::always("every law holds", unbroken)];
        properties.extend(sometimes);
        properties
    }

    fn within_boundary(&self, state: &State) -> bool {
        !state.is_beyond
    }
}
