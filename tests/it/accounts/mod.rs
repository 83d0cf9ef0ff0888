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

use std::future::Future;

use futures_util::{StreamExt as _, stream};
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

/// Makes tries at once, of which none has to wait for a connection: waiting has an end, and who
/// got none was not counted.
async fn at_once<T: Send + 'static>(
    tries: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let running = stream::iter(tries.map(tokio::spawn)).buffer_unordered(8);
    running.map(Result::unwrap).collect().await
}
