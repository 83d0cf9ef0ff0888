//! Between replicas: NOTIFY carries hints out, LISTEN and a poll bring them in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::feed::{Feed, Hint};
use crate::{
    db::{self, Database, notify, stream},
    model::{new_id, transient::Transient},
};

/// How often the heads are read whether or not anybody said something.
const POLL: Duration = Duration::from_secs(1);
/// Between two attempts to LISTEN.
const RECONNECT: Duration = Duration::from_secs(1);
/// Between two rounds of NOTIFY: what comes meanwhile shares the next one.
const PAUSE: Duration = Duration::from_millis(20);
/// Postgres takes payloads of up to 8,000 bytes.
const MAX_PAYLOAD: usize = 7_900;

/// Carries hints between this replica's [`Feed`] and the others'.
#[derive(Debug)]
pub struct Relay {
    feed: Feed,
    hints: mpsc::UnboundedReceiver<Hint>,
    origin: Uuid,
}

/// What a NOTIFY says.
#[derive(Serialize, Deserialize)]
struct Payload {
    /// Who says it: a replica need not hear itself.
    origin: Uuid,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heads: Vec<(String, i64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transients: Vec<Transient>,
    /// Whether sessions have ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sessions: bool,
}

impl Relay {
    /// A feed and its relay, which has to be [`run`](Self::run).
    #[must_use]
    pub fn new() -> (Feed, Self) {
        let (feed, hints) = Feed::with_hints();
        (
            feed.clone(),
            Self {
                feed,
                hints,
                origin: new_id(),
            },
        )
    }

    /// Carries hints until `stop`. `listen_url` must not lead through a transaction pooler.
    pub async fn run(self, db: Database, listen_url: SecretString, stop: CancellationToken) {
        let Self {
            feed,
            hints,
            origin,
        } = self;
        let work = async {
            tokio::join!(
                send(&db, hints, origin),
                listen(&listen_url, &feed, origin),
                poll(&db, &feed)
            )
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work => {}
        }
    }
}

/// Sends what has gathered as one NOTIFY after the other: Postgres serialises the
/// commits of notifying transactions, so ingest itself must not notify.
async fn send(db: &Database, mut hints: mpsc::UnboundedReceiver<Hint>, origin: Uuid) {
    let mut gathered = Vec::new();
    while hints.recv_many(&mut gathered, 200).await > 0 {
        for payload in payloads(std::mem::take(&mut gathered), origin) {
            let sent = async { notify::send(&mut *db.get().await?, &payload).await };
            if let Err(error) = sent.await {
                // The others poll: all that is lost is their second.
                tracing::debug!(%error, "a hint was not sent");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn payloads(hints: Vec<Hint>, origin: Uuid) -> Vec<String> {
    let empty = || Payload {
        origin,
        heads: Vec::new(),
        transients: Vec::new(),
        sessions: false,
    };
    let mut done = Vec::new();
    let mut payload = empty();
    for hint in hints {
        match hint {
            Hint::Head(head) => {
                match payload
                    .heads
                    .iter_mut()
                    .find(|(user_id, _)| *user_id == head.user_id)
                {
                    Some((_, position)) => *position = head.position.max(*position),
                    None => payload.heads.push((head.user_id, head.position)),
                }
            }
            Hint::Transient(transient) => {
                payload.transients.push(Arc::unwrap_or_clone(transient));
            }
            Hint::Sessions => payload.sessions = true,
        }
        if payload.heads.len() + payload.transients.len() >= 20 {
            done.push(std::mem::replace(&mut payload, empty()));
        }
    }
    done.push(payload);
    done.iter()
        .filter_map(|payload| serde_json::to_string(payload).ok())
        .filter(|text| text.len() <= MAX_PAYLOAD)
        .collect()
}

/// Hears the other replicas; a broken connection is made again.
async fn listen(url: &SecretString, feed: &Feed, origin: Uuid) {
    loop {
        let heard = notify::listen(url, |payload| {
            if let Ok(said) = serde_json::from_str::<Payload>(payload)
                && said.origin != origin
            {
                let head = |(user_id, position)| stream::Head::at(user_id, position);
                feed.advance_here(&said.heads.into_iter().map(head).collect::<Vec<_>>());
                said.transients
                    .into_iter()
                    .for_each(|t| feed.pass_here(&Arc::new(t)));
                if said.sessions {
                    feed.read_sessions_here();
                }
            }
        });
        if let Err(error) = heard.await {
            tracing::warn!(%error, "the connection that listens broke; polling meanwhile");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// The floor: reads the heads of whoever listens here, and whether the database is still
/// the same.
async fn poll(db: &Database, feed: &Feed) {
    loop {
        tokio::time::sleep(POLL).await;
        feed.forget_stale(Instant::now());
        let listening = feed.listening();
        if listening.is_empty() {
            continue;
        }
        match heads(db, &listening).await {
            Ok((epoch, heads)) => {
                feed.epoch_is(epoch);
                feed.advance_here(&heads);
            }
            Err(error) => tracing::debug!(%error, "the heads could not be read"),
        }
    }
}

async fn heads(db: &Database, user_ids: &[String]) -> Result<(Uuid, Vec<stream::Head>), db::Error> {
    let mut conn = db.get().await?;
    // The epoch first: heads of an earlier one would be too high in the next.
    let epoch = stream::epoch(&mut conn).await?;
    Ok((epoch, stream::heads(&mut conn, user_ids).await?))
}
