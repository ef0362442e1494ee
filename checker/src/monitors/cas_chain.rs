//! Chains: registers with compare-and-sets in which no new value is written twice.
//!
//! # The idea
//! Every value has one operation that can have written it, a write or a compare-and-set. With its reads it is a *cluster*, as in
//! [`super::zones`]. A compare-and-set does more: it ends the value it found, at the same moment at which its own
//! begins. So it glues its cluster to the back of another one, and clusters become *chains* that nothing may interrupt:
//!
//! ```text
//!   write 1 · read 1 · read 1  ─ cas 1→4 · read 4  ─ cas 4→7        one chain of three clusters
//!   write 2 · read 2                                                a chain of one
//!   (null at first) · read null  ─ cas null→3                       the chain of the initial value, always in front
//! ```
//!
//! There is no choice in this. A value is written once and never returns, so at most one compare-and-set can have found it; two that
//! did collide. A value that nobody can have written, or that could only be written by way of itself, was never there.
//!
//! # Why it is exact
//! - Inside a chain the order of the clusters is given, and in a cluster the writer comes first and the reads in the order of their calls.
//!   That is wrong only when an operation of a later cluster, or a read against its writer, returned before an earlier
//!   one was called. One pass with the greatest call so far sees it.
//! - Between chains: a chain is a group of operations that no other may interrupt, so all that matters is which chain comes first, and
//!   real time says "this one" exactly when one of its operations returned before one of the other's was called. That is the
//!   question [`super::zones`] answers for groups of any kind, by the least return and the greatest call of the whole chain.
//!
//! # Unknown outcomes
//! A write or compare-and-set of unknown outcome took effect if a certain operation saw its value, or saw a value that could only
//! come about through it. Then it has its place in a chain like any other, without a return. All others are left out. That is never
//! wrong: nobody saw their values, so without them the register would just have kept for longer what it held before. Nor is there a choice between
//! two of them: if both were seen and both need the same old value, they collide; if not, the unseen one goes.
//!
//! # Refused comparisons
//! "The value was not v" is a demand of another kind: the register must have held *something* else, and which is left
//! open. We do not know a fast exact answer, so this part may decline. If the chain of v shows that v was there from
//! before the call until after the return, the history is illegal. Otherwise the refused operations are put into the
//! order found for all others. For one that finds no room there, a chain from nearby that real time does not bind is moved behind the one in the way, or an
//! operation of unknown outcome that was left out so far is put there. If that does not help, another order might, and the
//! monitor gives no answer; that is rare.
//!
//! # Few culprits
//! An operation that saw a value proves the whole chain before it, since there is no other way to that value. So the two ends of a stretch
//! of a chain prove that nothing else was between them, and four operations show a collision of two chains. An end that is itself of unknown
//! outcome is accompanied by an operation that proves that it happened.

use crate::monitors::acts::{Act, Numbers, Role, acts};
use crate::monitors::refused::{Misfit, Step, insert, make_room};
use crate::monitors::zones::{NEAR, Zone, arrange, bring_behind};
use crate::monitors::{Finding, Observed};
use crate::specifications::{RegisterOp, Scalar};

/// What is known of one value.
#[derive(Clone, Copy, Default)]
struct Cluster {
    /// The only operation that can have written it.
    writer: Option<usize>,
    /// The value that a compare-and-set turned it into.
    next: Option<usize>,
    /// An operation that happened and could not have without this value. `None` while nothing says that it was ever there.
    witness: Option<usize>,
    /// Its operation that returned first.
    first_return: Option<usize>,
    /// Its operation that was called last.
    last_call: Option<usize>,
    /// Its place in [`Chains::sequence`].
    place: Option<usize>,
}

/// The clusters, put together to chains.
struct Chains<'a> {
    acts: &'a [Act],
    initial: usize,
    clusters: Vec<Cluster>,
    /// Values, chain after chain, in the order in which the register held them.
    sequence: Vec<usize>,
    /// Where in `sequence` each chain begins.
    starts: Vec<usize>,
}

/// How often refused comparisons are tried to be given room. Mostly the first time is enough.
const ATTEMPTS: usize = 8;

/// How many of these move chains, before spare operations are used.
const MOVES: usize = 4;

/// Operations that cannot be ordered.
type Culprits = Vec<usize>;

