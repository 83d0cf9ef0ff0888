//! `GET /console/settings.json`: what the customer's part has to know of this
//! installation. Nothing of it is secret.

use axum::{Json, extract::State, http::header::CACHE_CONTROL, response::IntoResponse};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{app::AppState, config};

/// How one signs in, and what is there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    version: &'static str,
    /// Whether a development pass gets tokens.
    development: bool,
    /// Where people sign in; none when no Clerk instance is configured that has such a place.
    clerk: Option<Clerk>,
    /// Whether the operator's part is at this address.
    operator: bool,
}

/// What Clerk's script needs.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Clerk {
    pub(super) publishable_key: String,
    /// The origin of Clerk's Frontend API, which also serves the script.
    pub(super) frontend_api: String,
}

impl Clerk {
    /// Of the configured instance. The issuer is its Frontend API; the publishable key
    /// is that host, and whether it is for real.
    pub(super) fn of(config: &config::Clerk) -> Option<Self> {
        let frontend_api = config.issuer.as_deref()?.trim_end_matches('/');
        let host = frontend_api.strip_prefix("https://")?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        if !host.bytes().all(is_host) {
            return None;
        }
        let is_test = host.ends_with(".clerk.accounts.dev");
        let kind = if is_test { "test" } else { "live" };
        let made = || format!("pk_{kind}_{}", STANDARD.encode(format!("{host}$")));
        Some(Self {
            publishable_key: config.publishable_key.clone().unwrap_or_else(made),
            frontend_api: frontend_api.to_owned(),
        })
    }
}

pub(super) async fn settings(State(app): State<AppState>) -> impl IntoResponse {
    let settings = Settings {
        version: env!("CARGO_PKG_VERSION"),
        development: app.config.clerk.development_key_file.is_some(),
        clerk: Clerk::of(&app.config.clerk),
        operator: app.config.server.operator_bind.is_none(),
    };
    ([(CACHE_CONTROL, "no-store")], Json(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(issuer: &str, key: Option<&str>) -> Option<Clerk> {
        Clerk::of(&config::Clerk {
            issuer: Some(issuer.to_owned()),
            publishable_key: key.map(str::to_owned),
            ..config::Clerk::default()
        })
    }

    #[test]
    fn the_key_says_the_host() {
        let clerk = of("https://quiet-fox-1.clerk.accounts.dev", None).unwrap();
        let key = "pk_test_cXVpZXQtZm94LTEuY2xlcmsuYWNjb3VudHMuZGV2JA==";
        assert_eq!(clerk.publishable_key, key);
        let live = of("https://clerk.example.org", None).unwrap();
        assert!(live.publishable_key.starts_with("pk_live_"));
        let given = of("https://clerk.example.org", Some("pk_live_x")).unwrap();
        assert_eq!(given.publishable_key, "pk_live_x");
    }

    #[test]
    fn nothing_but_a_host_reaches_the_policy() {
        for issuer in [
            "http://127.0.0.1:1",
            "https://a.example/path",
            "https://a.example; script-src *",
            "https://a.example *",
        ] {
            assert_eq!(of(issuer, None), None, "{issuer}");
        }
    }
}
