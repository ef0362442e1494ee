//! `stormglass play`: a script of a protocol, step by step.

use super::{Exit, Failure, Format, names};
use clap::Args;
use serde_json::json;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::rc::Rc;
use stormglass_impls::catalog;
use stormglass_impls::play::{Block, Script, blocks, paragraph, play, system_of, tells_of_harm};
use stormglass_impls::system::System;

#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// A file, or the name of a built-in script (see `list scripts`)
    script: String,
    /// Print all of it at once, also on a terminal
    #[arg(long)]
    all: bool,
    /// Plant a bug (see `list mutants`)
    #[arg(long, value_name = "ID")]
    mutant: Option<String>,
    /// Which cluster a file is for; the first of its protocol when it lies in that protocol's folder, and else the first there is
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
}

pub(super) fn execute(args: &PlayArgs, format: Format) -> Result<Exit, Failure> {
    let (script, protocol) = open(&args.script)?;
    let system = system(args, protocol.as_deref())?;
    if let Some(mutant) = &args.mutant {
        let changes = system.harmless().iter().map(|harmless| harmless.id);
        let mutants = system.mutants().iter().map(|mutant| mutant.id);
        let known: Vec<&str> = mutants.chain(changes).collect();
        if !known.contains(&mutant.as_str()) {
            return Err(names::unknown("mutant", mutant, &known));
        }
    }
    let played = play(&system, args.mutant.as_deref(), &script).map_err(|error| {
        let (line, cause) = (error.line, error.cause);
        let remedy = "mend the line; `cargo doc -p stormglass-impls --features play` describes the commands under `play`";
        unreadable(format!("{}:{line}: {cause}; {remedy}", args.script))
    })?;
    let (above, blocks) = (paragraph(&played), blocks(&played));
    // A reader that has gone away, as `head` does, is no failure of ours.
    let _ = match format {
        Format::Json => write_json(&mut io::stdout(), args, &above, &blocks),
        Format::Human => {
            let steps = !args.all && io::stdout().is_terminal() && io::stdin().is_terminal();
            let mut next = || -> io::Result<bool> {
                if !steps {
                    return Ok(true);
                }
                eprint!("-- Enter goes on, q ends: ");
                let mut line = String::new();
                let read = io::stdin().lock().read_line(&mut line)?;
                Ok(read > 0 && !line.trim().eq_ignore_ascii_case("q"))
            };
            write_text(&mut io::stdout(), &above, &blocks, &mut next)
        }
    };
    let harmed = blocks
        .iter()
        .flat_map(|block| &block.trace)
        .any(|line| tells_of_harm(line));
    Ok(if harmed { Exit::Violation } else { Exit::Valid })
}

/// The text of a script and the protocol it is for, if it shows: of a built-in one, or of a file.
fn open(name: &str) -> Result<(String, Option<String>), Failure> {
    if let Some(script) = Script::named(name) {
        return Ok((script.text.to_string(), Some(script.protocol.to_string())));
    }
    let path = Path::new(name);
    let looks_like_a_file =
        path.exists() || path.extension().is_some() || name.starts_with(['.', '/']);
    if !looks_like_a_file {
        let known: Vec<String> = Script::all().map(|script| script.name()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(names::unknown("script", name, &known));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        unreadable(format!(
            "{name}: cannot be read: {error}; check the path and the permissions"
        ))
    })?;
    // A script in `impls/src/raft/scripts` is for Raft.
    let whole = path.canonicalize().unwrap_or_default();
    let mut above = whole.ancestors();
    let scripts = above.find(|folder| folder.file_name().is_some_and(|name| name == "scripts"));
    let protocol = scripts.and_then(|folder| folder.parent()?.file_name()?.to_str());
    Ok((text, protocol.map(str::to_string)))
}

fn system(args: &PlayArgs, protocol: Option<&str>) -> Result<Rc<dyn System>, Failure> {
    let Some(name) = &args.cluster else {
        let of_protocol = protocol.and_then(system_of);
        return Ok(of_protocol.unwrap_or_else(|| catalog::systems().remove(0)));
    };
    catalog::system(name).ok_or_else(|| {
        let systems = catalog::systems();
        let known: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        names::unknown("cluster", name, &known)
    })
}

fn unreadable(text: String) -> Failure {
    Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(text),
    }
}

/// Writes the paragraph and, as long as `next` says so, the blocks: what is said of them, the commands behind a `>`, and the trace.
fn write_text(
    out: &mut dyn Write,
    above: &[&str],
    blocks: &[Block<'_>],
    next: &mut dyn FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    for line in above {
        writeln!(out, "{line}")?;
    }
    for block in blocks {
        writeln!(out)?;
        out.flush()?;
        if !next()? {
            return Ok(());
        }
        for line in &block.says {
            writeln!(out, "{line}")?;
        }
        for line in &block.commands {
            writeln!(out, "> {line}")?;
        }
        for line in &block.trace {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// One line for each block.
fn write_json(
    out: &mut dyn Write,
    args: &PlayArgs,
    above: &[&str],
    blocks: &[Block<'_>],
) -> io::Result<()> {
    for (at, block) in blocks.iter().enumerate() {
        let said = if at == 0 {
            above.join("\n")
        } else {
            String::new()
        };
        let line = json!({
            "script": args.script,
            "mutant": args.mutant,
            "block": at + 1,
            "about": said,
            "says": block.says.join("\n"),
            "commands": block.commands,
            "trace": block.trace,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a terminal somebody presses Enter, and at some point q.
    #[test]
    fn each_block_waits_to_be_asked_for() {
        let script = "# About.\n\n# First.\nfire n1\n---\nok\n\nstatus\n---\nn1\nn2\n";
        let shown = |asked: usize| {
            let (mut out, mut left) = (Vec::new(), asked);
            let mut next = || {
                left = left.saturating_sub(1);
                Ok(left > 0)
            };
            write_text(&mut out, &paragraph(script), &blocks(script), &mut next).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(1), "About.\n\n");
        assert_eq!(shown(2), "About.\n\nFirst.\n> fire n1\nok\n\n");
        assert_eq!(
            shown(9),
            "About.\n\nFirst.\n> fire n1\nok\n\n> status\nn1\nn2\n"
        );
    }
}
