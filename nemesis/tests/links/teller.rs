//! A core that counts on its links, and on nothing else: it numbers what it says on each link, and fails when the law of links is broken.

use serde::{Deserialize, Serialize};
use stormglass_impls::contract::{
    Answer, DelayRange, Disk, Effect, Effects, Fact, Input, Node, NodeId, Now, Vocabulary,
};
use stormglass_impls::facts::FactKind;
use stormglass_impls::system::{Budget, Links, Reference, Setup, Unwatched};

/// How often a node breaks a link itself: at every so many of its beats.
const RESETS_EVERY: u64 = 29;
/// How often it writes something.
const WRITES_EVERY: u64 = 5;
/// How often it says that it leads, so that faults that wait for a leader find one.
const LEADS_EVERY: u64 = 20;

/// Says numbers to all others on links that are up, and expects theirs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Teller {
    setup: Setup,
    /// By node, this one included, whose own place is never used.
    peers: Vec<Peer>,
    beats: u64,
}

/// What a node knows of its link to another.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Peer {
    is_up: bool,
    /// How many words were said on this connection.
    said: u64,
    /// How many were heard on it.
    heard: u64,
}

/// What is said: the number of the word on its connection, from 1; 0 is said on a link that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Said(u64);

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Writes(u64);

impl Disk<u64> for Writes {
    fn apply(&mut self, write: &u64) {
        self.0 += write;
    }
}

impl Vocabulary for Teller {
    type Message = Said;
    type Request = ();
    type Reply = ();
    type Event = ();
    type Timer = ();
    type Write = u64;
}

impl Teller {
    fn say(&mut self, to: NodeId, effects: &mut Effects<Self>) {
        let peer = &mut self.peers[to.index()];
        peer.said += 1;
        effects.send(to, Said(peer.said));
    }

    fn hear(&mut self, from: NodeId, Said(number): Said, effects: &mut Effects<Self>) {
        let peer = &mut self.peers[from.index()];
        assert!(
            number != 0,
            "what {from} said on a link that is down is lost"
        );
        assert!(
            peer.is_up,
            "nothing arrives from {from} on a link that is down: {number}"
        );
        assert!(
            number == peer.heard + 1,
            "the words of {from} arrive in order and once: {number} after {}",
            peer.heard
        );
        peer.heard = number;
        if number.is_multiple_of(7) {
            self.say(from, effects);
        }
    }

    fn beat(&mut self, effects: &mut Effects<Self>) {
        self.beats += 1;
        let (me, beats) = (self.setup.id, self.beats);
        for to in NodeId::all(self.setup.nodes).filter(|peer| *peer != me) {
            if !self.peers[to.index()].is_up {
                continue;
            }
            self.say(to, effects);
            // Each of the links in its turn, and never two ends in the same beat.
            if (beats + 7 * u64::from(to.0) + 3 * u64::from(me.0)).is_multiple_of(RESETS_EVERY) {
                effects.push(Effect::ResetLink(to));
                self.say(to, effects);
            }
        }
        if beats.is_multiple_of(WRITES_EVERY) {
            effects.persist(vec![1]);
        }
        if beats.is_multiple_of(LEADS_EVERY) {
            effects.note(Fact::BecameLeader { epoch: beats });
        }
        effects.set_timer((), DelayRange::from_ms(15, 25));
    }
}

impl Node for Teller {
    type Config = Setup;
    type Disk = Writes;

    const MESSAGE_KINDS: &'static [&'static str] = &["said"];
    const FACTS: &'static [FactKind] = &[FactKind::BecameLeader];

    fn message_kind(_: &Said) -> &'static str {
        "said"
    }

    fn progress(&self) -> u64 {
        self.beats
    }

    fn boot(setup: &Setup, _: Writes, _: Now, effects: &mut Effects<Self>) -> Self {
        effects.set_timer((), DelayRange::from_ms(15, 25));
        Self {
            setup: setup.clone(),
            peers: vec![Peer::default(); usize::from(setup.nodes)],
            beats: 0,
        }
    }

    fn step(&mut self, _: Now, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::LinkUp(peer) => {
                let link = &mut self.peers[peer.index()];
                assert!(!link.is_up, "the link to {peer} comes up when it is down");
                *link = Peer {
                    is_up: true,
                    ..Peer::default()
                };
                self.say(peer, effects);
            }
            Input::LinkDown(peer) => {
                let link = &mut self.peers[peer.index()];
                assert!(link.is_up, "the link to {peer} goes down when it is up");
                link.is_up = false;
                effects.send(peer, Said(0));
            }
            Input::Deliver { from, message } => self.hear(from, message, effects),
            Input::TimerFired(()) => self.beat(effects),
            Input::Request {
                client, request_id, ..
            } => effects.reply(client, request_id, Answer::Done(())),
            Input::ClientGone(_) | Input::Persisted => {}
        }
    }
}

/// The cluster, which promises to survive whatever may befall one that counts on its links.
pub(crate) fn system() -> Reference<Teller> {
    Reference {
        name: "tellers",
        summary: "nodes that number what they say",
        mutants: &[],
        harmless: &[],
        budget: Budget {
            links: Links::Fifo,
            crashes: true,
            pauses: true,
            disk_stops: true,
            synced_loss: false,
            wall_clock: true,
            drift_percent_max: 50,
            membership: false,
        },
        reads: &[],
        invariants: &[],
        manage: |_| None,
        report: |_| None,
        backup: None,
        // The nodes themselves say what is wrong.
        watch: || Box::new(Unwatched),
        core: std::marker::PhantomData,
    }
}
