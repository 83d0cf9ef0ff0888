//! The bare server in a process of its own, as Tributary is in one.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use secrecy::{ExposeSecret, SecretString};

use super::bare;

const SERVE: &str = "TRIBUTARY_BENCH_BARE";
/// Without a database.
const AXUM: &str = "axum";

/// A serving process, which ends with this.
pub(crate) struct Bare {
    process: Child,
    address: SocketAddr,
}

impl Bare {
    /// `barepg` on this database, or axum alone.
    pub(crate) fn start(database: Option<&SecretString>) -> anyhow::Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .env(SERVE, database.map_or(AXUM, ExposeSecret::expose_secret))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the bare server ended");
        let address = address.inspect_err(|_| drop(process.kill()))?;
        Ok(Self { process, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves, if this process was started for it.
pub(crate) fn serve_if_asked() -> anyhow::Result<bool> {
    let Ok(what) = env::var(SERVE) else {
        return Ok(false);
    };
    let database = (what != AXUM).then(|| SecretString::from(what));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let (address, serving) = bare::start(database).await?;
        writeln!(std::io::stdout(), "{address}")?;
        serving.await?
    })?;
    Ok(true)
}
