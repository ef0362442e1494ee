//! Which processes are one client.

use crate::etcd::promises::story::Story;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_impls::etcd::words::{Ask, WatchId};

/// A client goes on as another process after an operation of unknown outcome: one whose number is greater by the same difference each time.
///
/// What a process hears of a watch that it never asked for was asked for by the process that its client was before. The difference explains all such
/// processes, and that all with greater numbers came after one that gave up. So do its multiples, so that the least is looked for; if others are left it is
/// not known.
pub(super) struct Clients {
    are_known: bool,
    /// The client of each process, by the number of its first.
    first: BTreeMap<u64, u64>,
}

impl Clients {
    pub(super) fn of(story: &Story) -> Self {
        // When each process gave up: the call of the operation of which it never heard.
        let mut retired: BTreeMap<u64, usize> = BTreeMap::new();
        let mut first: BTreeMap<u64, usize> = BTreeMap::new();
        let mut asked: BTreeSet<(u64, WatchId)> = BTreeSet::new();
        let mut heirs: BTreeSet<u64> = BTreeSet::new();
        for deed in &story.deeds {
            let process = deed.process;
            first.entry(process).or_insert(deed.call);
            if deed.ended.is_none() {
                retired.insert(process, deed.call);
            }
            let mut told = deed.events().iter().map(|event| event.watch());
            if told.any(|watch| !asked.contains(&(process, watch))) {
                heirs.insert(process);
            }
            if let Some(Ask::Watch(watch)) = deed.request().map(|request| &request.ask) {
                asked.insert((process, watch.watch));
            }
        }
        let follows = |process: &u64, difference: u64| {
            let before = process.checked_sub(difference);
            let gave_up = before.and_then(|before| retired.get(&before));
            gave_up.is_some_and(|at| *at < first[process])
        };
        let mut differences = BTreeSet::new();
        if let Some(heir) = heirs.first() {
            let before = retired.keys().take_while(|process| *process < heir);
            differences.extend(before.map(|before| heir - before));
        }
        // All processes with greater numbers must be some client's that was another before.
        differences.retain(|difference| {
            heirs.iter().all(|heir| follows(heir, *difference))
                && first
                    .range(*difference..)
                    .all(|(process, _)| follows(process, *difference))
        });
        let least = differences.first().copied();
        let is_only = |least: &u64| {
            let mut others = differences.iter();
            others.all(|difference| difference.is_multiple_of(*least))
        };
        let difference = least.filter(is_only);
        let mut clients = BTreeMap::new();
        for process in first.keys() {
            let before = difference.and_then(|difference| process.checked_sub(difference));
            let before = before.filter(|before| retired.contains_key(before));
            let client = before.and_then(|before| clients.get(&before).copied());
            clients.insert(*process, client.unwrap_or(*process));
        }
        Self {
            are_known: difference.is_some() || retired.is_empty(),
            first: clients,
        }
    }

    /// The client, by the number of its first process.
    pub(super) fn of_process(&self, process: u64) -> u64 {
        self.first.get(&process).copied().unwrap_or(process)
    }

    /// Whether it is known which process goes on as which.
    pub(super) fn are_known(&self) -> bool {
        self.are_known
    }
}
