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
        // All processes with greater numbers must be some client's that was another before.
        let explains = |difference: &u64| {
            heirs.iter().all(|heir| follows(heir, *difference))
                && first
                    .range(*difference..)
                    .all(|(process, _)| follows(process, *difference))
        };
        let heir = heirs.first().copied().unwrap_or(0);
        let before = retired.range(..heir).rev();
        let mut differences = before.map(|(before, _)| heir - before);
        let difference = differences.find(explains);
        let is_only = |least: &u64| {
            let mut others = differences.filter(|other| !other.is_multiple_of(*least));
            !others.any(|other| explains(&other))
        };
        let difference = difference.filter(is_only);
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

#[cfg(test)]
mod tests {
    use super::Clients;
    use crate::etcd::dialect::{Asked, Ended};
    use crate::etcd::promises::story::{Deed, Story};
    use stormglass_impls::etcd::words::{Ask, Done, Event, Keys, Watch};

    fn deed(id: usize, process: u64, asked: Asked, ended: Option<(Done, Vec<Event>)>) -> Deed {
        let ended = ended.map(|(done, events)| Ended {
            revision: 1,
            term: 1,
            server: 0,
            result: Ok(done),
            events,
            stored: None,
        });
        Deed {
            id,
            process,
            asked,
            call: 2 * id,
            answer: ended.as_ref().map_or(usize::MAX, |_| 2 * id + 1),
            ended,
            call_ns: 0,
            answer_ns: 0,
        }
    }

    /// So many clients lose each so many operations, one after the other; the first hears of a watch that it began before the last.
    fn losers(clients: u64, losses: u64) -> Story {
        let mut deeds = Vec::new();
        let watch = Watch {
            watch: 7,
            keys: Keys::one("a"),
            start_revision: 0,
            prev_kv: false,
            progress_notify: false,
            fragment: false,
        };
        for process in 0..clients * losses {
            if process == clients * (losses - 1) {
                let done = (Done::Watch { start_revision: 2 }, Vec::new());
                let asked = Asked::ask(Ask::Watch(watch.clone()));
                deeds.push(deed(deeds.len(), process, asked, Some(done)));
            }
            deeds.push(deed(deeds.len(), process, Asked::Rest { ms: 1 }, None));
        }
        let (watch, revision) = (7, 1);
        let told = (Done::Heard, vec![Event::Progress { watch, revision }]);
        let last = clients * losses;
        deeds.push(deed(deeds.len(), last, Asked::Rest { ms: 1 }, Some(told)));
        Story { deeds }
    }

    /// What takes a time that grows with the square would take many minutes here.
    #[test]
    fn a_client_that_loses_much_is_found_all_the_same() {
        let clients = Clients::of(&losers(1, 400_000));
        assert!(clients.are_known());
        assert_eq!(clients.of_process(400_000), 0);
    }
}
