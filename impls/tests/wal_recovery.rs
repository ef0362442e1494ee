//! What the write-ahead log makes of every way its file can be cut or changed.
//!
//! The expectations are computed here from the layout that the module's documentation states: 32 bytes at the beginning, 21 bytes
//! around each body, a mark behind each synced batch.

mod host_support;

use host_support::memory_disk::{MemoryDisk, crashed};
use std::path::{Path, PathBuf};
use stormglass_impls::host::wal::{Compaction, Recovered, Wal, WalError};

const PREAMBLE_LENGTH: usize = 32;
const AROUND_BODY_LENGTH: usize = 21;
const HEADER_LENGTH: usize = 17;

/// The batches of the log under test. All but the last are synced, and the last may be.
const BATCHES: [&[&str]; 4] = [&["a"], &["bb", "", "ccc"], &["dddd"], &["ee", "f"]];

/// A future that never waits, run to its end.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn open(content: &[u8]) -> Result<(Wal<MemoryDisk>, Recovered, MemoryDisk), WalError> {
    let disk = MemoryDisk::holding("/log", content);
    let (wal, recovered) = now(Wal::open(disk.clone(), Path::new("/log"), "tally"))?;
    Ok((wal, recovered, disk))
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn sync(wal: &mut Wal<MemoryDisk>) {
    now(wal.sync()).unwrap();
}

#[derive(Clone, Debug)]
struct Record {
    start: usize,
    end: usize,
    /// Up to where the log was known durable when this was written.
    durable: usize,
    /// Nothing for a mark.
    body: Option<Vec<u8>>,
}

/// The bytes of the log, and its records. `last_synced` says whether the last batch is synced, and so has its mark.
fn log(last_synced: bool) -> (Vec<u8>, Vec<Record>) {
    let (mut wal, _, disk) = open(&[]).unwrap();
    let (mut records, mut end, mut durable) = (Vec::new(), PREAMBLE_LENGTH, PREAMBLE_LENGTH);
    let mut add = |end: &mut usize, durable, body: Option<Vec<u8>>| {
        let start = *end;
        *end += AROUND_BODY_LENGTH + body.as_ref().map_or(0, Vec::len);
        records.push(Record {
            start,
            end: *end,
            durable,
            body,
        });
    };
    for (position, batch) in BATCHES.iter().enumerate() {
        now(wal.append(&bytes(batch))).unwrap();
        for body in bytes(batch) {
            add(&mut end, durable, Some(body));
        }
        if last_synced || position + 1 < BATCHES.len() {
            sync(&mut wal);
            durable = end;
            add(&mut end, durable, None);
        }
    }
    let content = disk.content("/log");
    assert_eq!(content.len(), end, "the layout is as documented");
    (content, records)
}

fn writes_before(records: &[Record], offset: usize) -> Vec<Vec<u8>> {
    records
        .iter()
        .filter(|record| record.end <= offset)
        .filter_map(|record| record.body.clone())
        .collect()
}

#[test]
fn what_was_appended_and_synced_is_recovered_in_order() {
    let (content, _) = log(true);
    let (_, recovered, disk) = open(&content).unwrap();
    assert_eq!(
        recovered,
        Recovered {
            checkpoint: None,
            writes: bytes(&BATCHES.concat()),
            torn_bytes: 0
        }
    );
    assert_eq!(
        disk.content("/log"),
        content,
        "an intact log is left as it is"
    );
}

#[test]
fn a_new_log_and_its_directory_are_synced_before_it_is_used() {
    let (_, recovered, disk) = open(&[]).unwrap();
    assert_eq!(
        recovered,
        Recovered {
            checkpoint: None,
            writes: vec![],
            torn_bytes: 0
        }
    );
    assert_eq!(
        *disk.calls.borrow(),
        ["open", "read", "append", "sync", "remove", "sync directory"]
    );
}

#[test]
fn what_was_read_is_synced_before_it_is_used_since_it_may_have_been_in_the_page_cache_only() {
    let (content, _) = log(false);
    let (_, _, disk) = open(&content).unwrap();
    assert_eq!(
        *disk.calls.borrow(),
        ["open", "read", "sync", "remove", "sync directory"]
    );
    let (_, _, disk) = open(&content[..content.len() - 1]).unwrap();
    assert_eq!(
        *disk.calls.borrow(),
        [
            "open",
            "read",
            "truncate",
            "sync",
            "remove",
            "sync directory"
        ]
    );
}

