//! Small histories of weak systems, and oracles that try everything.

pub(crate) mod compare;
pub(crate) mod oracle;
pub(crate) mod systems;
