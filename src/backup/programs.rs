//! `pg_dump` and `pg_restore`, from the PATH. Where the database is goes into their environment:
//! arguments can be read by everybody on the machine.

use std::{ffi::OsString, process::Stdio};

use anyhow::{Context as _, bail, ensure};
use secrecy::SecretString;
use tokio::process::Command;
use tokio_postgres::config::Host;

use crate::config::postgres_url::{PostgresUrl, SslMode};

/// Debian's list of the system's authorities: libpq knows the word `system` from 16 on.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The longest reason that is told, in characters.
const MAX_REASON: usize = 300;

/// Runs a program to its end.
pub(super) async fn run(
    program: &'static str,
    url: &SecretString,
    server: i32,
    arguments: Vec<OsString>,
) -> anyhow::Result<()> {
    let major = major(program).await?;
    // An older one does not know what a newer server has.
    ensure!(
        major >= server / 10_000,
        "{program} is version {major} and the server {}: install its client programs",
        server / 10_000
    );
    let output = Command::new(program)
        .args(arguments)
        .arg("--no-password")
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
        .env("LC_ALL", "C")
        .envs(environment(url, major)?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.with_context(|| format!("{program} cannot be run"))?;
    if output.status.success() {
        return Ok(());
    }
    // The first line alone: those behind it may quote a row.
    let said = String::from_utf8_lossy(&output.stderr);
    let reason: String = said
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MAX_REASON)
        .collect();
    bail!("{program} failed: {reason}");
}

async fn major(program: &str) -> anyhow::Result<i32> {
    let said = Command::new(program).arg("--version").output().await;
    let said = said.with_context(|| {
        format!(
            "{program} is not on the PATH (on Debian and Ubuntu: apt install postgresql-client)"
        )
    })?;
    let said = String::from_utf8_lossy(&said.stdout);
    // pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)
    let number = said.split(") ").nth(1).unwrap_or_default();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .with_context(|| format!("{program} does not say its version"))
}

fn environment(url: &SecretString, major: i32) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let PostgresUrl { server, ssl } = PostgresUrl::parse(url)?;
    let hosts: Vec<_> = server
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.to_string_lossy().into_owned(),
        })
        .collect();
    let ports: Vec<_> = server.get_ports().iter().map(u16::to_string).collect();
    let mode = match ssl.mode {
        SslMode::Disable => "disable",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    };
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("PGHOST", hosts.join(",").into()),
        ("PGPORT", ports.join(",").into()),
        ("PGSSLMODE", mode.into()),
    ];
    let mut add =
        |name, value: Option<OsString>| variables.extend(value.map(|value| (name, value)));
    add("PGUSER", server.get_user().map(Into::into));
    add("PGDATABASE", server.get_dbname().map(Into::into));
    add("PGOPTIONS", server.get_options().map(Into::into));
    let password = server.get_password().map(<[u8]>::to_vec);
    add(
        "PGPASSWORD",
        password.map(std::os::unix::ffi::OsStringExt::from_vec),
    );
    let system = if major >= 16 { "system" } else { SYSTEM_ROOTS };
    let root = ssl.root.map(Into::into);
    add(
        "PGSSLROOTCERT",
        root.or_else(|| (ssl.mode == SslMode::VerifyFull).then(|| system.into())),
    );
    let (cert, key) = ssl.client.unzip();
    add("PGSSLCERT", cert.map(Into::into));
    add("PGSSLKEY", key.map(Into::into));
    variables.retain(|(_, value)| !value.is_empty());
    Ok(variables)
}
