//! What the protocols say of themselves, taken from their source when it was built: scripts, rules, and what each mutant replaces.
//!
//! Nothing here is a second list to be kept equal to the first. A rule is a function of a protocol's `rules.rs`, its law is what stands above
//! it, and what a mutant puts in its place is read from `mutants.rs`. The tests of this crate hold that all of it can be found.

use crate::catalog;
use crate::system::System;
use std::rc::Rc;

/// A protocol, as its folder is called, and the text that is taken from there.
struct Protocol {
    name: &'static str,
    rules: &'static str,
    mutants: &'static str,
    /// By the path in their folder.
    scripts: &'static [(&'static str, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/protocols.rs"));

/// A script that comes with the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// Which protocol it is for, as `raft`.
    pub protocol: &'static str,
    /// The file in the protocol's `scripts` folder.
    pub file: &'static str,
    /// Its text, with the traces that were kept.
    pub text: &'static str,
}

impl Script {
    /// All of them, by protocol and then by name. The scenario of a mutant is there once, as the correct rules play it.
    pub fn all() -> impl Iterator<Item = Script> {
        PROTOCOLS.iter().flat_map(|protocol| {
            let scripts = protocol.scripts.iter();
            let own = scripts.filter(|(file, _)| !file.ends_with("/mutant"));
            own.map(|(file, text)| Script {
                protocol: protocol.name,
                file,
                text,
            })
        })
    }

    /// The script of that name.
    pub fn named(name: &str) -> Option<Script> {
        Self::all().find(|script| script.name() == name)
    }

    /// The scenario that shows the harm of a mutant, if it has one.
    pub fn of_mutant(id: &str) -> Option<Script> {
        let (protocol, name) = id.split_once('/')?;
        Self::named(&format!("{protocol}/mutants/{name}"))
    }

    /// What it is called: `raft/a_majority_elects_a_leader`, or `raft/mutants/commit-old-term`.
    pub fn name(&self) -> String {
        let file = self.file.strip_suffix("/correct").unwrap_or(self.file);
        format!("{}/{file}", self.protocol)
    }

    /// What it shows: the paragraph on top.
    pub fn paragraph(&self) -> Vec<&'static str> {
        paragraph(self.text)
    }

    /// What it shows, in a word: the first sentence of its paragraph.
    pub fn about(&self) -> String {
        let text = self.paragraph().join(" ");
        match text.split_once(". ") {
            Some((first, _)) => format!("{first}."),
            None => text,
        }
    }

    /// The line of the trace that a mutant gives and the correct rules never do, or two with `, and then` between them.
    pub fn harm(&self) -> Option<&'static str> {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix("# Harm: "))
            .map(str::trim)
    }

    /// How its cluster is set up: the arguments of its first command.
    pub fn setup(&self) -> Option<&'static str> {
        let mut lines = self.text.lines().map(|line| line.trim_start_matches('('));
        let first = lines.find_map(|line| line.strip_prefix("cluster"));
        first.map(|rest| rest.trim().trim_end_matches(')'))
    }
}

/// The first system of a protocol: its name begins with the protocol's.
pub fn system_of(protocol: &str) -> Option<Rc<dyn System>> {
    let of_it = |system: &Rc<dyn System>| system.name().split('-').next() == Some(protocol);
    catalog::systems().into_iter().find(of_it)
}

/// What a script says before its first command, up to the first empty line; without the signs of a comment.
pub fn paragraph(script: &str) -> Vec<&str> {
    let lines = script.lines().map_while(|line| line.strip_prefix('#'));
    lines.map(str::trim_start).collect()
}

/// A decision on which a protocol's safety rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which protocol's.
    pub protocol: &'static str,
    /// The name of its function.
    pub name: &'static str,
    /// Where the function stands in `rules.rs`, from 1.
    pub line: usize,
    /// What the function is documented to say, in lines of the source.
    says: &'static str,
    /// The function itself.
    pub code: &'static str,
}

