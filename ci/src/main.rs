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
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Valid };
            let _ = error.print();
            return exit.into();
        }
    };
    match command::execute(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("stormglass: {:#}", failure.error);
            failure.exit.into()
        }
    }
}
