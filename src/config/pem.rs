//! Keys as people paste them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What is wrong with a PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no `-----BEGIN ...-----` with its `-----END ...-----`.
    #[error("has no `-----BEGIN ...-----` and `-----END ...-----`")]
    NoArmor,
    /// What is between them is not base64.
    #[error("is cut off or changed: what is between BEGIN and END is no base64")]
    NotBase64,
}

/// A key in the form that parsers take: 64 columns, `\n`, nothing around it.
///
/// Environment variables and dashboards hand out keys with a literal `\n`, in quotes, with
/// CRLF, indented or on a single line; all of that is undone. Only the first block is kept.
///
/// # Errors
///
/// When there is no PEM in the text, or one that does not decode. The key itself is never
/// part of the error.
pub fn normalise(pasted: &str) -> Result<String, Error> {
    let text = pasted
        .replace("\\r", "\n")
        .replace("\\n", "\n")
        .replace(['"', '\''], "");
    let (_, text) = text.split_once("-----BEGIN ").ok_or(Error::NoArmor)?;
    let (label, text) = text.split_once("-----").ok_or(Error::NoArmor)?;
    let end = format!("-----END {label}-----");
    let (body, _) = text.split_once(&end).ok_or(Error::NoArmor)?;

    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(&body).map_err(|_| Error::NotBase64)?;
    if der.is_empty() {
        return Err(Error::NotBase64);
    }
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str(&end);
    pem.push('\n');
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n\
        4lgOEePzNm0tRgeL\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn every_way_of_pasting_gives_the_same_key() {
        let ways = [
            KEY.to_owned(),
            KEY.replace('\n', "\r\n"),
            KEY.replace('\n', "\\n"),
            KEY.replace('\n', "\\r\\n"),
            KEY.replace('\n', " "),
            KEY.replace('\n', "\n    "),
            format!("\"{}\"", KEY.replace('\n', "\\n")),
            format!("'{KEY}'"),
            format!("\n\n{KEY}\n\n"),
            KEY.replace('\n', ""),
        ];
        for way in ways {
            assert_eq!(normalise(&way).as_deref(), Ok(KEY), "{way:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(normalise(""), Err(Error::NoArmor));
        assert_eq!(normalise("MIIBIjANBgkqhki"), Err(Error::NoArmor));
        assert_eq!(normalise(&KEY[..80]), Err(Error::NoArmor));
        assert_eq!(normalise(&KEY.replace("MII", "M!I")), Err(Error::NotBase64));
        let empty = "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----";
        assert_eq!(normalise(empty), Err(Error::NotBase64));
    }
}
