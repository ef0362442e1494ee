//! The network a host lives in.

use std::future::Future;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A network of reliable byte streams. Addresses are `host:port`.
pub trait Net: 'static {
    /// A connected stream. Dropping it closes it.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;
    /// A socket that takes connections.
    type Listener: 'static;

    /// Listens at an address.
    fn bind(&self, address: &str) -> impl Future<Output = io::Result<Self::Listener>>;

    /// Takes the next connection. Dropping the future loses none.
    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Connects. Dropping the future gives the attempt up.
    fn connect(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioNet;

impl Net for TokioNet {
    type Stream = tokio::net::TcpStream;
    type Listener = tokio::net::TcpListener;

    async fn bind(&self, address: &str) -> io::Result<Self::Listener> {
        tokio::net::TcpListener::bind(address).await
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        // Without it answers are late, no more. A caller who is gone already is found out when it is read.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn connect(&self, address: &str) -> io::Result<Self::Stream> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
