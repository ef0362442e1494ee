//! Where the bytes of a history come from: a file, standard input, a Jepsen store directory, all perhaps compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{HistoryError, Problem};

/// How much of the start is looked at to tell the format.
const START_BYTES: usize = 64 * 1024;

/// The files in which a directory is searched for its history, best first.
const NAMES: [&str; 10] = [
    "history.edn",
    "history.edn.gz",
    "history.jsonl",
    "history.jsonl.gz",
    "history.json",
    "history.json.gz",
    "history.txt",
    "history.txt.gz",
    "jepsen.log",
    "jepsen.log.gz",
];

/// An opened history. Its first bytes were looked at, and are read again with the rest.
pub(super) struct Source<'a> {
    /// The path, for messages.
    pub(super) file: String,
    /// The first bytes, decompressed.
    pub(super) start: Vec<u8>,
    /// True when the data is compressed.
    pub(super) gzip: bool,
    rest: Box<dyn BufRead + 'a>,
}

impl<'a> Source<'a> {
    /// Opens `path`: a file, a directory, or `-` for standard input.
    pub(super) fn open(path: &Path) -> Result<Self, HistoryError> {
        if path == Path::new("-") {
            return Self::new("standard input".to_owned(), io::stdin().lock());
        }
        let path = if path.is_dir() {
            inside(path)?
        } else {
            path.to_owned()
        };
        let file = path.display().to_string();
        match File::open(&path) {
            Ok(opened) => Self::new(file, BufReader::new(opened)),
            Err(source) => Err(HistoryError::Unreadable { file, source }),
        }
    }

    /// Looks at the first bytes, and decompresses when they are those of gzip.
    pub(super) fn new(file: String, mut reader: impl BufRead + 'a) -> Result<Self, HistoryError> {
        let mut start = Vec::new();
        let looked = reader.by_ref().take(2).read_to_end(&mut start);
        looked.map_err(|error| failed(&file, 1, error))?;
        let gzip = start == [0x1f, 0x8b];
        let whole = Cursor::new(start).chain(reader);
        let mut rest: Box<dyn BufRead + 'a> = if gzip {
            Box::new(BufReader::with_capacity(
                START_BYTES,
                MultiGzDecoder::new(whole),
            ))
        } else {
            Box::new(whole)
        };
        let mut start = Vec::new();
        let looked = rest
            .by_ref()
            .take(START_BYTES as u64)
            .read_to_end(&mut start);
        if let Err(error) = looked {
            // What came before the damage is read first, so that the error names the line it is on.
            rest = Box::new(BufReader::new(Broken(error)));
        }
        // Windows tools put a byte order mark before UTF-8; it is no part of the text.
        if start.starts_with(&[0xef, 0xbb, 0xbf]) {
            start.drain(..3);
        }
        Ok(Self {
            file,
            start,
            gzip,
            rest,
        })
    }

    /// All the bytes.
    pub(super) fn reader(self) -> impl BufRead + 'a {
        Cursor::new(self.start).chain(self.rest)
    }
}

/// A reader that fails with the error another one failed with.
struct Broken(io::Error);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }
}

/// The history of a Jepsen store directory, or of the latest run below it.
fn inside(directory: &Path) -> Result<PathBuf, HistoryError> {
    for folder in [directory.to_owned(), directory.join("latest")] {
        for name in NAMES {
            let path = folder.join(name);
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    Err(HistoryError::NoHistory {
        directory: directory.display().to_string(),
        looked_for: format!("{}, itself or under latest", NAMES.join(", ")),
    })
}

/// The error of a reader, at `line`. Only a decompressor says that the data is invalid or ends too early.
pub(super) fn failed(file: &str, line: usize, source: io::Error) -> HistoryError {
    let file = file.to_owned();
    let problem = match source.kind() {
        io::ErrorKind::UnexpectedEof => Problem::GzipTruncated,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            Problem::GzipDamaged(source.to_string())
        }
        _ => return HistoryError::Unreadable { file, source },
    };
    HistoryError::Malformed {
        file,
        line,
        problem,
    }
}
