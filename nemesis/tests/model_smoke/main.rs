//! The Raft core in stateright: every interleaving within small bounds, of the very code that the other arenas run.
//!
//! # The model
//!
//! A state holds each node (or none where one is down), each disk, the timers that are set, and every message ever sent. A message stays
//! where it is when it is delivered, and may never be: so loss, repetition and reordering need no actions of their own, and the space is
//! the smallest that has them all.
//!
//! A write is durable at once, in the step that begins it. That leaves out nothing that matters here but one case, which is an action: the
//! node dies in that step before anything of the write is durable. What the step did before it began the write is done, what came after
//! is not. (As an action of its own, the end of a write makes the space explode.)
//!
//! What the laws need of the past is part of the state: two leaders of one term need not be alive at once.
//!
//! # Reading the counts
//!
//! The unique states and the depth are pinned. They change when the core or the model does, and then somebody should know why. With 64
//! bits a fingerprint, n states collide with a chance below n²/2⁶⁵.

mod model;

use model::{Bounds, State, Storm, Story};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use stormglass_impls::contract::{Disk, Fact, NodeId};
use stormglass_impls::machine::cache::{Cache, Command};
use stormglass_impls::raft::message::{Entry, Index, Payload, Position, Term, Timer, Write};
use stormglass_impls::raft::{Log, Raft};
use stormglass_impls::session::Ask;
use stormglass_impls::system::Setup;

type Core = Raft<Cache>;
type RaftStorm = Storm<Core, RaftStory>;
type RaftState = State<Core, RaftStory>;

/// What Raft's laws need of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct RaftStory {
    /// Who led each term.
    leaders: BTreeMap<u64, BTreeSet<NodeId>>,
    /// The one committed log, as far as any node ever applied it.
    applied: Vec<Position>,
    /// Two nodes applied different entries at one index.
    contradicted: bool,
}

impl Story<Core> for RaftStory {
    fn stepped(&mut self, node: NodeId, core: &Core, facts: &[Fact]) {
        for fact in facts {
            if let Fact::BecameLeader { epoch } = fact {
                self.leaders.entry(*epoch).or_default().insert(node);
            }
        }
        let applied = &core.log().after(Index(0))[..core.commit().0 as usize];
        for (at, entry) in applied.iter().enumerate() {
            match self.applied.get(at) {
                Some(known) => self.contradicted |= *known != entry.position,
                None => self.applied.push(entry.position),
            }
        }
    }
}

fn election_safety(_: &RaftStorm, state: &RaftState) -> bool {
    state
        .story
        .leaders
        .values()
        .all(|leaders| leaders.len() < 2)
}

fn state_machine_safety(_: &RaftStorm, state: &RaftState) -> bool {
    !state.story.contradicted
}

/// Two logs that hold an entry of the same index and term are equal up to it; those on disk are logs, too.
fn log_matching(_: &RaftStorm, state: &RaftState) -> bool {
    let logs: Vec<&Log<Command>> = state
        .nodes
        .iter()
        .flatten()
        .map(|core| core.log())
        .chain(state.disks.iter().map(|disk| &disk.log))
        .collect();
    let matching = |(one, other): (&Log<Command>, &Log<Command>)| {
        let (one, other) = (one.after(Index(0)), other.after(Index(0)));
        let common = one
            .iter()
            .zip(other)
            .rposition(|(one, other)| one.position == other.position);
        common.is_none_or(|last| one[..=last] == other[..=last])
    };
    logs.iter()
        .enumerate()
        .all(|(at, one)| logs[..at].iter().all(|other| matching((one, other))))
}

fn no_assertion_fails(_: &RaftStorm, state: &RaftState) -> bool {
    !state.failed
}

fn somebody_leads(_: &RaftStorm, state: &RaftState) -> bool {
    !state.story.leaders.is_empty()
}

