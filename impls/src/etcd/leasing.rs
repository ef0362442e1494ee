//! What a leader does for the others: it puts their clients' changes into the log, says how far that is committed, and counts how long leases live.

use super::message::{Body, LESSOR, keeper, kept_for};
use super::serving::Asker;
use super::state::{Lease, News};
use super::words::{Ask, Command, Done, Error, Grant, Identity, LeaseId};
use super::{AskBelow, Etcd, Turn};
use crate::contract::{Input, NodeId, Now, Refusal, RequestId, Session};
use crate::raft::message::Term;
use std::collections::BTreeMap;

/// How long leases live, as who leads counts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lessor {
    /// In which term.
    pub(super) term: Term,
    lives: BTreeMap<LeaseId, Life>,
}

/// How a lease does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Life {
    /// When it ends unless it is kept alive, by this member's own clock, in nanoseconds.
    ends_ns: u64,
    /// How long it lives without being kept alive, in milliseconds.
    ttl_ms: u64,
    /// How much is left of it by the log, in milliseconds: by what is applied, and what this leader has said since.
    said_ms: u64,
    /// Whether an entry is on its way by which it has its full time again.
    is_renewing: bool,
    /// Whether its end is in the log. If this leader is deposed, that may come to nothing.
    is_ending: bool,
}

/// What a leader proves its leadership for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) request_id: RequestId,
    /// Under which number the log was told to forget that little is left of a lease, once it was.
    renewal: Option<RequestId>,
    /// The member at which the client waits.
    pub(super) origin: NodeId,
    purpose: Purpose,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    /// To say how far the log is committed.
    Read,
    /// To keep a lease alive, or to tell how it is.
    Lease {
        as_user: Option<Identity>,
        lease: LeaseId,
        keep_alive: bool,
    },
}

const NS_PER_MS: u64 = 1_000_000;

impl Life {
    /// `extra_ns`: how much longer it lives than the log says.
    fn begin(ttl_ms: u64, said_ms: u64, extra_ns: u64, now: Now) -> Self {
        let left_ns = said_ms.saturating_mul(NS_PER_MS).saturating_add(extra_ns);
        Self {
            ends_ns: now.monotonic_ns.saturating_add(left_ns),
            ttl_ms,
            said_ms,
            is_renewing: false,
            is_ending: false,
        }
    }

    fn left_ms(&self, now: Now) -> u64 {
        self.ends_ns.saturating_sub(now.monotonic_ns) / NS_PER_MS
    }

    fn renew(&mut self, now: Now) {
        let full_ns = self.ttl_ms.saturating_mul(NS_PER_MS);
        self.ends_ns = self.ends_ns.max(now.monotonic_ns.saturating_add(full_ns));
    }

    /// Whether it is, or is about to be, no more.
    fn is_over(&self, now: Now) -> bool {
        self.is_ending || now.monotonic_ns >= self.ends_ns
    }
}

impl Lessor {
    /// A leader has applied all that was there before it led. Every lease has what is left of it by the log, and some time on top in which its client
    /// finds the leader.
    pub(super) fn begin(
        leases: &BTreeMap<LeaseId, Lease>,
        term: Term,
        extra_ns: u64,
        now: Now,
    ) -> Self {
        let lives = leases.iter().map(|(lease, known)| {
            let left_ms = known.remaining_ms.unwrap_or(known.ttl_ms);
            (*lease, Life::begin(known.ttl_ms, left_ms, extra_ns, now))
        });
        let lives = lives.collect();
        Self { term, lives }
    }

    /// Something was applied.
    pub(super) fn hear(&mut self, news: News, now: Now) {
        match news {
            News::Granted { lease, ttl_ms } => {
                self.lives
                    .insert(lease, Life::begin(ttl_ms, ttl_ms, 0, now));
            }
            News::Ended { lease } => {
                self.lives.remove(&lease);
            }
            News::Renewed { lease, .. } => {
                if let Some(life) = self.lives.get_mut(&lease) {
                    life.renew(now);
                    life.said_ms = life.ttl_ms;
                    life.is_renewing = false;
                }
            }
            News::Ran { .. } => {}
        }
    }
}

impl Etcd {
    /// A message that is not the log's.
    pub(super) fn hear(&mut self, from: NodeId, body: Body, turn: &mut Turn<'_>) {
        match body {
            Body::Raft(_) => {}
            Body::ReadIndexed {
                client,
                request_id,
                index,
            } => self.read_indexed((client, request_id), index, turn),
            Body::LeaseIs {
                client,
                request_id,
                result,
            } => self.lease_is((client, request_id), result, turn),
            Body::Refused {
                client,
                request_id,
                refusal,
            } => self.refused((client, request_id), refusal, turn),
            Body::Propose {
                client,
                request_id,
                command,
            } => {
                let asker = (client, request_id);
                if self.leads((client, request_id), from, turn) {
                    self.propose(asker, command, from, turn);
                }
            }
            Body::ReadIndex { client, request_id } => {
                if self.leads((client, request_id), from, turn) {
                    let purpose = Purpose::Read;
                    self.prove((client, request_id), from, purpose, turn);
                }
            }
            Body::Lease {
                client,
                request_id,
                as_user,
                lease,
                keep_alive,
            } => {
                if self.leads((client, request_id), from, turn) {
                    let purpose = Purpose::Lease {
                        as_user,
                        lease,
                        keep_alive,
                    };
                    self.prove((client, request_id), from, purpose, turn);
                }
            }
        }
    }

