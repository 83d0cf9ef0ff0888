//! One file from the homeserver into the store, without its name yet.

use diesel_async::AsyncConnection as _;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Archive, Trouble};
use crate::{
    db::media::{
        archive::Due,
        objects::{self, Place},
    },
    matrix::client::Download,
    media::{
        Finished, Upload,
        decrypt::Decryption,
        kind::{self, HEAD_BYTES},
    },
    model::{media::ContentHash, new_id},
};

/// A file whose content is in the store, and whose row does not say so yet.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) upload: Uuid,
    pub(super) hash: ContentHash,
    pub(super) size: u64,
    pub(super) mime_type: String,
}

/// An upload, and what has to be known to take it back.
struct Begun {
    id: Uuid,
    multipart_id: Option<String>,
}

/// What passes on its way from the homeserver.
struct Passing<'a> {
    declared: Option<&'a str>,
    allowed: &'a [String],
    head: Vec<u8>,
    verified: Option<String>,
}

impl Archive {
    /// Copies a file. Whatever ends it before its end, nothing is left of it but, until
    /// somebody clears them, what a row of `media_uploads` names.
    pub(super) async fn fetch(&self, file: &Due) -> Result<Fetched, Trouble> {
        let decryption = file.file.as_ref().map(Decryption::new).transpose()?;
        self.check_declared(file)?;
        let download = self.homeserver.download(&file.mxc).await?;
        if download
            .length
            .is_some_and(|length| length > self.config.max_bytes)
        {
            return Err(Trouble::TooLarge);
        }
        let mut begun = Begun {
            id: new_id(),
            multipart_id: None,
        };
        objects::begin_upload(&*self.ingest.db.get().await?, begun.id).await?;
        let transfer = self.transfer(file, download, decryption, &mut begun);
        let fetched = timeout(self.rhythm.patience, transfer).await;
        let fetched = fetched.unwrap_or(Err(Trouble::Slow));
        if fetched.is_err() {
            self.take_back(&begun).await;
        }
        fetched
    }

    /// What will not be kept need not be fetched.
    fn check_declared(&self, file: &Due) -> Result<(), Trouble> {
        let declared = file.mime_type.as_deref().and_then(kind::essence);
        match declared.filter(|kind| !kind::is_allowed(kind, &self.config.allowed_types)) {
            Some(kind) => Err(Trouble::NotAllowed(kind)),
            None => Ok(()),
        }
    }

    async fn transfer(
        &self,
        file: &Due,
        mut download: Download,
        mut decryption: Option<Decryption>,
        begun: &mut Begun,
    ) -> Result<Fetched, Trouble> {
        let declared = download.mime_type.take();
        // The server says of what is encrypted that it is a stream of bytes.
        let declared = file
            .mime_type
            .clone()
            .or(declared.filter(|_| decryption.is_none()));
        let mut passing = Passing {
            declared: declared.as_deref(),
            allowed: &self.config.allowed_types,
            head: Vec::new(),
            verified: None,
        };
        let mut upload = self.store.upload(begun.id);
        let mut size = 0;
        while let Some(piece) = download.next().await? {
            size += piece.len() as u64;
            if size > self.config.max_bytes {
                return Err(Trouble::TooLarge);
            }
            let mut piece = Vec::from(piece);
            if let Some(decryption) = &mut decryption {
                decryption.apply(&mut piece);
            }
            passing.look(&piece)?;
            self.write(&mut upload, &piece, begun).await?;
        }
        decryption.map_or(Ok(()), Decryption::verify)?;
        let mime_type = passing.end()?;
        let finished = upload.finish().await?;
        let fetched = Fetched {
            upload: begun.id,
            hash: finished.hash,
            size: finished.size,
            mime_type,
        };
        self.place(finished, begun).await?;
        Ok(fetched)
    }

    async fn write(
        &self,
        upload: &mut Upload,
        piece: &[u8],
        begun: &mut Begun,
    ) -> Result<(), Trouble> {
        let Some(multipart_id) = upload.write(piece).await? else {
            return Ok(());
        };
        let multipart_id = begun.multipart_id.insert(multipart_id);
        let conn = self.ingest.db.get().await?;
        if objects::in_parts(&conn, begun.id, multipart_id).await? {
            Ok(())
        } else {
            Err(Trouble::Taken)
        }
    }

    /// Gives the file its name, unless one with its content is there already. From here on
    /// a row says that the object may be there.
    async fn place(&self, finished: Finished, begun: &Begun) -> Result<(), Trouble> {
        let mut conn = self.ingest.db.get().await?;
        let place = conn
            .transaction(async |conn| objects::expect(conn, begun.id, &finished.hash).await)
            .await?;
        drop(conn);
        match place {
            Some(Place::Absent) => Ok(self.store.keep(finished).await?),
            Some(Place::Present) => {
                let multipart_id = begun.multipart_id.as_deref();
                Ok(self.store.abandon(begun.id, multipart_id).await?)
            }
            Some(Place::Leaving) | None => Err(Trouble::Taken),
        }
    }

    /// What fails here the job `clear_media` does in its time.
    async fn take_back(&self, begun: &Begun) {
        let multipart_id = begun.multipart_id.as_deref();
        let taken = match self.store.abandon(begun.id, multipart_id).await {
            Ok(()) => self.end_upload(begun.id).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = taken {
            tracing::info!(upload.id = %begun.id, %error, "left to be cleared");
        }
    }

    async fn end_upload(&self, id: Uuid) -> Result<(), Trouble> {
        let conn = self.ingest.db.get().await?;
        Ok(objects::end_upload(&conn, id).await?)
    }
}

impl Passing<'_> {
    /// Refuses what is not kept as soon as it shows.
    fn look(&mut self, piece: &[u8]) -> Result<(), Trouble> {
        if self.verified.is_none() {
            let missing = HEAD_BYTES.saturating_sub(self.head.len());
            self.head.extend(piece.iter().take(missing));
            if self.head.len() >= HEAD_BYTES {
                self.verify()?;
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<String, Trouble> {
        if self.verified.is_none() {
            self.verify()?;
        }
        Ok(self.verified.unwrap_or_else(|| kind::UNKNOWN.to_owned()))
    }

    fn verify(&mut self) -> Result<(), Trouble> {
        let verified = kind::verified(&self.head, self.declared);
        if !kind::is_allowed(&verified, self.allowed) {
            return Err(Trouble::NotAllowed(verified));
        }
        self.verified = Some(verified);
        Ok(())
    }
}
