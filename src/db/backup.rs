//! What a backup reads, and what a restore changes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryableByName,
    migration::MigrationSource,
    pg::Pg,
    sql_query,
    sql_types::{Array, BigInt, Binary, Bool, Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use secrecy::SecretString;
use uuid::Uuid;

use super::{
    Connection, Database, Error,
    connect::{Connector, Trouble},
    migrate::MIGRATIONS,
};
use crate::model::media::{ContentHash, StoredObject};

/// A moment of the database, as long as it is held.
pub struct Snapshot {
    conn: Connection,
    /// By which others see the same.
    pub id: String,
    /// When.
    pub taken_at: DateTime<Utc>,
    /// `server_version_num`.
    pub server: i32,
    /// The migrations that have been applied.
    pub migrations: Vec<String>,
}

#[derive(QueryableByName)]
struct Facts {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Timestamptz)]
    taken_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    server: i32,
    #[diesel(sql_type = Array<Text>)]
    migrations: Vec<String>,
}

async fn connect(url: &SecretString) -> Result<Connection, Error> {
    let connector = Connector::new(url).map_err(Trouble::lasting)?;
    Ok(connector.connect().await?)
}

impl Snapshot {
    /// Takes one. It keeps the server from cleaning up behind it, so it is not to be held for long.
    ///
    /// # Errors
    ///
    /// When the database is away, or is none of Tributary's.
    pub async fn hold(url: &SecretString) -> Result<Self, Error> {
        let mut conn = connect(url).await?;
        conn.batch_execute(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
             BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )
        .await?;
        let facts: Facts = sql_query(
            "SELECT pg_export_snapshot() AS id, now() AS taken_at,
                    current_setting('server_version_num')::integer AS server,
                    ARRAY(SELECT version::text FROM public.__diesel_schema_migrations ORDER BY 1)
                        AS migrations",
        )
        .get_result(&mut conn)
        .await?;
        Ok(Self {
            conn,
            id: facts.id,
            taken_at: facts.taken_at,
            server: facts.server,
            migrations: facts.migrations,
        })
    }

    /// The files that are stored.
    ///
    /// # Errors
    ///
    /// When the statement fails.
    pub async fn objects(&self) -> Result<Vec<StoredObject>, Error> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Binary)]
            sha256: Vec<u8>,
            #[diesel(sql_type = BigInt)]
            size: i64,
        }
        let rows: Vec<Row> = sql_query(
            "SELECT sha256, max(size) AS size FROM tributary.media
             WHERE sha256 IS NOT NULL GROUP BY sha256 ORDER BY sha256",
        )
        .load(&mut &self.conn)
        .await?;
        let object = |row: Row| {
            let hash = ContentHash::try_from(&row.sha256[..]).ok()?;
            let size = row.size;
            Some(StoredObject { hash, size })
        };
        Ok(rows.into_iter().filter_map(object).collect())
    }
}

/// Those of these migrations that this program does not have.
#[must_use]
pub fn unknown_migrations(applied: &[String]) -> Vec<String> {
    let known: BTreeSet<String> = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .unwrap_or_default()
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied = applied.iter();
    applied.filter(|v| !known.contains(*v)).cloned().collect()
}

/// A database into which a backup is to be put.
#[derive(Debug, QueryableByName)]
pub struct Target {
    /// Nothing of Tributary's is in it.
    #[diesel(sql_type = Bool)]
    pub is_empty: bool,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// `server_version_num`.
    #[diesel(sql_type = Integer)]
    pub server: i32,
}

/// Looks at a database.
///
/// # Errors
///
/// When it is away.
pub async fn look(url: &SecretString) -> Result<Target, Error> {
    let mut conn = connect(url).await?;
    let target = sql_query(
        "SELECT to_regnamespace('tributary') IS NULL
                AND to_regclass('public.__diesel_schema_migrations') IS NULL AS is_empty,
                current_database()::text AS name,
                current_setting('server_version_num')::integer AS server",
    )
    .get_result(&mut conn)
    .await?;
    Ok(target)
}

/// What the schema's comment says while a restore is not through.
const UNFINISHED: &str = "A restore of this schema has not been finished.";

/// Makes a dump that was put in an installation of its own: with a new epoch, so that no cursor
/// from what is lost leads anywhere, and with the list of its migrations, which is in no dump of
/// the schema.
///
/// # Errors
///
/// When a statement fails; nothing is changed then.
pub async fn begin_anew(url: &SecretString, migrations: &[String]) -> Result<(), Error> {
    let mut conn = connect(url).await?;
    conn.transaction(async |conn| {
        // As diesel makes it.
        conn.batch_execute(&format!(
            "CREATE TABLE public.__diesel_schema_migrations (
                 version VARCHAR(50) PRIMARY KEY NOT NULL,
                 run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
             );
             COMMENT ON SCHEMA tributary IS '{UNFINISHED}';
             ALTER TABLE public.__diesel_schema_migrations ENABLE ROW LEVEL SECURITY;
             UPDATE tributary.installation SET epoch = gen_random_uuid()",
        ))
        .await?;
        sql_query("INSERT INTO public.__diesel_schema_migrations (version) SELECT unnest($1)")
            .bind::<Array<Text>, _>(migrations)
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}

/// Opens a restored database to those who serve: what was erased since is erased again.
///
/// # Errors
///
/// When the statement fails.
pub async fn finish(url: &SecretString) -> Result<(), Error> {
    let mut conn = connect(url).await?;
    conn.batch_execute("COMMENT ON SCHEMA tributary IS NULL")
        .await?;
    Ok(())
}

/// Whether a restore has begun in this database, and has not come to its end.
///
/// # Errors
///
/// When the database is away.
pub async fn is_unfinished(db: &Database) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_unfinished: bool,
    }
    let row: Row = sql_query(
        "SELECT obj_description(to_regnamespace('tributary'), 'pg_namespace')
                    IS NOT DISTINCT FROM $1 AS is_unfinished",
    )
    .bind::<Text, _>(UNFINISHED)
    .get_result(&mut db.get().await?)
    .await?;
    Ok(row.is_unfinished)
}

