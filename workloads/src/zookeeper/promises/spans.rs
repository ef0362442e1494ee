//! For how long a name must be there, and who may have made or removed it.

use super::changes::{Changes, Doubt, Listing, Made, child_of, numbered, shown};
use super::story::Story;
use super::{Breach, changes};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::zookeeper::tree::parted;
use stormglass_impls::zookeeper::words::{Op, ZxidNumber};

/// The earliest number of those creates that may make a node: of their calls, or of the zxids after which they may have happened.
#[derive(Default)]
pub(super) struct Makers<'a> {
    plain: BTreeMap<&'a str, u64>,
    sequential: BTreeMap<&'a str, u64>,
}

impl<'a> Makers<'a> {
    /// By the zxids after which creates of unknown outcome may have happened.
    pub(super) fn in_doubt(doubts: &[Doubt<'a>]) -> Self {
        let mut makers = Self::default();
        for doubt in doubts {
            makers.add(doubt.op, doubt.after);
        }
        makers
    }

    /// By the calls of all creates.
    pub(super) fn by_call(story: &'a Story) -> Self {
        let mut makers = Self::default();
        for deed in &story.deeds {
            for op in deed.op().map_or(&[][..], changes::parts) {
                makers.add(op, deed.call as u64);
            }
        }
        makers
    }

    fn add(&mut self, op: &'a Op, number: u64) {
        let Op::Create { path, mode, .. } = op else {
            return;
        };
        let those = match mode.is_sequential() {
            true => &mut self.sequential,
            false => &mut self.plain,
        };
        let earliest = those.entry(path).or_insert(number);
        *earliest = number.min(*earliest);
    }

    /// Of those that name the node as a whole.
    pub(super) fn plain(&self, path: &str) -> Option<u64> {
        self.plain.get(path).copied()
    }

    /// Of all.
    pub(super) fn any(&self, path: &str) -> Option<u64> {
        let sequential = numbered(path).and_then(|(stem, _)| self.sequential.get(stem));
        let all = self.plain(path).into_iter().chain(sequential.copied());
        all.min()
    }
}

/// The deletes of nodes.
#[derive(Default)]
pub(super) struct Deletes<'a> {
    /// Those that were answered ok, by zxid.
    pub(super) made: BTreeMap<&'a str, Vec<(ZxidNumber, usize)>>,
    /// The zxid after which one of unknown outcome may have happened.
    in_doubt: BTreeMap<&'a str, ZxidNumber>,
}

impl<'a> Deletes<'a> {
    pub(super) fn of(all: &Changes<'a>) -> Self {
        let mut deletes = Self::default();
        for Made { op, zxid, deed, .. } in &all.made {
            if let Op::Delete { path, .. } = op {
                let of_path = deletes.made.entry(path).or_default();
                of_path.push((*zxid, *deed));
            }
        }
        for Doubt { op, after, .. } in &all.doubts {
            if let Op::Delete { path, .. } = op {
                let earliest = deletes.in_doubt.entry(path).or_insert(*after);
                *earliest = (*after).min(*earliest);
            }
        }
        deletes
    }

    /// Whether one of unknown outcome may have removed the node by a zxid.
    pub(super) fn doubted_by(&self, path: &str, zxid: ZxidNumber) -> bool {
        self.in_doubt.get(path).is_some_and(|after| *after < zxid)
    }

    /// Whether anybody may ever have removed the node.
    pub(super) fn any(&self, path: &str) -> bool {
        self.made.contains_key(path) || self.in_doubt.contains_key(path)
    }

    /// The first zxid at which a node may have been removed that is there at `from`.
    pub(super) fn first_from(&self, path: &str, from: ZxidNumber) -> ZxidNumber {
        let made = self.made.get(path).and_then(|made| {
            let at = made.partition_point(|(zxid, _)| *zxid < from);
            made.get(at).map(|(zxid, _)| *zxid)
        });
        let in_doubt = self.in_doubt.get(path).map(|after| from.max(*after) + 1);
        let all = made.into_iter().chain(in_doubt);
        all.min().unwrap_or(ZxidNumber::MAX)
    }
}

/// A name that must be in every listing of its directory from a zxid on, up to another that is no more of it.
pub(super) struct Span<'a> {
    pub(super) path: &'a str,
    pub(super) from: ZxidNumber,
    pub(super) to: ZxidNumber,
    /// What proves it.
    pub(super) deeds: Vec<usize>,
}

/// Finds a listing in which a name is missing.
pub(super) fn missing(listings: &[Listing<'_>], mut spans: Vec<Span<'_>>) -> Result<(), Breach> {
    spans.retain(|span| span.from < span.to);
    let mut steps: BTreeMap<&str, Vec<(ZxidNumber, Step, usize)>> = BTreeMap::new();
    for (at, span) in spans.iter().enumerate() {
        let steps = steps.entry(parted(span.path).0).or_default();
        steps.push((span.from, Step::Begins, at));
        steps.push((span.to, Step::Ends, at));
    }
    for (at, listing) in listings.iter().enumerate() {
        if let Some(steps) = steps.get_mut(listing.path) {
            steps.push((listing.zxid, Step::Listed, at));
        }
    }
    for mut steps in steps.into_values() {
        steps.sort_unstable();
        let mut due = BTreeSet::new();
        for (_, step, at) in steps {
            match step {
                Step::Ends => {
                    due.remove(&at);
                }
                Step::Begins => {
                    due.insert(at);
                }
                Step::Listed => {
                    let listing = &listings[at];
                    let names: BTreeSet<&str> = listing.names.iter().map(String::as_str).collect();
                    let is_missing = |at: &&usize| !names.contains(parted(spans[**at].path).1);
                    if let Some(at) = due.iter().find(is_missing) {
                        return Err(is_missing_in(&spans[*at], listing));
                    }
                }
            }
        }
    }
    Ok(())
}

/// In this order at one zxid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ends,
    Begins,
    Listed,
}

fn is_missing_in(span: &Span<'_>, listing: &Listing<'_>) -> Breach {
    let mut culprits = span.deeds.clone();
    culprits.push(listing.deed);
    let until = match span.to {
        ZxidNumber::MAX => "nobody may have removed it".to_string(),
        to => format!("nothing may have removed it before zxid {}", shown(to)),
    };
    Breach {
        culprits,
        explanation: format!(
            "{} was there at zxid {}, and {until}. The children of {} at zxid {} do not name it.",
            span.path,
            shown(span.from),
            listing.path,
            shown(listing.zxid),
        ),
    }
}

/// Finds a listing of such a directory that names what nobody had asked for.
pub(super) fn unasked(
    story: &Story,
    listings: &[Listing<'_>],
    is_directory: impl Fn(&str) -> bool,
) -> Result<(), Breach> {
    let makers = Makers::by_call(story);
    for listing in listings.iter().filter(|listing| is_directory(listing.path)) {
        let answer = story.deeds[listing.deed].answer as u64;
        for name in listing.names {
            let path = child_of(listing.path, name);
            if makers.any(&path).is_none_or(|call| call > answer) {
                return Err(Breach {
                    culprits: vec![listing.deed],
                    explanation: format!(
                        "The children of {} at zxid {} name {name}, and nobody had asked for that.",
                        listing.path,
                        shown(listing.zxid),
                    ),
                });
            }
        }
    }
    Ok(())
}
