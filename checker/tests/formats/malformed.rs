//! Every way a history can be wrong, with the message its owner reads.

use std::io::{self, BufReader, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use stormglass_checker::history::LINE_BYTES_MAX;
use stormglass_checker::{
    CheckError, History, Input, Limits, Process, ReadOptions, Register, check, read, read_from,
};

/// The message for a history of these lines; the file is called `h`.
fn message(text: &str) -> String {
    History::parse_jsonl("h", text.as_bytes())
        .unwrap_err()
        .to_string()
}

const CALL: &str = r#"{"process":0,"type":"invoke","f":"write","key":"x","value":1}"#;

#[test]
fn a_truncated_line() {
    assert_eq!(
        message(&format!("{CALL}\n{{\"process\":0,\"ty")),
        "h:2: expected a whole JSON object, found a truncated line. Remedy: if the writer was killed, delete this last \
         line; its call then counts as info"
    );
}

#[test]
fn a_line_that_is_no_object() {
    let expected = "h:2: expected a JSON object, found `[1, 2]`. Remedy: write one JSON object a line, or name the input \
                    format";
    assert_eq!(message(&format!("{CALL}\n[1, 2]\n")), expected);
    assert_eq!(message(&format!("{CALL}\n[1, 2]")), expected);
    // With its newline, a line was not cut by a crash.
    assert!(message("{\"process\":0,\n").starts_with("h:1: expected a JSON object, found `{"));
}

#[test]
fn values_of_the_wrong_type() {
    for (line, expected) in [
        (
            r#"{"process":-1,"type":"invoke","f":"read"}"#,
            "h:1: expected `process` to be a whole number from 0 on, or \"nemesis\", found `-1`. Remedy: see the keys of \
             `Event` in the documentation",
        ),
        (
            r#"{"type":"invoke","f":"read"}"#,
            "h:1: expected `process` to be a whole number from 0 on, or \"nemesis\", found nothing",
        ),
        (
            r#"{"process":0,"type":"start","f":"read"}"#,
            "h:1: expected `type` to be one of invoke, ok, fail, info, found `\\\"start\\\"`",
        ),
        (
            r#"{"process":0,"type":"invoke","f":3}"#,
            "h:1: expected `f` to be the name of a function, found `3`",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","time":"now"}"#,
            "h:1: expected `time` to be a whole number from 0 on",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","index":1.5}"#,
            "h:1: expected `index` to be a whole number from 0 on, found `1.5`",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","key":[1]}"#,
            "h:1: expected `key` to be text, found `[1]`",
        ),
    ] {
        assert!(message(line).starts_with(expected), "{}", message(line));
    }
}

#[test]
fn a_return_without_a_call() {
    assert_eq!(
        message(r#"{"process":4,"type":"ok","f":"read","value":1}"#),
        "h:1: expected process 4 to have an open call, found `ok` of `read` without a call. Remedy: record the invoke \
         before the request is sent, and merge files in order of events"
    );
}

#[test]
fn two_open_calls_of_one_process() {
    assert_eq!(
        message(&format!("{CALL}\n\n{CALL}\n")),
        "h:3: expected process 0 to finish the call of line 1, found a second call. Remedy: give every operation in \
         flight its own process, and record its return or an info first"
    );
}

#[test]
fn a_return_that_differs_from_its_call() {
    assert_eq!(
        message(&format!(
            "{CALL}\n{}\n",
            CALL.replace("invoke", "ok").replace("write", "read")
        )),
        "h:2: expected the return to repeat f `write` of its call on line 1, found `read`. Remedy: copy `f` and `key` \
         from the call to its return"
    );
    assert_eq!(
        message(&format!(
            "{CALL}\n{}\n",
            CALL.replace("invoke", "ok").replace("\"x\"", "\"y\"")
        )),
        "h:2: expected the return to repeat key `x` of its call on line 1, found `y`. Remedy: copy `f` and `key` from \
         the call to its return"
    );
}

#[test]
fn a_process_that_goes_on_after_an_info() {
    let text = format!("{CALL}\n{}\n{CALL}\n", CALL.replace("invoke", "info"));
    assert_eq!(
        message(&text),
        "h:3: expected process 0 to be retired by the info of line 2, found another call. Remedy: continue under a new \
         process number after an info: the old operation may still be in flight"
    );
}

#[test]
fn bytes_that_are_not_utf8() {
    let error = History::parse_jsonl("h", &b"{}\n"[..2])
        .unwrap_err()
        .to_string();
    assert!(error.contains("`process`"), "{error}");
    let error = History::parse_jsonl("h", &b"{\"f\":\"\xff\"}\n"[..])
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "h:1: expected UTF-8, found the invalid byte 0xff at column 7. Remedy: write the file as UTF-8; encode binary \
         values as text"
    );
}

#[test]
fn a_line_that_is_absurdly_long() {
    let endless = BufReader::new(io::repeat(b'x').take(1 << 40));
    let error = History::parse_jsonl("h", endless).unwrap_err().to_string();
    assert_eq!(
        error,
        "h:1: expected a line of at most 16777216 bytes, found a longer one. Remedy: store a digest in place of a large \
         value"
    );
    assert_eq!(LINE_BYTES_MAX, 16_777_216);
}

#[test]
fn files_that_cannot_be_read_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read(folder.path().join("none"), Input::Auto)
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("none: cannot be read: ")
            && missing.ends_with("Remedy: check the path and the permissions")
    );

    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "Dear diary\n").unwrap();
    let unknown = read(&path, Input::Auto).unwrap_err().to_string();
    assert!(
        unknown.ends_with(
            "notes.txt:1: expected JSON lines, EDN, a JSON array of operations or a Jepsen text log, found `Dear \
             diary`. Remedy: name the input format, or convert the file to JSON lines"
        ),
        "{unknown}"
    );

    let empty = read(folder.path(), Input::Auto).unwrap_err().to_string();
    assert!(
        empty.contains(": is a directory that holds none of history.edn, history.edn.gz, ")
            && empty.ends_with(
                "itself or under latest. Remedy: name the history file itself, or the directory of one run"
            ),
        "{empty}"
    );

    std::fs::write(&path, format!("{CALL}\n")).unwrap();
    assert_eq!(
        read(&path, Input::Auto).unwrap(),
        read(&path, Input::JsonLines).unwrap()
    );
    let empty = read(&path, Input::JepsenLog).unwrap_err().to_string();
    assert!(
        empty.contains("found no line with `jepsen.util -`"),
        "{empty}"
    );
}

