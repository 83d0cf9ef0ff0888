//! Raw Postgres: one statement for all that a transaction has to leave, and nothing else.

use std::time::Instant;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Statement};
use tributary::{clock::Clock, model::new_id};

use crate::{figures::rate, shared::scratch::connect};

/// The ledger, messages with the indexes that pages and events need, the conversation and
/// the log of its user.
const TABLES: &str = "
    CREATE SCHEMA IF NOT EXISTS raw;
    CREATE TABLE IF NOT EXISTS raw.transactions (
        id text PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS raw.conversations (id int PRIMARY KEY, user_id text NOT NULL, last_event_at timestamptz);
    CREATE TABLE IF NOT EXISTS raw.messages (
        id uuid PRIMARY KEY, conversation_id int NOT NULL, event_id text NOT NULL UNIQUE, sender text NOT NULL,
        body text NOT NULL, content jsonb NOT NULL, at timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS messages_page ON raw.messages (conversation_id, at DESC);
    CREATE TABLE IF NOT EXISTS raw.positions (user_id text PRIMARY KEY, position bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS raw.log (
        user_id text NOT NULL, position bigint NOT NULL, message_id uuid NOT NULL, PRIMARY KEY (user_id, position));
    INSERT INTO raw.conversations SELECT n, 'user_' || n % 10 FROM generate_series(0, 49) AS n ON CONFLICT DO NOTHING;
    INSERT INTO raw.positions SELECT 'user_' || n, 0 FROM generate_series(0, 9) AS n ON CONFLICT DO NOTHING;
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off;";
const WRITE: &str = "
    WITH entered AS (
        INSERT INTO raw.transactions (id) VALUES ($1)
    ), stored AS (
        INSERT INTO raw.messages
        SELECT m.id::uuid, m.chat, m.event_id, m.sender, m.body, m.content::jsonb, to_timestamp(m.at / 1000.0)
        FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])
             AS m(id, chat, event_id, sender, body, content, at)
        ON CONFLICT DO NOTHING RETURNING id, conversation_id, at
    ), touched AS (
        UPDATE raw.conversations c SET last_event_at = s.at
        FROM (SELECT conversation_id, max(at) AS at FROM stored GROUP BY conversation_id) AS s
        WHERE c.id = s.conversation_id
    ), news AS (
        SELECT c.user_id, s.id, row_number() OVER (PARTITION BY c.user_id ORDER BY s.id) AS nth
        FROM stored s JOIN raw.conversations c ON c.id = s.conversation_id
    ), moved AS (
        UPDATE raw.positions p SET position = p.position + n.count
        FROM (SELECT user_id, count(*) AS count FROM news GROUP BY user_id) AS n
        WHERE p.user_id = n.user_id RETURNING p.user_id, p.position - n.count AS base
    )
    INSERT INTO raw.log SELECT n.user_id, m.base + n.nth, n.id FROM news n JOIN moved m USING (user_id)";
pub(super) const BODY: &str = "see you tomorrow at the station, did they answer about the flat?";
pub(super) const CONTENT: &str = r#"{"msgtype":"m.text","body":"see you tomorrow at the station, did they answer about the flat?","m.mentions":{},"fi.mau.double_puppet_source":"mautrix-meta"}"#;

/// A connection that does that.
pub(crate) struct Raw {
    client: Client,
    write: Statement,
    written: u64,
}

impl Raw {
    pub(crate) fn connect(runtime: &Runtime, url: &SecretString) -> anyhow::Result<Self> {
        runtime.block_on(async {
            let client = connect(url.expose_secret()).await?;
            client.batch_execute(TABLES).await?;
            let write = client.prepare(WRITE).await?;
            Ok(Self {
                client,
                write,
                written: 0,
            })
        })
    }

    /// Rows per second, so many in each transaction.
    pub(crate) fn round(
        &mut self,
        runtime: &Runtime,
        rows: usize,
        transactions: usize,
    ) -> anyhow::Result<f64> {
        let begun = Instant::now();
        for _ in 0..transactions {
            runtime.block_on(self.write(rows))?;
        }
        Ok(rate(rows * transactions, begun.elapsed()))
    }

    async fn write(&mut self, rows: usize) -> anyhow::Result<()> {
        let first = self.written;
        self.written += rows as u64;
        let numbers = first..self.written;
        let ids: Vec<_> = numbers.clone().map(|_| new_id().to_string()).collect();
        let chats: Vec<_> = (0..rows)
            .map(|row| i32::try_from((row * 31) % 50))
            .collect::<Result<_, _>>()?;
        let events: Vec<_> = numbers.map(|number| format!("$raw{number:040}")).collect();
        let senders = vec!["@facebook_100000000000001:lab.local"; rows];
        let bodies = vec![BODY; rows];
        let contents = vec![CONTENT; rows];
        let times = vec![Clock::system().now().timestamp_millis(); rows];
        let transaction = first.to_string();
        self.client
            .execute(
                &self.write,
                &[
                    &transaction,
                    &ids,
                    &chats,
                    &events,
                    &senders,
                    &bodies,
                    &contents,
                    &times,
                ],
            )
            .await?;
        Ok(())
    }
}
