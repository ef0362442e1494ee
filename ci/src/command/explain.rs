//! `stormglass run CLUSTER --mutant ID --explain`: what a planted bug is, what it breaks, and why that is wrong.
//!
//! Everything is read from the source: the rule and what the mutant puts in its place, the laws, the script that shows the harm, the
//! small trial that is kept.

use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;
use stormglass_impls::catalog;
use stormglass_impls::play::{Replaced, Script, blocks, play};
use stormglass_impls::system::{Mutant, System};
use stormglass_nemesis::harness;
use stormglass_nemesis::regression::Regression;
use stormglass_workloads::workload::promises;

/// What is known of a planted change.
#[derive(Serialize)]
struct Explanation {
    mutant: &'static str,
    /// What the changed code does.
    mechanism: &'static str,
    /// Where it happened; nothing for a harmless change.
    source: Option<&'static str>,
    /// Nothing for a bug of the harness and for a harmless change.
    replaces: Option<Replacement>,
    /// What must see it.
    seen_by: Vec<Law>,
    script: Option<Scenario>,
    /// The small trials that are kept.
    trials: Vec<Kept>,
}

/// The rule, and what stands in its place.
#[derive(Serialize)]
struct Replacement {
    rule: &'static str,
    file: String,
    line: usize,
    /// What the rule says.
    says: String,
    code: &'static str,
    /// What the mutant puts there.
    mutant_code: String,
}

/// A property, and what it demands.
#[derive(Serialize)]
struct Law {
    name: String,
    law: String,
    source: Option<&'static str>,
}

/// The smallest script that shows the harm.
#[derive(Serialize)]
struct Scenario {
    name: String,
    about: String,
    /// How its cluster is set up.
    setup: &'static str,
    /// The line of the trace that the correct rules never give.
    harm: &'static str,
    blocks: Vec<Pair>,
}

/// The same commands, played by the correct rules and by the mutant.
#[derive(Serialize)]
struct Pair {
    says: Vec<String>,
    commands: Vec<String>,
    correct: Vec<String>,
    mutant: Vec<String>,
    /// In the first block in which they differ: the first line that does, from 0.
    parts_at: Option<usize>,
}

/// A small trial that is kept, and what it breaks.
#[derive(Serialize)]
struct Kept {
    file: String,
    breaks: String,
    about: String,
    command: String,
}

pub(super) fn execute(cluster: &str, mutant: &str, format: Format) -> Result<Exit, Failure> {
    let system = catalog::system(cluster).expect("the name was looked up");
    let explanation = explanation(&*system, mutant)?;
    print_line(match format {
        Format::Json => serde_json::to_string(&explanation).or_exit(Exit::Internal)?,
        Format::Human => text(&explanation),
    });
    Ok(Exit::Valid)
}

fn explanation(system: &dyn System, id: &str) -> Result<Explanation, Failure> {
    let mut mutants = system.mutants().iter().chain(harness::MUTANTS);
    let Some(mutant) = mutants.find(|mutant| mutant.id == id) else {
        let mut harmless = system.harmless().iter();
        let change = harmless
            .find(|change| change.id == id)
            .expect("the name was looked up");
        return Ok(Explanation {
            mutant: change.id,
            mechanism: change.change,
            source: None,
            replaces: None,
            seen_by: Vec::new(),
            script: None,
            trials: Vec::new(),
        });
    };
    let replaces = Replaced::by(id).map(|Replaced { rule, code }| Replacement {
        rule: rule.name,
        file: format!("impls/src/{}/rules.rs", rule.protocol),
        line: rule.line,
        says: rule.says(),
        code: rule.code,
        mutant_code: code,
    });
    Ok(Explanation {
        mutant: mutant.id,
        mechanism: mutant.mechanism,
        source: Some(mutant.source),
        replaces,
        seen_by: laws(system, mutant),
        script: scenario(system, id)?,
        trials: kept(id)?,
    })
}

/// What must see a mutant, with what it demands.
fn laws(system: &dyn System, mutant: &Mutant) -> Vec<Law> {
    let law = |name: &str| {
        let invariant = system.invariants().iter().find(|known| known.name == name);
        let (law, source) = match (invariant, name) {
            (Some(invariant), _) => (invariant.law.to_string(), Some(invariant.source)),
            (None, "progress") => {
                let law = "when the storm is over, every client is answered in time";
                (law.to_string(), None)
            }
            _ => {
                let promise = promises().into_iter().find(|promise| promise.name == name);
                (promise.map_or(String::new(), |promise| promise.text), None)
            }
        };
        Law {
            name: name.to_string(),
            law,
            source,
        }
    };
    mutant.seen_by.split(", ").map(law).collect()
}

