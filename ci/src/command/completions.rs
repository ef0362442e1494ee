//! `stormglass completions`: what makes a shell complete the command, made from the command itself.

use super::{Cli, Exit, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;

#[derive(Debug, Args)]
#[command(
    after_help = "For bash: `source <(stormglass completions bash)`, there or in ~/.bashrc.\n\
                  For zsh: `stormglass completions zsh > _stormglass`, in a folder of $fpath.\n\
                  For fish: `stormglass completions fish > ~/.config/fish/completions/stormglass.fish`."
)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn execute(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stormglass", &mut script);
    // A reader that has gone away is no failure of ours.
    let _ = std::io::stdout().write_all(&script);
    Ok(Exit::Valid)
}