#[test]
fn lines_of_a_jepsen_log() {
    let log = "INFO  jepsen.core - Run starting\n\
               INFO  jepsen.util - :nemesis\t:info\t:start\t\"cut off [\\\"n1\\\"]\"\n\
               INFO  jepsen.util - 3\t:invoke\t:cas\t[3 0]\n\
               INFO  jepsen.util - 3\t:fail\t:cas\t[3 0]\n\
               INFO  jepsen.util - 3\t:invoke\t:read\tnil\n\
               INFO  jepsen.util - 3\t:fail\t:read\t:timed-out\n";
    let history = History::parse_jepsen_log("log", log.as_bytes()).unwrap();
    assert_eq!(history.events[0].process, Process::Nemesis);
    assert_eq!(history.events[2].error.as_deref(), Some("mismatch"));
    assert_eq!(history.events[4].error.as_deref(), Some("timed-out"));
    assert_eq!(history.operations().unwrap().len(), 1);

    for bad in [
        "x\t:invoke\t:read\tnil",
        "1\t:begin\t:read\tnil",
        "1\t:invoke\t:cas\t[1 2",
        "1\t:invoke",
        "1\t:invoke\t:cas\t[[[[[[[[[[[[[[[[[[[[[[",
    ] {
        let error = History::parse_jepsen_log("log", format!("jepsen.util - {bad}\n").as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(
                "log:1: expected a Jepsen operation `PROCESS :type :f VALUE`, found `"
            ),
            "{error}"
        );
    }
}

