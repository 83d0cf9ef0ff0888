//! Bodies of Tributary's own API: how long they may be, and how long they may take.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequest, Request},
    http::{
        HeaderMap,
        header::{CONTENT_TYPE, EXPECT},
    },
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::timeout;

use crate::api::ApiError;

/// The longest body that is read unless an endpoint has another limit, in bytes.
pub(in crate::api) const LIMIT: usize = 64 * 1024;
/// How long a body may take to arrive, all of it.
const ARRIVAL: Duration = Duration::from_secs(10);
/// What is thrown away of a body that is too long, or a quarter more than it may have: whoever is
/// still writing when the connection is closed does not get to read the refusal.
const THROWN_AWAY: usize = 1024 * 1024;
/// For how long, of whoever may be anybody; and how long the next piece of it is waited for.
const LINGER: Duration = Duration::from_secs(1);

/// A body of `application/json`, of at most `MOST` bytes. Its mistakes are named by
/// place, never repeated: a body may hold a token.
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T, const MOST: usize = LIMIT>(pub T);

impl<T: DeserializeOwned, S: Send + Sync, const MOST: usize> FromRequest<S> for JsonBody<T, MOST> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let body = read(request, MOST).await?;
        parse(&body).map(Self)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would take a struct's fields from an array as well, by their order.
    let is_list = body.trim_ascii_start().starts_with(b"[");
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize::<_, T>(&mut json);
    let read = read.map_err(|error| mistake(&error)).and_then(|body| {
        let ended = json.end().map_err(|error| not_json(&error));
        ended.map(|()| body)
    })?;
    if is_list {
        return Err(ApiError::invalid("the body is an array, not an object"));
    }
    Ok(read)
}

fn mistake(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let inner = error.inner();
    if inner.classify() != Category::Data {
        return not_json(inner);
    }
    let text = inner.to_string();
    let missing = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'));
    let path = error.path();
    ApiError::invalid(match missing {
        // The name is the struct's, not the caller's.
        Some((name, _)) => format!("the body has no `{name}`"),
        None if text.starts_with("unknown field") => {
            "the body has a field that is not known".to_owned()
        }
        None if path.iter().len() == 0 => "the body has another shape".to_owned(),
        None => format!("`{path}` of the body has another shape"),
    })
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::invalid(format!(
        "the body is not JSON (line {line}, column {column})"
    ))
}

/// A body as it is, of at most `MOST` bytes.
#[derive(Debug, Clone)]
pub struct RawBody<const MOST: usize = LIMIT>(pub Bytes);

impl<S: Send + Sync, const MOST: usize> FromRequest<S> for RawBody<MOST> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read(request, MOST).await.map(Self)
    }
}

/// Reads a body of at most `most` bytes.
pub(in crate::api) async fn read(request: Request, most: usize) -> Result<Bytes, ApiError> {
    read_within((ARRIVAL, LINGER), request, most).await
}

/// The same, which may take so long to arrive, and what is thrown away of it so long.
pub(in crate::api) async fn read_within(
    (arrival, linger): (Duration, Duration),
    request: Request,
    most: usize,
) -> Result<Bytes, ApiError> {
    let is_held_back = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    if body.size_hint().lower() > most as u64 {
        if !is_held_back {
            throw_away(&mut body, most, linger).await;
        }
        return Err(ApiError::TooLarge);
    }
    let whole = Limited::new(&mut body, most).collect();
    match timeout(arrival, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            throw_away(&mut body, most, linger).await;
            Err(ApiError::TooLarge)
        }
        Ok(Err(_)) => Err(ApiError::invalid("the body broke off")),
        Err(_) => Err(ApiError::TimedOut),
    }
}

async fn throw_away(body: &mut Body, most: usize, linger: Duration) {
    let mut left = THROWN_AWAY.max(most.saturating_add(most / 4));
    let reading = async {
        while let Ok(Some(Ok(frame))) = timeout(LINGER, body.frame()).await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
    };
    // In time or not: the answer is the same.
    let _ = timeout(linger, reading).await;
}

/// `application/json` or `application/*+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    media_type.is_some_and(|media_type| {
        media_type
            .strip_prefix("application/")
            .is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use futures_util::stream;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Code {
        #[expect(dead_code, reason = "only its presence counts")]
        code: String,
    }

    async fn refused(content_type: &str, body: impl Into<Body>) -> ApiError {
        let request = Request::post("/").header(CONTENT_TYPE, content_type);
        let request = request.body(body.into()).unwrap();
        <JsonBody<Code>>::from_request(request, &())
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn json_is_taken_under_each_of_its_names() {
        for name in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
        ] {
            let request = Request::post("/").header(CONTENT_TYPE, name);
            let request = request.body(Body::from("{\"a\":1}")).unwrap();
            let body = <JsonBody<Value>>::from_request(request, &()).await;
            assert_eq!(body.unwrap().0, serde_json::json!({"a": 1}), "{name}");
        }
    }

    #[tokio::test]
    async fn other_media_types_are_not_read() {
        for name in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "json",
        ] {
            let status = refused(name, r#"{"code":"x"}"#).await.status();
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{name}");
        }
        let request = Request::post("/").body(Body::from("{}")).unwrap();
        let error = <JsonBody<Code>>::from_request(request, &())
            .await
            .unwrap_err();
        assert_eq!(error.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[tokio::test]
    async fn what_is_no_such_object_is_not_repeated() {
        let deep = "[".repeat(10_000);
        for body in [
            "",
            "{",
            "\"secret\"",
            r#"{"secret":1}"#,
            r#"{"code":{"secret":1}}"#,
            r#"{"code":"x"} secret"#,
            r#"["secret"]"#,
            &deep,
        ] {
            let error = refused("application/json", body.to_owned()).await;
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        for (body, named) in [
            ("{}", "the body has no `code`"),
            (r#"{"code":1}"#, "`code` of the body has another shape"),
            (r#" ["x"]"#, "the body is an array, not an object"),
            ("7", "the body has another shape"),
            (r#"{"code":"#, "the body is not JSON (line 1, column 8)"),
        ] {
            let error = refused("application/json", body).await;
            assert_eq!(error.to_string(), format!("invalid request: {named}"));
        }
    }

    #[tokio::test]
    async fn a_long_body_is_not_read_to_its_end() {
        let error = refused("application/json", vec![b' '; LIMIT + 1]).await;
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let error = refused("application/json", vec![b' '; LIMIT]).await;
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    fn streamed(chunk: &'static [u8], length: usize) -> Body {
        let chunks = (0..length / chunk.len()).map(move |_| Ok::<_, axum::Error>(chunk));
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn each_endpoint_has_its_own_limit() {
        for (length, status) in [
            (100, StatusCode::BAD_REQUEST),
            (101, StatusCode::PAYLOAD_TOO_LARGE),
            (4 * THROWN_AWAY, StatusCode::PAYLOAD_TOO_LARGE),
        ] {
            for body in [Body::from(vec![b' '; length]), streamed(b" ", length)] {
                let request = Request::post("/").header(CONTENT_TYPE, "application/json");
                let request = request.body(body).unwrap();
                let read = <JsonBody<Code, 100>>::from_request(request, &()).await;
                assert_eq!(read.unwrap_err().status(), status, "{length}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_not_waited_for() {
        let first = stream::once(async { Ok::<_, axum::Error>(&b"{"[..]) });
        let body = Body::from_stream(stream::StreamExt::chain(first, stream::pending()));
        let read = read_within(
            (Duration::from_millis(5), LINGER),
            Request::new(body),
            LIMIT,
        )
        .await;
        let refused = read.unwrap_err();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
