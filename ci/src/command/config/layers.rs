//! The layers over each other: for each option, the first layer that says something.

use super::file::{File, Setting, hint};
use super::option::{self, Given};
use crate::command::Failure;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use std::fmt;
use std::path::PathBuf;

/// Where the value of an option comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    /// A variable.
    Environment(String),
    /// A line of the file, with its table in brackets.
    File {
        path: PathBuf,
        line: usize,
        table: String,
        of_profile: bool,
    },
    Default,
    /// It has no value.
    Unset,
}

impl Origin {
    /// The layers from the one that goes before all others on.
    fn rank(&self) -> u8 {
        match self {
            Origin::Flag => 0,
            Origin::Environment(_) => 1,
            Origin::File {
                of_profile: true, ..
            } => 2,
            Origin::File { .. } => 3,
            Origin::Default | Origin::Unset => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Environment(variable) => write!(f, "environment {variable}"),
            Origin::File {
                path, line, table, ..
            } => {
                write!(f, "{}:{line}", path.display())?;
                match table.is_empty() {
                    true => Ok(()),
                    false => write!(f, " {table}"),
                }
            }
            Origin::Default => f.write_str("default"),
            Origin::Unset => f.write_str("not set"),
        }
    }
}

/// An option that configuration sets.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) option: String,
    pub(super) given: Given,
    pub(super) origin: Origin,
}

/// What is asked for the options of one sub-command.
pub(super) struct Layers<'a> {
    /// The sub-command in use, built, with the options it shares with the ones above it.
    pub(super) command: &'a Command,
    /// The names that lead to it.
    pub(super) way: &'a [String],
    /// What the command line says.
    pub(super) said: &'a ArgMatches,
    pub(super) file: Option<&'a File>,
    pub(super) profile: Option<&'a str>,
    /// The variables.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Layers<'_> {
    /// What configuration sets, of all that the command line does not say. Where two options exclude each other, the one of the higher layer
    /// stays; two of one layer are left for clap to refuse.
    pub(super) fn settle(&self) -> Result<Vec<Set>, Failure> {
        let mut sets = Vec::new();
        for arg in option::options(self.command) {
            if !self.is_said(arg) {
                sets.extend(self.set(arg)?);
            }
        }
        let stays = |set: &&Set| {
            let own = option::option(self.command, &set.option);
            let said = option::options(self.command).filter(|arg| self.is_said(arg));
            let higher = sets
                .iter()
                .filter(|other| is_on(other) && other.origin.rank() < set.origin.rank())
                .filter_map(|other| option::option(self.command, &other.option));
            let mut higher = said.chain(higher);
            own.is_none_or(|own| !higher.any(|other| self.exclude(own, other)))
        };
        Ok(sets.iter().filter(stays).cloned().collect())
    }

    fn is_said(&self, arg: &Arg) -> bool {
        self.said.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    }

    fn exclude(&self, one: &Arg, other: &Arg) -> bool {
        let excludes = |one: &Arg, other: &Arg| {
            let conflicts = self.command.get_arg_conflicts_with(one);
            conflicts.iter().any(|arg| arg.get_id() == other.get_id())
        };
        excludes(one, other) || excludes(other, one)
    }

    fn set(&self, arg: &Arg) -> Result<Option<Set>, Failure> {
        let option = arg.get_long().unwrap_or_default().to_string();
        let variable = option::variable(arg);
        if let Some(text) = (self.variable)(&variable) {
            let given = option::from_text(self.command, arg, &text).map_err(|why| {
                Failure::usage(format!(
                    "{variable}: {why}; correct the variable or unset it"
                ))
            })?;
            let origin = Origin::Environment(variable);
            return Ok(Some(Set {
                option,
                given,
                origin,
            }));
        }
        let Some(file) = self.file else {
            return Ok(None);
        };
        let of_profile = |setting: &Setting| setting.profile.as_deref() == self.profile;
        let setting = match self.profile {
            Some(_) => self.setting(arg, file, &of_profile),
            None => None,
        };
        let setting =
            setting.or_else(|| self.setting(arg, file, &|setting| setting.profile.is_none()));
        Ok(setting.map(|setting| Set {
            option,
            given: setting.given.clone(),
            origin: Origin::File {
                path: file.path.clone(),
                line: setting.line,
                table: setting.table(),
                of_profile: setting.profile.is_some(),
            },
        }))
    }

    /// The setting of an option among some: of the sub-command's own table, or, if it shares the option with those above it, of theirs.
    fn setting<'f>(
        &self,
        arg: &Arg,
        file: &'f File,
        among: &dyn Fn(&Setting) -> bool,
    ) -> Option<&'f Setting> {
        let highest = if arg.is_global_set() {
            0
        } else {
            self.way.len()
        };
        let tables = (highest..=self.way.len()).rev();
        let mut tables = tables.map(|length| &self.way[..length]);
        tables.find_map(|table| {
            file.settings.iter().find(|setting| {
                setting.command == table
                    && Some(setting.option.as_str()) == arg.get_long()
                    && among(setting)
            })
        })
    }
}

fn is_on(set: &Set) -> bool {
    set.given != Given::Switch(false)
}

/// Whether some variable sets an option of some sub-command.
pub(super) fn has_variable(root: &Command) -> bool {
    let mut known = Vec::new();
    collect_variables(root, &mut known);
    known
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|text| !text.is_empty()))
}

/// The variables of our own name that set nothing, with the near ones that would. Those of tests, and of jobs
/// on many machines, are left alone.
pub(super) fn strays(root: &Command, names: impl Iterator<Item = String>) -> Vec<String> {
    const OF_OTHERS: [&str; 6] = ["CORPUS", "TRIAL", "AXE", "AGREEMENT", "LIVE_TIME", "SHARDS"];
    let mut known = vec![
        "STORMGLASS_CONFIG".to_string(),
        "STORMGLASS_PROFILE".to_string(),
    ];
    known.extend(OF_OTHERS.map(|name| format!("STORMGLASS_{name}")));
    collect_variables(root, &mut known);
    let known_names: Vec<&str> = known.iter().map(String::as_str).collect();
    let stray = names.filter(|name| name.starts_with("STORMGLASS_") && !known.contains(name));
    let mut strays: Vec<String> = stray
        .map(|name| format!("{name} sets no option{}", near_only(&name, &known_names)))
        .collect();
    strays.sort();
    strays
}

fn near_only(name: &str, known: &[&str]) -> String {
    // All names begin alike, which makes them look near to each other: what follows is compared.
    let bare = |name: &str| name.trim_start_matches("STORMGLASS_").to_string();
    let bare_known: Vec<String> = known.iter().map(|name| bare(name)).collect();
    let bare_known: Vec<&str> = bare_known.iter().map(String::as_str).collect();
    match crate::command::names::near(&bare(name), &bare_known).as_slice() {
        [] => String::new(),
        [first, ..] => hint(first, &[first]).replace(first, &format!("STORMGLASS_{first}")),
    }
}

fn collect_variables(command: &Command, known: &mut Vec<String>) {
    known.extend(option::options(command).map(option::variable));
    for below in command.get_subcommands() {
        collect_variables(below, known);
    }
}
