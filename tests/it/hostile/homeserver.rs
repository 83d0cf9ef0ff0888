//! A homeserver that answers each room's history in its own bad way.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::sleep,
};

use super::house::{AS_TOKEN, SECRET};

/// Events that are none, on each of the pages without end.
const IN_VAIN: usize = 1_000;

/// Listens until this is dropped.
pub(super) struct Homeserver {
    address: SocketAddr,
    /// How often each room's history was asked for.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Where redirects lead.
    elsewhere: Arc<AtomicUsize>,
    tasks: [AbortHandle; 2],
}

/// What an answer is.
enum Reply {
    /// Status, more headers, body.
    Whole(u16, String, Vec<u8>),
    /// A body that begins so, and goes on with this for ever, fast or slowly.
    Endless(String, Vec<u8>, Duration),
    HangUp,
}

impl Homeserver {
    pub(super) async fn start() -> Self {
        let (asked, elsewhere) = (Arc::<Mutex<_>>::default(), Arc::<AtomicUsize>::default());
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let redirect = format!("http://{}/", other.local_addr().unwrap());
        let count = Arc::clone(&elsewhere);
        let other = tokio::spawn(async move {
            while other.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::clone(&asked);
        let main = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counts, redirect) = (Arc::clone(&counts), redirect.clone());
                tokio::spawn(async move { answer_all(stream, &counts, &redirect).await });
            }
        });
        let tasks = [main.abort_handle(), other.abort_handle()];
        Self {
            address,
            asked,
            elsewhere,
            tasks,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self, room: &str) -> usize {
        self.asked.lock().unwrap().get(room).copied().unwrap_or(0)
    }

    /// How often a redirect was followed.
    pub(super) fn followed(&self) -> usize {
        self.elsewhere.load(Ordering::SeqCst)
    }
}

impl Drop for Homeserver {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn answer_all(
    mut stream: TcpStream,
    asked: &Mutex<BTreeMap<String, usize>>,
    redirect: &str,
) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = super::wire::find(&read, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(read.drain(..end).collect()).ok()?;
        let length = head.split("content-length: ").nth(1);
        let length = length
            .and_then(|rest| rest.lines().next()?.parse().ok())
            .unwrap_or(0);
        while read.len() < length {
            stream.read_buf(&mut read).await.ok()?;
        }
        read.drain(..length);
        let target = head
            .split(' ')
            .nth(1)?
            .replace("%21", "!")
            .replace("%3A", ":");
        let of_room = target.split("/rooms/!").nth(1);
        let of_room = of_room.and_then(|rest| rest.split_once(":lab.local/"));
        let reply = match of_room {
            Some((room, what)) => {
                let nth = {
                    let mut asked = asked.lock().unwrap();
                    let nth = asked.entry(room.to_owned()).or_insert(0);
                    *nth += 1;
                    *nth
                };
                assert!(head.contains(AS_TOKEN), "asked as the application service");
                let (before, after) = if what.starts_with("messages") {
                    (r#"{"start":"s","chunk":["#, "]}")
                } else {
                    ("[", "]")
                };
                let room = room.trim_start_matches("new-");
                answer_for(room, nth, redirect, (before, after))
            }
            None if target.ends_with("/versions") => {
                json_of(&json!({"versions": ["v1.12"]}).to_string())
            }
            None => json_of(r#"{"duration_ms":1,"joined_rooms":[],"joined":{}}"#),
        };
        send(&mut stream, reply).await?;
    }
}

fn json_of(body: &str) -> Reply {
    Reply::Whole(
        200,
        "content-type: application/json\r\n".to_owned(),
        body.into(),
    )
}

/// A list, what is before and after its items; what becomes of it is in `garbage`.
fn answer_for(room: &str, nth: usize, redirect: &str, list: (&str, &str)) -> Reply {
    let (before, after) = list;
    let page = |end: &str| {
        let in_vain = "1,".repeat(IN_VAIN - 1);
        json_of(&format!(r#"{before}{in_vain}1],"end":"{end}"}}"#))
    };
    let whole = |status, headers: &str| Reply::Whole(status, headers.to_owned(), SECRET.into());
    match room {
        "html" => Reply::Whole(
            200,
            "content-type: text/html\r\n".into(),
            format!("<html>{SECRET}").into(),
        ),
        "types" => json_of(&format!(r#"{{"chunk":{{"{SECRET}":1}},"end":7}}"#)),
        "half" => json_of(&format!(r#"{before}{{"{SECRET}":"#)),
        "deep" => json_of(&format!(
            "{before}{}{}{after}",
            "[".repeat(1 << 20),
            "]".repeat(1 << 20)
        )),
        "many" => json_of(&format!("{before}{}1{after}", "1,".repeat(16 << 20))),
        "endless" => Reply::Endless(before.into(), b"{},".repeat(20_000), Duration::ZERO),
        "dripping" => Reply::Endless(before.into(), b" ".to_vec(), Duration::from_millis(200)),
        "unpacked" => Reply::Whole(200, "content-encoding: gzip\r\n".into(), vec![0xed; 4096]),
        "elsewhere" => whole(307, &format!("location: {redirect}{SECRET}\r\n")),
        "later" => whole(429, "retry-after: 99999999999999\r\n"),
        "nobody" => whole(401, ""),
        "heads" => whole(200, &format!("x: {SECRET}\r\n").repeat(5_000)),
        "always" => page(&format!("t{nth}")),
        "ring" => page(if nth.is_multiple_of(2) { "a" } else { "b" }),
        "same" => page("same"),
        "gone" => Reply::HangUp,
        _ => json_of(&good_page(room)),
    }
}

fn good_page(room: &str) -> String {
    let now = tributary::clock::Clock::system().now().timestamp_millis();
    json!({"start": "s", "chunk": [{
        "type": "m.room.message", "event_id": format!("$history-{room}"), "sender": "@facebook_2001:lab.local",
        "origin_server_ts": now - 60_000, "content": {"msgtype": "m.text", "body": SECRET},
    }]})
    .to_string()
}

async fn send(stream: &mut TcpStream, reply: Reply) -> Option<()> {
    match reply {
        Reply::Whole(status, headers, body) => {
            let head = format!(
                "HTTP/1.1 {status} So\r\n{headers}content-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()
        }
        Reply::Endless(beginning, piece, pause) => {
            let head = format!("HTTP/1.1 200 So\r\n\r\n{beginning}");
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(&piece).await.ok()?;
                if !pause.is_zero() {
                    sleep(pause).await;
                }
            }
        }
        Reply::HangUp => None,
    }
}