/// The message for a file of this format.
fn message_of(input: Input, bytes: &[u8]) -> String {
    let options = ReadOptions {
        input,
        ..ReadOptions::default()
    };
    read_from("h", bytes, &options).unwrap_err().to_string()
}

/// One EDN operation with this value.
fn edn(value: &str) -> String {
    format!("{{:process 0, :type :invoke, :f :write, :value {value}}}")
}

#[test]
fn edn_that_is_no_history() {
    let call = edn("1");
    for (text, expected) in [
        (
            format!("{call}\n{{:process 0 :ty"),
            "h:2: expected the form that begins on line 2 to be closed, found the end",
        ),
        (
            format!("[{call}\n{call}"),
            "h:2: expected the form that begins on line 1 to be closed, found the end",
        ),
        (
            format!("[{call}\n)"),
            "h:2: expected `]`, found `)`. Remedy: correct the brackets of this operation",
        ),
        (
            format!("{call}\n]"),
            "h:2: expected an operation, found `]`",
        ),
        (
            format!("[{call}]\n{call}"),
            "h:2: expected a map with the keys of an operation, found more behind the bracket",
        ),
        (
            format!("[{call}\n [:a 1]]"),
            "h:2: expected a map with the keys of an operation, found `[:a 1]`. Remedy: write",
        ),
        (
            format!("[{call}\n 7]"),
            "h:2: expected a map with the keys of an operation, found `7`",
        ),
        (
            "{:process 0\n :type (}".to_owned(),
            "h:2: expected `)`, found `}`",
        ),
        ("[#_]".to_owned(), "h:1: expected an operation, found `]`"),
        (
            edn("\n\n{:a 1, :a 2}"),
            "h:3: expected EDN, found a key that is there twice in `}}`",
        ),
        (
            edn("#{1 1}"),
            "h:1: expected EDN, found a member that is there twice in `}}`",
        ),
        (
            edn("{:a 1, :b}"),
            "h:1: expected EDN, found a map without the value of its last key, or a tag of nothing",
        ),
        (
            edn("{:a 1, \"a\" 2}"),
            "h:1: expected a value that JSON can hold, found two keys that are both `a` in JSON",
        ),
        (
            edn("1e999"),
            "h:1: expected a value that JSON can hold, found the number inf. Remedy: store a number, a text",
        ),
        (
            edn("##Inf"),
            "h:1: expected a value that JSON can hold, found `##Inf`",
        ),
        (
            edn("1x"),
            "h:1: expected EDN, found an invalid number in `1x}`",
        ),
        (
            edn("010"),
            "h:1: expected EDN, found a number with a zero in front in `010`",
        ),
        (edn("\"\\q\""), "h:1: expected EDN, found an unknown escape"),
        (
            edn("\"\\ud800\""),
            "h:1: expected EDN, found an escape that is no character in `\\u`",
        ),
        (
            edn("\0"),
            "h:1: expected EDN, found a control character in `\\u{0}`",
        ),
        (
            format!("[\n{}", "[".repeat(1 << 20)),
            "h:2: expected at most 127 brackets and tags inside each other, found more",
        ),
        (
            edn(&format!("{}1", "#a ".repeat(1 << 20))),
            "h:1: expected at most 127 brackets and tags inside each other, found more",
        ),
        (
            edn(&format!("{}1", "#a #_ 0 ".repeat(1 << 20))),
            "h:1: expected at most 127 brackets and tags inside each other, found more",
        ),
        (
            edn(&format!("{}1", "#_ ".repeat(1 << 20))),
            "h:1: expected at most 127 brackets and tags inside each other, found more",
        ),
        (
            edn("[#a]"),
            "h:1: expected a value, found `]`. Remedy: correct the brackets of this operation",
        ),
        (
            "{:type :invoke, :f :read}".to_owned(),
            "h:1: expected `process` to be a whole number from 0 on, or \"nemesis\", found nothing",
        ),
        (
            "{:process 0, :type :start, :f :read}".to_owned(),
            "h:1: expected `type` to be one of invoke, ok, fail, info, found `\\\"start\\\"`",
        ),
        (
            "{:process 0, :type :invoke}".to_owned(),
            "h:1: expected `f` to be the name of a function, found nothing",
        ),
        (
            edn("1 :time -5"),
            "h:1: expected `time` to be a whole number from 0 on, found `-5`",
        ),
        (
            edn("1 :key [1]"),
            "h:1: expected `key` to be text, found `[1]`",
        ),
        (
            format!("[{call}\n\n{call}]"),
            "h:3: expected process 0 to finish the call of line 1, found a second call",
        ),
        (
            call.replace("invoke", "ok"),
            "h:1: expected process 0 to have an open call, found `ok` of `write` without a call",
        ),
    ] {
        let message = message_of(Input::Edn, text.as_bytes());
        assert!(message.starts_with(expected), "{message}\n{expected}");
        assert!(message.contains(". Remedy: "), "{message}");
    }
    let message = message_of(Input::Auto, b"{:process 0\n :f \"a\xff\"}");
    assert!(
        message.starts_with("h:2: expected UTF-8, found the invalid byte 0xff at column 7"),
        "{message}"
    );
}

