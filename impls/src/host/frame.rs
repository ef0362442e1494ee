//! Frames: how words are cut out of a stream of bytes.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the payload, little endian; the top bit marks an acknowledgement, the next a greeting |
//! | 4 | CRC-32 of the four bytes before |
//! | 4 | CRC-32 of the payload |
//! | length | payload: a [`Greeting`], a message of the system, or a [`ClientFrame`](crate::wire::ClientFrame), in postcard |
//!
//! The length has a checksum of its own, or a flipped bit in it would be noticed only when so many more bytes have arrived, if ever.
//!
//! An acknowledgement carries a count of eight bytes: how many frames its sender has received on this connection, acknowledgements
//! aside. It is how a dead connection is noticed, see [`super::connection`].

use crate::wire::Greeting;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// The bytes before a payload.
pub const HEADER_LENGTH: usize = 12;

/// The longest payload, in bytes.
pub const PAYLOAD_LENGTH_MAX: usize = 16 << 20;

/// Room for an ordinary frame, so that it grows in one piece.
const SMALL_FRAME_BYTES: usize = 192;

const ACKNOWLEDGEMENT: u32 = 1 << 31;
const GREETING: u32 = 1 << 30;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A payload.
    Data(Bytes),
    /// A word about the connection itself.
    Greeting(Greeting),
    /// How many frames with a payload the other side has received.
    Acknowledge(u64),
}

/// Bytes that are no frame. The connection they came by is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A bit of the header was flipped, or this is another protocol.
    #[error("a frame header fails its checksum")]
    Header,
    /// A bit of the payload was flipped.
    #[error("a payload of {length} bytes fails its checksum")]
    Payload {
        /// In bytes.
        length: usize,
    },
    /// Longer than [`PAYLOAD_LENGTH_MAX`].
    #[error("a payload of {length} bytes is too long: the most is {PAYLOAD_LENGTH_MAX}")]
    TooLong {
        /// In bytes.
        length: usize,
    },
    /// An acknowledgement that is not one number.
    #[error("an acknowledgement has {length} bytes instead of 8")]
    Acknowledgement {
        /// In bytes.
        length: usize,
    },
    /// A greeting that is none.
    #[error("a greeting makes no sense: {0}")]
    Greeting(postcard::Error),
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The payload inside framed bytes that this side encoded; `None` when there is none.
pub fn payload(framed: &[u8]) -> Option<&[u8]> {
    framed.get(HEADER_LENGTH..)
}

/// Frames a payload.
pub fn encode(payload: &[u8]) -> Result<Bytes, FrameError> {
    let mut framed = BytesMut::with_capacity(HEADER_LENGTH + payload.len());
    put(&mut framed, 0, payload)?;
    Ok(framed.freeze())
}

