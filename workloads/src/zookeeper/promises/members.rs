//! A member of a group is named by every list of it while its session is alive, and nobody is named who did not ask to be.
//!
//! Counterexample: S creates the ephemeral node `/groups/g/a` at 4 and changes something at 9; the list at 6 does not name `a`.

use super::changes::{is_directory_of, is_in, proves_life};
use super::ground::Ground;
use super::spans::{Deletes, Span, missing, unasked};
use super::{Breach, Promise};
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::words::{Done, Op, SessionId, ZxidNumber};

/// Where the groups are.
const GROUPS: &str = "/groups";

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "members",
    quote: "\"If the process fails or ends, the znode that represents it [..] is automatically removed\" (Hunt and others 2010, 2.4, Group \
            Membership)",
    judge,
};

fn judge(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    let all = ground.changes();
    let deletes = Deletes::of(all);
    // Who does something has been alive all the time since its session was opened, and is still unless it closes it.
    let mut alive: BTreeMap<SessionId, (ZxidNumber, usize)> = BTreeMap::new();
    for deed in story.deeds.iter() {
        if let Some((session, zxid)) = proves_life(deed) {
            let until = match deed.op() {
                Some(Op::Close) => zxid,
                _ => zxid.saturating_add(1),
            };
            let known = alive.entry(session).or_default();
            *known = (until, deed.id).max(*known);
        }
    }
    let mut spans = Vec::new();
    for made in &all.made {
        if let (Op::Create { mode, .. }, Done::Created { path, .. }) = (made.op, made.done)
            && mode.is_ephemeral()
            && is_in(path, GROUPS)
            && let Some((until, proof)) = alive.get(&made.session)
        {
            spans.push(Span {
                path,
                from: made.zxid,
                to: deletes.first_from(path, made.zxid).min(*until),
                deeds: vec![made.deed, *proof],
            });
        }
    }
    missing(&all.listings, spans)?;
    unasked(story, &all.listings, |path| is_directory_of(path, GROUPS))
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, set};
    use super::PROMISE;
    use crate::zookeeper::dialect::Ended;
    use stormglass_impls::zookeeper::words::{Done, Mode, Op};

    const GROUP: &str = "/groups/g";

    /// Client 1 is a member, and somebody has listed the group.
    fn listed() -> Service {
        let mut service = Service::new(2, &["/groups", GROUP]);
        let member = create("/groups/g/a", "", Mode::Ephemeral);
        service.write(1, member).unwrap();
        service.write(0, set(GROUP, "x")).unwrap();
        assert_eq!(service.list(0, GROUP), ["a"]);
        service
    }

    fn edit(names: impl FnOnce(&mut Vec<String>)) -> impl FnOnce(&mut Ended) {
        |ended| match &mut ended.result {
            Ok(Done::Children(found, _)) => names(found),
            other => panic!("no list: {other:?}"),
        }
    }

    #[test]
    fn a_member_that_is_listed_while_it_lives_is_as_promised() {
        let mut service = listed();
        service.write(1, set(GROUP, "y")).unwrap();
        service.write(1, Op::Close).unwrap();
        assert!(service.list(0, GROUP).is_empty());
        service.keeps(PROMISE);
    }

    #[test]
    fn a_member_that_lives_and_is_missing_is_a_breach() {
        let mut service = listed();
        service.lie(0, edit(Vec::clear));
        // It may have ended.
        service.keeps(PROMISE);
        service.write(1, set(GROUP, "y")).unwrap();
        service.breaks(PROMISE, "do not name it");
    }

    #[test]
    fn who_closes_was_there_until_then() {
        let mut service = listed();
        service.lie(0, edit(Vec::clear));
        service.write(1, Op::Close).unwrap();
        service.breaks(PROMISE, "do not name it");
    }

    #[test]
    fn a_member_that_never_asked_is_a_breach() {
        let mut service = listed();
        service.lie(0, edit(|names| names.push("b".to_string())));
        service.breaks(PROMISE, "name b, and nobody had asked");
    }
}
