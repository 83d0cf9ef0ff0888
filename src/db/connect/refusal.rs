//! Why a server was not reached or not trusted, for people: never a password.

use std::{
    error::Error as _,
    fmt::Display,
    io::{self, ErrorKind},
};

use rustls::CertificateError;

/// Why the server was not to be had, or let go of what it was doing.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Trouble {
    reason: String,
    is_away: bool,
}

impl Trouble {
    /// Trouble that passes: nothing is wrong but that the server is not there.
    #[must_use]
    pub fn passing(reason: impl Display) -> Self {
        Self {
            reason: reason.to_string(),
            is_away: true,
        }
    }

    /// Trouble that waiting does not mend.
    #[must_use]
    pub fn lasting(reason: impl Display) -> Self {
        Self {
            reason: reason.to_string(),
            is_away: false,
        }
    }

    /// Whether nothing is wrong but that the server is not there, is starting, or is full: the
    /// same may work later. What it refuses, such as a password, it will refuse again.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away
    }
}

impl From<&tokio_postgres::Error> for Trouble {
    fn from(error: &tokio_postgres::Error) -> Self {
        Self {
            reason: explain(error),
            is_away: is_away(error),
        }
    }
}

/// Classes of SQLSTATE that pass.
const AWAY: [&str; 4] = ["08", "53", "57", "55"];

/// What the server says to whoever connects when its disk is full, with the SQLSTATE of what should not happen.
const FULL: &str = "could not write init file";

/// Whether the server said that it has no TLS.
pub(super) fn has_no_tls(error: &tokio_postgres::Error) -> bool {
    error
        .source()
        .is_some_and(|cause| cause.to_string() == "server does not support TLS")
}

/// Whether the server is not there, is starting or stopping, or has no room, and has not
/// refused whoever asked.
fn is_away(error: &tokio_postgres::Error) -> bool {
    if let Some(said) = error.as_db_error() {
        // Connection exceptions (as a pooler has them), insufficient resources, operator
        // intervention, and a database that takes no connections at the moment.
        let is_of = |class: &&str| said.code().code().starts_with(class);
        return AWAY.iter().any(is_of) || said.message().starts_with(FULL);
    }
    if tls_error(error).is_some() {
        return false;
    }
    let io = error.source().and_then(|cause| cause.downcast_ref());
    let is_foreign = |io: &io::Error| {
        matches!(
            io.kind(),
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::PermissionDenied
        )
    };
    error.is_closed() || io.is_some_and(|io| !is_foreign(io))
}

/// What went wrong, and what to do about it.
fn explain(error: &tokio_postgres::Error) -> String {
    if has_no_tls(error) {
        return "the server has no TLS, which sslmode asks for: turn it on there (ssl = on), or \
                set sslmode=disable on a network of your own"
            .to_owned();
    }
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(wrong)) => certificate(wrong),
        Some(error) => format!("TLS failed: {error}"),
        // It says in which step, and what is behind it why.
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let io = error.source()?.downcast_ref::<io::Error>()?;
    io.get_ref()?.downcast_ref()
}

fn certificate(wrong: &CertificateError) -> String {
    let hint = match wrong {
        CertificateError::UnknownIssuer => {
            "it is by an authority that is not trusted here; name the authority's certificate in \
             database.ca_file, or sslrootcert"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, or the clock here is wrong"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name than the URL's; use a name that it is for, or \
             sslmode=verify-ca with an authority of your own"
        }
        _ => "it cannot be used",
    };
    format!("the server's certificate is refused: {hint} ({wrong})")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_postgres::NoTls;

    use super::*;

    /// What becomes of a connection that a server refuses in this way.
    async fn refused(code: &str, message: &str) -> Trouble {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fields = format!("SFATAL\0C{code}\0M{message}\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap();
        let server = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.read_u8().await.unwrap();
            let said = [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat();
            peer.write_all(&said).await.unwrap();
            peer
        };
        let config = format!("host=127.0.0.1 port={port} user=a");
        let (error, _peer) = tokio::join!(tokio_postgres::connect(&config, NoTls), server);
        Trouble::from(&error.err().unwrap())
    }

    #[tokio::test]
    async fn what_passes_is_known_by_its_code_or_where_that_says_nothing_by_its_words() {
        for (code, message, is_away) in [
            ("53300", "too many connections for role \"a\"", true),
            ("57P03", "the database system is starting up", true),
            ("XX000", "could not write init file", true),
            ("XX000", "cache lookup failed for relation 1", false),
            (
                "28P01",
                "password authentication failed for user \"a\"",
                false,
            ),
        ] {
            let trouble = refused(code, message).await;
            assert_eq!(trouble.is_away(), is_away, "{trouble}");
        }
    }
}
