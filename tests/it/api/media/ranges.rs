//! Parts of files, and files that a browser has already.

use reqwest::Method;

use super::{Archive, path};
use crate::api::app::Answer;

const TEXT: &[u8] = b"0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_sent_alone() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.mp4", "video/mp4", TEXT).await;
    for (range, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=0-", "0123456789", "bytes 0-9/10"),
        ("bytes=9-100", "9", "bytes 9-9/10"),
    ] {
        let answer = Answer::of(archive.alice(Method::GET, id).header("range", range)).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (206, part),
            "{range}"
        );
        assert_eq!(answer.header("content-range"), Some(content_range));
        assert_eq!(
            answer.header("content-length"),
            Some(part.len().to_string().as_str())
        );
        assert_eq!(answer.header("content-type"), Some("video/mp4"));
    }
    for range in ["bytes=0-1,4-5", "bytes=x", "lines=1-2", "bytes=3-1"] {
        let answer = Answer::of(archive.alice(Method::GET, id).header("range", range)).await;
        assert_eq!(
            (answer.status, answer.text.as_bytes()),
            (200, TEXT),
            "{range}"
        );
        assert_eq!(answer.header("content-range"), None);
    }
    let behind = Answer::of(archive.alice(Method::GET, id).header("range", "bytes=10-")).await;
    assert_eq!(
        (behind.status, behind.code().as_str()),
        (416, "range_not_satisfiable")
    );
    assert_eq!(behind.header("content-range"), Some("bytes */10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_head_is_that_of_all_of_it() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.mp4", "video/mp4", TEXT).await;
    let request = archive.alice(Method::HEAD, id).header("range", "bytes=0-3");
    let answer = Answer::of(request).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    let request = archive.app.viewer("user_bob", Method::HEAD, &path(id));
    assert_eq!(Answer::of(request).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_has_is_not_sent_again() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.mp4", "video/mp4", TEXT).await;
    let first = archive.get("user_alice", id).await;
    let etag = first.header("etag").unwrap();
    let known = format!("\"other\", {etag}");
    let again = Answer::of(
        archive
            .alice(Method::GET, id)
            .header("if-none-match", &known),
    )
    .await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.header("etag"), Some(etag));
    assert_eq!(again.header("cache-control"), Some("private, no-cache"));
    // It is asked whose it is all the same.
    let bob = archive.app.viewer("user_bob", Method::GET, &path(id));
    assert_eq!(
        Answer::of(bob.header("if-none-match", etag)).await.status,
        404
    );
    for (condition, status) in [(etag, 206), ("\"other\"", 200), ("W/\"x\"", 200)] {
        let request = archive.alice(Method::GET, id).header("range", "bytes=0-0");
        let answer = Answer::of(request.header("if-range", condition)).await;
        assert_eq!(answer.status, status, "{condition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_content_is_one() {
    let archive = Archive::new().await;
    let id = archive.sent("$1", "a.txt", "text/plain", b"").await;
    let answer = archive.get("user_alice", id).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("0"));
    let part = archive.alice(Method::GET, id).header("range", "bytes=0-");
    assert_eq!(Answer::of(part).await.status, 416);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_comes_whole_and_in_parts() {
    let archive = Archive::new().await;
    let content: Vec<u8> = (0_u32..3_000_000).map(|n| (n % 251) as u8).collect();
    let id = archive
        .sent("$1", "a.bin", "application/zip", &content)
        .await;
    let whole = archive.alice(Method::GET, id).send().await.unwrap();
    assert!(whole.bytes().await.unwrap() == content);
    let part = archive
        .alice(Method::GET, id)
        .header("range", "bytes=1000000-2999998");
    let part = part.send().await.unwrap().bytes().await.unwrap();
    assert!(part == content[1_000_000..2_999_999]);
}