#[test]
fn json_arrays_that_are_no_history() {
    for (text, expected) in [
        (
            format!("[{CALL}\n {CALL}]"),
            "h:2: expected a JSON object, found two operations without a comma between them",
        ),
        (
            format!("[{CALL},\n]"),
            "h:2: expected a JSON object, found a comma with no operation behind it",
        ),
        (
            format!("[,{CALL}]"),
            "h:1: expected a JSON object, found a comma with no operation before it",
        ),
        (
            format!("[{CALL},\n"),
            "h:2: expected a JSON object, found a comma with no operation behind it",
        ),
        (
            format!("[{CALL}\n"),
            "h:2: expected the form that begins on line 1 to be closed",
        ),
        (
            format!("[{CALL},\n 7]"),
            "h:2: expected a map with the keys of an operation, found `7`",
        ),
        (
            format!("[{CALL},\n {{\"process\": nil}}]"),
            "h:2: expected a JSON object, found `{{\\\"process\\\": nil}}`",
        ),
        (
            format!("[{CALL},\n{CALL}]"),
            "h:2: expected process 0 to finish the call of line 1",
        ),
        (
            "[".repeat(1 << 20),
            "h:1: expected at most 127 brackets and tags inside each other, found more. Remedy: store a flatter",
        ),
    ] {
        let expected = expected.replace("{{", "{").replace("}}", "}");
        let message = message_of(Input::ElleJson, text.as_bytes());
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
}

#[test]
fn values_that_are_no_pairs_of_key_and_value() {
    let options = ReadOptions {
        independent: true,
        ..ReadOptions::default()
    };
    for value in ["nil", "[1]", "[1 2 3]", "7"] {
        let error = read_from("h", edn(value).as_bytes(), &options).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "h:1: expected `value` to be a pair of key and value, as independent workloads have it, found `"
            ),
            "{error}"
        );
    }
}

#[test]
fn a_form_that_is_absurdly_long() {
    for (input, start) in [
        (Input::Edn, "[{:f \"\n"),
        (Input::ElleJson, "[{\"f\": \"\n"),
    ] {
        let endless = start.as_bytes().chain(io::repeat(b'x').take(1 << 40));
        let options = ReadOptions {
            input,
            ..ReadOptions::default()
        };
        let error = read_from("h", BufReader::new(endless), &options).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("h:2: expected a line of at most 16777216 bytes, found a longer one"),
            "{error}"
        );
    }
}

/// 10 MB in one line are long, but no error of length.
#[test]
fn a_line_of_ten_megabytes() {
    let text = "x".repeat(10 << 20);
    let line = CALL.replace("\"value\":1", &format!("\"value\":\"{text}\""));
    for (input, bytes) in [
        (Input::JsonLines, line.clone()),
        (Input::ElleJson, format!("[{line}]")),
        (Input::Edn, edn(&format!("\"{text}\""))),
    ] {
        let options = ReadOptions {
            input,
            ..ReadOptions::default()
        };
        let recording = read_from("h", bytes.as_bytes(), &options).unwrap();
        assert_eq!(recording.history.events[0].value, text.as_str());
    }
    assert!(message_of(Input::Edn, edn(&text).as_bytes()[1..].as_ref()).len() < 300);
}

