//! Connections from other addresses of this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use anyhow::{Context as _, anyhow};
use tokio::net::TcpSocket;

/// A connection from one of them; blocking.
pub(crate) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<TcpStream> {
    // The standard library cannot bind before it connects; and whoever asks may be in a
    // runtime, where another one cannot be.
    let connect = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((from, 0)))?;
            socket.connect(to).await?.into_std()
        })
    };
    let connected = std::thread::scope(|scope| scope.spawn(connect).join());
    let stream = connected
        .map_err(|_| anyhow!("it panicked"))?
        .context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}
