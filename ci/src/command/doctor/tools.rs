//! Other programs, and what the environment says.

use super::Finding;
use std::io::{IsTerminal as _, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The variables by which batch systems, and our own jobs on them, number the shards of a campaign.
const SHARDS: [&str; 8] = [
    "STORMGLASS_SHARDS",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_TASK_COUNT",
    "JOB_COMPLETION_INDEX",
    "BUILDKITE_PARALLEL_JOB",
    "BUILDKITE_PARALLEL_JOB_COUNT",
    "CI_NODE_INDEX",
    "CI_NODE_TOTAL",
];

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program says first when it is started; why it says nothing, else.
fn asked(program: &str, arguments: &[&str]) -> Result<String, String> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no `{program}` on the PATH"),
        _ => format!("{program}: {error}"),
    })?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} did not answer within {PATIENCE:?}"));
            }
        }
    };
    match status.success() {
        true => Ok(first_line(child.stdout.take()).unwrap_or(program.to_string())),
        false => {
            let complaint = first_line(child.stderr.take());
            let complaint = complaint.map_or(String::new(), |line| format!(": {line}"));
            Err(format!("`{program}` ended with {status}{complaint}"))
        }
    }
}

fn first_line(pipe: Option<impl Read>) -> Option<String> {
    let mut text = String::new();
    // What is no text says nothing.
    pipe?.read_to_string(&mut text).ok()?;
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).map(str::to_string)
}

fn tool(check: &'static str, program: &str, arguments: &[&str], remedy: &str) -> Finding {
    match asked(program, arguments) {
        Ok(said) => Finding::ok(check, said),
        Err(why) => Finding::missing(check, why, remedy),
    }
}

pub(super) fn browser() -> Finding {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_string());
    let remedy = "the tests of the pages skip without: install chromium, or name a Chrome in CHROMIUM. Reports need none to be written";
    tool("browser", &program, &["--version"], remedy)
}

pub(super) fn git() -> Finding {
    let remedy = "install git: without it nothing can say of which commit a build is";
    tool("git", "git", &["--version"], remedy)
}

pub(super) fn slurm() -> Finding {
    let remedy = "only for campaigns over a cluster of machines: run from a login node of Slurm";
    tool("slurm", "sbatch", &["--version"], remedy)
}

pub(super) fn kubernetes() -> Finding {
    let remedy = "only for campaigns over a cluster of machines: install kubectl";
    tool("kubernetes", "kubectl", &["version", "--client"], remedy)
}

pub(super) fn terminal() -> Finding {
    let bar = match std::io::stderr().is_terminal() {
        true => "standard error is a terminal: progress is drawn there",
        false => "standard error is no terminal: no progress is drawn",
    };
    let color = match std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        true => "NO_COLOR is set: no colours",
        false => "NO_COLOR is not set",
    };
    Finding::ok("terminal", format!("{bar}; {color}"))
}

pub(super) fn shards() -> Finding {
    let seen = SHARDS
        .iter()
        .filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let seen: Vec<String> = seen.collect();
    Finding::ok(
        "shards",
        match seen.is_empty() {
            true => "no variable of a batch system numbers this process".to_string(),
            false => seen.join(", "),
        },
    )
}
