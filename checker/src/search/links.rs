//! Parent links: how each configuration came about, from which a certificate is read.

use crate::limits::{Meter, Reason};

/// No link: the beginning of the history.
pub(crate) const ROOT: u32 = u32::MAX;

/// Marks an entry that a later one of the same operation replaces.
const TENTATIVE: u32 = 1 << 31;

/// A forest of links. Parents stand before their children, so one pass backward finds what is alive.
pub(crate) struct Links {
    links: Vec<Link>,
    collect_at: usize,
}

#[derive(Clone, Copy)]
struct Link {
    parent: u32,
    /// The item, and whether its place is tentative.
    item: u32,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self {
            links: Vec::new(),
            collect_at: 4096,
        }
    }

    /// Adds `item` after `parent`.
    pub(crate) fn push(
        &mut self,
        parent: u32,
        item: u32,
        tentative: bool,
        meter: &mut Meter,
    ) -> Result<u32, Reason> {
        if self.links.len() >= ROOT as usize {
            return Err(Reason::Bytes);
        }
        meter.room(&mut self.links)?;
        let item = if tentative { item | TENTATIVE } else { item };
        self.links.push(Link { parent, item });
        Ok(self.links.len() as u32 - 1)
    }

    /// The items on the way to `head`, first to last. The firm place of an item wins over its tentative one.
    pub(crate) fn path(&self, head: u32, items: usize) -> Vec<usize> {
        let mut placed = vec![false; items];
        let mut order = Vec::new();
        let mut at = head;
        while at != ROOT {
            let link = self.links[at as usize];
            let item = (link.item & !TENTATIVE) as usize;
            // Going backward, the first place met is the last one given, and that is the firm one if there is any.
            if !std::mem::replace(&mut placed[item], true) {
                order.push(item);
            }
            at = link.parent;
        }
        order.reverse();
        order
    }

    pub(crate) fn wants_collection(&self) -> bool {
        self.links.len() >= self.collect_at
    }

    /// Forgets every link that leads to none of `heads`, and rewrites `heads`.
    pub(crate) fn collect<'a>(
        &mut self,
        heads: impl Iterator<Item = &'a mut u32>,
        meter: &mut Meter,
    ) -> Result<(), Reason> {
        let scratch = self.links.len() as u64 * 4;
        meter.take(scratch)?;
        const DEAD: u32 = u32::MAX;
        let mut moved = vec![DEAD; self.links.len()];
        let heads: Vec<&mut u32> = heads.collect();
        for head in heads.iter().filter(|head| ***head != ROOT) {
            moved[**head as usize] = 0;
        }
        for at in (0..self.links.len()).rev() {
            let parent = self.links[at].parent;
            if moved[at] != DEAD && parent != ROOT {
                moved[parent as usize] = 0;
            }
        }
        let mut kept = 0;
        for at in 0..self.links.len() {
            if moved[at] == DEAD {
                continue;
            }
            let Link { parent, item } = self.links[at];
            let parent = if parent == ROOT {
                ROOT
            } else {
                moved[parent as usize]
            };
            self.links[kept] = Link { parent, item };
            moved[at] = kept as u32;
            kept += 1;
        }
        self.links.truncate(kept);
        for head in heads {
            if *head != ROOT {
                *head = moved[*head as usize];
            }
        }
        self.collect_at = 2 * kept + 4096;
        meter.step(moved.len() as u64 / 16)?;
        meter.give(scratch);
        Ok(())
    }
}
