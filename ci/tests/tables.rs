//! The tables of the documents, made from the source. `UPDATE_GOLDENFILES=1 cargo test -p stormglass --test tables` writes them anew.
//!
//! A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`. Whoever adds a mutant, a rule or an invariant runs the line
//! above, and merges the same way.

use std::fs;
use std::path::{Path, PathBuf};
use stormglass_impls::catalog;
use stormglass_impls::contract::Refusal;
use stormglass_impls::play::{Replaced, Rule, Script};
use stormglass_nemesis::faults::FAULTS;
use stormglass_nemesis::harness;
use stormglass_nemesis::regression::Regression;

const END: &str = "<!-- end of table -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A table as Markdown has it.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head: Vec<String> = head.iter().map(|cell| cell.to_string()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---".to_string()).collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    line(&head) + &line(&rule) + &rows
}

/// Holds a table of a page against the source, or writes it there.
fn check(page: &str, name: &str, made: &str) {
    let path = root().join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let start = format!("<!-- table: {name} -->\n");
    let split = text.split_once(&start);
    let split = split.and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let Some((before, (kept, after))) = split else {
        panic!("{page} has no place for its table {name}: {start}{END}");
    };
    if std::env::var("UPDATE_GOLDENFILES").is_ok_and(|value| value == "1") {
        fs::write(&path, format!("{before}{start}{made}{END}{after}"))
            .expect("the page can be written");
        return;
    }
    let missing: Vec<&str> = made
        .lines()
        .filter(|row| !kept.lines().any(|old| old == *row))
        .collect();
    let stale: Vec<&str> = kept
        .lines()
        .filter(|row| !made.lines().any(|new| new == *row))
        .collect();
    assert!(
        kept == made,
        "{page}: the table {name} is out of date; UPDATE_GOLDENFILES=1 cargo test -p stormglass --test tables\nmissing:\n{}\nstale:\n{}",
        missing.join("\n"),
        stale.join("\n")
    );
}

/// One test for all tables of a page, because they are written into one file.
#[test]
fn the_tables_of_the_architecture_are_up_to_date() {
    let page = "ARCHITECTURE.md";
    check(page, "faults", &faults());
    check(page, "mutants", &mutants());
    check(page, "harmless", &harmless());
    check(page, "invariants", &invariants());
    check(page, "errors", &errors());
}

#[test]
fn the_tables_in_the_readme_of_the_clusters_are_up_to_date() {
    check("impls/README.md", "rules", &rules());
    check("impls/README.md", "scripts", &scripts());
}

#[test]
fn the_table_of_what_must_be_believed_is_up_to_date() {
    check("checker/BELIEVE.md", "believe", &believe());
}

fn faults() -> String {
    let systems = catalog::systems();
    let row = |info: &stormglass_nemesis::faults::FaultInfo| {
        let arenas: Vec<&str> = info.arenas.iter().map(|arena| arena.name()).collect();
        let within = systems
            .iter()
            .filter(|system| info.demand.is_within(&system.budget()));
        let promised: Vec<&str> = within.map(|system| system.name()).collect();
        let promised = match promised.is_empty() {
            true => "beyond every promise".to_string(),
            false => format!("survived by {}", promised.join(", ")),
        };
        vec![
            info.name.to_string(),
            info.summary.to_string(),
            arenas.join(", "),
            promised,
        ]
    };
    table(
        &["kind", "what happens", "arenas", "promise"],
        FAULTS.iter().map(row).collect(),
    )
}

fn mutants() -> String {
    let systems = catalog::systems();
    let kept = Regression::kept().unwrap_or_else(|error| panic!("{error}"));
    let row = |mutant: &stormglass_impls::system::Mutant| {
        let of_it = kept
            .iter()
            .filter(|(_, kept)| kept.trial.mutant.as_deref() == Some(mutant.id));
        let script = Script::of_mutant(mutant.id).and_then(|script| script.setup());
        let shown: Vec<String> = script
            .map(|setup| format!("script: {setup}"))
            .into_iter()
            .chain(of_it.map(|(_, kept)| kept.about()))
            .collect();
        vec![
            mutant.id.to_string(),
            Replaced::by(mutant.id).map_or(String::new(), |replaced| {
                format!("`{}`", replaced.rule.name)
            }),
            mutant.mechanism.to_string(),
            mutant.seen_by.to_string(),
            shown.join("; "),
            mutant.source.to_string(),
        ]
    };
    let all = systems.iter().flat_map(|system| system.mutants());
    table(
        &[
            "id",
            "rule",
            "mechanism",
            "seen by",
            "smallest cluster that shows it",
            "source",
        ],
        all.chain(harness::MUTANTS).map(row).collect(),
    )
}

