//! `check-config`: what is configured, or what is wrong with it.

use crate::{
    commands::output,
    config::{self, Config},
    matrix::registration::{self, Registration},
};

/// Prints the effective configuration, and notes what the registration still needs.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    match Registration::load(&config.appservice.registration) {
        Ok(registration) => compare(config, &registration),
        Err(error @ registration::Error::Missing(_)) => output::note(format_args!("note: {error}")),
        Err(error) => return Err(wrong(&error).into()),
    }
    output::line(config.to_masked_yaml()?.trim_end())?;
    Ok(())
}

fn compare(config: &Config, registration: &Registration) {
    let public_url = config.server.public_url.as_str().trim_end_matches('/');
    let url = registration.url.as_deref().unwrap_or("null");
    if url.trim_end_matches('/') != public_url {
        output::note(
            "note: the url in the registration is not server.public_url; \
             the homeserver calls the one in the registration",
        );
    }
}

/// The registration, which is part of the configuration.
pub(super) fn registration(config: &Config) -> Result<Registration, config::Error> {
    Registration::load(&config.appservice.registration).map_err(|error| wrong(&error))
}

/// A registration that cannot be used, as what is wrong with the configuration.
fn wrong(error: &registration::Error) -> config::Error {
    config::Error {
        problems: vec![config::Problem {
            key: "appservice.registration".to_owned(),
            origin: error.to_string(),
            what: "names a file that cannot be used".to_owned(),
            right: "a registration as `tributary generate-registration` writes it".to_owned(),
        }],
    }
}
