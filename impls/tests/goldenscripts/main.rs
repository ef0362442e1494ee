//! Protocols in scripts: each file under `src/<protocol>/scripts/` moves a small cluster step by step, and what follows a `---` is the
//! whole trace of what happened. A script that no longer gives its trace fails; `UPDATE_GOLDENFILES=1 cargo test --test goldenscripts`
//! writes the new traces, to be read before they are kept.
//!
//! # How to read a trace
//!
//! A line at the margin is one input of one node, which stands first: `n2 ← n1 @1 RequestVote last=0@0` is a message of term 1 from n1
//! taken by n2; `n1 election` a timer that ran out; `n1 durable` the end of the oldest disk write; `n1 ← c1 #1 put k=v` a client's request.
//! The lines indented below it are what the node did, in order: `n2 → n1 ..` sends, `n2 ↛ n1 ..` sends in vain (the link is cut or
//! the other side down), `n2 disk ..` begins a write, `c1 #1 ← n1 ..` answers a client, `n1 leads @1` and the like are facts, and
//! `n1 waits for ..` names the timers that are set, when that changes. `BROKEN` names an invariant that no longer holds; `PANIC` a node that
//! failed an assertion.
//!
//! # Commands
//!
//! | command | what it does |
//! | --- | --- |
//! | `cluster nodes=3 [entries=1]` | boots a cluster; `entries` bounds the log entries in one message |
//! | `fire n1 election` | a timer runs out |
//! | `deliver [n1 n2 ..] [from=n3] [skip=1] [count=1]` | one round: delivers what is in flight, oldest first (the `skip` oldest are late); what that sends stays for the next |
//! | `stabilize` | rounds until nothing is in flight |
//! | `put n1 k=v`, `append n1 k=v`, `delete n1 k`, `get n1 k` | client c1 (or `client=c2`) makes its next request |
//! | `cas n1 k expect=a set=b` | compares and sets; without `expect`, the key must be absent |
//! | `retry n1 [request=1]` | the client's last request, or that one, again under the same number |
//! | `disk n1 hold`, `persist n1`, `disk n1 release` | writes wait; the oldest one ends; all end, and later ones at once again |
//! | `crash n1 [keep=1]`, `restart n1` | of the writes under way, the first `keep` survive |
//! | `partition n1 n2`, `heal` | cuts these off from the others; `heal` mends all cuts |
//! | `drop [n1 [n2]] [skip=1]`, `duplicate n1 n2` | loses what is in flight (from n1, to n2; not the oldest); puts a copy behind it |
//! | `status [n1 ..]`, `audit` | the nodes' states; the invariants in their whole-state form |
//!
//! A command in parentheses is carried out in silence; one after `!` must fail.

mod cluster;
mod command;
mod notation;

use command::Script;
use goldenscript::generate;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::system::System;

/// The scripts of a system lie in its protocol's folder: those of `raft-cache` in `src/raft/scripts`.
fn folder(system: &dyn System) -> PathBuf {
    let protocol = system
        .name()
        .split('-')
        .next()
        .expect("a split has a first part");
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(protocol)
        .join("scripts")
}

/// The names of the files, or else of the directories, in a folder, sorted.
fn names(folder: &Path, files: bool) -> BTreeSet<String> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let entries = entries.map(|entry| entry.expect("a folder can be listed"));
    let wanted = entries.filter(|entry| entry.path().is_file() == files);
    wanted
        .map(|entry| {
            entry
                .file_name()
                .into_string()
                .expect("names are plain text")
        })
        .collect()
}

/// Runs the commands of one file. What it gives is that file anew, with the traces of this run.
fn run(system: &Rc<dyn System>, mutant: Option<&str>, commands: &Path) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", commands.display());
    let text = std::fs::read_to_string(commands).map_err(fault)?;
    generate(&mut Script::new(system.clone(), mutant), &text).map_err(fault)
}