#[test]
fn compressed_files_that_are_damaged() {
    let compress = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let lines: String = (0..20_000)
        .map(|process| CALL.replace("\"process\":0", &format!("\"process\":{process}")) + "\n")
        .collect();
    let good = compress(lines.as_bytes());
    assert_eq!(
        read_from("h", good.as_slice(), &ReadOptions::default())
            .unwrap()
            .history
            .events
            .len(),
        20_000
    );

    let line = |message: &str| message.split(':').nth(1).unwrap().parse::<usize>().unwrap();
    let cut = message_of(Input::Auto, &good[..good.len() / 2]);
    assert!(cut.ends_with(
        "expected the gzip data to go on, found its end. Remedy: copy the file again; if it was cut for good, decompress \
         what is there and read that"
    ), "{cut}");
    assert!((5_000..15_000).contains(&line(&cut)), "{cut}");
    let short = message_of(
        Input::Auto,
        &compress(format!("{CALL}\n\n\n").as_bytes())[..40],
    );
    assert!(short.contains("expected the gzip data to go on"), "{short}");

    let mut bent = good.clone();
    bent.truncate(good.len() - 8);
    bent.extend([0; 8]);
    let bent = message_of(Input::Auto, &bent);
    assert!(
        bent.contains("h:20001: expected gzip data, found "),
        "{bent}"
    );
    let trailing = message_of(
        Input::Auto,
        &[good.as_slice(), b"and something else"].concat(),
    );
    assert!(
        trailing.contains("expected gzip data, found "),
        "{trailing}"
    );

    // 64 MB without a newline pack into 64 kB; no more than one line of it is unpacked.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::default());
    for _ in 0..64 {
        bomb.write_all(&[b' '; 1 << 20]).unwrap();
    }
    let bomb = message_of(Input::JsonLines, &bomb.finish().unwrap());
    assert!(
        bomb.starts_with("h:1: expected a line of at most 16777216 bytes"),
        "{bomb}"
    );
}

#[test]
fn operations_the_specification_does_not_know() {
    for (line, expected) in [
        (
            r#"{"process":0,"type":"invoke","f":"append","value":1}"#,
            "event 0: `append` of process 0 is no operation of register: expected read, write or cas, found `append`. \
             Remedy: judge the history by the specification of its workload",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"cas","value":7}"#,
            "event 0: `cas` of process 0 is no operation of register: expected a compare-and-set of [old, new], found \
             `7`. Remedy: judge the history by the specification of its workload",
        ),
    ] {
        let history = History::parse_jsonl("h", line.as_bytes()).unwrap();
        let error = check(&Register::default(), &history, &Limits::default()).unwrap_err();
        assert!(matches!(error, CheckError::Specification { event: 0, .. }));
        assert_eq!(error.to_string(), expected);
    }
}

/// Keys that other tools write are tolerated, and absent ones have their defaults.
#[test]
fn tolerated_differences() {
    let text = "\n{\"process\":\":nemesis\",\"type\":\"info\",\"f\":\"kill\",\"value\":{\"n1\":\"ok\"},\"clock-offsets\":[]}\n\
                {\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"key\":7,\"error\":null,\"value\":null}\r\n";
    let history = History::parse_jsonl("h", text.as_bytes()).unwrap();
    let [nemesis, call] = history.events.as_slice() else {
        panic!("two events")
    };
    assert_eq!(
        (nemesis.index, nemesis.time, nemesis.process),
        (1, 0, Process::Nemesis)
    );
    assert_eq!((call.index, call.key.as_deref()), (2, Some("7")));
    assert_eq!(
        History::parse_jsonl("h", &b""[..]).unwrap(),
        History::default()
    );
}