/// The files that the database believes to be stored.
///
/// # Errors
///
/// When the statement fails.
pub async fn stored(url: &SecretString) -> Result<Vec<ContentHash>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        sha256: Vec<u8>,
    }
    let mut conn = connect(url).await?;
    let rows: Vec<Row> = sql_query(
        "SELECT DISTINCT sha256 FROM tributary.media WHERE sha256 IS NOT NULL ORDER BY sha256",
    )
    .load(&mut conn)
    .await?;
    let hash = |row: Row| ContentHash::try_from(&row.sha256[..]).ok();
    Ok(rows.into_iter().filter_map(hash).collect())
}

/// Has files that are not there fetched again from where they came.
///
/// # Errors
///
/// When a statement fails; nothing is changed then.
pub async fn fetch_again(url: &SecretString, hashes: &[ContentHash]) -> Result<(), Error> {
    let hashes: Vec<_> = hashes.iter().map(|hash| &hash.0[..]).collect();
    let mut conn = connect(url).await?;
    conn.transaction(async |conn| {
        sql_query(
            "UPDATE tributary.media
             SET state = 'pending', sha256 = NULL, size = NULL, mime_type = NULL, attempts = 0,
                 due_at = NULL, error = NULL, settled_at = NULL
             WHERE sha256 = ANY($1)",
        )
        .bind::<Array<Binary>, _>(&hashes)
        .execute(conn)
        .await?;
        sql_query("DELETE FROM tributary.media_objects WHERE sha256 = ANY($1)")
            .bind::<Array<Binary>, _>(&hashes)
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}

/// Of these files, those of which the database has no row.
///
/// # Errors
///
/// When the statement fails.
pub async fn unknown(
    url: &SecretString,
    hashes: &[ContentHash],
) -> Result<Vec<ContentHash>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        sha256: Vec<u8>,
    }
    let mut conn = connect(url).await?;
    let rows: Vec<Row> = sql_query("SELECT sha256 FROM tributary.media_objects")
        .load(&mut conn)
        .await?;
    let known: BTreeSet<_> = rows.into_iter().map(|row| row.sha256).collect();
    let hashes = hashes.iter();
    Ok(hashes
        .filter(|hash| !known.contains(&hash.0[..]))
        .copied()
        .collect())
}

/// Has files deleted, as those that were let go, unless something comes to hold them first.
///
/// # Errors
///
/// When the statement fails.
pub async fn let_go(url: &SecretString, hashes: &[ContentHash]) -> Result<(), Error> {
    let hashes: Vec<_> = hashes.iter().map(|hash| &hash.0[..]).collect();
    sql_query(
        "INSERT INTO tributary.media_objects (sha256, stored_at, released_at)
         SELECT unnest($1), now(), now() ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Binary>, _>(hashes)
    .execute(&mut connect(url).await?)
    .await?;
    Ok(())
}

/// The row of the audit that says that somebody was erased or let go.
#[derive(Debug, QueryableByName)]
pub struct Ending {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// `account.erase`, `connection.purge` or `connection.disconnect`.
    #[diesel(sql_type = Text)]
    pub action: String,
    /// The Clerk user, or the connection.
    #[diesel(sql_type = Text)]
    pub target: String,
}

/// Who was erased or let go since a time.
///
/// # Errors
///
/// When the database is away.
pub async fn endings(db: &Database, since: DateTime<Utc>) -> Result<Vec<Ending>, Error> {
    let rows = sql_query(
        "SELECT id, at, action, target FROM tributary.audit
         WHERE at >= $1 AND outcome = 'ok' AND target IS NOT NULL
           AND action IN ('account.erase', 'connection.purge', 'connection.disconnect')
         ORDER BY at, id",
    )
    .bind::<Timestamptz, _>(since)
    .load(&mut db.get().await?)
    .await?;
    Ok(rows)
}

/// Those of these rows that the audit has.
///
/// # Errors
///
/// When the database is away.
pub async fn known_endings(db: &Database, ids: &[Uuid]) -> Result<BTreeSet<Uuid>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = sql_query("SELECT id FROM tributary.audit WHERE id = ANY($1)")
        .bind::<Array<SqlUuid>, _>(ids)
        .load(&mut db.get().await?)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Every Clerk user of whom there is anything.
///
/// # Errors
///
/// When the database is away.
pub async fn users(db: &Database) -> Result<Vec<String>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        user_id: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT user_id FROM tributary.messenger_connections WHERE user_id IS NOT NULL
         UNION SELECT user_id FROM tributary.conversation_access
         UNION SELECT user_id FROM tributary.stream_positions",
    )
    .load(&mut db.get().await?)
    .await?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

/// Whose a connection is.
///
/// # Errors
///
/// When the database is away.
pub async fn owner(db: &Database, connection: Uuid) -> Result<Option<String>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        user_id: String,
    }
    let row: Option<Row> = sql_query(
        "SELECT user_id FROM tributary.messenger_connections WHERE id = $1 AND user_id IS NOT NULL",
    )
    .bind::<SqlUuid, _>(connection)
    .get_result(&mut db.get().await?)
    .await
    .optional()?;
    Ok(row.map(|row| row.user_id))
}