/// Frames a payload that is written into the frame itself. `write` appends it to the bytes it is given.
pub fn encode_with(write: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes, FrameError> {
    let mut framed = Vec::with_capacity(SMALL_FRAME_BYTES);
    framed.resize(HEADER_LENGTH, 0);
    write(&mut framed);
    let (header, payload) = framed.split_at_mut(HEADER_LENGTH);
    header.copy_from_slice(&self::header(0, payload)?);
    Ok(framed.into())
}

/// Frames a greeting.
pub fn encode_greeting(greeting: Greeting) -> Bytes {
    let payload = postcard::to_allocvec(&greeting).expect("a greeting is a few plain bytes");
    let mut framed = BytesMut::new();
    put(&mut framed, GREETING, &payload).expect("a greeting is a few plain bytes");
    framed.freeze()
}

fn put(framed: &mut BytesMut, mark: u32, payload: &[u8]) -> Result<(), FrameError> {
    let header = header(mark, payload)?;
    framed.reserve(HEADER_LENGTH + payload.len());
    framed.put_slice(&header);
    framed.put_slice(payload);
    Ok(())
}

fn header(mark: u32, payload: &[u8]) -> Result<[u8; HEADER_LENGTH], FrameError> {
    let length = match u32::try_from(payload.len()) {
        Ok(length) if payload.len() <= PAYLOAD_LENGTH_MAX => length,
        _ => {
            return Err(FrameError::TooLong {
                length: payload.len(),
            });
        }
    };
    let mut header = [0; HEADER_LENGTH];
    let head = (length | mark).to_le_bytes();
    header[..4].copy_from_slice(&head);
    header[4..8].copy_from_slice(&crc32fast::hash(&head).to_le_bytes());
    header[8..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    Ok(header)
}

/// Frames an acknowledgement.
pub fn put_acknowledgement(count: u64, framed: &mut BytesMut) {
    put(framed, ACKNOWLEDGEMENT, &count.to_le_bytes()).expect("a count is eight bytes");
}

/// Reads [`Frame`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameCodec;

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, arrived: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(header) = arrived.get(..HEADER_LENGTH) else {
            return Ok(None);
        };
        let (mut head, mut checksums) = header.split_at(4);
        if crc32fast::hash(head) != checksums.get_u32_le() {
            return Err(FrameError::Header);
        }
        let (head, checksum) = (head.get_u32_le(), checksums.get_u32_le());
        let length = (head & !(ACKNOWLEDGEMENT | GREETING)) as usize;
        if length > PAYLOAD_LENGTH_MAX {
            return Err(FrameError::TooLong { length });
        }
        if arrived.len() < HEADER_LENGTH + length {
            arrived.reserve(HEADER_LENGTH + length - arrived.len());
            return Ok(None);
        }
        arrived.advance(HEADER_LENGTH);
        let payload = arrived.split_to(length).freeze();
        if crc32fast::hash(&payload) != checksum {
            return Err(FrameError::Payload { length });
        }
        if head & GREETING != 0 {
            let greeting = postcard::from_bytes(&payload).map_err(FrameError::Greeting)?;
            return Ok(Some(Frame::Greeting(greeting)));
        }
        if head & ACKNOWLEDGEMENT == 0 {
            return Ok(Some(Frame::Data(payload)));
        }
        let count = payload[..]
            .try_into()
            .map_err(|_| FrameError::Acknowledgement { length })?;
        Ok(Some(Frame::Acknowledge(u64::from_le_bytes(count))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(frames: &[Frame]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for frame in frames {
            match frame {
                Frame::Data(payload) => bytes.extend_from_slice(&encode(payload).unwrap()),
                Frame::Greeting(greeting) => bytes.extend_from_slice(&encode_greeting(*greeting)),
                Frame::Acknowledge(count) => put_acknowledgement(*count, &mut bytes),
            }
        }
        bytes
    }

    #[test]
    fn frames_come_back_however_the_stream_is_cut() {
        let frames = [
            Frame::Data(Bytes::from_static(b"hello")),
            Frame::Acknowledge(7),
            Frame::Greeting(Greeting::Welcome { connection: 3 }),
            Frame::Data(Bytes::new()),
        ];
        let whole = framed(&frames);
        for cut in 0..=whole.len() {
            let mut arrived = BytesMut::from(&whole[..cut]);
            let mut seen = Vec::new();
            while let Some(frame) = FrameCodec.decode(&mut arrived).unwrap() {
                seen.push(frame);
            }
            arrived.extend_from_slice(&whole[cut..]);
            while let Some(frame) = FrameCodec.decode(&mut arrived).unwrap() {
                seen.push(frame);
            }
            assert_eq!(seen, frames, "cut at {cut}");
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed_without_waiting_for_more_bytes() {
        for frame in [
            Frame::Data(Bytes::from_static(b"hello")),
            Frame::Greeting(Greeting::Paired { taken: 3 }),
            Frame::Acknowledge(7),
        ] {
            let whole = framed(&[frame]);
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(FrameCodec.decode(&mut flipped).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_payload_that_is_too_long_is_refused_on_both_sides_before_it_is_read() {
        assert!(matches!(
            encode(&vec![0; PAYLOAD_LENGTH_MAX + 1]),
            Err(FrameError::TooLong { .. })
        ));
        let mut arrived = BytesMut::new();
        let head = (PAYLOAD_LENGTH_MAX as u32 + 1).to_le_bytes();
        arrived.put_slice(&head);
        arrived.put_u32_le(crc32fast::hash(&head));
        arrived.put_u32_le(0);
        assert!(matches!(
            FrameCodec.decode(&mut arrived),
            Err(FrameError::TooLong { .. })
        ));
    }

    #[test]
    fn an_acknowledgement_is_one_number_and_a_greeting_is_one_of_three() {
        let mut arrived = BytesMut::new();
        put(&mut arrived, GREETING, &[9]).unwrap();
        assert!(matches!(
            FrameCodec.decode(&mut arrived),
            Err(FrameError::Greeting(_))
        ));
        let mut arrived = BytesMut::new();
        put(&mut arrived, ACKNOWLEDGEMENT, b"seven").unwrap();
        assert!(matches!(
            FrameCodec.decode(&mut arrived),
            Err(FrameError::Acknowledgement { length: 5 })
        ));
    }
}
