//! Where runs are kept: space, and files that stay.

use super::Finding;
use bytesize::ByteSize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A few thousand runs of a minute.
const SPACE_MIN: u64 = 1 << 30;

const REMEDY: &str = "name another folder with --out or STORMGLASS_OUT, or make this one writable";

pub(super) fn space(out: &Path) -> Finding {
    let there = nearest(out);
    match rustix::fs::statvfs(&there) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} are free for {}", ByteSize(free), out.display());
            match free < SPACE_MIN {
                true => Finding::missing(
                    "space",
                    found,
                    "free some, or name another folder with --out or STORMGLASS_OUT",
                ),
                false => Finding::ok("space", found),
            }
        }
        Err(error) => Finding::failed("space", format!("{}: {error}", there.display()), REMEDY),
    }
}

/// Whether a file can be written there, synced, renamed and read again.
pub(super) fn durable(out: &Path) -> Finding {
    let there = nearest(out);
    let tried = try_out(out);
    // What was made for the trial goes again; what others have put there meanwhile stays.
    let made = out.ancestors().take_while(|folder| *folder != there);
    for folder in made {
        let _ = fs::remove_dir(folder);
    }
    match tried {
        Ok(()) => Finding::ok(
            "run store",
            format!("{} takes files and syncs them", out.display()),
        ),
        Err(error) => Finding::failed("run store", format!("{}: {error}", out.display()), REMEDY),
    }
}

fn try_out(out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let own = format!(".doctor-{}", std::process::id());
    let (first, second) = (out.join(&own), out.join(format!("{own}.renamed")));
    let tried = write_and_read(out, &first, &second);
    for path in [first, second] {
        let _ = fs::remove_file(path);
    }
    tried
}

fn write_and_read(out: &Path, first: &Path, second: &Path) -> io::Result<()> {
    let text = b"what was written";
    let mut file = File::create(first)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(first, second)?;
    File::open(out)?.sync_all()?;
    match fs::read(second)? == text {
        true => Ok(()),
        false => Err(io::Error::other("another text was read than was written")),
    }
}

/// The folder itself, or the nearest above it that is there.
fn nearest(out: &Path) -> PathBuf {
    let there = out.ancestors().find(|folder| folder.exists());
    match there {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_path_buf(),
        None => PathBuf::from("."),
    }
}
