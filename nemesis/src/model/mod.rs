//! Exhaustive search: every interleaving of the cores that ship, within stated bounds.
//!
//! # What
//!
//! A [`space::Space`] is a cluster within [`bounds::Bounds`]: what may happen, and how often. [`search::search`] looks at every state that can be
//! reached, level by level, and says one of three things: *exhausted* (every law holds in all there is), *bounded* (it gave up, and every law holds as
//! deep as it came), or *broken*, with the shortest way there. [`trace::Trace`] writes that way down, and the simulator and turmoil walk it.
//!
//! # A state
//!
//! Nodes are pure, so a step of one depends on nothing but its state and its input. Everything is kept once and called by a number (`pool`): a node's
//! state with its disk and timers, a message and its way, the memory of the [watch](stormglass_impls::system::Watch) that judges the invariants, what clients
//! have asked and seen. A global state is then a handful of numbers and a sorted list of messages, some forty bytes while it waits. A step is worked out
//! once for each pair of a node's state and an input, a verdict once for each pair of a memory and a step; the search itself does little but look
//! them up.
//!
//! States are told apart by a sum over the digests of their parts, mixed to 64 bits. Two of n states are taken for one with a chance below n²/2⁶⁵, which is
//! printed. The history that laws need (who led a term, ever) is in the watch's memory, and so in the state: two leaders of a term need not be
//! alive at once.
//!
//! # What is modelled, and how
//!
//! * **Network.** A message that was sent stays, and may arrive at any time, any number of times, or never: loss, repetition and reordering in
//!   one. Or messages of a pair arrive in order and once, and connections break.
//! * **Disk.** A write is durable in the step that begins it, or the node dies in that step: it has said what does not wait for the disk, and has written
//!   nothing. Or the end of a write is a step of its own, and a crash keeps a beginning of what was under way.
//! * **Crashes.** A node that is down for a while is one that takes no step for a while. So a crash and the boot after it are one action.
//! * **Time.** Clocks stand still. A timer that is set runs out at any time, as often as the bounds allow.
//! * **Clients.** A request reaches a node at once, and the answer its client, or, where clients ask again, it is lost (`calls`).
//!
//! # What is left out without a loss
//!
//! Each of these can be switched off, and tests hold that none changes a verdict or the length of the shortest way. An action that changes nothing is no
//! action. A message that its receiver will ignore for ever, because its disk has a newer term, is taken away: that divides Raft's two terms by more
//! than four. States that differ only in the names of nodes that are alike are one: of the keys under all names (six of three nodes), the one that comes
//! first counts. Raft is symmetric as long as nobody leaves or hands over; Paxos is not, for ballots are ordered by their proposers' names. Partial orders
//! are not reduced: with messages that stay, almost every pair of actions touches the set that all share.
//!
//! # Code map
//!
//! | module | what is there |
//! | --- | --- |
//! | [`bounds`] | what may happen, and how often: data |
//! | [`library`] | the bounds that have names, and which show which mutant |
//! | [`space`] | a cluster within bounds, and all that is kept once |
//! | [`state`], [`action`], `follow` | a state, what can happen in it, and what comes of that |
//! | `moves` | one node's part of it: what becomes of a node in a move |
//! | `calls` | what clients ask and have seen, and whether it is linearizable |
//! | `network` | what is under way |
//! | `pool` | things that are kept once; digests |
//! | [`search`] | level by level, on several threads, within limits |
//! | `visited` | which states were seen, and from where: sixteen bytes each |
//! | [`trace`] | a way as data, and its walk in the core, the simulator and turmoil |
//! | `wander` | tests: ways drawn at random walk in every arena |
//! | [`tape`], [`validation`] | what an arena did, and whether that can be in the model |
//! | [`coverage`] | which kinds of state the model and storms reach, side by side |
//! | [`explorer`] | the same space as a [`stateright::Model`]: for its Explorer, and as a cross-check |
//!
//! # Not here
//!
//! Liveness: that nothing happens is no broken law. Clocks that move, and so leases and the expiry of sessions.

pub mod action;
pub mod bounds;
mod calls;
pub mod coverage;
pub mod explorer;
mod follow;
pub mod library;
mod moves;
mod network;
mod pool;
pub mod search;
pub mod space;
pub mod state;
pub mod tape;
pub mod trace;
pub mod validation;
mod visited;
#[cfg(test)]
mod wander;
