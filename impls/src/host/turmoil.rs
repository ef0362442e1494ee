//! The network, disk and clocks of a host simulated by [`turmoil`].
//!
//! All of them panic outside a simulation, as turmoil itself does.

use super::clock::{Clock, nanoseconds};
use super::disk::Disk;
use super::net::Net;
use crate::contract::Now;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use turmoil::fs::shim::std::fs as simulated;

/// The simulated network. A host listens at the port of its address, whatever the name before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurmoilNet;

impl Net for TurmoilNet {
    type Stream = turmoil::net::TcpStream;
    type Listener = turmoil::net::TcpListener;

    async fn bind(&self, address: &str) -> io::Result<Self::Listener> {
        let port = address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        let port = port.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{address} has no port"),
            )
        })?;
        turmoil::net::TcpListener::bind(("0.0.0.0", port)).await
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<Self::Stream> {
        listener.accept().await.map(|(stream, _)| stream)
    }

    async fn connect(&self, address: &str) -> io::Result<Self::Stream> {
        turmoil::net::TcpStream::connect(address).await
    }
}

/// The simulated disk of the host it is used on. Every call is done at once: how long a sync takes is the gate's to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurmoilDisk;

impl Disk for TurmoilDisk {
    type File = simulated::File;

    async fn open(&self, path: &Path) -> io::Result<Self::File> {
        simulated::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .open(path)
    }

    async fn read(&self, file: &Self::File) -> io::Result<Vec<u8>> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut content = vec![0; length];
        let read = file.read_at(&mut content, 0)?;
        content.truncate(read);
        Ok(content)
    }

    async fn append(&self, file: &Self::File, offset: u64, bytes: Vec<u8>) -> io::Result<()> {
        file.write_all_at(&bytes, offset)
    }

    async fn truncate(&self, file: &Self::File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    async fn sync(&self, file: &Self::File) -> io::Result<()> {
        file.sync_all()
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Turmoil knows an open file by its path: what was written to the file that is replaced, and not synced, would turn up in the
        // other one.
        if simulated::exists(to) {
            self.open(to).await?.sync_all()?;
        }
        simulated::rename(from, to)
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        match simulated::exists(path) {
            true => simulated::remove_file(path),
            false => Ok(()),
        }
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        simulated::sync_dir(path)
    }
}

/// The simulated time: monotonic since the simulation began, so that it goes on over a crash, and wall since turmoil's `epoch`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurmoilClock;

impl Clock for TurmoilClock {
    fn now(&self) -> Now {
        let elapsed =
            turmoil::sim_elapsed().expect("a simulated clock is read inside its simulation");
        let wall = turmoil::since_epoch().expect("a simulated clock is read inside its simulation");
        Now {
            monotonic_ns: nanoseconds(elapsed),
            wall_ns: nanoseconds(wall),
        }
    }

    async fn sleep_until(&self, monotonic_ns: u64) {
        loop {
            let left_ns = monotonic_ns.saturating_sub(self.now().monotonic_ns);
            if left_ns == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_nanos(left_ns)).await;
        }
    }
}
