//! Clerk: whether there are keys to verify session tokens with.

use url::Url;

use super::{Chart, Name, Problem};
use crate::{
    auth::clerk::{RefreshError, Verifier},
    clock::Clock,
    config::Config,
};

pub(super) async fn examine(chart: &mut Chart<'_>, config: &Config, clock: &Clock) {
    chart.look(Name::ClerkKeys, keys(config, clock)).await;
}

async fn keys(config: &Config, clock: &Clock) -> Result<((), String), Problem> {
    let verifier = Verifier::new(&config.clerk, clock.clone()).map_err(|error| {
        let fix = "put right what it names; `tributary check-config` shows the rest";
        Problem::new("clerk_key", error.to_string(), fix)
    })?;
    // What may be secret in an address is not told.
    let shown = |url: &Url| format!("{}{}", url.origin().ascii_serialization(), url.path());
    let url = verifier.keys_url().map(shown);
    let counted = verifier.count_keys().await;
    if let (Err(error), true) = (&counted, config.clerk.is_stand_in()) {
        let url = url.unwrap_or_default();
        return Ok((
            (),
            format!(
                "1 key, for development; none from {url} ({error}), which is no Clerk instance's"
            ),
        ));
    }
    let keys = counted.map_err(|error| unavailable(&error, url.as_deref()))?;
    let keys = if keys == 1 {
        "1 key".to_owned()
    } else {
        format!("{keys} keys")
    };
    let development = match config.clerk.development_key_file {
        Some(_) => ", one of them for development",
        None => "",
    };
    let seen = match url {
        Some(url) => format!("{keys}{development}, from {url}"),
        None => format!("{keys}{development}, of the configuration"),
    };
    Ok(((), seen))
}

fn unavailable(error: &RefreshError, url: Option<&str>) -> Problem {
    let url = url.unwrap_or_default();
    let code = match error {
        RefreshError::Fetch(_) => "clerk_unreachable",
        RefreshError::Status(_) | RefreshError::NoKeys => "clerk_no_keys",
    };
    Problem::new(
        code,
        format!("no keys from {url}: {error}"),
        "clerk.publishable_key (or clerk.issuer) has to be your instance's, as the Clerk dashboard shows it\n\
         under API keys, and this machine has to reach it. Where it cannot, paste the instance's\n\
         public key into clerk.jwt_key",
    )
}
