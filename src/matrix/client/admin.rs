//! What only Synapse has: accounts, by its shared secret or by an administrator's token
//! (`/_synapse/admin`, in Synapse's own documentation), and what server it is.

use std::fmt::Write as _;

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use http_body_util::Full;
use hyper::{Method, Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::Sha1;
use url::Url;

use super::{ClientError, Homeserver, rooms::parse};

/// A page of users is the longest of these answers.
const MAX_BYTES: usize = 8 << 20;

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// The part of its Matrix id between `@` and the colon.
    pub localpart: &'a str,
    /// What its owner will log in with.
    pub password: &'a SecretString,
    /// What others see; its localpart unless given.
    pub display_name: Option<&'a str>,
    /// Whether it administers the homeserver.
    pub admin: bool,
    /// Whether it is logged in at once, for a token.
    pub log_in: bool,
}

/// An account that was made.
#[derive(Debug, Deserialize)]
pub struct Account {
    /// Its Matrix id.
    pub user_id: String,
    /// Its token if it was to be logged in.
    pub access_token: Option<SecretString>,
}

/// An account of the homeserver's.
#[derive(Debug, Deserialize)]
pub struct User {
    /// Its Matrix id.
    pub name: String,
    /// What others see.
    #[serde(default, rename = "displayname")]
    pub display_name: Option<String>,
    /// Whether it administers the homeserver.
    #[serde(default)]
    pub admin: bool,
    /// Whether nobody can log in any more.
    #[serde(default)]
    pub deactivated: bool,
    /// When it was made, in milliseconds since 1970.
    #[serde(default)]
    pub creation_ts: i64,
}

/// Some of the accounts.
#[derive(Debug, Deserialize)]
pub struct UsersPage {
    /// In the order of their ids.
    pub users: Vec<User>,
    /// How many there are in all.
    pub total: u64,
    /// Where the next page begins; none after the last.
    pub next_token: Option<String>,
}

/// What a homeserver is made of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Software {
    /// Such as `Synapse`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Homeserver {
    /// Makes an account, proving that we know `registration_shared_secret`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]: 403 is another secret, 400 `M_UNKNOWN` a homeserver that has
    /// none, 404 something that is not Synapse or does not let us at its admin API.
    pub async fn register(
        &self,
        shared_secret: &SecretString,
        account: &NewAccount<'_>,
    ) -> Result<Account, ClientError> {
        #[derive(Deserialize)]
        struct Nonce {
            nonce: String,
        }
        const PATH: &str = "/_synapse/admin/v1/register";
        let asked = self.plain(Method::GET, PATH, &[], None)?;
        let Nonce { nonce } = parse(&self.0.transport.send(asked, MAX_BYTES).await?)?;
        let mut body = json!({
            "nonce": nonce, "username": account.localpart, "admin": account.admin,
            "password": account.password.expose_secret(), "inhibit_login": !account.log_in,
            "mac": proof(shared_secret, &nonce, account)?,
        });
        if let Some(name) = account.display_name {
            body["displayname"] = name.into();
        }
        let request = self.plain(Method::POST, PATH, &[], Some(&body))?;
        parse(&self.0.transport.send(request, MAX_BYTES).await?)
    }

    /// Accounts of the homeserver, guests and those that are deactivated left out. The token
    /// has to be an administrator's.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn users(&self, from: Option<&str>, limit: usize) -> Result<UsersPage, ClientError> {
        let limit = limit.to_string();
        let query = [
            ("from", from.unwrap_or("0")),
            ("limit", &limit),
            ("guests", "false"),
        ];
        let mut request = self.plain(Method::GET, "/_synapse/admin/v2/users", &query, None)?;
        let token = format!("Bearer {}", self.0.as_token.expose_secret());
        let mut token = header::HeaderValue::try_from(token)
            .map_err(|_| ClientError::Invalid("access token"))?;
        token.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, token);
        parse(&self.0.transport.send(request, MAX_BYTES).await?)
    }

    /// What it is made of (server-server API, `GET /_matrix/federation/v1/version`). Where
    /// only the client API is let through, nobody answers this.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn software(&self) -> Result<Software, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            server: Software,
        }
        let request = self.plain(Method::GET, "/_matrix/federation/v1/version", &[], None)?;
        let body = self.0.transport.send(request, MAX_BYTES).await?;
        parse::<Answer>(&body).map(|answer| answer.server)
    }

    /// A request that ruma does not know, without a token.
    fn plain(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let url = format!("{}{path}", self.0.base_url);
        let mut url: Url = url.parse().map_err(|_| ClientError::Invalid("request"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map(Value::to_string).unwrap_or_default().into())
            .map_err(|_| ClientError::Invalid("request"))
    }
}

/// HMAC-SHA1 over what is asked for, as Synapse has it.
fn proof(
    shared_secret: &SecretString,
    nonce: &str,
    account: &NewAccount<'_>,
) -> Result<String, ClientError> {
    let mac = Hmac::<Sha1>::new_from_slice(shared_secret.expose_secret().as_bytes());
    let mut mac = mac.map_err(|_| ClientError::Invalid("shared secret"))?;
    let role = if account.admin { "admin" } else { "notadmin" };
    let password = account.password.expose_secret();
    let said = [nonce, account.localpart, password, role].join("\0");
    mac.update(said.as_bytes());
    let mut hex = String::new();
    for byte in mac.finalize().into_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_what_synapse_expects() {
        let password = SecretString::from("wordpass");
        let account = |admin| NewAccount {
            localpart: "alice",
            password: &password,
            display_name: None,
            admin,
            log_in: false,
        };
        let proof = |admin| proof(&"the-secret".into(), "thenonce", &account(admin)).unwrap();
        // printf 'thenonce\0alice\0wordpass\0notadmin' | openssl dgst -sha1 -hmac the-secret
        assert_eq!(proof(false), "4e1cbf1719e3762ef2bccff36a8ed6b9d6ef22ae");
        assert_eq!(proof(true), "f8b3426377b73f5cd7f44efa03586fbda5929106");
    }
}
