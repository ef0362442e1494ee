//! What faults of nodes, disks and clocks must leave: silence, loss, and wrong times.

use crate::look::{Evidence, GRACE_NS, MS, Seen, Taken, What, ensure};
use crate::network::replaced;
use stormglass_impls::contract::{Fact, NodeId};
use stormglass_nemesis::weather::EPOCH_NS;

/// Every node it was meant for was down from its beginning to its end.
pub(crate) fn down(seen: &Seen) -> Evidence {
    ensure(!seen.nodes.is_empty(), "it was meant for nobody")?;
    let span = || seen.from_ns..seen.until_ns;
    seen.nodes
        .iter()
        .try_for_each(|node| seen.was_down(*node, span()))
}

/// The leader was down: another led, and the old one came back without a memory of leading.
pub(crate) fn leader_down(seen: &Seen) -> Evidence {
    down(seen)?;
    let leaders = seen.leaders(seen.span());
    ensure(!leaders.is_empty(), "nobody leads in its place")?;
    ensure(!leaders.contains(&seen.node()), "it leads while it is down")?;
    ensure(
        !seen.steps_down(seen.node(), seen.after()),
        "it remembers that it led",
    )
}

/// No node took anything, and nobody was answered.
pub(crate) fn all_down(seen: &Seen) -> Evidence {
    ensure(seen.nodes.len() == 5, "some nodes are left out")?;
    for node in NodeId::all(5) {
        let took = seen.took(node, seen.span()).count();
        ensure(took == 0, format!("{node} takes {took} inputs"))?;
        ensure(
            seen.took(node, seen.after()).count() > 0,
            format!("{node} stays down"),
        )?;
    }
    ensure(
        seen.answered(seen.late_span()).is_empty(),
        "somebody is answered",
    )?;
    ensure(
        !seen.leaders(seen.after()).is_empty(),
        "nobody leads afterwards",
    )
}

/// The nodes were down together, and for less than an election takes.
pub(crate) fn blip(seen: &Seen) -> Evidence {
    down(seen)?;
    ensure(seen.until_ns - seen.from_ns < 150 * MS, "it lasted longer")
}

/// The times at which a node began to take nothing for at least so long: somebody noticed then that a connection to it broke.
fn outages(seen: &Seen, node: NodeId, least_ns: u64) -> Vec<u64> {
    let times: Vec<u64> = seen
        .took(node, 0..u64::MAX)
        .map(|taken| taken.time_ns)
        .collect();
    let gaps = times
        .windows(2)
        .filter(|pair| pair[1] - pair[0] >= least_ns);
    let broke = |pair: &[u64]| seen.links_down(node, pair[0]..pair[1]).first().copied();
    gaps.filter_map(broke).collect()
}

/// The node was down several times, and up in between.
pub(crate) fn down_again_and_again(seen: &Seen) -> Evidence {
    let outages = outages(seen, seen.node(), (crate::DOWN_MS - 5) * MS);
    ensure(
        outages.len() >= 3,
        format!("it was down {} times", outages.len()),
    )
}

/// Every node was down once, one after the other.
pub(crate) fn all_down_in_turn(seen: &Seen) -> Evidence {
    let mut turn_ns = 0;
    for node in crate::ROLLING {
        let outages = outages(seen, node, (crate::DOWN_MS - 5) * MS);
        let [from_ns] = outages[..] else {
            return Err(format!("{node} was down {} times", outages.len()));
        };
        ensure(turn_ns <= from_ns, format!("{node} did not wait its turn"))?;
        turn_ns = from_ns + crate::DOWN_MS * MS;
    }
    Ok(())
}

/// The fact that should start it, and then the node was down.
fn killed_after(seen: &Seen, meant: impl Fn(&Fact) -> bool) -> Evidence {
    let fact_ns = seen.from_ns.saturating_sub(crate::AFTER_MS * MS);
    let mut facts = seen.facts(fact_ns.saturating_sub(MS)..fact_ns + 1);
    ensure(
        facts.any(|fact| fact.node == seen.node() && meant(&fact.fact)),
        "no such fact preceded it",
    )?;
    down(seen)
}

/// It led for so long, and no longer.
pub(crate) fn fresh_leader_down(seen: &Seen) -> Evidence {
    killed_after(seen, |fact| matches!(fact, Fact::BecameLeader { .. }))
}

/// It had known other members for so long.
pub(crate) fn changer_down(seen: &Seen) -> Evidence {
    killed_after(seen, |fact| matches!(fact, Fact::MembersChanged { .. }))
}

/// It had given its vote to another for so long.
pub(crate) fn voter_down(seen: &Seen) -> Evidence {
    let node = seen.node();
    killed_after(
        seen,
        |fact| matches!(fact, Fact::Voted { candidate, .. } if *candidate != node),
    )
}

