//! `stormglass.toml`: found, read, and held against the options there are, all of it at once. A mistake in the table of the night shows by day.

use super::option::{self, Given};
use crate::command::{Exit, Failure, names, takes_configuration};
use clap::Command;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How the file is called.
pub(super) const NAME: &str = "stormglass.toml";

/// The table that holds the profiles.
const PROFILE: &str = "profile";

/// A file that was read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) profiles: BTreeSet<String>,
    pub(super) settings: Vec<Setting>,
}

/// A line of the file.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The profile it belongs to, if any.
    pub(super) profile: Option<String>,
    /// The sub-command, and the one below it: `report`, `index`.
    pub(super) command: Vec<String>,
    /// The long name of the option.
    pub(super) option: String,
    pub(super) given: Given,
    /// From 1.
    pub(super) line: usize,
}

impl Setting {
    /// The table as the file has it, in brackets; nothing for what stands above all tables.
    pub(super) fn table(&self) -> String {
        let profile = self.profile.iter();
        let profile = profile.flat_map(|name| [PROFILE, name.as_str()]);
        let parts: Vec<&str> = profile
            .chain(self.command.iter().map(String::as_str))
            .collect();
        match parts.is_empty() {
            true => String::new(),
            false => format!("[{}]", parts.join(".")),
        }
    }
}

impl File {
    /// Where `stormglass run` keeps runs under a profile.
    pub(super) fn runs(&self, profile: Option<&str>) -> Option<PathBuf> {
        let of = |profile: Option<&str>| {
            let mut settings = self.settings.iter();
            settings.find(|setting| {
                setting.command == ["run"]
                    && setting.option == "out"
                    && setting.profile.as_deref() == profile
            })
        };
        match &of(profile).or_else(|| of(None))?.given {
            Given::Values(values) => values.first().map(PathBuf::from),
            Given::Switch(_) => None,
        }
    }
}

/// The file of the current folder, or of the nearest folder above it that has one.
pub(super) fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let own = Path::new(NAME);
    if own.is_file() {
        return Some(own.to_path_buf());
    }
    let above = here.ancestors().skip(1).map(|folder| folder.join(NAME));
    above.into_iter().find(|path| path.is_file())
}

/// Reads a file and holds it against the commands there are. `root` is built.
pub(super) fn read(path: &Path, root: &Command) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| {
        unusable(format!(
            "{}: cannot be read ({source}); --no-config does without",
            path.display()
        ))
    })?;
    let table = DeTable::parse(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', ", ");
        unusable(format!(
            "{}:{}: {message}; the file is TOML",
            path.display(),
            line_of(&text, start)
        ))
    })?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut reader = Reader {
        path,
        text: &text,
        folder,
        root,
        file: File {
            path: path.to_path_buf(),
            profiles: BTreeSet::new(),
            settings: Vec::new(),
        },
    };
    reader.table(root, &[], None, table.get_ref())?;
    Ok(reader.file)
}

fn unusable(text: String) -> Failure {
    Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!("{text}"),
    }
}

/// The line at that byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// Where paths begin, when it is not the current folder.
    folder: Option<&'a Path>,
    root: &'a Command,
    file: File,
}

