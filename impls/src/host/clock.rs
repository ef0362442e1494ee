//! The clocks a host reads, and how it waits for them.

use crate::contract::Now;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// A node's own clocks. They govern the core's timers and nothing else: delays of the network and of the disk pass in the world's
/// time, whatever a node's clock says.
pub trait Clock: 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Completes when the monotonic clock reads at least this. Dropping the future gives the wait up.
    fn sleep_until(&self, monotonic_ns: u64) -> impl Future<Output = ()>;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: Instant,
}

impl TokioClock {
    /// A clock whose monotonic reading starts at zero now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    #[expect(
        clippy::disallowed_types,
        reason = "this is where the machine's time comes in as `Now`"
    )]
    fn now(&self) -> Now {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Now {
            monotonic_ns: nanoseconds(self.start.elapsed()),
            // A clock set before 1970 reads as 1970.
            wall_ns: wall.map_or(0, nanoseconds),
        }
    }

    async fn sleep_until(&self, monotonic_ns: u64) {
        tokio::time::sleep_until(self.start + Duration::from_nanos(monotonic_ns)).await;
    }
}

/// A duration in nanoseconds; 584 years at most.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
