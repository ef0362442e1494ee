//! Values with their type put away, so that one driver can carry the words of every protocol.

use crate::contract::Data;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use std::any::Any;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A [`Data`] value of some type that its sender and its receiver agree on. Cheap to clone.
///
/// ```
/// use stormglass_impls::parcel::Parcel;
/// let parcel = Parcel::new("hello".to_string());
/// assert_eq!(parcel.open::<String>(), Some(&"hello".to_string()));
/// assert_eq!(parcel.open::<u64>(), None);
/// ```
#[derive(Clone)]
pub struct Parcel(Arc<dyn Content + Send + Sync>);

trait Content: Any {
    fn encode_into(&self, bytes: &mut Vec<u8>);
    fn feed(&self, hasher: &mut dyn Hasher);
    fn equals(&self, other: &Parcel) -> bool;
    fn debug(&self) -> &dyn Debug;
}

impl<T: Data> Content for T {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        encode_into(self, bytes);
    }

    fn feed(&self, mut hasher: &mut dyn Hasher) {
        self.hash(&mut hasher);
    }

    fn equals(&self, other: &Parcel) -> bool {
        other.open::<T>() == Some(self)
    }

    fn debug(&self) -> &dyn Debug {
        self
    }
}

/// Appends the wire form of a value.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    /// Appends to bytes that are there already.
    struct Behind<'a>(&'a mut Vec<u8>);

    impl Flavor for Behind<'_> {
        type Output = ();

        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.push(byte);
            Ok(())
        }

        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }

        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }

    postcard::serialize_with_flavor(value, Behind(bytes))
        .expect("postcard fails only on maps of unknown length, and data has none");
}

impl Parcel {
    /// Packs a value.
    pub fn new<T: Data>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Looks at the value; `None` when it is of another type.
    pub fn open<T: Data>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }

    /// Takes the value out, without a copy when nobody else holds the parcel.
    ///
    /// # Panics
    /// When the value is of another type: a driver mixed up two systems.
    pub fn take<T: Data>(self) -> T {
        let any: Arc<dyn Any + Send + Sync> = self.0;
        match any.downcast::<T>() {
            Ok(value) => Arc::unwrap_or_clone(value),
            Err(_) => panic!(
                "a parcel for {} holds something else",
                std::any::type_name::<T>()
            ),
        }
    }

    /// The value's wire form (postcard).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends the value's wire form.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        self.0.encode_into(bytes);
    }
}

impl PartialEq for Parcel {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other)
    }
}

impl Eq for Parcel {}

impl Hash for Parcel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.feed(state);
    }
}

impl Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug().fmt(f)
    }
}
