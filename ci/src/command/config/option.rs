//! An option as configuration sees it: what it may hold, how its variable is called, and how it is said on a command line.

use clap::{Arg, ArgAction, Command};
use std::any::TypeId;
use std::path::{Path, PathBuf};

/// What configuration gives an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A switch, on or off; or an option whose value may be left out, not said at all.
    Switch(bool),
    /// Values as they are written on the command line. One, but for lists.
    Values(Vec<String>),
}

/// What an option may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Switch,
    /// A value that may be left out.
    Optional,
    One,
    Many,
}

/// The options that say where configuration comes from. They are set by no configuration.
pub(super) const OWN: [&str; 4] = ["config", "profile", "no-config", "show-config"];

/// The options of a command that configuration may set: those with a long name.
pub(super) fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| is_option(arg))
}

/// The option of that long name.
pub(super) fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    options(command).find(|arg| arg.get_long() == Some(name))
}

fn is_option(arg: &Arg) -> bool {
    let takes = matches!(
        arg.get_action(),
        ArgAction::Set | ArgAction::Append | ArgAction::SetTrue
    );
    takes && arg.get_long().is_some_and(|long| !OWN.contains(&long))
}

/// The variable that sets an option.
pub(super) fn variable(arg: &Arg) -> String {
    let name = arg.get_long().unwrap_or_default();
    format!("STORMGLASS_{}", name.to_uppercase().replace('-', "_"))
}

fn shape(arg: &Arg) -> Shape {
    let may_be_left_out = arg
        .get_num_args()
        .is_some_and(|range| range.min_values() == 0);
    match arg.get_action() {
        ArgAction::SetTrue => Shape::Switch,
        ArgAction::Append => Shape::Many,
        _ if may_be_left_out => Shape::Optional,
        _ => Shape::One,
    }
}

/// Whether the option is a switch, without a value.
pub(super) fn is_switch(arg: &Arg) -> bool {
    shape(arg) == Shape::Switch
}

/// Whether the option takes several values.
pub(super) fn is_list(arg: &Arg) -> bool {
    shape(arg) == Shape::Many
}

/// Whether the value names a file or a folder.
fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// What an option stands for that is said without its value. A bare word would take what follows it on the line for its value.
fn without_value(command: &Command, arg: &Arg) -> Given {
    let name = arg.get_long().unwrap_or_default();
    let alone = command.clone().ignore_errors(true).no_binary_name(true);
    let matches = alone.try_get_matches_from([format!("--{name}")]);
    let values = matches.ok().and_then(|matches| {
        let raw = matches.get_raw(arg.get_id().as_str())?;
        Some(raw.map(|raw| raw.to_string_lossy().into_owned()).collect())
    });
    values.map_or(Given::Switch(false), Given::Values)
}

/// What a text of the environment gives an option of a command.
pub(super) fn from_text(command: &Command, arg: &Arg, text: &str) -> Result<Given, String> {
    let given = match (shape(arg), truth(text)) {
        (Shape::Switch, Some(on)) => Given::Switch(on),
        (Shape::Optional, Some(true)) => without_value(command, arg),
        (Shape::Optional, Some(false)) => Given::Switch(false),
        (Shape::Switch, None) => return Err(format!("{text:?} is neither true nor false")),
        (Shape::Many, _) => Given::Values(text.split(',').map(str::to_string).collect()),
        _ => Given::Values(vec![text.to_string()]),
    };
    check(arg, &given).map(|()| given)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        // The port of an Explorer may be a number, but not one of these two.
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// What true or false in the file gives an option of a command.
pub(super) fn from_truth(command: &Command, arg: &Arg, on: bool) -> Result<Given, String> {
    match shape(arg) {
        Shape::Optional if on => Ok(without_value(command, arg)),
        Shape::Switch | Shape::Optional => Ok(Given::Switch(on)),
        Shape::One | Shape::Many => from_values(arg, vec![on.to_string()], None),
    }
}

/// What values of the file give an option. A path is taken from the folder of the file.
pub(super) fn from_values(
    arg: &Arg,
    mut values: Vec<String>,
    folder: Option<&Path>,
) -> Result<Given, String> {
    if is_switch(arg) {
        return Err("it is a switch: true or false".to_string());
    }
    if let (true, Some(folder)) = (is_path(arg), folder) {
        for value in &mut values {
            *value = folder.join(&*value).to_string_lossy().into_owned();
        }
    }
    let given = Given::Values(values);
    check(arg, &given).map(|()| given)
}

/// What an option is called that answers alone.
const ALONE: &str = "option";

/// Whether the option takes these values. The option answers alone: what it conflicts with, or requires, is asked later.
fn check(arg: &Arg, given: &Given) -> Result<(), String> {
    if is_switch(arg) {
        return Ok(());
    }
    let mut alone = Arg::new(ALONE)
        .long(ALONE)
        .action(arg.get_action().clone())
        .value_parser(arg.get_value_parser().clone());
    if let Some(range) = arg.get_num_args() {
        alone = alone.num_args(range);
    }
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    if let Some(names) = arg.get_value_names() {
        alone = alone.value_names(names.iter().cloned());
    }
    let command = Command::new("check").no_binary_name(true).arg(alone);
    match command.try_get_matches_from(words_for(ALONE, given)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let name = arg.get_long().unwrap_or_default();
            Err(in_a_line(&error).replace(&format!("--{ALONE}"), &format!("--{name}")))
        }
    }
}

/// What clap says of a value, without the usage that follows it.
fn in_a_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim);
    let told = lines
        .take_while(|line| !line.starts_with("For more information") && !line.starts_with("Usage:"))
        .filter(|line| !line.is_empty());
    let told: Vec<&str> = told.collect();
    told.join("; ").trim_start_matches("error: ").to_string()
}

/// The words that give an option this on a command line.
pub(super) fn words(arg: &Arg, given: &Given) -> Vec<String> {
    words_for(arg.get_long().unwrap_or_default(), given)
}

fn words_for(name: &str, given: &Given) -> Vec<String> {
    match given {
        Given::Switch(true) => vec![format!("--{name}")],
        Given::Switch(false) => Vec::new(),
        Given::Values(values) => values
            .iter()
            .map(|value| format!("--{name}={value}"))
            .collect(),
    }
}
