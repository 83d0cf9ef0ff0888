//! Where the store can sign, browsers are sent to it.

use std::collections::HashMap;

use reqwest::redirect::Policy;
use uuid::Uuid;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::{Archive, file, path};
use crate::api::app::session;

/// A bucket with one file, and what of the configuration matters here.
struct Bucket {
    archive: Archive,
    id: Uuid,
    server: MockServer,
}

impl Bucket {
    async fn new(redirect: bool) -> Self {
        let server = MockServer::start().await;
        let found = ResponseTemplate::new(200)
            .set_body_bytes(b"hello")
            .insert_header("etag", "\"x\"")
            .insert_header("last-modified", "Fri, 20 Nov 2026 00:00:00 GMT");
        Mock::given(any()).respond_with(found).mount(&server).await;
        let store = format!("s3://files?endpoint={}&region=here", server.uri());
        let archive = Archive::with(|config| {
            config.media.store = store;
            config.media.redirect = redirect;
            config.media.access_key_id = Some("key-id".into());
            config.media.secret_access_key = Some("the-secret-key".into());
        })
        .await;
        let id = stored(&archive).await;
        Self {
            archive,
            id,
            server,
        }
    }

    /// How often the bucket was asked.
    async fn reads(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }
}

/// A file of Alice's, as the archive leaves its row.
async fn stored(archive: &Archive) -> Uuid {
    let mxc = "mxc://lab.local/1";
    let event = file("$1", mxc, "naïve.html", "text/html");
    archive.app.push_events("1", &[event]).await;
    let hash = "ab".repeat(32);
    archive
        .sql(&format!(
            r"INSERT INTO tributary.media_objects (sha256, stored_at) VALUES ('\x{hash}', now());
              UPDATE tributary.media SET state = 'stored', sha256 = '\x{hash}', size = 5,
                     mime_type = 'text/html', settled_at = now()"
        ))
        .await;
    archive.id(mxc).await
}

/// What a browser is answered that follows nothing.
async fn asked(bucket: &Bucket, query: &str, token: Option<String>) -> reqwest::Response {
    let http = reqwest::Client::builder().redirect(Policy::none());
    let url = bucket
        .archive
        .app
        .url(&format!("{}?{query}", path(bucket.id)));
    let mut request = http.build().unwrap().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_answered_with_an_address_that_is_good_for_a_minute() {
    let bucket = Bucket::new(true).await;
    let ticket = bucket.archive.ticket(bucket.id).await;
    let answer = asked(&bucket, &format!("ticket={ticket}"), None).await;
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(!location.contains("the-secret-key") && !location.contains(&ticket));
    let address: url::Url = location.parse().unwrap();
    assert_eq!(address.origin().ascii_serialization(), bucket.server.uri());
    assert!(address.path().starts_with("/files/") && address.path().contains(&"ab".repeat(32)));
    let query: HashMap<_, _> = address.query_pairs().collect();
    assert_eq!(query["X-Amz-Expires"], "60");
    assert_eq!(query["response-content-type"], "text/html");
    let disposition = "attachment; filename=\"na_ve.html\"; filename*=UTF-8''na%C3%AFve.html";
    assert_eq!(query["response-content-disposition"], disposition);
    assert_eq!(bucket.reads().await, 0);
}

/// A page's `fetch` would take its token along, and need the bucket's leave to read.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_answered_with_one_only_when_asked_for() {
    let bucket = Bucket::new(true).await;
    let alice = || Some(session("user_alice"));
    assert_eq!(asked(&bucket, "redirect=true", alice()).await.status(), 307);
    assert_eq!(
        asked(&bucket, "redirect=perhaps", alice()).await.status(),
        400
    );
    let bob = Some(session("user_bob"));
    assert_eq!(asked(&bucket, "redirect=true", bob).await.status(), 404);
    assert_eq!(bucket.reads().await, 0);
    let answer = asked(&bucket, "", alice()).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.text().await.unwrap().as_str()
        ),
        (200, "hello")
    );
    assert_eq!(bucket.reads().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_answered_with_the_file_where_a_page_may_load_nothing_from_elsewhere() {
    let bucket = Bucket::new(true).await;
    let ticket = bucket.archive.ticket(bucket.id).await;
    let answer = asked(&bucket, &format!("ticket={ticket}&redirect=false"), None).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.text().await.unwrap().as_str()
        ),
        (200, "hello")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_a_bucket_that_browsers_cannot_reach() {
    let bucket = Bucket::new(false).await;
    let ticket = bucket.archive.ticket(bucket.id).await;
    for query in ["", "&redirect=true"] {
        let answer = asked(&bucket, &format!("ticket={ticket}{query}"), None).await;
        assert_eq!(answer.status(), 200);
    }
}
