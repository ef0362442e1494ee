//! Options that need not be typed: flags over environment over file over defaults.
//!
//! | layer | how |
//! | --- | --- |
//! | flag | `--seeds 5` |
//! | environment | `STORMGLASS_SEEDS=5`: the long name of the option, for every sub-command that has it |
//! | profile | `[profile.nightly.run]` of `stormglass.toml`, asked for by `--profile nightly` or `STORMGLASS_PROFILE` |
//! | file | `[run]` of `stormglass.toml`, in the current folder or the nearest above it, or of `--config FILE` or `STORMGLASS_CONFIG` |
//! | default | what `--help` says |
//!
//! A table has the name of its sub-command (`[report.index]` of one below another), a key the long name of its option. Lists are arrays, or texts
//! with commas in the environment; switches are true or false, so a variable can turn off what the file turns on. An empty variable says
//! nothing. A path of the file is taken from the folder of the file, so that runs land in one place wherever one stands; a path of the environment
//! from where one stands. `STORMGLASS_SEED`, `_SEEDS` and `_OUT` mean the same to tests of the library.
//!
//! The layer knows nothing of any option: it reads clap's own description of the command. The line is parsed once to learn what it says by itself;
//! the rest is put in as words just after the name of the sub-command, and the line is parsed again. So clap's rules hold for all layers alike: a
//! mutant of the file is enough for `--explain`, which requires one. (clap's own layers, defaults and `Arg::env`, were not taken: a default
//! satisfies no requirement and breaks no conflict, and a conflict between a flag and a variable is refused there instead of won by the flag.)
//!
//! The file is checked as a whole, whatever sub-command is in use. Sub-commands that the tool starts by itself read none of this
//! ([`super::is_internal`]): what a process of a cluster does is said by who starts it.

mod file;
mod layers;
mod option;
mod show;

use super::{Cli, Exit, Failure, Format, print_line, takes_configuration};
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches};
use file::File;
use layers::{Layers, Set};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::OnceLock;

/// Where configuration comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file; `stormglass.toml` here or in the nearest folder above when not said
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = "Configuration"
    )]
    config: Option<PathBuf>,
    /// The profile of the configuration file to use
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help_heading = "Configuration"
    )]
    profile: Option<String>,
    /// Ask neither the configuration file nor the environment
    #[arg(long, global = true, conflicts_with_all = ["config", "profile"], help_heading = "Configuration")]
    no_config: bool,
    /// Show what each option is set to and by what, and do nothing
    #[arg(long, global = true, help_heading = "Configuration")]
    show_config: bool,
}

/// What the words of the command line come to.
pub(crate) enum Parsed {
    /// This is to be done.
    Do(Box<Cli>),
    /// All is said and done.
    Done(Exit),
}

/// What configuration has set in this process.
static IN_USE: OnceLock<Vec<Set>> = OnceLock::new();

/// Whether configuration could set an option here: of this sub-command, or of another.
static COULD: OnceLock<bool> = OnceLock::new();

/// What a printed command ends with. It says all that differs from the defaults, so that it makes the same trial wherever it is given; where there
/// is configuration, that must not be asked again.
pub(crate) fn plainly() -> &'static str {
    match COULD.get() {
        Some(true) => " --no-config",
        _ => "",
    }
}

/// Where the options come from that an error is about, a line each; nothing for those of the command line.
pub(crate) fn whence(error: &str) -> Vec<String> {
    let sets = IN_USE.get().into_iter().flatten();
    let is_about = |set: &&Set| {
        let values = match &set.given {
            option::Given::Values(values) => values.as_slice(),
            option::Given::Switch(_) => &[],
        };
        let named = error.contains(&format!("--{}", set.option));
        named
            || values
                .iter()
                .any(|value| error.contains(&format!("{value:?}")))
    };
    sets.filter(is_about)
        .map(|set| format!("--{} is set by {}", set.option, set.origin))
        .collect()
}

