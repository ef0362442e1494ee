//! Protocols in scripts: a script moves a small cluster step by step, and what follows a `---` is the whole trace of what happened. Time
//! never passes by itself, no message arrives and no timer runs out unless the script says so.
//!
//! # How to read a trace
//!
//! A line at the margin is one input of one node, which stands first: `n2 ← n1 @1 RequestVote last=0@0` is a message of term 1 from n1
//! taken by n2; `n1 election` a timer that ran out; `n1 durable` the end of the oldest disk write; `n1 ← c1 #1 put k=v` a client's request.
//! The lines indented below it are what the node did, in order: `n2 → n1 ..` sends, `n2 ↛ n1 ..` sends in vain (the link is cut or
//! the other side down), `n2 disk ..` begins a write, `c1 #1 ← n1 ..` answers a client, `n1 leads @1` and the like are facts, and
//! `n1 waits for ..` names the timers that are set, when that changes. `BROKEN` names an invariant that no longer holds; `PANIC` a node that
//! failed an assertion.
//!
//! # Commands
//!
//! | command | what it does |
//! | --- | --- |
//! | `cluster nodes=3 [voters=2] [knob=value ..]` | boots a cluster; the first `voters` have a vote |
//! | `fire n1 election` | a timer runs out |
//! | `deliver [n1 n2 ..] [from=n3] [kind=vote] [skip=1] [count=1]` | one round: delivers what is in flight, oldest first (the `skip` oldest are late); what that sends stays for the next |
//! | `stabilize` | rounds until nothing is in flight |
//! | `put n1 k=v`, `append n1 k=v`, `delete n1 k`, `get n1 k` | client c1 (or `client=c2`) makes its next request of a cache |
//! | `cas n1 k expect=a set=b` | compares and sets; without `expect`, the key must be absent |
//! | `manage n1 members n1 n2`, `manage n1 transfer n2`, `manage n1 status` | an operator, c9, asks: for these voters, this leader, or how the node is |
//! | `connect n1 [session=1.1] [seen=1.4] [told=1.4] [timeout=400ms] [watches="data:a children:b exists:c"]` | a client of `zookeeper` begins a connection: to this session, having seen this zxid and been told of what happened up to that (or as far as it has seen), with these watches still to fire |
//! | `create n1 a=1 [mode=ephemeral-sequential] [acl="world:r digest:ann:secret:cdrwa"]`, `set n1 a=1 [version=0]`, `delete n1 a [version=0]`, `check n1 a [version=0]`, `acl n1 a "auth:cdrwa"` | it changes the tree |
//! | `multi n1 "create a=1" "set b=2 version=3" "delete c"` | all of these or none |
//! | `get n1 a [watch=true]`, `exists n1 a`, `children n1 a`, `rights n1 a` | it reads, and may leave a watch |
//! | `sync n1`, `login n1 ann=secret`, `ping n1`, `close n1`, `gone n1 [client=c2]` | it syncs, says who it is, gives a sign of life, ends its session; its connection breaks |
//! | `put n1 a=1 [lease=7] [prev=true]`, `del n1 a [end=c] [prefix=true] [prev=true]`, `compact n1 3` | a client of `etcd` changes keys; any request may say `as=ann@3` |
//! | `get n1 a [end=".."] [prefix=true] [rev=3] [limit=1] [serializable=true]` | it reads them |
//! | `txn n1 if="mod(a)=2 value(b)!=x" "put a=1" "get a" else="del b; get c"` | it compares, and does one thing or the other |
//! | `watch n1 1 a [prefix=true] [from=3] [prev=true] [progress=true] [fragment=true]`, `progress n1 1`, `unwatch n1 1` | it watches, under a number |
//! | `grant n1 7 ttl=1s`, `keepalive n1 7`, `time n1 7`, `revoke n1 7` | it has a lease |
//! | `auth n1 user ann secret`, `auth n1 permit r readwrite a end=c`, and so on; `login n1 ann=secret`, `snapshot n1` | it changes rights; it shows a password; it wants all that is stored |
//! | `restore n1 from=n2 [cluster=2]` | the disk of a node that is down becomes that of a new cluster, made of what another has stored |
//! | `retry n1 [request=1]`, `retry n1 own=1` | the client's last request, or that one, again under the same number; a connect or ping of its own |
//! | `disk n1 hold`, `persist n1`, `disk n1 release` | writes wait; the oldest one ends; all end, and later ones at once again |
//! | `crash n1 [keep=1]`, `restart n1` | of the writes under way, the first `keep` survive |
//! | `partition n1 n2`, `heal` | cuts these off from the others; `heal` mends all cuts |
//! | `drop [n1 [n2]] [kind=append] [skip=1] [count=1]`, `duplicate n1 n2 [kind=append]` | loses what is in flight (from n1, to n2; not the oldest); puts a copy behind it |
//! | `pass [n1 ..] 100ms` | the clocks of all nodes, or of these, go on |
//! | `status [n1 ..]`, `audit`, `witnesses` | the nodes' states; the invariants in their whole-state form; how often each was put to the test |
//!
//! A knob is any field of [`Knobs`](crate::knobs::Knobs) by its name, and `entries` is short for `entries_per_append_max`:
//! `pre_vote=true reads=lease snapshot_every=3`. The range is in milliseconds, `election_timeout_ms=150..300`, and Paxos has
//! `quorums=4/2`.
//!
//! A word of a script cannot begin with `/`: the path `/a/b` is written `a/b`, and `/` as `"/"`. What a client of `zookeeper` asks for itself,
//! connect and ping, is numbered apart; the trace shows it as `c1 +1`, and in the log as `c1+1`.
//!
//! A client's requests carry the session that it was last given, or the one that is named: `put n1 k=v session=3`. The trace shows it
//! before the request, as `s3`. A kind of message is called as its protocol's `MESSAGE_KINDS` say.
//!
//! A command in parentheses is carried out in silence; one after `!` must fail.