    /// Whether this member leads. Who asks one that does not is told so.
    fn leads(&mut self, (client, request_id): Asker, from: NodeId, turn: &mut Turn<'_>) -> bool {
        if self.raft.is_leader() {
            return true;
        }
        let leader = self.raft.known_leader();
        let body = Body::Refused {
            client,
            request_id,
            refusal: Refusal::NotLeader { leader },
        };
        self.send_to(from, body, turn);
        false
    }

    /// The number of what comes next in the log: what the leader itself puts there is never the same again.
    fn next_place(&self) -> RequestId {
        RequestId(self.raft.log().last().index.0 + 1)
    }

    /// Puts something into the log. What a lessor wants there is numbered by its place.
    fn propose(
        &mut self,
        (client, mut request_id): Asker,
        command: Command,
        origin: NodeId,
        turn: &mut Turn<'_>,
    ) {
        if client == LESSOR {
            request_id = self.next_place();
        }
        let input = Input::Request {
            client,
            session: Session(0),
            request_id,
            body: AskBelow::Command(command),
        };
        let last = self.raft.log().last().index;
        self.drive_for(input, Some(origin), turn);
        let index = self.raft.log().last().index;
        if origin != self.id() && index > last && index > self.raft.commit() {
            self.proposed.push_back((index, origin));
        }
    }

    /// Asks a majority whether this member still leads, for a client at a member.
    fn prove(
        &mut self,
        (client, request_id): Asker,
        origin: NodeId,
        purpose: Purpose,
        turn: &mut Turn<'_>,
    ) {
        let is_of_lease = matches!(purpose, Purpose::Lease { .. });
        let asked = Asked {
            request_id,
            renewal: None,
            origin,
            purpose,
        };
        self.asked.insert(client, asked);
        if is_of_lease && !(self.rules().proves_leadership)() {
            return self.proved((client, request_id), turn);
        }
        let input = Input::Request {
            client,
            session: Session(0),
            request_id,
            body: AskBelow::Query(()),
        };
        self.drive(input, turn);
    }

    /// What was asked for a client in that request, if anything.
    pub(super) fn take_asked(&mut self, (client, request_id): Asker) -> Option<Asked> {
        let kept_for = kept_for(client);
        let client = kept_for.unwrap_or(client);
        let asked = self.asked.get(&client)?;
        let number = match kept_for {
            Some(_) => asked.renewal,
            None => Some(asked.request_id),
        };
        match number == Some(request_id) {
            true => self.asked.remove(&client),
            false => None,
        }
    }

    /// This member leads, or a change was applied: a client may be answered.
    pub(super) fn proved(&mut self, asker: Asker, turn: &mut Turn<'_>) {
        let Some(mut asked) = self.take_asked(asker) else {
            return;
        };
        let client = kept_for(asker.0).unwrap_or(asker.0);
        let is_renewed = client != asker.0;
        let (request_id, origin) = (asked.request_id, asked.origin);
        let (as_user, lease, keep_alive) = match &asked.purpose {
            Purpose::Read => {
                let index = self.raft.commit();
                let body = Body::ReadIndexed {
                    client,
                    request_id,
                    index,
                };
                return self.send_to(origin, body, turn);
            }
            Purpose::Lease {
                as_user,
                lease,
                keep_alive,
            } => (as_user.clone(), *lease, *keep_alive),
        };
        let result = match keep_alive {
            true => match self.keep_alive(lease, is_renewed, turn.now) {
                Kept::Answer(result) => result,
                Kept::ForgetItsEnd { grant, ttl_ms } => {
                    // Numbered by its place, and not as the client has it: the same asked again is forgotten again, for little may be left again.
                    let number = self.next_place();
                    asked.renewal = Some(number);
                    self.asked.insert(client, asked);
                    let remaining_ms = vec![(grant, ttl_ms)];
                    let command = Command::Checkpoint { remaining_ms };
                    self.propose((keeper(client), number), command, origin, turn);
                    let is_on_its_way = self.next_place() != number;
                    if let Some(life) = self.life(lease) {
                        life.is_renewing |= is_on_its_way;
                    }
                    return;
                }
                Kept::Unknown => return,
            },
            false => self.time_to_live(as_user.as_ref(), lease, turn.now),
        };
        let body = Body::LeaseIs {
            client,
            request_id,
            result,
        };
        self.send_to(origin, body, turn);
    }