fn scenario(system: &dyn System, id: &str) -> Result<Option<Scenario>, Failure> {
    let Some(script) = Script::of_mutant(id) else {
        return Ok(None);
    };
    let system = catalog::system(system.name()).expect("it came from the catalogue");
    let played = |mutant| play(&system, mutant, script.text).or_exit(Exit::Internal);
    let (correct, mutated) = (played(None)?, played(Some(id))?);
    let own = |lines: Vec<&str>| lines.into_iter().map(str::to_string).collect::<Vec<_>>();
    let mut parted = false;
    let pairs = blocks(&correct).into_iter().zip(blocks(&mutated));
    let pairs = pairs.map(|(correct, mutated)| {
        let alike = correct.trace.iter().zip(&mutated.trace);
        let alike = alike.take_while(|(one, other)| one == other).count();
        let parts = !parted && correct.trace != mutated.trace;
        parted |= parts;
        Pair {
            says: own(correct.says),
            commands: own(correct.commands),
            correct: own(correct.trace),
            mutant: own(mutated.trace),
            parts_at: parts.then_some(alike),
        }
    });
    Ok(Some(Scenario {
        name: script.name(),
        about: script.paragraph().join("\n"),
        setup: script.setup().unwrap_or_default(),
        harm: script.harm().unwrap_or_default(),
        blocks: pairs.collect(),
    }))
}

/// The small trials with this mutant.
fn kept(id: &str) -> Result<Vec<Kept>, Failure> {
    let all = Regression::kept().or_exit(Exit::Internal)?.into_iter();
    let with_it = all.filter(|(_, kept)| kept.trial.mutant.as_deref() == Some(id));
    let described = with_it.map(|(file, kept)| {
        let file = format!("nemesis/regressions/{file}");
        Kept {
            breaks: kept.property.to_string(),
            about: kept.about(),
            command: format!("stormglass replay {file}"),
            file,
        }
    });
    Ok(described.collect())
}

fn text(explanation: &Explanation) -> String {
    let Explanation {
        mutant,
        mechanism,
        source,
        replaces,
        seen_by,
        script,
        trials,
    } = explanation;
    let mut text = format!("{mutant}: {mechanism}\n");
    let mut say =
        |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("text can be written");
    match source {
        Some(source) => say(format_args!("  source: {source}")),
        None => say(format_args!("  It is harmless: nobody must see it.")),
    }
    if let Some(replaced) = replaces {
        let Replacement {
            rule, file, line, ..
        } = replaced;
        say(format_args!(
            "\nTHE RULE  {rule} ({file}:{line})\n\n  {}\n",
            replaced.says
        ));
        replaced
            .code
            .lines()
            .for_each(|line| say(format_args!("    {line}")));
        say(format_args!("\nTHE MUTANT puts in its place\n"));
        replaced
            .mutant_code
            .lines()
            .for_each(|line| say(format_args!("    {line}")));
    }
    if !seen_by.is_empty() {
        say(format_args!("\nWHO MUST SEE IT\n"));
    }
    for Law { name, law, source } in seen_by {
        let colon = if law.is_empty() { "" } else { ": " };
        let source = source.map_or(String::new(), |source| format!(" ({source})"));
        say(format_args!("  {name}{colon}{law}{source}"));
    }
    if let Some(script) = script {
        say(format_args!(
            "\nTHE SMALLEST SCRIPT  {} ({})\n",
            script.name, script.setup
        ));
        let about = script
            .about
            .lines()
            .filter(|line| !line.starts_with("Harm: "));
        about.for_each(|line| say(format_args!("  {line}")));
        say(format_args!(
            "\n  `-` is the trace of the correct rules, `+` that of the mutant, and `>` marks where they part.\n"
        ));
        script
            .blocks
            .iter()
            .for_each(|pair| say(format_args!("{}", beside(pair))));
        let broken = script
            .harm
            .strip_prefix("BROKEN ")
            .and_then(|harm| harm.split(':').next());
        let law = seen_by
            .iter()
            .find(|law| broken.is_none_or(|name| name == law.name));
        say(format_args!("WHY IT IS WRONG\n\n  {}", script.harm));
        if let Some(law) = law {
            say(format_args!("  breaks {}: {}", law.name, law.law));
        }
    }
    if !trials.is_empty() {
        say(format_args!("\nTHE SMALLEST TRIAL"));
    }
    for trial in trials {
        say(format_args!(
            "\n  {}, breaks {}\n  {}",
            trial.about, trial.breaks, trial.command
        ));
    }
    text.trim_end().to_string()
}

/// One block of the script as both played it: the lines that differ, with two around them.
fn beside(pair: &Pair) -> String {
    let mut text = String::new();
    let mut say = |line: &str| writeln!(text, "  {line}").expect("text can be written");
    pair.says.iter().for_each(|line| say(line));
    pair.commands.iter().for_each(|line| say(line));
    let correct: Vec<&str> = pair.correct.iter().map(String::as_str).collect();
    let mutant: Vec<&str> = pair.mutant.iter().map(String::as_str).collect();
    if correct == mutant {
        say(&format!("    .. {} lines, the same", correct.len()));
    }
    let diff = TextDiff::from_slices(&correct, &mutant);
    let mut parts = pair.parts_at.is_some();
    for (at, group) in diff.grouped_ops(2).iter().enumerate() {
        if at > 0 {
            say("    ..");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let first = parts && sign != ' ';
            parts &= !first;
            say(&format!(
                "{} {sign} {}",
                if first { '>' } else { ' ' },
                change.value()
            ));
        }
    }
    text
}
