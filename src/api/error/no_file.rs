//! Why a file that is the caller's is not sent. All are 404: to a page it is not there, and
//! the code says whether it may come.

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFile {
    /// It has not been copied yet.
    Pending,
    /// It is larger than what is kept.
    TooLarge,
    /// Its type is not kept, or the homeserver does not hand it out.
    Forbidden,
    /// The homeserver does not have it any more, or the store.
    Missing,
    /// It could not be fetched, and will not be tried again.
    Failed,
    /// It is no picture that a thumbnail can be made of.
    NoThumbnail,
}

impl NoFile {
    /// All of them, for the description.
    pub(super) const ALL: [Self; 6] = [
        Self::Pending,
        Self::TooLarge,
        Self::Forbidden,
        Self::Missing,
        Self::Failed,
        Self::NoThumbnail,
    ];

    /// Of a `state` other than `stored`.
    #[must_use]
    pub fn of_state(state: &str) -> Self {
        match state {
            "pending" => Self::Pending,
            "too_large" => Self::TooLarge,
            "forbidden" => Self::Forbidden,
            "missing" => Self::Missing,
            _ => Self::Failed,
        }
    }

    /// The word that programs compare.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Pending => "media_pending",
            Self::TooLarge => "media_too_large",
            Self::Forbidden => "media_forbidden",
            Self::Missing => "media_missing",
            Self::Failed => "media_failed",
            Self::NoThumbnail => "no_thumbnail",
        }
    }

    /// For people.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Pending => "the file is not archived yet",
            Self::TooLarge => "the file is larger than what is kept",
            Self::Forbidden => "files like this one are not kept",
            Self::Missing => "the file is gone where it was",
            Self::Failed => "the file could not be fetched",
            Self::NoThumbnail => {
                "there are thumbnails of GIF, JPEG, PNG and WebP pictures of at most 32 MiB"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_code() {
        for state in ["pending", "too_large", "forbidden", "missing", "failed"] {
            let code = NoFile::of_state(state).code();
            assert_eq!(code.strip_prefix("media_"), Some(state));
        }
    }
}
