//! How Postgres answers each query: its own words, for `docs/reading.md`.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::{Client, SimpleQueryMessage};
use tributary::db::{
    Database,
    read::{
        conversations, messages,
        search::{self, Place, Scope},
    },
};
use uuid::Uuid;

use crate::{seed::READER, shared::scratch::connect};

/// The statements that were sent.
static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let sql = text.split(" -- binds:").next().unwrap_or_default();
            let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push(sql.to_owned());
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as diesel wants it")]
fn recorder() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(Recorder))
}

/// The plans of what a page of each kind asks, as Markdown.
pub(crate) async fn plans(url: &SecretString) -> anyhow::Result<String> {
    set_default_instrumentation(recorder).map_err(|error| anyhow::anyhow!("{error}"))?;
    let pool = Database::new(url, 1)?;
    let mut conn = pool.get().await?;
    let client = connect(url.expose_secret()).await?;
    let text = async |sql: &str| -> anyhow::Result<String> {
        Ok(client.query_one(sql, &[]).await?.get(0))
    };
    let chat = text(
        "SELECT conversation_id::text FROM tributary.conversation_access
                     WHERE user_id = 'user_0' ORDER BY sort_at DESC LIMIT 1",
    )
    .await?;
    let word = text("SELECT word FROM public.words WHERE n = 48203").await?;
    let chats = conversations::page(&mut conn, READER, None, 50).await?;
    let ids: Vec<_> = chats.items.iter().map(|chat| chat.id.to_string()).collect();
    let conversation_id: Uuid = chat.parse()?;
    messages::page(&conn, READER, conversation_id, None, 50).await?;
    let scope = Scope {
        user_id: READER,
        conversation_id: None,
    };
    let at = search::newest(&mut conn, scope)
        .await?
        .context("no messages")?;
    let place = Place {
        at,
        id: Uuid::max(),
    };
    let from = at - chrono::TimeDelta::days(1);
    let read = search::window(&mut conn, scope, (from, place), (400, 8_192)).await?;
    search::indexed(&mut conn, scope, &format!("'@{word}'"), place, 3_000).await?;
    let some: Vec<_> = read.iter().take(50).map(|one| one.id).collect();
    search::shown_of(&mut conn, scope, &some, 8_192).await?;
    let list = |ids: &[String]| format!("'{{{}}}'", ids.join(","));
    let some = list(&some.iter().map(Uuid::to_string).collect::<Vec<_>>());
    let (max, before) = (Uuid::max(), format!("'{at}', '{}'", Uuid::max()));
    let wanted = [
        (
            "Conversations",
            "a.sort_at, a.conversation_id",
            "'user_0', NULL, NULL, 51".to_owned(),
        ),
        (
            "The last message of each",
            "CROSS JOIN LATERAL (\n             SELECT m.* FROM",
            format!("'user_0', {}", list(&ids)),
        ),
        (
            "Messages of a conversation",
            "a.conversation_id = $2 AND (SELECT EXISTS",
            format!("'user_0', '{chat}', NULL, NULL, 51"),
        ),
        (
            "Search: the newest messages of all conversations",
            "WITH newest",
            format!("'user_0', NULL, '{from}', '{at}', '{max}', 400, 8192"),
        ),
        (
            "Search: the index",
            "WITH found",
            format!("'user_0', NULL, '''@{word}''', {before}, 3001"),
        ),
        (
            "Search: what is shown of what it names",
            "m.id = ANY($2) AND ($3::uuid",
            format!("'user_0', {some}, NULL, 8192"),
        ),
    ];
    let mut markdown = String::new();
    for (title, part, values) in wanted {
        let sql = sent(part).with_context(|| format!("{title}: nothing like it was sent"))?;
        let plan = explain(&client, &sql, &values)
            .await
            .with_context(|| title.to_owned())?;
        write!(markdown, "\n### {title}\n\n```\n{plan}```\n")?;
    }
    Ok(markdown)
}

fn sent(part: &str) -> Option<String> {
    let sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
    sent.iter().rev().find(|sql| sql.contains(part)).cloned()
}

/// By lookups, as the server runs it, but planned for these values: the server keeps one plan for all.
async fn explain(client: &Client, sql: &str, values: &str) -> anyhow::Result<String> {
    client
        .batch_execute(&format!(
            "SET enable_seqscan = off; SET jit = off; DEALLOCATE ALL; PREPARE it AS {sql}"
        ))
        .await?;
    // Once for the cache.
    let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE it({values})");
    client.simple_query(&explain).await?;
    let rows = client.simple_query(&explain).await?;
    let mut plan = String::new();
    for row in rows {
        if let SimpleQueryMessage::Row(row) = row {
            let line: String = row.get(0).unwrap_or_default().chars().take(150).collect();
            // What was not needed says nothing.
            if !line.contains("(never executed)") {
                plan.push_str(line.trim_end());
                plan.push('\n');
            }
        }
    }
    Ok(plan)
}
