//! `tributary tail` against a server that speaks just enough of the protocol.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic too")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode},
        protocol::CloseFrame,
    },
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `tail` whose lines can be waited for.
struct Tail {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Tail {
    fn start(listener: &TcpListener, arguments: &[&str]) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut child = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(["tail", "--url", &url])
            .args(arguments)
            .env_clear()
            .env("TRIBUTARY_TOKEN", "a.b.c")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Nobody listens any more when the test is over.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    async fn exit(mut self) -> ExitStatus {
        let wait = tokio::task::spawn_blocking(move || self.child.wait().unwrap());
        tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap()
    }
}

/// Takes the next connection; what it asked for comes along.
async fn accept(listener: &TcpListener) -> (WebSocketStream<TcpStream>, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut asked = String::new();
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let answer = |request: &Request, mut response: Response| {
        let protocols = request.headers()["sec-websocket-protocol"]
            .to_str()
            .unwrap();
        asked = format!("{} {protocols}", request.uri());
        let headers = response.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("tributary.v1"),
        );
        Ok(response)
    };
    let socket = accept_hdr_async(stream, answer).await.unwrap();
    (socket, asked)
}

async fn send(socket: &mut WebSocketStream<TcpStream>, frame: &str) {
    socket.send(Message::text(frame)).await.unwrap();
}

async fn close(mut socket: WebSocketStream<TcpStream>, code: u16) {
    let frame = CloseFrame {
        code: code.into(),
        reason: "".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test(flavor = "multi_thread")]
async fn it_prints_events_and_goes_on_where_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tail = Tail::start(&listener, &["--since", "c+0"]);

    let (mut socket, asked) = accept(&listener).await;
    assert_eq!(asked, "/ws?since=c%2B0 tributary.v1, bearer.a.b.c");
    send(&mut socket, r#"{"type":"hello","data":{}}"#).await;
    send(
        &mut socket,
        "{ \"type\": \"message.created\",\n \"cursor\": \"c1\" }",
    )
    .await;
    send(&mut socket, r#"{"type":"authed"}"#).await;
    send(&mut socket, r#"{"type":"typing","data":{}}"#).await;
    let lines: Vec<_> = (0..3).map(|_| tail.line()).collect();
    assert_eq!(lines[1], r#"{"cursor":"c1","type":"message.created"}"#);
    assert!(
        lines[2].contains("typing"),
        "the answer to renewing is not an event"
    );
    close(socket, 1012).await;

    let (socket, asked) = accept(&listener).await;
    assert_eq!(asked, "/ws?since=c1 tributary.v1, bearer.a.b.c");
    close(socket, 4401).await;
    let status = tail.exit().await;
    assert_eq!(status.code(), Some(1), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tail = Tail::start(&listener, &[]);
    let (stream, _) = listener.accept().await.unwrap();
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let refuse = |_: &Request, _: Response| {
        let mut response = ErrorResponse::new(None);
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Err(response)
    };
    assert!(accept_hdr_async(stream, refuse).await.is_err());
    let status = tail.exit().await;
    assert_eq!(status.code(), Some(1), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_is_how_it_is_meant_to_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tail = Tail::start(&listener, &[]);
    let (mut socket, _) = accept(&listener).await;
    send(&mut socket, r#"{"type":"hello"}"#).await;
    tail.line();
    let pid = tail.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = tail.exit().await;
    assert_eq!(status.code(), Some(0), "{status}");
}
