//! Texts that share their beginnings, in one tree: each beginning of each text has one place.
//!
//! A key that is appended to passes through long texts that nearly all have the same beginning. In the tree, appending
//! means walking on from a place by the few bytes appended, whatever the length of the text.

use std::collections::BTreeMap;

/// A beginning of a known text: so many bytes down to a branch of the tree. The same text has the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    branch: u32,
    /// The length of the whole text, in bytes.
    length: u32,
}

impl Place {
    /// The empty text.
    pub(super) const EMPTY: Self = Self {
        branch: 0,
        length: 0,
    };
}

/// The tree. It only ever grows, and places keep their meaning.
#[derive(Debug)]
pub(super) struct Texts {
    branches: Vec<Branch>,
    /// Which branch leaves another after so many bytes with this next byte. Nothing leaves at the very end of a branch,
    /// for there the branch itself is made longer.
    forks: BTreeMap<(Place, u8), u32>,
    /// What was appended, each text once.
    chunks: Vec<Box<[u8]>>,
    chunk_numbers: BTreeMap<Box<[u8]>, u32>,
}

#[derive(Debug)]
struct Branch {
    /// Where it leaves its parent.
    from: Place,
    /// The bytes from there on.
    bytes: Vec<u8>,
}

/// Where a walk ended before all its bytes were used.
struct Stop {
    at: Place,
    /// How many bytes were left.
    left: usize,
}

impl Default for Texts {
    fn default() -> Self {
        let root = Branch {
            from: Place::EMPTY,
            bytes: Vec::new(),
        };
        Self {
            branches: vec![root],
            forks: BTreeMap::new(),
            chunks: Vec::new(),
            chunk_numbers: BTreeMap::new(),
        }
    }
}

impl Texts {
    /// The place of a text, which it has from now on.
    pub(super) fn insert(&mut self, text: &str) -> Place {
        let bytes = text.as_bytes();
        let Stop { at, left } = match self.walk(Place::EMPTY, bytes) {
            Ok(place) => return place,
            Err(stop) => stop,
        };
        let rest = &bytes[bytes.len() - left..];
        let branch = &mut self.branches[at.branch as usize];
        let end = branch.from.length as usize + branch.bytes.len();
        // Lines of a history are limited to far less than 4 GiB.
        let length = at.length.saturating_add(left as u32);
        if end == at.length as usize {
            branch.bytes.extend_from_slice(rest);
            return Place { length, ..at };
        }
        let number = self.branches.len() as u32;
        self.forks.insert((at, rest[0]), number);
        self.branches.push(Branch {
            from: at,
            bytes: rest.to_vec(),
        });
        Place {
            branch: number,
            length,
        }
    }

    /// The number of a text that is appended.
    pub(super) fn chunk(&mut self, text: &str) -> u32 {
        if let Some(number) = self.chunk_numbers.get(text.as_bytes()) {
            return *number;
        }
        let number = self.chunks.len() as u32;
        let bytes: Box<[u8]> = text.as_bytes().into();
        self.chunks.push(bytes.clone());
        self.chunk_numbers.insert(bytes, number);
        number
    }

    /// The place of a text with a chunk appended. `None` when that is no beginning of any known text.
    pub(super) fn append(&self, place: Place, chunk: u32) -> Option<Place> {
        self.walk(place, self.chunks.get(chunk as usize)?).ok()
    }

    /// The text of a place.
    pub(super) fn text(&self, place: Place) -> String {
        let mut pieces = Vec::new();
        let mut at = place;
        loop {
            let branch = &self.branches[at.branch as usize];
            pieces.push(&branch.bytes[..(at.length - branch.from.length) as usize]);
            if at.branch == 0 {
                break;
            }
            at = branch.from;
        }
        pieces.reverse();
        String::from_utf8_lossy(&pieces.concat()).into_owned()
    }

    /// The text of a chunk.
    pub(super) fn chunk_text(&self, chunk: u32) -> String {
        let bytes = self.chunks.get(chunk as usize);
        String::from_utf8_lossy(bytes.map_or(&[], |bytes| bytes)).into_owned()
    }

    /// Follows `bytes` down the tree.
    fn walk(&self, from: Place, bytes: &[u8]) -> Result<Place, Stop> {
        let mut at = from;
        let mut rest = bytes;
        loop {
            let branch = &self.branches[at.branch as usize];
            let ahead = &branch.bytes[(at.length - branch.from.length) as usize..];
            let same = common(ahead, rest);
            at.length += same as u32;
            rest = &rest[same..];
            let Some(next) = rest.first() else {
                return Ok(at);
            };
            match self.forks.get(&(at, *next)) {
                Some(fork) => at.branch = *fork,
                None => {
                    return Err(Stop {
                        at,
                        left: rest.len(),
                    });
                }
            }
        }
    }
}

/// How many bytes at the beginning are the same.
fn common(left: &[u8], right: &[u8]) -> usize {
    let most = left.len().min(right.len());
    // Whole agreement is the usual case, and is found much faster than byte by byte.
    if left[..most] == right[..most] {
        return most;
    }
    left.iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_the_same_place_however_it_was_reached() {
        let mut texts = Texts::default();
        let words = ["ab", "abcd", "abx", "b", "abxy", "", "abcde", "abq"];
        let places: Vec<Place> = words.iter().map(|word| texts.insert(word)).collect();
        for (word, place) in words.iter().zip(&places) {
            assert_eq!(texts.text(*place), *word);
            assert_eq!(texts.insert(word), *place);
        }
        for (left, first) in words.iter().zip(&places) {
            for (right, second) in words.iter().zip(&places) {
                assert_eq!(left == right, first == second, "{left} {right}");
            }
        }
        for (chunk, from, to) in [
            ("x", 0, 2),
            ("cde", 0, 6),
            ("y", 2, 4),
            ("q", 0, 7),
            ("", 3, 3),
        ] {
            let chunk = texts.chunk(chunk);
            assert_eq!(texts.append(places[from], chunk), Some(places[to]));
        }
        let chunk = texts.chunk("z");
        assert_eq!(texts.append(places[0], chunk), None);
    }
}
