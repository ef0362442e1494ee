//! The leaders of a term follow one another, and none of them acts after the next one has.
//!
//! The candidates of an election are ephemeral sequential nodes. Who leads acts by a multi that checks its own candidate and sets the node of the term to
//! the zxid at which that was made.
//!
//! Counterexample: the candidate of 5 sets the term at 9, that of 7 at 12, and that of 5 again at 15.

use super::changes::{Changes, Sighting, is_in, neighbours, shown};
use super::ground::Ground;
use super::story::Story;
use super::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Done, Op, SessionId, ZxidNumber};

/// Where the candidates are.
const ELECTIONS: &str = "/elections";

/// Where leaders act.
const TERMS: &str = "/terms/";

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "leader",
    quote: "\"The process that created the znode with the smallest appended sequence number is the leader\" (ZooKeeper Recipes, Leader Election)",
    judge,
};

/// A leader acts.
struct Act<'a> {
    zxid: ZxidNumber,
    deed: usize,
    session: SessionId,
    /// The node that it checks.
    candidate: &'a str,
    /// When that was made, as it says.
    czxid: ZxidNumber,
}

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let all = ground.changes();
    let acts = acts(story);
    by_their_owners(all, &acts)?;
    for (term, acts) in &acts {
        if let Some((before, after)) = neighbours(acts).find(|(a, b)| a.czxid > b.czxid) {
            return Err(Breach {
                culprits: vec![before.deed, after.deed],
                explanation: format!(
                    "The candidate of zxid {} set {term} at zxid {}, and an older one, of zxid {}, after it at zxid {}.",
                    shown(before.czxid),
                    shown(before.zxid),
                    shown(after.czxid),
                    shown(after.zxid),
                ),
            });
        }
    }
    versions_agree(story, all)
}

/// By terms, in the order of zxids.
fn acts(story: &Story) -> BTreeMap<&str, Vec<Act<'_>>> {
    let mut acts: BTreeMap<&str, Vec<Act<'_>>> = BTreeMap::new();
    for deed in &story.deeds {
        let (Some(Op::Multi(ops)), Some(ended)) = (deed.op(), &deed.ended) else {
            continue;
        };
        if let [
            Op::Check {
                path: candidate, ..
            },
            Op::Set {
                path: term, data, ..
            },
        ] = ops.as_slice()
            && let (Ok(czxid), Ok(_), Some(session)) = (data.parse(), &ended.result, deed.session())
            && is_in(candidate, ELECTIONS)
            && term.starts_with(TERMS)
        {
            acts.entry(term).or_default().push(Act {
                zxid: ended.zxid,
                deed: deed.id,
                session,
                candidate,
                czxid,
            });
        }
    }
    for acts in acts.values_mut() {
        acts.sort_by_key(|act| act.zxid);
    }
    acts
}

/// Whether each act was done in the session that the candidate belongs to.
fn by_their_owners(all: &Changes<'_>, acts: &BTreeMap<&str, Vec<Act<'_>>>) -> Result<(), Breach> {
    let mut owners: BTreeMap<(&str, ZxidNumber), (SessionId, usize)> = BTreeMap::new();
    for seen in &all.sightings {
        if is_in(seen.path, ELECTIONS) {
            let owner = (seen.stat.ephemeral_owner, seen.deed);
            owners.insert((seen.path, seen.stat.czxid), owner);
        }
    }
    for act in acts.values().flatten() {
        if let Some((owner, proof)) = owners.get(&(act.candidate, act.czxid))
            && *owner != act.session
        {
            return Err(Breach {
                culprits: vec![*proof, act.deed],
                explanation: format!(
                    "{} belongs to {owner}, and {} led with it at zxid {}.",
                    act.candidate,
                    act.session,
                    shown(act.zxid),
                ),
            });
        }
    }
    Ok(())
}

