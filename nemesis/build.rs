//! Puts the small trials of `regressions` into the library, so that the command can show them wherever it runs.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=regressions");
    let folder =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo says where")).join("regressions");
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    let mut text = "const KEPT: &[(&str, &str)] = &[\n".to_string();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(text, "    ({name:?}, include_str!({path:?})),").expect("text can be written");
    }
    text += "];\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
    fs::write(out.join("regressions.rs"), text).expect("cargo's own folder can be written to");
}
