//! `generate-registration`: the file that Tributary and the homeserver share.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rand::rngs::OsRng;

use crate::{commands::output, config::Config, matrix::registration::Registration, model::new_id};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to write it, instead of appservice.registration.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing file: the homeserver has to get the new one too.
    #[arg(long)]
    force: bool,
}

/// Writes the file and says what to do with it.
pub(super) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<()> {
    let path = arguments.output.as_ref();
    let path = path.unwrap_or(&config.appservice.registration);
    let registration =
        Registration::generate(config, &mut OsRng).context("the system gives no randomness")?;
    let yaml = registration.to_yaml()?;
    let written = if arguments.force {
        replace(path, &yaml)
    } else {
        create(path, &yaml)
    };
    match written {
        Ok(()) => explain(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(
            "{} exists and is in use, perhaps: --force replaces it, with new tokens",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Creates the file, for its owner's eyes from the first moment on; never overwrites.
pub(super) fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Replaces the file in one step, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", new_id()));
    let fresh = PathBuf::from(name);
    create(&fresh, text)?;
    std::fs::rename(&fresh, path).inspect_err(|_| {
        // What is left over is named after the target: the error is what matters.
        let _ = std::fs::remove_file(&fresh);
    })
}

fn explain(path: &Path) -> anyhow::Result<()> {
    let path = std::path::absolute(path)?;
    output::line(format_args!(
        "Wrote {path}, readable by you alone.

Next:
1. Put it where the homeserver can read it, and name it in Synapse's homeserver.yaml
   (besides the bridge's own registration, which stays as it is):

     app_service_config_files:
       - {path}

2. Restart Synapse.
3. Start Tributary: tributary run",
        path = path.display()
    ))?;
    Ok(())
}
