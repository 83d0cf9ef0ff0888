//! A homeserver that has files, and hands them out well or badly.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};

pub(super) const AS_TOKEN: &str = "the-as-token";

/// How a file is handed out.
#[derive(Clone)]
pub(super) enum Answer {
    /// In full.
    File(&'static str, Vec<u8>),
    /// In full, without saying how long it is.
    Unsized(&'static str, Vec<u8>),
    /// Not: this status and this body.
    Refused(u16, Value),
    /// Its beginning; then the connection is gone.
    Truncated(Vec<u8>),
    /// Not even an answer.
    HangUp,
    /// Made from a number, so that it takes no memory here: so many bytes.
    Made(u64, usize),
    /// Compressed, though nobody asked for that.
    Encoded(Vec<u8>),
    /// A byte now and then, for ever.
    Dripping,
    /// Its beginning, and the rest when there is a permit.
    Waiting(Vec<u8>, Arc<Semaphore>),
}

/// Cheap to clone; serves until the test's runtime ends.
#[derive(Clone)]
pub(super) struct Homeserver {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    files: Mutex<HashMap<String, VecDeque<Answer>>>,
    asked: Mutex<Vec<String>>,
    is_away: AtomicBool,
}

impl Homeserver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    /// Has a file, which is handed out in these ways, one after the other and then the
    /// last one for ever. Answers its address.
    pub(super) fn has(&self, id: &str, answers: impl IntoIterator<Item = Answer>) -> String {
        let mut files = self.inner.files.lock().unwrap();
        files.insert(id.to_owned(), answers.into_iter().collect());
        mxc(id)
    }

    /// A proxy answers in its stead, or it does again.
    pub(super) fn is_away(&self, is_away: bool) {
        self.inner.is_away.store(is_away, Ordering::SeqCst);
    }

    /// How often a file was asked for.
    pub(super) fn asked(&self, id: &str) -> usize {
        let asked = self.inner.asked.lock().unwrap();
        asked.iter().filter(|one| *one == id).count()
    }
}

pub(super) fn mxc(id: &str) -> String {
    format!("mxc://lab.local/{id}")
}

pub(super) fn refused(status: u16, errcode: &str) -> Answer {
    Answer::Refused(status, json!({"errcode": errcode, "error": "no"}))
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response {
    if inner.is_away.load(Ordering::SeqCst) {
        return (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response();
    }
    let path = request.uri().path();
    if path == "/_matrix/client/versions" {
        return axum::Json(json!({"versions": ["v1.11"]})).into_response();
    }
    let Some(id) = path.strip_prefix("/_matrix/client/v1/media/download/lab.local/") else {
        return no(
            404,
            &json!({"errcode": "M_UNRECOGNIZED", "error": "no such path"}),
        );
    };
    let token = request.headers().get(header::AUTHORIZATION);
    if token.is_none_or(|token| token != format!("Bearer {AS_TOKEN}").as_str()) {
        return no(401, &json!({"errcode": "M_UNKNOWN_TOKEN", "error": "who?"}));
    }
    let encoding = request.headers().get(header::ACCEPT_ENCODING);
    if encoding.is_none_or(|encoding| encoding != "identity") {
        return no(406, &json!({"errcode": "M_UNKNOWN", "error": "as it is"}));
    }
    inner.asked.lock().unwrap().push(id.to_owned());
    let answer = next(&mut inner.files.lock().unwrap(), id);
    match answer {
        None => no(
            404,
            &json!({"errcode": "M_NOT_FOUND", "error": "no such file"}),
        ),
        Some(answer) => hand_out(answer),
    }
}

fn next(files: &mut HashMap<String, VecDeque<Answer>>, id: &str) -> Option<Answer> {
    let answers = files.get_mut(id)?;
    if answers.len() > 1 {
        answers.pop_front()
    } else {
        answers.front().cloned()
    }
}

fn hand_out(answer: Answer) -> Response {
    match answer {
        Answer::File(kind, content) => ([(header::CONTENT_TYPE, kind)], content).into_response(),
        Answer::Unsized(kind, content) => {
            ([(header::CONTENT_TYPE, kind)], in_pieces(&content)).into_response()
        }
        Answer::Refused(status, body) => no(status, &body),
        Answer::Truncated(content) => {
            let half = content.len() / 2;
            let pieces = [
                Ok(Bytes::copy_from_slice(&content[..half])),
                Err(io::Error::other("gone")),
            ];
            let length = content.len().to_string();
            let body = Body::from_stream(stream::iter(pieces));
            ([(header::CONTENT_LENGTH, length)], body).into_response()
        }
        Answer::Made(seed, size) => {
            let pieces = made(seed, size).map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
            let body = Body::from_stream(stream::iter(pieces));
            ([(header::CONTENT_LENGTH, size)], body).into_response()
        }
        Answer::Encoded(content) => {
            let encoded = [(header::CONTENT_ENCODING, "gzip")];
            (encoded, content).into_response()
        }
        Answer::Dripping => {
            let drops = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Some((Ok::<_, io::Error>(Bytes::from_static(b"\x89")), ()))
            });
            Body::from_stream(drops).into_response()
        }
        // Unlike a panic it says nothing.
        Answer::HangUp => std::panic::resume_unwind(Box::new(())),
        Answer::Waiting(content, may) => {
            let (begin, rest) = content.split_at(content.len() / 2);
            let begin = Bytes::copy_from_slice(begin);
            let rest = Bytes::copy_from_slice(rest);
            let rest = stream::once(async move {
                may.acquire().await.unwrap().forget();
                Ok::<_, io::Error>(rest)
            });
            Body::from_stream(stream::iter([Ok(begin)]).chain(rest)).into_response()
        }
    }
}

/// The pieces of a file that is made from a number.
pub(super) fn made(seed: u64, size: usize) -> impl ExactSizeIterator<Item = Vec<u8>> + Send {
    const PIECE: usize = 64 << 10;
    (0..size / PIECE).map(move |_| seed.to_be_bytes().repeat(PIECE / 8))
}

fn in_pieces(content: &[u8]) -> Body {
    let pieces: Vec<_> = content
        .chunks(64 << 10)
        .map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    Body::from_stream(stream::iter(pieces))
}

fn no(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(body.clone())).into_response()
}
