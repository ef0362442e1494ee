//! A lock is held by one client at a time, in the order of zxids.
//!
//! The nodes below a lock are ephemeral and sequential, and who lists them and finds its own node to be the lowest holds the lock at that zxid.
//! Reads may be old, so that in real time two clients can think so at once; that is what tokens are for, see [`FENCED`].
//!
//! Counterexample: `n-0000000000` is the lowest at 7, and still there at 12, but at 9 the owner of `n-0000000001` is shown its own as the lowest.

use super::changes::{Changes, is_directory_of, is_in, neighbours, numbered, shown};
use super::ground::Ground;
use super::spans::Deletes;
use super::story::Story;
use super::{Breach, Promise};
use crate::promises::stores::{Store, Stores};
use crate::zookeeper::dialect::Asked;
use std::collections::BTreeMap;
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Done, Op, SessionId, ZxidNumber};

/// Where the locks are.
const LOCKS: &str = "/locks";

/// See [the module](self).
pub const PROMISE: Promise = Promise {
    name: "lock",
    quote: "\"at any snapshot in time no two clients think they hold the same lock\" (ZooKeeper Recipes, Locks)",
    judge: holds,
};

/// A resource that compares tokens takes nothing from who held the lock before another did.
pub const FENCED: Promise = Promise {
    name: "fenced-lock",
    quote: "\"If you are using ZooKeeper as lock service, you can use the zxid or the znode version number as fencing token\" \
            (Kleppmann, How to do distributed locking)",
    judge: fenced,
};

/// How many stores a resource took after it had taken one with a newer token, and how many it took at all.
pub fn unsafe_stores(story: &Story) -> (u64, u64) {
    taken(story).overtaken()
}

/// The stores that were taken.
fn taken(story: &Story) -> Stores<'_> {
    Stores::of(story.deeds.iter().filter_map(|deed| {
        let stored = deed.ended.as_ref()?.stored.filter(|stored| stored.taken)?;
        let Asked::Store { path, token, .. } = &deed.asked else {
            return None;
        };
        let store = Store {
            turn: stored.turn,
            deed: deed.id,
            token: *token,
        };
        Some((path.as_str(), store))
    }))
}

fn fenced(ground: &Ground<'_>) -> Result<(), Breach> {
    let story = ground.story;
    holds(ground)?;
    one_session_a_token(story)?;
    taken(story).in_order(shown)
}

fn one_session_a_token(story: &Story) -> Result<(), Breach> {
    let mut users: BTreeMap<(&str, ZxidNumber), (SessionId, usize)> = BTreeMap::new();
    for deed in &story.deeds {
        let (Asked::Store { path, token, .. }, Some(session)) = (&deed.asked, deed.session())
        else {
            continue;
        };
        let user = users.entry((path, *token)).or_insert((session, deed.id));
        if user.0 != session {
            return Err(Breach {
                culprits: vec![user.1, deed.id],
                explanation: format!(
                    "The sessions {} and {session} both stored with token {} of {path}.",
                    user.0,
                    shown(*token),
                ),
            });
        }
    }
    Ok(())
}

/// A node below a lock that was made and answered ok.
struct Ticket<'a> {
    path: &'a str,
    session: SessionId,
    czxid: ZxidNumber,
    deed: usize,
    /// The last zxid at which it was there for certain, and who knows.
    alive: (ZxidNumber, usize),
}

/// Somebody is shown its own node as the lowest.
struct Hold {
    zxid: ZxidNumber,
    deed: usize,
    /// In the list of tickets.
    ticket: usize,
}

