//! The house rules that a program can check. Each rule says its reason where it fails.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates from the top of the hill to its foot. Imports run downhill.
const DOWNHILL: [(&str, &str, &[&str]); 6] = [
    (
        "ci",
        "stormglass",
        &["reports", "nemesis", "workloads", "impls", "checker"],
    ),
    (
        "reports",
        "stormglass-reports",
        &["nemesis", "workloads", "impls", "checker"],
    ),
    (
        "nemesis",
        "stormglass-nemesis",
        &["workloads", "impls", "checker"],
    ),
    ("workloads", "stormglass-workloads", &["impls", "checker"]),
    ("impls", "stormglass-impls", &[]),
    ("checker", "stormglass-checker", &[]),
];

/// Past this a file is two files, or says why not.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace is there")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder of the workspace with that ending, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder can be read").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(
        !found.is_empty(),
        "no file ends with {ending} in {folder}: this test looks in the wrong place"
    );
    found
}

fn sources() -> Vec<PathBuf> {
    DOWNHILL
        .iter()
        .flat_map(|(folder, ..)| files(folder, ".rs"))
        .collect()
}

/// The lines of a file that are code, with their numbers from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_run_downhill() {
    for (folder, package, allowed) in DOWNHILL {
        let manifest = text(&root().join(folder).join("Cargo.toml"));
        assert!(
            manifest.contains(&format!("name = \"{package}\"")),
            "{folder} is {package}"
        );
        for (other, name, _) in DOWNHILL {
            let imports = manifest
                .lines()
                .any(|line| line.starts_with(name) && line[name.len()..].starts_with(['.', ' ']));
            if imports && other != folder {
                assert!(
                    allowed.contains(&other),
                    "{folder} imports {other}, which is not below it"
                );
            }
        }
    }
}

#[test]
fn every_library_opens_with_the_same_five_headings() {
    for (folder, ..) in DOWNHILL {
        let library = text(&root().join(folder).join("src/lib.rs"));
        // Outside of fences: an example may hide lines behind the same sign.
        let prose = library.split("//! ```").step_by(2);
        let headings: Vec<&str> = prose
            .flat_map(str::lines)
            .filter_map(|line| line.strip_prefix("//! # "))
            .collect();
        let wanted = ["What", "Entry points", "Code map", "Invariants", "Not here"];
        assert_eq!(
            headings, wanted,
            "{folder}/src/lib.rs: who knows one library finds their way in the next"
        );
    }
}

/// The folders of the protocols: those that state rules.
fn protocols() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("impls/src")).expect("the folder is there");
    let folders = entries.map(|entry| entry.expect("a folder can be read").path());
    let protocols: Vec<PathBuf> = folders
        .filter(|folder| folder.join("rules.rs").exists())
        .collect();
    assert!(!protocols.is_empty(), "this test looks in the wrong place");
    protocols
}

#[test]
fn every_protocol_has_the_same_rooms() {
    for folder in protocols() {
        for room in [
            "mod.rs",
            "message.rs",
            "rules.rs",
            "mutants.rs",
            "invariants.rs",
            "scripts",
        ] {
            let path = folder.join(room);
            // A room that is too large for a file is a folder of that name.
            assert!(
                path.exists() || path.with_extension("").join("mod.rs").exists(),
                "{} is missing: who has read one protocol finds anything in the next",
                path.display()
            );
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for path in sources() {
        let lines = text(&path).lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines: past {LINES_MAX} it is two nouns",
            path.display()
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    let left_overs = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["db", "g!("].concat(),
        ["FIX", "ME"].concat(),
    ];
    for path in sources() {
        for (number, line) in text(&path).lines().enumerate() {
            let found = left_overs
                .iter()
                .find(|left_over| line.contains(left_over.as_str()));
            assert!(
                found.is_none(),
                "{}:{}: {found:?} is a promise nobody keeps",
                path.display(),
                number + 1
            );
        }
    }
}

/// An unbiased select draws from tokio's own generator, and the trace differs from run to run.
#[test]
fn every_select_is_biased() {
    let opening = ["select", "! {"].concat();
    for path in sources() {
        let text = text(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains(&opening) && !line.trim_start().starts_with("//") {
                let next = lines.get(at + 1).map(|line| line.trim());
                assert_eq!(
                    next,
                    Some("biased;"),
                    "{}:{}: the first line of a select",
                    path.display(),
                    at + 1
                );
            }
        }
    }
}

/// Cores are pure: what the compiler does not see without the host feature, this does.
#[test]
fn cores_know_no_clock_no_chance_and_no_io() {
    let banned = [
        "std::time",
        "std::thread",
        "std::net",
        "std::fs",
        "std::io",
        "tokio",
        "HashMap",
        "HashSet",
        "rand::",
        "async ",
        "println!",
    ];
    let cores = files("impls/src", ".rs")
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("/host"));
    let clients = files("workloads/src/client", ".rs");
    let clients = clients
        .into_iter()
        .chain([root().join("workloads/src/client.rs")]);
    for path in cores.chain(clients) {
        let text = text(&path);
        let own = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code(own) {
            let found = banned.iter().find(|word| line.contains(*word));
            assert!(
                found.is_none(),
                "{}:{number}: {found:?} has no place in a core",
                path.display()
            );
        }
    }
}

#[test]
fn the_readmes_commands_are_the_ones_that_are_tested() {
    let (readme, pipeline) = (
        text(&root().join("README.md")),
        text(&root().join(".ci/run")),
    );
    for command in [
        "cargo run --release -- run raft-cache",
        "cargo test --workspace",
    ] {
        assert!(
            readme.contains(command) && pipeline.contains(command),
            "both README.md and .ci/run run `{command}`"
        );
    }
}
