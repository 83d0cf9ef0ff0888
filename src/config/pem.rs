//! PEM as people paste it: with literal `\n`, in quotes, with CRLF, on one line, or bare base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::SecretString;

const LINE: usize = 64;

/// A well-formed PEM block (RFC 7468).
pub struct Pem {
    /// What it says it is, for example `PUBLIC KEY`.
    pub label: String,
    /// The whole block, in lines of 64.
    pub text: SecretString,
}

/// Why a text is no PEM. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Something before or after the block, or a BEGIN without its END.
    #[error("it is not exactly one PEM block")]
    NotOneBlock,
    /// What is between the lines is no base64, or is encrypted.
    #[error("its body is not base64")]
    NotBase64,
}

/// Reads `input`, taking bare base64 for a block named `bare_label`.
///
/// # Errors
///
/// [`PemError`] when it is not exactly one block.
pub fn normalize(input: &str, bare_label: &str) -> Result<Pem, PemError> {
    let text = unquote(input).replace("\\r", "\n").replace("\\n", "\n");
    let text = text.trim();
    if text.is_empty() {
        return Err(PemError::Empty);
    }
    let (label, body) = if text.starts_with("-----BEGIN ") {
        block(text).ok_or(PemError::NotOneBlock)?
    } else {
        (bare_label, text)
    };
    let body: String = body.split_whitespace().collect();
    match STANDARD.decode(&body) {
        Ok(der) if !der.is_empty() => Ok(Pem {
            label: label.to_owned(),
            text: wrap(label, &body).into(),
        }),
        _ => Err(PemError::NotBase64),
    }
}

fn unquote(input: &str) -> &str {
    let input = input.trim();
    ['"', '\'']
        .into_iter()
        .find_map(|quote| input.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(input)
}

fn block(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    let body = rest.strip_suffix(&format!("-----END {label}-----"))?;
    (!body.contains("-----")).then_some((label, body))
}

fn wrap(label: &str, body: &str) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, letter) in body.char_indices() {
        if at > 0 && at % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text + &format!("\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\nMDEyMzQ1Njc4OTo7PD0+Pw==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn every_way_of_pasting_gives_the_same_block() {
        let bare = KEY.lines().filter(|line| !line.starts_with('-'));
        for pasted in [
            KEY.to_owned(),
            KEY.trim_end().to_owned(),
            KEY.replace('\n', "\\n"),
            KEY.replace('\n', "\\r\\n"),
            KEY.replace('\n', "\r\n"),
            KEY.replace('\n', " "),
            KEY.replace('\n', ""),
            format!("\"{}\"", KEY.replace('\n', "\\n")),
            format!("'{KEY}'"),
            bare.clone().collect(),
            bare.collect::<Vec<_>>().join("\n"),
        ] {
            let pem = normalize(&pasted, "PUBLIC KEY").expect("a key");
            assert_eq!(pem.label, "PUBLIC KEY");
            assert_eq!(pem.text.expose_secret(), KEY, "{pasted:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let doubled = KEY.repeat(2);
        let encrypted = KEY.replace("AAEC", "Proc-Type: 4,ENCRYPTED\n\nAAEC");
        for (pasted, error) in [
            ("", PemError::Empty),
            ("\"\\n\"", PemError::Empty),
            ("-----BEGIN PUBLIC KEY-----\nAAEC", PemError::NotOneBlock),
            (
                "-----BEGIN A-----\nAAEC\n-----END B-----",
                PemError::NotOneBlock,
            ),
            (doubled.as_str(), PemError::NotOneBlock),
            (encrypted.as_str(), PemError::NotBase64),
            ("-----BEGIN A-----\n-----END A-----", PemError::NotBase64),
            ("/etc/keys/clerk.pem", PemError::NotBase64),
        ] {
            assert_eq!(
                normalize(pasted, "PUBLIC KEY").err(),
                Some(error),
                "{pasted:?}"
            );
        }
    }
}
