//! A file or a thumbnail as it is sent: its headers, and how much of it.

use std::ops::Range;

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
            CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, RANGE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::Response,
};

use super::range::{self, Answer};
use crate::api::{ApiError, etag};

/// One of the forms in which a file is sent, before any of it is read.
#[derive(Debug)]
pub(super) struct Representation {
    etag: HeaderValue,
    content_type: HeaderValue,
    disposition: HeaderValue,
    length: u64,
}

/// What a request gets.
#[derive(Debug)]
pub(super) enum Reply {
    /// An answer without a file in it.
    Done(Response),
    /// These bytes, with a head that says so.
    Send(Range<u64>, Response),
}

impl Representation {
    /// `tag` names the bytes, and what they are sent as; it has letters, digits and dashes.
    pub(super) fn new(
        tag: &str,
        content_type: &str,
        disposition: &str,
        length: u64,
    ) -> Result<Self, ApiError> {
        let header = |text: &str| HeaderValue::try_from(text).map_err(ApiError::internal);
        Ok(Self {
            etag: header(&format!("\"{tag}\""))?,
            content_type: header(content_type)?,
            disposition: header(disposition)?,
            length,
        })
    }

    /// What a browser gets that has it already.
    pub(super) fn known(&self, request: &HeaderMap) -> Option<Response> {
        etag::is_known(request, &self.etag).then(|| {
            let mut response = self.head(StatusCode::NOT_MODIFIED);
            // They would replace what the browser knows.
            for described in [CONTENT_TYPE, CONTENT_DISPOSITION] {
                response.headers_mut().remove(described);
            }
            response
        })
    }

    /// Decides what `method` with these headers gets.
    pub(super) fn reply(&self, method: &Method, request: &HeaderMap) -> Result<Reply, ApiError> {
        if let Some(known) = self.known(request) {
            return Ok(Reply::Done(known));
        }
        let part = match self.asked(method, request) {
            Answer::Whole => None,
            Answer::Part(part) => Some(part),
            Answer::NotSatisfiable => return Err(ApiError::RangeNotSatisfiable(self.length)),
        };
        let status = match part {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let mut response = self.head(status);
        let headers = response.headers_mut();
        if let Some(Range { start, end }) = &part {
            let range = format!("bytes {start}-{}/{}", end - 1, self.length);
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::try_from(range).map_err(ApiError::internal)?,
            );
        }
        let range = part.unwrap_or(0..self.length);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        Ok(match *method {
            Method::HEAD => Reply::Done(response),
            _ => Reply::Send(range, response),
        })
    }

    /// A range counts with GET alone (RFC 9110 section 14.2).
    fn asked(&self, method: &Method, request: &HeaderMap) -> Answer {
        let mut ranges = request.get_all(RANGE).iter();
        match (ranges.next().map(HeaderValue::to_str), ranges.next()) {
            (Some(Ok(wanted)), None)
                if method == Method::GET && etag::is_range_wanted(request, &self.etag) =>
            {
                range::answer(wanted, self.length)
            }
            _ => Answer::Whole,
        }
    }

    fn head(&self, status: StatusCode) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.insert(CONTENT_DISPOSITION, self.disposition.clone());
        headers.insert(ETAG, self.etag.clone());
        guard(headers);
        response
    }
}

/// What keeps a file, or the way to it, from doing harm.
pub(super) fn guard(headers: &mut HeaderMap) {
    let text = HeaderValue::from_static;
    headers.insert(ACCEPT_RANGES, text("bytes"));
    // A browser keeps it, and asks before it shows it again: access may have ended, or
    // somebody else be signed in.
    headers.insert(CACHE_CONTROL, text("private, no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, text("default-src 'none'; sandbox"));
    // Pages elsewhere may show it, also isolated ones: who embeds it has a ticket.
    headers.insert("cross-origin-resource-policy", text("cross-origin"));
    // The address may have a ticket in it.
    headers.insert(REFERRER_POLICY, text("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, text("nosniff"));
}
