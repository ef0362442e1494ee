//! What the write-ahead log makes of every way its file can be cut or changed.
//!
//! The expectations are computed here from the layout that the module's documentation states: 20 bytes at the beginning, 21 bytes
//! around each body, a mark behind each synced batch.

mod host_support;

use host_support::MemoryDisk;
use std::path::{Path, PathBuf};
use stormglass_impls::host::wal::{Recovered, Wal, WalError};

const PREAMBLE_LENGTH: usize = 20;
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
    let disk = MemoryDisk::holding(content);
    let (wal, recovered) = now(Wal::open(disk.clone(), Path::new("/log"), "tally"))?;
    Ok((wal, recovered, disk))
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
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
            now(wal.sync()).unwrap();
            durable = end;
            add(&mut end, durable, None);
        }
    }
    let content = disk.content.borrow().clone();
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
            writes: bytes(&BATCHES.concat()),
            torn_bytes: 0
        }
    );
    assert_eq!(
        *disk.content.borrow(),
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
            writes: vec![],
            torn_bytes: 0
        }
    );
    assert_eq!(
        *disk.calls.borrow(),
        ["open", "read", "append", "sync", "sync directory"]
    );
}

#[test]
fn what_was_read_is_synced_before_it_is_used_since_it_may_have_been_in_the_page_cache_only() {
    let (content, _) = log(false);
    let (_, _, disk) = open(&content).unwrap();
    assert_eq!(
        *disk.calls.borrow(),
        ["open", "read", "sync", "sync directory"]
    );
    let (_, _, disk) = open(&content[..content.len() - 1]).unwrap();
    assert_eq!(
        *disk.calls.borrow(),
        ["open", "read", "truncate", "sync", "sync directory"]
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
            now(wal.sync()).unwrap();
            let (_, again, _) = open(&disk.content.borrow()).unwrap();
            let expected = [expected, bytes(&["new"])].concat();
            assert_eq!(
                again,
                Recovered {
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
                    assert_eq!(disk.content.borrow().len(), hit.start, "bit {bit}");
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
        MemoryDisk::holding(&content),
        Path::new("/log"),
        "ledger",
    ));
    assert!(matches!(foreign, Err(WalError::Foreign { .. })));
    let relative = now(Wal::open(MemoryDisk::default(), Path::new("log"), "tally"));
    assert!(matches!(relative, Err(WalError::RelativePath { .. })));
    for call in ["open", "read", "append", "sync", "sync directory"] {
        let disk = MemoryDisk::default();
        *disk.failing.borrow_mut() = Some(call);
        let failed = now(Wal::open(disk, Path::new("/log"), "tally"));
        assert!(matches!(failed, Err(WalError::Io { .. })), "{call}");
    }
}
