//! One connection of `tail`.

use std::{future::pending, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio::{net::TcpStream, time};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        ClientRequestBuilder, Error, Message,
        http::{StatusCode, Uri},
        protocol::CloseFrame,
    },
};
use url::Url;

use super::{Tokens, output};
use secrecy::{ExposeSecret as _, SecretString};

/// The subprotocol that Tributary answers with.
const PROTOCOL: &str = "tributary.v1";

/// Longer than a few of the server's pings: without any of them the connection is gone.
const SILENCE: Duration = Duration::from_secs(90);

/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(15);

/// The close code for a token that is expired or revoked.
const TOKEN_GONE: u16 = 4401;

/// The close code for more sockets than a user may have.
const TOO_MANY: u16 = 4429;

/// Why a connection ended, or never began.
pub(super) enum End {
    /// The token is no good; another attempt with it would not help.
    Refused(String),
    /// This is not a stream of Tributary.
    Unexpected(String),
    /// Anything that may be better in a moment.
    Lost(String),
    /// Another socket of the user's took its place: to come back at once would take another's.
    Crowded(String),
}

/// A connection.
pub(super) struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    live: bool,
}

/// What `tail` has to know of a frame.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    cursor: Option<String>,
}

impl Session {
    /// Connects; with a cursor, to go on from there.
    pub(super) async fn open(
        url: &Url,
        token: &SecretString,
        cursor: Option<&str>,
    ) -> Result<Self, End> {
        let address = url;
        let mut url = url.clone();
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("since", cursor);
        }
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|_| End::Unexpected("the URL cannot be connected to".to_owned()))?;
        let request = ClientRequestBuilder::new(uri)
            .with_sub_protocol(PROTOCOL)
            .with_sub_protocol(format!("bearer.{}", token.expose_secret()));
        match time::timeout(CONNECTING, connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(Self {
                socket,
                live: false,
            }),
            Ok(Err(Error::Http(response))) => Err(not_upgraded(response.status())),
            Ok(Err(error)) => Err(End::Lost(format!("cannot connect to {address}: {error}"))),
            Err(_) => Err(End::Lost(format!("cannot connect to {address}: no answer"))),
        }
    }

    /// Whether the server has greeted: then whatever comes is no fault of the address.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Prints events until the connection ends, and keeps `cursor` at the last one printed.
    pub(super) async fn follow(
        &mut self,
        tokens: &Tokens,
        cursor: &mut Option<String>,
    ) -> anyhow::Result<End> {
        let mut renew_at = tokens.renewal().map(|wait| time::Instant::now() + wait);
        loop {
            let renewal = async {
                match renew_at {
                    Some(at) => time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            let message = tokio::select! {
                message = time::timeout(SILENCE, self.socket.next()) => message,
                () = renewal => {
                    renew_at = tokens.renewal().map(|wait| time::Instant::now() + wait);
                    let auth = json!({"type": "auth", "token": tokens.next()?.expose_secret()});
                    if let Err(error) = self.socket.send(Message::text(auth.to_string())).await {
                        return Ok(End::Lost(error.to_string()));
                    }
                    continue;
                }
            };
            match message {
                Ok(Some(Ok(Message::Text(text)))) => self.print(&text, cursor)?,
                Ok(Some(Ok(Message::Close(frame)))) => return Ok(closed(tokens, frame)),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Ok(End::Lost(error.to_string())),
                Ok(None) => return Ok(End::Lost("the connection was closed".to_owned())),
                Err(_) => return Ok(End::Lost("the connection went silent".to_owned())),
            }
        }
    }

    /// Prints a frame on one line, unless it only answers what `tail` itself sent.
    fn print(&mut self, text: &str, cursor: &mut Option<String>) -> anyhow::Result<()> {
        let Ok(frame) = serde_json::from_str::<Frame>(text) else {
            output::note("a frame could not be read and was left out");
            return Ok(());
        };
        self.live |= frame.kind == "hello";
        if !matches!(frame.kind.as_str(), "authed" | "pong") {
            if text.contains('\n') {
                output::line(serde_json::from_str::<serde_json::Value>(text)?)?;
            } else {
                output::line(text)?;
            }
        }
        if frame.cursor.is_some() {
            *cursor = frame.cursor;
        }
        Ok(())
    }
}

fn not_upgraded(status: StatusCode) -> End {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => End::Refused(status.to_string()),
        StatusCode::TOO_MANY_REQUESTS => End::Lost(status.to_string()),
        status if status.is_server_error() => End::Lost(status.to_string()),
        status => End::Unexpected(format!("this is no Tributary: it answered {status}")),
    }
}

fn closed(tokens: &Tokens, frame: Option<CloseFrame>) -> End {
    let Some(frame) = frame else {
        return End::Lost("the connection was closed".to_owned());
    };
    let reason = format!("closed with {} {}", frame.code, frame.reason);
    match (u16::from(frame.code), tokens) {
        (TOKEN_GONE, Tokens::Given(_)) => End::Refused(reason.trim_end().to_owned()),
        (TOO_MANY, _) => End::Crowded(reason.trim_end().to_owned()),
        _ => End::Lost(reason.trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_place_is_taken_does_not_take_it_back_at_once() {
        let tokens = Tokens::Given("a.b.c".into());
        let end = |code: u16| {
            let reason = String::new().into();
            let code = code.into();
            closed(&tokens, Some(CloseFrame { code, reason }))
        };
        assert!(matches!(end(4429), End::Crowded(_)));
        assert!(matches!(end(4401), End::Refused(_)));
        assert!(matches!(end(1012), End::Lost(_)));
        assert!(matches!(closed(&tokens, None), End::Lost(_)));
    }
}
