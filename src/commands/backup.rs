//! `backup` and `restore`.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::{
    backup::{self, Options, tombstones},
    commands::{output, postgres::Postgres},
    config::Config,
    db, lifecycle,
    media::Store,
    telemetry,
};

/// `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The folder of the backups, in which each has one of its own.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy the files of the media store as well, each once for all backups of the folder.
    #[arg(long)]
    files: bool,
    /// Afterwards delete all but so many of the folder's backups, and the files of no other.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
}

/// `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The folder of a backup, or of several: then the newest.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Restore although the media store cannot say who was erased since: they come back.
    #[arg(long)]
    without_journal: bool,
    /// Have files deleted that came into the media store after the backup, unless they come
    /// again: only where nobody else uses that store.
    #[arg(long)]
    delete_unknown: bool,
}

/// Takes a backup.
pub(super) async fn take(arguments: &Backup, config: &Config) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    let store = Store::open(&config.media)?;
    let options = Options {
        files: arguments.files,
        keep: arguments.keep.map(usize::from),
    };
    let postgres = Postgres::open(config).await?;
    let taken = backup::take(postgres.direct_url(), &store, &arguments.to, options).await;
    postgres.close().await?;
    let (folder, manifest) = taken?;
    output::line(format_args!("{}", folder.display()))?;
    let files = output::count(manifest.objects as u64, "file");
    let copied = if manifest.has_files {
        format!("{} of them gone meanwhile", manifest.gone.len())
    } else {
        "not copied".to_owned()
    };
    output::note(format_args!("the database, and {files} ({copied})"));
    Ok(())
}

/// Begins anew from a backup.
pub(super) async fn restore(arguments: &Restore, config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    let (folder, manifest) = backup::open(&arguments.from)?;
    let store = Store::open(&config.media)?;
    // Before anything is changed: without them those who were erased would come back.
    let journal = if arguments.without_journal {
        Vec::new()
    } else {
        let read = tombstones::read(&store).await;
        let journal = read.context(
            "the media store does not say who was erased since the backup; \
             --without-journal restores them as well",
        )?;
        tombstones::since(journal, manifest.taken_at)
    };
    let postgres = Postgres::open(&config).await?;
    let url = postgres.direct_url().clone();
    let restored = async {
        backup::restore(&url, &folder, &manifest).await?;
        let again = lifecycle::erase_again(config, &url, journal).await?;
        let files = backup::restore_files(&url, &store, &folder, arguments.delete_unknown).await?;
        backup::compare_unfilled(&url, manifest.taken_at).await?;
        db::backup::finish(&url).await?;
        anyhow::Ok((again, files))
    };
    let restored = restored.await;
    postgres.close().await?;
    let (again, files) = restored?;
    output::note(format_args!(
        "restored as of {}. Erased or let go again: {}. Files: {} there, {} copied, {} to be fetched again, \
         {} that nothing names{}",
        manifest.taken_at.format("%Y-%m-%d %H:%M:%S UTC"),
        again,
        files.there,
        files.copied,
        files.missing,
        files.unknown,
        if arguments.delete_unknown {
            ", to be deleted"
        } else {
            ""
        }
    ));
    Ok(())
}
