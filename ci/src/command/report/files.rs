//! What an address asks for, and whether that is anybody's business.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

/// The file below `root` that an address names; nothing for one that is not there, or that leads anywhere else.
///
/// `root` is canonical. Every step of the way is a plain name, so neither `..` nor an absolute path leads out; and what comes of it is
/// still below the root when every link is followed.
pub(super) fn find(root: &Path, address: &str) -> Option<(PathBuf, File)> {
    let path = address.split(['?', '#']).next()?.strip_prefix('/')?;
    let mut whole = root.to_path_buf();
    for step in path.split('/') {
        let name = decoded(step)?;
        let plain = {
            let mut parts = Path::new(&name).components();
            matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(part)), None) if part == name.as_str()
            )
        };
        // What begins with a dot is not written for readers: files that are half-written, for one.
        if !plain || name.starts_with('.') || name.contains(['\0', '\\', '/']) {
            return None;
        }
        whole.push(name);
    }
    let whole = whole.canonicalize().ok()?;
    if !whole.starts_with(root) || !whole.is_file() {
        return None;
    }
    let file = File::open(&whole).ok()?;
    Some((whole, file))
}

/// A step of an address as it was meant: `%41` is an A.
fn decoded(step: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(step.len());
    let mut rest = step.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

/// What a file is, as browsers are told.
pub(super) fn content_type(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("jsonl") => "application/x-ndjson",
        Some("svg") => "image/svg+xml",
        Some("xml") => "application/xml",
        Some("md") => "text/markdown; charset=utf-8",
        // `latest` has no ending.
        Some("txt") | None => "text/plain; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_plain_files_below_the_root_are_found() {
        let place = tempfile::TempDir::new().unwrap();
        let root = place.path().canonicalize().unwrap().join("root");
        fs::create_dir_all(root.join("run/plots")).unwrap();
        fs::write(root.join("run/report.html"), "page").unwrap();
        fs::write(root.join("run/a b%.txt"), "odd").unwrap();
        fs::write(root.join("run/.part"), "half").unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        let found = |address: &str| find(&root, address).map(|(path, _)| path);
        assert_eq!(
            found("/run/report.html?x=1"),
            Some(root.join("run/report.html"))
        );
        assert_eq!(found("/run/a%20b%25.txt"), Some(root.join("run/a b%.txt")));
        for address in [
            "/../secret",
            "/run/../../secret",
            "/%2e%2e/secret",
            "/.%2e/secret",
            "/%2e%2e%2fsecret",
            "/run%2freport.html",
            "/run%5creport.html",
            "/run\\report.html",
            "//etc/passwd",
            "/%2fetc%2fpasswd",
            "/etc/passwd",
            "/run/report.html%00",
            "/run/report.html%00.txt",
            "/run/report.html%",
            "/run/report.html%4",
            "/run/report.html%zz",
            "/run/report.html%+1",
            "/run/%ff",
            "/run/.part",
            "/run/./report.html",
            "/run/",
            "/run",
            "/",
            "",
            "run/report.html",
            "http://127.0.0.1/run/report.html",
            "*",
        ] {
            assert_eq!(found(address), None, "{address}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_nowhere_but_below_the_root() {
        let place = tempfile::TempDir::new().unwrap();
        let root = place.path().canonicalize().unwrap().join("root");
        fs::create_dir_all(root.join("run")).unwrap();
        fs::write(root.join("run/report.html"), "page").unwrap();
        fs::write(place.path().join("secret.txt"), "secret").unwrap();
        let link = std::os::unix::fs::symlink::<&Path, PathBuf>;
        link(Path::new("../secret.txt"), root.join("out.txt")).unwrap();
        link(Path::new(".."), root.join("above")).unwrap();
        link(Path::new("run/report.html"), root.join("within.html")).unwrap();
        assert!(find(&root, "/out.txt").is_none());
        assert!(find(&root, "/above/secret.txt").is_none());
        assert!(find(&root, "/within.html").is_some());
    }
}
