//! `media`: the archive of attachments and avatars.

use std::path::Path;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    error::Report,
    masked, resolve,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::new("store", Kind::Text),
    Key::new("access_key_id", Kind::Secret),
    Key::new("secret_access_key", Kind::Secret),
    Key::new("max_bytes", Kind::Number(1, i64::MAX as u64)),
    Key::new("allowed_types", Kind::Texts),
    Key::new("concurrent", Kind::Number(1, 64)),
    Key::new("on", Kind::Flag),
    Key::new("redirect", Kind::Flag),
];

/// `media`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// `file:<folder>` or `s3://bucket[/prefix]?endpoint=...&region=...&path_style=...`.
    #[serde(serialize_with = "masked::store")]
    pub store: String,
    /// The key of an S3 store; the usual variables of AWS if it is not given.
    #[serde(serialize_with = "masked::secret")]
    pub access_key_id: Option<SecretString>,
    /// And its secret.
    #[serde(serialize_with = "masked::secret")]
    pub secret_access_key: Option<SecretString>,
    /// The largest file kept, in bytes.
    pub max_bytes: u64,
    /// MIME types that are kept; `*` stands for any part.
    pub allowed_types: Vec<String>,
    /// Files copied at once.
    pub concurrent: usize,
    /// Whether media is archived.
    pub on: bool,
    /// Whether browsers are sent to a store that can sign addresses.
    pub redirect: bool,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            store: "file:./data/media".to_owned(),
            access_key_id: None,
            secret_access_key: None,
            max_bytes: 104_857_600,
            allowed_types: vec!["*/*".to_owned()],
            concurrent: 5,
            on: true,
            redirect: true,
        }
    }
}

impl Media {
    /// Makes the folder of a `file:` store absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        let path = self.store.strip_prefix("file:").map(|path| {
            let path = path.strip_prefix("//").unwrap_or(path);
            resolve::absolute(base, Path::new(path))
        });
        if let Some(path) = path {
            self.store = format!("file:{}", path.display());
        }
    }

    pub(super) fn check(&self, report: &mut Report) {
        let known = match self.store.split_once(':') {
            Some(("file", folder)) => !folder.is_empty() && folder != "//",
            Some(("s3", _)) => Url::parse(&self.store).is_ok_and(|url| url.host().is_some()),
            _ => false,
        };
        if !known {
            let right = "`file:./data/media` or `s3://bucket?endpoint=https://...`";
            report.add("media.store", "is no media store", right);
        }
        match (&self.access_key_id, &self.secret_access_key) {
            (Some(_), None) => {
                let what = "has no secret beside it";
                report.add(
                    "media.access_key_id",
                    what,
                    "give media.secret_access_key too",
                );
            }
            (None, Some(_)) => {
                let what = "is of no key";
                report.add(
                    "media.secret_access_key",
                    what,
                    "give media.access_key_id too",
                );
            }
            _ => {}
        }
        if !self.allowed_types.iter().all(|pattern| is_pattern(pattern)) {
            let right = "MIME types such as `image/png`, `image/*` or `*/*`";
            report.add("media.allowed_types", "has an item that is no type", right);
        }
    }
}

fn is_pattern(pattern: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "*!#$&-^_.+".contains(c))
    };
    pattern
        .split_once('/')
        .is_some_and(|(kind, subtype)| part(kind) && part(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(store: &str, allowed: &str) -> Vec<String> {
        let mut report = Report::default();
        let media = Media {
            store: store.to_owned(),
            allowed_types: vec![allowed.to_owned()],
            ..Media::default()
        };
        media.check(&mut report);
        report.keys().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn stores_are_folders_or_buckets() {
        for right in ["file:./media", "file:///srv/media", "s3://bucket?region=x"] {
            assert!(wrong(right, "*/*").is_empty(), "{right}");
        }
        for store in ["./media", "file:", "gs://bucket", "s3://", "s3:bucket"] {
            assert_eq!(wrong(store, "image/svg+xml"), ["media.store"], "{store}");
        }
    }

    #[test]
    fn a_key_has_a_secret_and_a_secret_a_key() {
        let one = || Some(SecretString::from("x"));
        for (id, secret, wrong) in [
            (None, None, None),
            (one(), one(), None),
            (one(), None, Some("media.access_key_id")),
            (None, one(), Some("media.secret_access_key")),
        ] {
            let mut report = Report::default();
            let media = Media {
                access_key_id: id,
                secret_access_key: secret,
                ..Media::default()
            };
            media.check(&mut report);
            assert_eq!(report.keys().into_iter().next(), wrong);
        }
    }

    #[test]
    fn types_have_two_parts() {
        for pattern in ["image", "image/", "*", "image/png; q=1"] {
            assert_eq!(
                wrong("file:x", pattern),
                ["media.allowed_types"],
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_folder_is_relative_to_the_configuration() {
        for (store, resolved) in [
            ("file:./media", "file:/etc/tributary/media"),
            ("file:media", "file:/etc/tributary/media"),
            ("file:///srv/media", "file:/srv/media"),
            ("s3://bucket", "s3://bucket"),
        ] {
            let mut media = Media {
                store: store.to_owned(),
                ..Media::default()
            };
            media.resolve(Path::new("/etc/tributary"));
            assert_eq!(media.store, resolved);
        }
    }
}
