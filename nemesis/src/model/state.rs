//! A state of the whole cluster: what it is made of, by what it is told from others, and how it is written in few bytes.

use super::action::Fate;
use super::bounds::{NODES_MAX, Network};
use super::calls::{Clients, promise};
use super::moves::Move;
use super::network::Letters;
use super::pool::Keys;
use super::space::{Space, Worker};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use stormglass_impls::contract::NodeId;
use stormglass_impls::system::Broken;

/// How much of the bounds is used up: crashes, resets, and the timers that are counted.
pub(super) type Spent = [u8; 8];

pub(super) const CRASHES: usize = 0;
pub(super) const RESETS: usize = 1;
pub(super) const FIRST_TIMER: usize = 2;

/// A state of the whole cluster. All but the letters are numbers of things that are kept once.
#[derive(Clone)]
pub struct State {
    pub(super) nodes: [u32; NODES_MAX],
    pub(super) watch: u32,
    pub(super) clients: u32,
    pub(super) spent: Spent,
    pub(super) letters: Letters,
    /// The sums of what its parts are made of, without what is used up of the bounds.
    pub(super) sums: Keys,
    /// By this states are told apart.
    pub(super) key: u64,
    /// Whether a law is broken here: nothing is looked at behind it.
    pub(super) is_broken: bool,
    /// Whether it is beyond the bounds.
    pub(super) is_beyond: bool,
    /// What was seen on the last step here. No part of the state.
    pub(super) seen: u16,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for State {}

impl Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.key)
    }
}

impl Space {
    /// The state in which all begins.
    pub fn initial(&self) -> State {
        let mut worker = Worker::default();
        let memory = self.remember(self.system.memory(), None);
        let mut state = State {
            nodes: [0; NODES_MAX],
            watch: memory,
            clients: self.ask(Clients::idle(self.calls.len())),
            spent: Spent::default(),
            letters: Letters::new(),
            sums: Keys::default(),
            key: 0,
            is_broken: false,
            is_beyond: false,
            seen: 0,
        };
        for node in NodeId::all(self.bounds.nodes) {
            state.nodes[node.index()] = self.keep(self.first(node));
            self.go(&mut worker, &mut state, node, Move::Crash(0), Fate::Plain);
        }
        if self.bounds.network == Network::Fifo {
            for node in NodeId::all(self.bounds.nodes) {
                for peer in NodeId::all(self.bounds.nodes).filter(|peer| *peer != node) {
                    self.go(
                        &mut worker,
                        &mut state,
                        node,
                        Move::LinkUp(peer.0),
                        Fate::Plain,
                    );
                }
            }
        }
        state.seen = 0;
        self.sum_up(&mut state);
        state
    }

    /// Works out from nothing what moves keep up to date.
    pub(super) fn sum_up(&self, state: &mut State) {
        state.sums = self.sum(&state.letters);
        for local in &state.nodes[..usize::from(self.bounds.nodes)] {
            state.sums.add(&self.locals.get(*local).keys);
        }
        state.sums.add(&self.watches.get(state.watch).keys);
        state.sums.add(&self.clients.get(state.clients).keys);
        self.seal(state);
    }

    /// By what states are told apart: sums over their parts, well mixed, and of all ways to name the nodes the one that comes first.
    pub(super) fn seal(&self, state: &mut State) {
        let spent = mix(u64::from_le_bytes(state.spent) ^ 0x9e37_79b9_7f4a_7c15);
        let ways = state.sums.0[..=self.namings.len()].iter();
        let keys = ways.map(|sum| mix(sum.wrapping_add(spent)));
        // The first of several lies near 0: mixed once more, keys are spread over the table again.
        state.key = mix(keys.min().unwrap_or_default()).max(1);
    }

    /// After an action: where letters stand in rows, their shares depend on their places.
    pub(super) fn finish(&self, state: &mut State) {
        match self.bounds.network {
            Network::Set => self.seal(state),
            Network::Fifo => self.sum_up(state),
        }
    }

    pub(super) fn set_clients(&self, state: &mut State, clients: u32) {
        state.sums.subtract(&self.clients.get(state.clients).keys);
        state.sums.add(&self.clients.get(clients).keys);
        state.clients = clients;
    }

    /// By what a state is told from others; never 0.
    pub fn fingerprint(&self, state: &State) -> u64 {
        state.key
    }

    /// What is broken in a state: the property, and what was seen.
    pub fn broken(&self, state: &State) -> Option<(String, String)> {
        if let Some(Broken { invariant, message }) = &self.watches.get(state.watch).broken {
            return Some((invariant.to_string(), message.clone()));
        }
        let broken = self.clients.get(state.clients).broken.as_ref();
        let promise = promise(&self.bounds.cluster);
        broken.map(|message| (promise.to_string(), message.clone()))
    }

    /// How the nodes stand in a state, one a line.
    pub fn nodes(&self, state: &State) -> Vec<(NodeId, String)> {
        NodeId::all(self.bounds.nodes)
            .map(|node| {
                let local = self.locals.get(state.nodes[node.index()]);
                (node, local.state.as_member().describe())
            })
            .collect()
    }

    /// Appends a state in few bytes.
    pub(super) fn encode(&self, state: &State, bytes: &mut Vec<u8>) {
        let nodes = &state.nodes[..usize::from(self.bounds.nodes)];
        nodes.iter().for_each(|node| put_number(bytes, *node));
        put_number(bytes, state.watch);
        put_number(bytes, state.clients);
        let used = state
            .spent
            .iter()
            .rposition(|spent| *spent > 0)
            .map_or(0, |last| last + 1);
        bytes.push(used as u8);
        bytes.extend_from_slice(&state.spent[..used]);
        put_number(bytes, state.letters.len() as u32);
        let mut before = 0;
        for letter in &state.letters {
            // Sorted where they are a set. Where they are not, a difference may be below zero.
            put_number(bytes, letter.wrapping_sub(before));
            before = *letter;
        }
    }

    /// Reads a state that was appended, and moves on behind it.
    pub(super) fn decode(&self, bytes: &mut &[u8]) -> State {
        let mut nodes = [0; NODES_MAX];
        for node in &mut nodes[..usize::from(self.bounds.nodes)] {
            *node = take_number(bytes);
        }
        let (watch, clients) = (take_number(bytes), take_number(bytes));
        let mut spent = Spent::default();
        let used = usize::from(bytes[0]);
        spent[..used].copy_from_slice(&bytes[1..=used]);
        *bytes = &bytes[1 + used..];
        let mut before = 0u32;
        let letters: Letters = (0..take_number(bytes))
            .map(|_| {
                before = before.wrapping_add(take_number(bytes));
                before
            })
            .collect();
        let mut state = State {
            nodes,
            watch,
            clients,
            spent,
            letters,
            sums: Keys::default(),
            key: 0,
            is_broken: false,
            is_beyond: false,
            seen: 0,
        };
        self.sum_up(&mut state);
        state
    }
}

/// The finalizer of SplitMix64: every bit of what goes in moves every bit of what comes out.
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

fn put_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> u32 {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        number |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return number;
        }
    }
    unreachable!("what was put there ends")
}
