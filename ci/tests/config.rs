//! Options that need not be typed: the file, its profiles, the environment, and who goes before whom.

mod common;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn place(file: &str) -> Place {
    let place = Place::new();
    fs::write(place.path().join("stormglass.toml"), file).unwrap();
    place
}

/// What an option is set to, and by what, as `--show-config --format json` tells it.
fn shown(command: &mut Command, option: &str) -> (Value, String) {
    let output = command.args(["--show-config", "--format", "json"]).output();
    let output = output.expect("the command starts");
    expect(&output, 0);
    let told: Value = serde_json::from_str(&out(&output)).unwrap();
    let options = told["options"].as_array().unwrap();
    let row = options.iter().find(|row| row["option"] == option);
    let row = row.unwrap_or_else(|| panic!("no {option} in {told}"));
    let origin = match row["origin"].as_str().unwrap() {
        "environment" => format!("environment {}", row["variable"].as_str().unwrap()),
        "file" => format!("line {} of {}", row["line"], row["table"].as_str().unwrap()),
        origin => origin.to_string(),
    };
    (row["value"].clone(), origin)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The tutorial: one option, and each layer put over the one before.
#[test]
fn flags_go_before_the_environment_before_the_profile_before_the_file_before_defaults() {
    let place = place("[run]\nseeds = 2\n\n[profile.ci.run]\nseeds = 3\n");
    let seeds = |line: &str, variables: &[(&str, &str)]| {
        let mut command = place.command(&words(line));
        command.envs(variables.iter().copied());
        shown(&mut command, "seeds")
    };
    let is = |value: u64, origin: &str| (Value::from(value), origin.to_string());
    let five = [("STORMGLASS_SEEDS", "5")];
    assert_eq!(seeds("run raft-cache --no-config", &[]), is(1, "default"));
    assert_eq!(seeds("run raft-cache", &[]), is(2, "line 2 of run"));
    assert_eq!(
        seeds("run raft-cache --profile ci", &[]),
        is(3, "line 5 of profile.ci.run")
    );
    assert_eq!(
        seeds("run raft-cache", &[("STORMGLASS_PROFILE", "ci")]),
        is(3, "line 5 of profile.ci.run")
    );
    assert_eq!(
        seeds("run raft-cache --profile ci", &five),
        is(5, "environment STORMGLASS_SEEDS")
    );
    assert_eq!(
        seeds("run raft-cache --profile ci --seeds 7", &five),
        is(7, "flag")
    );
    assert_eq!(
        seeds("run raft-cache --no-config", &five),
        is(1, "default"),
        "--no-config asks neither"
    );
    assert_eq!(
        seeds("run raft-cache", &[("STORMGLASS_SEEDS", "")]),
        is(2, "line 2 of run"),
        "an empty variable says nothing"
    );
}

#[test]
fn what_is_configured_is_what_runs() {
    let place = place("[run]\nseeds = 2\ntime = \"8s\"\narena = \"simulator\"\nout = \"kept\"\n");
    let run = place.run("run raft-cache");
    expect(&run, 0);
    assert!(out(&run).contains("2 valid"), "{}", out(&run));
    let latest = text(&place.path().join("kept/latest"));
    let summary = text(
        &place
            .path()
            .join("kept")
            .join(latest.trim())
            .join("run.json"),
    );
    // The command that is kept makes the same trial, whatever the file says by then.
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let kept = summary["command"].as_str().unwrap();
    assert!(kept.ends_with(" --no-config"), "{kept}");
    let words: Vec<&str> = kept.split_whitespace().skip(1).collect();
    fs::write(place.path().join("stormglass.toml"), "[run]\nnodes = 3\n").unwrap();
    let again = place
        .command(&[&words[..], &["--format", "json"]].concat())
        .output();
    let again: Value = serde_json::from_str(&out(&again.unwrap())).unwrap();
    assert_eq!(again["digest"], summary["digest"]);
}

#[test]
fn what_is_shown_is_a_file_that_sets_the_same() {
    let place = place("[run]\nfaults = [\"crash\", \"partition\"]\nnodes = 0x7\n");
    let line = "run --seeds 3 --show-config";
    let shown = place.run(line);
    expect(&shown, 0);
    let table: toml::Table = out(&shown).parse().expect("it is TOML");
    assert_eq!(table["run"]["seeds"].as_integer(), Some(3));
    assert_eq!(table["run"]["nodes"].as_integer(), Some(7));
    assert_eq!(table["run"]["explain"].as_bool(), Some(false));
    assert!(
        out(&shown).contains("stormglass.toml:2 [run]"),
        "{}",
        out(&shown)
    );
    let other = self::place(&out(&shown));
    let again = other.run("run --show-config");
    expect(&again, 0);
    assert_eq!(out(&again).parse::<toml::Table>().unwrap(), table);
}

#[test]
fn a_file_that_makes_no_sense_is_named_with_its_line_and_a_remedy() {
    for (file, line, told) in [
        ("x", 1, "the file is TOML"),
        ("[run]\nseeds = 1\nseeds = 2", 3, "duplicate key"),
        ("[rn]", 1, "did you mean run?"),
        ("[profiles.ci.run]", 1, "did you mean profile?"),
        ("[profile.ci]\n[profile.ci.rn]", 2, "did you mean run?"),
        ("[report.indx]", 1, "did you mean index?"),
        ("[run]\nsedds = 1", 2, "did you mean seeds"),
        (
            "[mutants]\nharmless_seeds = 1",
            2,
            "did you mean harmless-seeds",
        ),
        ("[run]\n\nseeds = 'a'", 3, "invalid digit"),
        ("[run]\narena = 'trmoil'", 2, "'turmoil'"),
        ("[run]\nnodes = 0", 2, "1..=99"),
        ("[soak]\nbudget = 'soon'", 2, "'soon' for '--budget"),
        ("[run]\nseeds = [1]", 2, "one value, not a list"),
        ("[run]\nexplain = 3", 2, "true or false"),
        ("[run]\ntime = 1979-05-27", 2, "put it into quotes"),
        ("[run.seeds]\na = 1", 1, "a value, not a table"),
        ("[node]\nid = 1", 1, "takes no configuration"),
        ("[profile]\nci = 1", 2, "[profile.ci.run], say"),
        ("seeds = 2", 1, "[run]"),
        ("run = 2", 1, "it is a table: [run]"),
        ("[run]\ncluster = 'raft-cache'", 2, "on the command line"),
        // What another sub-command would read counts too.
        (
            "[profile.nightly.model]\nmemory = 'much'",
            2,
            "'much' for '--memory",
        ),
    ] {
        let refused = place(file).run("run raft-cache");
        expect(&refused, 65);
        let said = err(&refused);
        let begin = format!("stormglass: stormglass.toml:{line}: ");
        assert!(
            said.starts_with(&begin) && said.contains(told),
            "{file}\n{said}"
        );
    }
    let place = place("[profile.ci.run]\n[profile.nightly.soak]\n");
    let unknown = place.run("run raft-cache --profile cj");
    expect(&unknown, 64);
    assert!(
        err(&unknown).contains("it has: ci, nightly"),
        "{}",
        err(&unknown)
    );
    let nowhere = Place::new().run("run raft-cache --profile ci");
    expect(&nowhere, 64);
    assert!(
        err(&nowhere).contains("no stormglass.toml"),
        "{}",
        err(&nowhere)
    );
    let missing = place.run("run raft-cache --config other.toml");
    expect(&missing, 65);
    assert!(
        err(&missing).contains("other.toml: cannot be read"),
        "{}",
        err(&missing)
    );
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    let place = Place::new();
    let with = |name: &str, value: &str, line: &str| -> Output {
        place
            .command(&words(line))
            .env(name, value)
            .output()
            .unwrap()
    };
    for (name, value, told) in [
        (
            "STORMGLASS_SEEDS",
            "few",
            "STORMGLASS_SEEDS: invalid value 'few'",
        ),
        (
            "STORMGLASS_ARENA",
            "see",
            "STORMGLASS_ARENA: invalid value 'see'",
        ),
        (
            "STORMGLASS_EXPLAIN",
            "maybe",
            "STORMGLASS_EXPLAIN: \"maybe\" is neither",
        ),
        // The layer knows names of options, not of mutants: the one who refuses it does not know whence it came.
        (
            "STORMGLASS_MUTANT",
            "none",
            "--mutant is set by environment STORMGLASS_MUTANT",
        ),
    ] {
        let refused = with(name, value, "run raft-cache");
        expect(&refused, 64);
        assert!(err(&refused).contains(told), "{}", err(&refused));
    }
    let stray = with("STORMGLASS_SEEEDS", "2", "run --show-config");
    expect(&stray, 0);
    let told = "STORMGLASS_SEEEDS sets no option; did you mean STORMGLASS_SEEDS?";
    assert!(err(&stray).contains(told), "{}", err(&stray));
    for of_others in ["STORMGLASS_CORPUS", "STORMGLASS_SHARDS"] {
        let shown = with(of_others, "12", "run --show-config");
        assert_eq!(err(&shown), "", "{of_others} is not ours to set");
    }
}

#[test]
fn switches_lists_and_values_that_may_be_left_out() {
    let place =
        place("[run]\nbeyond-promise = true\nknob = [\"a=1\", \"b=2\"]\n[model]\nexplore = true\n");
    let of = |line: &str, variable: Option<(&str, &str)>, option: &str| {
        let mut command = place.command(&words(line));
        shown(command.envs(variable), option)
    };
    let line = "run raft-cache";
    assert_eq!(of(line, None, "beyond-promise").0, true);
    // A flag cannot take back what the file says; a variable can.
    let off = of(
        line,
        Some(("STORMGLASS_BEYOND_PROMISE", "false")),
        "beyond-promise",
    );
    assert_eq!(
        off,
        (false.into(), "environment STORMGLASS_BEYOND_PROMISE".into())
    );
    assert_eq!(of(line, None, "knob").0, serde_json::json!(["a=1", "b=2"]));
    let knobs = of(line, Some(("STORMGLASS_KNOB", "c=3,d=4")), "knob");
    assert_eq!(knobs.0, serde_json::json!(["c=3", "d=4"]));
    // A list on the line takes the place of the one in the file.
    assert_eq!(
        of("run raft-cache --knob e=5", None, "knob").0,
        serde_json::json!(["e=5"])
    );
    assert_eq!(of("model raft-cache", None, "explore").0, 3_000);
    let variable = |text| Some(("STORMGLASS_EXPLORE", text));
    assert_eq!(of("model raft-cache", variable("4000"), "explore").0, 4_000);
    assert_eq!(of("model raft-cache", variable("yes"), "explore").0, 3_000);
    assert_eq!(
        of("model raft-cache", variable("no"), "explore").0,
        Value::Null
    );
}

#[test]
fn what_excludes_or_requires_holds_over_all_layers() {
    let place =
        place("[run]\nmutant = \"raft/commit-old-term\"\n[check]\ncertificate = \"order.json\"\n");
    let explained = place.run("run raft-cache --explain");
    expect(&explained, 0);
    assert!(
        out(&explained).starts_with("raft/commit-old-term"),
        "{}",
        out(&explained)
    );
    // A flag drives out what the file says and it excludes.
    let mut ladder = place.command(&words("check x.jsonl --model register --ladder"));
    assert_eq!(
        shown(&mut ladder, "certificate"),
        (Value::Null, "unset".into())
    );
    let mut plain = place.command(&words("check x.jsonl --model register"));
    assert_eq!(shown(&mut plain, "certificate").1, "line 4 of check");
    // Two of one layer contradict each other, and it is said where they stand.
    fs::write(
        place.path().join("stormglass.toml"),
        "[check]\ncertificate = \"a\"\nladder = true\n",
    )
    .unwrap();
    let both = place.run("check x.jsonl --model register");
    expect(&both, 64);
    for told in [
        "--ladder is set by stormglass.toml:3",
        "--certificate is set by stormglass.toml:2",
    ] {
        assert!(err(&both).contains(told), "{}", err(&both));
    }
}

#[test]
fn the_nearest_file_above_is_read_and_its_paths_begin_at_it() {
    let place = place(
        "[run]\nout = \"kept\"\n[client]\ntimeout = \"3s\"\n[client.put]\ntimeout = \"4s\"\n[profile.ci.client]\ntimeout = \"5s\"\n[profile.run.run]\nseeds = 6\n",
    );
    let below = place.path().join("a/run");
    fs::create_dir_all(&below).unwrap();
    let below = below.canonicalize().unwrap();
    let place_path = place.path().canonicalize().unwrap();
    let of = |line: &str, option: &str| {
        let mut command = place.command(&words(line));
        shown(command.current_dir(&below), option)
    };
    let kept = of("run raft-cache", "out");
    assert_eq!(kept.0, place_path.join("kept").to_str().unwrap());
    // An option shared with the sub-commands below is set for all of them, or for one, or by a profile.
    assert_eq!(of("client get key", "timeout").0, "3s");
    assert_eq!(of("client put key value", "timeout").0, "4s");
    assert_eq!(of("client put key value --profile ci", "timeout").0, "5s");
    // The name of a sub-command may be a value before it.
    let named = of("--profile run run raft-cache", "seeds");
    assert_eq!(named.0, 6);
}

#[test]
fn a_broken_file_stops_neither_help_nor_nodes() {
    let place = place("[run");
    for line in [
        "--version",
        "run --help",
        "help run",
        "completions bash",
        "man",
        "run --no-config --show-config",
    ] {
        expect(&place.run(line), 0);
    }
    expect(&place.run("list clusters"), 65);
    // A node does what it is started to do: this one dies at once where it reads the variable, which requires another.
    let doctor = place
        .command(&["doctor", "--format", "json"])
        .env("STORMGLASS_VOTERS", "3")
        .output()
        .unwrap();
    let live = out(&doctor);
    let live = live.lines().find(|line| line.contains(r#""check":"live""#));
    assert!(
        live.is_some_and(|line| line.contains(r#""state":"ok""#)),
        "{live:?}"
    );
}

/// The file that is there to be copied is one that is accepted, and does what its comments say.
#[test]
fn the_example_is_accepted() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("stormglass.toml");
    let place = place(&text(&file));
    let of = |line: &str, option: &str| shown(&mut place.command(&words(line)), option);
    assert_eq!(of("run raft-cache", "arena").0, "simulator");
    let budget = of("soak --profile nightly", "budget");
    assert_eq!(budget.0, "8h");
    assert!(budget.1.ends_with("profile.nightly.soak"), "{budget:?}");
    assert_eq!(of("run raft-cache --profile ci", "seeds").0, 50);
    assert_eq!(of("run raft-cache --profile nightly", "seeds").0, 1_000);
}
