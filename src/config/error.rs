//! What is wrong with a configuration, where it came from and what would be right.

use std::{collections::BTreeMap, fmt, io, path::Path};

/// The configuration cannot be used. Lists everything that is wrong, never a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What is wrong, in the order of the configuration; at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The full path of the key, such as `bridges[0].ghosts`.
    pub key: String,
    /// Where its value came from: a line of the file, or an environment variable.
    pub origin: String,
    /// What is wrong with it, to be read after the key.
    pub what: String,
    /// What would be right.
    pub right: String,
}

impl Error {
    /// An error about the file as a whole.
    pub(super) fn about_file(path: &Path, origin: String, what: String, right: &str) -> Self {
        Self {
            problems: vec![Problem {
                key: file_name(path),
                origin,
                what,
                right: right.to_owned(),
            }],
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n\n{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {}", self.key, self.what)?;
        writeln!(f, "    from:  {}", self.origin)?;
        write!(f, "    right: {}", self.right)
    }
}

/// Why a file could not be read, as somebody at a shell knows it.
pub(super) fn unreadable(error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => kind.to_string(),
    };
    format!("cannot be read ({reason})")
}

/// The last part of a path: messages name the file, not the machine's folders.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Where the value of each key came from, for those that were given.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<String, String>);

impl Origins {
    /// Remembers where `key` came from.
    pub(super) fn insert(&mut self, key: String, origin: String) {
        self.0.insert(key, origin);
    }

    fn of(&self, key: &str) -> String {
        self.0.get(key).map_or_else(
            || "not given, so this is its default".to_owned(),
            Clone::clone,
        )
    }
}

/// Collects what the sections find wrong with their values.
#[derive(Debug, Default)]
pub(super) struct Report {
    origins: Origins,
    problems: Vec<Problem>,
}

impl Report {
    /// An empty report about values from these origins.
    pub(super) fn new(origins: Origins) -> Self {
        Self {
            origins,
            problems: Vec::new(),
        }
    }

    /// Adds a problem; `what` is read after the key's name.
    pub(super) fn add(&mut self, key: &str, what: impl Into<String>, right: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            origin: self.origins.of(key),
            what: what.into(),
            right: right.into(),
        });
    }

    /// Nothing, or everything that was found.
    pub(super) fn finish(self) -> Result<(), Error> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Error {
                problems: self.problems,
            })
        }
    }

    /// The keys with problems, for a test of one section.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<&str> {
        self.problems.iter().map(|p| p.key.as_str()).collect()
    }
}
