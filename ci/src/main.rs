//! The `stormglass` command.

mod campaign;
mod command;

use clap::Parser;
use command::{Cli, Exit};
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

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; what clap cannot parse is one of usage.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Valid
            };
            let _ = error.print();
            return exit.into();
        }
    };
    // What broke in a node is a finding and has been caught. A panic that comes up to here is ours.
    match std::panic::catch_unwind(|| command::execute(cli)) {
        Err(_) => Exit::Internal.into(),
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            eprintln!("stormglass: {}", told(&failure.error));
            failure.exit.into()
        }
    }
}