#[test]
fn a_log_cut_anywhere_keeps_the_writes_that_are_whole_and_goes_on_from_there() {
    for last_synced in [true, false] {
        let (content, records) = log(last_synced);
        for cut in 0..=content.len() {
            let (mut wal, recovered, disk) = open(&content[..cut]).unwrap();
            let expected = writes_before(&records, cut);
            let intact_end = records
                .iter()
                .map(|record| record.end)
                .filter(|end| *end <= cut)
                .max();
            let intact_end = intact_end.unwrap_or(if cut < PREAMBLE_LENGTH {
                0
            } else {
                PREAMBLE_LENGTH
            });
            assert_eq!(recovered.writes, expected, "cut at {cut}");
            assert_eq!(
                recovered.torn_bytes,
                (cut - intact_end) as u64,
                "cut at {cut}"
            );

            now(wal.append(&bytes(&["new"]))).unwrap();
            sync(&mut wal);
            let (_, again, _) = open(&disk.content("/log")).unwrap();
            let expected = [expected, bytes(&["new"])].concat();
            assert_eq!(
                again,
                Recovered {
                    checkpoint: None,
                    writes: expected,
                    torn_bytes: 0
                },
                "cut at {cut}, then written"
            );
        }
    }
}

#[test]
fn every_flipped_bit_refuses_below_the_mark_of_durability_and_is_a_torn_tail_above_it() {
    let mut outcomes = [0, 0];
    for last_synced in [true, false] {
        let (content, records) = log(last_synced);
        for bit in 0..content.len() * 8 {
            let byte = bit / 8;
            let mut flipped = content.clone();
            flipped[byte] ^= 1 << (bit % 8);
            let opened = open(&flipped);
            let Some(hit) = records
                .iter()
                .find(|record| (record.start..record.end).contains(&byte))
            else {
                assert!(
                    matches!(opened, Err(WalError::Damaged { offset: 0, .. })),
                    "bit {bit} of the preamble"
                );
                continue;
            };
            // A record speaks for what was durable as long as its header is intact, whatever became of its body.
            let speaks =
                |record: &&Record| record.start != hit.start || byte >= hit.start + HEADER_LENGTH;
            let mark = records
                .iter()
                .filter(speaks)
                .map(|record| record.durable)
                .max()
                .unwrap();
            match opened {
                Err(WalError::Damaged {
                    path,
                    offset,
                    durable,
                }) => {
                    outcomes[0] += 1;
                    assert!(
                        hit.start < mark,
                        "bit {bit} is above the mark of durability {mark}"
                    );
                    assert_eq!(
                        (path, offset, durable),
                        (PathBuf::from("/log"), hit.start as u64, mark as u64)
                    );
                }
                Err(error) => panic!("bit {bit}: {error}"),
                Ok((_, recovered, disk)) => {
                    outcomes[1] += 1;
                    assert!(
                        hit.start >= mark,
                        "bit {bit} is below the mark of durability {mark}"
                    );
                    assert_eq!(
                        recovered.writes,
                        writes_before(&records, hit.start),
                        "bit {bit}"
                    );
                    assert_eq!(disk.content("/log").len(), hit.start, "bit {bit}");
                }
            }
        }
    }
    assert!(
        outcomes.iter().all(|count| *count > 100),
        "both outcomes occur: {outcomes:?}"
    );
}

#[test]
fn a_flip_in_the_last_synced_batch_refuses_with_its_mark_and_is_a_loss_without() {
    let (content, records) = log(true);
    let [.., record, _, mark] = &records[..] else {
        panic!()
    };
    let mut flipped = content.clone();
    flipped[record.start + HEADER_LENGTH] ^= 1;
    assert!(matches!(open(&flipped), Err(WalError::Damaged { .. })));
    flipped.truncate(mark.start);
    let (_, recovered, _) = open(&flipped).unwrap();
    assert_eq!(
        recovered.writes,
        writes_before(&records, record.start),
        "lost, and no one can tell"
    );
}

