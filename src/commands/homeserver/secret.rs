//! Secrets that are not arguments.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{TryRngCore as _, rngs::OsRng};
use secrecy::SecretString;

use crate::commands::Usage;

/// Longer than any token or password, in bytes.
const LONGEST: u64 = 64 << 10;

/// A file that holds a secret and nothing else; `-` is stdin.
#[derive(Debug, Clone)]
pub(super) struct SecretFile(PathBuf);

impl From<std::ffi::OsString> for SecretFile {
    fn from(path: std::ffi::OsString) -> Self {
        Self(path.into())
    }
}

impl SecretFile {
    /// Whether it is stdin.
    pub(super) fn is_stdin(&self) -> bool {
        self.0 == Path::new("-")
    }

    /// The secret, without the newline at its end.
    pub(super) fn read(&self) -> anyhow::Result<SecretString> {
        let name = if self.is_stdin() {
            "stdin".to_owned()
        } else {
            self.0.display().to_string()
        };
        let text = if self.is_stdin() {
            all_of(io::stdin().lock())
        } else {
            File::open(&self.0).and_then(all_of)
        };
        let text = text.with_context(|| format!("cannot read {name}"))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() || secret.contains('\n') {
            bail!("{name} has to hold the secret in one line, and nothing else");
        }
        Ok(secret.into())
    }
}

/// At most one of them can be stdin.
pub(super) fn one_stdin(given: &[bool]) -> Result<(), Usage> {
    if given.iter().filter(|is_stdin| **is_stdin).count() > 1 {
        return Err(Usage(
            "only one thing can come from stdin: put the others into files",
        ));
    }
    Ok(())
}

/// Everything that somebody wrote, up to what nobody writes.
pub(super) fn all_of(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A password of 160 random bits.
pub(super) fn password() -> anyhow::Result<String> {
    let mut bytes = [0; 20];
    OsRng
        .try_fill_bytes(&mut bytes)
        .context("the system gives no randomness")?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let read = SecretFile(path.clone()).read();
            read.map(|secret| secret.expose_secret().to_owned())
        };
        assert_eq!(read("secret").unwrap(), "secret");
        assert_eq!(read(" secret \r\n").unwrap(), " secret ");
        for content in ["", "\n", "secret\nsecret\n"] {
            let error = format!("{:#}", read(content).unwrap_err());
            assert!(!error.contains("secret\n"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(SecretFile(path).read().is_err());
    }

    #[test]
    fn a_password_is_another_each_time() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 27);
    }

    #[test]
    fn stdin_is_read_once() {
        assert!(one_stdin(&[true, false]).is_ok());
        assert!(one_stdin(&[true, false, true]).is_err());
    }
}