/// The client's command is committed, a node has crashed, and all are up again.
fn a_command_commits_in_spite_of_a_crash(_: &RaftStorm, state: &RaftState) -> bool {
    let holds_command = |core: &Core, position: &Position| {
        let entry = core
            .log()
            .get(position.index)
            .filter(|entry| entry.position == *position);
        entry.is_some_and(|entry| matches!(entry.payload, Payload::Command(_)))
    };
    let mut cores = state.nodes.iter().flatten();
    let all_are_up = state.nodes.iter().all(Option::is_some);
    let committed = cores.any(|core| {
        state
            .story
            .applied
            .iter()
            .any(|position| holds_command(core, position))
    });
    state.crashes > 0 && all_are_up && committed
}

/// Both n1 and n2 led, and the later of them commits an entry of its own.
fn a_second_leader_commits(_: &RaftStorm, state: &RaftState) -> bool {
    state.story.leaders.len() == 2
        && state
            .story
            .applied
            .last()
            .is_some_and(|last| last.term.0 == 2)
}

fn storm(
    bounds: Bounds,
    silent: &[(u8, Timer)],
    mutant: Option<&str>,
    laws: Vec<Property<RaftStorm>>,
) -> RaftStorm {
    let setup = |id| Setup {
        mutant: mutant.map(str::to_string),
        ..Setup::of(id, bounds.nodes)
    };
    Storm {
        setups: NodeId::all(bounds.nodes).map(setup).collect(),
        bounds,
        silent: silent
            .iter()
            .map(|(node, timer)| (NodeId(*node), *timer))
            .collect(),
        request: Ask::Command(Command::Put {
            key: "k".into(),
            value: "v".into(),
        }),
        epoch: |core| core.term().0,
        laws,
        story: PhantomData,
    }
}

/// What a search saw.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    unique_states: usize,
    /// States on the longest of the shortest paths, the first one counted.
    depth: usize,
}

/// Explores all there is within the bounds, and expects the laws of Raft to hold and each witness to be found.
fn exhaust(bounds: Bounds, silent: &[(u8, Timer)], witnesses: Vec<Property<RaftStorm>>) -> Counts {
    let mut laws = vec![
        Property::always("election safety", election_safety),
        Property::always("log matching", log_matching),
        Property::always("state machine safety", state_machine_safety),
        Property::always("no assertion fails", no_assertion_fails),
    ];
    laws.extend(witnesses);
    let checker = storm(bounds, silent, None, laws.clone()).checker();
    let checker = checker
        .finish_when(HasDiscoveries::AnyFailures)
        .threads(1)
        .spawn_bfs()
        .join();
    let mut discoveries = checker.discoveries();
    for law in laws {
        let found = discoveries.remove(law.name).map(|path| path.into_actions());
        match law.expectation {
            Expectation::Sometimes => {
                assert!(found.is_some(), "{bounds:?}: never seen: {}", law.name)
            }
            _ => assert!(
                found.is_none(),
                "{bounds:?}: {} is broken by {found:#?}",
                law.name
            ),
        }
    }
    let counts = Counts {
        unique_states: checker.unique_state_count(),
        depth: checker.max_depth(),
    };
    println!(
        "{bounds:?}: {counts:?}, {} states generated",
        checker.state_count()
    );
    counts
}

const NO_HEARTBEATS: [(u8, Timer); 3] = [
    (1, Timer::Heartbeat),
    (2, Timer::Heartbeat),
    (3, Timer::Heartbeat),
];
const ELECTIONS: Bounds = Bounds {
    nodes: 3,
    epoch_max: 1,
    requests: 0,
    crashes: 2,
    timeouts: None,
};

