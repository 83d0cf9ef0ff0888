//! Looks whether everything stands as it should, one thing after the other, and says what
//! to do where it does not.
//!
//! What stands on something that has failed is not looked at: its failure would say nothing.
//! Nothing is changed, other than that a small object comes into the media store and goes.

mod bridges;
mod clerk;
mod clocks;
mod database;
mod homeserver;
mod media;
mod ping;
mod registration;
mod report;

use std::{future::Future, time::Duration};

use secrecy::SecretString;

pub use self::report::{Check, Name, Outcome, Problem, Told};
use crate::{clock::Clock, config::Config};

/// For one thing. What it asks gives up before; this is for what hangs nevertheless.
const PATIENCE: Duration = Duration::from_secs(15);

/// For one question to a homeserver, a bridge or Clerk.
const ANSWER: Duration = Duration::from_secs(5);

/// Where the database is, or why that cannot be known.
#[derive(Debug)]
pub enum Place<'a> {
    /// It is somewhere.
    Urls {
        /// `database.url`.
        url: &'a SecretString,
        /// `database.direct_url`.
        direct_url: Option<&'a SecretString>,
    },
    /// The embedded one cannot be started.
    Nowhere(String),
}

/// Looks at everything, and tells of each thing when it was looked at.
pub async fn examine(
    config: &Config,
    database: &Place<'_>,
    clock: &Clock,
    tell: &mut dyn FnMut(&Check),
) -> Vec<Check> {
    let mut chart = Chart {
        checks: Vec::new(),
        tell,
    };
    database::examine(&mut chart, database, clock).await;
    let registration = registration::examine(&mut chart, config).await;
    let found = homeserver::examine(&mut chart, config, registration.as_ref(), clock).await;
    bridges::examine(&mut chart, config, registration.as_ref(), found.as_ref()).await;
    clerk::examine(&mut chart, config, clock).await;
    media::examine(&mut chart, config).await;
    chart.checks
}

/// What was looked at so far.
struct Chart<'a> {
    checks: Vec<Check>,
    tell: &'a mut dyn FnMut(&Check),
}

impl Chart<'_> {
    /// Looks at something: what was found, and what to say of it.
    async fn look<T>(
        &mut self,
        name: Name,
        look: impl Future<Output = Result<(T, String), Problem>>,
    ) -> Option<T> {
        self.look_at_bridge(name, None, look).await
    }

    /// The same, at something of a bridge's.
    async fn look_at_bridge<T>(
        &mut self,
        name: Name,
        bridge: Option<&str>,
        look: impl Future<Output = Result<(T, String), Problem>>,
    ) -> Option<T> {
        let looked = tokio::time::timeout(PATIENCE, look).await;
        let looked = looked.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Problem::new(
                "timeout",
                format!("nothing came of it within {seconds} seconds"),
                "look what hangs there, then run doctor again",
            ))
        });
        let (found, outcome) = match looked {
            Ok((found, seen)) => (Some(found), Outcome::Ok(seen)),
            Err(problem) => (None, Outcome::Failed(problem)),
        };
        self.add(name, bridge, outcome);
        found
    }

    /// Says that something cannot be looked at while something else does not work.
    fn needs(&mut self, name: Name, bridge: Option<&str>, needed: Name) {
        self.add(name, bridge, Outcome::Needs(needed));
    }

    fn add(&mut self, name: Name, bridge: Option<&str>, outcome: Outcome) {
        let check = Check {
            name,
            bridge: bridge.map(str::to_owned),
            outcome,
        };
        (self.tell)(&check);
        self.checks.push(check);
    }
}
