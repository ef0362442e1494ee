//! Nobody passes a barrier before enough have come.
//!
//! A round is a node below `/barriers` that holds how many it takes. Who comes creates a child of it, and who has passed sets its child to `passed`.
//!
//! Counterexample: `/barriers/r` holds 3, two have asked to create children, and one of them sets its own to `passed`.

use super::changes::{is_directory_of, is_in, parts};
use super::ground::Ground;
use super::story::Deed;
use super::{Breach, Promise};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Error, Op};

/// Where the rounds are.
const BARRIERS: &str = "/barriers";

/// What who has passed sets its node to.
const PASSED: &str = "passed";

/// The child of a round that says that it is complete. Nobody comes by creating it.
const READY: &str = "ready";

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "barrier",
    quote: "\"When enough processes have joined the barrier, processes start their computation\" (ZooKeeper Recipes, Double Barriers)",
    judge,
};

/// What was asked of a round, in the order of calls.
#[derive(Default)]
struct Round<'a> {
    /// How many it takes, at least.
    parties: Option<usize>,
    /// Who made it so.
    made_by: usize,
    /// Who asked to come.
    came: BTreeSet<&'a str>,
    /// Who first asked to say that it passed, and how many had asked to come.
    passed: Option<(usize, usize)>,
}

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let mut rounds: BTreeMap<&str, Round<'_>> = BTreeMap::new();
    for deed in &story.deeds {
        for op in deed.op().map_or(&[][..], parts) {
            match op {
                Op::Create { path, data, .. } if is_directory_of(path, BARRIERS) => {
                    if let (Ok(parties), true) = (data.parse(), may_be_made(deed))
                        && parted(path).0 == BARRIERS
                    {
                        let round = rounds.entry(path).or_default();
                        if round.parties.is_none_or(|known| known > parties) {
                            (round.parties, round.made_by) = (Some(parties), deed.id);
                        }
                        continue;
                    }
                    let (round, name) = parted(path);
                    let may_be_there = may_be_made(deed) || is_there(deed);
                    if is_in(path, BARRIERS) && name != READY && may_be_there {
                        rounds.entry(round).or_default().came.insert(name);
                    }
                }
                Op::Set { path, data, .. } if data == PASSED && is_in(path, BARRIERS) => {
                    let round = rounds.entry(parted(path).0).or_default();
                    let came = round.came.len();
                    round.passed = round.passed.or(Some((deed.id, came)));
                }
                _ => {}
            }
        }
    }
    for (path, round) in rounds {
        if let (Some(parties), Some((deed, came))) = (round.parties, round.passed)
            && came < parties
        {
            return Err(Breach {
                culprits: vec![round.made_by, deed],
                explanation: format!(
                    "{path} takes {parties}, and somebody had passed when only {came} had asked to come."
                ),
            });
        }
    }
    Ok(())
}

/// Whether what was asked was done, as far as is known.
fn may_be_made(deed: &Deed) -> bool {
    deed.ended.as_ref().is_none_or(|ended| ended.result.is_ok())
}

/// Whether it need not be done.
fn is_there(deed: &Deed) -> bool {
    let ended = deed.ended.as_ref();
    ended.is_some_and(|ended| ended.result == Err(Error::NodeExists))
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, set};
    use super::PROMISE;
    use crate::zookeeper::dialect::Asked;
    use stormglass_impls::zookeeper::words::Mode;

    fn round(parties: &str) -> Service {
        let mut service = Service::new(3, &["/barriers"]);
        service
            .write(0, create("/barriers/r", parties, Mode::Persistent))
            .unwrap();
        service
    }

    fn come(client: usize) -> Asked {
        let path = format!("/barriers/r/c{client}");
        Asked::Write(create(&path, "", Mode::Persistent))
    }

    fn come_and_hear(service: &mut Service, client: usize) {
        service.call(client, come(client));
        service.apply(client, 0);
        let _ = service.answer(client);
    }

    #[test]
    fn who_passes_when_enough_have_come_keeps_the_promise() {
        let mut service = round("3");
        come_and_hear(&mut service, 0);
        come_and_hear(&mut service, 1);
        // The call is enough: its answer may be on its way.
        service.call(2, come(2));
        service.write(0, set("/barriers/r/c0", "passed")).unwrap();
        service.keeps(PROMISE);
        service.lose(2);
        service.keeps(PROMISE);
    }

    #[test]
    fn who_passes_too_early_is_a_breach() {
        let mut service = round("3");
        come_and_hear(&mut service, 0);
        come_and_hear(&mut service, 1);
        // Nobody comes twice, and the sign that all are there is nobody.
        come_and_hear(&mut service, 1);
        let ready = create("/barriers/r/ready", "", Mode::Persistent);
        service.write(1, ready).unwrap();
        service.write(0, set("/barriers/r/c0", "passed")).unwrap();
        let how = "takes 3, and somebody had passed when only 2 had asked to come";
        service.breaks(PROMISE, how);
        // That the third comes later is no excuse.
        come_and_hear(&mut service, 2);
        service.breaks(PROMISE, how);
    }

    #[test]
    fn a_round_of_which_nobody_knows_how_many_it_takes_is_not_judged() {
        let mut service = Service::new(3, &["/barriers", "/barriers/r"]);
        come_and_hear(&mut service, 0);
        service.write(0, set("/barriers/r/c0", "passed")).unwrap();
        service.keeps(PROMISE);
    }
}
