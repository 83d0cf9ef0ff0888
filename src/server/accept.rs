//! Takes connections from the kernel, whatever goes wrong with some of them.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// Between two attempts when there are no descriptors left: others have to be closed.
const PAUSE: Duration = Duration::from_millis(500);

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
                metrics::counter!("tributary_accept_errors_total").increment(1);
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
    use tokio::time::Instant;

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
