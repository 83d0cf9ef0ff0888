//! Writing down what became of a file, and telling those who see it.

use diesel_async::AsyncConnection as _;
use uuid::Uuid;

use super::{Archive, Run, Tried, fetch::Fetched, pause};
use crate::{
    db::{
        self, Connection,
        media::{
            archive::{self, Due, Settled, ShownBy},
            objects,
        },
        rooms, stream,
    },
    ingest,
    meters::meters,
};

/// What is to be written down of a file.
struct Verdict<'a> {
    settled: &'a Settled,
    error: Option<&'a str>,
    /// What brought it into the store.
    upload: Option<Uuid>,
}

/// What a transaction came to.
enum Written {
    /// It is written down; so far the viewers' streams go now.
    Through(Vec<stream::Head>),
    /// It came to be shown in a room whose lock is not held.
    Again,
    /// The upload was taken for dead meanwhile.
    Taken,
}

impl Archive {
    /// A file that is in the store gets its row, unless nothing shows it any more.
    pub(super) async fn keep(
        &self,
        file: &Due,
        fetched: Fetched,
        run: &Run<'_>,
    ) -> Result<Tried, db::Error> {
        let settled = Settled::Stored {
            hash: fetched.hash,
            size: fetched.size,
            mime_type: fetched.mime_type,
        };
        let verdict = Verdict {
            settled: &settled,
            error: None,
            upload: Some(fetched.upload),
        };
        self.write_down(file, &verdict, run).await
    }

    /// A file that will not be in the store.
    pub(super) async fn settle(
        &self,
        file: &Due,
        settled: &Settled,
        error: &str,
        run: &Run<'_>,
    ) -> Result<Tried, db::Error> {
        let verdict = Verdict {
            settled,
            error: Some(error),
            upload: None,
        };
        self.write_down(file, &verdict, run).await
    }

    /// A file that is to be tried again. It counts, unless it was not the file's fault.
    pub(super) async fn put_off(
        &self,
        file: &Due,
        counts: bool,
        error: &str,
        run: &Run<'_>,
    ) -> Result<Tried, db::Error> {
        let seconds = pause(&self.rhythm, file.attempts).as_secs_f64();
        let mut conn = self.ingest.db.get().await?;
        let written = conn
            .transaction(async |conn| {
                archive::put_off(conn, file.id, seconds, counts, error).await?;
                run.progress(conn, None).await
            })
            .await;
        tried(written)
    }

    async fn write_down(
        &self,
        file: &Due,
        verdict: &Verdict<'_>,
        run: &Run<'_>,
    ) -> Result<Tried, db::Error> {
        loop {
            let mut conn = self.ingest.db.get().await?;
            let shown = archive::shown_by(&conn, file.id).await?;
            let written = conn
                .transaction(async |conn| self.step(conn, file, verdict, &shown, run).await)
                .await;
            drop(conn);
            match written {
                Ok(Written::Through(heads)) => {
                    run.tally.add(verdict.settled);
                    measure(verdict.settled);
                    self.ingest.feed.advance(&heads);
                    return Ok(Tried::Through);
                }
                Ok(Written::Again) => {}
                Ok(Written::Taken) => {
                    let error = "its upload was taken for dead";
                    return self.put_off(file, false, error, run).await;
                }
                Err(error) => return tried(Err(error)),
            }
        }
    }

    /// Rooms first, then the file, then its object, the job, and the positions last.
    async fn step(
        &self,
        conn: &mut Connection,
        file: &Due,
        verdict: &Verdict<'_>,
        shown: &ShownBy,
        run: &Run<'_>,
    ) -> db::Result<Written> {
        rooms::lock(conn, &shown.rooms).await?;
        if !archive::lock(conn, file.id).await? {
            // What it was shown by is gone, and so goes what has come.
            if let Some(upload) = verdict.upload {
                objects::end_upload(conn, upload).await?;
            }
            run.progress(conn, None).await?;
            return Ok(Written::Through(Vec::new()));
        }
        let shown_now = archive::shown_by(conn, file.id).await?;
        if shown_now
            .rooms
            .iter()
            .any(|room| !shown.rooms.contains(room))
        {
            return Ok(Written::Again);
        }
        if let (Some(upload), Settled::Stored { hash, .. }) = (verdict.upload, verdict.settled)
            && !objects::arrived(conn, upload, hash).await?
        {
            return Ok(Written::Taken);
        }
        archive::settle(conn, file.id, verdict.settled, verdict.error).await?;
        run.progress(conn, Some(verdict.settled)).await?;
        let bridges = &self.ingest.bridges;
        let frames = ingest::file_frames(conn, bridges, &shown_now).await?;
        Ok(Written::Through(stream::append(conn, &frames).await?))
    }
}

fn measure(settled: &Settled) {
    meters().media_files.of(settled.state()).increment(1);
    if let Settled::Stored { size, .. } = settled {
        meters().media_bytes.increment(*size);
    }
}

fn tried(written: db::Result<()>) -> Result<Tried, db::Error> {
    match written {
        Ok(()) => Ok(Tried::Through),
        Err(db::QueryError::RollbackTransaction) => Ok(Tried::LeaseLost),
        Err(error) => Err(error.into()),
    }
}