/// Parses the command line with all that configures it.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Parsed, Failure> {
    if !is_configured(&words) {
        return Ok(plain(&words));
    }
    let root = built();
    // Help and version, and lines that name no sub-command, are clap's to answer.
    let Ok(said) = tolerant(&root, &words) else {
        return Ok(plain(&words));
    };
    let (way, said) = way(&said);
    let leaf = way
        .iter()
        .try_fold(&root, |command, name| command.find_subcommand(name));
    let (Some(leaf), Some(first)) = (leaf, way.first()) else {
        return Ok(plain(&words));
    };
    if !takes_configuration(first) {
        return Ok(plain(&words));
    }
    let read = match said.get_flag("no_config") {
        true => Ok((None, None, Vec::new())),
        false => settle(&root, leaf, &way, said),
    };
    let (file, profile, sets) = match read {
        // What this machine can run, and that its file cannot be used, is what the doctor is asked.
        Err(_) if first == "doctor" => (None, None, Vec::new()),
        read => read?,
    };
    let _ = COULD.set(file.is_some() || said.get_flag("no_config") || layers::has_variable(&root));
    let line = with(&root, leaf, &way, &words, &sets);
    let _ = IN_USE.set(sets.clone());
    let matches = match (root.clone().try_get_matches_from(&line), said) {
        (Ok(matches), _) => matches,
        // What is set can be shown of a line that is not finished.
        (Err(error), said) if said.get_flag("show_config") && is_unfinished(&error) => {
            tolerant(&root, &line).map_err(|error| Failure::usage(error.render()))?
        }
        (Err(error), _) => return Ok(refuse(&error)),
    };
    if said.get_flag("show_config") {
        let (_, matches) = self::way(&matches);
        let shown = show::Shown {
            command: leaf,
            way: &way,
            matches,
            said,
            sets: &sets,
            file: file.as_ref().map(|file| file.path.as_path()),
            profile: profile.as_deref(),
        };
        match matches.get_one::<Format>("format") {
            Some(Format::Json) => print_line(shown.json()),
            _ => print_line(shown.text().trim_end()),
        }
        strays()
            .iter()
            .for_each(|stray| eprintln!("stormglass: {stray}"));
        return Ok(Parsed::Done(Exit::Valid));
    }
    Ok(read_off(&matches))
}

/// Whether anything could set an option. Where nothing can, the line is parsed once, by clap alone.
fn is_configured(words: &[OsString]) -> bool {
    let names_it = |word: &OsString| {
        let word = word.as_encoded_bytes();
        option::OWN.iter().any(|own| {
            word.strip_prefix(b"--")
                .is_some_and(|word| word.starts_with(own.as_bytes()))
        })
    };
    words.iter().any(names_it)
        || std::env::vars_os().any(|(name, _)| name.as_encoded_bytes().starts_with(b"STORMGLASS_"))
        || file::find().is_some()
}

/// The line as it stands.
fn plain(words: &[OsString]) -> Parsed {
    match Cli::command().try_get_matches_from(words) {
        Ok(matches) => read_off(&matches),
        Err(error) => refuse(&error),
    }
}

fn read_off(matches: &ArgMatches) -> Parsed {
    match Cli::from_arg_matches(matches) {
        Ok(cli) => Parsed::Do(Box::new(cli)),
        Err(error) => refuse(&error.format(&mut Cli::command())),
    }
}

/// Help and version are no errors; what clap cannot parse is one of usage.
fn refuse(error: &clap::Error) -> Parsed {
    let _ = error.print();
    if !error.use_stderr() {
        return Parsed::Done(Exit::Valid);
    }
    // The usage below names whatever was said, at fault or not.
    let text = error.render().to_string();
    for line in whence(text.split("Usage:").next().unwrap_or_default()) {
        eprintln!("stormglass: {line}");
    }
    Parsed::Done(Exit::Usage)
}

fn is_unfinished(error: &clap::Error) -> bool {
    use clap::error::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand
    )
}

/// What a line says, as far as it can be understood.
fn tolerant(root: &Command, words: &[OsString]) -> Result<ArgMatches, clap::Error> {
    root.clone().ignore_errors(true).try_get_matches_from(words)
}

/// The sub-commands a line names, and what it says of the last of them.
fn way(matches: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut names, mut matches) = (Vec::new(), matches);
    while let Some((name, below)) = matches.subcommand() {
        names.push(name.to_string());
        matches = below;
    }
    (names, matches)
}

/// A variable that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// What configures a sub-command.
type Settled = (Option<File>, Option<String>, Vec<Set>);

