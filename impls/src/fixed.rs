//! What a node is told once, as part of a value that is compared and hashed.

use crate::system::Setup;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What never changes in a node's life: how it was set up, and the rules `R` it goes by. It is no part of its state: it neither compares nor
/// hashes.
pub(crate) struct Fixed<R>(Arc<(Setup, R)>);

impl<R> Fixed<R> {
    pub(crate) fn new(setup: Setup, rules: R) -> Self {
        Self(Arc::new((setup, rules)))
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.0.0
    }

    pub(crate) fn rules(&self) -> &R {
        &self.0.1
    }
}

impl<R> Clone for Fixed<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> PartialEq for Fixed<R> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<R> Eq for Fixed<R> {}

impl<R> Hash for Fixed<R> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
