//! Passes bytes on to Tributary as they come, and remembers when that was.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A proxy that understands nothing.
pub(super) struct Tap {
    url: String,
    connections: Connections,
}

type Connections = Arc<Mutex<Vec<Transcript>>>;

/// What one connection has said.
#[derive(Default)]
struct Transcript {
    bytes: Vec<u8>,
    /// How many there were at which time.
    times: Vec<(usize, Instant)>,
}

impl Tap {
    /// Before the server of this URL.
    pub(super) async fn before(url: &str) -> Self {
        let server = url.strip_prefix("http://").expect("a URL").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Connections::default();
        let all = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), Arc::clone(&all)));
            }
        });
        Self { url, connections }
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// When the first request with this text in it had come, as far as the text.
    pub(super) fn heard(&self, text: &str) -> Instant {
        let connections = self.connections.lock().unwrap();
        let times = connections.iter().filter_map(|said| said.time_of(text));
        times.min().expect("it came by")
    }
}

impl Transcript {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.times.push((self.bytes.len(), Instant::now()));
    }

    fn time_of(&self, text: &str) -> Option<Instant> {
        let mut windows = self.bytes.windows(text.len());
        let end = windows.position(|part| part == text.as_bytes())? + text.len();
        let nth = self.times.partition_point(|&(length, _)| length < end);
        Some(self.times[nth].1)
    }
}

/// Ends with the connection, on either side.
async fn pass(mut client: TcpStream, server: String, all: Connections) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let nth = {
        let mut all = all.lock().unwrap();
        all.push(Transcript::default());
        all.len() - 1
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let asked = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            all.lock().unwrap()[nth].add(&buffer[..length]);
            if to_server.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asked => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}