#[test]
fn two_damaged_bytes_never_lose_silently_what_a_remaining_header_calls_durable() {
    let (content, records) = log(true);
    let all = writes_before(&records, content.len());
    for first in PREAMBLE_LENGTH..content.len() {
        for second in first + 1..content.len() {
            let mut damaged = content.clone();
            damaged[first] ^= 0x10;
            damaged[second] ^= 0x01;
            let Ok((_, recovered, _)) = open(&damaged) else {
                continue;
            };
            let speaks = |record: &&Record| {
                let header = record.start..record.start + HEADER_LENGTH;
                !header.contains(&first) && !header.contains(&second)
            };
            let mark = records
                .iter()
                .filter(speaks)
                .map(|record| record.durable)
                .max()
                .unwrap();
            assert!(
                all.starts_with(&recovered.writes),
                "bytes {first} and {second}"
            );
            let durable_count = writes_before(&records, mark).len();
            assert!(
                recovered.writes.len() >= durable_count,
                "bytes {first} and {second}"
            );
        }
    }
}

#[test]
fn another_systems_log_a_relative_path_and_a_failing_disk_are_told_apart() {
    let (content, _) = log(true);
    let foreign = now(Wal::open(
        MemoryDisk::holding("/log", &content),
        Path::new("/log"),
        "ledger",
    ));
    assert!(matches!(foreign, Err(WalError::Foreign { .. })));
    let relative = now(Wal::open(MemoryDisk::default(), Path::new("log"), "tally"));
    assert!(matches!(relative, Err(WalError::RelativePath { .. })));
    for call in ["open", "read", "append", "sync", "remove", "sync directory"] {
        let disk = MemoryDisk::default();
        *disk.failing.borrow_mut() = Some(call);
        let failed = now(Wal::open(disk, Path::new("/log"), "tally"));
        assert!(matches!(failed, Err(WalError::Io { .. })), "{call}");
    }
}

/// A log whose first two batches were folded into a checkpoint, and two more batches behind it: its bytes, and its disk.
fn compacted() -> (Vec<u8>, MemoryDisk) {
    let (mut wal, _, disk) = open(&[]).unwrap();
    for (position, batch) in BATCHES.iter().enumerate() {
        now(wal.append(&bytes(batch))).unwrap();
        sync(&mut wal);
        if position == 1 {
            let draft = now(wal.draft(b"abbccc")).unwrap();
            now(wal.adopt(draft)).unwrap();
        }
    }
    (disk.content("/log"), disk)
}

/// What the writes of a log fold to, for those who fold by joining them.
fn folded(recovered: &Recovered) -> String {
    let writes = recovered.checkpoint.iter().chain(&recovered.writes);
    String::from_utf8(writes.flatten().copied().collect()).unwrap()
}

#[test]
fn a_log_written_anew_begins_with_a_checkpoint_and_goes_on_behind_it() {
    let (content, disk) = compacted();
    assert_eq!(disk.names(), [PathBuf::from("/log")]);
    let checkpoint_end = PREAMBLE_LENGTH + AROUND_BODY_LENGTH + "abbccc".len();
    let behind = 3 * AROUND_BODY_LENGTH + "ddddeef".len() + 2 * AROUND_BODY_LENGTH;
    assert_eq!(content.len(), checkpoint_end + behind);
    let (mut wal, recovered, disk) = open(&content).unwrap();
    assert_eq!(recovered.checkpoint.as_deref(), Some(&b"abbccc"[..]));
    assert_eq!(recovered.writes, bytes(&["dddd", "ee", "f"]));
    // And anew from there.
    let draft = now(wal.draft(b"abbcccddddeef")).unwrap();
    now(wal.adopt(draft)).unwrap();
    now(wal.append(&bytes(&["g"]))).unwrap();
    sync(&mut wal);
    let (_, recovered, _) = open(&disk.content("/log")).unwrap();
    assert_eq!(folded(&recovered), "abbcccddddeefg");
    assert_eq!(recovered.writes, bytes(&["g"]));
}