fn harmless() -> String {
    let systems = catalog::systems();
    let all = systems.iter().flat_map(|system| system.harmless());
    let row = |harmless: &stormglass_impls::system::Harmless| {
        vec![harmless.id.to_string(), harmless.change.to_string()]
    };
    table(&["id", "change"], all.map(row).collect())
}

fn invariants() -> String {
    let systems = catalog::systems();
    let rows = systems.iter().flat_map(|system| {
        let row = |known: &stormglass_impls::system::InvariantInfo| {
            [system.name(), known.name, known.law, known.source]
                .map(str::to_string)
                .to_vec()
        };
        system.invariants().iter().map(row)
    });
    table(&["cluster", "name", "law", "source"], rows.collect())
}

fn errors() -> String {
    let row = |refusal: &Refusal| {
        let claim = refusal.claim();
        let word = |yes: bool| if yes { "yes" } else { "no" };
        let cells = [
            claim.name,
            claim.meaning,
            word(claim.definite),
            word(claim.retryable),
            claim.remedy,
        ];
        cells.map(str::to_string).to_vec()
    };
    table(
        &[
            "name",
            "what happened",
            "definite",
            "again",
            "what is best done next",
        ],
        Refusal::ALL.iter().map(row).collect(),
    )
}

/// From the section of a paper to the function that says what it says.
fn rules() -> String {
    let mut protocols: Vec<&str> = Script::all().map(|script| script.protocol).collect();
    protocols.dedup();
    let rows = protocols.into_iter().flat_map(|protocol| {
        let rules = Rule::all(protocol).into_iter();
        // A function without a source is a part of others.
        let stated = rules.filter(|rule| !rule.sources().is_empty());
        stated.map(move |rule| {
            vec![
                protocol.to_string(),
                rule.sources().join("; "),
                format!("`{}`", rule.name),
                rule.law(),
            ]
        })
    });
    table(
        &[
            "protocol",
            "where it is written",
            "function in `rules.rs`",
            "what it says",
        ],
        rows.collect(),
    )
}

/// The scripts of a protocol's own; those of mutants are named after them.
fn scripts() -> String {
    let own = Script::all().filter(|script| !script.file.contains('/'));
    let row = |script: Script| vec![format!("`{}`", script.name()), script.about()];
    table(&["name", "what it shows"], own.map(row).collect())
}

