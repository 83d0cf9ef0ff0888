//! The yardstick: parse, insert, answer. Nobody could store a transaction with less.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, body::Bytes, extract::State, routing::put, serve::ListenerExt as _};
use hyper::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::net::TcpListener;
use tokio_postgres::{Client, Statement};

use crate::shared::scratch::connect;

const TABLE: &str = "CREATE TABLE public.messages (
    event_id text PRIMARY KEY, room_id text NOT NULL, sender text NOT NULL, type text NOT NULL,
    origin_server_ts bigint NOT NULL, content jsonb NOT NULL)";
const INSERT: &str = "INSERT INTO public.messages
    SELECT e.id, e.room_id, e.sender, e.type, e.ts, e.content::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
         AS e(id, room_id, sender, type, ts, content)";

#[derive(Deserialize)]
struct Transaction<'a> {
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "event_id")]
    id: &'a str,
    room_id: &'a str,
    sender: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    origin_server_ts: i64,
    #[serde(borrow)]
    content: &'a RawValue,
}

struct Bare {
    client: Client,
    insert: Statement,
}

/// Serves on a free port until the runtime ends.
pub(crate) async fn start(url: SecretString) -> anyhow::Result<SocketAddr> {
    let client = connect(url.expose_secret()).await?;
    client.batch_execute(TABLE).await?;
    let insert = client.prepare(INSERT).await?;
    let router = Router::new()
        .route("/_matrix/app/v1/transactions/{id}", put(push))
        .with_state(Arc::new(Bare { client, insert }));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn push(State(bare): State<Arc<Bare>>, body: Bytes) -> Result<Json<Value>, StatusCode> {
    let transaction: Transaction<'_> =
        serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    insert(&bare, &transaction.events)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(json!({})))
}

async fn insert(bare: &Bare, events: &[Event<'_>]) -> Result<u64, tokio_postgres::Error> {
    let text = |of: fn(&Event<'_>) -> String| events.iter().map(of).collect::<Vec<_>>();
    let (ids, rooms) = (text(|e| e.id.into()), text(|e| e.room_id.into()));
    let (senders, kinds) = (text(|e| e.sender.into()), text(|e| e.kind.into()));
    let contents = text(|e| e.content.get().into());
    let times: Vec<_> = events.iter().map(|e| e.origin_server_ts).collect();
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&ids, &rooms, &senders, &kinds, &times, &contents];
    bare.client.execute(&bare.insert, &columns).await
}
