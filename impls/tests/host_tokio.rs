//! The host on this machine: real sockets on the loopback, a real file.

mod host_support;

use host_support::memory_disk::MemoryDisk;
use host_support::{Caller, TestGate, Trace, beats, tally};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use stormglass_impls::contract::NodeId;
use stormglass_impls::host::{
    Compaction, Disk, Host, HostError, PlainGate, StdDisk, TokioClock, TokioNet, WalError,
    draw_from,
};
use stormglass_impls::system::{Setup, System};
use tokio::task::LocalSet;

/// Addresses on the loopback that nobody listens at.
fn addresses(count: u8) -> Vec<String> {
    let free: Vec<_> = (0..count)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    free.iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect()
}

fn host<D: Disk>(
    system: &Rc<dyn System>,
    id: u8,
    addresses: &[String],
    disk: D,
    wal_path: &Path,
) -> Host<TokioNet, D, TokioClock, PlainGate> {
    Host {
        system: Rc::clone(system),
        setup: Setup::of(NodeId(id), addresses.len() as u8),
        addresses: addresses.to_vec(),
        wal_path: wal_path.into(),
        // Anew after every few writes: every restart is from a checkpoint.
        compaction: Compaction {
            file_bytes_min: 80,
            growth_min: 1,
        },
        net: TokioNet,
        disk,
        clock: TokioClock::start(),
        gate: Rc::new(PlainGate),
        draw: draw_from(id.into()),
    }
}

/// Runs a future on a runtime of its own, and ends the runtime and all it runs.
fn life(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("it takes far less");
    });
}

async fn until(trace: &Trace, enough: impl Fn(&Trace) -> bool) {
    while !enough(trace) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn two_nodes_talk_and_a_restart_finds_what_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (system, trace) = tally();
    let addresses = addresses(2);
    let run = async |number, sum| {
        for id in 1..=2 {
            let path = directory.path().join(format!("n{id}.wal"));
            let host = host(&system, id, &addresses, StdDisk, &path);
            tokio::task::spawn_local(async move {
                let Err(error) = host.run().await;
                panic!("{error}");
            });
        }
        let gate = Rc::new(TestGate::default());
        let mut caller = loop {
            match Caller::connect(TokioNet, &gate, 1, &addresses[0]).await {
                Ok(caller) => break caller,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert_eq!(caller.add(number).await, Some(sum));
        let heard = (beats(&trace, 1, 2).len(), beats(&trace, 2, 1).len());
        let more = |trace: &Trace| {
            beats(trace, 1, 2).len() > heard.0 + 2 && beats(trace, 2, 1).len() > heard.1 + 2
        };
        until(&trace, more).await;
    };
    life(run(5, 5));
    life(run(7, 12));
    life(run(1, 13));
}

#[test]
fn a_damaged_log_is_named_and_the_node_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n1.wal");
    let (system, _) = tally();
    let addresses = addresses(1);
    life(async {
        let host = host(&system, 1, &addresses, StdDisk, &path);
        let running = tokio::task::spawn_local(async { host.run().await.map(|_| ()) });
        let gate = Rc::new(TestGate::default());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut caller = Caller::connect(TokioNet, &gate, 1, &addresses[0])
            .await
            .unwrap();
        assert_eq!(caller.add(1).await, Some(1));
        assert_eq!(caller.add(2).await, Some(3));
        assert!(!running.is_finished());
    });
    let mut content = std::fs::read(&path).unwrap();
    content[32 + 17] ^= 1;
    std::fs::write(&path, content).unwrap();
    life(async {
        let Err(error) = host(&system, 1, &addresses, StdDisk, &path).run().await;
        assert!(
            matches!(&error, HostError::Wal(WalError::Damaged { offset: 32, .. })),
            "{error}"
        );
        assert!(
            error.to_string().contains("n1.wal is damaged at offset 32"),
            "{error}"
        );
    });
}

#[test]
fn a_disk_that_fails_stops_the_node_before_it_answers() {
    for call in ["append", "sync"] {
        let (system, trace) = tally();
        let addresses = addresses(1);
        let disk = MemoryDisk::default();
        let failing = disk.clone();
        life(async {
            let host = host(&system, 1, &addresses, disk, Path::new("/wal"));
            let running = tokio::task::spawn_local(host.run());
            let gate = Rc::new(TestGate::default());
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut caller = Caller::connect(TokioNet, &gate, 1, &addresses[0])
                .await
                .unwrap();
            assert_eq!(caller.add(1).await, Some(1));
            *failing.failing.borrow_mut() = Some(call);
            assert_eq!(caller.add(2).await, None, "{call}");
            let Err(error) = running.await.unwrap();
            assert!(
                matches!(&error, HostError::Wal(WalError::Io { .. })),
                "{error}"
            );
        });
        let persisted = host_support::count(&trace, 1, |input| {
            *input == stormglass_impls::contract::Input::Persisted
        });
        assert_eq!(persisted, 1);
    }
}

#[test]
fn a_setup_that_makes_no_sense_is_refused() {
    let (system, _) = tally();
    let addresses = addresses(1);
    life(async {
        for id in [0, 2] {
            let Err(error) = host(
                &system,
                id,
                &addresses,
                MemoryDisk::default(),
                Path::new("/wal"),
            )
            .run()
            .await;
            assert!(matches!(error, HostError::Setup { .. }), "{error}");
        }
        let taken = std::net::TcpListener::bind(&addresses[0]).unwrap();
        let Err(error) = host(
            &system,
            1,
            &addresses,
            MemoryDisk::default(),
            Path::new("/wal"),
        )
        .run()
        .await;
        assert!(matches!(error, HostError::Bind { .. }), "{error}");
        drop(taken);
    });
}
