//! `stormglass man`: the manual, made from the command itself.

use super::exit::OrExit;
use super::{Cli, Exit, Failure, print_line};
use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each sub-command into this folder, in place of printing the first page
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn execute(args: &ManArgs) -> Result<Exit, Failure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    match &args.folder {
        None => {
            let page = page(&root, true).or_exit(Exit::Internal)?;
            // A reader that has gone away is no failure of ours.
            let _ = std::io::stdout().write_all(&page);
        }
        Some(folder) => {
            let made = fs::create_dir_all(folder)
                .with_context(|| format!("{}: cannot be made", folder.display()));
            made.or_exit(Exit::Unreadable)?;
            write(&root, folder, true).or_exit(Exit::Unreadable)?;
        }
    }
    Ok(Exit::Valid)
}

/// Writes the page of a command, and those of the commands below it.
fn write(command: &Command, folder: &Path, first: bool) -> anyhow::Result<()> {
    let path = folder.join(Man::new(command.clone()).get_filename());
    let page = page(command, first)?;
    fs::write(&path, page).with_context(|| format!("{}: cannot be written", path.display()))?;
    print_line(path.display());
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        write(below, folder, false)?;
    }
    Ok(())
}

fn page(command: &Command, first: bool) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    if first {
        page.extend(sections().into_bytes());
    }
    Ok(page)
}

/// What the first page tells besides: exit codes, files and variables.
fn sections() -> String {
    let mut text = ".SH \"EXIT STATUS\"\nOf several trials the worst counts.\n".to_string();
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(text, ".TP\n{}\n{meaning}", exit as u8);
    }
    text += ".SH FILES\n";
    for (name, meaning) in FILES {
        let _ = writeln!(text, ".TP\n\\fI{name}\\fR\n{meaning}");
    }
    text += ".SH ENVIRONMENT\n";
    for (name, meaning) in VARIABLES {
        let _ = writeln!(text, ".TP\n\\fB{name}\\fR\n{meaning}");
    }
    text
}

const FILES: [(&str, &str); 2] = [
    (
        "stormglass.toml",
        "Sets options, in the current folder or the nearest above it. The table [run] sets those of stormglass run, [profile.ci.run] those of \
         the same under \\-\\-profile ci. Flags go before the environment, that before the profile, that before the other tables.",
    ),
    (
        ".stormglass/",
        "What is run leaves its directory here, where \\-\\-out names no other place.",
    ),
];

const VARIABLES: [(&str, &str); 4] = [
    (
        "STORMGLASS_OPTION",
        "Sets the option of that name, in every sub-command that has it: STORMGLASS_SEEDS for \\-\\-seeds, STORMGLASS_SHRINK_BUDGET for \
         \\-\\-shrink\\-budget. Lists have commas, switches are true or false.",
    ),
    ("STORMGLASS_CONFIG", "The configuration file."),
    (
        "STORMGLASS_PROFILE",
        "The profile of the configuration file.",
    ),
    ("NO_COLOR", "No colours."),
];
