//! Every way a history can be wrong, with the message its owner reads.

use std::io::{self, BufReader, Read};

use stormglass_checker::history::LINE_BYTES_MAX;
use stormglass_checker::{CheckError, History, Input, Limits, Process, Register, check, read};

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

    let path = folder.path().join("history.edn");
    std::fs::write(&path, "{:process 0, :type :invoke}\n").unwrap();
    let unknown = read(&path, Input::Auto).unwrap_err().to_string();
    assert!(
        unknown.ends_with(
            "history.edn:1: expected JSON lines or a Jepsen text log, found `{:process 0, :type :invoke}`. Remedy: name \
             the input format, or convert the file to JSON lines"
        ),
        "{unknown}"
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
