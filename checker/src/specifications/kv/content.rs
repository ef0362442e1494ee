//! What a key may hold.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::specification::SpecificationError;
use crate::specifications::values::{Scalar, Values};

use super::texts::{Place, Texts};

/// What a key holds: a number that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Scalar(Scalar),
    Text(Place),
    /// A text, built by appending, that no operation of the history read, put or compared with, and that is not the
    /// beginning of such a text. Whatever is appended to it, this stays so. That is why all such texts may be taken for
    /// one: no operation tells them apart.
    Unseen,
}

/// Every content that operations name, and the beginnings of every text.
#[derive(Debug)]
pub(super) struct Contents {
    missing: Content,
    scalars: Values,
    texts: Mutex<Texts>,
}

impl Contents {
    /// `missing`: what a get of a missing key returns.
    pub(super) fn new(missing: Missing) -> Self {
        Self {
            missing: Content(match missing {
                Missing::Null => Kind::Scalar(Scalar::NULL),
                Missing::Empty => Kind::Text(Place::EMPTY),
            }),
            scalars: Values::default(),
            texts: Mutex::default(),
        }
    }

    /// What a missing key holds.
    pub(super) fn missing(&self) -> Content {
        self.missing
    }

    /// The content of `value`.
    pub(super) fn content(&self, value: &Value) -> Result<Content, SpecificationError> {
        Ok(match value {
            Value::String(text) => Content(Kind::Text(self.texts().insert(text))),
            Value::Null => self.missing,
            value => Content(Kind::Scalar(self.scalars.scalar(value)?)),
        })
    }

    /// The number of a text that is appended.
    pub(super) fn chunk(&self, text: &str) -> u32 {
        self.texts().chunk(text)
    }

    /// A content with a text appended; `None` when it is no text.
    pub(super) fn append(&self, content: Content, chunk: u32) -> Option<Content> {
        let place = match content.0 {
            Kind::Text(place) => place,
            Kind::Scalar(Scalar::NULL) => Place::EMPTY,
            Kind::Scalar(_) => return None,
            Kind::Unseen => return Some(content),
        };
        let longer = self.texts().append(place, chunk);
        Some(Content(longer.map_or(Kind::Unseen, Kind::Text)))
    }

    /// The content in words.
    pub(super) fn describe(&self, content: Content) -> String {
        match content.0 {
            Kind::Scalar(scalar) => self.scalars.text(scalar),
            Kind::Text(place) => format!("{:?}", self.texts().text(place)),
            Kind::Unseen => "a text that no operation saw".to_owned(),
        }
    }

    /// What is appended, in words.
    pub(super) fn describe_chunk(&self, chunk: u32) -> String {
        format!("{:?}", self.texts().chunk_text(chunk))
    }

    fn texts(&self) -> MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a get of a missing key returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Null: a missing key and one that holds the empty text are told apart.
    Null,
    /// The empty text, as in Porcupine's key-value store.
    Empty,
}
