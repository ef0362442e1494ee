//! `--show-config`: what each option is set to, and by what. The text is itself a file that sets the same.

use super::layers::{Origin, Set};
use super::option;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// What is shown.
pub(super) struct Shown<'a> {
    pub(super) command: &'a Command,
    /// The names that lead to the sub-command.
    pub(super) way: &'a [String],
    /// What came of all layers.
    pub(super) matches: &'a ArgMatches,
    /// What the command line alone says.
    pub(super) said: &'a ArgMatches,
    pub(super) sets: &'a [Set],
    pub(super) file: Option<&'a Path>,
    pub(super) profile: Option<&'a str>,
}

/// An option, its value and where it comes from.
struct Row {
    option: String,
    value: Value,
    origin: Origin,
}

impl Shown<'_> {
    fn rows(&self) -> Vec<Row> {
        option::options(self.command)
            .map(|arg| {
                let option = arg.get_long().unwrap_or_default().to_string();
                let value = self.value(arg);
                let set = self.sets.iter().find(|set| set.option == option);
                let id = arg.get_id().as_str();
                let flag = self.said.value_source(id) == Some(ValueSource::CommandLine);
                let origin = match set {
                    _ if flag => Origin::Flag,
                    Some(set) => set.origin.clone(),
                    None if value.is_null() => Origin::Unset,
                    None => Origin::Default,
                };
                Row {
                    option,
                    value,
                    origin,
                }
            })
            .collect()
    }

    fn value(&self, arg: &Arg) -> Value {
        let id = arg.get_id().as_str();
        if option::is_switch(arg) {
            return json!(self.matches.get_flag(id));
        }
        let raw = self.matches.get_raw(id).into_iter().flatten();
        let raw: Vec<Value> = raw.map(|raw| value(&raw.to_string_lossy())).collect();
        match raw.as_slice() {
            [] => Value::Null,
            _ if option::is_list(arg) => Value::Array(raw),
            [one, ..] => one.clone(),
        }
    }

    /// A table of the file's own form, with the origins behind.
    pub(super) fn text(&self) -> String {
        let file = self.file.map(|file| file.display().to_string());
        let file = file.unwrap_or_else(|| "none".to_string());
        let profile = self.profile.unwrap_or("none");
        let mut text = format!(
            "# file: {file}; profile: {profile}\n[{}]\n",
            self.way.join(".")
        );
        let rows = self.rows();
        let line = |row: &Row| match row.value.is_null() {
            true => format!("# {}", row.option),
            // What JSON writes of texts, numbers, switches and lists of them, TOML reads.
            false => format!("{} = {}", row.option, row.value),
        };
        let width = rows.iter().map(|row| line(row).len()).max().unwrap_or(0);
        let width = width.min(40);
        for row in &rows {
            let _ = writeln!(text, "{:width$}  # {}", line(row), row.origin);
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let rows = self.rows().into_iter().map(|row| {
            let mut shown = json!({"option": row.option, "value": row.value});
            let more = match row.origin {
                Origin::Flag => json!({"origin": "flag"}),
                Origin::Default => json!({"origin": "default"}),
                Origin::Unset => json!({"origin": "unset"}),
                Origin::Environment(variable) => {
                    json!({"origin": "environment", "variable": variable})
                }
                Origin::File {
                    path, line, table, ..
                } => json!({
                    "origin": "file", "file": path, "line": line,
                    "table": table.trim_matches(['[', ']']),
                }),
            };
            if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
                shown.extend(more);
            }
            shown
        });
        json!({
            "command": self.way.join(" "),
            "file": self.file,
            "profile": self.profile,
            "options": rows.collect::<Vec<Value>>(),
        })
    }
}

/// A number where it reads as one that every reader takes, else the text.
fn value(raw: &str) -> Value {
    match raw.parse::<i64>() {
        Ok(number) if number.to_string() == raw => json!(number),
        _ => json!(raw),
    }
}
