//! The command that runs a trial again, as a shell takes it.

use super::environment::TRIAL;
use std::env;
use std::path::Path;
use stormglass_reports::run_directory;

/// What runs the test that is running now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Runner {
    /// The package, when it is run by cargo.
    package: Option<String>,
    /// Whether it is run by nextest.
    is_nextest: bool,
    /// The file in `tests`, without its ending, when it is one there.
    target: Option<String>,
    /// The name of the test, where it is known.
    test: Option<String>,
    /// The program that it is in.
    program: String,
}

/// The command that runs the trial of a file again, in the test that is running now.
pub(super) fn replay(trial: &Path) -> String {
    Runner::of_this_test().command(trial)
}

/// The command that keeps the trial of a run directory for ever.
pub(super) fn keep(directory: &Path, folder: &Path) -> String {
    let quote = |path: &Path| quoted(&path.to_string_lossy());
    let name = directory.file_name().unwrap_or_default();
    let kept = folder.join(format!("{}.json", name.to_string_lossy()));
    let trial = directory.join(run_directory::TRIAL);
    let copy = format!("cp {} {}", quote(&trial), quote(&kept));
    match folder.is_dir() {
        true => copy,
        false => format!("mkdir -p {} && {copy}", quote(folder)),
    }
}

impl Runner {
    fn of_this_test() -> Self {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let thread = std::thread::current();
        // With one thread the tests run on the main one, and their names are lost there.
        let thread = thread.name().filter(|name| *name != "main");
        let test = variable("NEXTEST_TEST_NAME").or_else(|| thread.map(str::to_string));
        let program = env::current_exe().unwrap_or_default();
        let target = variable("CARGO_MANIFEST_DIR").and_then(|directory| {
            let name = program.file_stem()?.to_string_lossy().into_owned();
            let (name, _hash) = name.rsplit_once('-')?;
            let source = Path::new(&directory).join("tests").join(name);
            let is_there =
                source.with_extension("rs").is_file() || source.join("main.rs").is_file();
            is_there.then(|| name.to_string())
        });
        Self {
            package: variable("CARGO_PKG_NAME"),
            is_nextest: variable("NEXTEST").is_some(),
            target,
            test: test.or_else(|| exact(env::args())),
            program: program.to_string_lossy().into_owned(),
        }
    }

    fn command(&self, trial: &Path) -> String {
        let mut words = vec![format!("{TRIAL}={}", quoted(&trial.to_string_lossy()))];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| quoted(word)));
        match (&self.package, self.is_nextest) {
            (Some(package), true) => add(&["cargo", "nextest", "run", "-p", package]),
            (Some(package), false) => add(&["cargo", "test", "-p", package]),
            (None, _) => add(&[&self.program]),
        }
        if let (Some(_), Some(target)) = (&self.package, &self.target) {
            add(&["--test", target]);
        }
        match (&self.package, self.is_nextest) {
            (Some(_), true) => {
                add(&["--no-capture"]);
                if let Some(test) = &self.test {
                    add(&["-E", &format!("test(={test})")]);
                }
            }
            (package, _) => {
                add(self.test.as_deref().as_slice());
                // The flags are the program's own.
                add(package.as_ref().map_or(&[][..], |_| &["--"]));
                add(self.test.as_ref().map_or(&[][..], |_| &["--exact"]));
                add(&["--nocapture"]);
            }
        }
        words.join(" ")
    }
}

/// The one test that a test program was told to run.
fn exact(arguments: impl Iterator<Item = String>) -> Option<String> {
    let arguments: Vec<String> = arguments.skip(1).collect();
    let is_exact = arguments.iter().any(|argument| argument == "--exact");
    let mut names = arguments
        .into_iter()
        .filter(|argument| !argument.starts_with('-'));
    names.next().filter(|_| is_exact)
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._/:".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_string()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_of_what_runs_the_test() {
        let cargo = Runner {
            package: Some("lighthouse".to_string()),
            test: Some("storms::survives".to_string()),
            program: "/t/chaos-1".to_string(),
            ..Runner::default()
        };
        let target = Some("chaos".to_string());
        let (is_nextest, package) = (true, None);
        let said = |runner: &Runner| runner.command(Path::new("/out/a b/trial.json"));
        for (runner, wanted) in [
            (
                cargo.clone(),
                "cargo test -p lighthouse storms::survives -- --exact --nocapture",
            ),
            (
                Runner {
                    target: target.clone(),
                    ..cargo.clone()
                },
                "cargo test -p lighthouse --test chaos storms::survives -- --exact --nocapture",
            ),
            (
                Runner {
                    is_nextest,
                    target,
                    ..cargo.clone()
                },
                "cargo nextest run -p lighthouse --test chaos --no-capture -E 'test(=storms::survives)'",
            ),
            (
                Runner {
                    test: None,
                    ..cargo.clone()
                },
                "cargo test -p lighthouse -- --nocapture",
            ),
            (
                Runner { package, ..cargo },
                "/t/chaos-1 storms::survives --exact --nocapture",
            ),
        ] {
            let wanted = format!("STORMGLASS_TRIAL='/out/a b/trial.json' {wanted}");
            assert_eq!(said(&runner), wanted);
        }
    }

    #[test]
    fn a_name_that_no_thread_has_is_taken_from_the_arguments() {
        let told = |arguments: &[&str]| exact(arguments.iter().map(|word| word.to_string()));
        let one = Some("storms::survives".to_string());
        assert_eq!(
            told(&["/t/chaos-1", "--nocapture", "storms::survives", "--exact"]),
            one
        );
        assert_eq!(told(&["/t/chaos-1", "storms"]), None, "it may be many");
    }

    #[test]
    fn a_trial_is_kept_under_the_name_of_its_run() {
        let directory = Path::new("/out/abd-register-3-0a1b2c");
        let kept = keep(directory, Path::new("/no/such/folder"));
        assert_eq!(
            kept,
            "mkdir -p /no/such/folder && cp /out/abd-register-3-0a1b2c/trial.json /no/such/folder/abd-register-3-0a1b2c.json"
        );
        let there = keep(directory, Path::new("/"));
        assert_eq!(
            there,
            "cp /out/abd-register-3-0a1b2c/trial.json /abd-register-3-0a1b2c.json"
        );
    }
}
