//! Files of the archive.

use std::fmt;

/// The SHA-256 of a file's content, which is its name in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// A file that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub hash: ContentHash,
    /// Bytes.
    pub size: i64,
}

impl TryFrom<&[u8]> for ContentHash {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

/// What [`ContentHash`] shows itself as; nothing else.
impl std::str::FromStr for ContentHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let is_shown_so = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if text.len() != 64 || !text.chars().all(is_shown_so) {
            return Err(NoHash);
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| NoHash)?;
        }
        Ok(Self(bytes))
    }
}

/// A text is no SHA-256 in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no SHA-256")]
pub struct NoHash;

/// Lower-case hexadecimal.
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_32_bytes_and_shown_as_hexadecimal() {
        let hash = ContentHash::try_from(&[0xab; 32][..]).unwrap();
        assert_eq!(hash.to_string(), "ab".repeat(32));
        assert!(ContentHash::try_from(&[0; 31][..]).is_err());
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for none in [
            "",
            "ab",
            &"AB".repeat(32),
            &"é".repeat(32),
            &"+1".repeat(32),
        ] {
            assert_eq!(none.parse::<ContentHash>(), Err(NoHash), "{none}");
        }
    }
}