/// Judges a register that holds `initial` at first. `None` when a value may be written twice, or written again, or when a refused
/// comparison leaves the answer open.
pub(crate) fn judge(initial: Scalar, observed: &[Observed<'_, RegisterOp>]) -> Option<Finding> {
    let numbers = Numbers::of(initial, observed);
    let acts = acts(&numbers, observed)?;
    let initial = numbers.number(initial)?;
    let mut chains = Chains {
        acts: &acts,
        initial,
        clusters: vec![Cluster::default(); numbers.count],
        sequence: Vec::new(),
        starts: Vec::new(),
    };
    if !chains.find_writers() {
        return None;
    }
    let (zones, mut line) = match chains.solve() {
        Ok(solved) => solved,
        Err(mut culprits) => {
            culprits.sort_unstable();
            culprits.dedup();
            return Some(Finding::Illegal(culprits));
        }
    };
    let step = |observed: usize| {
        let act = acts[observed];
        Step {
            observed,
            call: act.call,
            deadline: act.deadline,
            value: act.value,
            needs: match act.role {
                Role::Writes => None,
                Role::Replaces(old) => Some(old),
                Role::Reads | Role::Refused | Role::Silent => Some(act.value),
            },
        }
    };
    let refused = (0..acts.len()).filter(|act| acts[*act].role == Role::Refused);
    let refused: Vec<_> = refused.map(step).collect();
    let spell_out =
        |line: &[usize]| -> Vec<_> { chains.spell_out(line).into_iter().map(step).collect() };
    let mut order = spell_out(&line);
    let mut moved = true;
    let spares = (0..acts.len()).filter(|act| chains.is_spare(&acts[*act]));
    let mut spares: Vec<_> = spares.map(step).collect();
    for attempt in 0..ATTEMPTS {
        let misfits = match insert(initial, &order, &refused) {
            Ok(order) => return Some(Finding::Legal(order)),
            Err(misfits) => misfits,
        };
        moved = moved
            && attempt < MOVES
            && chains.move_aside(&mut line, &zones, &order, &refused, &misfits);
        if moved {
            order = spell_out(&line);
        } else if !make_room(&mut order, &refused, &misfits, &mut spares) {
            return None;
        }
    }
    None
}

impl Chains<'_> {
    /// Finds the writer of each value. False when a value has two, or the initial one has any.
    fn find_writers(&mut self) -> bool {
        for (number, act) in self.acts.iter().enumerate() {
            if matches!(act.role, Role::Writes | Role::Replaces(_)) {
                let cluster = &mut self.clusters[act.value];
                if act.value == self.initial || cluster.writer.is_some() {
                    return false;
                }
                cluster.writer = Some(number);
            }
        }
        true
    }

    /// The zone of each chain, and an order of the chains that real time allows.
    fn solve(&mut self) -> Result<(Vec<Zone>, Vec<usize>), Culprits> {
        self.find_witnesses()?;
        self.glue()?;
        self.line_up()?;
        self.find_bounds();
        let zones = self.zones()?;
        self.no_refusal_is_enclosed()?;
        let line = arrange(&zones).map_err(|(left, right)| {
            let mut culprits = self.ends(left);
            culprits.extend(self.ends(right));
            culprits
        })?;
        Ok((zones, line))
    }

    /// Follows each certain operation back to the values it could not have done without.
    fn find_witnesses(&mut self) -> Result<(), Culprits> {
        for (number, act) in self.acts.iter().enumerate() {
            if act.deadline.is_none() || matches!(act.role, Role::Refused | Role::Silent) {
                continue;
            }
            let mut value = act.value;
            while self.clusters[value].witness.is_none() {
                self.clusters[value].witness = Some(number);
                if value == self.initial {
                    break;
                }
                match self.clusters[value]
                    .writer
                    .map(|writer| self.acts[writer].role)
                {
                    Some(Role::Replaces(old)) => value = old,
                    Some(_) => break,
                    None => return Err(vec![number]),
                }
            }
        }
        Ok(())
    }

    /// Sets behind each value the one that replaced it. Two that did collide.
    fn glue(&mut self) -> Result<(), Culprits> {
        for act in self.acts {
            let Role::Replaces(old) = act.role else {
                continue;
            };
            let Some(witness) = self.clusters[act.value].witness else {
                continue;
            };
            if let Some(other) = self.clusters[old].next.replace(act.value) {
                let mut culprits = vec![witness];
                culprits.extend(self.clusters[other].witness);
                return Err(culprits);
            }
        }
        Ok(())
    }

    /// Puts the clusters of each chain one behind the other, the chain of the initial value first, the others in the order in which the
    /// writes that begin them were called. A value that no chain reaches could only be written by way of itself.
    fn line_up(&mut self) -> Result<(), Culprits> {
        self.line_up_from(self.initial);
        for act in self.acts {
            if act.role == Role::Writes && self.clusters[act.value].witness.is_some() {
                self.line_up_from(act.value);
            }
        }
        for act in self.acts {
            let cluster = self.clusters[act.value];
            if cluster.place.is_none() && act.role != Role::Refused {
                // Nothing but certain operations leave a witness.
                cluster
                    .witness
                    .map_or(Ok(()), |witness| Err(vec![witness]))?;
            }
        }
        Ok(())
    }

    fn line_up_from(&mut self, first: usize) {
        self.starts.push(self.sequence.len());
        let mut next = Some(first);
        while let Some(value) = next {
            self.clusters[value].place = Some(self.sequence.len());
            self.sequence.push(value);
            next = self.clusters[value].next;
        }
    }

    /// Finds for each cluster the operation that returned first and the one that was called last.
    fn find_bounds(&mut self) {
        for (number, act) in self.acts.iter().enumerate() {
            if !self.takes_part(act) {
                continue;
            }
            let cluster = &mut self.clusters[act.value];
            let least = cluster
                .first_return
                .and_then(|first| self.acts[first].deadline);
            if act
                .deadline
                .is_some_and(|deadline| least.is_none_or(|least| deadline < least))
            {
                cluster.first_return = Some(number);
            }
            // Acts are in the order of their calls.
            cluster.last_call = Some(number);
        }
    }

    /// Whether it has a place in a chain.
    fn takes_part(&self, act: &Act) -> bool {
        match act.role {
            Role::Refused | Role::Silent => false,
            Role::Reads => act.deadline.is_some(),
            Role::Writes | Role::Replaces(_) => self.clusters[act.value].place.is_some(),
        }
    }

    /// Whether it may have happened, but nobody needs it to have.
    fn is_spare(&self, act: &Act) -> bool {
        let writes = matches!(act.role, Role::Writes | Role::Replaces(_));
        writes && !self.takes_part(act)
    }

    /// The values of one chain.
    fn chain(&self, number: usize) -> &[usize] {
        let end = self.starts.get(number + 1).copied();
        &self.sequence[self.starts[number]..end.unwrap_or(self.sequence.len())]
    }

    /// The zone of each chain, after making sure that real time agrees with the order inside it.
    fn zones(&self) -> Result<Vec<Zone>, Culprits> {
        let mut zones = Vec::with_capacity(self.starts.len());
        for number in 0..self.starts.len() {
            let mut zone = Zone {
                first_return: match number {
                    // The initial value was there before everything.
                    0 => 0,
                    _ => usize::MAX,
                },
                last_call: 0,
            };
            let mut last_call: Option<usize> = None;
            for value in self.chain(number) {
                let cluster = &self.clusters[*value];
                // All that was called earlier in the chain, and the writer of this very value.
                last_call = last_call.max(cluster.writer);
                if let Some((first, deadline)) = self.first_return(cluster) {
                    if let Some(last) = last_call.filter(|last| deadline < self.acts[*last].call) {
                        return Err(vec![first, last]);
                    }
                    zone.first_return = zone.first_return.min(deadline);
                }
                last_call = last_call.max(cluster.last_call);
            }
            zone.last_call = last_call.map_or(0, |last| self.acts[last].call);
            zones.push(zone);
        }
        Ok(zones)
    }

    fn first_return(&self, cluster: &Cluster) -> Option<(usize, usize)> {
        let first = cluster.first_return?;
        Some((first, self.acts[first].deadline?))
    }

    /// The operations that prove the zone of a chain.
    fn ends(&self, number: usize) -> Culprits {
        let clusters = || {
            self.chain(number)
                .iter()
                .map(|value| &self.clusters[*value])
        };
        let first = clusters()
            .filter_map(|cluster| self.first_return(cluster))
            .min_by_key(|(_, deadline)| *deadline);
        let last = clusters().filter_map(|cluster| cluster.last_call).max();
        let mut ends = Vec::new();
        // The initial value needs no proof that it had been there.
        ends.extend(first.filter(|_| number > 0).map(|(first, _)| first));
        ends.extend(last.map(|last| self.proven(last)).into_iter().flatten());
        ends
    }

    /// An operation, with another that proves that it happened if its own outcome is unknown.
    fn proven(&self, number: usize) -> Culprits {
        let act = &self.acts[number];
        let mut proven = vec![number];
        if act.deadline.is_none() {
            proven.extend(self.clusters[act.value].witness);
        }
        proven
    }

    /// No refused comparison may have happened wholly while its value was there. What was there is known of a chain from what
    /// returned in this cluster or behind it, to what was called in it or before it, or replaced it.
    fn no_refusal_is_enclosed(&self) -> Result<(), Culprits> {
        if self.acts.iter().all(|act| act.role != Role::Refused) {
            return Ok(());
        }
        let mut began: Vec<Option<usize>> = vec![None; self.sequence.len()];
        let mut lasted: Vec<Option<usize>> = vec![None; self.sequence.len()];
        for number in 0..self.starts.len() {
            let start = self.starts[number];
            let places = start..start + self.chain(number).len();
            let mut last_call = None;
            for place in places.clone() {
                let cluster = &self.clusters[self.sequence[place]];
                last_call = last_call.max(cluster.last_call).max(cluster.writer);
                let replaced = cluster.next.and_then(|next| self.clusters[next].writer);
                lasted[place] = last_call.max(replaced);
            }
            let mut first: Option<(usize, usize)> = None;
            for place in places.rev() {
                let cluster = &self.clusters[self.sequence[place]];
                let own = self.first_return(cluster);
                if own.is_some_and(|own| first.is_none_or(|first| own.1 < first.1)) {
                    first = own;
                }
                began[place] = first.map(|(first, _)| first);
            }
        }
        for (number, act) in self.acts.iter().enumerate() {
            let (Role::Refused, Some(deadline)) = (act.role, act.deadline) else {
                continue;
            };
            let Some(place) = self.clusters[act.value].place else {
                continue;
            };
            let before = match began[place] {
                // Held from the start, until the first chain goes on.
                _ if act.value == self.initial => Some(None),
                Some(began) => {
                    let returned = self.acts[began].deadline;
                    let before = returned.is_some_and(|returned| returned < act.call);
                    before.then_some(Some(began))
                }
                None => None,
            };
            let after = lasted[place].filter(|lasted| deadline < self.acts[*lasted].call);
            if let (Some(before), Some(after)) = (before, after) {
                let mut culprits = self.proven(after);
                culprits.push(number);
                culprits.extend(before);
                return Err(culprits);
            }
        }
        Ok(())
    }

    /// Where a chain is in the way of a refused comparison because nothing ends it soon enough, another chain is brought behind it. False
    /// when none could be.
    fn move_aside(
        &self,
        line: &mut [usize],
        zones: &[Zone],
        order: &[Step<usize>],
        refused: &[Step<usize>],
        misfits: &[Misfit],
    ) -> bool {
        let mut place_of = vec![0; line.len()];
        for (place, chain) in line.iter().enumerate() {
            place_of[*chain] = place;
        }
        let mut moved = false;
        let mut ended: Option<usize> = None;
        for misfit in misfits {
            if ended == Some(misfit.ended_by) {
                continue;
            }
            ended = Some(misfit.ended_by);
            let refused = &refused[misfit.refused];
            let Some(place) = self.clusters[refused.value].place else {
                continue;
            };
            let glued = order
                .get(misfit.ended_by)
                .is_some_and(|step| step.needs.is_some());
            let chain = self.starts.partition_point(|start| *start <= place) - 1;
            let in_time = |chain: usize| {
                let writer = self.clusters[self.sequence[self.starts[chain]]].writer;
                let call = writer.map(|writer| self.acts[writer].call);
                call.is_some_and(|call| refused.deadline.is_none_or(|deadline| call <= deadline))
            };
            let place = place_of[chain];
            if !glued && bring_behind(zones, line, place, in_time) {
                moved = true;
                for (place, chain) in line
                    .iter()
                    .enumerate()
                    .skip(place.saturating_sub(NEAR))
                    .take(2 * NEAR + 2)
                {
                    place_of[*chain] = place;
                }
            }
        }
        moved
    }

    /// Writes the chains out, operation by operation.
    fn spell_out(&self, chains: &[usize]) -> Vec<usize> {
        let mut clusters: Vec<Vec<usize>> = vec![Vec::new(); self.sequence.len()];
        for (number, act) in self.acts.iter().enumerate() {
            let reads = act.role == Role::Reads && act.deadline.is_some();
            if let Some(place) = self.clusters[act.value].place.filter(|_| reads) {
                clusters[place].push(number);
            }
        }
        let mut order = Vec::with_capacity(self.acts.len());
        for number in chains {
            for value in self.chain(*number) {
                let cluster = &self.clusters[*value];
                order.extend(cluster.writer);
                order.extend(cluster.place.into_iter().flat_map(|place| &clusters[place]));
            }
        }
        order
    }
}
