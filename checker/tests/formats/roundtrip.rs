//! What is written in one of the formats is read back as it was; any bytes are read without a panic.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Number, Value};
use stormglass_checker::{Event, FailedCas, History, Input, Kind, Process, ReadOptions, read_from};

/// A history of whole operations, so that the reader finds calls and returns in order.
fn histories() -> impl Strategy<Value = History> {
    let operation = (
        (any::<u64>(), any::<u64>(), any::<u64>()),
        words(),
        proptest::option::of(words()),
        (values(), values()),
        proptest::option::of(any::<u64>()),
        proptest::option::of(words()),
        0..4_usize,
    );
    proptest::collection::vec(operation, 0..6).prop_map(|operations| {
        let mut events = Vec::new();
        for (number, operation) in operations.into_iter().enumerate() {
            let ((index, time, process), f, key, (input, output), version, error, end) = operation;
            // Two processes must not share a number, and the extremes must occur.
            let process = match number {
                0 => u64::MAX,
                1 => i64::MAX as u64 + 1,
                _ => (process / 8) * 8 + number as u64,
            };
            let event = |kind, value, version, error| Event {
                index,
                time,
                process: Process::Client(process),
                kind,
                f: f.clone(),
                key: key.clone(),
                value,
                version,
                error,
            };
            events.push(event(Kind::Invoke, input, None, None));
            match end {
                0 => events.push(event(Kind::Ok, output, version, None)),
                1 => events.push(event(Kind::Fail, output, None, error)),
                2 => events.push(event(Kind::Info, output, None, error)),
                _ => events.push(Event {
                    process: Process::Nemesis,
                    ..event(Kind::Info, output, None, None)
                }),
            }
        }
        History { events }
    })
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("cas".to_owned()),
        Just("mismatch".to_owned()),
        "[a-z-]{1,8}",
        "[:#\\\\\"\n\r\t;,{}()\\[\\] 0-9uNM/.]{0,8}",
        any::<String>(),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Value::from),
        any::<f64>()
            .prop_filter_map("JSON has no infinity", Number::from_f64)
            .prop_map(Value::Number),
        words().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((words(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every writer with the format it writes.
fn written(history: &History) -> [(Input, Vec<u8>); 3] {
    let (mut lines, mut edn, mut elle) = (Vec::new(), Vec::new(), Vec::new());
    history.write_jsonl(&mut lines).unwrap();
    history.write_edn(&mut edn).unwrap();
    history.write_elle_json(&mut elle).unwrap();
    [
        (Input::JsonLines, lines),
        (Input::Edn, edn),
        (Input::ElleJson, elle),
    ]
}

fn options(input: Input) -> ReadOptions {
    ReadOptions {
        input,
        ..ReadOptions::default()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const ALL: [Input; 5] = [
    Input::Auto,
    Input::JsonLines,
    Input::JepsenLog,
    Input::Edn,
    Input::ElleJson,
];

const LOG: &[u8] = b"INFO  jepsen.core - Run starting\n\
    INFO  jepsen.util - :nemesis\t:info\t:start\t\"cut off [\\\"n1\\\"]\"\n\
    INFO  jepsen.util - 3\t:invoke\t:cas\t[3 0]\n\
    INFO  jepsen.util - 3\t:fail\t:cas\t[3 0]\n\
    4\t:invoke\t:read\tnil\n\
    4\t:info\t:read\tnil\t:timed-out\n";

const EDN: &[u8] = b"; a comment\n[#jepsen.history.Op{:index 0, :time 3, :type :invoke, :process 0, :f :txn, \
    :value [[:append 1 2] [:r 1 nil]]}\n #_{:a 1} {:type :ok :process 0 :f :txn :value [[:append 1 2] [:r 1 #{1 2}]]}\n \
    {:type :info, :process :nemesis, :f :start, :value {:n1 \\a, \"n2\" 1/2, 3 #inst \"2020\", nil 12N}}]\n";

/// Damages a file: one piece is taken out, put elsewhere, and some bytes are replaced.
fn bend(bytes: &mut Vec<u8>, cut: (Index, usize), changes: &[(Index, u8)]) {
    if bytes.is_empty() {
        return;
    }
    let from = cut.0.index(bytes.len());
    let piece: Vec<u8> = bytes.drain(from..bytes.len().min(from + cut.1)).collect();
    if let [(at, even), ..] = changes
        && even % 2 == 0
    {
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, piece);
    }
    for (at, byte) in changes
        .iter()
        .filter(|_| !bytes.is_empty())
        .collect::<Vec<_>>()
    {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_is_written_is_read_back(history in histories()) {
        for (input, bytes) in written(&history) {
            let recording = read_from("h", bytes.as_slice(), &options(input));
            let recording = recording.map_err(|error| {
                TestCaseError::fail(format!("{error}\n{}", String::from_utf8_lossy(&bytes)))
            })?;
            prop_assert_eq!(&recording.history, &history, "{}", String::from_utf8_lossy(&bytes));
            prop_assert!(recording.format == input && !recording.gzip);
            let compressed = read_from("h", gzip(&bytes).as_slice(), &options(Input::Auto)).unwrap();
            prop_assert_eq!(&compressed.history, &history);
            let expected = if history.events.is_empty() && input == Input::Edn { Input::JsonLines } else { input };
            prop_assert!(compressed.gzip && compressed.format == expected);
            prop_assert_eq!(compressed.failed_cas, FailedCas::Recorded);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for input in ALL {
            let _ = read_from("h", bytes.as_slice(), &options(input));
        }
    }

    #[test]
    fn any_syntax_is_read_without_a_panic(text in "[\\[\\]{}()#_:;,\"\\\\ \n\ta0u1N/.+^'`~@-]{0,60}") {
        for input in ALL {
            let _ = read_from("h", text.as_bytes(), &options(input));
            let inside = format!("[{{:process 0, :type :invoke, :f :a, :value {text}}}]");
            let _ = read_from("h", inside.as_bytes(), &options(input));
            let _ = read_from("h", format!("0 :ok :read {text}").as_bytes(), &options(input));
        }
    }

    #[test]
    fn damaged_files_are_read_without_a_panic(
        history in histories(),
        cut in (any::<Index>(), 0..40_usize),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        independent in any::<bool>(),
    ) {
        let files = written(&history).into_iter().map(|(_, bytes)| bytes);
        for mut bytes in files.chain([LOG.to_vec(), EDN.to_vec()]) {
            let mut compressed = gzip(&bytes);
            bend(&mut bytes, cut, &changes);
            bend(&mut compressed, cut, &changes);
            for input in ALL {
                let options = ReadOptions { independent, ..options(input) };
                for bytes in [&bytes, &compressed] {
                    if let Err(error) = read_from("h", bytes.as_slice(), &options) {
                        let text = error.to_string();
                        prop_assert!(text.starts_with("h:") && text.contains(". Remedy: "), "{}", text);
                    }
                }
            }
        }
    }
}

/// The samples that are damaged above are good to begin with.
#[test]
fn the_samples_are_good() {
    for (bytes, format) in [(LOG, Input::JepsenLog), (EDN, Input::Edn)] {
        let recording = read_from("h", bytes, &ReadOptions::default()).unwrap();
        assert_eq!(recording.format, format);
        assert_eq!(
            recording.history.events.len(),
            if bytes == LOG { 5 } else { 3 }
        );
    }
}

/// What nests as deep as one format allows can be written in the others, and read back.
#[test]
fn nesting_has_the_same_bound_in_every_format() {
    let edn = |depth: usize, open: &str, close: &str| {
        let value = open.repeat(depth) + "1" + &close.repeat(depth);
        [
            format!("{{:process 0, :type :invoke, :f :a, :value {value}}}"),
            format!("0 :invoke :a {value}"),
        ]
    };
    for (open, close) in [
        ("[", "]"),
        ("{1 ", "}"),
        ("#{", "}"),
        ("#a ", ""),
        ("#_ 0 #a ", ""),
    ] {
        for text in edn(126, open, close) {
            let recording = read_from("h", text.as_bytes(), &ReadOptions::default()).unwrap();
            for (input, bytes) in written(&recording.history) {
                let again = read_from("h", bytes.as_slice(), &options(input)).unwrap();
                assert_eq!(again.history, recording.history);
            }
        }
        for text in edn(127, open, close) {
            read_from("h", text.as_bytes(), &ReadOptions::default()).unwrap_err();
        }
    }
}
