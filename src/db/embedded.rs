//! A private Postgres cluster under `data_dir`, for `database.url: embedded`.
//!
//! Everything is in `<data_dir>/postgres`: the cluster (`data`), its socket (`socket`), its
//! log (`postgres.log`) and two lock files. It listens on the socket alone, which only its
//! own user can reach; so there is no password, and no port to clash over.
//!
//! Any number of processes with the same `data_dir` share the cluster, so that `migrate` or
//! `doctor` work beside `run`: each holds a shared lock on `users.lock`, and the last one to
//! leave stops the cluster. Starting and stopping happen under `start.lock`. The system
//! releases the locks of a process that is killed; the cluster it leaves behind keeps
//! running, and the next process adopts it.

mod account;
mod binaries;
mod cluster;
mod locks;
mod pid_file;
mod programs;

#[cfg(test)]
mod tests;

use std::{fs::File, io, path::Path};

use secrecy::SecretString;

use self::{account::Account, binaries::Binaries, cluster::Cluster};

/// The database and the role in the cluster.
const NAME: &str = "tributary";

/// A cluster that this process uses.
#[derive(Debug)]
pub struct Embedded {
    cluster: Cluster,
    url: SecretString,
    /// Held shared for as long as the cluster is used.
    users: File,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no server binaries.
    #[error(
        "no Postgres server was found. Looked in: {looked}. Install one (on Debian and Ubuntu: \
         apt install postgresql), put its bin folder on the PATH, or set database.url to a \
         server of your own"
    )]
    NoBinaries {
        /// The folders.
        looked: String,
    },
    /// The cluster was made by another major version than any that is installed.
    #[error(
        "the cluster was made by Postgres {cluster}, and of that version no server was found \
         (but: {found}). Install Postgres {cluster}, or move the data with pg_dumpall"
    )]
    Version {
        /// The cluster's major version.
        cluster: u32,
        /// What there is instead.
        found: String,
    },
    /// Postgres refuses to run as root, and there is nobody else to run it.
    #[error("Postgres does not run as root, and there is neither a user `postgres` nor `nobody`")]
    NoAccount,
    /// The unprivileged user cannot get to the folder.
    #[error(
        "Postgres runs as `{account}` here, because it does not run as root, and `{account}` \
         cannot pass through {folder}. Let it through (chmod a+x {folder}), or put data_dir \
         somewhere else"
    )]
    Unreachable {
        /// The unprivileged user.
        account: String,
        /// The first folder on the way that does not let it through.
        folder: String,
    },
    /// The path of the socket does not fit into what the system allows.
    #[error("the path of data_dir is too long for a Unix socket: {length} of {most} bytes")]
    PathTooLong {
        /// The length of the socket's path in bytes.
        length: usize,
        /// What fits.
        most: usize,
    },
    /// Another process has been starting or stopping the cluster for too long.
    #[error("another process is still starting or stopping the cluster in {0}")]
    Busy(String),
    /// One of Postgres' programs failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// The end of what it said.
        output: String,
    },
    /// A file or program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl Embedded {
    /// Makes sure that the cluster under `data_dir` runs, making it first if need be.
    ///
    /// # Errors
    ///
    /// When there are no binaries, or the cluster cannot be made, adopted or started. The
    /// message says what to do about it.
    pub async fn start(data_dir: &Path) -> Result<Self, Error> {
        Self::start_with(data_dir, &binaries::folders().await).await
    }

    async fn start_with(data_dir: &Path, folders: &[std::path::PathBuf]) -> Result<Self, Error> {
        let data_dir = std::path::absolute(data_dir).map_err(Error::io("data_dir"))?;
        let root = data_dir.join("postgres");
        create_folder(&root)?;
        let starting = locks::exclusive(&root.join("start.lock")).await?;

        let account = Account::find().await?;
        account.check_way_to(&root)?;
        let found = binaries::find(folders).await?;
        let binaries: Binaries = binaries::choose(found, cluster::version(&root))?;
        let cluster = Cluster::new(root, binaries, account)?;
        cluster.ensure_running().await?;

        let users = locks::shared(&cluster.file("users.lock")).await?;
        drop(starting);
        Ok(Self {
            url: cluster.url(),
            cluster,
            users,
        })
    }

    /// The URL to connect with; no password is needed.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// Stops the cluster, unless another process uses it. Its connections are cut.
    ///
    /// # Errors
    ///
    /// When the cluster does not stop.
    pub async fn stop(self) -> Result<(), Error> {
        let _stopping = locks::exclusive(&self.cluster.file("start.lock")).await?;
        drop(self.users);
        let alone = locks::try_exclusive(&self.cluster.file("users.lock")).await?;
        if alone.is_none() {
            tracing::info!("another process uses the embedded Postgres: it goes on");
            return Ok(());
        }
        self.cluster.stop().await
    }
}

/// Makes the folder and those above it.
fn create_folder(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder)
        .map_err(Error::io(format!("cannot create {}", folder.display())))
}
