//! A cluster of tallies inside turmoil.

use super::{Caller, TestGate, Trace, tally};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};
use stormglass_impls::contract::NodeId;
use stormglass_impls::host::turmoil::{TurmoilClock, TurmoilDisk, TurmoilNet};
use stormglass_impls::host::{Compaction, Host, draw_from};
use stormglass_impls::system::Setup;

/// A millisecond, in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A simulation of a cluster, its gate, and what its nodes were given.
pub struct Storm {
    pub sim: turmoil::Sim<'static>,
    pub gate: Rc<TestGate>,
    pub trace: Trace,
}

pub fn simulation() -> turmoil::Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(1)
        .epoch(UNIX_EPOCH + Duration::from_secs(1_000_000))
        .simulation_duration(Duration::from_secs(600))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(1))
        .build()
}

/// A cluster of tallies.
pub fn storm(nodes: u8) -> Storm {
    let mut sim = simulation();
    let (system, trace) = tally();
    let gate = Rc::new(TestGate::default());
    let addresses: Vec<String> = NodeId::all(nodes)
        .map(|node| format!("{node}:7000"))
        .collect();
    for id in NodeId::all(nodes) {
        let (system, gate, addresses) = (Rc::clone(&system), Rc::clone(&gate), addresses.clone());
        sim.host(id.to_string(), move || {
            let host = Host {
                system: Rc::clone(&system),
                setup: Setup::of(id, nodes),
                addresses: addresses.clone(),
                wal_path: "/wal".into(),
                compaction: Compaction {
                    file_bytes_min: 100,
                    growth_min: 2,
                },
                net: TurmoilNet,
                disk: TurmoilDisk,
                clock: TurmoilClock,
                gate: Rc::clone(&gate),
                draw: draw_from(id.0.into()),
            };
            async move {
                host.run()
                    .await
                    .map(|never| match never {})
                    .map_err(Into::into)
            }
        });
    }
    Storm { sim, gate, trace }
}

impl Storm {
    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.sim.step().unwrap();
        }
    }

    /// Runs software on a host of its own until it is done.
    pub fn client(&mut self, name: &str, software: impl Future<Output = ()> + 'static) {
        let done = self.client_aside(name, software);
        while !done.get() {
            self.run_ms(1);
        }
    }

    /// Starts software on a host of its own.
    pub fn client_aside(
        &mut self,
        name: &str,
        software: impl Future<Output = ()> + 'static,
    ) -> Rc<Cell<bool>> {
        let done = Rc::new(Cell::new(false));
        let told = Rc::clone(&done);
        self.sim.client(name, async move {
            software.await;
            told.set(true);
            Ok(())
        });
        done
    }

    /// Asks the first node to add a number; nothing when there is no answer within a second.
    pub fn add(&mut self, name: &str, number: u64) -> Option<u64> {
        let (gate, answer) = (Rc::clone(&self.gate), Rc::new(Cell::new(None)));
        let told = Rc::clone(&answer);
        self.client(name, async move {
            let mut caller = Caller::connect(TurmoilNet, &gate, 1, "n1:7000")
                .await
                .unwrap();
            told.set(caller.add(number).await);
            // A simulated client that is done is not run any more: what it wants to close it closes before.
            caller.close();
            tokio::time::sleep(Duration::from_millis(5)).await;
        });
        answer.get()
    }
}

/// Whether the numbers of the beats grow.
pub fn rising(beats: &[(u64, u64)]) -> bool {
    beats.windows(2).all(|pair| pair[0].1 < pair[1].1)
}
