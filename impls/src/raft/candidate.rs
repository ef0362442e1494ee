//! Elections: trusting a leader, standing for election, and voting (Raft 5.2, 5.4.1; dissertation 4.2.3, 9.6).

use super::message::{Body, Campaign, Message, Position, Term, Timer};
use super::turn::{Held, Turn};
use super::{Raft, Role, rules};
use crate::contract::{DelayRange, Fact, NodeId};
use crate::machine::Machine;
use crate::node_set::NodeSet;

impl<M: Machine> Raft<M> {
    /// Whether this node keeps track of when it heard a leader.
    fn keeps_trust(&self) -> bool {
        self.knobs().check_quorum || self.knobs().pre_vote
    }

    /// How long to wait for a leader now. A node that trusts one waits the shortest election timeout, and then, in doubt, for the rest; the
    /// two together are drawn from the same range as without trust.
    pub(super) fn election_range(&self) -> DelayRange {
        let whole = self.knobs().election_timeout;
        match self.trusts {
            true => DelayRange {
                max_ns: whole.min_ns,
                ..whole
            },
            false => whole,
        }
    }

    /// Waits to hear from a leader, from now on anew. Who leads waits for none.
    pub(super) fn await_leader(&self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() {
            turn.effects
                .set_timer(Timer::Election, self.election_range());
        }
    }

    /// The leader of this term was heard.
    pub(super) fn heard_leader(&mut self, turn: &mut Turn<'_, M>) {
        self.trusts = self.keeps_trust();
        self.await_leader(turn);
    }

    /// No leader was heard for the shortest election timeout, which ends the trust; or for longer, which begins an election.
    pub(super) fn leader_is_silent(&mut self, turn: &mut Turn<'_, M>) {
        assert!(!self.is_leader(), "a leader has no election timer");
        if std::mem::take(&mut self.trusts) {
            let whole = self.knobs().election_timeout;
            let rest = DelayRange {
                min_ns: 0,
                max_ns: whole.max_ns - whole.min_ns,
            };
            turn.effects.set_timer(Timer::Election, rest);
        } else if !self.may_stand() {
            // It may not be told who leads now, or that nobody wants it any more. Nobody shall be sent to a leader it does not hear.
            self.role = Role::follower(None);
            self.await_leader(turn);
        } else if self.knobs().pre_vote {
            self.ask_beforehand(turn);
        } else {
            self.stand_for_election(Campaign::Ordinary, turn);
        }
    }

    /// Asks who would vote for it in the next term. Nothing is promised, so nothing has to be durable.
    fn ask_beforehand(&mut self, turn: &mut Turn<'_, M>) {
        self.role = Role::PreCandidate {
            votes: NodeSet::EMPTY,
        };
        self.await_leader(turn);
        let next = Term(self.term.0 + 1);
        for peer in self.voting_peers() {
            let message = Message {
                term: next,
                body: Body::RequestVote {
                    last: self.log.last(),
                    campaign: Campaign::Pre,
                },
            };
            self.transmit(peer, message, turn);
        }
        self.count_pre_vote(self.id(), true, next, turn);
    }

    /// Begins a term of its own. The request for votes says that this node is in that term and has voted for itself, so it waits until both
    /// are durable.
    pub(super) fn stand_for_election(&mut self, campaign: Campaign, turn: &mut Turn<'_, M>) {
        assert!(!self.is_leader(), "who leads stands for nothing");
        self.term = Term(self.term.0 + 1);
        self.vote = Some(self.id());
        self.trusts = false;
        self.role = Role::Candidate {
            votes: NodeSet::EMPTY,
        };
        turn.effects.note(Fact::Campaigned { epoch: self.term.0 });
        self.await_leader(turn);
        turn.held.push(Held::OwnVote(self.term));
        for peer in self.voting_peers() {
            let last = self.log.last();
            self.claim(peer, Body::RequestVote { last, campaign }, turn);
        }
    }

    /// The leader hands over: no time to lose, and no need to ask whether others miss a leader.
    pub(super) fn take_over(&mut self, turn: &mut Turn<'_, M>) {
        if !self.is_leader() && self.members().has_vote(self.id()) {
            self.stand_for_election(Campaign::Transfer, turn);
        }
    }

    fn may_stand(&self) -> bool {
        let id = self.id();
        let has_vote = self.members().has_vote(id);
        let mut may_have_vote = self.log.members_from(self.commit);
        (self.rules().may_stand)(has_vote, may_have_vote.any(|members| members.has_vote(id)))
    }

    fn voting_peers(&self) -> impl Iterator<Item = NodeId> + use<M> {
        let members = self.members();
        self.peers().filter(move |peer| members.has_vote(*peer))
    }

    /// Whether this node listens to a candidate of a newer term.
    pub(super) fn heeds(&self, campaign: Campaign) -> bool {
        let matters = self.knobs().check_quorum || campaign == Campaign::Pre;
        let trusts = matters && (self.trusts || self.is_leader());
        (self.rules().heeds_candidates)(trusts, campaign == Campaign::Transfer)
    }

    /// Answers whether it would vote for a candidate in a term that nobody is in yet.
    pub(super) fn answer_pre_vote(
        &mut self,
        candidate: NodeId,
        proposed: Term,
        last: Position,
        turn: &mut Turn<'_, M>,
    ) {
        let newer = proposed > self.term;
        if !newer && !(self.rules().answers_older)(true) {
            return;
        }
        let granted = newer && rules::is_up_to_date(last, self.log.last());
        let body = Body::Vote { granted, pre: true };
        if granted {
            let term = proposed;
            self.transmit(candidate, Message { term, body }, turn);
        } else {
            self.claim(candidate, body, turn);
        }
    }

    /// Counts who would vote for it; with a majority, stands for election.
    pub(super) fn count_pre_vote(
        &mut self,
        from: NodeId,
        granted: bool,
        proposed: Term,
        turn: &mut Turn<'_, M>,
    ) {
        let Role::PreCandidate { votes } = &mut self.role else {
            return;
        };
        if granted && proposed == Term(self.term.0 + 1) {
            votes.insert(from);
        }
        let votes = *votes;
        if self.members().agree(votes) {
            self.stand_for_election(Campaign::Ordinary, turn);
        }
    }

    /// Answers a request for a vote. `current`: it is of this node's term; otherwise of an older one.
    pub(super) fn answer_vote(
        &mut self,
        candidate: NodeId,
        current: bool,
        last: Position,
        turn: &mut Turn<'_, M>,
    ) {
        let may_grant = self.rules().may_grant_vote;
        let granted = current
            && may_grant(
                self.is_leader(),
                self.vote,
                candidate,
                self.log.last(),
                last,
            );
        if granted {
            // A repeated request gets the same vote again, and that is no new fact.
            if self.vote.replace(candidate).is_none() {
                turn.effects.note(Fact::Voted {
                    epoch: self.term.0,
                    candidate,
                });
            }
            self.await_leader(turn);
        }
        let pre = false;
        self.claim(candidate, Body::Vote { granted, pre }, turn);
    }

    /// Counts a vote of this term; with a majority, leads.
    pub(super) fn count_vote(&mut self, from: NodeId, granted: bool, turn: &mut Turn<'_, M>) {
        let Role::Candidate { votes } = &mut self.role else {
            return;
        };
        if granted {
            votes.insert(from);
        }
        let votes = *votes;
        if (self.rules().wins_election)(votes, &self.members()) {
            self.lead(turn);
        }
    }
}
