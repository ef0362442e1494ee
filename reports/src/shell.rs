//! Commands in lines of so many columns that still paste into a shell.

use crate::columns::columns;
use crate::escape::visible;

/// What a continued line begins with, where it begins with a word.
const INDENT: &str = "  ";

/// What the backslash at the end of a line takes, and the quote or the blank before it.
const JOIN_COLUMNS: usize = 2;

/// Between which quotes a shell is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// A command in lines of so many columns. All but the last end in the backslash that joins them: behind a blank between two words, and
/// within a word that fits no line.
pub(crate) fn continued(command: &str, columns_max: usize) -> Vec<String> {
    let command = visible(command);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words(&command) {
        let blank = if line.is_empty() { "" } else { " " };
        if columns(&line) + blank.len() + columns(word) + JOIN_COLUMNS <= columns_max {
            line.push_str(blank);
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(format!("{line} \\"));
            line = INDENT.to_string();
        }
        for (unit, quotes) in units(word) {
            let is_full = columns(&line) + columns(unit) + JOIN_COLUMNS > columns_max;
            if is_full && !line.trim().is_empty() {
                // Between single quotes a backslash is a backslash.
                let (end, begin) = match quotes {
                    Quotes::Single => ("'\\", "'"),
                    Quotes::None | Quotes::Double => ("\\", ""),
                };
                lines.push(format!("{line}{end}"));
                line = begin.to_string();
            }
            line.push_str(unit);
        }
    }
    lines.push(line);
    lines
}

/// The words of a command, as they are written.
fn words(command: &str) -> impl Iterator<Item = &str> {
    let mut blanks = Vec::new();
    let mut at = 0;
    for (unit, quotes) in units(command) {
        if unit == " " && quotes == Quotes::None {
            blanks.push(at);
        }
        at += unit.len();
    }
    blanks.push(command.len());
    let mut from = 0;
    let words = blanks.into_iter().map(move |until| {
        let word = &command[from..until];
        from = (until + 1).min(command.len());
        word
    });
    words.filter(|word| !word.is_empty())
}

/// What must not be torn apart: a character, or a backslash with the one it stands before. Each with the quotes it stands in.
fn units(text: &str) -> impl Iterator<Item = (&str, Quotes)> {
    let mut quotes = Quotes::None;
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut characters = rest.chars();
        let first = characters.next()?;
        if first == '\\' && quotes != Quotes::Single {
            characters.next();
        }
        let (unit, behind) = rest.split_at(rest.len() - characters.as_str().len());
        rest = behind;
        let stands_in = quotes;
        quotes = match (unit, quotes) {
            ("'", Quotes::None) => Quotes::Single,
            ("\"", Quotes::None) => Quotes::Double,
            ("'", Quotes::Single) | ("\"", Quotes::Double) => Quotes::None,
            (_, same) => same,
        };
        Some((unit, stands_in))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_directory::quoted;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn a_command_breaks_between_words() {
        assert_eq!(continued("a b", 20), ["a b"]);
        assert_eq!(
            continued("stormglass run raft-cache --seed 11 --arena simulator", 31),
            [
                "stormglass run raft-cache \\",
                "  --seed 11 --arena simulator"
            ]
        );
        assert_eq!(
            continued("replay '/a long/path that/fits no line'", 20),
            ["replay \\", "  '/a long/path th'\\", "'at/fits no line'"]
        );
        assert_eq!(
            continued("cat /a/path/that/fits/no/line", 16),
            ["cat \\", "  /a/path/that\\", "/fits/no/line"]
        );
    }

    /// What a shell makes of a text: the words, each behind a mark.
    fn pasted(command: &str) -> String {
        let script = format!("printf '<%s>' {command}");
        let output = Command::new("sh").arg("-c").arg(script).output();
        String::from_utf8(output.expect("there is a shell").stdout).expect("it was text")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_takes_the_lines_for_the_command(
            words in proptest::collection::vec("[a-z日'\"\\\\$ /*-]{1,90}", 1..8),
            width in 16usize..60,
        ) {
            let command = words.iter().map(quoted).collect::<Vec<_>>().join(" ");
            let lines = continued(&command, width);
            for line in &lines {
                prop_assert!(columns(line) <= width, "{line}");
            }
            prop_assert_eq!(pasted(&lines.join("\n")), pasted(&command));
            let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
            prop_assert_eq!(pasted(&command), expected);
        }
    }
}
