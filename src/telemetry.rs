//! Logs, on stderr: stdout belongs to what a command prints.

use std::io::{self, IsTerminal as _};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    filter::{ParseError, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::config::{Log, LogFormat};

/// Starts logging as configured, for the life of the process.
///
/// # Errors
///
/// When the filter is none, or logging has been started before.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let registry = filtered(&log.filter)?;
    match log.format {
        LogFormat::Pretty => registry
            .with(
                fmt::layer()
                    .with_ansi(io::stderr().is_terminal())
                    .with_writer(io::stderr),
            )
            .try_init()?,
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(io::stderr),
            )
            .try_init()?,
    }
    Ok(())
}

/// What gets through `filter`, and may.
fn filtered(filter: &str) -> Result<impl Subscriber + for<'a> LookupSpan<'a> + use<>, ParseError> {
    Ok(tracing_subscriber::registry()
        .with(EnvFilter::try_new(filter)?)
        .with(filter_fn(is_discreet)))
}

/// Below `info` the Postgres driver prints the parameters of statements and the
/// WebSocket library its frames: message bodies and tokens, which no filter may
/// let into a log. What a dependency prints there is nothing to vouch for.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_own = target == "tributary" || target.starts_with("tributary::");
    is_own || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_lets_the_traffic_of_dependencies_into_the_log() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().with_writer(move || writer.clone());
        let subscriber = filtered("trace").unwrap().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "tokio_postgres::query", "a parameter");
            tracing::trace!(target: "tungstenite::protocol", "a frame");
            tracing::trace!(target: "tributaryish", "somebody else");
            tracing::warn!(target: "tokio_postgres::connection", "their warning");
            tracing::trace!(target: "tributary::ws", "our trace");
        });
        let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(
            log.contains("their warning") && log.contains("our trace"),
            "{log}"
        );
        assert_eq!(log.lines().count(), 2, "{log}");
    }
}