/// These bounds are too small for log matching to break even where a core gets it wrong, so the law is shown a state in which it is.
#[test]
fn log_matching_can_be_broken() {
    let storm = storm(ELECTIONS, &[], None, Vec::new());
    let mut state = storm.init_states().remove(0);
    let entry = |index, term| Entry {
        position: Position {
            index: Index(index),
            term: Term(term),
        },
        payload: Payload::Noop,
    };
    let write = |state: &mut RaftState, at: usize, entries| {
        Arc::make_mut(&mut state.disks[at]).apply(&Write::Append(entries));
    };
    write(&mut state, 0, vec![entry(1, 1), entry(2, 2)]);
    write(&mut state, 1, vec![entry(1, 1), entry(2, 1)]);
    assert!(
        log_matching(&storm, &state),
        "logs may differ at their ends"
    );
    write(&mut state, 0, vec![entry(3, 3)]);
    write(&mut state, 1, vec![entry(3, 3)]);
    assert!(
        !log_matching(&storm, &state),
        "3@3 stands in both logs, on 2@2 and on 2@1"
    );
}

/// One term, in which every node may stand, and two crashes.
#[test]
fn elections_are_safe() {
    let witnesses = vec![Property::sometimes("somebody leads", somebody_leads)];
    let counts = exhaust(ELECTIONS, &NO_HEARTBEATS, witnesses);
    assert_eq!(
        counts,
        Counts {
            unique_states: 28_272,
            depth: 17
        }
    );
}

/// With the same bounds, a node that forgets its vote in a crash is found out. Election safety is the only property here: with several,
/// the search goes on after the first counterexample and keeps a later, longer one.
#[test]
fn a_forgotten_vote_is_found_by_the_shortest_way() {
    let laws = vec![Property::always("election safety", election_safety)];
    let planted = storm(
        ELECTIONS,
        &NO_HEARTBEATS,
        Some("raft/vote-not-persisted"),
        laws,
    );
    let checker = planted.checker().threads(1).spawn_bfs().join();
    let path = checker
        .discovery("election safety")
        .expect("a node that votes twice elects two leaders");
    let two_leaders = path.last_state().story.leaders.get(&1).map(BTreeSet::len);
    let actions = path.into_actions();
    println!(
        "{} actions, {} unique states: {actions:#?}",
        actions.len(),
        checker.unique_state_count()
    );
    assert_eq!(two_leaders, Some(2));
    assert_eq!(actions.len(), 7);
}

/// One node stands; as the leader it is heard again and again, and what it said may come at any later time.
#[test]
fn heartbeats_do_no_harm() {
    let bounds = Bounds {
        crashes: 1,
        ..ELECTIONS
    };
    let silent = [(2, Timer::Election), (3, Timer::Election)];
    let counts = exhaust(
        bounds,
        &silent,
        vec![Property::sometimes("somebody leads", somebody_leads)],
    );
    assert_eq!(
        counts,
        Counts {
            unique_states: 2_573,
            depth: 16
        }
    );
}

/// One node stands, leads and takes a command; one crash, of any node.
#[test]
fn a_command_is_replicated_safely() {
    let bounds = Bounds {
        requests: 1,
        crashes: 1,
        ..ELECTIONS
    };
    let silent = [
        &NO_HEARTBEATS[..],
        &[(2, Timer::Election), (3, Timer::Election)],
    ]
    .concat();
    let witnesses = vec![
        Property::sometimes("somebody leads", somebody_leads),
        Property::sometimes(
            "a command commits in spite of a crash",
            a_command_commits_in_spite_of_a_crash,
        ),
    ];
    let counts = exhaust(bounds, &silent, witnesses);
    assert_eq!(
        counts,
        Counts {
            unique_states: 3_605,
            depth: 19
        }
    );
}

/// Two terms, and two elections of n1 and n2: logs differ, and the later leader removes what the earlier one left.
#[test]
fn a_second_term_keeps_what_the_first_committed() {
    let bounds = Bounds {
        epoch_max: 2,
        crashes: 0,
        timeouts: Some(2),
        ..ELECTIONS
    };
    let silent = [&NO_HEARTBEATS[..], &[(3, Timer::Election)]].concat();
    let witnesses = vec![Property::sometimes(
        "a second leader commits",
        a_second_leader_commits,
    )];
    let counts = exhaust(bounds, &silent, witnesses);
    assert_eq!(
        counts,
        Counts {
            unique_states: 126_139,
            depth: 24
        }
    );
}
