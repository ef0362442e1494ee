//! How often serializable reads were old. They may be: a member answers them by itself.

use super::story::Story;
use stormglass_impls::etcd::words::Done;

/// How many serializable reads showed the store as it was before a change that had been answered before they were called; and how many there were. Only those
/// count that were answered, and ask for no certain revision.
pub fn stale_reads(story: &Story) -> (u64, u64) {
    let answered = story.floors(|deed| deed.own_revision());
    let (mut stale, mut reads) = (0, 0);
    for deed in &story.deeds {
        let now = deed
            .range()
            .filter(|range| range.serializable && range.revision == 0);
        if now.is_none() || !matches!(deed.done(), Some(Done::Range { .. })) {
            continue;
        }
        reads += 1;
        stale += u64::from(deed.revision().is_some_and(|at| at < answered[deed.id].0));
    }
    (stale, reads)
}
