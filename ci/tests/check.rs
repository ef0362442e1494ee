//! `stormglass check` and `convert`, as a user runs them: files of every format, proofs that are written and verified, the ladder, transactions, the page.

mod common;

use common::{Place, err, expect, out, text};
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// A write that is acknowledged, and another client that does not see it.
const STALE: &str = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":null}
"#;

fn place_with(name: &str, content: &str) -> Place {
    let place = Place::new();
    fs::write(place.path().join(name), content).expect("a file can be written");
    place
}

#[test]
fn a_proof_is_written_and_verified_and_proves_nothing_else() {
    let place = place_with("stale.jsonl", STALE);
    let fresh = STALE.replace(
        "\"ok\",\"f\":\"read\",\"value\":null",
        "\"ok\",\"f\":\"read\",\"value\":1",
    );
    fs::write(place.path().join("fresh.jsonl"), fresh).expect("a file can be written");
    for (name, code, word, how) in [
        ("stale", 1, "VIOLATION", "the oracle"),
        ("fresh", 0, "VALID", "step by step"),
    ] {
        let check = place.run(&format!(
            "check {name}.jsonl --model register --certificate {name}.json"
        ));
        expect(&check, code);
        assert!(out(&check).starts_with(word), "{}", out(&check));
        let verified = place.run(&format!(
            "check {name}.jsonl --model register --verify {name}.json"
        ));
        expect(&verified, code);
        let said = out(&verified);
        assert!(
            said.starts_with(word) && said.contains("verified") && said.contains(how),
            "{said}"
        );
    }
    // Each proves nothing of the other history, and nothing of another model.
    for line in [
        "check fresh.jsonl --model register --verify stale.json",
        "check stale.jsonl --model register --verify fresh.json",
        "check stale.jsonl --model versioned-register --verify stale.json",
        "check stale.jsonl --model register --verify stale.jsonl",
    ] {
        let refused = place.run(line);
        expect(&refused, 65);
        assert!(err(&refused).contains(".json"), "{line}: {}", err(&refused));
    }
    // A bent order is refused with the step that is wrong.
    let order = text(&place.path().join("fresh.json"));
    assert!(order.contains("[0,1]"), "{order}");
    fs::write(
        place.path().join("bent.json"),
        order.replace("[0,1]", "[1,0]"),
    )
    .expect("a file can be written");
    let refused = place.run("check fresh.jsonl --model register --verify bent.json");
    expect(&refused, 65);
    assert!(err(&refused).contains("operation #"), "{}", err(&refused));
}

#[test]
fn the_ladder_names_the_strongest_guarantee_and_why_the_next_is_not_kept() {
    let place = place_with("stale.jsonl", STALE);
    let ladder = place.run("check stale.jsonl --model register --ladder");
    expect(&ladder, 1);
    let said = out(&ladder);
    assert!(
        said.starts_with("STRONGEST  ordered sequential consistency"),
        "{said}"
    );
    assert!(
        said.contains("why not linearizability:") && said.contains("comes before"),
        "{said}"
    );
}

#[test]
fn histories_of_every_format_are_judged_and_say_how_they_were_read() {
    let edn = "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n\
               {:process :nemesis, :type :info, :f :start-partition, :value nil}\n\
               {:process 1, :type :invoke, :f :cas, :value [1 2]}\n{:process 1, :type :fail, :f :cas, :value [1 2]}\n";
    let place = place_with("history.edn", edn);
    let check = place.run("check history.edn --model register --report page.html");
    expect(&check, 0);
    assert!(out(&check).contains("read as edn"), "{}", out(&check));
    let page = text(&place.path().join("page.html"));
    assert!(
        page.contains("start-partition") && page.contains("VALID"),
        "the nemesis is shown"
    );
    // Read as an observation, the refused comparison contradicts the write.
    let strict =
        place.run("check history.edn --model register --failed-cas mismatch --report page.html");
    expect(&strict, 1);
    assert!(
        out(&strict).contains("a failed cas saw that the value differed"),
        "{}",
        out(&strict)
    );
    assert!(text(&place.path().join("page.html")).contains("class=\"collision\""));

    let converted = place.run("convert history.edn --to jsonl --out history.jsonl");
    expect(&converted, 0);
    expect(&place.run("check history.jsonl --model register"), 0);
    let back = place.run("convert history.jsonl --to edn");
    expect(&back, 0);
    assert!(out(&back).contains(":start-partition"), "{}", out(&back));

    let pairs = "{:process 0, :type :invoke, :f :write, :value [\"a\" 1]}\n{:process 0, :type :ok, :f :write, :value [\"a\" 1]}\n\
                 {:process 1, :type :invoke, :f :read, :value [\"b\" nil]}\n{:process 1, :type :ok, :f :read, :value [\"b\" nil]}\n";
    fs::write(place.path().join("pairs.edn"), pairs).expect("a file can be written");
    let check = place.run("check pairs.edn --model register --independent");
    expect(&check, 0);
    assert!(
        out(&check).contains("pairs of key and value"),
        "{}",
        out(&check)
    );
    expect(&place.run("check pairs.edn --model register"), 65);
}

