//! `tail`: the events of a user, as they come.

mod session;

use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use self::session::{End, Session};
use crate::{
    commands::{Usage, dev_token::Mint, output},
    config::{self, Config},
};

/// How long a minted token lives; it is renewed in good time.
const LIFETIME: Duration = Duration::from_mins(5);

/// The first wait before connecting again, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Before connecting again where others have taken the user's last place.
const CROWDED: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Begin with what followed this cursor, instead of with what comes next.
    #[arg(long, value_name = "CURSOR")]
    since: Option<String>,
    /// The session token to connect with; better given by its variable than on the command line.
    #[arg(
        long,
        env = "TRIBUTARY_TOKEN",
        hide_env_values = true,
        conflicts_with = "user"
    )]
    token: Option<SecretString>,
    /// Connect as this Clerk user, with tokens signed by the development key.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Where Tributary is, instead of `server.public_url`.
    #[arg(long)]
    url: Option<Url>,
}

/// Where the session tokens come from.
enum Tokens {
    Given(SecretString),
    Minted(Mint),
}

impl Tokens {
    fn next(&self) -> anyhow::Result<SecretString> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::Minted(mint) => {
                let lifetime = chrono::Duration::from_std(LIFETIME)?;
                Ok(mint.token(lifetime)?.into())
            }
        }
    }

    /// When a token that was just taken has to be renewed, if it can be.
    fn renewal(&self) -> Option<Duration> {
        matches!(self, Self::Minted(_)).then_some(LIFETIME * 4 / 5)
    }
}

/// Prints events until Ctrl-C, connecting again whenever the connection is lost.
///
/// The configuration is only loaded for what the arguments leave open.
pub(super) async fn run(
    arguments: Arguments,
    config: impl Fn() -> Result<Config, config::Error>,
) -> anyhow::Result<()> {
    let tokens = match (arguments.token, arguments.user) {
        (Some(token), _) => Tokens::Given(token),
        (None, Some(user)) => Tokens::Minted(Mint::new(&config()?, user)?),
        (None, None) => bail!(Usage(
            "whose events? Give --user, or a session token in TRIBUTARY_TOKEN"
        )),
    };
    let url = match arguments.url {
        Some(url) => url,
        None => config()?.server.public_url,
    };
    let url = websocket_url(url)?;
    // Before the first line, after which a shell's pipeline may well interrupt.
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        followed = follow(&url, &tokens, arguments.since) => followed,
    }
}

/// Follows the stream over connections; returns only with an error.
async fn follow(url: &Url, tokens: &Tokens, since: Option<String>) -> anyhow::Result<()> {
    let mut cursor = since;
    let mut backoff = BACKOFF.0;
    loop {
        let token = tokens.next()?;
        let reason = match Session::open(url, &token, cursor.as_deref()).await {
            Ok(mut session) => {
                let end = session.follow(tokens, &mut cursor).await?;
                if session.is_live() {
                    backoff = BACKOFF.0;
                }
                end
            }
            Err(end) => end,
        };
        match reason {
            End::Refused(reason) => bail!("the session token was refused: {reason}"),
            End::Unexpected(reason) => bail!("{reason}"),
            End::Lost(reason) => {
                output::note(format_args!("{reason}; connecting again in {backoff:?}"));
            }
            End::Crowded(reason) => {
                output::note(format_args!("{reason}; connecting again in {CROWDED:?}"));
                tokio::time::sleep(CROWDED).await;
                continue;
            }
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF.1);
    }
}

/// The address of the stream of a Tributary at `url`.
fn websocket_url(mut url: Url) -> anyhow::Result<Url> {
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => bail!(Usage("--url takes an http or https URL")),
    };
    url.set_scheme(scheme)
        .ok()
        .context("the scheme of the URL cannot be changed")?;
    let path = format!("{}/ws", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_below_the_public_url() {
        for (url, stream) in [
            ("http://127.0.0.1:29330", "ws://127.0.0.1:29330/ws"),
            ("https://chat.example.org/", "wss://chat.example.org/ws"),
            ("https://example.org/chat/", "wss://example.org/chat/ws"),
        ] {
            let url = websocket_url(url.parse().unwrap()).unwrap();
            assert_eq!(url.as_str(), stream);
        }
        assert!(websocket_url("ftp://example.org".parse().unwrap()).is_err());
    }
}
