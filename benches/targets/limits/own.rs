//! The rows that messages leave in Tributary's own tables, by one statement: what a push would
//! cost if all else, HTTP and events that have to be folded and everything that has to be asked
//! first, were free.

use std::time::Instant;

use anyhow::ensure;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Statement};
use tributary::{clock::Clock, db::Database, model::new_id, search::index};

use super::raw::{BODY, CONTENT};
use crate::{figures::rate, shared::scratch::connect};

/// As the program's pushes are planned.
const PLANS: &str = "
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off";
/// A chat, who speaks there, and whose it is.
const CHATS: &str = "
    SELECT r.room_id, r.conversation_id::text, p.id::text, p.matrix_user_id
    FROM tributary.rooms r JOIN tributary.participants p ON p.conversation_id = r.conversation_id
    WHERE p.matrix_user_id LIKE '@facebook\\_1%' ORDER BY r.room_id";
const WRITE: &str = "
    WITH entered AS (
        INSERT INTO tributary.transactions (transaction_id, digest, event_count)
        VALUES ($1, sha256(convert_to($1, 'UTF8')), cardinality($2::text[]))
    ), stored AS (
        INSERT INTO tributary.messages
            (id, conversation_id, room_id, event_id, sender_id, sender, event_type, type, body, content,
             origin_server_ts, timestamp, received_at, historical)
        SELECT m.id::uuid, m.conversation_id::uuid, m.room_id, m.event_id, m.sender_id::uuid, m.sender,
               'm.room.message', 'm.text', m.body, m.content::jsonb,
               m.at, to_timestamp(m.at / 1000.0), to_timestamp(m.at / 1000.0), false
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::bigint[])
             AS m(id, room_id, conversation_id, sender_id, sender, event_id, body, content, at)
        ON CONFLICT DO NOTHING RETURNING id, conversation_id, timestamp
    ), queued AS (
        INSERT INTO tributary.search_queue (message_id) SELECT id FROM stored
    ), touched AS (
        UPDATE tributary.conversation_access a
        SET unread_count = a.unread_count + s.count, last_event_at = s.at, sort_at = s.at, updated_at = now()
        FROM (SELECT conversation_id, count(*)::int AS count, max(timestamp) AS at FROM stored GROUP BY conversation_id) AS s
        WHERE a.conversation_id = s.conversation_id
    ), news AS (
        SELECT a.user_id, s.id, s.conversation_id, row_number() OVER (PARTITION BY a.user_id ORDER BY s.id) AS nth
        FROM stored s JOIN tributary.conversation_access a ON a.conversation_id = s.conversation_id
    ), moved AS (
        INSERT INTO tributary.stream_positions AS p (user_id, position)
        SELECT user_id, count(*) FROM news GROUP BY user_id ORDER BY user_id
        ON CONFLICT (user_id) DO UPDATE SET position = p.position + excluded.position
        RETURNING user_id, position
    ), counted AS (
        SELECT n.*, count(*) OVER (PARTITION BY n.user_id) AS frames FROM news n
    )
    INSERT INTO tributary.outbox (user_id, position, kind, conversation_id, message_id)
    SELECT n.user_id, m.position - n.frames + n.nth, 'message.created', n.conversation_id, n.id
    FROM counted n JOIN moved m USING (user_id)";

/// Where a message may go: the room, the conversation, who says it, as a participant and on Matrix.
type Chat = (String, String, String, String);

/// A connection that does that.
pub(crate) struct Own {
    client: Client,
    write: Statement,
    chats: Vec<Chat>,
    written: u64,
}

impl Own {
    /// To a database with customers and their chats.
    pub(crate) fn connect(runtime: &Runtime, url: &SecretString) -> anyhow::Result<Self> {
        runtime.block_on(async {
            let client = connect(url.expose_secret()).await?;
            client.batch_execute(PLANS).await?;
            let chats = client.query(CHATS, &[]).await?;
            ensure!(!chats.is_empty(), "there is no chat to say something in");
            let chat = |row: &tokio_postgres::Row| (row.get(0), row.get(1), row.get(2), row.get(3));
            Ok(Self {
                write: client.prepare(WRITE).await?,
                client,
                chats: chats.iter().map(chat).collect(),
                written: 0,
            })
        })
    }

    /// Rows of messages per second, so many in each transaction. Fails when one has left
    /// no row, or no frame.
    pub(crate) fn round(
        &mut self,
        runtime: &Runtime,
        rows: usize,
        transactions: usize,
    ) -> anyhow::Result<f64> {
        let begun = Instant::now();
        for _ in 0..transactions {
            let frames = runtime.block_on(self.write(rows))?;
            ensure!(
                frames == rows as u64,
                "{rows} messages left {frames} frames"
            );
        }
        Ok(rate(rows * transactions, begun.elapsed()))
    }

    async fn write(&mut self, rows: usize) -> anyhow::Result<u64> {
        let first = self.written;
        self.written += rows as u64;
        let numbers = first..self.written;
        let ids: Vec<_> = numbers.clone().map(|_| new_id().to_string()).collect();
        let chats: Vec<_> = numbers
            .clone()
            .map(|number| Ok(&self.chats[usize::try_from(number * 31)? % self.chats.len()]))
            .collect::<anyhow::Result<_>>()?;
        let rooms: Vec<_> = chats.iter().map(|chat| &chat.0).collect();
        let conversations: Vec<_> = chats.iter().map(|chat| &chat.1).collect();
        let senders: Vec<_> = chats.iter().map(|chat| &chat.2).collect();
        let ghosts: Vec<_> = chats.iter().map(|chat| &chat.3).collect();
        let events: Vec<_> = numbers.map(|number| format!("$own{number:040}")).collect();
        let frames = self
            .client
            .execute(
                &self.write,
                &[
                    &format!("own{first}"),
                    &ids,
                    &rooms,
                    &conversations,
                    &senders,
                    &ghosts,
                    &events,
                    &vec![BODY; rows],
                    &vec![CONTENT; rows],
                    &vec![Clock::system().now().timestamp_millis(); rows],
                ],
            )
            .await?;
        Ok(frames)
    }

    /// Messages per second that the program's own statements put into the index of the search,
    /// until none is left of those that are not yet there. Fails when one is.
    pub(crate) fn index(&self, runtime: &Runtime, db: &Database) -> anyhow::Result<f64> {
        let waiting = self.waiting(runtime)?;
        let begun = Instant::now();
        while runtime.block_on(index::step(db))? {}
        let elapsed = begun.elapsed();
        let left = self.waiting(runtime)?;
        ensure!(
            waiting > 0 && left == 0,
            "of {waiting} messages {left} are not in the search's index"
        );
        Ok(rate(waiting, elapsed))
    }

    /// Messages that are not in the index yet.
    fn waiting(&self, runtime: &Runtime) -> anyhow::Result<usize> {
        let count = "SELECT count(*) FROM tributary.search_queue";
        let count: i64 = runtime.block_on(self.client.query_one(count, &[]))?.get(0);
        Ok(usize::try_from(count)?)
    }
}