#[test]
fn a_crash_at_any_moment_leaves_the_old_log_or_the_new_one_whole() {
    let disk = MemoryDisk::default();
    // What was synced when so many changes had been made to the disk.
    let mut synced = vec![(0, String::new())];
    let (mut wal, _) = now(Wal::open(disk.clone(), Path::new("/log"), "tally")).unwrap();
    let mut all = String::new();
    for round in 0..3 {
        for batch in BATCHES {
            all.extend(batch.iter().copied());
            if batch.len() == 1 {
                now(wal.append(&bytes(batch))).unwrap();
                sync(&mut wal);
            } else {
                now(wal.append_synced(&bytes(batch))).unwrap();
            }
            // The last change is the mark behind the sync.
            synced.push((disk.changes().len() - 1, all.clone()));
        }
        let draft = now(wal.draft(all.as_bytes())).unwrap();
        if round < 2 {
            now(wal.adopt(draft)).unwrap();
        }
    }
    let changes = disk.changes();
    let (mut old, mut new) = (0, 0);
    for made in 0..=changes.len() {
        let durable = synced.iter().rev().find(|(at, _)| *at <= made).unwrap();
        for disk in crashed(&changes[..made]) {
            let (mut wal, recovered) =
                now(Wal::open(disk.clone(), Path::new("/log"), "tally")).unwrap();
            let found = folded(&recovered);
            assert!(
                found.starts_with(&durable.1),
                "{found} after {made} changes"
            );
            assert!(all.starts_with(&found), "{found} after {made} changes");
            assert_eq!(disk.names(), [PathBuf::from("/log")], "no draft is left");
            *if recovered.checkpoint.is_some() {
                &mut new
            } else {
                &mut old
            } += 1;
            // The log goes on from what was found, and can be written anew.
            let draft = now(wal.draft(found.as_bytes())).unwrap();
            now(wal.adopt(draft)).unwrap();
            now(wal.append(&bytes(&["!"]))).unwrap();
            sync(&mut wal);
            let (_, recovered, _) = open(&disk.content("/log")).unwrap();
            assert_eq!(folded(&recovered), format!("{found}!"));
        }
    }
    assert!(old > 100 && new > 100, "{old} old, {new} new");
}

#[test]
fn whatever_damages_a_checkpoint_is_no_tear() {
    let (content, _) = compacted();
    let checkpoint_end = PREAMBLE_LENGTH + AROUND_BODY_LENGTH + "abbccc".len();
    for bit in 0..checkpoint_end * 8 {
        // With all that follows, and without: as if a crash had taken it.
        for end in [content.len(), checkpoint_end] {
            let mut flipped = content[..end].to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = open(&flipped);
            assert!(
                matches!(opened, Err(WalError::Damaged { .. })),
                "bit {bit} of {end} bytes"
            );
        }
    }
    for cut in PREAMBLE_LENGTH..checkpoint_end {
        let opened = open(&content[..cut]);
        assert!(
            matches!(opened, Err(WalError::Damaged { .. })),
            "cut at {cut}"
        );
    }
    for cut in checkpoint_end..content.len() {
        let (_, recovered, _) = open(&content[..cut]).unwrap();
        assert!("abbcccddddeef".starts_with(&folded(&recovered)));
        assert!(recovered.checkpoint.is_some(), "cut at {cut}");
    }
}

#[test]
fn a_log_is_written_anew_when_it_has_outgrown_its_beginning() {
    let (mut wal, _, _) = open(&[]).unwrap();
    let compaction = Compaction {
        file_bytes_min: 200,
        growth_min: 4,
    };
    let mut anew_at = Vec::new();
    let mut all = Vec::new();
    for write in 0..400 {
        let body = vec![b'x'; 10];
        now(wal.append(std::slice::from_ref(&body))).unwrap();
        all.extend(body);
        sync(&mut wal);
        if wal.has_outgrown(compaction) {
            let draft = now(wal.draft(&all)).unwrap();
            now(wal.adopt(draft)).unwrap();
            anew_at.push(write);
        }
    }
    // Two records around ten bytes make 52 of each write, and ten of them stay.
    assert_eq!(anew_at, [3, 9, 18, 33, 56, 92, 149, 239, 381]);
}

#[test]
fn a_disk_that_fails_while_a_log_is_written_anew_says_so() {
    for call in ["open", "append", "sync", "rename", "sync directory"] {
        let (mut wal, _, disk) = open(&[]).unwrap();
        now(wal.append(&bytes(&["a"]))).unwrap();
        sync(&mut wal);
        *disk.failing.borrow_mut() = Some(call);
        let failed = match now(wal.draft(b"a")) {
            Ok(draft) => now(wal.adopt(draft)),
            Err(error) => Err(error),
        };
        assert!(matches!(failed, Err(WalError::Io { .. })), "{call}");
        *disk.failing.borrow_mut() = None;
        let (_, recovered) = now(Wal::open(disk, Path::new("/log"), "tally")).unwrap();
        assert_eq!(folded(&recovered), "a", "{call}");
    }
}
