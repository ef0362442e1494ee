//! Text from outside, made harmless for the place where it is shown.
//!
//! A history may hold anything: tags, quotes, control characters, characters that turn the direction of writing. First every character
//! that cannot be seen is spelled out, so that what is shown is what is there; then the result is escaped for its place.

use serde::Serialize;
use std::ffi::OsStr;
use std::fmt::Write;

/// Spells out what cannot be seen: control characters, direction marks, zero-width characters and what XML forbids.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut seen, character| {
            match character {
                character if is_hidden(character) => seen.extend(character.escape_unicode()),
                character => seen.push(character),
            }
            seen
        })
}

/// The same for text of several lines, whose line ends stay.
pub(crate) fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// At most so many characters of the visible text; an ellipsis shows that there was more.
pub(crate) fn short(text: &str, characters_max: usize) -> String {
    // Nearly every text is short and plain, and there is one for each of a hundred thousand operations.
    if text.len() <= characters_max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_string();
    }
    // A value may be megabytes long: what cannot be shown is not spelled out either.
    let mut head: String = text.chars().take(characters_max + 1).collect();
    head = visible(&head);
    if head.chars().count() <= characters_max {
        return head;
    }
    head = head
        .chars()
        .take(characters_max.saturating_sub(1))
        .collect();
    head.push('\u{2026}');
    head
}

/// For an element or an attribute of a page or a drawing.
pub(crate) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON that can stand inside a `<script>` element: nothing in it can end the element or begin another.
pub(crate) fn script_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Outside strings JSON has none of these, and inside strings the escape means the same character.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", character as u32))
            }
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}

/// The address of a file beside a page, from its name: nothing in it is a scheme, a folder, a question or a fragment.
pub(crate) fn address(name: &OsStr) -> String {
    let mut address = "./".to_string();
    for byte in name.as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                address.push(char::from(*byte));
            }
            other => {
                let _ = write!(address, "%{other:02X}");
            }
        }
    }
    address
}

/// For a line of Markdown: shown as it is, with no markup, link or mention.
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|'
            | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    // An address would become a link by itself.
    escaped
        .replace("://", ":&#47;&#47;")
        .replace("www.", "www&#46;")
}

/// A fenced block of Markdown; the fence is longer than any run of backticks inside.
pub(crate) fn fenced(text: &str) -> String {
    let text = visible_lines(text);
    let longest = text
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        assert_eq!(visible("a\u{0}b\u{202e}c\nd"), "a\\u{0}b\\u{202e}c\\u{a}d");
        assert_eq!(visible_lines("a\nb\u{1b}"), "a\nb\\u{1b}");
        assert_eq!(visible("größe 日本"), "größe 日本");
    }

    #[test]
    fn a_short_text_ends_in_an_ellipsis_only_when_something_is_missing() {
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("abcd", 3), "ab\u{2026}");
        assert_eq!(short("\u{0}\u{0}", 4), "\\u{\u{2026}");
    }

    #[test]
    fn an_address_stays_beside_its_page() {
        assert_eq!(address(OsStr::new("raft-1.a_b")), "./raft-1.a_b");
        assert_eq!(
            address(OsStr::new("javascript:1//a?b#c\"%é")),
            "./javascript%3A1%2F%2Fa%3Fb%23c%22%25%C3%A9"
        );
    }

    #[test]
    fn no_markup_survives() {
        assert_eq!(
            xml("<b a='1' c=\"2\">&"),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;"
        );
        let json = script_json(&"</script><!--&\u{2028}\u{2029}").unwrap();
        assert_eq!(
            json,
            "\"\\u003c/script\\u003e\\u003c!--\\u0026\\u2028\\u2029\""
        );
        assert_eq!(
            serde_json::from_str::<String>(&json).unwrap(),
            "</script><!--&\u{2028}\u{2029}"
        );
        assert_eq!(
            markdown("a|b `c` <d> @e [f](http://g)"),
            "a\\|b \\`c\\` &lt;d&gt; &#64;e \\[f\\]\\(http:&#47;&#47;g\\)"
        );
        assert_eq!(fenced("a ```` b"), "`````text\na ```` b\n`````\n");
    }
}
