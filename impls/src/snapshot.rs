//! A state as bytes, and how it travels in chunks. Every protocol that compacts its log shares them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A state in its wire form. It never changes, so all who hold it share it; it is hashed once.
#[derive(Clone)]
pub struct Image {
    bytes: Arc<[u8]>,
    digest: u64,
}

impl Image {
    /// The image of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = fnv1a(&bytes);
        Self {
            bytes: bytes.into(),
            digest,
        }
    }

    /// The image of a value.
    pub fn of(value: &impl Serialize) -> Self {
        let bytes = postcard::to_allocvec(value);
        Self::new(
            bytes.expect("postcard fails only on maps of unknown length, and states have none"),
        )
    }

    /// The value it is of, or why it is of none.
    pub fn open<T: for<'a> Deserialize<'a>>(&self) -> Result<T, String> {
        match postcard::take_from_bytes(&self.bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The chunk that begins at an offset, at most so many bytes long.
    pub fn chunk(&self, offset: usize, length_max: usize) -> &[u8] {
        let start = offset.min(self.bytes.len());
        let end = start.saturating_add(length_max).min(self.bytes.len());
        &self.bytes[start..end]
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo). It tells images apart quickly; equality still compares the bytes.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Default for Image {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && (Arc::ptr_eq(&self.bytes, &other.bytes) || self.bytes == other.bytes)
    }
}

impl Eq for Image {}

impl PartialOrd for Image {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Image {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl Hash for Image {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> serde::de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = sequence.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Bytes).map(Image::new)
    }
}

/// An image on its way: the chunks that have arrived, from the first on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assembly<T> {
    /// What the image is of. A chunk of something else begins another.
    pub of: T,
    /// How many bytes it will have.
    total: usize,
    bytes: Vec<u8>,
}

impl<T: PartialEq> Assembly<T> {
    /// Nothing has arrived yet.
    pub fn new(of: T, total: usize) -> Self {
        Self {
            of,
            total,
            bytes: Vec::new(),
        }
    }

    /// How many bytes have arrived: where the next chunk begins.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a chunk. One that has arrived before adds nothing, and one that leaves a gap is not taken: it will be sent again.
    pub fn add(&mut self, offset: usize, chunk: &[u8]) {
        let known = self.bytes.len();
        let end = offset.saturating_add(chunk.len());
        if offset <= known && end > known && end <= self.total {
            self.bytes.extend_from_slice(&chunk[known - offset..]);
        }
    }

    /// The image, once it is whole.
    pub fn finish(&mut self) -> Option<Image> {
        (self.bytes.len() == self.total).then(|| Image::new(std::mem::take(&mut self.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_travels_in_chunks_that_may_repeat_overlap_and_get_lost() {
        let image = Image::of(&vec!["state".to_string(); 20]);
        let mut assembly = Assembly::new("n1", image.len());
        assembly.add(40, image.chunk(40, 16));
        assert_eq!(assembly.length(), 0, "a gap is not taken");
        while assembly.finish().is_none() {
            let at = assembly.length();
            assembly.add(at, image.chunk(at, 16));
            assembly.add(at, image.chunk(at, 16));
            let back = at.saturating_sub(5);
            assembly.add(back, image.chunk(back, 16));
        }
        let mut again = Assembly::new("n1", image.len());
        again.add(0, image.bytes());
        let whole = again.finish().unwrap();
        assert_eq!(whole, image);
        assert_eq!(whole.open::<Vec<String>>().unwrap().len(), 20);
        assert!(whole.open::<String>().is_err(), "it is of something else");
    }

    #[test]
    fn a_chunk_beyond_the_end_is_not_taken() {
        let mut assembly = Assembly::new("n1", 3);
        assembly.add(0, &[1, 2, 3, 4]);
        assert_eq!((assembly.length(), assembly.finish()), (0, None));
    }

    #[test]
    fn an_image_survives_its_wire_form() {
        let image = Image::new(vec![0, 1, 255]);
        let wire = postcard::to_allocvec(&image).unwrap();
        assert_eq!(postcard::from_bytes::<Image>(&wire).unwrap(), image);
    }
}
