//! Known failures: they stay in sight, and are not red until the day on which somebody promised to have looked at them.

use crate::command::{Exit, Failure};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::Spanned;
use toml::value::Datetime;

/// The file that is read when no other is named and it is there.
pub(crate) const KNOWN: &str = "known.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    property: String,
    signature: String,
    reason: String,
    expires: Datetime,
}

/// A known failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// What is broken.
    pub(crate) property: String,
    /// A pattern that the signature fits: `*` stands for anything.
    pub(crate) signature: String,
    /// Why it may be.
    pub(crate) reason: String,
    /// The last day on which it may, as in 2026-11-30.
    pub(crate) expires: String,
}

impl Known {
    /// Whether it is this failure.
    pub(crate) fn is(&self, property: &str, signature: &str) -> bool {
        self.property == property && fits(&self.signature, signature)
    }

    /// Whether its time is over on that day.
    pub(crate) fn is_expired(&self, day: &str) -> bool {
        self.expires.as_str() < day
    }
}

/// Whether a text fits a pattern in which `*` stands for anything, nothing too.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The known failures of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Known>, Failure> {
    let unreadable = |cause: String| Failure {
        exit: Exit::Unreadable,
        error: anyhow::anyhow!(cause),
    };
    let name = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| unreadable(format!("{name}: {error}")))?;
    let line = |offset: usize| {
        let before = text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    };
    let file: File = toml::from_str(&text).map_err(|error| {
        let line = line(error.span().map_or(0, |span| span.start));
        let cause = error.message().replace('\n', " ");
        unreadable(format!(
            "{name}:{line}: {cause}; a known failure is a [[known]] with property, signature, reason and expires = 2026-12-31"
        ))
    })?;
    let known = file.known.into_iter().map(|entry| {
        let line = line(entry.span().start);
        let entry = entry.into_inner();
        let wrong = |cause: &str| unreadable(format!("{name}:{line}: {cause}"));
        if entry.reason.trim().is_empty() {
            return Err(wrong("reason: say why it may fail"));
        }
        let day = match (entry.expires.date, entry.expires.time) {
            (Some(date), None) => date.to_string(),
            _ => return Err(wrong("expires: say a day, as 2026-12-31")),
        };
        Ok(Known {
            property: entry.property,
            signature: entry.signature,
            reason: entry.reason,
            expires: day,
        })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fitting) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b/c", true),
            ("*", "", true),
            ("*c", "a/b/c", true),
            ("a*c", "ac", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(fits(pattern, text), fitting, "{pattern} and {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KNOWN);
        let entry = |expires: &str| {
            format!(
                "# a comment\n\n[[known]]\nproperty = \"p\"\nsignature = \"s\"\nreason = \"r\"\nexpires = {expires}\n"
            )
        };
        let read_of = |text: String| {
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        let known = read_of(entry("2026-12-31")).unwrap().remove(0);
        assert!(!known.is_expired("2026-12-31") && known.is_expired("2027-01-01"));
        let error = |text| read_of(text).unwrap_err().error.to_string();
        assert!(
            error(entry("\"soon\"")).contains("known.toml:7: "),
            "{}",
            error(entry("\"soon\""))
        );
        assert!(error(entry("07:32:00")).contains("known.toml:3: expires"));
        assert!(error(entry("2026-12-31").replace("reason", "because")).contains("known.toml:"));
    }
}
