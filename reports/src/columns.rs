//! Text that has to fit so many columns of a terminal: how wide it is, where it is broken, and where it is cut.

use crate::escape::visible;

/// How many columns a character takes. East Asian wide characters and emoji take two; a combining mark is counted as one, so that a line
/// is never wider than was counted.
pub(crate) fn column(character: char) -> usize {
    let wide = matches!(u32::from(character),
        0x1100..=0x115f | 0x231a..=0x231b | 0x2329..=0x232a | 0x23e9..=0x23f3 | 0x25fd..=0x25fe | 0x2614..=0x2615 | 0x2648..=0x2653
        | 0x267f..=0x27bf | 0x2b1b..=0x2b1c | 0x2b50..=0x2b55 | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xa960..=0xa97f | 0xac00..=0xd7a3
        | 0xf900..=0xfaff | 0xfe10..=0xfe19 | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x16fe0..=0x18dff
        | 0x1aff0..=0x1b2ff | 0x1f004..=0x1faff | 0x20000..=0x3fffd);
    if wide { 2 } else { 1 }
}

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// The part of a text that fits, and the rest. At least one character, so that whoever goes on with the rest comes to an end.
pub(crate) fn split(text: &str, columns_max: usize) -> (&str, &str) {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += column(character);
        if taken > columns_max && at > 0 {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// A text made visible, in so many columns; an ellipsis shows that there was more.
pub(crate) fn fit(text: &str, columns_max: usize) -> String {
    // What cannot be shown is not spelled out either: a text may be megabytes long.
    let head: String = text.chars().take(columns_max + 1).collect();
    let head = visible(&head);
    if columns(&head) <= columns_max {
        return head;
    }
    let (head, _) = split(&head, columns_max.saturating_sub(1));
    format!("{head}\u{2026}")
}

/// A text of any length in lines of so many columns, broken between words where that can be. Line ends stay, what begins a line with blanks
/// goes on behind as many, and at most `lines_max` lines are made; the number says how many more there would be.
pub(crate) fn wrap(text: &str, columns_max: usize, lines_max: usize) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    let mut more = 0;
    for paragraph in text.trim_end_matches(['\n', ' ']).split('\n') {
        let paragraph = visible(paragraph);
        let paragraph = paragraph.trim_end_matches(' ');
        let blanks = paragraph.len() - paragraph.trim_start_matches(' ').len();
        let indent = " ".repeat(blanks.min(columns_max / 4));
        let mut line = String::new();
        let mut push = |line: String| match lines.len() < lines_max {
            true => lines.push(line),
            false => more += 1,
        };
        for mut word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let room = columns_max - indent.len();
            if !line.is_empty() && columns(&line) + 1 + columns(word) <= columns_max {
                line.push(' ');
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                push(std::mem::take(&mut line));
            }
            // A word that fits no line is broken.
            while let (head, rest) = split(word, room)
                && !rest.is_empty()
            {
                push(format!("{indent}{head}"));
                word = rest;
            }
            line = format!("{indent}{word}");
        }
        push(line);
    }
    (lines, more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(columns("größe"), 5);
        assert_eq!(columns("日本"), 4);
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本\u{2026}");
        assert_eq!(fit("日本語", 4), "日\u{2026}");
        assert_eq!(fit("a\u{1b}b", 20), "a\\u{1b}b");
    }

    #[test]
    fn lines_break_between_words_and_say_how_many_are_left_out() {
        let (lines, more) = wrap("one two three\n  four five six seven\n\nlast", 11, 9);
        assert_eq!(
            lines,
            ["one two", "three", "  four five", "  six seven", "", "last"]
        );
        assert_eq!(more, 0);
        assert_eq!(
            wrap("one two three", 3, 1),
            (vec!["one".to_string()], 3),
            "two, thr and ee"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_and_nothing_is_lost(text in "(\\PC|\u{1b}|\u{202e}|\n|日| ){0,200}", width in 8usize..70) {
            let (lines, more) = wrap(&text, width, usize::MAX);
            prop_assert_eq!(more, 0);
            for line in &lines {
                prop_assert!(columns(line) <= width, "{line:?}");
            }
            let bare = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
            let whole: String = text.split('\n').map(visible).collect();
            prop_assert_eq!(bare(&lines.concat()), bare(&whole));
        }
    }
}
