//! Connecting: the one way to the server, for the pool, migrations and `LISTEN` alike.

mod reach;
mod refusal;
mod tls;
mod transport;
mod unnamed;

use diesel::ConnectionError;
use secrecy::SecretString;
use tokio_postgres::{
    Socket,
    config::{SslMode as Offer, SslNegotiation},
    tls::MakeTlsConnect,
};

use self::transport::Transport;
pub use self::{
    reach::{Unreachable, reach},
    refusal::Trouble,
};
use super::{Connection, pool};
use crate::config::postgres_url::{PostgresUrl, SslMode};

/// What can connect to one server, again and again.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    server: tokio_postgres::Config,
    transport: Transport,
    /// How it is done for a server that turns out to have no TLS, which only `prefer` allows
    /// and tokio-postgres sees to, unless the statements' names have to be taken away.
    without_tls: Option<Box<Connector>>,
}

/// Why nobody can connect with this URL.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The URL is wrong.
    #[error("the URL {0}")]
    Url(#[from] crate::config::postgres_url::Unusable),
    /// A file that it names, or the system's certificates, cannot be used.
    #[error("{what}: {source}")]
    File {
        /// What it is for.
        what: &'static str,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

type Stream = <Transport as MakeTlsConnect<Socket>>::Stream;

impl Connector {
    /// For a server, or for a pooler that gives out whole sessions.
    pub(super) fn new(url: &SecretString) -> Result<Self, Unusable> {
        let PostgresUrl { server, ssl } = PostgresUrl::parse(url)?;
        let transport = Transport::named(tls::client_config(&ssl)?);
        Ok(Self {
            server,
            transport,
            without_tls: None,
        })
    }

    /// For a transaction pooler, which knows no prepared statement by name from one
    /// transaction to the next.
    pub(super) fn through_pooler(url: &SecretString) -> Result<Self, Unusable> {
        let PostgresUrl { mut server, ssl } = PostgresUrl::parse(url)?;
        let mut in_the_clear = server.clone();
        // What is behind "TLS" then is no TLS, but a stream like any other.
        in_the_clear
            .ssl_mode(Offer::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        let in_the_clear = Self {
            server: in_the_clear,
            transport: Transport::unnamed(None),
            without_tls: None,
        };
        if ssl.mode == SslMode::Disable {
            return Ok(in_the_clear);
        }
        server.ssl_mode(Offer::Require);
        Ok(Self {
            server,
            transport: Transport::unnamed(tls::client_config(&ssl)?),
            without_tls: (ssl.mode == SslMode::Prefer).then(|| Box::new(in_the_clear)),
        })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection, Trouble> {
        let opened = self.open().await;
        let (client, connection) = opened.map_err(|error| Trouble::from(&error))?;
        let connected = Connection::try_from_client_and_connection(client, connection).await;
        connected.map_err(|error| match error {
            ConnectionError::CouldntSetupConfiguration(error) => pool::trouble(&error),
            error => Trouble::lasting(error),
        })
    }

    async fn open(
        &self,
    ) -> Result<
        (
            tokio_postgres::Client,
            tokio_postgres::Connection<Socket, Stream>,
        ),
        tokio_postgres::Error,
    > {
        match (
            self.server.connect(self.transport.clone()).await,
            &self.without_tls,
        ) {
            (Err(error), Some(other)) if refusal::has_no_tls(&error) => {
                other.server.connect(other.transport.clone()).await
            }
            (opened, _) => opened,
        }
    }

    /// Which process of the server answers two clients that connect one after the other, and
    /// then the first one again: a server has one for each and keeps to it, a transaction
    /// pooler hands out whichever is free.
    pub(super) async fn has_own_sessions(&self) -> Result<bool, Trouble> {
        let asked = async {
            let (one, connection) = self.open().await?;
            let first = tokio::spawn(connection);
            let (other, connection) = self.open().await?;
            let second = tokio::spawn(connection);
            let pids = [pid(&one).await?, pid(&other).await?, pid(&one).await?];
            drop((one, other));
            let _ = tokio::join!(first, second);
            Ok(pids[0] == pids[2] && pids[0] != pids[1])
        };
        asked.await.map_err(|error| Trouble::from(&error))
    }
}

async fn pid(client: &tokio_postgres::Client) -> Result<Option<String>, tokio_postgres::Error> {
    let said = client.simple_query("SELECT pg_backend_pid()").await?;
    Ok(said.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