fn holds(ground: &Ground<'_>) -> Result<(), Breach> {
    let _story = ground.story;
    let all = ground.changes();
    let deletes = Deletes::of(all);
    let (tickets, by_path) = tickets(all, &deletes);
    let mut holds: BTreeMap<&str, Vec<Hold>> = BTreeMap::new();
    for listing in &all.listings {
        if !is_directory_of(listing.path, LOCKS) {
            continue;
        }
        let numbers = listing.names.iter();
        let numbers = numbers.filter_map(|name| Some((numbered(name)?.1, name)));
        let Some((_, lowest)) = numbers.min() else {
            continue;
        };
        let Some(ticket) = by_path.get(format!("{}/{lowest}", listing.path).as_str()) else {
            continue;
        };
        let held = &tickets[*ticket];
        if held.session == listing.session && held.czxid <= listing.zxid {
            holds.entry(listing.path).or_default().push(Hold {
                zxid: listing.zxid,
                deed: listing.deed,
                ticket: *ticket,
            });
        }
    }
    for holds in holds.values() {
        passes_on(&tickets, holds)?;
    }
    Ok(())
}

/// The nodes of locks, of each path only if there was one such node.
fn tickets<'a>(
    all: &Changes<'a>,
    deletes: &Deletes<'_>,
) -> (Vec<Ticket<'a>>, BTreeMap<&'a str, usize>) {
    let mut tickets: Vec<Ticket<'a>> = Vec::new();
    let mut by_path: BTreeMap<&str, usize> = BTreeMap::new();
    for made in &all.made {
        if let (Op::Create { mode, .. }, Done::Created { path, stat }) = (made.op, made.done)
            && mode.is_sequential()
            && is_in(path, LOCKS)
            && !deletes.any(parted(path).0)
        {
            by_path.insert(path, tickets.len());
            tickets.push(Ticket {
                path,
                session: made.session,
                czxid: stat.czxid,
                deed: made.deed,
                alive: (stat.czxid, made.deed),
            });
        }
    }
    let mut live = |path: &str, zxid: ZxidNumber, deed: usize| {
        if let Some(ticket) = by_path.get(path) {
            let alive = &mut tickets[*ticket].alive;
            *alive = (zxid, deed).max(*alive);
        }
    };
    for seen in &all.sightings {
        live(seen.path, seen.zxid, seen.deed);
    }
    for listing in &all.listings {
        if is_directory_of(listing.path, LOCKS) {
            for name in listing.names {
                live(
                    &format!("{}/{name}", listing.path),
                    listing.zxid,
                    listing.deed,
                );
            }
        }
    }
    for made in &all.made {
        if let Op::Delete { path, .. } = made.op {
            live(path, made.zxid.saturating_sub(1), made.deed);
        }
    }
    (tickets, by_path)
}