/// What it was writing is lost.
pub(crate) fn writer_down(seen: &Seen) -> Evidence {
    down(seen)?;
    ensure(
        seen.run.record.wear.unsynced_lost > 0,
        "its disk was not writing",
    )
}

/// The node that was restarted last is down a second time.
pub(crate) fn newcomer_down(seen: &Seen) -> Evidence {
    let first = seen.fault(1);
    ensure(first.nodes == seen.nodes, "it is not the newcomer")?;
    let outages = outages(seen, seen.node(), (crate::DOWN_MS - 5) * MS);
    ensure(
        outages.len() == 2,
        format!("it was down {} times", outages.len()),
    )?;
    down(seen)
}

/// The node took nothing, nobody lost a connection to it, and it woke to its timers before its mail.
pub(crate) fn paused(seen: &Seen) -> Evidence {
    let node = seen.node();
    let took = seen.took(node, seen.span()).count();
    ensure(
        took == 0,
        format!("{node} stands still and takes {took} inputs"),
    )?;
    let broken = seen.links_down(node, seen.span());
    ensure(broken.is_empty(), "a connection to it broke")?;
    let woke = seen.took(node, seen.after()).next();
    let woke = woke.ok_or("it never wakes")?;
    ensure(woke.time_ns <= seen.until_ns + 2 * MS, "it wakes late")?;
    ensure(
        woke.what == What::Timer,
        format!("it wakes to {:?}", woke.what),
    )?;
    ensure(
        seen.run.record.wear.inputs_held > 0,
        "nothing waited for it",
    )
}

/// The same for a leader, in whose place another led.
pub(crate) fn leader_paused(seen: &Seen) -> Evidence {
    paused(seen)?;
    replaced(seen)
}

/// Between two steps of the node lies the time that a step takes.
pub(crate) fn slow_steps(seen: &Seen) -> Evidence {
    let times: Vec<u64> = seen
        .took(seen.node(), seen.span())
        .map(|taken| taken.time_ns)
        .collect();
    ensure(times.len() > 10, "it hardly steps")?;
    let apart_ns = times.windows(2).map(|pair| pair[1] - pair[0]).min();
    ensure(
        apart_ns >= Some(crate::STEP_MS * MS),
        format!("two steps are {apart_ns:?} ns apart"),
    )?;
    ensure(seen.run.record.wear.steps_slowed > 0, "no step was slowed")
}

/// Nodes stopped, and what they had not synced is gone.
pub(crate) fn unsynced_lost(seen: &Seen) -> Evidence {
    all_down(seen)?;
    ensure(seen.run.record.wear.unsynced_lost > 0, "nothing was lost")
}

/// Nodes stopped, and found a part of a write.
pub(crate) fn torn(seen: &Seen) -> Evidence {
    all_down(seen)?;
    ensure(seen.run.record.wear.writes_torn > 0, "no write was torn")
}

/// Writes take as long as a sync does.
pub(crate) fn slow_syncs(seen: &Seen) -> Evidence {
    let slow_ns = crate::SLOW_MS * MS;
    let writes = |span| {
        let answered = seen.answered(span).into_iter();
        answered
            .filter(|(f, _)| *f == "write")
            .map(|(_, took_ns)| took_ns)
            .collect::<Vec<_>>()
    };
    let calm = writes(MS..seen.from_ns);
    ensure(
        calm.iter().any(|took_ns| *took_ns < slow_ns / 2),
        "it was slow before",
    )?;
    let during = writes(seen.late_span());
    ensure(during.len() > 5, "few writes are answered")?;
    let quickest_ns = during.iter().min();
    ensure(
        quickest_ns >= Some(&slow_ns),
        format!("the quickest took {quickest_ns:?} ns"),
    )?;
    ensure(seen.run.record.wear.syncs_slowed > 0, "no sync was slowed")
}

/// The disk failed once, the node stopped of itself, and is back afterwards.
pub(crate) fn disk_failed(seen: &Seen) -> Evidence {
    let failed = seen.run.record.wear.disks_failed;
    ensure(failed == 1, format!("{failed} disks failed"))?;
    let noticed = seen.links_down(seen.node(), seen.span());
    let stopped_ns = noticed.first().ok_or("the node did not stop")?;
    seen.was_down(seen.node(), *stopped_ns..seen.until_ns)
}

/// Syncs lied, the node restarted at the end, and what it was told was synced is gone.
pub(crate) fn lied(seen: &Seen) -> Evidence {
    let wear = &seen.run.record.wear;
    ensure(wear.syncs_lied > 0, "no sync lied")?;
    ensure(wear.synced_lost > 0, "nothing was lost")?;
    restarted_at_the_end(seen)
}

