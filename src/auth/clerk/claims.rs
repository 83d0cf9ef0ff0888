//! PURE: what a token says of itself, judged before anybody asks who signed it.

use chrono::{DateTime, Utc};

use super::{
    LONGEST_LIFETIME, Refusal, Session, is_id,
    jwt::{Jwt, Members},
};

/// Clerk's category of session tokens; templates and machines have others.
const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";

/// What an issuer's tokens have to say.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) issuer: String,
    /// The `azp` that are accepted; empty accepts any, and none.
    pub(super) authorized_parties: Vec<String>,
    pub(super) skew_seconds: i64,
    pub(super) allow_impersonation: bool,
}

/// What a token says, if its signature is right.
#[derive(Debug)]
pub(super) struct Claimed {
    session: Session,
    forbidden: Option<&'static str>,
}

impl Claimed {
    /// To be called once the signature is known to be right: only then is there a session to
    /// be forbidden.
    pub(super) fn admit(self) -> Result<Session, Refusal> {
        match self.forbidden {
            Some(reason) => Err(Refusal::Forbidden(reason)),
            None => Ok(self.session),
        }
    }
}

/// Judges the header and gives the name of the key. Whatever else it says of keys (`jku`,
/// `x5u`, `jwk`) is the bearer's word and not heard.
pub(super) fn check_header<'j>(token: &'j Jwt<'_>) -> Result<Option<&'j str>, Refusal> {
    let header = &token.header;
    ensure(header.text("alg") == Some("RS256"), "alg")?;
    ensure(absent_or(header, "typ", "JWT"), "typ")?;
    ensure(header.get("crit").is_none(), "crit")?;
    ensure(absent_or(header, "cat", SESSION_CATEGORY), "category")?;
    optional_text(header, "kid")
}

/// Judges the claims at the time `now`; the issuer has been found equal by who chose `policy`.
pub(super) fn check_claims(
    claims: &Members,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Claimed, Refusal> {
    let user_id = id(claims, "sub", "user_").ok_or(Refusal::Unauthorized("sub"))?;
    let session_id = id(claims, "sid", "sess_").ok_or(Refusal::Unauthorized("sid"))?;
    let azp = optional_text(claims, "azp")?;
    ensure(is_authorized(azp, &policy.authorized_parties), "azp")?;
    let (issued_at, expires_at) = check_times(claims, policy.skew_seconds, now)?;
    Ok(Claimed {
        session: Session {
            user_id,
            session_id,
            expires_at,
            issued_at,
            azp: azp.map(str::to_owned),
        },
        forbidden: forbidden(claims, policy),
    })
}

fn is_authorized(azp: Option<&str>, parties: &[String]) -> bool {
    parties.is_empty()
        || azp.is_some_and(|azp| !azp.is_empty() && parties.iter().any(|party| party == azp))
}

fn check_times(
    claims: &Members,
    skew: i64,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), Refusal> {
    let expires_at = time(claims, "exp").ok_or(Refusal::Unauthorized("exp"))?;
    let not_before = time(claims, "nbf").ok_or(Refusal::Unauthorized("nbf"))?;
    let issued_at = time(claims, "iat").ok_or(Refusal::Unauthorized("iat"))?;
    let skew = chrono::Duration::seconds(skew);
    ensure(expires_at + skew > now, "expired")?;
    ensure(not_before - skew <= now, "not_yet")?;
    ensure(issued_at - skew <= now, "issued_in_future")?;
    let lifetime = expires_at - issued_at;
    ensure(lifetime >= chrono::Duration::zero(), "lifetime")?;
    ensure(lifetime <= LONGEST_LIFETIME, "lifetime")?;
    ensure(
        (issued_at - not_before).abs() <= LONGEST_LIFETIME,
        "lifetime",
    )?;
    Ok((issued_at, expires_at))
}

fn forbidden(claims: &Members, policy: &Policy) -> Option<&'static str> {
    if !absent_or(claims, "sts", "active") {
        return Some("session_not_active");
    }
    let impersonates = claims.get("act").is_some();
    (impersonates && !policy.allow_impersonation).then_some("impersonation")
}

/// Whole seconds since 1970, until the year 9999.
fn time(claims: &Members, name: &str) -> Option<DateTime<Utc>> {
    const LATEST: i64 = 253_402_300_799;
    let seconds = i64::try_from(claims.get(name)?.as_u64()?).ok()?;
    (seconds <= LATEST).then(|| DateTime::from_timestamp(seconds, 0))?
}

fn id(claims: &Members, name: &str, prefix: &str) -> Option<String> {
    let id = claims.text(name)?;
    is_id(id, prefix).then(|| id.to_owned())
}

fn absent_or(members: &Members, name: &str, expected: &str) -> bool {
    members.get(name).is_none_or(|value| value == expected)
}

fn optional_text<'m>(members: &'m Members, name: &'static str) -> Result<Option<&'m str>, Refusal> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(Refusal::Unauthorized(name)),
    }
}

fn ensure(holds: bool, reason: &'static str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::Unauthorized(reason))
    }
}
