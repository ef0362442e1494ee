//! One history in every format, and what is particular to each.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use stormglass_checker::{
    FailedCas, History, Input, Kind, Limits, Outcome, Process, ReadOptions, Recording, Register,
    Verdict, check, read, read_from, read_with,
};

const JSON_LINES: &str = r#"
{"index":0,"time":5,"process":0,"type":"invoke","f":"cas","value":[1,2]}
{"index":1,"time":6,"process":0,"type":"fail","f":"cas","value":[1,2]}
{"index":2,"time":7,"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"index":3,"time":8,"process":1,"type":"invoke","f":"read","value":null}
{"index":4,"time":9,"process":1,"type":"ok","f":"read","value":null}
"#;

/// The same history, in each format that is told from its content.
fn same_history() -> Vec<(&'static str, Input, String)> {
    let series = r#"
{:index 0, :time 5, :type :invoke, :process 0, :f :cas, :value [1 2]} ; a comment
{:type :fail, :process 0, :f :cas, :value [1 2], :index 1, :time 6, :node "n1", :exception #object[java.X "y"]}
{:type :info, :process :nemesis, :f :kill, :value "n1", :index 2, :time 7}
{:index 3, :type :invoke, :f :read, :value nil, :time 8, :process 1,}
{:index 4, :type :ok, :f :read, :time 9, :process 1}
"#;
    let records = series.replace("{:", "#jepsen.history.Op{:");
    let array = JSON_LINES.trim().replace('\n', ",\n ");
    let marked = [
        ("invoke", ":invoke"),
        ("fail", ":fail"),
        ("\"ok", "\":ok"),
        ("info", ":info"),
        ("cas", ":cas"),
    ];
    let marked = marked
        .iter()
        .fold(JSON_LINES.to_owned(), |text, (word, keyword)| {
            text.replace(word, keyword)
        });
    let log = |start: &str, space: &str| {
        [
            ["0", ":invoke", ":cas", "[1 2]"],
            ["0", ":fail", ":cas", "[1 2]"],
            [":nemesis", ":info", ":kill", "\"n1\""],
            ["1", ":invoke", ":read", "nil"],
            ["1", ":ok", ":read", "nil"],
        ]
        .map(|words| format!("{start}{}\n", words.join(space)))
        .concat()
    };
    vec![
        ("JSON lines", Input::JsonLines, JSON_LINES.to_owned()),
        (
            "JSON lines with a byte order mark",
            Input::JsonLines,
            format!("\u{feff}{}", JSON_LINES.trim_start()),
        ),
        ("a JSON array", Input::ElleJson, format!("[{array}]")),
        (
            "a JSON array over many lines",
            Input::ElleJson,
            format!("\n[\n{}\n]\n", array.replace(',', "\n,\n")),
        ),
        ("JSON with colons", Input::ElleJson, marked),
        ("EDN maps", Input::Edn, series.to_owned()),
        ("EDN records", Input::Edn, records.clone()),
        ("an EDN vector", Input::Edn, format!("[{series}]")),
        (
            "an EDN list of records",
            Input::Edn,
            format!("; first\n ({records})\n; last"),
        ),
        (
            "EDN with forms that are discarded",
            Input::Edn,
            format!("#_{{:a 1}}\n{series} #_ #_ 1 [2]"),
        ),
        (
            "Jepsen's old log",
            Input::JepsenLog,
            format!(
                "INFO jepsen.core - hello\n{}",
                log("INFO  jepsen.util - ", "\t")
            ),
        ),
        (
            "Jepsen's log by worker",
            Input::JepsenLog,
            log(
                "INFO [2016-01-01 10:00:00,123] jepsen worker 3 - jepsen.util ",
                "\t",
            ),
        ),
        (
            "Jepsen's new log",
            Input::JepsenLog,
            log(
                "2024-01-01 10:00:00,123{GMT}\tINFO\t[jepsen worker 3] jepsen.util: ",
                "\t",
            ),
        ),
        (
            "a log with spaces",
            Input::JepsenLog,
            log("INFO jepsen.util - ", "  "),
        ),
        ("history.txt", Input::JepsenLog, log("", "\t")),
    ]
}

fn parse(text: &str) -> Recording {
    read_from("h", text.as_bytes(), &ReadOptions::default()).unwrap()
}

/// What every format has: an event without number, time and error.
fn essence(history: &History) -> Vec<(Process, Kind, &str, &Value)> {
    let events = history.events.iter();
    events
        .map(|event| (event.process, event.kind, event.f.as_str(), &event.value))
        .collect()
}

#[test]
fn the_same_history_in_every_format() {
    let first = parse(JSON_LINES);
    assert_eq!(first.history.events.len(), 5);
    for (what, format, text) in same_history() {
        let recording = parse(&text);
        assert_eq!(recording.format, format, "{what}");
        assert_eq!(
            essence(&recording.history),
            essence(&first.history),
            "{what}"
        );
        let stated = ReadOptions {
            input: format,
            ..ReadOptions::default()
        };
        assert_eq!(
            read_from("h", text.as_bytes(), &stated).unwrap(),
            recording,
            "{what}"
        );
        if format == Input::JepsenLog {
            assert_eq!(recording.failed_cas, FailedCas::Mismatch);
        } else {
            assert_eq!(recording.history, first.history, "{what}");
            assert_eq!(recording.failed_cas, FailedCas::Recorded);
        }
    }
}

/// The refused comparison contradicts the state only where it is an observation: nothing was written, the value is nil,
/// and `[nil 2]` would have had to succeed.
#[test]
fn what_a_failed_cas_says() {
    for (what, format, text) in same_history() {
        let text = text
            .replace("[1 2]", "[nil 2]")
            .replace("[1,2]", "[null,2]");
        let text = if what.contains("many lines") {
            text.replace("[1\n,\n2]", "[null,2]")
        } else {
            text
        };
        for (failed_cas, observed) in [
            (FailedCas::Auto, format == Input::JepsenLog),
            (FailedCas::Mismatch, true),
            (FailedCas::Recorded, false),
            (FailedCas::Ignore, false),
        ] {
            let options = ReadOptions {
                failed_cas,
                ..ReadOptions::default()
            };
            let recording = read_from("h", text.as_bytes(), &options).unwrap();
            let operations = recording.history.operations().unwrap();
            assert_eq!(operations.len(), 1 + usize::from(observed), "{what}");
            assert_eq!(
                operations[0].outcome == Outcome::Mismatch,
                observed,
                "{what}"
            );
            let verdict = check(&Register::default(), &recording.history, &Limits::default())
                .unwrap()
                .verdict;
            assert_eq!(matches!(verdict, Verdict::Invalid(_)), observed, "{what}");
            assert_ne!(recording.failed_cas, FailedCas::Auto);
        }
    }
    // A recorded mismatch counts in every format, unless it is to be ignored; another error never does.
    let refused = "{:process 0 :type :invoke :f :cas :value [1 2]}{:process 0 :type :fail :f :cas :value [1 2] :error :mismatch}";
    for (text, failed_cas, observed) in [
        (refused.to_owned(), FailedCas::Auto, true),
        (refused.to_owned(), FailedCas::Ignore, false),
        (
            refused.replace(":mismatch", ":timeout"),
            FailedCas::Mismatch,
            false,
        ),
        (refused.replace(":cas", ":write"), FailedCas::Auto, true),
        (
            refused
                .replace(":cas", ":write")
                .replace(":error :mismatch", ""),
            FailedCas::Mismatch,
            false,
        ),
        (
            "1 :invoke :cas [1 2]\n1 :fail :cas [1 2] :timed-out".to_owned(),
            FailedCas::Auto,
            false,
        ),
        (
            "1 :invoke :cas [1 2]\n1 :fail :cas :timed-out".to_owned(),
            FailedCas::Auto,
            false,
        ),
        (
            "1 :invoke :cas [1 2]\n1 :fail :cas [1 2]".to_owned(),
            FailedCas::Ignore,
            false,
        ),
    ] {
        let options = ReadOptions {
            failed_cas,
            ..ReadOptions::default()
        };
        let operations = read_from("h", text.as_bytes(), &options)
            .unwrap()
            .history
            .operations()
            .unwrap();
        assert_eq!(operations.len(), usize::from(observed), "{text}");
    }
}

#[test]
fn edn_values_as_json() {
    for (edn, expected) in [
        ("nil", json!(null)),
        ("[true false]", json!([true, false])),
        ("(1 -2 +3 0)", json!([1, -2, 3, 0])),
        ("[1.5 -1e3 2.0E-2]", json!([1.5, -1000.0, 0.02])),
        (
            "[:read :a/b read + \\a \\newline \\u0041 \\{ \\backspace]",
            json!(["read", "a/b", "read", "+", "a", "\n", "A", "{", "\u{8}"]),
        ),
        ("#{3 1 2}", json!([1, 2, 3])),
        (
            "{:a 1, \"b\" {2 3}, nil 4, [1 2] 5, true 6}",
            json!({"a": 1, "b": {"2": 3}, "null": 4, "[1,2]": 5, "true": 6}),
        ),
        (
            "[5N 18446744073709551615 9223372036854775808N]",
            json!([5, u64::MAX, 1_u64 << 63]),
        ),
        (
            "[-9223372036854775808 123456789012345678901234567890 -99999999999999999999N]",
            json!([
                i64::MIN,
                "123456789012345678901234567890",
                "-99999999999999999999"
            ]),
        ),
        (
            "[2/3 -1/2 1.50M 3M 1e9M 0.1234567890123456789M]",
            json!(["2/3", "-1/2", 1.5, 3, "1e9", "0.1234567890123456789"]),
        ),
        (
            "[#inst \"2020-01-01\" #uuid \"f\" #x.Y{:a 1} #z [1]]",
            json!(["2020-01-01", "f", {"#x.Y": {"a": 1}}, {"#z": [1]}]),
        ),
        (
            "\"\\t\\n\\r\\\\\\\" \\b\\f\\u00e9\\ud83d\\ude00\\u0022 ;[\"",
            json!("\t\n\r\\\" \u{8}\u{c}é😀\" ;["),
        ),
        ("[1 #_ 2 #_[3 #{4 4}] 5 ; 6\n 7,8]", json!([1, 5, 7, 8])),
        (
            "[[:append 255 8] [:r 253 [1 3 4]]]",
            json!([["append", 255, 8], ["r", 253, [1, 3, 4]]]),
        ),
    ] {
        let text = format!("{{:process 0, :type :invoke, :f :x, :value {edn}}}");
        let recording = parse(&text);
        assert_eq!(recording.history.events[0].value, expected, "{edn}");
        // A log line is read by the same rules, as far as it is one line.
        if !edn.contains('\n') && !edn.starts_with(':') {
            let log = parse(&format!("0 :invoke :x {edn}"));
            assert_eq!(log.history.events[0].value, expected, "{edn}");
        }
    }
}

#[test]
fn keys_of_jepsen_operations() {
    let recording = parse(
        "{:process 9, :type :invoke, :f :append, :key \"0\", :value \"x 9 0 y\"}\n\
         {:process 9, :type :info, :f :append, :key 0, :error [:timeout \"n1\"], :index -1, :time -1}\n\
         {:process 10, :type :invoke, :value [[:append 1 2]], :key :k}",
    );
    let [call, info, txn] = recording.history.events.as_slice() else {
        panic!("three events")
    };
    assert_eq!(
        (call.key.as_deref(), call.f.as_str()),
        (Some("0"), "append")
    );
    assert_eq!(
        (info.key.as_deref(), info.index, info.time),
        (Some("0"), 1, 0)
    );
    assert_eq!(info.error.as_deref(), Some("[\"timeout\",\"n1\"]"));
    assert_eq!((txn.f.as_str(), txn.key.as_deref()), ("txn", Some("k")));

    // Operations as elle-cli's own test data has them: no `f`, words with and without colon.
    let recording = parse(
        "[{\"index\":0,\"process\":0,\"type\":\"invoke\",\"value\":[[\"append\",1,1],[\":r\",2,null]]},\n \
         {\"index\":1,\"process\":0,\"type\":\":ok\",\"value\":[[\"append\",1,1],[\":r\",2,[3]]]}]\n",
    );
    assert_eq!(recording.format, Input::ElleJson);
    let event = &recording.history.events[1];
    assert_eq!(
        (event.f.as_str(), &event.value),
        ("txn", &json!([["append", 1, 1], ["r", 2, [3]]]))
    );
    let lines = parse("{\"process\":0,\"type\":\"invoke\",\"value\":[[\"append\",1,1]]}\n");
    assert_eq!(
        (lines.format, lines.history.events[0].f.as_str()),
        (Input::ElleJson, "txn")
    );
}

#[test]
fn independent_keys() {
    let text = "{:process 0 :type :invoke :f :read :value [7 nil]}\n{:process 1 :type :invoke :f :write :value [:k [1 2]]}\n\
                {:process 0 :type :ok :f :read :value [7 3]}\n{:process 1 :type :info :f :write :value nil}\n\
                {:process :nemesis :type :info :f :start :value [1 2]}";
    let options = ReadOptions {
        independent: true,
        ..ReadOptions::default()
    };
    let recording = read_from("h", text.as_bytes(), &options).unwrap();
    assert!(recording.independent && !parse(text).independent);
    let found: Vec<_> = recording
        .history
        .events
        .iter()
        .map(|event| (event.key.as_deref(), &event.value))
        .collect();
    assert_eq!(
        found,
        [
            (Some("7"), &json!(null)),
            (Some("k"), &json!([1, 2])),
            (Some("7"), &json!(3)),
            (None, &json!(null)),
            (None, &json!([1, 2])),
        ]
    );
}

#[test]
fn directories_and_compressed_files() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("latest");
    fs::create_dir(&run).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(JSON_LINES.as_bytes()).unwrap();
    fs::write(run.join("history.jsonl.gz"), encoder.finish().unwrap()).unwrap();
    for path in [folder.path(), &run, &run.join("history.jsonl.gz")] {
        let recording = read_with(path, &ReadOptions::default()).unwrap();
        assert!(recording.gzip && recording.format == Input::JsonLines);
        assert!(
            recording.file.ends_with("latest/history.jsonl.gz"),
            "{}",
            recording.file
        );
        assert_eq!(recording.history, parse(JSON_LINES).history);
    }
    // EDN is what Jepsen itself reads, and comes first.
    fs::write(run.join("history.edn"), "").unwrap();
    assert_eq!(
        read(folder.path(), Input::Auto).unwrap(),
        History::default()
    );
}

#[test]
fn what_is_written() {
    let history = parse(
        "{:process 3, :type :invoke, :f :txn, :key 1, :value [[:append 1 {:a nil}] [:r 2 1.5] [\"a b\" 1 18446744073709551615]]}\n\
         {:process :nemesis :type :info :f \"cut off\" :value {\"n1\" [\"\\n\"]} :time 7 :version 3 :error :x}",
    )
    .history;
    let (mut edn, mut elle) = (Vec::new(), Vec::new());
    history.write_edn(&mut edn).unwrap();
    history.write_elle_json(&mut elle).unwrap();
    assert_eq!(
        String::from_utf8(edn).unwrap(),
        "{:index 0, :time 0, :process 3, :type :invoke, :f :txn, :key \"1\", :value [[:append 1 {\"a\" nil}] [:r 2 1.5] \
         [\"a b\" 1 18446744073709551615N]]}\n\
         {:index 1, :time 7, :process :nemesis, :type :info, :f \"cut off\", :value {\"n1\" [\"\\n\"]}, :version 3, \
         :error \"x\"}\n"
    );
    assert_eq!(
        String::from_utf8(elle).unwrap(),
        "[{\"index\":0,\"time\":0,\"process\":3,\"type\":\"invoke\",\"f\":\"txn\",\"key\":\"1\",\"value\":[[\"append\",1,\
         {\"a\":null}],[\"r\",2,1.5],[\"a b\",1,18446744073709551615]]},\n\
         {\"index\":1,\"time\":7,\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"cut off\",\"value\":{\"n1\":[\"\\n\"]},\
         \"version\":3,\"error\":\"x\"}]\n"
    );
}

/// Recorded runs of Porcupine's key-value tests and of Jepsen, from the folder that `STORMGLASS_CORPUS` names.
#[test]
fn recorded_files() {
    let Some(corpus) = std::env::var_os("STORMGLASS_CORPUS").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: recorded_files: STORMGLASS_CORPUS does not name a folder of recorded histories"
        );
        return;
    };
    let mut files = 0;
    for (folder, extension, format) in [
        ("kv", "txt", Input::Edn),
        ("jepsen_etcd", "log", Input::JepsenLog),
    ] {
        for entry in fs::read_dir(corpus.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|found| found != extension) {
                continue;
            }
            let recording = read_with(&path, &ReadOptions::default()).unwrap();
            assert_eq!(recording.format, format, "{}", path.display());
            let text = fs::read_to_string(&path).unwrap();
            let operations = text
                .lines()
                .filter(|line| line.contains("\t:") || line.contains(":process"));
            assert_eq!(
                recording.history.events.len(),
                operations.count(),
                "{}",
                path.display()
            );
            if format == Input::Edn {
                assert!(
                    recording
                        .history
                        .events
                        .iter()
                        .all(|event| event.key.is_some())
                );
            }
            let mut edn = Vec::new();
            recording.history.write_edn(&mut edn).unwrap();
            assert_eq!(
                parse(&String::from_utf8(edn).unwrap()).history,
                recording.history
            );
            files += 1;
        }
    }
    assert_eq!(files, 54);
}
