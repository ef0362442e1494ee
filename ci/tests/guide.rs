//! The guide shows the files of two examples, whole. `UPDATE_GOLDENFILES=1 cargo test -p stormglass --test guide` writes them into it anew;
//! `.ci/guide` follows the page in an empty directory.
//!
//! A file stands in the fence behind `<!-- guide: file PATH -->`. Behind `<!-- guide: file PATH, first -->` stands what is replaced later on the
//! page: it has a bug, and only there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "GUIDE.md";
const MARK: &str = "<!-- guide: file ";
/// What a package says of itself only because it comes with Stormglass.
const OURS: [&str; 2] = ["license = \"MIT OR Apache-2.0\"\n", "publish = false\n"];
/// A package beside a checkout finds it here, an example inside of one there.
const PATHS: (&str, &str) = ("\"../stormglass/ci\"", "\"../..\"");
/// What only the root of a workspace may say, and a package on its own is one.
const PROFILE: &str = "\n[profile.dev]\nopt-level = 1\n";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of an example as the guide shows it.
fn shown(path: &str) -> String {
    let file = text(&folder().join("examples").join(path));
    match path.ends_with("Cargo.toml") {
        true => {
            let theirs = OURS.iter().fold(file, |file, line| file.replace(line, ""));
            theirs.replace(PATHS.1, PATHS.0) + PROFILE
        }
        false => file,
    }
}

/// A piece of the page: what is before a block, the name of its file, and the block.
struct Block<'t> {
    before: &'t str,
    path: &'t str,
    is_first: bool,
    content: &'t str,
}

/// The blocks that show files, and what is behind the last.
fn blocks(page: &str) -> (Vec<Block<'_>>, &str) {
    let (mut blocks, mut rest) = (Vec::new(), page);
    while let Some(at) = rest.find(MARK) {
        let place = rest[at..].lines().next().unwrap_or_default();
        let wrong = format!("{PAGE}: a whole fence stands behind {place}");
        let named = &rest[at + MARK.len()..];
        let (name, fence) = named.split_once(" -->\n```").expect(&wrong);
        let (_, content) = fence.split_once('\n').expect(&wrong);
        let before = &rest[..rest.len() - content.len()];
        let end = match content.starts_with("```\n") {
            true => 0,
            false => content.find("\n```\n").expect(&wrong) + 1,
        };
        let path = name.strip_suffix(", first");
        blocks.push(Block {
            before,
            path: path.unwrap_or(name),
            is_first: path.is_some(),
            content: &content[..end],
        });
        rest = &content[end..];
    }
    (blocks, rest)
}

#[test]
fn the_files_in_the_guide_are_those_of_the_examples() {
    let path = folder().join(PAGE);
    let page = text(&path);
    let (blocks, rest) = blocks(&page);
    let files = |block: &&Block<'_>| !block.is_first;
    if std::env::var("UPDATE_GOLDENFILES").is_ok_and(|value| value == "1") {
        let made = blocks.iter().map(|block| match block.is_first {
            true => [block.before, block.content].concat(),
            false => [block.before, &shown(block.path)].concat(),
        });
        fs::write(&path, made.collect::<String>() + rest).expect("the page can be written");
        return;
    }
    for block in blocks.iter().filter(files) {
        let file = shown(block.path);
        let mut lines = file.lines().zip(block.content.lines());
        let differs = lines.find(|(is, told)| is != told);
        assert!(
            file == block.content,
            "ci/{PAGE}: {} is another by now, at {differs:?}; UPDATE_GOLDENFILES=1 cargo test -p stormglass --test guide",
            block.path
        );
    }
    for block in blocks.iter().filter(|block| block.is_first) {
        let later = blocks
            .iter()
            .filter(files)
            .find(|other| other.path == block.path);
        let later = later.unwrap_or_else(|| panic!("{} is never mended", block.path));
        assert_ne!(later.content, block.content, "{}", block.path);
    }
}

#[test]
fn the_guide_shows_every_file_that_one_needs() {
    let page = text(&folder().join(PAGE));
    let (blocks, _) = blocks(&page);
    let told: BTreeSet<&str> = blocks.iter().map(|block| block.path).collect();
    for package in ["beacon", "abd-register"] {
        let examples = folder().join("examples");
        let sources = fs::read_dir(examples.join(package).join("src")).expect("it has sources");
        let sources = sources.map(|entry| entry.expect("a folder can be read").file_name());
        let sources = sources.map(|name| format!("{package}/src/{}", name.to_string_lossy()));
        for file in sources.chain([format!("{package}/Cargo.toml")]) {
            assert!(told.contains(file.as_str()), "ci/{PAGE} leaves out {file}");
        }
    }
    assert!(told.len() >= 7, "{told:?}");
}
