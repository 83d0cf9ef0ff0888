//! Small notes beside the files, which outlive the database, and what else a restore asks.
//!
//! ```text
//! journal/<id>.json
//! ```

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload, path::Path};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::model::media::ContentHash;

const FOLDER: &str = "journal";

impl Store {
    /// Keeps a note. The same one again replaces itself.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn put_note(&self, id: Uuid, content: Bytes) -> Result<(), StoreError> {
        let payload = PutPayload::from_bytes(content);
        self.0.objects.put(&note(id), payload).await?;
        Ok(())
    }

    /// The ids of all notes.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn notes(&self) -> Result<Vec<Uuid>, StoreError> {
        let mut ids = Vec::new();
        let mut found = self.0.objects.list(Some(&Path::from(FOLDER)));
        while let Some(object) = found.try_next().await? {
            let name = object.location.filename().unwrap_or_default();
            ids.extend(
                name.strip_suffix(".json")
                    .and_then(|id| id.parse::<Uuid>().ok()),
            );
        }
        Ok(ids)
    }

    /// The names of all files, whatever the database knows of them.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn all(&self) -> Result<Vec<ContentHash>, StoreError> {
        let mut hashes = Vec::new();
        let mut found = self.0.objects.list(Some(&Path::from("objects")));
        while let Some(object) = found.try_next().await? {
            let name = object.location.filename();
            hashes.extend(name.and_then(|name| name.parse::<ContentHash>().ok()));
        }
        Ok(hashes)
    }

    /// A note.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none, and the store's.
    pub async fn note(&self, id: Uuid) -> Result<Bytes, StoreError> {
        let found = self.0.objects.get(&note(id)).await?;
        Ok(found.bytes().await?)
    }
}

fn note(id: Uuid) -> Path {
    [FOLDER, &format!("{id}.json")].into_iter().collect()
}
