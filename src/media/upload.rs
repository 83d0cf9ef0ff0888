//! Putting a file into the store whose hash is only known when it has come to its end.
//!
//! What fits into memory is put under its name at once. What does not goes up in parts under
//! a temporary name and is renamed. Between the two, [`Upload::finish`] says what the name
//! will be, so that the caller can write that down: from [`Store::keep`] on the object may be
//! there, whatever becomes of the program.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::{
    MultipartId, MultipartUpload, ObjectStoreExt as _, PutPayload, multipart::MultipartStore as _,
    multipart::PartId,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Store, StoreError, place::Kind, store::temporary};
use crate::model::media::ContentHash;

/// What is kept in memory of a file. S3 takes no smaller parts, and 10,000 of them.
pub(super) const PART_BYTES: usize = 5 << 20;

/// A file on its way into the store.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    id: Uuid,
    hasher: Sha256,
    size: u64,
    buffer: BytesMut,
    parts: Option<Parts>,
}

/// What went up already.
#[derive(Debug)]
enum Parts {
    File(Box<dyn MultipartUpload>),
    Bucket { id: MultipartId, done: Vec<PartId> },
}

/// A file that is whole, and does not have its name yet.
#[derive(Debug)]
pub struct Finished {
    /// What it will be called.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    pub(super) id: Uuid,
    /// All of it, unless it is under its temporary name.
    pub(super) content: Option<Bytes>,
}

impl Upload {
    pub(super) fn new(store: Store, id: Uuid) -> Self {
        Self {
            store,
            id,
            hasher: Sha256::new(),
            size: 0,
            buffer: BytesMut::new(),
            parts: None,
        }
    }

    /// Adds to the file. When that begins an upload in parts, answers how the store calls
    /// it: nothing else finds what a crash leaves of it, so it has to be written down before
    /// more is added.
    ///
    /// # Errors
    ///
    /// The store's; the upload is to be [abandoned](Store::abandon) then.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<Option<String>, StoreError> {
        self.hasher.update(chunk);
        self.size += chunk.len() as u64;
        self.buffer.extend_from_slice(chunk);
        if self.parts.is_none() {
            if self.buffer.len() <= PART_BYTES {
                return Ok(None);
            }
            return self.begin_parts().await;
        }
        while self.buffer.len() > PART_BYTES {
            let part = self.buffer.split_to(PART_BYTES).freeze();
            self.put_part(part).await?;
        }
        Ok(None)
    }

    /// Says what the file is called; [`Store::keep`] gives it that name.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn finish(mut self) -> Result<Finished, StoreError> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        let content = if self.parts.is_some() {
            let mut rest = rest;
            while !rest.is_empty() {
                let part = rest.split_to(PART_BYTES.min(rest.len()));
                self.put_part(part).await?;
            }
            self.complete().await?;
            None
        } else {
            Some(rest)
        };
        Ok(Finished {
            hash: ContentHash(self.hasher.finalize().into()),
            size: self.size,
            id: self.id,
            content,
        })
    }

    async fn begin_parts(&mut self) -> Result<Option<String>, StoreError> {
        let place = Arc::clone(&self.store.0);
        let (parts, id) = match &place.kind {
            Kind::Folder(_) => {
                let upload = place.objects.put_multipart(&temporary(self.id)).await?;
                (Parts::File(upload), None)
            }
            Kind::Bucket { s3, prefix } => {
                let path = prefix.parts().chain(temporary(self.id).parts()).collect();
                let id = s3.create_multipart(&path).await?;
                let done = Vec::new();
                (
                    Parts::Bucket {
                        id: id.clone(),
                        done,
                    },
                    Some(id),
                )
            }
        };
        self.parts = Some(parts);
        Ok(id)
    }

    async fn put_part(&mut self, part: Bytes) -> Result<(), StoreError> {
        let payload = PutPayload::from_bytes(part);
        match (&self.store.0.kind, &mut self.parts) {
            (_, Some(Parts::File(upload))) => upload.put_part(payload).await?,
            (Kind::Bucket { s3, prefix }, Some(Parts::Bucket { id, done })) => {
                let path = prefix.parts().chain(temporary(self.id).parts()).collect();
                done.push(s3.put_part(&path, id, done.len(), payload).await?);
            }
            _ => {}
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        match (&self.store.0.kind, self.parts.take()) {
            (_, Some(Parts::File(mut upload))) => {
                upload.complete().await?;
            }
            (Kind::Bucket { s3, prefix }, Some(Parts::Bucket { id, done })) => {
                let path = prefix.parts().chain(temporary(self.id).parts()).collect();
                s3.complete_multipart(&path, &id, done).await?;
            }
            _ => {}
        }
        Ok(())
    }
}
