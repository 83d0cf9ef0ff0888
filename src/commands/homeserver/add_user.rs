//! `homeserver add-user`: an account on Synapse, with its registration shared secret.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{
    client,
    explain::{Asked, explain},
    secret::{self, SecretFile},
};
use crate::{
    commands::{generate_registration, output},
    config::Config,
    matrix::client::{Account, NewAccount},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Its name, `alice` or `@alice:example.org`.
    name: String,
    /// The file with the `registration_shared_secret` of Synapse, and nothing else; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    shared_secret_file: SecretFile,
    /// The file with the password; `-` is stdin. Without it one is made up, and printed once.
    #[arg(long, value_name = "FILE")]
    password_file: Option<SecretFile>,
    /// What others see.
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Let it administer the homeserver.
    #[arg(long)]
    admin: bool,
    /// Log it in, and write its access token to this new file, readable by you alone.
    #[arg(long, value_name = "FILE")]
    token_out: Option<PathBuf>,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, json: bool) -> anyhow::Result<()> {
    let Arguments {
        shared_secret_file,
        password_file,
        token_out,
        admin,
        ..
    } = arguments;
    let is_stdin = password_file.as_ref().is_some_and(SecretFile::is_stdin);
    secret::one_stdin(&[shared_secret_file.is_stdin(), is_stdin])?;
    let localpart = localpart(&arguments.name, &config.homeserver.server_name)?;
    if let Some(file) = token_out.as_ref().filter(|file| file.exists()) {
        bail!("{} is there already", file.display());
    }
    let shared_secret = shared_secret_file.read()?;
    let (password, is_made_up) = match password_file {
        Some(file) => (file.read()?, false),
        None => (SecretString::from(secret::password()?), true),
    };
    let account = NewAccount {
        localpart,
        password: &password,
        display_name: arguments.display_name.as_deref(),
        admin: *admin,
        log_in: token_out.is_some(),
    };
    // Nothing of this is asked with a token.
    let client = client(config, "none".into())?;
    let made = client.register(&shared_secret, &account).await;
    let made = made.map_err(|error| explain(&error, Asked::Account, config))?;
    let password = is_made_up.then_some(password.expose_secret());
    print(&made, password, *admin, json)?;
    match token_out {
        Some(file) => keep_token(&made, file),
        None => Ok(()),
    }
}

fn print(made: &Account, password: Option<&str>, admin: bool, json: bool) -> anyhow::Result<()> {
    let user = &made.user_id;
    if json {
        let mut made = json!({"userId": user, "admin": admin});
        if let Some(password) = password {
            made["password"] = password.into();
        }
        output::line(made)?;
        return Ok(());
    }
    output::line(format_args!("made {user}"))?;
    if let Some(password) = password {
        output::line(format_args!("password: {password}"))?;
        output::note("Nobody can show it again.");
    }
    Ok(())
}

fn keep_token(made: &Account, file: &std::path::Path) -> anyhow::Result<()> {
    let token = made.access_token.as_ref();
    let token = token.context("the homeserver has made the account, and not logged it in")?;
    generate_registration::create(file, token.expose_secret())
        .with_context(|| format!("the account is made, but cannot write {}", file.display()))
}

/// The name without the server's, which has to be the homeserver's.
fn localpart<'a>(name: &'a str, server: &str) -> anyhow::Result<&'a str> {
    let localpart = match name.strip_prefix('@') {
        None => name,
        Some(id) => match id.split_once(':') {
            Some((localpart, of)) if of == server => localpart,
            _ => bail!("{name} is no Matrix id on {server}, which is homeserver.server_name"),
        },
    };
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._=-/+".contains(&byte);
    if localpart.is_empty() || !localpart.bytes().all(is_letter) {
        bail!("a name is made of a-z, 0-9 and ._=-/+");
    }
    Ok(localpart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_this_server_and_of_small_letters() {
        let localpart = |name| localpart(name, "lab.local").ok();
        assert_eq!(localpart("alice"), Some("alice"));
        assert_eq!(localpart("@a.b-c=1:lab.local"), Some("a.b-c=1"));
        for wrong in [
            "",
            "Alice",
            "@alice:example.org",
            "@alice",
            "a:b",
            "a b",
            "@:lab.local",
        ] {
            assert_eq!(localpart(wrong), None, "{wrong}");
        }
    }
}