/// Whether the holds of one lock, by zxid, pass from one node to the next, each of them made later and held when the one before it may be gone.
fn passes_on(tickets: &[Ticket<'_>], holds: &[Hold]) -> Result<(), Breach> {
    for (before, after) in neighbours(holds) {
        if before.ticket == after.ticket {
            continue;
        }
        let (older, newer) = (&tickets[before.ticket], &tickets[after.ticket]);
        let collide = |how: String, proof: usize| Breach {
            culprits: vec![older.deed, newer.deed, before.deed, after.deed, proof],
            explanation: format!(
                "{} was held by {} at zxid {}, and {} by {} at zxid {}: {how}.",
                older.path,
                older.session,
                shown(before.zxid),
                newer.path,
                newer.session,
                shown(after.zxid),
            ),
        };
        if older.czxid > newer.czxid {
            let how = "but the second of these nodes is older than the first";
            return Err(collide(how.to_string(), after.deed));
        }
        let (zxid, proof) = older.alive;
        if zxid >= after.zxid {
            let how = format!("but the first was still there at zxid {}", shown(zxid));
            return Err(collide(how, proof));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Service, create, delete, made};
    use super::{FENCED, PROMISE, unsafe_stores};
    use crate::zookeeper::dialect::Ended;
    use stormglass_impls::zookeeper::words::{Done, Mode, What, ZxidNumber};

    const LOCK: &str = "/locks/k0";

    fn enter(service: &mut Service, client: usize) -> String {
        let node = create("/locks/k0/n-", "", Mode::EphemeralSequential);
        made(service.write(client, node))
    }

    /// Clients 1 and 2 have entered, and 1 holds the lock.
    fn two() -> (Service, [String; 2]) {
        let mut service = Service::new(3, &["/locks", LOCK]);
        let nodes = [enter(&mut service, 1), enter(&mut service, 2)];
        service.list(1, LOCK);
        (service, nodes)
    }

    /// The list that shows only the second node.
    fn only_second(ended: &mut Ended) {
        let Ok(Done::Children(names, _)) = &mut ended.result else {
            unreachable!()
        };
        names.retain(|name| name.ends_with('1'));
    }

    #[test]
    fn a_lock_that_passes_from_one_to_the_next_is_as_promised() {
        let (mut service, [first, _]) = two();
        service.list(2, LOCK);
        service.list(1, LOCK);
        let before = service.now();
        service.write(1, delete(&first)).unwrap();
        service.list(2, LOCK);
        // In real time the first has it, too, and in zxids it had it before.
        service.read_at(0, What::Exists, &first, before).unwrap();
        service.keeps(PROMISE);
        service.keeps(FENCED);
    }

    #[test]
    fn two_holders_at_once_are_a_breach() {
        let (mut service, [first, _]) = two();
        service.list(2, LOCK);
        service.lie(0, only_second);
        service.breaks(PROMISE, "but the first was still there");
        // It is enough that it was there later.
        let (mut service, _) = two();
        enter(&mut service, 0);
        service.list(2, LOCK);
        service.lie(0, only_second);
        service.keeps(PROMISE);
        let mut later = service;
        later.write(1, delete(&first)).unwrap();
        later.breaks(PROMISE, "but the first was still there");
    }

    #[test]
    fn a_lock_that_goes_back_is_a_breach() {
        let (mut service, [first, second]) = two();
        service.write(1, delete(&first)).unwrap();
        service.list(2, LOCK);
        service.write(2, delete(&second)).unwrap();
        service.list(1, LOCK);
        service.lie(0, |ended| {
            let Ok(Done::Children(names, _)) = &mut ended.result else {
                unreachable!()
            };
            names.push("n-0000000000".to_string());
        });
        service.breaks(PROMISE, "/locks/k0/n-0000000000");
    }

    fn two_tokens() -> (Service, [ZxidNumber; 2]) {
        let (mut service, [first, second]) = two();
        let now = service.now();
        service.write(1, delete(&first)).unwrap();
        service.list(2, LOCK);
        assert_eq!(second, "/locks/k0/n-0000000001");
        (service, [now - 1, now])
    }

    #[test]
    fn stores_with_older_tokens_are_counted_and_no_resource_with_fencing_takes_them() {
        let (mut service, [older, newer]) = two_tokens();
        service.store(1, LOCK, older, (true, 0));
        service.store(2, LOCK, newer, (true, 1));
        service.store(1, LOCK, older, (false, 2));
        service.keeps(FENCED);
        assert_eq!(unsafe_stores(&service.story()), (0, 2));
        service.store(1, LOCK, older, (true, 3));
        service.keeps(PROMISE);
        service.breaks(FENCED, "took a store with token");
        assert_eq!(unsafe_stores(&service.story()), (1, 3));
    }

    #[test]
    fn turns_count_and_not_when_the_clients_heard_of_them() {
        let (mut service, [older, newer]) = two_tokens();
        service.store(2, LOCK, newer, (true, 1));
        service.store(1, LOCK, older, (true, 0));
        service.keeps(FENCED);
        assert_eq!(unsafe_stores(&service.story()), (0, 2));
    }

    #[test]
    fn a_token_that_two_sessions_use_is_a_breach() {
        let (mut service, [_, newer]) = two_tokens();
        service.store(1, LOCK, newer, (true, 0));
        service.store(2, LOCK, newer, (true, 1));
        service.breaks(FENCED, "both stored with token");
    }
}