mod arguments;
mod cluster;
mod command;
mod flights;
mod keys;
mod library;
mod links;
mod notation;
mod steps;
mod znodes;

pub use library::{Replaced, Rule, Script, paragraph, system_of};

use crate::system::System;
use std::rc::Rc;

/// A script that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct PlayError {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong there.
    pub cause: String,
}

impl PlayError {
    /// From what goldenscript says: `command 'fire' failed at line 3: which timer?`, and the like.
    fn of(text: &str) -> Self {
        let behind = text.split_once(" at line ").map(|(_, behind)| behind);
        let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit());
        let line = behind.and_then(|behind| behind[..digits(behind)?].parse().ok());
        let cause = match (text.starts_with("parse error"), text.lines().nth(1)) {
            (true, Some(line)) => format!("not a command: {line}"),
            _ if text.starts_with("command ") => text
                .split_once(": ")
                .map_or(text, |(_, cause)| cause)
                .to_string(),
            _ => text.to_string(),
        };
        Self {
            line: line.unwrap_or(1),
            cause,
        }
    }
}

/// Carries out a script for a system, with a mutant planted if one is named. Gives the script anew, with the traces of this run.
///
/// # Errors
/// [`PlayError`] for the first command that cannot be carried out.
pub fn play(
    system: &Rc<dyn System>,
    mutant: Option<&str>,
    script: &str,
) -> Result<String, PlayError> {
    let mut player = command::Player::new(system.clone(), mutant);
    goldenscript::generate(&mut player, script).map_err(|error| PlayError::of(&error.to_string()))
}

/// Some commands of a script, and what came of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block<'a> {
    /// What the script says about them, without the signs of a comment.
    pub says: Vec<&'a str>,
    /// The commands, one a line.
    pub commands: Vec<&'a str>,
    /// The trace.
    pub trace: Vec<&'a str>,
}

/// The blocks of a script, without the [`paragraph`] on top.
pub fn blocks(script: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut block, mut traced) = (Vec::new(), Block::default(), false);
    let body = script.lines().skip(paragraph(script).len());
    for line in body.chain([""]) {
        match line {
            "" if traced => {
                blocks.push(std::mem::take(&mut block));
                traced = false;
            }
            "---" if !traced => traced = true,
            _ if traced => block.trace.push(line),
            "" => {}
            _ => match line.strip_prefix('#') {
                Some(says) => block.says.push(says.trim_start()),
                None => block.commands.push(line),
            },
        }
    }
    blocks
}

/// The lines of a script's traces: what stands between a `---` and the next blank line.
pub fn traced(script: &str) -> impl Iterator<Item = &str> {
    blocks(script).into_iter().flat_map(|block| block.trace)
}

/// Whether a line of a trace says that an invariant is broken, or that a node failed an assertion.
pub fn tells_of_harm(line: &str) -> bool {
    ["BROKEN ", "PANIC "]
        .iter()
        .any(|word| line.starts_with(word))
}
