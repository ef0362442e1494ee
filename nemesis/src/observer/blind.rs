//! The watch over nodes that nobody can look into.

use stormglass_impls::contract::{Effect, NodeId};
use stormglass_impls::system::{Broken, Erased, Member, Watch};

/// The watch over nodes that nobody can look into.
pub(super) struct Blind;

impl Watch for Blind {
    fn booted(&mut self, _: NodeId, _: &dyn Member) -> Result<(), Broken> {
        Ok(())
    }

    fn stepped(&mut self, _: NodeId, _: &dyn Member, _: &[Effect<Erased>]) -> Result<(), Broken> {
        Ok(())
    }

    fn audit(&self, _: &[(NodeId, &dyn Member)]) -> Result<(), Broken> {
        Ok(())
    }
}