impl Rule {
    /// All of a protocol's, in the order of the source.
    pub fn all(protocol: &str) -> Vec<Rule> {
        let Some(protocol) = PROTOCOLS.iter().find(|known| known.name == protocol) else {
            return Vec::new();
        };
        let text = protocol.rules;
        let mut rules = Vec::new();
        for (start, _) in text.match_indices("\npub fn ") {
            let start = start + 1;
            let end = text[start..].find("\n}\n").map(|end| start + end + 2);
            let name = text[start + "pub fn ".len()..].split(['(', '<']).next();
            let (Some(end), Some(name)) = (end, name) else {
                continue;
            };
            let above = text[..start].lines().rev();
            let documented = above.take_while(|line| line.starts_with("///"));
            let length: usize = documented.map(|line| line.len() + 1).sum();
            rules.push(Rule {
                protocol: protocol.name,
                name,
                line: text[..start].lines().count() + 1,
                says: &text[start - length..start],
                code: &text[start..end],
            });
        }
        rules
    }

    /// What it says, in one line.
    pub fn says(&self) -> String {
        let lines = self.says.lines().map(|line| line.trim_start_matches('/'));
        let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        words.join(" ")
    }

    /// What it says without the sources in brackets.
    pub fn law(&self) -> String {
        apart(&self.says()).0
    }

    /// Where that comes from: what stands in brackets, begins with a name and has a number, as `Raft 5.4.2, figure 8`.
    pub fn sources(&self) -> Vec<String> {
        apart(&self.says()).1
    }
}

/// A text without its bracketed sources, and those.
fn apart(text: &str) -> (String, Vec<String>) {
    let (mut rest, mut law, mut sources) = (text, String::new(), Vec::new());
    while let Some((before, (inside, after))) = rest
        .split_once(" (")
        .and_then(|(before, behind)| Some((before, behind.split_once(')')?)))
    {
        law += before;
        let named = inside.starts_with(char::is_alphabetic);
        match named && inside.contains(|letter: char| letter.is_ascii_digit()) {
            true => sources.push(inside.to_string()),
            false => law += &format!(" ({inside})"),
        }
        rest = after;
    }
    (law + rest, sources)
}

/// What a mutant changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The rule.
    pub rule: Rule,
    /// What stands in its place, as `mutants.rs` has it.
    pub code: String,
}

impl Replaced {
    /// What a mutant changes; `None` when it is of no protocol's, or changes no rule or more than one.
    pub fn by(mutant: &str) -> Option<Replaced> {
        let (protocol, _) = mutant.split_once('/')?;
        let known = PROTOCOLS.iter().find(|known| known.name == protocol)?;
        let arm = format!("\n        {mutant:?} => ");
        let (_, arm) = known.mutants.split_once(&arm)?;
        // The rules, or a part of them that stands for itself.
        let (head, body) = arm.split_once('\n')?;
        let (fields, _) = body.split_once("\n            ..")?;
        if !head.ends_with("Rules {") {
            return None;
        }
        let margin = " ".repeat(12);
        let lines: Vec<&str> = fields
            .lines()
            .map(|line| line.strip_prefix(&margin).unwrap_or(line))
            .collect();
        let mut named = lines
            .iter()
            .filter(|line| !line.starts_with([' ', '}', ')']));
        let (name, _) = named.next()?.split_once(':')?;
        if named.next().is_some() {
            return None;
        }
        let rule = Rule::all(protocol)
            .into_iter()
            .find(|rule| rule.name == name)?;
        let code = lines.join("\n");
        Some(Replaced { rule, code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_told_apart_from_its_sources() {
        let (law, sources) =
            apart("A leader (of any term) waits (Raft 5.2) for (1 - d) of it, always (figure 3).");
        assert_eq!(
            law,
            "A leader (of any term) waits for (1 - d) of it, always."
        );
        assert_eq!(sources, ["Raft 5.2", "figure 3"]);
    }
}