fn restarted_at_the_end(seen: &Seen) -> Evidence {
    let noticed = seen.links_down(seen.node(), seen.until_ns..seen.until_ns + GRACE_NS);
    ensure(!noticed.is_empty(), "it was not restarted")
}

/// The node found its disk damaged and stayed down, or it started without what was damaged.
pub(crate) fn damaged(seen: &Seen) -> Evidence {
    let wear = &seen.run.record.wear;
    ensure(wear.synced_lost > 0, "nothing was damaged")?;
    let back = seen
        .took(seen.node(), seen.until_ns + GRACE_NS..u64::MAX)
        .count();
    ensure(
        (wear.disks_refused > 0) == (back == 0),
        "what is refused does not start",
    )
}

/// The same, where a bit was flipped while the node was down.
pub(crate) fn flipped(seen: &Seen) -> Evidence {
    let took = seen.took(seen.node(), seen.span()).count();
    ensure(took == 0, format!("it is down and takes {took} inputs"))?;
    damaged(seen)
}

/// The same, where a write landed on older ones.
pub(crate) fn misdirected(seen: &Seen) -> Evidence {
    ensure(
        seen.run.record.wear.writes_misdirected > 0,
        "every write landed where it should",
    )?;
    restarted_at_the_end(seen)?;
    damaged(seen)
}

/// The node was down, and when it comes back it has forgotten the term it was in: its watch, which forgets nothing, says so at once.
pub(crate) fn wiped(seen: &Seen) -> Evidence {
    let took = seen.took(seen.node(), seen.span()).count();
    ensure(took == 0, format!("it is down and takes {took} inputs"))?;
    ensure(seen.run.record.wear.synced_lost > 0, "nothing was lost")?;
    let broken = seen.run.record.violations.first();
    let broken = broken.ok_or("it has forgotten nothing")?;
    let forgot = broken.name == "monotonic-term" && broken.node == Some(seen.node());
    ensure(
        forgot && broken.time_ns >= seen.until_ns,
        format!("{broken:?}"),
    )
}

/// What the wall clock of the node shows too much at its inputs, in milliseconds, by its monotonic clock.
fn off_ms(taken: &Taken) -> i64 {
    (taken.shown.wall_ns as i64 - EPOCH_NS as i64 - taken.shown.monotonic_ns as i64) / MS as i64
}

/// The wall clock was off while it lasted, and right before and after.
pub(crate) fn jumped(seen: &Seen) -> Evidence {
    let right = |span| seen.took(seen.node(), span).all(|taken| off_ms(taken) == 0);
    ensure(
        right(0..seen.from_ns) && right(seen.until_ns + MS..u64::MAX),
        "it was off before",
    )?;
    let mut during = seen.took(seen.node(), seen.from_ns + MS..seen.until_ns);
    ensure(
        during.all(|taken| off_ms(taken) == crate::JUMP_MS),
        "it is not off",
    )?;
    ensure(
        seen.run.record.wear.clock_readings_bent > 0,
        "nobody read it",
    )
}

/// The wall clock was off and right by turns.
pub(crate) fn strobed(seen: &Seen) -> Evidence {
    let during = seen.took(seen.node(), seen.from_ns + MS..seen.until_ns);
    let mut offs: Vec<i64> = during.map(off_ms).collect();
    offs.dedup();
    ensure(offs.len() > 4, format!("it shows {offs:?}"))?;
    let known = offs.iter().all(|off| [0, crate::JUMP_MS].contains(off));
    ensure(known, format!("it shows {offs:?}"))?;
    ensure(
        seen.run.record.wear.clock_readings_bent > 0,
        "nobody read it",
    )
}

/// The leader's clock ran half as fast again, and so did its timers.
pub(crate) fn drifted(seen: &Seen) -> Evidence {
    let during: Vec<&Taken> = seen.took(seen.node(), seen.span()).collect();
    let [first, .., last] = during[..] else {
        return Err("it took nothing".to_string());
    };
    let true_ns = last.time_ns - first.time_ns;
    let shown_ns = last.shown.monotonic_ns - first.shown.monotonic_ns;
    let percent = (shown_ns * 100).div_ceil(true_ns);
    ensure(
        (149..=151).contains(&percent),
        format!("its clock ran at {percent} %"),
    )?;
    let timers = |span| {
        let took = seen.took(seen.node(), span);
        took.filter(|taken| taken.what == What::Timer).count()
    };
    let before = timers(seen.from_ns - (seen.until_ns - seen.from_ns)..seen.from_ns);
    let during = timers(seen.span());
    ensure(
        during * 10 > before * 13,
        format!("{during} timers ran out, {before} before"),
    )?;
    ensure(
        seen.run.record.wear.clock_readings_bent > 0,
        "nobody read it",
    )
}
