//! What browsers may do with the console's pages.
//!
//! All that is shown was written by strangers: nothing but the console's own scripts
//! runs, nothing is sent elsewhere, and no string ever becomes markup (Trusted Types).
//! Clerk's script runs on the sign-in page only, which never sees a message or a key.

use axum::http::HeaderValue;

use super::{files::Folder, settings::Clerk};
use crate::config::Config;

/// The headers of every file.
const ALWAYS: [(&str, &str); 7] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-robots-tag", "noindex"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The policies of all pages.
#[derive(Debug, Clone)]
pub(super) struct Policies {
    pages: HeaderValue,
    sign_in: HeaderValue,
}

impl Policies {
    /// As this configuration wants them.
    pub(super) fn of(config: &Config) -> Self {
        let strictest = HeaderValue::from_static("default-src 'none'; sandbox");
        let as_header =
            |policy: String| HeaderValue::try_from(policy).unwrap_or_else(|_| strictest.clone());
        let socket = socket_origin(&config.server.public_url);
        let sign_in = Clerk::of(&config.clerk).map(|clerk| sign_in(&clerk.frontend_api));
        Self {
            pages: as_header(pages(&socket)),
            sign_in: as_header(sign_in.unwrap_or_default()),
        }
    }

    /// The headers of a file.
    pub(super) fn headers(
        &self,
        folder: Folder,
    ) -> impl Iterator<Item = (&'static str, HeaderValue)> {
        let policy = match folder {
            Folder::SignIn => &self.sign_in,
            _ => &self.pages,
        };
        ALWAYS
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .chain([("content-security-policy", policy.clone())])
    }
}

/// `'self'` means the socket as well, but not to every browser.
fn socket_origin(public_url: &url::Url) -> String {
    public_url
        .origin()
        .ascii_serialization()
        .replacen("http", "ws", 1)
}

fn pages(socket: &str) -> String {
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        &format!("connect-src 'self' {socket}"),
        "img-src 'self' blob: data:",
        "media-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    .join("; ")
}

/// What Clerk's script asks for, in its own words:
/// <https://clerk.com/docs/guides/secure/best-practices/csp-headers>. Its protection against
/// abuse is served on other ports as well.
fn sign_in(frontend_api: &str) -> String {
    [
        "default-src 'none'",
        &format!(
            "script-src 'self' {frontend_api} https://challenges.cloudflare.com https://*.protect.clerk.com"
        ),
        "style-src 'self' 'unsafe-inline'",
        &format!("connect-src 'self' {frontend_api} https://*.protect.clerk.com:*"),
        "img-src 'self' data: https://img.clerk.com",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "frame-src https://challenges.cloudflare.com https://*.protect.clerk.com",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
    .join("; ")
}
