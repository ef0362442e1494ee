//! Protocols in scripts: each file under `src/<protocol>/scripts/` moves a small cluster step by step, and what follows a `---` is the
//! whole trace of what happened. A script that no longer gives its trace fails; `UPDATE_GOLDENFILES=1 cargo test --test goldenscripts`
//! writes the new traces, to be read before they are kept.
//! [`play`] says how to read a trace, and which commands there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::play::{
    Replaced, Rule, Script, blocks, paragraph, play, tells_of_harm, traced,
};
use stormglass_impls::system::{InvariantInfo, System};

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
    let text = std::fs::read_to_string(commands)
        .map_err(|error| format!("{}: {error}", commands.display()))?;
    play(system, mutant, &text).map_err(|error| format!("{}: {error}", commands.display()))
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
                        let sound = !traced(&trace).any(tells_of_harm);
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
/// the correct rules never give. The same commands with the mutant planted give it, and that trace is kept in `mutant`. Where a client is told
/// the right things in the wrong order, or not told something, two lines are named that follow each other: `# Harm: .., and then ..`.
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

/// No invariant is vacuous: the scenario of some mutant breaks it. A law that a system takes over from another, as what is built on a broadcast
/// takes over the broadcast's, may be broken by the other's.
#[test]
fn every_invariant_is_broken_by_the_scenario_of_a_mutant() {
    let systems = catalog::systems();
    let breaks = |system: &dyn System, law: &InvariantInfo| {
        let folder = folder(system).join("mutants");
        let shown = format!("BROKEN {}: ", law.name);
        names(&folder, false).iter().any(|name| {
            let script = std::fs::read_to_string(folder.join(name).join("mutant"));
            let script = script.expect("a scenario can be read");
            traced(&script).any(|line| line.starts_with(&shown))
        })
    };
    for system in &systems {
        for law in system.invariants() {
            let mut keep_it = systems
                .iter()
                .filter(|other| other.invariants().contains(law));
            assert!(
                keep_it.any(|other| breaks(&**other, law)),
                "{}: no mutant breaks {}",
                system.name(),
                law.name
            );
        }
    }
}