#[test]
fn standard_input_is_a_file_named_by_a_dash() {
    let place = Place::new();
    let mut child = place
        .command(&["check", "-", "--model", "register"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("there is a pipe");
    stdin.write_all(STALE.as_bytes()).expect("it reads");
    drop(stdin);
    let check = child.wait_with_output().expect("it ends");
    expect(&check, 1);
    assert!(out(&check).contains("#1"), "{}", out(&check));
}

#[test]
fn what_a_model_does_not_know_is_named_with_what_it_knows() {
    let stack = format!("\n\n{}", STALE.replace("write", "push"));
    let place = place_with("stack.jsonl", &stack);
    for line in [
        "check stack.jsonl --model register",
        "check stack.jsonl --model register --ladder",
    ] {
        let refused = place.run(line);
        expect(&refused, 65);
        let said = err(&refused);
        assert!(
            said.contains("stack.jsonl:3: ") && said.contains("push"),
            "{said}"
        );
        assert_eq!(said.matches("read, write or cas").count(), 1, "{said}");
    }
    let unheard = place.run("check nowhere.jsonl --model register");
    expect(&unheard, 65);
    assert_eq!(err(&unheard).matches("os error").count(), 1, "said once");
    let micro = r#"
{"process":0,"type":"invoke","f":"txn","value":[["pop","x",1]]}
"#;
    fs::write(place.path().join("pop.jsonl"), micro).expect("a file can be written");
    let refused = place.run("check pop.jsonl --model list-append");
    expect(&refused, 65);
    assert!(err(&refused).contains("pop.jsonl:2: "), "{}", err(&refused));
    let near = place.run("check stack.jsonl --model registr");
    expect(&near, 64);
    assert!(err(&near).contains("register"), "{}", err(&near));
    let initial = place.run("check stack.jsonl --model register --initial x");
    expect(&initial, 64);
    assert!(err(&initial).contains("Remedy"), "{}", err(&initial));
}

/// What is not heeded is refused: its user would believe that it was.
#[test]
fn a_flag_that_says_nothing_to_a_model_is_refused() {
    let place = place_with("stale.jsonl", STALE);
    for flags in [
        "--model register --slack 1s",
        "--model register --released-by-anyone",
        "--model register --isolation serializable",
        "--model register --ladder --report page.html",
        "--model counter --initial 1",
        "--model kv --initial 1",
        "--model list-append --certificate proof.json",
        "--model list-append --initial 1",
        "--model list-append --report page.html",
        "--model list-append --slack 1s",
    ] {
        expect(&place.run(&format!("check stale.jsonl {flags}")), 64);
    }
}

/// Whether a missing key reads as null or as the empty text decides a verdict, so the verdict says which was taken, and how to take the other.
#[test]
fn a_verdict_says_what_a_missing_key_reads_as() {
    let porcupine = "{:process 0, :type :invoke, :f :get, :key \"3\", :value nil}\n{:process 0, :type :ok, :f :get, :key \"3\", :value \"\"}\n";
    let place = place_with("porcupine.edn", porcupine);
    let null = place.run("check porcupine.edn --model kv");
    expect(&null, 1);
    let said = out(&null);
    assert!(
        said.contains("a missing key reads as null (--initial '\"\"'"),
        "{said}"
    );
    let check = |initial: &str| {
        let line = [
            "check",
            "porcupine.edn",
            "--model",
            "kv",
            "--initial",
            initial,
        ];
        place.command(&line).output().expect("the command runs")
    };
    let empty = check("\"\"");
    expect(&empty, 0);
    let said = out(&empty);
    assert!(
        said.contains("a missing key reads as the empty text"),
        "{said}"
    );
    expect(&check("null"), 1);
    // The page repeats what the verdict rests on.
    let line = [
        "check",
        "porcupine.edn",
        "--model",
        "kv",
        "--initial",
        "\"\"",
        "--report",
        "page.html",
    ];
    let paged = place.command(&line).output().expect("the command runs");
    expect(&paged, 0);
    let page = text(&place.path().join("page.html"));
    assert!(
        page.contains("--model kv --initial &#39;&#34;&#34;&#39;"),
        "{page}"
    );
    let transaction = r#"{"process":0,"type":"invoke","f":"txn","value":[["r","3",null]]}"#;
    fs::write(place.path().join("porcupine.edn"), transaction).expect("a file can be written");
    expect(&check("\"\""), 64);
}

#[test]
fn a_limit_that_is_reached_is_named_with_the_option_that_raises_it() {
    let place = Place::new();
    expect(
        &place.run("generate register --operations 200 --in-flight 5 --out wide.jsonl"),
        0,
    );
    expect(
        &place.run("generate list-append --operations 200 --out lists.jsonl"),
        0,
    );
    for (line, limit, option) in [
        (
            "wide.jsonl --model register --steps 100",
            "steps (100)",
            "--steps",
        ),
        (
            "wide.jsonl --model register --memory 1B",
            "bytes (1 B)",
            "--memory",
        ),
        (
            "lists.jsonl --model list-append --steps 100",
            "steps (100)",
            "--steps",
        ),
    ] {
        let unknown = place.run(&format!("check {line}"));
        expect(&unknown, 2);
        let said = out(&unknown);
        assert!(
            said.starts_with("UNKNOWN  ")
                && said.contains(&format!(
                    "the limit of {limit} was reached. Remedy: raise {option}"
                )),
            "{said}"
        );
    }
}

/// Where times decide, they must not go back, whatever is asked of the history.
#[test]
fn times_that_go_back_are_refused_in_every_way_of_judging() {
    let back = r#"{"process":0,"time":5,"type":"invoke","f":"get","key":"x","value":null}
{"process":0,"time":4,"type":"ok","f":"get","key":"x","value":null}
"#;
    let place = place_with("back.jsonl", back);
    fs::write(place.path().join("proof.json"), "{}").expect("a file can be written");
    for way in ["", "--ladder", "--verify proof.json"] {
        let refused = place.run(&format!("check back.jsonl --model ttl-cache {way}"));
        expect(&refused, 65);
        assert!(
            err(&refused).contains("back.jsonl:2: "),
            "{}",
            err(&refused)
        );
    }
}

#[test]
fn transactions_are_judged_for_a_level_of_isolation() {
    // Two transactions that each read what the other has not yet appended: write skew.
    let skew = r#"{"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["append","y",1]]}
{"process":1,"type":"invoke","f":"txn","value":[["r","y",null],["append","x",1]]}
{"process":0,"type":"ok","f":"txn","value":[["r","x",[]],["append","y",1]]}
{"process":1,"type":"ok","f":"txn","value":[["r","y",[]],["append","x",1]]}
{"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["r","y",null]]}
{"process":0,"type":"ok","f":"txn","value":[["r","x",[1]],["r","y",[1]]]}
"#;
    let place = place_with("skew.jsonl", skew);
    let check = place.run("check skew.jsonl --model list-append");
    expect(&check, 1);
    let said = out(&check);
    assert!(
        said.contains("G2-item")
            && said.contains("snapshot-isolation")
            && said.contains("contradiction"),
        "{said}"
    );
    expect(
        &place.run("check skew.jsonl --model list-append --isolation snapshot-isolation"),
        0,
    );
    expect(
        &place.run("check skew.jsonl --model list-append --isolation snapshots"),
        64,
    );
    let ladder = place.run("check skew.jsonl --model list-append --ladder");
    expect(&ladder, 64);
    assert!(err(&ladder).contains("Remedy"), "{}", err(&ladder));
}
