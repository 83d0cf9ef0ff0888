//! Takes connections from the kernel, whatever goes wrong with some of them.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::meters::meters;

/// Between two attempts when there are no descriptors left: others have to be closed.
const PAUSE: Duration = Duration::from_millis(500);
/// Connections that the kernel keeps until they are taken, unless `net.core.somaxconn` is less.
/// Of the usual 128, whoever opens some hundreds at once leaves none to the others, who
/// try again a second later, or find theirs reset.
const QUEUE: u32 = 4_096;

/// Listens at an address.
///
/// # Errors
///
/// When it cannot be had.
pub fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let socket = if bind.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // What was open lingers a minute: a restart does not wait for it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(bind)?;
    socket.listen(QUEUE)
}

/// Where connections come from.
pub(super) trait Accept: Send {
    /// The next one.
    fn accept(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Hands on every connection until `stop` is cancelled.
pub(super) async fn accept_all(
    mut listener: impl Accept,
    mut admit: impl FnMut(TcpStream, SocketAddr),
    stop: &CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small and wanted at once.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was not set");
                }
                admit(stream, peer);
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                meters().accept_errors.increment(1);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Whether only this one connection is gone.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::{Instant, timeout};

    use super::*;

    /// Fails so often, and is a listener then.
    struct Failing {
        errors: Vec<io::Error>,
        then: TcpListener,
    }

    impl Accept for Failing {
        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            match self.errors.pop() {
                Some(error) => Err(error),
                None => self.then.accept().await,
            }
        }
    }

    /// EMFILE.
    const NO_DESCRIPTORS: i32 = 24;

    #[tokio::test]
    async fn hundreds_may_come_at_once() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let all = join_all((0..300).map(|_| TcpStream::connect(address)));
        // What has no room in the queue is tried for much longer.
        let all = timeout(Duration::from_secs(30), all).await.unwrap();
        assert!(all.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn an_error_neither_ends_nor_spins_it() {
        let then = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = then.local_addr().unwrap();
        let exhausted = || io::Error::from_raw_os_error(NO_DESCRIPTORS);
        let errors = vec![
            exhausted(),
            io::ErrorKind::ConnectionAborted.into(),
            exhausted(),
        ];
        let _client = TcpStream::connect(address).await.unwrap();
        let (stop, began) = (CancellationToken::new(), Instant::now());
        let mut admitted = 0;
        accept_all(
            Failing { errors, then },
            |_, _| {
                admitted += 1;
                stop.cancel();
            },
            &stop,
        )
        .await;
        assert_eq!(admitted, 1);
        assert!(began.elapsed() >= PAUSE * 2);
    }
}
