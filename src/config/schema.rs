//! The shape of the configuration: which keys there are and what each may hold.
//!
//! serde alone would stop at the first mistake, quote the value it met (a secret, perhaps)
//! and not say where it came from. So every section lists its keys in a table, values are
//! checked against it, and only then is the struct made.

/// One key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Its name in the file; upper-case in the environment.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether there is no default.
    pub(super) required: bool,
}

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A string that is never shown; `<name>_file` is accepted instead.
    Secret,
    /// One secret or a list; `<name>_file` has one a line.
    Secrets,
    /// An `http` or `https` URL.
    Url,
    /// An IP address and a port.
    Address,
    /// A path, relative to the configuration file.
    Path,
    /// A whole number between two bounds, both included.
    Number(u64, u64),
    /// `true` or `false`.
    Flag,
    /// A list of strings.
    Texts,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// More keys.
    Section(&'static [Key]),
    /// A list of sections.
    Sections(&'static [Key]),
}

impl Key {
    /// A key with a default.
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            required: false,
        }
    }

    /// A key that has to be given.
    pub(super) const fn required(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            required: true,
        }
    }
}

impl Kind {
    /// Whether it may be given as `<name>_file`.
    pub(super) const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets)
    }
}

/// What a name in the file or the environment stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    /// The key.
    pub(super) key: &'static Key,
    /// Whether the value is the path of a file with the value.
    pub(super) in_file: bool,
}

/// The key that `name` stands for, itself or as `<name>_file`.
pub(super) fn find(keys: &'static [Key], name: &str) -> Option<Named> {
    if let Some(key) = keys.iter().find(|key| key.name == name) {
        return Some(Named {
            key,
            in_file: false,
        });
    }
    let stem = name.strip_suffix("_file")?;
    let key = keys
        .iter()
        .find(|key| key.name == stem && key.kind.is_secret())?;
    Some(Named { key, in_file: true })
}

/// The path of `name` in the section at `parent`.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}
