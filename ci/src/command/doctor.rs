//! `stormglass doctor`: what this machine can run, found out by doing it: a file is synced, a trial is run, a process is started and asked.

mod arenas;
mod machine;
mod store;
mod tools;

use super::config::{self, ConfigArgs};
use super::{Exit, Failure, Format, RUNS, print_line};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The folder for runs that is tried; the one that `stormglass run` would use when not said
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// Something cannot be run here, and the rest can.
    Missing,
    /// `stormglass run` cannot do its work.
    Failed,
}

/// One check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    fn missing(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            state: State::Missing,
            remedy: Some(remedy.into()),
            ..Self::ok(check, found)
        }
    }

    fn failed(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            state: State::Failed,
            ..Self::missing(check, found, remedy)
        }
    }
}

pub(super) fn execute(
    args: &DoctorArgs,
    configured: &ConfigArgs,
    format: Format,
) -> Result<Exit, Failure> {
    // A file that cannot be used is a finding of its own.
    let of_run = || config::in_use(configured).ok().flatten()?.runs;
    let out = args.out.clone().or_else(of_run);
    let out = &out.unwrap_or_else(|| PathBuf::from(RUNS));
    let checks: [&dyn Fn() -> Finding; 16] = [
        &machine::cores,
        &machine::memory,
        &|| store::space(out),
        &|| store::durable(out),
        &arenas::simulator,
        &arenas::turmoil,
        &arenas::live,
        &machine::descriptors,
        &machine::processor_time,
        &tools::browser,
        &tools::git,
        &tools::slurm,
        &tools::kubernetes,
        &tools::terminal,
        &tools::shards,
        &|| configuration(configured),
    ];
    let mut worst = State::Ok;
    for check in checks {
        let finding = check();
        match format {
            Format::Json => print_line(serde_json::to_string(&finding).unwrap_or_default()),
            Format::Human => print_line(line(&finding)),
        }
        worst = match (worst, finding.state) {
            (State::Failed, _) | (_, State::Failed) => State::Failed,
            (State::Missing, _) | (_, State::Missing) => State::Missing,
            _ => State::Ok,
        };
    }
    if format == Format::Human {
        print_line(match worst {
            State::Ok => "This machine can run everything.",
            State::Missing => {
                "`stormglass run` can do its work here. What is missing above is needed by the rest alone."
            }
            State::Failed => {
                "`stormglass run` cannot do its work here. What failed above says what to do."
            }
        });
    }
    Ok(match worst {
        State::Failed => Exit::SystemFailed,
        _ => Exit::Valid,
    })
}

fn line(finding: &Finding) -> String {
    let state = match finding.state {
        State::Ok => "ok",
        State::Missing => "MISSING",
        State::Failed => "FAILED",
    };
    let remedy = finding.remedy.as_ref();
    let remedy = remedy.map_or(String::new(), |remedy| {
        format!("\n         {:14}  {remedy}", "")
    });
    format!("{state:7}  {:14}  {}{remedy}", finding.check, finding.found)
}

/// The file in use, and variables that look as if they should do something.
fn configuration(args: &ConfigArgs) -> Finding {
    let found = match config::in_use(args) {
        Err(failure) => {
            // Every other sub-command refuses to start then.
            return Finding::failed(
                "configuration",
                failure.error.to_string(),
                "correct it, or say --no-config",
            );
        }
        Ok(None) => "no file".to_string(),
        Ok(Some(file)) if file.profiles.is_empty() => file.path.display().to_string(),
        Ok(Some(file)) => format!(
            "{}, with profiles {}",
            file.path.display(),
            file.profiles.join(", ")
        ),
    };
    let strays = config::strays();
    match strays.is_empty() {
        true => Finding::ok("configuration", found),
        false => Finding::missing(
            "configuration",
            format!("{found}; {}", strays.join("; ")),
            "correct the name, or unset the variable",
        ),
    }
}
