//! The files of the console, which are part of the program.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    },
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::policy::Policies;
use crate::api::etag;

#[derive(RustEmbed)]
#[folder = "web/console"]
struct Files;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// The compiled client of the live stream.
    Client,
    /// The customer's part.
    Customer,
    /// The operator's part.
    Operator,
    /// What both parts use.
    Shared,
    /// The one page that runs Clerk's script.
    SignIn,
}

impl Folder {
    const ALL: [Self; 5] = [
        Self::Client,
        Self::Customer,
        Self::Operator,
        Self::Shared,
        Self::SignIn,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Customer => "customer",
            Self::Operator => "operator",
            Self::Shared => "shared",
            Self::SignIn => "sign-in",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| folder.name() == name)
    }
}

/// The answer that has a file in it, or none of it for a browser that has it already.
pub(super) fn serve(
    request: &HeaderMap,
    folder: Folder,
    name: &str,
    policies: &Policies,
) -> Option<Response> {
    let content_type = content_type(name)?;
    let file = find(folder, name)?;
    let etag = tag(&file);
    let is_known = etag::is_known(request, &etag);
    let body = if is_known {
        Body::empty()
    } else {
        Body::from(file.data.into_owned())
    };
    let mut response = Response::new(body);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ETAG, etag);
    // Kept and asked for each time: the names do not change with what is in them.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.extend(policies.headers(folder).map(as_header));
    Some(response)
}

/// A debug build reads the folder on the disk, where `..` would lead to somebody else's.
fn find(folder: Folder, name: &str) -> Option<EmbeddedFile> {
    let is_inside = name.split('/').all(|part| part != "..");
    let path = is_inside.then(|| format!("{}/{name}", folder.name()))?;
    Files::get(&path)
}

fn as_header((name, value): (&'static str, HeaderValue)) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), value)
}

fn content_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[expect(clippy::expect_used, reason = "base64url between quotes is a header")]
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash());
    HeaderValue::try_from(format!("\"{hash}\"")).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_to_another_folder() {
        assert!(find(Folder::Customer, "index.html").is_some());
        assert!(find(Folder::Customer, "../operator/index.html").is_none());
    }

    #[test]
    fn every_file_has_a_folder_and_a_type() {
        for path in Files::iter() {
            let (folder, name) = path.split_once('/').expect("a folder");
            assert!(Folder::named(folder).is_some(), "{path}");
            assert!(content_type(name).is_some(), "{path}");
        }
    }
}
