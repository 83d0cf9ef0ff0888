//! `media`: the archive of attachments and avatars.

use serde::Deserialize;

/// `media`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// `file:<folder>` or `s3://bucket?endpoint=...`.
    pub store: String,
    /// The largest file kept, in bytes.
    pub max_bytes: u64,
    /// MIME types that are kept; `*` matches.
    pub allowed_types: Vec<String>,
    /// Files copied at once.
    pub concurrent: usize,
    /// Whether media is archived.
    pub on: bool,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            store: "file:./data/media".to_owned(),
            max_bytes: 104_857_600,
            allowed_types: vec!["*/*".to_owned()],
            concurrent: 5,
            on: true,
        }
    }
}
