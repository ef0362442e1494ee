//! Puts what the protocols say of themselves into the library (feature `play`): their scripts, and the text of their rules and mutants.
//!
//! A protocol is a folder of `src` that has scripts. What is taken up is found by looking, so a new script, and a new protocol, is there at
//! once and nothing has to be listed.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=src");
    if env::var_os("CARGO_FEATURE_PLAY").is_none() {
        return;
    }
    let source = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo says where")).join("src");
    let mut text = "const PROTOCOLS: &[Protocol] = &[\n".to_string();
    for folder in entries(&source) {
        let scripts = folder.join("scripts");
        if scripts.is_dir() {
            let mut found = Vec::new();
            find(&scripts, &mut found);
            let name = name(&folder);
            let file = |file: &str| format!("include_str!({:?})", folder.join(file));
            let (rules, mutants) = (file("rules.rs"), file("mutants.rs"));
            let fields = format!("name: {name:?}, rules: {rules}, mutants: {mutants}");
            writeln!(text, "    Protocol {{ {fields}, scripts: &[").expect("text can be written");
            for path in found {
                let inside = path
                    .strip_prefix(&scripts)
                    .expect("it was found in there")
                    .to_string_lossy();
                writeln!(text, "        ({inside:?}, include_str!({path:?})),")
                    .expect("text can be written");
            }
            text += "    ] },\n";
        }
    }
    text += "];\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
    fs::write(out.join("protocols.rs"), text).expect("cargo's own folder can be written to");
}

/// All files below a folder.
fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            find(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| !name(path).starts_with('.'))
        .collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