fn settle(
    root: &Command,
    leaf: &Command,
    way: &[String],
    said: &ArgMatches,
) -> Result<Settled, Failure> {
    let named = said.get_one::<PathBuf>("config").cloned();
    let file = read(root, named)?;
    let flag = said.get_one::<String>("profile").cloned();
    let profile = flag.or_else(|| variable("STORMGLASS_PROFILE"));
    if let Some(profile) = &profile {
        known(profile, file.as_ref())?;
    }
    let layers = Layers {
        command: leaf,
        way,
        said,
        file: file.as_ref(),
        profile: profile.as_deref(),
        variable: &variable,
    };
    let sets = layers.settle()?;
    Ok((file, profile, sets))
}

/// Reads the file that is named, or that is found.
fn read(root: &Command, named: Option<PathBuf>) -> Result<Option<File>, Failure> {
    let named = named.or_else(|| variable("STORMGLASS_CONFIG").map(PathBuf::from));
    let path = named.or_else(file::find);
    path.map(|path| file::read(&path, root)).transpose()
}

/// Refuses a profile that no file has.
fn known(profile: &str, file: Option<&File>) -> Result<(), Failure> {
    let Some(file) = file else {
        return Err(Failure::usage(format!(
            "there is no profile {profile:?}: there is no {} here nor in a folder above; --config names one elsewhere",
            file::NAME
        )));
    };
    if file.profiles.contains(profile) {
        return Ok(());
    }
    let known: Vec<&str> = file.profiles.iter().map(String::as_str).collect();
    let known = match known.as_slice() {
        [] => "it has none; [profile.NAME.run] begins one".to_string(),
        known => format!("it has: {}", known.join(", ")),
    };
    Err(Failure::usage(format!(
        "{}: there is no profile {profile:?}; {known}",
        file.path.display()
    )))
}

/// The line with the words of configuration in it, just after the name of the sub-command.
fn with(
    root: &Command,
    leaf: &Command,
    way: &[String],
    words: &[OsString],
    sets: &[Set],
) -> Vec<OsString> {
    let after = place(root, way, words);
    let set = sets.iter().flat_map(|set| {
        let arg = option::option(leaf, &set.option);
        arg.map(|arg| option::words(arg, &set.given))
            .unwrap_or_default()
    });
    let set = set.map(OsString::from);
    let (before, behind) = words.split_at(after);
    before
        .iter()
        .cloned()
        .chain(set)
        .chain(behind.iter().cloned())
        .collect()
}

/// Where the words of the sub-command begin. Its name may also be the value of an option before it, so the beginning of the line is parsed.
fn place(root: &Command, way: &[String], words: &[OsString]) -> usize {
    let mut found = 0;
    for (at, word) in words.iter().enumerate().skip(1) {
        let Some(name) = way.get(found) else { break };
        if word == OsStr::new(name)
            && tolerant(root, &words[..=at]).is_ok_and(|said| self::way(&said).0.len() > found)
        {
            found += 1;
            if found == way.len() {
                return at + 1;
            }
        }
    }
    words.len()
}

/// The file in use, as the doctor is told of it.
pub(crate) struct InUse {
    pub(crate) path: PathBuf,
    pub(crate) profiles: Vec<String>,
    /// Where it keeps runs, if it says.
    pub(crate) runs: Option<PathBuf>,
}

/// The file that other sub-commands would read here, if it can be used.
pub(crate) fn in_use(args: &ConfigArgs) -> Result<Option<InUse>, Failure> {
    if args.no_config {
        return Ok(None);
    }
    let file = read(&built(), args.config.clone())?;
    let profile = args.profile.clone();
    let profile = profile.or_else(|| variable("STORMGLASS_PROFILE"));
    if let Some(profile) = &profile {
        known(profile, file.as_ref())?;
    }
    Ok(file.map(|file| InUse {
        runs: file.runs(profile.as_deref()),
        path: file.path,
        profiles: file.profiles.into_iter().collect(),
    }))
}

/// The variables that look as if they should set an option, and set none.
pub(crate) fn strays() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    layers::strays(&built(), names)
}

/// The command, each sub-command with the options it shares with those above it.
fn built() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}
