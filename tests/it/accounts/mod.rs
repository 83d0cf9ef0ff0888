//! Who owns which Matrix user, on a real Postgres.

mod bridge_state;
mod confirm;
mod disconnect;
mod erasure;
mod http;
mod link;
mod proof;
mod purge;
mod report;
mod silence;

use tributary::accounts::{Error, Refused};

use crate::support::{ownership as world, server};

/// Why an operation was refused.
fn refusal<T>(answer: Result<T, Error>) -> Refused {
    match answer {
        Ok(_) => panic!("it was not refused"),
        Err(Error::Refused(refused)) => refused,
        Err(Error::Database(error)) => panic!("{error}"),
    }
}
