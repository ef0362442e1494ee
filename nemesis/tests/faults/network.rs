//! What faults of the network must leave: frames that did not arrive, and what the cluster made of that.

use crate::look::{Evidence, GRACE_NS, MS, Seen, ensure, nodes};
use std::collections::BTreeMap;
use stormglass_impls::contract::{Fact, NodeId};

/// Nothing passes between two groups, something does within the second, and the frames are counted.
pub(crate) fn halves(seen: &Seen) -> Evidence {
    let (few, many) = (nodes([1, 2]), nodes([3, 4, 5]));
    ensure(
        seen.passed(&few, &many, seen.late_span()) == 0,
        "the halves hear each other",
    )?;
    ensure(
        seen.arrived(&many, &many, seen.late_span()) > 0,
        "the majority is silent",
    )?;
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// Somebody had led for so long when they fell apart.
pub(crate) fn halved_at_an_election(seen: &Seen) -> Evidence {
    let fact_ns = seen.from_ns.saturating_sub(crate::AFTER_MS * MS);
    let mut facts = seen.facts(fact_ns.saturating_sub(MS)..fact_ns + 1);
    ensure(
        facts.any(|fact| matches!(fact.fact, Fact::BecameLeader { .. })),
        "nobody had become leader",
    )?;
    halves(seen)
}

/// Nothing passes to or from the node, and the others go on.
pub(crate) fn alone(seen: &Seen) -> Evidence {
    let others = seen.others(&seen.nodes);
    ensure(
        seen.passed(&seen.nodes, &others, seen.late_span()) == 0,
        "the node is not alone",
    )?;
    ensure(
        !seen.answered(seen.late_span()).is_empty(),
        "the others stopped",
    )?;
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// The leader is alone, another leads before the cut is over, and then the old one steps down.
pub(crate) fn leader_alone(seen: &Seen) -> Evidence {
    alone(seen)?;
    replaced(seen)
}

/// It told another node to take over, and was alone from then on.
pub(crate) fn leaver_cut_off(seen: &Seen) -> Evidence {
    let mut facts = seen.facts(seen.from_ns.saturating_sub(5 * MS)..seen.from_ns + 1);
    let left =
        facts.any(|fact| fact.node == seen.node() && matches!(fact.fact, Fact::HandedOver { .. }));
    ensure(left, "it told nobody to take over")?;
    alone(seen)
}

/// Somebody else leads while the fault lasts, and the old leader notices once it is over.
pub(crate) fn replaced(seen: &Seen) -> Evidence {
    let leaders = seen.leaders(seen.span());
    let replaced = !leaders.is_empty() && !leaders.contains(&seen.node());
    ensure(
        replaced,
        format!("{leaders:?} lead in place of {}", seen.node()),
    )?;
    ensure(
        !seen.steps_down(seen.node(), seen.span()),
        "it stepped down early",
    )?;
    ensure(
        seen.steps_down(seen.node(), seen.until_ns..seen.until_ns + 500 * MS),
        "the old leader does not step down",
    )
}

/// Nothing passes one way; the other way something does.
pub(crate) fn one_way(seen: &Seen) -> Evidence {
    let (from, to) = (nodes([1, 2]), nodes([3, 4, 5]));
    ensure(
        seen.arrived(&from, &to, seen.late_span()) == 0,
        "frames pass the cut",
    )?;
    ensure(
        seen.arrived(&to, &from, seen.late_span()) > 0,
        "no frame passes the other way",
    )?;
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// Only neighbours hear each other.
pub(crate) fn ring(seen: &Seen) -> Evidence {
    let mut near = 0;
    for (taken, from, ..) in seen.messages(seen.late_span()) {
        let apart = from.0.abs_diff(taken.node.0);
        ensure(
            apart == 1 || apart == 4,
            format!("{} hears {from}", taken.node),
        )?;
        near += 1;
    }
    ensure(near > 0, "neighbours do not hear each other")?;
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// Node 3 hears both sides, which do not hear each other.
pub(crate) fn bridge(seen: &Seen) -> Evidence {
    let (left, middle, right) = (nodes([1, 2]), nodes([3]), nodes([4, 5]));
    let span = seen.late_span();
    ensure(
        seen.passed(&left, &right, span.clone()) == 0,
        "the sides hear each other",
    )?;
    for side in [left, right] {
        ensure(
            seen.passed(&middle, &side, span.clone()) > 0,
            format!("{side:?} is cut off"),
        )?;
    }
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// The pairs that were cut hear nothing of each other, and some others do.
pub(crate) fn pairs(seen: &Seen) -> Evidence {
    for (one, other) in crate::CUT_PAIRS {
        let passed = seen.passed(&[one], &[other], seen.late_span());
        ensure(passed == 0, format!("{one} and {other} hear each other"))?;
    }
    let all = nodes([1, 2, 3, 4, 5]);
    ensure(
        seen.arrived(&all, &all, seen.late_span()) > 0,
        "nobody hears anybody",
    )?;
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// Nothing passes in the odd whiles, something in the even ones.
pub(crate) fn flaky(seen: &Seen) -> Evidence {
    let others = seen.others(&seen.nodes);
    let mut joined = 0;
    for start_ns in
        (seen.from_ns..seen.until_ns).step_by(2 * crate::FLAKY_MS as usize * MS as usize)
    {
        let off = start_ns + GRACE_NS..start_ns + crate::FLAKY_MS * MS;
        ensure(
            seen.passed(&seen.nodes, &others, off.clone()) == 0,
            "frames pass a cut",
        )?;
        joined += seen.passed(
            &seen.nodes,
            &others,
            off.end..off.end + crate::FLAKY_MS * MS,
        );
    }
    ensure(joined > 0, "the links are never joined again")?;
    ensure(seen.run.record.traffic.cut > 0, "no frame was cut")
}

/// Of nine in ten that are lost, the nodes miss more than half.
pub(crate) fn lost(seen: &Seen) -> Evidence {
    let all = nodes([1, 2, 3, 4, 5]);
    let lasts_ns = seen.until_ns - seen.from_ns;
    let before = seen.arrived(&all, &all, seen.from_ns - lasts_ns..seen.from_ns);
    let during = seen.arrived(&all, &all, seen.late_span());
    ensure(
        during > 0 && during * 2 < before,
        format!("{during} arrive, {before} before"),
    )?;
    ensure(seen.run.record.traffic.lost > 100, "few frames were lost")
}

/// No vote arrives, though nodes ask for them: nobody leads until votes pass again.
pub(crate) fn votes_lost(seen: &Seen) -> Evidence {
    let kinds: Vec<&str> = seen
        .messages(seen.late_span())
        .map(|(_, _, kind, _)| kind)
        .collect();
    ensure(!kinds.contains(&"vote"), "a vote arrives")?;
    ensure(
        kinds.contains(&"request-vote"),
        "what asks for votes is lost, too",
    )?;
    let campaigns = seen.facts(seen.span());
    let campaigns = campaigns.filter(|fact| matches!(fact.fact, Fact::Campaigned { .. }));
    ensure(campaigns.count() > 2, "nobody stands for election")?;
    ensure(
        seen.leaders(seen.late_span()).is_empty(),
        "somebody leads without votes",
    )?;
    ensure(
        !seen.leaders(seen.after()).is_empty(),
        "nobody leads afterwards",
    )?;
    ensure(seen.run.record.traffic.lost > 0, "no frame was lost")
}

/// Appends of one leader arrive in another order than that in which it began their rounds.
pub(crate) fn reordered(seen: &Seen) -> Evidence {
    let mut newest = BTreeMap::new();
    let mut overtaken = 0;
    for (taken, from, kind, text) in seen.messages(seen.span()) {
        if let ("append" | "heartbeat", Some(round)) = (kind, number_after(text, "round")) {
            let newest = newest.entry((from, taken.node)).or_insert(round);
            overtaken += usize::from(round < *newest);
            *newest = round.max(*newest);
        }
    }
    ensure(overtaken > 3, format!("{overtaken} appends were overtaken"))?;
    ensure(
        seen.run.record.traffic.reordered > 0,
        "no frame was reordered",
    )
}

/// The first number after a word.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.split_once(word)?;
    let digits = rest.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().ok()
}

/// The same append arrives twice, far more often than a leader repeats itself.
pub(crate) fn duplicated(seen: &Seen) -> Evidence {
    let mut times = BTreeMap::<_, u64>::new();
    for (taken, from, kind, text) in seen.messages(seen.span()) {
        if kind == "append" {
            *times.entry((from, taken.node, text)).or_default() += 1;
        }
    }
    let twice = times.values().filter(|times| **times > 1).count();
    ensure(
        twice * 4 > times.len(),
        format!("{twice} of {} arrive twice", times.len()),
    )?;
    ensure(
        seen.run.record.traffic.duplicated > 0,
        "no frame was duplicated",
    )
}

/// Damage is noticed, costs the connection, and reaches no node.
pub(crate) fn corrupted(seen: &Seen) -> Evidence {
    let traffic = &seen.run.record.traffic;
    ensure(traffic.corrupted > 0, "no frame was damaged")?;
    ensure(traffic.rejected > 0, "no damage was noticed")?;
    ensure(
        traffic.rejected <= traffic.corrupted,
        "a whole frame was rejected",
    )?;
    links_broke(seen)
}

/// Connections break, and frames are lost with them.
pub(crate) fn links_reset(seen: &Seen) -> Evidence {
    ensure(seen.run.record.traffic.reset > 0, "no connection was reset")?;
    links_broke(seen)
}

/// Nodes notice that connections break while it lasts, and none is down.
fn links_broke(seen: &Seen) -> Evidence {
    let broken: usize = NodeId::all(5)
        .map(|node| seen.links_down(node, seen.span()).len())
        .sum();
    ensure(broken > 3, format!("{broken} connections broke"))?;
    let silent = NodeId::all(5).find(|node| seen.took(*node, seen.span()).count() == 0);
    ensure(silent.is_none(), format!("{silent:?} is down"))
}

/// Nothing arrives while it lasts, and all of it right after.
pub(crate) fn clogged(seen: &Seen) -> Evidence {
    let others = seen.others(&seen.nodes);
    ensure(
        seen.passed(&seen.nodes, &others, seen.late_span()) == 0,
        "frames are not held",
    )?;
    let burst = seen.arrived(
        &seen.nodes,
        &others,
        seen.until_ns..seen.until_ns + GRACE_NS,
    );
    let held = seen.run.record.traffic.held;
    ensure(
        burst > 20 && held > 20,
        format!("{held} were held, {burst} arrive after it"),
    )?;
    replaced(seen)
}

/// What needs an answer from a majority takes as long as the way there and back.
pub(crate) fn slow(seen: &Seen) -> Evidence {
    let slow_ns = 2 * crate::SLOW_MS * MS;
    let calm = seen.answered(MS..seen.from_ns);
    ensure(
        calm.iter().any(|(_, took_ns)| *took_ns < slow_ns / 4),
        "it was slow before",
    )?;
    let during = seen.answered(seen.late_span());
    ensure(during.len() > 10, "few operations are answered")?;
    let quickest_ns = during.iter().map(|(_, took_ns)| *took_ns).min();
    ensure(
        quickest_ns >= Some(slow_ns),
        format!("the quickest took {quickest_ns:?} ns"),
    )?;
    ensure(seen.run.record.traffic.slowed > 0, "no frame was slowed")
}
