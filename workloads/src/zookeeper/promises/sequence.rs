//! The numbers of sequential nodes never come again under one parent, and grow with the zxid.
//!
//! Counterexample: `/q/n-` becomes `/q/n-0000000001` at 5; at 9 another becomes `/q/n-0000000001`, or `/q/n-0000000000`.

use super::changes::{numbered, shown};
use super::ground::Ground;
use super::{Breach, Promise};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Done, Op, ZxidNumber};

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "sequence",
    quote: "a sequential node gets \"a monotonically increasing counter\" at the end of its path, and \"this counter is unique to the parent \
            znode\" (ZooKeeper Programmer's Guide, Sequence Nodes)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let _story = ground.story;
    let all = ground.changes();
    // A parent that was removed and made again counts anew.
    let mut doubted: BTreeMap<&str, ZxidNumber> = BTreeMap::new();
    for doubt in &all.doubts {
        if let Op::Delete { path, .. } = doubt.op {
            let after = doubted.entry(path).or_insert(doubt.after);
            *after = doubt.after.min(*after);
        }
    }
    let mut last: BTreeMap<&str, (u64, usize, ZxidNumber)> = BTreeMap::new();
    let mut lost: BTreeSet<&str> = BTreeSet::new();
    for made in &all.made {
        let (asked, path, stat) = match (made.op, made.done) {
            (Op::Delete { path, .. }, _) => {
                last.remove(path.as_str());
                continue;
            }
            (Op::Create { path, mode, .. }, Done::Created { path: named, stat })
                if mode.is_sequential() =>
            {
                (path, named, stat)
            }
            _ => continue,
        };
        let number = numbered(path).filter(|(stem, _)| stem == asked);
        let Some((_, number)) = number else {
            return Err(Breach {
                culprits: vec![made.deed],
                explanation: format!(
                    "A sequential node was asked for as {asked}, and named {path}."
                ),
            });
        };
        if stat.czxid != made.zxid {
            let (zxid, czxid) = (shown(made.zxid), shown(stat.czxid));
            return Err(Breach {
                culprits: vec![made.deed],
                explanation: format!("{path} was made at zxid {zxid}, and says {czxid}."),
            });
        }
        let parent = parted(path).0;
        if doubted.get(parent).is_some_and(|after| *after < made.zxid) {
            lost.insert(parent);
        }
        if lost.contains(parent) {
            continue;
        }
        if let Some((before, deed, zxid)) = last.insert(parent, (number, made.deed, made.zxid))
            && before >= number
        {
            return Err(Breach {
                culprits: vec![deed, made.deed],
                explanation: format!(
                    "The number {before} was given below {parent} at zxid {}, and after it {number} at zxid {}.",
                    shown(zxid),
                    shown(made.zxid),
                ),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete, made};
    use super::PROMISE;
    use crate::zookeeper::dialect::{Asked, Ended};
    use stormglass_impls::zookeeper::words::{Done, Mode, Op};

    fn next(service: &mut Service) -> String {
        made(service.write(0, create("/q/n-", "", Mode::PersistentSequential)))
    }

    fn named(path: &str) -> impl FnOnce(&mut Ended) {
        let named = path.to_string();
        move |ended| match &mut ended.result {
            Ok(Done::Created { path, .. }) => *path = named,
            other => panic!("nothing was made: {other:?}"),
        }
    }

    #[test]
    fn numbers_that_grow_are_as_promised() {
        let mut service = Service::new(1, &["/q"]);
        let first = next(&mut service);
        assert_eq!(first, "/q/n-0000000000");
        service.write(0, delete(&first)).unwrap();
        next(&mut service);
        let one = || create("/q/n-", "", Mode::PersistentSequential);
        service.write(0, Op::Multi(vec![one(), one()])).unwrap();
        service.keeps(PROMISE);
    }

    #[test]
    fn a_number_that_comes_again_is_a_breach() {
        let mut service = Service::new(1, &["/q"]);
        next(&mut service);
        next(&mut service);
        service.lie(0, named("/q/n-0000000000"));
        service.breaks(PROMISE, "The number 0 was given below /q");
    }

    #[test]
    fn a_number_that_comes_again_within_a_multi_is_a_breach() {
        let mut service = Service::new(1, &["/q"]);
        let one = || create("/q/n-", "", Mode::PersistentSequential);
        service.write(0, Op::Multi(vec![one(), one()])).unwrap();
        service.lie(0, |ended| {
            let Ok(Done::Multi(parts)) = &mut ended.result else {
                unreachable!()
            };
            parts[1] = parts[0].clone();
        });
        service.breaks(PROMISE, "The number 0 was given below /q");
    }

    #[test]
    fn a_name_that_is_not_the_one_asked_for_is_a_breach() {
        for path in ["/q/m-0000000000", "/q/n-000000000", "/q/n-00000000000"] {
            let mut service = Service::new(1, &["/q"]);
            next(&mut service);
            service.lie(0, named(path));
            service.breaks(PROMISE, "asked for as /q/n-");
        }
        let mut service = Service::new(1, &["/q"]);
        next(&mut service);
        service.lie(0, |ended| ended.zxid += 1);
        service.breaks(PROMISE, "was made at zxid 0.4, and says 0.3");
    }

    #[test]
    fn a_parent_that_was_made_again_counts_anew() {
        let mut service = Service::new(2, &["/q"]);
        let first = next(&mut service);
        service.write(0, delete(&first)).unwrap();
        service.write(0, delete("/q")).unwrap();
        service
            .write(0, create("/q", "", Mode::Persistent))
            .unwrap();
        next(&mut service);
        service.keeps(PROMISE);
        // Nobody need know.
        let mut service = Service::new(2, &["/q"]);
        let first = next(&mut service);
        service.write(0, delete(&first)).unwrap();
        service.call(1, Asked::Write(delete("/q")));
        service.apply(1, 0);
        service.lose(1);
        service
            .write(0, create("/q", "", Mode::Persistent))
            .unwrap();
        next(&mut service);
        service.keeps(PROMISE);
    }
}
