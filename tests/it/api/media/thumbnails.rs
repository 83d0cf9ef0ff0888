//! `GET /api/media/{id}?thumbnail=WxH`.

use std::io::Cursor;

use image::{DynamicImage, GenericImageView as _, ImageFormat, RgbImage};
use reqwest::{Method, StatusCode};
use uuid::Uuid;

use super::{Archive, path};
use crate::api::app::Answer;

fn picture(width: u32, height: u32) -> Vec<u8> {
    let picture = DynamicImage::from(RgbImage::new(width, height));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn size(archive: &Archive, id: Uuid, wanted: &str) -> (u32, u32) {
    let path = format!("{}?thumbnail={wanted}", path(id));
    let request = archive.app.viewer("user_alice", Method::GET, &path);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{wanted}");
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let bytes = answer.bytes().await.unwrap();
    image::load_from_memory(&bytes).unwrap().dimensions()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_to_fit() {
    let archive = Archive::new().await;
    let id = archive
        .sent("$1", "a.png", "image/png", &picture(640, 480))
        .await;
    for (wanted, expected) in [
        ("64x64", (64, 48)),
        ("100x100", (96, 72)),
        ("320x240", (320, 240)),
        ("320x96", (128, 96)),
        ("99999x99999", (640, 480)),
    ] {
        assert_eq!(size(&archive, id, wanted).await, expected, "{wanted}");
        // The same when it is not drawn but found.
        assert_eq!(size(&archive, id, wanted).await, expected, "{wanted} again");
    }
    let bob = format!("{}?thumbnail=64x64", path(id));
    assert_eq!(archive.app.get("user_bob", &bob).await.code(), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_drawn_once_and_goes_with_its_picture() {
    let archive = Archive::new().await;
    let id = archive
        .sent("$1", "a.png", "image/png", &picture(640, 480))
        .await;
    let hash = archive
        .store("mxc://lab.local/1", "image/png", &picture(640, 480))
        .await;
    size(&archive, id, "64x64").await;
    let store = &archive.app.app.media;
    let name = "thumbnail-64x64";
    assert!(store.derived(&hash, name).await.unwrap().is_some());
    store.delete(&hash).await.unwrap();
    assert!(store.derived(&hash, name).await.unwrap().is_none());
    let path = format!("{}?thumbnail=64x64", path(id));
    let gone = archive.app.get("user_alice", &path).await;
    assert_eq!(gone.code(), "media_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_size_is_known_by_a_tag_of_its_own() {
    let archive = Archive::new().await;
    let id = archive
        .sent("$1", "a.png", "image/png", &picture(640, 480))
        .await;
    let ask = async |size: &str, known: &str| {
        let path = format!("{}?thumbnail={size}", path(id));
        let request = archive.app.viewer("user_alice", Method::GET, &path);
        let answer = request.header("if-none-match", known).send().await.unwrap();
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), etag)
    };
    let (status, etag) = ask("64x64", "\"x\"").await;
    assert_eq!((status, ask("64x64", &etag).await.0), (200, 304));
    assert_eq!(ask("96x96", &etag).await.0, 200);
    let head = archive.app.viewer(
        "user_alice",
        Method::HEAD,
        &format!("{}?thumbnail=64x64", path(id)),
    );
    let head = Answer::of(head).await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("image/jpeg"))
    );
    assert!(
        head.header("content-length")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 100
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_no_picture_there_is_none() {
    let archive = Archive::new().await;
    let whole = picture(64, 64);
    for (event, kind, content) in [
        ("$1", "video/mp4", whole.as_slice()),
        ("$2", "image/svg+xml", b"<svg/>".as_slice()),
        ("$3", "image/png", b"no picture".as_slice()),
        ("$4", "image/png", &whole[..40]),
        ("$5", "image/png", b""),
    ] {
        let id = archive.sent(event, "a", kind, content).await;
        let path = format!("{}?thumbnail=64x64", path(id));
        let answer = archive.app.get("user_alice", &path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "no_thumbnail"),
            "{event}"
        );
    }
    // Nobody tries again to draw what cannot be drawn: it is not even read.
    let mxc = "mxc://lab.local/4";
    let hash = archive.store(mxc, "image/png", &whole[..40]).await;
    assert!(archive.app.app.studio.is_hopeless(&hash.0));
    archive.app.app.media.delete(&hash).await.unwrap();
    let again = format!("{}?thumbnail=96x96", path(archive.id(mxc).await));
    let answer = archive.app.get("user_alice", &again).await;
    assert_eq!(answer.code(), "no_thumbnail");
    let id = archive.sent("$6", "a", "image/png", &whole).await;
    for wanted in ["", "64", "x", "0x64", "64x0", "-1x5", "axb", "64x64x64"] {
        let path = format!("{}?thumbnail={wanted}", path(id));
        let answer = archive.app.get("user_alice", &path).await;
        assert_eq!(answer.code(), "invalid_request", "{wanted}");
    }
}
