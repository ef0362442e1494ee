//! What was added to a set is named by every later list of it, and nothing else is.
//!
//! An element is a persistent node below the set. To add one that is there is as good as to add it.
//!
//! Counterexample: `/sets/k/7` is created at 4, nobody asks to delete it, and the list at 6 is empty.

use super::changes::{is_directory_of, is_in, parts};
use super::ground::Ground;
use super::spans::{Deletes, Span, missing, unasked};
use super::story::Deed;
use super::{Breach, Promise};
use std::collections::BTreeSet;
use stormglass_impls::zookeeper::words::{Done, Error, Op};

/// Where the sets are.
const SETS: &str = "/sets";

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "set",
    quote: "\"all requests that update the state of ZooKeeper are serializable and respect precedence\" (Hunt and others 2010, 2.3)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let all = ground.changes();
    let deletes = Deletes::of(all);
    let mut spans = Vec::new();
    let mut add = |path, from, deed| {
        if is_in(path, SETS) {
            let (to, deeds) = (deletes.first_from(path, from), vec![deed]);
            spans.push(Span {
                path,
                from,
                to,
                deeds,
            });
        }
    };
    for made in &all.made {
        if let (Op::Create { mode, .. }, Done::Created { path, .. }) = (made.op, made.done)
            && !mode.is_ephemeral()
        {
            add(path, made.zxid, made.deed);
        }
    }
    // What is there already may be somebody's ephemeral node.
    let may_go: BTreeSet<&str> = story.deeds.iter().flat_map(ephemerals_of).collect();
    for deed in &story.deeds {
        if let (Some(Op::Create { path, mode, .. }), Some(ended)) = (deed.op(), &deed.ended)
            && ended.result == Err(Error::NodeExists)
            && !may_go.contains(path.as_str())
            && !mode.is_ephemeral()
            && !mode.is_sequential()
        {
            add(path, ended.zxid, deed.id);
        }
    }
    missing(&all.listings, spans)?;
    unasked(story, &all.listings, |path| is_directory_of(path, SETS))
}

/// The ephemeral nodes that an operation asks for.
fn ephemerals_of(deed: &Deed) -> Vec<&str> {
    let ops = deed.op().map_or(&[][..], parts);
    let asked = ops.iter().filter_map(|op| match op {
        Op::Create { path, mode, .. } if mode.is_ephemeral() => Some(path.as_str()),
        _ => None,
    });
    asked.collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete};
    use super::PROMISE;
    use crate::zookeeper::dialect::{Asked, Ended};
    use stormglass_impls::zookeeper::words::{Done, Mode, Op, What};

    const SET: &str = "/sets/k0";

    fn add(service: &mut Service, client: usize, element: u32) -> bool {
        let path = format!("{SET}/{element}");
        let added = service.write(client, create(&path, "", Mode::Persistent));
        added.is_ok()
    }

    fn edit(names: impl FnOnce(&mut Vec<String>)) -> impl FnOnce(&mut Ended) {
        |ended| match &mut ended.result {
            Ok(Done::Children(found, _)) => names(found),
            other => panic!("no list: {other:?}"),
        }
    }

    #[test]
    fn a_set_that_keeps_its_elements_is_as_promised() {
        let mut service = Service::new(2, &["/sets", SET]);
        let empty = service.now();
        assert!(add(&mut service, 0, 1));
        assert!(!add(&mut service, 1, 1));
        service.list(1, SET);
        service.read_at(0, What::Children, SET, empty).unwrap();
        service.call(0, Asked::Write(create("/sets/k0/2", "", Mode::Persistent)));
        service.apply(0, 0);
        assert_eq!(service.list(1, SET), ["1", "2"]);
        service.lose(0);
        service.keeps(PROMISE);
    }

    #[test]
    fn what_was_there_as_an_ephemeral_node_may_go() {
        let mut service = Service::new(2, &["/sets", SET]);
        let ephemeral = create("/sets/k0/1", "", Mode::Ephemeral);
        service.write(0, ephemeral).unwrap();
        assert!(!add(&mut service, 1, 1));
        service.write(0, Op::Close).unwrap();
        assert!(service.list(1, SET).is_empty());
        service.keeps(PROMISE);
    }

    #[test]
    fn an_element_that_is_lost_is_a_breach() {
        let mut service = Service::new(2, &["/sets", SET]);
        add(&mut service, 0, 1);
        service.list(1, SET);
        service.lie(0, edit(Vec::clear));
        service.breaks(PROMISE, "do not name it");
        // Who finds it there knows as much as who made it.
        let mut service = Service::new(2, &["/sets", SET]);
        service.call(0, Asked::Write(create("/sets/k0/1", "", Mode::Persistent)));
        service.apply(0, 0);
        service.lose(0);
        add(&mut service, 1, 1);
        service.list(1, SET);
        service.lie(0, edit(Vec::clear));
        service.breaks(PROMISE, "do not name it");
    }

    #[test]
    fn an_element_that_may_be_deleted_may_be_missing() {
        let mut service = Service::new(2, &["/sets", SET]);
        add(&mut service, 0, 1);
        service.call(1, Asked::Write(delete("/sets/k0/1")));
        service.apply(1, 0);
        service.lose(1);
        assert!(service.list(0, SET).is_empty());
        service.keeps(PROMISE);
    }

    #[test]
    fn an_element_that_nobody_added_is_a_breach() {
        let mut service = Service::new(2, &["/sets", SET]);
        service.list(0, SET);
        service.lie(0, edit(|names| names.push("1".to_string())));
        service.breaks(PROMISE, "nobody had asked for that");
        // That somebody does later is no excuse.
        add(&mut service, 1, 1);
        service.breaks(PROMISE, "nobody had asked for that");
    }
}
