//! The homeserver is asked to ping us (application service API, "Pinging"): it needs the
//! right URL and the right `hs_token` for that.
//!
//! If Tributary runs, it answers. If nothing listens on `server.bind`, doctor does so itself
//! while it waits: it answers pings, and refuses everything else, so that the homeserver
//! keeps what it may want to push meanwhile.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    Problem,
    homeserver::other,
    registration::{homeserver_lines, url_line},
};
use crate::{
    auth::hs_token::{HsAuth, HsToken},
    config::Config,
    matrix::{
        client::{ClientError, Homeserver},
        registration::Registration,
    },
    model::new_id,
};

const PATH: &str = "/_matrix/app/v1/ping";

const NOTHING: u8 = 0;
const STRANGER: u8 = 1;
const HOMESERVER: u8 = 2;

/// What came of the ping at our end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    /// Somebody else listens there: Tributary, if all is well.
    Taken,
    /// It cannot be listened on.
    Closed,
    /// We listened in vain.
    Nothing,
    /// A ping came with another `hs_token`.
    Stranger,
    /// The homeserver's ping came.
    Homeserver,
}

/// Listens in Tributary's place for as long as it lives.
struct Listener {
    seen: Arc<AtomicU8>,
    serving: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(super) async fn ping(
    client: &Homeserver,
    config: &Config,
    registration: &Registration,
) -> Result<((), String), Problem> {
    let listening = Listener::start(config, registration).await;
    let transaction_id = format!("doctor-{}", new_id());
    let pinged = client.ping(&registration.id, &transaction_id).await;
    let here = match &listening {
        Ok(listener) => listener.seen(),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Here::Taken,
        Err(_) => Here::Closed,
    };
    drop(listening);
    let took = pinged.map(|took| took.as_millis());
    judge(took, here, config, registration).map(|seen| ((), seen))
}

impl Listener {
    async fn start(config: &Config, registration: &Registration) -> io::Result<Self> {
        let listener = TcpListener::bind(config.server.bind).await?;
        let seen = Arc::new(AtomicU8::new(NOTHING));
        let state = (Arc::clone(&seen), HsToken::new(&registration.hs_token));
        let router = Router::new().fallback(answer).with_state(state);
        let serving = tokio::spawn(async move {
            // It ends with the one who waits.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { seen, serving })
    }

    fn seen(&self) -> Here {
        match self.seen.load(Ordering::Relaxed) {
            HOMESERVER => Here::Homeserver,
            STRANGER => Here::Stranger,
            _ => Here::Nothing,
        }
    }
}

async fn answer(
    State((seen, hs_token)): State<(Arc<AtomicU8>, HsToken)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    if method != Method::POST || uri.path() != PATH {
        let error = json!({"errcode": "M_UNKNOWN", "error": "Tributary does not run"});
        return (StatusCode::SERVICE_UNAVAILABLE, Json(error));
    }
    let (found, status, body) = match hs_token.check(&headers, None) {
        HsAuth::Ok => (HOMESERVER, StatusCode::OK, json!({})),
        HsAuth::Missing | HsAuth::Wrong => {
            let error = json!({"errcode": "M_FORBIDDEN", "error": "not the hs_token"});
            (STRANGER, StatusCode::FORBIDDEN, error)
        }
    };
    seen.fetch_max(found, Ordering::Relaxed);
    (status, Json(body))
}

fn judge(
    pinged: Result<u128, ClientError>,
    here: Here,
    config: &Config,
    registration: &Registration,
) -> Result<String, Problem> {
    let bind = config.server.bind;
    let url = registration.url.as_deref().unwrap_or("null");
    let path = &config.appservice.registration;
    let error = match pinged {
        Ok(millis) => {
            let who = match here {
                Here::Homeserver => "by doctor, since Tributary does not run".to_owned(),
                Here::Taken => format!("by Tributary, if that is what listens on {bind}"),
                _ => format!("by what is at {url}; doctor listened on {bind}, where nothing came"),
            };
            return Ok(format!("answered in {millis} ms, {who}"));
        }
        Err(error) => error,
    };
    let errcode = match &error {
        ClientError::Matrix { errcode, .. } => errcode.as_deref(),
        _ => None,
    };
    Err(match (&error, errcode) {
        (ClientError::PingRefused { status: 401 | 403 }, _) => wrong_token(here, config, url),
        (ClientError::PingRefused { status }, _) => Problem::new(
            "ping_elsewhere",
            format!(
                "the homeserver's ping reached something that answers {status}, and not Tributary"
            ),
            format!(
                "{}a reverse proxy on the way has to pass /_matrix/app on. Then\n{}",
                url_line(config),
                homeserver_lines(path)
            ),
        ),
        (_, Some("M_URL_NOT_SET")) => Problem::new(
            "ping_no_url",
            "the registration that the homeserver has loaded has no url",
            format!("{}and {}", url_line(config), homeserver_lines(path)),
        ),
        (ClientError::Unreachable(_), _)
        | (_, Some("M_CONNECTION_FAILED" | "M_CONNECTION_TIMEOUT")) => Problem::new(
            "ping_unreachable",
            "the homeserver cannot reach the url of its registration",
            format!(
                "the file here says {url}. {}and {}",
                url_line(config),
                homeserver_lines(path)
            ),
        ),
        (ClientError::Forbidden, _) => Problem::new(
            "ping_other_id",
            format!(
                "the homeserver knows the as_token under another id than {}",
                registration.id
            ),
            homeserver_lines(path),
        ),
        (_, Some("M_UNRECOGNIZED")) => Problem::new(
            "ping_unsupported",
            "the homeserver does not know pings (Matrix 1.7)",
            "update it: Synapse has them since 1.84",
        ),
        _ => other(&error),
    })
}

fn wrong_token(here: Here, config: &Config, url: &str) -> Problem {
    let cause = match here {
        Here::Stranger => {
            "the homeserver's ping came, with another hs_token than the file's".to_owned()
        }
        Here::Taken => format!(
            "what listens on {} does not take the homeserver's hs_token",
            config.server.bind
        ),
        _ => format!("what is at {url} does not take the homeserver's hs_token"),
    };
    Problem::new(
        "hs_token_wrong",
        cause,
        format!(
            "both have to have the same file: restart Tributary if it was started with another one, and\n{}",
            homeserver_lines(&config.appservice.registration)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> (Config, Registration) {
        let config = serde_json::from_value(json!({
            "homeserver": {"url": "http://127.0.0.1:1", "server_name": "lab.local"},
            "bridges": [], "database": {"url": "postgres://unused"},
        }))
        .unwrap();
        let registration = serde_json::from_value(json!({
            "id": "tributary", "url": "http://tributary:29330", "as_token": "as", "hs_token": "hs",
            "sender_localpart": "tributary",
        }))
        .unwrap();
        (config, registration)
    }

    fn judged(pinged: Result<u128, ClientError>, here: Here) -> Result<String, &'static str> {
        let (config, registration) = house();
        judge(pinged, here, &config, &registration).map_err(|problem| problem.code)
    }

    #[test]
    fn it_says_who_has_answered() {
        for (here, who) in [
            (Here::Homeserver, "by doctor"),
            (
                Here::Taken,
                "by Tributary, if that is what listens on 127.0.0.1:29330",
            ),
            (Here::Nothing, "by what is at http://tributary:29330"),
            (Here::Closed, "by what is at http://tributary:29330"),
        ] {
            let seen = judged(Ok(7), here).unwrap();
            assert!(
                seen.contains("7 ms") && seen.contains(who),
                "{here:?}: {seen}"
            );
        }
    }

    #[test]
    fn what_the_homeserver_says_decides_what_is_wrong() {
        let matrix = |status, errcode: &str| ClientError::Matrix {
            status,
            errcode: Some(errcode.to_owned()),
        };
        for (error, code) in [
            (ClientError::PingRefused { status: 403 }, "hs_token_wrong"),
            (ClientError::PingRefused { status: 404 }, "ping_elsewhere"),
            (matrix(400, "M_URL_NOT_SET"), "ping_no_url"),
            (matrix(502, "M_CONNECTION_FAILED"), "ping_unreachable"),
            (matrix(504, "M_CONNECTION_TIMEOUT"), "ping_unreachable"),
            (
                ClientError::Unreachable("no answer in time".to_owned()),
                "ping_unreachable",
            ),
            (ClientError::Forbidden, "ping_other_id"),
            (matrix(404, "M_UNRECOGNIZED"), "ping_unsupported"),
            (matrix(500, "M_UNKNOWN"), "homeserver_failed"),
        ] {
            assert_eq!(judged(Err(error), Here::Nothing), Err(code));
        }
    }

    #[tokio::test]
    async fn who_listens_in_its_place_takes_pings_and_refuses_everything_else() {
        let (mut config, registration) = house();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        config.server.bind = free.local_addr().unwrap();
        drop(free);
        let listener = Listener::start(&config, &registration).await.unwrap();
        let http = reqwest::Client::new();
        let url = |path: &str| format!("http://{}{path}", config.server.bind);
        let ask = async |method, path: &str, token: &str| {
            let request = http.request(method, url(path)).bearer_auth(token);
            request.send().await.unwrap().status().as_u16()
        };
        let push = "/_matrix/app/v1/transactions/1";
        assert_eq!(ask(Method::PUT, push, "hs").await, 503);
        assert_eq!(ask(Method::GET, PATH, "hs").await, 503);
        assert_eq!(listener.seen(), Here::Nothing);
        assert_eq!(ask(Method::POST, PATH, "as").await, 403);
        assert_eq!(listener.seen(), Here::Stranger);
        assert_eq!(ask(Method::POST, PATH, "hs").await, 200);
        assert_eq!(listener.seen(), Here::Homeserver);
        let taken = Listener::start(&config, &registration).await.err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
