//! `dev-token`: a session token without Clerk.

use chrono::Duration;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{
    auth::{clerk::DEVELOPMENT_ISSUER, dev, dev_pass},
    clock::Clock,
    commands::{Usage, output},
    config::Config,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The Clerk user it stands for, `user_...`.
    #[arg(long, value_name = "USER")]
    user: String,
    /// How long it lives, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=600))]
    ttl: u32,
    /// Prints the address of the console instead, which signs this user in for as long as
    /// the key is the same.
    #[arg(long, conflicts_with = "ttl")]
    console: bool,
}

/// Mints a token and prints it, or what gets tokens for the console.
pub(super) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<()> {
    let mint = Mint::new(config, arguments.user.clone())?;
    if arguments.console {
        if !config.console.on {
            return Err(Usage("there is no console: console.on is false").into());
        }
        output::line(mint.console(&config.server.public_url)?)?;
        return Ok(());
    }
    output::line(mint.token(Duration::seconds(arguments.ttl.into()))?)?;
    Ok(())
}

/// Mints tokens of one user with the development key.
pub(super) struct Mint {
    key: SecretString,
    user: String,
    clock: Clock,
}

impl Mint {
    /// Reads the key; there has to be one.
    pub(super) fn new(config: &Config, user: String) -> anyhow::Result<Self> {
        let file = config.clerk.development_key_file.as_ref().ok_or(Usage(
            "no development key is configured: set clerk.development_key_file \
             to the path of an RSA private key, for development on loopback only",
        ))?;
        let key = std::fs::read_to_string(file)?.into();
        Ok(Self {
            key,
            user,
            clock: Clock::system(),
        })
    }

    /// A token from now on.
    pub(super) fn token(&self, lifetime: Duration) -> anyhow::Result<String> {
        let now = self.clock.now();
        let token = dev::mint(&self.key, DEVELOPMENT_ISSUER, &self.user, now, lifetime)?;
        Ok(token)
    }

    /// The console's address with the user's pass, which is in the fragment: browsers
    /// send that to nobody.
    fn console(&self, public_url: &Url) -> anyhow::Result<String> {
        let pass = dev_pass::pass_of(&self.key, &self.user)?;
        let (base, user) = (public_url.as_str().trim_end_matches('/'), &self.user);
        Ok(format!(
            "{base}/console#user={user}&pass={}",
            pass.expose_secret()
        ))
    }
}
