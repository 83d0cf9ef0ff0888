//! Files of the archive.

use std::fmt;

/// The SHA-256 of a file's content, which is its name in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl TryFrom<&[u8]> for ContentHash {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

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
    }
}
