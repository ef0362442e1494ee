//! The `stormglass` command.

mod command;

use clap::Parser;
use command::{Cli, Exit};
use std::process::ExitCode;

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
            eprintln!("stormglass: {:#}", failure.error);
            failure.exit.into()
        }
    }
}
