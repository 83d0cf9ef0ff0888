//! Listens, and serves HTTP/1.1 to whoever connects, within limits.
//!
//! The way of a connection: [`accept`] takes it from the kernel, [`places`] says whether
//! there is room for it, [`connection`] serves it as long as [`watch`] finds that its
//! peer keeps up. [`descriptors`] says how many the process can have at all.
//!
//! What is refused here is refused without a word: the connection is closed. When all
//! places are taken, whoever has waited the longest without a request in hand makes room.

mod accept;
mod connection;
mod descriptors;
mod places;
mod shortage;
mod stream;
mod watch;

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{accept::accept_all, places::Places, watch::Watch};
pub use self::{accept::listen, descriptors::raise as raise_descriptors};
use crate::limits::address::Proxies;

/// More than these there never are. One that is idle costs about 20 KiB, so that all
/// of them fit into a third of a GiB.
const MOST: usize = 16_384;
/// Connections of one address: an office of 70 people, each with the six connections
/// that a browser opens to one server and a socket.
const MOST_PER_ADDRESS: usize = 512;
/// Descriptors that are no connections: the database's, the homeserver's, files.
const OTHER_DESCRIPTORS: usize = 256;

/// What a connection may cost.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long its peer may take.
    pub timeouts: Timeouts,
    /// The longest request line and headers, in bytes: a session token in each of its
    /// places, and a browser's cookies for the host.
    pub longest_head: usize,
    /// How many there may be. The last sixteenth is kept for this machine and
    /// [`Settings::proxies`].
    pub most: usize,
    /// How many from one address, other than this machine and [`Settings::proxies`].
    pub most_per_address: usize,
    /// Whose connections are many people's.
    pub proxies: Proxies,
}

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until it says anything. Longer than clients keep a connection in reserve: of several
    /// that they open at once they use the first. Go and Rust keep them for 90 s.
    pub silence: Duration,
    /// For the headers of a request, from their first byte.
    pub head: Duration,
    /// Between an answer and the next request. Longer than clients keep a connection: one
    /// that is closed just as the homeserver's next PUT goes out costs that push a retry.
    /// Twisted keeps them for 240 s.
    pub idle: Duration,
    /// For any progress with an answer that is under way.
    pub write: Duration,
    /// For what has not become a request when Tributary stops.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(100),
            head: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            write: Duration::from_mins(1),
            stop: Duration::from_secs(1),
        }
    }
}

impl Settings {
    /// As many connections as the process has descriptors for.
    #[must_use]
    pub fn new(trusted_proxies: &[String]) -> Self {
        let left = descriptors::most().saturating_sub(OTHER_DESCRIPTORS);
        Self {
            timeouts: Timeouts::default(),
            longest_head: 32 * 1024,
            most: MOST.min(left.max(OTHER_DESCRIPTORS)),
            most_per_address: MOST_PER_ADDRESS,
            proxies: Proxies::new(trusted_proxies),
        }
    }

    /// How many sockets of `/ws` there may be: whoever opens them all leaves room for requests.
    #[must_use]
    pub fn most_sockets(&self) -> usize {
        self.most / 4 * 3
    }
}

/// Serves until `stop` is cancelled; then closes the listener, and ends when the
/// requests in hand are answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    stop: CancellationToken,
) {
    let places = Arc::new(Places::new(&settings));
    let settings = Arc::new(settings);
    let connections = TaskTracker::new();
    let admit = |stream: tokio::net::TcpStream, peer: std::net::SocketAddr| {
        let watch = Arc::new(Watch::new(settings.timeouts, Instant::now()));
        let Some(place) = places.take(peer.ip(), &watch) else {
            return;
        };
        let stream = stream::Stream::new(stream, watch, place);
        let (settings, stop) = (Arc::clone(&settings), stop.clone());
        connections.spawn(connection::serve(
            stream,
            peer,
            router.clone(),
            settings,
            stop,
        ));
    };
    accept_all(listener, admit, &stop).await;
    connections.close();
    connections.wait().await;
}
