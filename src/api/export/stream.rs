//! An export as it goes out: a batch is read when the one before has been taken, so that a
//! slow reader holds neither a connection nor more than one batch, and whoever hangs up
//! holds nothing.

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::cursor;
use crate::{
    app::AppState,
    auth::clerk::Session,
    db::{
        self,
        erasures::{self, Begun},
        read::export::{Batch, Item, Place, batch},
    },
    limits::Task,
    model::export::{ExportLine, LineCounts, VERSION},
};

/// Why an export ends before its last line. The reader sees a connection that breaks off,
/// and may go on at the last cursor that it has.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the session is over")]
    Ended,
    #[error("an erasure has begun")]
    Erased,
    #[error("this replica stops")]
    Stopping,
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("a line could not be written: {0}")]
    Line(#[from] serde_json::Error),
}

/// An export that is going on.
pub(super) struct Export {
    app: AppState,
    session: Session,
    task: Task,
    /// The erasures of the user's that had begun when this did.
    erasures: Begun,
    next: Next,
    lines: LineCounts,
}

enum Next {
    Header { goes_on: Option<Place> },
    Batch(Place),
    End,
    Nothing,
}

impl Export {
    /// Begins at the beginning, or where another one was.
    ///
    /// # Errors
    ///
    /// When the database is away.
    pub(super) async fn begin(
        app: AppState,
        session: Session,
        task: Task,
        goes_on: Option<Place>,
    ) -> Result<Self, db::Error> {
        let erasures = erasures::begun(&mut *app.db.get().await?, &session.user_id).await?;
        Ok(Self {
            app,
            session,
            task,
            erasures,
            next: Next::Header { goes_on },
            lines: LineCounts::default(),
        })
    }

    /// Its lines.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut export| async move {
            let chunk = export.chunk().await.inspect_err(log)?;
            Ok::<_, Broken>(chunk.map(|chunk| (chunk, export)))
        }))
    }

    /// What comes next; none at the end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Header { goes_on } => {
                    let header = ExportLine::Header {
                        version: VERSION,
                        exported_at: self.app.clock.now(),
                        user_id: self.session.user_id.clone(),
                        resumed: goes_on.is_some(),
                    };
                    self.next = Next::Batch(goes_on.unwrap_or_else(Place::beginning));
                    return written([header]).map(Some);
                }
                Next::Batch(place) => {
                    let Batch { items, next } = self.read(place).await?;
                    self.next = next.map_or(Next::End, Next::Batch);
                    if !items.is_empty() {
                        let lines = items.into_iter().map(|item| self.line(item));
                        return written(lines).map(Some);
                    }
                }
                Next::End => return written([ExportLine::End { lines: self.lines }]).map(Some),
                Next::Nothing => return Ok(None),
            }
        }
    }

    /// A batch, if the reader may still have one.
    async fn read(&self, place: Place) -> Result<Batch, Broken> {
        let _turn = self.task.turn().await;
        let app = &self.app;
        if app.stop.is_cancelled() {
            return Err(Broken::Stopping);
        }
        if app.clerk.ended().covers(&self.session) {
            return Err(Broken::Ended);
        }
        let user_id = &self.session.user_id;
        let mut conn = app.db.get().await?;
        let batch = batch(&mut conn, user_id, place).await;
        let batch = batch.map_err(db::Error::from)?;
        // Afterwards: what is gone would be missing from the batch, and nothing said of it.
        let erasures = erasures::begun(&mut conn, user_id).await;
        if erasures.map_err(db::Error::from)? != self.erasures {
            return Err(Broken::Erased);
        }
        Ok(batch)
    }

    fn line(&mut self, (item, place): (Item, Place)) -> ExportLine {
        let (cursor, lines) = (cursor::encode(&place), &mut self.lines);
        match item {
            Item::Message {
                room_id,
                message,
                media,
            } => {
                lines.message += 1;
                ExportLine::Message {
                    cursor,
                    room_id,
                    message,
                    media,
                }
            }
            Item::Version {
                room_id,
                message_id,
                version,
                content,
                media,
            } => {
                lines.version += 1;
                ExportLine::Version {
                    cursor,
                    room_id,
                    message_id,
                    version,
                    content,
                    media,
                }
            }
            Item::Conversation {
                conversation,
                room_ids,
                read_marker,
                media,
            } => {
                lines.conversation += 1;
                ExportLine::Conversation {
                    cursor,
                    conversation,
                    room_ids,
                    read_marker,
                    media,
                }
            }
            Item::Connection(connection) => {
                lines.connection += 1;
                ExportLine::Connection { cursor, connection }
            }
        }
    }
}

fn written(lines: impl IntoIterator<Item = ExportLine>) -> Result<Bytes, Broken> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}

fn log(broken: &Broken) {
    match broken {
        Broken::Database(error) if !error.is_outage() => {
            tracing::error!(%error, "an export was broken off");
        }
        Broken::Line(error) => tracing::error!(%error, "an export was broken off"),
        _ => tracing::info!(reason = %broken, "an export was broken off"),
    }
}