    /// Keeps a lease alive. `is_renewed`: the log says by now that it has its full time.
    fn keep_alive(&mut self, lease: LeaseId, is_renewed: bool, now: Now) -> Kept {
        let Some(known) = self.state().leases().get(&lease).copied() else {
            return Kept::Answer(Err(Error::LeaseNotFound));
        };
        // Everything that older leaders have said of it is applied by now.
        let is_said_shorter = known.remaining_ms.is_some();
        let lives = self.lessor.as_mut().map(|lessor| &mut lessor.lives);
        let Some(life) = lives.and_then(|lives| lives.get_mut(&lease)) else {
            return Kept::Unknown;
        };
        let ttl_ms = life.ttl_ms;
        if life.is_over(now) {
            // Once that is committed it will not be found.
            return Kept::Unknown;
        }
        if (life.said_ms < ttl_ms || is_said_shorter) && !is_renewed {
            let grant = known.granted(lease);
            return Kept::ForgetItsEnd { grant, ttl_ms };
        }
        life.renew(now);
        Kept::Answer(Ok(Done::KeepAlive { lease, ttl_ms }))
    }

    fn time_to_live(
        &self,
        as_user: Option<&Identity>,
        lease: LeaseId,
        now: Now,
    ) -> Result<Done, Error> {
        let state = self.state();
        let ask = Ask::TimeToLive { lease };
        state.auth().permits(as_user, &ask, state.store())?;
        let known = state.leases().get(&lease).ok_or(Error::LeaseNotFound)?;
        let lives = self.lessor.as_ref().map(|lessor| &lessor.lives);
        let life = lives.and_then(|lives| lives.get(&lease));
        Ok(Done::TimeToLive {
            lease,
            granted_ms: known.ttl_ms,
            remaining_ms: life.map_or(0, |life| life.left_ms(now)),
            keys: state.store().keys_of(lease).cloned().collect(),
        })
    }

    /// Ends the leases whose time is over; says how much is left of those that have half the time, or less, that the log says.
    pub(super) fn look_after_leases(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let Some(lessor) = &self.lessor else { return };
        let lives = || lessor.lives.iter().filter(|(_, life)| !life.is_ending);
        let over: Vec<LeaseId> = lives()
            .filter(|(_, life)| life.is_over(now))
            .map(|(lease, _)| *lease)
            .collect();
        let half_over: Vec<(LeaseId, u64)> = lives()
            .filter(|(_, life)| !life.is_over(now) && !life.is_renewing)
            .map(|(lease, life)| (*lease, life.left_ms(now), life.said_ms))
            .filter(|(_, left_ms, said_ms)| *left_ms <= said_ms / 2)
            .map(|(lease, left_ms, _)| (lease, left_ms))
            .collect();
        for lease in over {
            if let Some(grant) = self.grant_of(lease)
                && self.put_into_log(Command::Expire(grant), turn)
                && let Some(life) = self.life(lease)
            {
                life.is_ending = true;
            }
        }
        if !half_over.is_empty() {
            let said = half_over.iter();
            let said = said.filter_map(|(lease, left_ms)| Some((self.grant_of(*lease)?, *left_ms)));
            let remaining_ms = said.collect();
            if self.put_into_log(Command::Checkpoint { remaining_ms }, turn) {
                for (lease, left_ms) in half_over {
                    if let Some(life) = self.life(lease) {
                        life.said_ms = left_ms;
                    }
                }
            }
        }
    }

    /// The lease whose life this leader counts: what it counts is what it has applied.
    fn grant_of(&self, lease: LeaseId) -> Option<Grant> {
        let known = self.state().leases().get(&lease);
        known.map(|known| known.granted(lease))
    }

    fn life(&mut self, lease: LeaseId) -> Option<&mut Life> {
        self.lessor.as_mut()?.lives.get_mut(&lease)
    }

    /// Has the leader, which should be this member, put something into the log. Says whether it is there, or on its way.
    fn put_into_log(&mut self, command: Command, turn: &mut Turn<'_>) -> bool {
        let (client, request_id) = (LESSOR, RequestId(0));
        if !self.raft.is_leader() {
            let Some(leader) = self.raft.known_leader() else {
                return false;
            };
            let body = Body::Propose {
                client,
                request_id,
                command,
            };
            self.send(leader, body, turn);
            return true;
        }
        let last = self.raft.log().last();
        self.propose((client, request_id), command, self.id(), turn);
        self.raft.log().last() != last
    }
}

/// What comes of keeping a lease alive.
enum Kept {
    /// This.
    Answer(Result<Done, Error>),
    /// First the log has to forget that less than this is left of it.
    ForgetItsEnd { grant: Grant, ttl_ms: u64 },
    /// Nobody knows yet.
    Unknown,
}
