//! Which zxid belongs to what, and what had been answered before what was called.

use crate::zookeeper::promises::story::Story;
use stormglass_impls::zookeeper::words::ZxidNumber;

/// Something of unknown outcome that may have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who wished it.
    pub by: usize,
    /// If it was done, then at a later zxid than this.
    pub floor: ZxidNumber,
}

/// See [the module](self).
pub struct Ledger {
    /// The writes by their zxids.
    writes: Vec<(ZxidNumber, usize)>,
    /// For each operation the newest zxid that anybody had been answered before it was called, and who was.
    floors: Vec<(ZxidNumber, usize)>,
}

impl Ledger {
    /// Reads a history.
    pub fn of(story: &Story) -> Self {
        let mut writes: Vec<_> = story
            .deeds
            .iter()
            .filter_map(|deed| Some((deed.own_zxid()?, deed.id)))
            .collect();
        writes.sort_unstable();
        let floors = story.floors(|deed| {
            let ended = deed.ended.as_ref()?;
            let events = ended.events.iter().map(|fired| fired.zxid);
            Some(events.fold(ended.zxid.max(ended.session.0), ZxidNumber::max))
        });
        Self { writes, floors }
    }

    /// The writes in the order of their zxids.
    pub fn writes(&self) -> &[(ZxidNumber, usize)] {
        &self.writes
    }

    /// Which write has this zxid, if it is known.
    pub fn owner(&self, zxid: ZxidNumber) -> Option<usize> {
        let at = self.writes.partition_point(|(own, _)| *own < zxid);
        let (own, by) = self.writes.get(at)?;
        (*own == zxid).then_some(*by)
    }

    /// The newest zxid that anybody had been answered before an operation was called, and who was.
    pub fn floor(&self, id: usize) -> (ZxidNumber, usize) {
        self.floors[id]
    }
}
