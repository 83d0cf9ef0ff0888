//! Connections: how many there are and how long they take.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tributary::server::{self, Settings, Timeouts};

use crate::support::eventually;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a test waits for that is about it; nothing else may depend on something so short.
const SOON: Duration = Duration::from_millis(300);
const WORK: &[u8] = b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    /// With times that nothing here reaches, unless a test changes them.
    async fn start(router: Router, change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = Settings::new(&[]);
        settings.timeouts = Timeouts {
            silence: PATIENCE * 2,
            head: PATIENCE * 2,
            idle: PATIENCE * 2,
            write: PATIENCE * 2,
            stop: Duration::from_millis(100),
        };
        change(&mut settings);
        let stop = CancellationToken::new();
        let task = tokio::spawn(server::serve(listener, router, settings, stop.clone()));
        Self {
            address,
            stop,
            task,
        }
    }

    async fn hello(change: impl FnOnce(&mut Timeouts)) -> Self {
        Self::start(hello(), |settings| change(&mut settings.timeouts)).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Stops it, and waits until it has ended.
    async fn stopped(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// The status of the next answer, which has a body of `hello` or none.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = timeout(PATIENCE, stream.read(&mut chunk)).await;
        let length = length.unwrap().unwrap();
        assert_ne!(length, 0, "{:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&read);
        if text.ends_with("hello") || text.ends_with("\r\n\r\n") && !text.contains("length: 5") {
            return text[9..12].parse().unwrap();
        }
    }
}

/// Waits until the other side closes.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // Closed with something unread, it is reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_come_one_by_one_are_not_waited_for() {
    let served = Served::hello(|timeouts| timeouts.head = SOON).await;
    let began = Instant::now();
    let (mut read, mut write) = served.connect().await.into_split();
    let slowly = tokio::spawn(async move {
        let line = b"GET / HTTP/1.1\r\nx: ".iter();
        for byte in line.chain(std::iter::repeat(&b'x')) {
            if write.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, read.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(began.elapsed() >= SOON);
    timeout(PATIENCE, slowly).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_is_not_waited_for() {
    let served = Served::hello(|timeouts| timeouts.silence = SOON).await;
    closed(&mut served.connect().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_between_requests_for_longer_than_headers_may_take() {
    let idle = Duration::from_secs(12);
    let served = Served::hello(|timeouts| (timeouts.head, timeouts.idle) = (SOON, idle)).await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    assert_eq!(status(&mut stream).await, 200);
    // Nothing is to be waited for but time itself.
    sleep(SOON * 2).await;
    let began = Instant::now();
    stream.write_all(GET).await.unwrap();
    assert_eq!(status(&mut stream).await, 200);
    closed(&mut stream).await;
    assert!(began.elapsed() >= idle);
    // The second request's headers have their time as well: idle it would be kept for longer
    // than anything here is waited for.
    let served = Served::hello(|timeouts| timeouts.head = SOON).await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    assert_eq!(status(&mut stream).await, 200);
    stream.write_all(&GET[..10]).await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_have_a_longest_size() {
    let served = Served::hello(|_| {}).await;
    for (length, expected) in [(31 * 1024, 200), (33 * 1024, 431)] {
        let head = format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "x".repeat(length)
        );
        let mut stream = served.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, expected, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_closed_and_a_place_that_is_free_again_is_taken() {
    let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let work = {
        let (go_on, begun) = (Arc::clone(&go_on), Arc::clone(&begun));
        async move || {
            begun.add_permits(1);
            go_on.notified().await;
            "hello"
        }
    };
    let router = hello().route("/work", get(work));
    let served = Served::start(router, |settings| settings.most = 2).await;
    let mut held = [served.connect().await, served.connect().await];
    for stream in &mut held {
        stream.write_all(WORK).await.unwrap();
    }
    let both = timeout(PATIENCE, begun.acquire_many(2)).await;
    drop(both.expect("both are at work").unwrap());
    closed(&mut served.connect().await).await;
    go_on.notify_one();
    eventually("a place is free", async || {
        let mut stream = served.connect().await;
        stream.write_all(GET).await.ok()?;
        let mut first = [0; 1];
        (stream.read(&mut first).await.ok()? == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_makes_room_for_whoever_asks() {
    let served = Served::start(hello(), |settings| settings.most = 8).await;
    let mut silent = Vec::new();
    for nth in 0..8 {
        let mut stream = served.connect().await;
        // The first has been waited for since it came, before any byte of the others.
        if nth > 0 {
            stream.write_all(&GET[..10]).await.unwrap();
        }
        silent.push(stream);
    }
    for _ in 0..3 {
        let mut asks = served.connect().await;
        asks.write_all(GET).await.unwrap();
        assert_eq!(status(&mut asks).await, 200);
    }
    let first = timeout(PATIENCE, silent[0].read(&mut [0; 1]))
        .await
        .unwrap();
    assert!(matches!(first, Ok(0) | Err(_)), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_the_answer_is_given_up() {
    let (gone, mut is_gone) = oneshot::channel::<Infallible>();
    let endless = stream::unfold(gone, async |gone| {
        Some((Ok::<_, Infallible>(vec![0; 64 * 1024]), gone))
    });
    let body = Arc::new(std::sync::Mutex::new(Some(Body::from_stream(endless))));
    let take = move || {
        let body = body.lock().unwrap().take().unwrap();
        async { body }
    };
    let router = Router::new().route("/", get(take));
    let served = Served::start(router, |settings| settings.timeouts.write = SOON).await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    assert!(timeout(PATIENCE, &mut is_gone).await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_stop_the_request_in_hand_is_answered_and_nobody_else_waited_for() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let work = {
        let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
        async move || {
            began.notify_one();
            go_on.notified().await;
            "hello"
        }
    };
    let router = hello().route("/work", get(work));
    let served = Served::start(router, |_| {}).await;
    let (mut idle, mut half, mut silent) =
        tokio::join!(served.connect(), served.connect(), served.connect());
    idle.write_all(GET).await.unwrap();
    assert_eq!(status(&mut idle).await, 200);
    half.write_all(&GET[..10]).await.unwrap();
    let mut busy = served.connect().await;
    busy.write_all(WORK).await.unwrap();
    began.notified().await;

    served.stop.cancel();
    for stream in [&mut idle, &mut half, &mut silent] {
        closed(stream).await;
    }
    eventually("nothing listens any more", async || {
        TcpStream::connect(served.address)
            .await
            .is_err()
            .then_some(())
    })
    .await;
    assert!(!served.task.is_finished());
    go_on.notify_one();
    assert_eq!(status(&mut busy).await, 200);
    closed(&mut busy).await;
    served.stopped().await;
}