impl Reader<'_> {
    /// Reads the table of a command, and those below it.
    fn table(
        &mut self,
        command: &Command,
        way: &[String],
        profile: Option<&str>,
        table: &DeTable<'_>,
    ) -> Result<(), Failure> {
        for (key, value) in table {
            let line = line_of(self.text, key.span().start);
            let name: &str = key.get_ref();
            let top = way.is_empty() && profile.is_none();
            if let DeValue::Table(below) = value.get_ref() {
                if top && name == PROFILE {
                    self.profiles(below)?;
                    continue;
                }
                let found = sub_command(command, name);
                let Some(found) = found else {
                    return Err(self.no_such_table(command, way, name, line, top));
                };
                let way = [way, &[name.to_string()]].concat();
                self.table(found, &way, profile, below)?;
                continue;
            }
            let Some(arg) = option::option(command, name) else {
                return Err(self.no_such_option(command, way, name, line));
            };
            let given = self
                .given(command, arg, value)
                .map_err(|why| self.refused(line, name, &why))?;
            self.file.settings.push(Setting {
                profile: profile.map(str::to_string),
                command: way.to_vec(),
                option: name.to_string(),
                given,
                line,
            });
        }
        Ok(())
    }

    fn profiles(&mut self, profiles: &DeTable<'_>) -> Result<(), Failure> {
        for (name, table) in profiles {
            let line = line_of(self.text, name.span().start);
            let name: &str = name.get_ref();
            let DeValue::Table(table) = table.get_ref() else {
                let why = format!("a profile is a table: [profile.{name}.run], say");
                return Err(self.refused(line, name, &why));
            };
            self.file.profiles.insert(name.to_string());
            self.table(self.root, &[], Some(name), table)?;
        }
        Ok(())
    }

    fn given(
        &self,
        command: &Command,
        arg: &clap::Arg,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Given, String> {
        let values = match value.get_ref() {
            DeValue::Boolean(on) => return option::from_truth(command, arg, *on),
            DeValue::Array(items) if option::is_list(arg) => {
                let items = items.iter().map(|item| scalar(item.get_ref()));
                items.collect::<Result<_, _>>()?
            }
            DeValue::Array(_) => return Err("it takes one value, not a list".to_string()),
            other => vec![scalar(other)?],
        };
        option::from_values(arg, values, self.folder)
    }

    fn refused(&self, line: usize, name: &str, why: &str) -> Failure {
        unusable(format!("{}:{line}: {name}: {why}", self.path.display()))
    }

    fn no_such_table(
        &self,
        command: &Command,
        way: &[String],
        name: &str,
        line: usize,
        top: bool,
    ) -> Failure {
        if command.find_subcommand(name).is_some() {
            return self.refused(line, name, "it takes no configuration; leave its table out");
        }
        if option::option(command, name).is_some() {
            return self.refused(line, name, "it is an option: a value, not a table");
        }
        let known = command
            .get_subcommands()
            .map(Command::get_name)
            .filter(|name| sub_command(command, name).is_some())
            .chain(top.then_some(PROFILE));
        let known: Vec<&str> = known.collect();
        let what = match way {
            [] => "there is no such sub-command".to_string(),
            way => format!("`stormglass {}` has no such sub-command", way.join(" ")),
        };
        self.refused(line, name, &format!("{what}{}", hint(name, &known)))
    }

    fn no_such_option(
        &self,
        command: &Command,
        way: &[String],
        name: &str,
        line: usize,
    ) -> Failure {
        if sub_command(command, name).is_some() || (way.is_empty() && name == PROFILE) {
            let why = format!("it is a table: [{name}]");
            return self.refused(line, name, &why);
        }
        if command.get_positionals().any(|arg| arg.get_id() == name) {
            let why = "it is no option: it is said on the command line, each time";
            return self.refused(line, name, why);
        }
        let known: Vec<&str> = option::options(command)
            .filter_map(clap::Arg::get_long)
            .collect();
        let why = match way {
            [] => {
                let of = command.get_subcommands();
                let of: Vec<&str> = of
                    .filter(|below| option::option(below, name).is_some())
                    .map(Command::get_name)
                    .collect();
                match of.first() {
                    Some(first) => format!(
                        "it is an option of {}; put it into a table: [{first}]",
                        of.join(", ")
                    ),
                    None => format!("there is no such option{}", hint(name, &known)),
                }
            }
            way => format!(
                "`stormglass {}` has no such option{}",
                way.join(" "),
                hint(name, &known)
            ),
        };
        self.refused(line, name, &why)
    }
}

/// The sub-command of that name, if it takes configuration.
fn sub_command<'a>(command: &'a Command, name: &str) -> Option<&'a Command> {
    command
        .find_subcommand(name)
        .filter(|_| takes_configuration(name))
}

pub(super) fn hint(name: &str, known: &[&str]) -> String {
    match names::near(name, known).as_slice() {
        [] if known.is_empty() => String::new(),
        [] => format!("; there are: {}", known.join(", ")),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

/// The text of a value, as it is written on the command line.
fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => match number.radix() {
            10 => Ok(number.as_str().to_string()),
            radix => i64::from_str_radix(number.as_str(), radix)
                .map(|number| number.to_string())
                .map_err(|error| error.to_string()),
        },
        DeValue::Float(number) => Ok(number.as_str().to_string()),
        DeValue::Boolean(on) => Ok(on.to_string()),
        other => Err(format!(
            "{} is no value of an option; put it into quotes",
            other.type_str()
        )),
    }
}
