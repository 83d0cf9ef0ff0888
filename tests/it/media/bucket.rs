//! The store in a bucket of a real S3 server.

use tributary::{media::StoreError, model::new_id};

use super::*;

async fn put(store: &Store, content: &[u8]) -> ContentHash {
    let mut upload = store.upload(new_id());
    for piece in content.chunks(MIB) {
        upload.write(piece).await.unwrap();
    }
    let finished = upload.finish().await.unwrap();
    let hash = finished.hash;
    store.keep(finished).await.unwrap();
    hash
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_an_object_is_read_by_its_range() {
    let s3 = S3::start().await;
    let store = Store::open(&s3.config()).unwrap();
    let content = bytes(11 * MIB, 1);
    let hash = put(&store, &content).await;
    let range = 6 * MIB as u64..6 * MIB as u64 + 10;
    let stream = store.get(&hash, Some(range)).await.unwrap();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content[6 * MIB..6 * MIB + 10]);
    assert!(read(&store, &hash).await == content);
    assert!(s3.root.path().join("bucket/an/archive/objects").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_takes_along_what_was_made_of_it() {
    let s3 = S3::start().await;
    let store = Store::open(&s3.config()).unwrap();
    store.check().await.unwrap();
    let hash = put(&store, PNG).await;
    let made = || b"smaller".as_slice().into();
    assert!(store.put_derived(&hash, "64x64", made()).await.unwrap());
    assert!(store.derived(&hash, "64x64").await.unwrap().is_some());
    store.delete(&hash).await.unwrap();
    store.delete(&hash).await.unwrap();
    assert!(!store.has(&hash).await.unwrap());
    assert!(store.derived(&hash, "64x64").await.unwrap().is_none());
    assert!(!store.put_derived(&hash, "64x64", made()).await.unwrap());
    assert!(matches!(
        store.get(&hash, None).await,
        Err(StoreError::NotFound)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_address_is_good_for_its_object_and_its_time() {
    let s3 = S3::start().await;
    let store = Store::open(&s3.config()).unwrap();
    let hash = put(&store, PNG).await;
    let sign = async |seconds| {
        let lifetime = Duration::from_secs(seconds);
        let signed = store.signed_url(&hash, lifetime, "image/png", "attachment; filename=\"a b\"");
        signed.await.unwrap().unwrap()
    };
    let url = sign(60).await;
    let pairs: std::collections::HashMap<_, _> = url.query_pairs().collect();
    assert_eq!(pairs["response-content-type"], "image/png");
    assert_eq!(
        pairs["response-content-disposition"],
        "attachment; filename=\"a b\""
    );
    assert_eq!(pairs["X-Amz-Expires"], "60");
    let status = async |url: &str| reqwest::get(url).await.unwrap().status().as_u16();
    let answer = reqwest::get(url.as_str()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), PNG);
    let changed = url.as_str().replace("image%2Fpng", "text%2Fhtml");
    assert_ne!(changed, url.as_str());
    assert_eq!(status(&changed).await, 403);
    let bare = url.as_str().split_once('?').unwrap().0;
    assert_eq!(status(bare).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_wrong_secret_is_told_so_and_nothing_else() {
    let s3 = S3::start().await;
    let store = Store::open(&s3.config_with("another secret")).unwrap();
    let refused = store.check().await.unwrap_err();
    assert!(matches!(refused, StoreError::Denied), "{refused:?}");
    assert_eq!(refused.to_string(), "the media store does not let us in");
}