/// Compares a trace with the one that was kept, or keeps it.
fn compare(trace: &str, kept: &Path) -> Result<(), String> {
    if std::env::var("UPDATE_GOLDENFILES").is_ok_and(|value| value == "1") {
        return std::fs::write(kept, trace).map_err(|error| format!("{}: {error}", kept.display()));
    }
    let old =
        std::fs::read_to_string(kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    if old == trace {
        return Ok(());
    }
    let same = old
        .lines()
        .zip(trace.lines())
        .take_while(|(old, new)| old == new)
        .count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_string();
    Err(format!(
        "{}:{}: kept\n    {}\nnow\n    {}",
        kept.display(),
        same + 1,
        line(&old),
        line(trace)
    ))
}

/// The lines of a script's traces: what stands between a `---` and the next blank line.
fn traced(script: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    script.lines().filter(move |line| {
        let was_inside = inside;
        inside = (inside || *line == "---") && !line.is_empty();
        was_inside && inside
    })
}

fn assert_none(failures: Vec<String>) {
    assert!(
        failures.is_empty(),
        "{} failed; UPDATE_GOLDENFILES=1 rewrites\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_script_gives_its_trace() {
    let mut failures = Vec::new();
    for system in catalog::systems() {
        let folder = folder(&*system);
        let scripts = names(&folder, true);
        assert!(!scripts.is_empty(), "{} has no scripts", system.name());
        for script in scripts.iter().map(|script| folder.join(script)) {
            failures.extend(
                run(&system, None, &script)
                    .and_then(|trace| {
                        let sound = !traced(&trace).any(|line| {
                            line.trim().starts_with("BROKEN") || line.trim().starts_with("PANIC")
                        });
                        sound
                            .then_some(())
                            .ok_or(format!("{}: breaks an invariant", script.display()))?;
                        compare(&trace, &script)
                    })
                    .err(),
            );
        }
    }
    assert_none(failures);
}

/// Each mutant has a scenario in `scripts/mutants/<name>/`: `correct` is a script whose line `# Harm: ..` names a line of the trace that
/// the correct rules never give. The same commands with the mutant planted give it, and that trace is kept in `mutant`.
#[test]
fn every_mutant_has_a_scenario_that_shows_its_harm() {
    let mut failures = Vec::new();
    for system in catalog::systems() {
        let folder = folder(&*system).join("mutants");
        let name_of = |id: &'static str| {
            id.split_once('/')
                .expect("a mutant's id has a protocol and a name")
                .1
                .to_string()
        };
        let mutants: BTreeSet<String> = system
            .mutants()
            .iter()
            .map(|mutant| name_of(mutant.id))
            .collect();
        assert_eq!(
            names(&folder, false),
            mutants,
            "{}: one folder a mutant",
            folder.display()
        );
        for mutant in system.mutants() {
            let [correct, mutated] =
                ["correct", "mutant"].map(|file| folder.join(name_of(mutant.id)).join(file));
            failures.extend(show_harm(&system, mutant.id, &correct, &mutated).err());
        }
    }
    assert_none(failures);
}

/// No invariant is vacuous: the scenario of some mutant breaks it.
#[test]
fn every_invariant_is_broken_by_the_scenario_of_a_mutant() {
    for system in catalog::systems() {
        let folder = folder(&*system).join("mutants");
        let mutated = names(&folder, false).into_iter().map(|name| {
            std::fs::read_to_string(folder.join(name).join("mutant"))
                .expect("a scenario can be read")
        });
        let mutated: Vec<String> = mutated.collect();
        for invariant in system.invariants() {
            let shown = format!("BROKEN {}: ", invariant.name);
            assert!(
                mutated
                    .iter()
                    .any(|script| traced(script).any(|line| line.starts_with(&shown))),
                "{}: no mutant breaks {}",
                system.name(),
                invariant.name
            );
        }
    }
}

fn show_harm(
    system: &Rc<dyn System>,
    mutant: &str,
    correct: &Path,
    mutated: &Path,
) -> Result<(), String> {
    let sound = run(system, None, correct)?;
    let harmed = run(system, Some(mutant), correct)?;
    compare(&sound, correct)?;
    compare(&harmed, mutated)?;
    let harm = sound.lines().find_map(|line| line.strip_prefix("# Harm: "));
    let harm = harm
        .ok_or(format!("{}: no line says `# Harm: ..`", correct.display()))?
        .trim();
    let shows = |script: &str| traced(script).any(|line| line.trim() == harm);
    if shows(&sound) {
        return Err(format!(
            "{}: the correct rules do the harm: {harm}",
            correct.display()
        ));
    }
    if !shows(&harmed) {
        return Err(format!(
            "{}: {mutant} does no harm: {harm}",
            mutated.display()
        ));
    }
    Ok(())
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    let cases = [
        ("deliver", "the first command is `cluster`"),
        ("cluster nodes=0", "a cluster has 1 to 9 nodes, not 0"),
        ("cluster nodes=many", "nodes=many is not a number"),
        (
            "cluster nodes=3\ncluster nodes=3",
            "there is a cluster already",
        ),
        ("cluster nodes=3\njump n1", "no such command: jump"),
        (
            "cluster nodes=3\nfire n4 election",
            "n4 is no node of this cluster",
        ),
        (
            "cluster nodes=3\nfire one election",
            "one is no node of this cluster",
        ),
        ("cluster nodes=3\nfire n1", "which timer?"),
        (
            "cluster nodes=3\nfire n1 heartbeat",
            "n1 does not wait for heartbeat, but for: election",
        ),
        (
            "cluster nodes=3\nfire n1 election now",
            "unexpected argument 'now'",
        ),
        ("cluster nodes=3\ncrash n1\nfire n1 election", "n1 is down"),
        ("cluster nodes=3\ncrash n1\ncrash n1", "n1 is down"),
        (
            "cluster nodes=3\ncrash n1 keep=1",
            "n1 has no 1 writes under way, but 0",
        ),
        ("cluster nodes=3\nrestart n1", "n1 is up"),
        ("cluster nodes=3\npersist n1", "n1 writes nothing"),
        (
            "cluster nodes=3\ndisk n1 spin",
            "a disk can hold or release, not spin",
        ),
        (
            "cluster nodes=3\nduplicate n1 n2",
            "nothing is in flight from n1 to n2",
        ),
        ("cluster nodes=3\ndrop", "nothing is in flight"),
        ("cluster nodes=3\nput n1 k", "what is put where? put n1 k=v"),
        (
            "cluster nodes=3\nput n1 k=v client=alice",
            "alice is no client: they are c1, c2 and so on",
        ),
        ("cluster nodes=3\nretry n1", "c1 has asked nothing yet"),
        (
            "cluster nodes=3\nget n1 k\nretry n1 request=2",
            "c1 has asked no request 2",
        ),
        (
            "cluster nodes=3\npartition n1 n2 n3",
            "a partition has two sides",
        ),
    ];
    let system = catalog::systems().remove(0);
    for (commands, expected) in cases {
        let error = generate(
            &mut Script::new(system.clone(), None),
            &format!("{commands}\n---\n"),
        );
        let error = error.expect_err(commands).to_string();
        assert!(
            error.ends_with(&format!(": {expected}")),
            "{commands:?} says {error:?}, not {expected:?}"
        );
    }
}