/// What stands between what happened and a verdict: the files, their size, and which verdicts rest on them.
fn believe() -> String {
    let every = "every verdict";
    let valid = "valid, once `verify` accepted";
    let verified = "invalid, where evidence says `verified`";
    let not_verified = "invalid, where evidence does not say so";
    let parts: [(&str, &[&str], &str); 14] = [
        (
            "what an answer means to a client",
            &[
                "workloads/src/client.rs",
                "workloads/src/client/leader.rs",
                "workloads/src/client/session.rs",
                "workloads/src/client/session/watches.rs",
            ],
            every,
        ),
        ("the client on sockets", &["workloads/src/driver.rs"], every),
        (
            "calls and answers handed to the recorder",
            &["nemesis/src/desk.rs"],
            every,
        ),
        ("events recorded", &["workloads/src/recorder.rs"], every),
        (
            "events written and read as JSON lines",
            &[
                "checker/src/history.rs",
                "checker/src/formats/json_lines.rs",
                "checker/src/formats/lines.rs",
                "checker/src/formats/fields.rs",
                "checker/src/formats/draft.rs",
            ],
            every,
        ),
        (
            "all formats, these included",
            &["checker/src/formats"],
            "every verdict on a file of another format",
        ),
        (
            "calls paired with returns",
            &["checker/src/operation.rs"],
            every,
        ),
        (
            "a specification, for example the register",
            &["checker/src/specifications/register.rs"],
            every,
        ),
        ("`verify`", &["checker/src/certificate.rs"], valid),
        ("the oracle", &["checker/src/oracle.rs"], verified),
        (
            "operations set free, and evidence",
            &["checker/src/evidence"],
            "invalid",
        ),
        ("the search", &["checker/src/search"], not_verified),
        ("the monitors", &["checker/src/monitors"], not_verified),
        (
            "parts, limits, verdicts put together",
            &[
                "checker/src/case.rs",
                "checker/src/scope.rs",
                "checker/src/check.rs",
                "checker/src/limits.rs",
            ],
            not_verified,
        ),
    ];
    let row = |(what, places, who): &(&str, &[&str], &str)| {
        let lines: usize = places
            .iter()
            .map(|place| code_lines(&root().join(place)))
            .sum();
        let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
        vec![
            what.to_string(),
            places.join(", "),
            lines.to_string(),
            who.to_string(),
        ]
    };
    table(
        &["what", "where", "lines of code", "believed for"],
        parts.iter().map(row).collect(),
    )
}

/// The lines of a file, or of all files of a folder, that are neither tests nor comments nor blank.
fn code_lines(path: &Path) -> usize {
    let source = match path.is_dir() {
        true => own_source_below(path),
        false => own_source(path),
    };
    let is_code = |line: &&str| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//")
    };
    source.lines().filter(is_code).count()
}

/// All files of a folder, without their tests.
fn own_source_below(folder: &Path) -> String {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths
        .map(|path| match path.is_dir() {
            true => own_source_below(&path),
            false => own_source(&path),
        })
        .collect()
}

/// A file without its tests.
fn own_source(path: &Path) -> String {
    let source =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let own = source.split("#[cfg(test)]\nmod ").next();
    own.unwrap_or_default().to_string()
}

/// The hand-written part of the way from the paper to the source: whatever looks like a function or a file in a table is one.
#[test]
fn every_function_and_script_that_the_readme_of_the_clusters_names_exists() {
    let page = fs::read_to_string(root().join("impls/README.md")).expect("the page is there");
    let mut names = 0;
    for system in catalog::systems() {
        let protocol = system.name().split('-').next().unwrap_or_default();
        let heading = format!("\n### From the paper to the source: {protocol}\n");
        assert!(
            page.contains(&heading),
            "impls/README.md has no section {heading:?}: a row for each section of the paper, with its functions and scripts"
        );
    }
    for (at, heading) in page.match_indices("\n### From the paper to the source: ") {
        let rest = &page[at + heading.len()..];
        let (protocol, rest) = rest.split_once('\n').expect("a heading ends");
        let section = rest.split("\n#").next().unwrap_or_default();
        let folder = root().join("impls/src").join(protocol);
        let source: String = source_below(&folder);
        let rows = section.lines().filter(|line| line.starts_with("| "));
        // Without the heading and the line below it.
        let rows = rows.skip(2);
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let (functions, scripts) = (quoted(cells[2]), quoted(cells[3]));
            assert!(!functions.is_empty(), "{row}");
            for function in functions {
                let there = [format!("fn {function}("), format!("fn {function}<")];
                let there = there.iter().any(|text| source.contains(text));
                assert!(there, "{protocol} has no function {function}: {row}");
                names += 1;
            }
            for script in scripts {
                let there = Script::named(&format!("{protocol}/{script}")).is_some();
                assert!(there, "{protocol} has no script {script}: {row}");
            }
        }
    }
    assert!(
        names > 20,
        "this test looks in the wrong place: {names} names"
    );
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn source_below(folder: &Path) -> String {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths
        .map(|path| match path.is_dir() {
            true if path.ends_with("scripts") => String::new(),
            true => source_below(&path),
            false => fs::read_to_string(&path).expect("source is text"),
        })
        .collect()
}
