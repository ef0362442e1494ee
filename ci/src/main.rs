//! The `stormglass` command.

mod campaign;
mod command;

use command::{Exit, Failure, Parsed};
use std::process::ExitCode;

/// An error with its causes. Many name theirs in their own sentence already.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn failed(failure: &Failure) -> ExitCode {
    let text = told(&failure.error);
    eprintln!("stormglass: {text}");
    if failure.exit == Exit::Usage {
        for line in command::whence(&text) {
            eprintln!("stormglass: {line}");
        }
    }
    failure.exit.into()
}

fn main() -> ExitCode {
    let cli = match command::parse(std::env::args_os().collect()) {
        Ok(Parsed::Do(cli)) => *cli,
        Ok(Parsed::Done(exit)) => return exit.into(),
        Err(failure) => return failed(&failure),
    };
    // What broke in a node is a finding and has been caught. A panic that comes up to here is ours.
    match std::panic::catch_unwind(|| command::execute(cli)) {
        Err(_) => Exit::Internal.into(),
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => failed(&failure),
    }
}
