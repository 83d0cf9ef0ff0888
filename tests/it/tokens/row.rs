//! A line of the table: a token, whom it is shown to, and what becomes of it.

use tributary::auth::clerk::Refusal;

use super::keys;

/// The time at which tokens are judged, unless a row says otherwise.
pub(super) const NOW: i64 = 1_700_000_000;
pub(super) const ISSUER: &str = "https://clerk.example.test";
pub(super) const APP: &str = "https://app.example.test";

/// What Clerk puts into a header today.
const HEADER: [(&str, &str); 4] = [
    ("alg", "\"RS256\""),
    ("cat", "\"cl_B7d4PD111AAA\""),
    ("kid", "\"k1\""),
    ("typ", "\"JWT\""),
];
/// What every session token says: `nbf` is ten seconds before `iat`, `exp` sixty behind it.
const CLAIMS: [(&str, &str); 7] = [
    ("azp", "\"https://app.example.test\""),
    ("exp", "1700000050"),
    ("iat", "1699999990"),
    ("iss", "\"https://clerk.example.test\""),
    ("nbf", "1699999980"),
    ("sid", "\"sess_2GbDB4enNdCa5vS1zpC3Xzg9tK9\""),
    ("sub", "\"user_2GIpXOEpVyJw51rkZn9Kmnc6Sxr\""),
];

/// Members that replace or (when empty) remove those above; a name's second edit says it
/// twice.
pub(super) type Edits<'e> = &'e [(&'e str, &'e str)];

/// What becomes of a token. The words are the verifier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Admitted,
    /// 401, and why.
    Unauthorized(&'static str),
    /// 403, and why.
    Forbidden(&'static str),
}

pub(super) const ADMITTED: Expected = Expected::Admitted;

pub(super) const fn no(reason: &'static str) -> Expected {
    Expected::Unauthorized(reason)
}

pub(super) const fn forbidden(reason: &'static str) -> Expected {
    Expected::Forbidden(reason)
}

impl Expected {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Admitted => 200,
            Self::Unauthorized(_) => 401,
            Self::Forbidden(_) => 403,
        }
    }

    pub(super) const fn code(self) -> Option<&'static str> {
        match self {
            Self::Admitted => None,
            Self::Unauthorized(_) => Some("unauthorized"),
            Self::Forbidden(_) => Some("forbidden"),
        }
    }

    pub(super) const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Admitted => None,
            Self::Unauthorized(reason) => Some(Refusal::Unauthorized(reason)),
            Self::Forbidden(reason) => Some(Refusal::Forbidden(reason)),
        }
    }
}

/// Where a Tributary has its keys from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Keys {
    /// A JWKS, and a development key beside it.
    Fetched,
    /// A PEM.
    Pasted(String),
}

/// What a Tributary is told of Clerk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Setting {
    pub(super) now: i64,
    pub(super) issuer: String,
    pub(super) keys: Keys,
    pub(super) parties: Vec<String>,
    pub(super) skew: u32,
    pub(super) impersonation: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            now: NOW,
            issuer: ISSUER.to_owned(),
            keys: Keys::Fetched,
            parties: Vec::new(),
            skew: 5,
            impersonation: false,
        }
    }
}

impl Setting {
    pub(super) fn pasted() -> Self {
        Self {
            keys: Keys::Pasted(keys::clerk().spki.clone()),
            ..Self::default()
        }
    }

    pub(super) fn parties(parties: &[&str]) -> Self {
        Self {
            parties: parties.iter().map(|&party| party.to_owned()).collect(),
            ..Self::default()
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) setting: Setting,
    pub(super) token: String,
    pub(super) expected: Expected,
}

impl Row {
    pub(super) fn new(name: impl Into<String>, token: String, expected: Expected) -> Self {
        Self {
            name: name.into(),
            setting: Setting::default(),
            token,
            expected,
        }
    }

    pub(super) fn at(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }
}

/// A genuine token with these differences in its header.
pub(super) fn header(name: &str, edits: Edits<'_>, expected: Expected) -> Row {
    let token = keys::clerk().token(&header_text(edits), &claims_text(&[]));
    Row::new(name, token, expected)
}

/// A genuine token with these differences in its claims.
pub(super) fn claims(name: &str, edits: Edits<'_>, expected: Expected) -> Row {
    Row::new(name, genuine(edits), expected)
}

/// A token that Clerk signed, with these differences in its claims.
pub(super) fn genuine(edits: Edits<'_>) -> String {
    keys::clerk().token(&header_text(&[]), &claims_text(edits))
}

pub(super) fn header_text(edits: Edits<'_>) -> String {
    object(&HEADER, edits)
}

pub(super) fn claims_text(edits: Edits<'_>) -> String {
    object(&CLAIMS, edits)
}

fn object(members: &[(&str, &str)], edits: Edits<'_>) -> String {
    let edited = |name: &str| edits.iter().any(|(edit, _)| *edit == name);
    let kept = members.iter().filter(|(name, _)| !edited(name));
    let texts: Vec<_> = kept
        .chain(edits.iter().filter(|(_, value)| !value.is_empty()))
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", texts.join(","))
}
