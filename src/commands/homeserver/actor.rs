//! In whose name something is done.

use super::{
    client,
    explain::{Asked, explain},
    secret::SecretFile,
};
use crate::{
    commands::check_config::registration,
    config::Config,
    matrix::client::{ClientError, Homeserver},
};

#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// Do it as this user of the registration's namespaces, instead of as Tributary's own.
    #[arg(long = "as", value_name = "USER", conflicts_with = "token_file")]
    as_user: Option<String>,
    /// Do it as the owner of the access token in this file; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    token_file: Option<SecretFile>,
}

/// Somebody on the homeserver.
pub(super) struct Actor<'a> {
    pub(super) client: Homeserver,
    /// Their Matrix id.
    pub(super) user_id: String,
    /// None for the owner of the token.
    as_user: Option<String>,
    asked: Asked,
    config: &'a Config,
}

impl Who {
    /// Whether the token comes from stdin.
    pub(super) fn is_on_stdin(&self) -> bool {
        self.token_file.as_ref().is_some_and(SecretFile::is_stdin)
    }

    /// Asks the homeserver who that is.
    pub(super) async fn actor<'a>(&self, config: &'a Config) -> anyhow::Result<Actor<'a>> {
        let (client, asked) = match &self.token_file {
            Some(file) => (client(config, file.read()?)?, Asked::WithToken),
            None => (tributary(config).await?, Asked::AsTributary),
        };
        let as_user = self.as_user.clone();
        let user_id = client.whoami(as_user.as_deref()).await;
        let user_id = user_id.map_err(|error| explain(&error, asked, config))?;
        Ok(Actor {
            client,
            user_id: user_id.into(),
            as_user,
            asked,
            config,
        })
    }
}

/// Tributary's own user, which need not exist before it does something.
async fn tributary(config: &Config) -> anyhow::Result<Homeserver> {
    let registration = registration(config)?;
    let client = client(config, registration.as_token)?;
    let made = client.ensure_registered(&registration.sender_localpart);
    made.await
        .map_err(|error| explain(&error, Asked::AsTributary, config))?;
    Ok(client)
}

impl Actor<'_> {
    /// For calls of the client's.
    pub(super) fn as_user(&self) -> Option<&str> {
        self.as_user.as_deref()
    }

    /// What an error of such a call means.
    pub(super) fn explain(&self, error: &ClientError) -> anyhow::Error {
        explain(error, self.asked, self.config)
    }
}
