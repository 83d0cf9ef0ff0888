//! `log`: how it logs.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::{
    error::Report,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::new("format", Kind::Choice(&["pretty", "json"])),
    Key::new("filter", Kind::Text),
];

/// `log`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `pretty` or `json`.
    pub format: LogFormat,
    /// A tracing filter such as `info` or `tributary=debug`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

impl Log {
    pub(super) fn check(&self, report: &mut Report) {
        if EnvFilter::try_new(&self.filter).is_err() {
            report.add(
                "log.filter",
                "is no filter",
                "a level (`error`, `warn`, `info`, `debug`, `trace`), or such as `info,tributary=debug`",
            );
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Pretty,
            filter: "info".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_to_parse() {
        let check = |filter: &str| {
            let mut report = Report::default();
            let filter = filter.to_owned();
            let log = Log {
                filter,
                ..Log::default()
            };
            log.check(&mut report);
            report.keys().len()
        };
        assert_eq!(check("info,tributary=debug,sqlx=off"), 0);
        assert_eq!(check("tributary=loud"), 1);
    }
}
