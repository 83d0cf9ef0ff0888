//! The store in a folder. The same is asked of a bucket in `tests/it/media`.

use std::{fs, path::Path as FilePath};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::{media::upload::PART_BYTES, model::new_id};

fn open(folder: &TempDir) -> Store {
    let config = config::Media {
        store: format!("file:{}", folder.path().join("me dia").display()),
        ..config::Media::default()
    };
    Store::open(&config).unwrap()
}

async fn put(store: &Store, content: &[u8]) -> ContentHash {
    let mut upload = store.upload(new_id());
    for chunk in content.chunks(1 << 20) {
        assert_eq!(upload.write(chunk).await.unwrap(), None);
    }
    let finished = upload.finish().await.unwrap();
    let hash = finished.hash;
    assert_eq!(finished.size, content.len() as u64);
    store.keep(finished).await.unwrap();
    hash
}

async fn all(stream: ByteStream) -> Vec<u8> {
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    pieces.concat()
}

fn files(folder: &FilePath) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

#[tokio::test]
async fn what_is_put_in_is_found_by_its_hash() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    assert!(files(folder.path()).is_empty());
    for size in [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 7] {
        let content: Vec<u8> = (0_u8..=250).cycle().take(size).collect();
        let hash = put(&store, &content).await;
        assert_eq!(hash.0[..], Sha256::digest(&content)[..], "{size}");
        let found = all(store.get(&hash, None).await.unwrap()).await;
        assert!(found == content, "{size}");
    }
    assert_eq!(files(folder.path()).len(), 5);
}

#[tokio::test]
async fn one_content_is_one_file() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let hash = put(&store, b"the same").await;
    assert_eq!(put(&store, b"the same").await, hash);
    assert_eq!(files(folder.path()), [hash.to_string()]);
}

#[tokio::test]
async fn a_part_of_it_is_read_by_its_range() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let hash = put(&store, b"0123456789").await;
    let part = store.get(&hash, Some(3..6)).await.unwrap();
    assert_eq!(all(part).await, b"345");
}

#[tokio::test]
async fn what_is_deleted_takes_along_what_was_made_of_it() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let hash = put(&store, b"a picture").await;
    let made = Bytes::from_static(b"a smaller one");
    assert!(
        store
            .put_derived(&hash, "64x64", made.clone())
            .await
            .unwrap()
    );
    let found = store.derived(&hash, "64x64").await.unwrap().unwrap();
    assert_eq!(all(found).await, made);
    assert!(store.derived(&hash, "65x65").await.unwrap().is_none());

    store.delete(&hash).await.unwrap();
    store.delete(&hash).await.unwrap();
    assert!(!store.has(&hash).await.unwrap());
    assert!(matches!(
        store.get(&hash, None).await,
        Err(StoreError::NotFound)
    ));
    assert!(!store.put_derived(&hash, "64x64", made).await.unwrap());
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn nothing_is_left_of_what_was_abandoned() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let big = vec![7; 2 * PART_BYTES + 7];

    let [half, whole] = [new_id(), new_id()];
    let mut upload = store.upload(half);
    upload.write(&big).await.unwrap();
    upload.write(&big).await.unwrap();
    // As a killed program leaves it: nobody cleans up.
    std::mem::forget(upload);
    let mut upload = store.upload(whole);
    upload.write(&big).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(files(folder.path()).len(), 2);

    store.abandon(half, None).await.unwrap();
    store.abandon(whole, None).await.unwrap();
    store.abandon(new_id(), None).await.unwrap();
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn nothing_is_left_of_an_object_that_was_half_written() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let hash = put(&store, b"a file").await;
    let root = folder.path().join("me dia");
    let half = root.join(format!("{}#1", object(&hash)));
    fs::write(half, b"a f").unwrap();
    store.delete(&hash).await.unwrap();
    assert!(files(&root).is_empty());
}

#[tokio::test]
async fn a_folder_signs_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let hash = put(&store, b"a file").await;
    let signed = store.signed_url(&hash, Duration::from_mins(1), "image/png", "inline");
    assert_eq!(signed.await.unwrap(), None);
}