/// Whether the versions of a term's node grow from set to set, and whoever reads it finds what the last set left.
fn versions_agree(story: &Story, all: &Changes<'_>) -> Result<(), Breach> {
    let mut nodes: BTreeMap<(&str, ZxidNumber), Vec<&Sighting<'_>>> = BTreeMap::new();
    for seen in &all.sightings {
        if seen.path.starts_with(TERMS) {
            let of_node = nodes.entry((seen.path, seen.stat.czxid)).or_default();
            of_node.push(seen);
        }
    }
    for ((path, _), seen) in &nodes {
        for (before, after) in neighbours(seen) {
            let grows = after.stat.version > before.stat.version;
            let same = after.stat.version == before.stat.version;
            let agrees = match (
                data_set(story, after),
                before.stat.mzxid == after.stat.mzxid,
            ) {
                (true, _) => grows && after.stat.mzxid == after.zxid,
                (false, true) => same,
                (false, false) => grows && after.stat.mzxid > before.zxid,
            };
            if !agrees {
                return Err(Breach {
                    culprits: vec![before.deed, after.deed],
                    explanation: format!(
                        "{path} had version {} at zxid {}, set at {}, and version {} at zxid {}, set at {}.",
                        before.stat.version,
                        shown(before.zxid),
                        shown(before.stat.mzxid),
                        after.stat.version,
                        shown(after.zxid),
                        shown(after.stat.mzxid),
                    ),
                });
            }
        }
    }
    Ok(())
}

/// Whether this is what a set of data answered.
fn data_set(story: &Story, seen: &Sighting<'_>) -> bool {
    let deed = &story.deeds[seen.deed];
    let done = deed
        .ended
        .as_ref()
        .and_then(|ended| ended.result.as_ref().ok());
    match (deed.op(), done) {
        (Some(Op::Multi(ops)), Some(Done::Multi(_))) => {
            matches!(ops.get(seen.part), Some(Op::Set { .. }))
        }
        (Some(op), _) => matches!(op, Op::Set { .. }),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete, made, set};
    use super::PROMISE;
    use stormglass_impls::zookeeper::words::{Done, Mode, Op, What};

    const TERM: &str = "/terms/k0";

    /// Clients 1 and 2 stand for election.
    fn two() -> (Service, [(String, u64); 2]) {
        let mut service = Service::new(3, &["/elections", "/elections/k0", "/terms", TERM]);
        let stand = |service: &mut Service, client| {
            let node = create("/elections/k0/n-", "", Mode::EphemeralSequential);
            (made(service.write(client, node)), service.now())
        };
        let candidates = [stand(&mut service, 1), stand(&mut service, 2)];
        (service, candidates)
    }

    fn act(service: &mut Service, client: usize, (path, czxid): &(String, u64)) -> bool {
        let check = Op::Check {
            path: path.clone(),
            version: None,
        };
        let set = set(TERM, &czxid.to_string());
        let done = service.write(client, Op::Multi(vec![check, set]));
        done.is_ok()
    }

    #[test]
    fn leaders_that_follow_one_another_are_as_promised() {
        let (mut service, [first, second]) = two();
        assert!(act(&mut service, 1, &first));
        service.read(0, What::Data, TERM).unwrap();
        service.write(1, delete(&first.0)).unwrap();
        assert!(act(&mut service, 2, &second));
        assert!(!act(&mut service, 1, &first));
        service.read(0, What::Data, TERM).unwrap();
        service.keeps(PROMISE);
    }

    #[test]
    fn a_leader_that_acts_after_the_next_one_is_a_breach() {
        let (mut service, [first, second]) = two();
        assert!(act(&mut service, 1, &first));
        assert!(act(&mut service, 2, &second));
        service.keeps(PROMISE);
        assert!(act(&mut service, 1, &first));
        service.breaks(PROMISE, "and an older one, of zxid");
    }

    #[test]
    fn who_leads_with_the_candidate_of_another_is_a_breach() {
        let (mut service, [first, _]) = two();
        assert!(act(&mut service, 2, &first));
        service.breaks(PROMISE, "belongs to");
    }

    #[test]
    fn versions_that_do_not_grow_with_each_set_are_a_breach() {
        let (mut service, [first, _]) = two();
        act(&mut service, 1, &first);
        service.read(0, What::Data, TERM).unwrap();
        service.lie(0, |ended| {
            let Ok(Done::Data(_, stat)) = &mut ended.result else {
                unreachable!()
            };
            stat.version += 1;
        });
        service.breaks(PROMISE, "/terms/k0 had version 1");
        let (mut service, [first, _]) = two();
        act(&mut service, 1, &first);
        act(&mut service, 1, &first);
        service.lie(0, |ended| {
            let Ok(Done::Multi(parts)) = &mut ended.result else {
                unreachable!()
            };
            let Done::Set(stat) = &mut parts[1] else {
                unreachable!()
            };
            stat.version -= 1;
        });
        service.breaks(PROMISE, "/terms/k0 had version 1");
    }
}