/// What the command shows of a mutant is read from the source. It has to be there for every one.
#[test]
fn every_mutant_replaces_one_rule_whose_law_and_source_are_known() {
    let mut lacking = Vec::new();
    for system in catalog::systems() {
        for mutant in system.mutants() {
            let id = mutant.id;
            let Some(Replaced { rule, code }) = Replaced::by(id) else {
                lacking.push(format!("{id} replaces no one rule"));
                continue;
            };
            let Rule { name, line, .. } = rule;
            assert!(code.starts_with(name), "{id}: {code}");
            if rule.law().is_empty() || rule.sources().is_empty() {
                let says = rule.says();
                lacking.push(format!(
                    "{id}: {name} in line {line} names no law, or no source in brackets: {says}"
                ));
            }
            // That there is one for each is another test's.
            if Script::of_mutant(id).is_some_and(|script| script.setup().is_none()) {
                lacking.push(format!("{id}: its scenario has no cluster"));
            }
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn the_scripts_in_the_library_are_those_in_the_folders() {
    for system in catalog::systems() {
        let protocol = system.name().split('-').next().unwrap();
        let built_in: BTreeSet<String> = Script::all()
            .filter(|script| script.protocol == protocol && !script.file.contains('/'))
            .map(|script| script.file.to_string())
            .collect();
        assert_eq!(built_in, names(&folder(&*system), true));
    }
    for script in Script::all() {
        assert_eq!(Script::named(&script.name()), Some(script));
        let whole = script.text.lines().filter(|line| *line == "---").count();
        assert_eq!(blocks(script.text).len(), whole, "{}", script.name());
        assert!(!paragraph(script.text).is_empty(), "{}", script.name());
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
    let harm_lines: Vec<&str> = harm.split(", and then ").collect();
    let shows = |script: &str| {
        let lines: Vec<&str> = traced(script).map(str::trim).collect();
        lines
            .windows(harm_lines.len())
            .any(|lines| lines == harm_lines)
    };
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

/// Settings, clocks and kinds of message are the same for every protocol, so that no protocol's own scripts have to show them.
#[test]
fn a_script_turns_knobs_bends_clocks_and_picks_messages_by_kind() {
    let system = catalog::systems().remove(0);
    let kind = system.message_kinds()[0];
    let script = format!(
        "cluster nodes=4 entries=1 pre_vote=false reads=quorum quorums=4/2 election_timeout_ms=150..300\n\
         fire n1 election\n\
         duplicate n1 n2 kind={kind}\n\
         drop n1 n2 kind={kind} count=1\n\
         deliver n2 kind={kind}\n\
         pass 100ms\n\
         pass n1 n2 2s\n\
         witnesses\n---\n"
    );
    let trace = play(&system, None, &script).unwrap();
    let starting = |start: &str| {
        traced(&trace)
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!(
        (starting("n1 ↛ n2 "), starting("n2 ← n1 ")),
        (1, 1),
        "{trace}"
    );
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
            "cluster nodes=3 voters=4",
            "of 3 nodes 1 to 3 have a vote, not 4",
        ),
        (
            "cluster reads=twice",
            "reads=twice is not quorum, lease or log",
        ),
        ("cluster pre_vote=1", "pre_vote=1 is not true or false"),
        ("cluster session_ms=long", "session_ms=long is not a number"),
        (
            "cluster quorums=4",
            "quorums=4 is not two numbers of nodes, as 4/2",
        ),
        (
            "cluster election_timeout_ms=300..150",
            "election_timeout_ms=300..150 is not a range in milliseconds, as 150..300",
        ),
        (
            "cluster\nmanage n1",
            "manage what? manage n1 members n1 n2, or transfer n2, or status",
        ),
        ("cluster\nmanage n1 transfer", "transfer to whom?"),
        ("cluster\nmanage n1 members n1 me", "me is no node"),
        ("cluster\npass", "how much time? pass 100ms"),
        (
            "cluster\npass n1 long",
            "long is no length of time: 100ms is one, and 2s",
        ),
        ("cluster\npass n4 1s", "n4 is no node of this cluster"),
        (
            "cluster\nget n1 k session=mine",
            "session=mine is not a number",
        ),
        (
            "cluster nodes=3\npartition n1 n2 n3",
            "a partition has two sides",
        ),
        (
            "cluster\nconnect n1",
            "raft-cache knows no connect; it knows: put append delete cas get",
        ),
    ];
    assert_refused(&catalog::systems().remove(0), &cases);
    let system = catalog::systems().remove(0);
    for (commands, expected) in [
        ("cluster speed=9", "no such knob: speed; there are: "),
        (
            "cluster\ndrop kind=gossip",
            "no message is of the kind gossip; there are: ",
        ),
    ] {
        let error = play(&system, None, &format!("{commands}\n---\n"));
        let error = error.expect_err(commands).to_string();
        assert!(error.contains(expected), "{commands:?} says {error:?}");
    }
}

#[test]
fn commands_that_a_tree_cannot_be_asked_are_refused() {
    let cases = [
        (
            "put n1 a=1",
            "zookeeper knows no put; it knows: connect ping get exists children rights create set delete check acl login multi close sync",
        ),
        ("get n1", "which node of the tree?"),
        ("get n1 a watch=1", "watch=1 is not true or false"),
        ("create n1", "what is where? create n1 a=1"),
        (
            "create n1 a=1 mode=brief",
            "mode=brief is not persistent, sequential, ephemeral or ephemeral-sequential",
        ),
        (
            "create n1 a=1 acl=\"ann:rw\"",
            "ann:rw is no entry of a list: world:r is one, and digest:ann:secret:rw",
        ),
        (
            "create n1 a=1 acl=\"world:x\"",
            "world:x is no entry of a list: world:r is one, and digest:ann:secret:rw",
        ),
        (
            "set n1 a=1 mode=ephemeral",
            "only a node that is made has a mode and a list",
        ),
        ("set n1 a=1 version=old", "version=old is not a number"),
        (
            "acl n1 a",
            "who may do what? acl n1 a \"world:r digest:ann:secret:cdrwa\"",
        ),
        ("login n1 ann", "who logs in? login n1 ann=secret"),
        ("multi n1 \"close a\"", "close is no part of a multi"),
        ("multi n1 \"\"", "a part of a multi is empty"),
        (
            "connect n1 session=mine",
            "session=mine is no session, as 1.1",
        ),
        ("connect n1 seen=4", "seen=4 is no zxid, as 1.4"),
        ("connect n1 told=4", "told=4 is no zxid, as 1.4"),
        (
            "connect n1 watches=a",
            "a is no watch: data:a is one, and exists:a, and children:a",
        ),
        ("retry n1 own=1", "c1 has asked nothing yet"),
    ];
    let system = catalog::system("zookeeper").expect("it is in the catalog");
    for (command, expected) in cases {
        assert_refused(&system, &[(&format!("cluster\n{command}"), expected)]);
    }
}

#[test]
fn commands_that_a_store_cannot_be_asked_are_refused() {
    let cases = [
        (
            "create n1 a=1",
            "etcd knows no create; it knows: get put del txn compact grant revoke keepalive time watch unwatch progress auth login snapshot",
        ),
        ("get n1", "which key?"),
        ("get n1 a limit=few", "limit=few is not a number"),
        ("get n1 a prefix=1", "prefix=1 is not true or false"),
        ("get n1 a end=b prefix=true", "a prefix has its own end"),
        (
            "get n1 a as=ann",
            "as=ann is nobody: ann@3 is, as of auth revision 3",
        ),
        ("put n1 a", "what is put where? put n1 a=1"),
        ("compact n1", "up to which revision? compact n1 3"),
        ("grant n1", "which lease? grant n1 7 ttl=1s"),
        ("revoke n1 mine", "mine is not a number"),
        ("watch n1", "which number has the watch? watch n1 1 a"),
        ("unwatch n1", "which watch? unwatch n1 1"),
        ("progress n1", "of which watch? progress n1 1"),
        ("login n1 ann", "who logs in? login n1 ann=secret"),
        ("txn n1 \"grant 7\"", "grant is no part of a transaction"),
        ("txn n1 \"\"", "a part of a transaction is empty"),
        (
            "txn n1 if=\"size(a)=1\"",
            "size(a)=1 compares nothing: mod(a)=2 does, and value(a)!=x",
        ),
        (
            "auth n1 permit r see a",
            "see is not read, write or readwrite",
        ),
        ("restore n1 from=n2", "n1 is up"),
    ];
    let system = catalog::system("etcd").expect("it is in the catalog");
    for (command, expected) in cases {
        assert_refused(&system, &[(&format!("cluster\n{command}"), expected)]);
    }
}

fn assert_refused(system: &Rc<dyn System>, cases: &[(&str, &str)]) {
    for (commands, expected) in cases {
        let error = play(system, None, &format!("{commands}\n---\n"));
        let error = error.expect_err(commands).to_string();
        assert!(
            error.ends_with(&format!(": {expected}")),
            "{commands:?} says {error:?}, not {expected:?}"
        );
    }
}
