//! Files by the hash of their content.
//!
//! ```text
//! objects/<2 digits>/<sha256>          a file
//! derived/<2 digits>/<sha256>/<name>   what was made of it, such as a thumbnail
//! uploads/<id>                         what has not come to its end
//! ```

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use hyper::Method;
use object_store::{
    GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutPayload,
    multipart::MultipartStore as _,
    path::Path,
    signer::{SignedUrlOptions, Signer as _},
};
use url::Url;
use uuid::Uuid;

use super::{
    Finished, StoreError, Upload,
    place::{Kind, Place},
};
use crate::{
    config,
    model::{media::ContentHash, new_id},
};

/// A file, in pieces as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// The store of files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(pub(super) Arc<Place>);

impl Store {
    /// The store that the configuration names. It is not asked yet, and a folder is made
    /// when something is put into it.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be used, such as for a bucket without a name.
    pub fn open(config: &config::Media) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Place::open(config)?)))
    }

    /// Its folder; none of a bucket.
    #[must_use]
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.0.kind {
            Kind::Folder(root) => Some(root),
            Kind::Bucket { .. } => None,
        }
    }

    /// Begins to put a file in. `id` is its temporary name, by which [`Self::abandon`] finds
    /// what is left of it.
    #[must_use]
    pub fn upload(&self, id: Uuid) -> Upload {
        Upload::new(self.clone(), id)
    }

    /// Gives a file its name. Another one with the same content is replaced by itself.
    ///
    /// # Errors
    ///
    /// The store's; it may be there nevertheless.
    pub async fn keep(&self, finished: Finished) -> Result<(), StoreError> {
        let (path, from) = (object(&finished.hash), temporary(finished.id));
        if let Some(content) = finished.content {
            let payload = PutPayload::from_bytes(content);
            if self.folder().is_none() {
                self.0.objects.put(&path, payload).await?;
                return Ok(());
            }
            // In a folder a kill leaves what it has half written: where it is looked for.
            self.0.objects.put(&from, payload).await?;
        }
        self.0.objects.rename(&from, &path).await?;
        Ok(())
    }

    /// Removes what is left of an upload that has not got its name.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn abandon(&self, id: Uuid, multipart_id: Option<&str>) -> Result<(), StoreError> {
        let path = temporary(id);
        // Its parts have become one: not every store says of such an upload that there is none.
        if self.exists(&path).await? {
            return ignore_missing(self.0.objects.delete(&path).await);
        }
        if let (Kind::Bucket { s3, prefix }, Some(multipart_id)) = (&self.0.kind, multipart_id) {
            let path = prefix.parts().chain(path.parts()).collect();
            ignore_missing(s3.abort_multipart(&path, &multipart_id.to_owned()).await)?;
        }
        self.remove_half_written(&path).await
    }

    /// A file or a part of it, whose end is excluded.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none, and the store's. Those that come later
    /// end the stream.
    pub async fn get(
        &self,
        hash: &ContentHash,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream, StoreError> {
        self.read(&object(hash), range).await
    }

    /// Whether there is such a file.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn has(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        self.exists(&object(hash)).await
    }

    /// Whether anything can be put in, and is there then.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn check(&self) -> Result<(), StoreError> {
        const CONTENT: &[u8] = b"Tributary was here";
        let path = temporary(new_id());
        let payload = PutPayload::from_static(CONTENT);
        self.0.objects.put(&path, payload).await?;
        let found = self
            .0
            .objects
            .get_opts(&path, GetOptions::default())
            .await?;
        let found = found.bytes().await?;
        self.0.objects.delete(&path).await?;
        if found == CONTENT {
            return Ok(());
        }
        let what = "it hands out something else than was put in";
        Err(StoreError::Failed(what.to_owned()))
    }

    /// Deletes a file and what was made of it, as far as there is any.
    ///
    /// # Errors
    ///
    /// The store's; it is to be asked again then.
    pub async fn delete(&self, hash: &ContentHash) -> Result<(), StoreError> {
        let path = object(hash);
        // The file first: whoever makes something of it looks afterwards whether it is
        // still there.
        self.remove_half_written(&path).await?;
        ignore_missing(self.0.objects.delete(&path).await)?;
        self.delete_derived(hash).await
    }

    /// An address at which anybody can read a file for so long, as this type and with this
    /// `Content-Disposition`; none where the store cannot sign.
    ///
    /// # Errors
    ///
    /// When there are no credentials to sign with.
    pub async fn signed_url(
        &self,
        hash: &ContentHash,
        lifetime: Duration,
        mime_type: &str,
        disposition: &str,
    ) -> Result<Option<Url>, StoreError> {
        let Kind::Bucket { s3, prefix } = &self.0.kind else {
            return Ok(None);
        };
        let path = prefix.parts().chain(object(hash).parts()).collect();
        let options = SignedUrlOptions::new().with_query([
            ("response-content-type", mime_type),
            ("response-content-disposition", disposition),
        ]);
        let url = s3
            .signed_url_opts(Method::GET, &path, lifetime, &options)
            .await?;
        Ok(Some(url))
    }

    /// What was made of a file under this name, which is to be short and without a slash;
    /// none if nothing was.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn derived(
        &self,
        hash: &ContentHash,
        name: &str,
    ) -> Result<Option<ByteStream>, StoreError> {
        match self.read(&derived(hash).join(name), None).await {
            Ok(stream) => Ok(Some(stream)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps what was made of a file for as long as the file is kept. False, and nothing is
    /// kept, when it is gone already.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn put_derived(
        &self,
        hash: &ContentHash,
        name: &str,
        content: Bytes,
    ) -> Result<bool, StoreError> {
        let path = derived(hash).join(name);
        let payload = PutPayload::from_bytes(content);
        self.0.objects.put(&path, payload).await?;
        // Who deletes the file looks for this after it, so one of the two sees the other.
        if self.has(hash).await? {
            return Ok(true);
        }
        ignore_missing(self.0.objects.delete(&path).await)?;
        Ok(false)
    }

    async fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        match self.0.objects.head(path).await.map_err(Into::into) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, path: &Path, range: Option<Range<u64>>) -> Result<ByteStream, StoreError> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let found = self.0.objects.get_opts(path, options).await?;
        Ok(found.into_stream().map_err(StoreError::from).boxed())
    }

    async fn delete_derived(&self, hash: &ContentHash) -> Result<(), StoreError> {
        let folder = derived(hash);
        let mut found = self.0.objects.list(Some(&folder));
        while let Some(object) = found.try_next().await? {
            ignore_missing(self.0.objects.delete(&object.location).await)?;
        }
        if let Kind::Folder(root) = &self.0.kind {
            let folder = root.join(folder.as_ref());
            ignore_missing(tokio::fs::remove_dir_all(folder).await)?;
        }
        Ok(())
    }

    /// Of a file that was being written when the program died a folder keeps
    /// `<name>#<number>`, which it does not list.
    async fn remove_half_written(&self, path: &Path) -> Result<(), StoreError> {
        let Kind::Folder(root) = &self.0.kind else {
            return Ok(());
        };
        let file = root.join(path.as_ref());
        let (Some(folder), Some(name)) = (file.parent(), path.filename()) else {
            return Ok(());
        };
        let mut entries = match tokio::fs::read_dir(folder).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let begun = format!("{name}#");
        while let Some(entry) = entries.next_entry().await? {
            if entry.file_name().to_string_lossy().starts_with(&begun) {
                ignore_missing(tokio::fs::remove_file(entry.path()).await)?;
            }
        }
        Ok(())
    }
}

fn object(hash: &ContentHash) -> Path {
    let name = hash.to_string();
    ["objects", &name[..2], &name].into_iter().collect()
}

fn derived(hash: &ContentHash) -> Path {
    let name = hash.to_string();
    ["derived", &name[..2], &name].into_iter().collect()
}

pub(super) fn temporary(id: Uuid) -> Path {
    ["uploads", &id.to_string()].into_iter().collect()
}

fn ignore_missing<E: Into<StoreError>>(result: Result<(), E>) -> Result<(), StoreError> {
    match result.map_err(Into::into) {
        Ok(()) | Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
