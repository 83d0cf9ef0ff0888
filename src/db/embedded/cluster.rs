//! The cluster: made, started, adopted, stopped.

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    time::{Instant, sleep},
};

use crate::model::new_id;

use super::{
    Error, NAME, account::Account, binaries::Binaries, create_folder, pid_file::PidFile, programs,
};

/// What `sockaddr_un` holds on the smallest of the systems, with the final zero.
const LONGEST_SOCKET: usize = 103;

/// How long recovery after a crash may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long backends may take to notice that their postmaster was killed.
const ORPHANS: Duration = Duration::from_secs(10);

/// What Postgres says while there are such backends.
const ORPHANED: &str = "pre-existing shared memory block";

/// Between two looks at whether it is ready.
const PAUSE: Duration = Duration::from_millis(50);

/// Settings over Postgres' own. Statements and rows stay out of the log: they are people's
/// messages.
const SETTINGS: &str = "\
# Written by Tributary at every start.
listen_addresses = ''
unix_socket_permissions = 0700
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
";

/// Where they are; `ALTER SYSTEM` still wins over them.
const SETTINGS_FILE: &str = "tributary.conf";

/// How the folder of a cluster begins that is being made.
const HALF_MADE: &str = "new-";

/// A cluster in its folder.
#[derive(Debug)]
pub(super) struct Cluster {
    root: PathBuf,
    binaries: Binaries,
    account: Account,
}

/// The major version of the cluster in `root`, if there is one.
pub(super) fn version(root: &Path) -> Option<u32> {
    let text = fs::read_to_string(root.join("data/PG_VERSION")).ok()?;
    text.trim().parse().ok()
}

impl Cluster {
    /// The cluster in `root`, which exists, whether or not there is one yet.
    pub(super) fn new(root: PathBuf, binaries: Binaries, account: Account) -> Result<Self, Error> {
        let cluster = Self {
            root,
            binaries,
            account,
        };
        let length = cluster.socket().as_os_str().as_bytes().len();
        if length > LONGEST_SOCKET {
            let most = LONGEST_SOCKET;
            return Err(Error::PathTooLong { length, most });
        }
        cluster.private_folder("")?;
        cluster.private_folder("socket")?;
        Ok(cluster)
    }

    /// A file or folder of the cluster.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The URL of its database.
    pub(super) fn url(&self) -> SecretString {
        let mut url = String::from("postgresql:///");
        let folder = self.file("socket");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("host", &folder.to_string_lossy())
            .append_pair("user", NAME)
            .finish();
        // Spaces: `+` is only a space in forms, which is not how Postgres reads a URL.
        url.extend([NAME, "?", &query.replace('+', "%20")]);
        url.into()
    }

    /// Makes the cluster if there is none, and starts it if it does not run.
    pub(super) async fn ensure_running(&self) -> Result<(), Error> {
        if version(&self.root).is_none() {
            self.make().await?;
        }
        if self.is_running().await? {
            tracing::info!("using the embedded Postgres, which is already running");
            return self.wait_until_ready().await;
        }
        self.start().await
    }

    /// Makes the cluster beside its place and then puts it there, so that a half-made one is
    /// never taken for a cluster.
    async fn make(&self) -> Result<(), Error> {
        tracing::info!(
            folder = %self.root.display(),
            version = self.binaries.version,
            "making a private Postgres cluster"
        );
        self.remove_half_made()?;
        let fresh = self.file(&format!("{HALF_MADE}{}", new_id()));
        let mut initdb = self.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(&fresh)
            .args(["--username", NAME, "--encoding", "UTF8", "--locale", "C"])
            .args(["--auth-local", "trust", "--auth-host", "reject"])
            .arg("--data-checksums");
        programs::run("initdb", &mut initdb).await?;
        self.create_database(&fresh).await?;
        include_settings(&fresh).map_err(Error::io("cannot write the cluster's settings"))?;
        fs::rename(&fresh, self.file("data")).map_err(Error::io("cannot place the cluster"))
    }

    /// Removes what a process left that was killed at it. A name of its own for each attempt
    /// keeps an `initdb` that outlived its Tributary away from the next one.
    fn remove_half_made(&self) -> Result<(), Error> {
        let entries = fs::read_dir(&self.root).map_err(Error::io("cannot read data_dir"))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(HALF_MADE) {
                let removed = fs::remove_dir_all(entry.path());
                removed.map_err(Error::io("cannot remove a half-made cluster"))?;
            }
        }
        Ok(())
    }

    /// Creates the database before the first start, for which no client is needed.
    async fn create_database(&self, data: &Path) -> Result<(), Error> {
        let mut command = self.command("postgres");
        command.arg("--single").arg("-D").arg(data).arg("postgres");
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::io("cannot run postgres"))?;
        if let Some(mut stdin) = child.stdin.take() {
            let statement = format!("CREATE DATABASE {NAME};\n");
            let written = stdin.write_all(statement.as_bytes()).await;
            written.map_err(Error::io("cannot speak to postgres"))?;
        }
        let output = child.wait_with_output().await;
        let output = output.map_err(Error::io("cannot run postgres"))?;
        // Single-user mode exits with 0 whatever became of the statement.
        if String::from_utf8_lossy(&output.stderr).contains("ERROR:") {
            return Err(programs::failed("postgres --single", &output));
        }
        programs::succeeded("postgres --single", &output)
    }

    async fn start(&self) -> Result<(), Error> {
        self.clear_after_crash()?;
        self.write_settings()?;
        let deadline = Instant::now() + ORPHANS;
        loop {
            let mut command = self.pg_ctl();
            command
                .args(["--wait", "--timeout"])
                .arg(PATIENCE.as_secs().to_string())
                .arg("--log")
                .arg(self.file("postgres.log"))
                .arg("start");
            let started = programs::run("pg_ctl start", &mut command).await;
            match started.map_err(|error| self.with_log(error)) {
                Ok(()) => break,
                Err(Error::Program { output, .. })
                    if output.contains(ORPHANED) && Instant::now() < deadline =>
                {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        tracing::info!(
            folder = %self.root.display(),
            version = self.binaries.version,
            "the embedded Postgres runs"
        );
        Ok(())
    }

    fn write_settings(&self) -> Result<(), Error> {
        let socket = self.file("socket").to_string_lossy().replace('\'', "''");
        let settings = format!("{SETTINGS}unix_socket_directories = '{socket}'\n");
        let file = self.file("data").join(SETTINGS_FILE);
        fs::write(&file, settings).map_err(Error::io("cannot write the cluster's settings"))?;
        self.account.own(&file)
    }

    /// Cuts its connections and stops it in order.
    pub(super) async fn stop(&self) -> Result<(), Error> {
        if !self.is_running().await? {
            return Ok(());
        }
        let mut command = self.pg_ctl();
        command.args(["--mode", "fast", "--wait", "--timeout", "60", "stop"]);
        programs::run("pg_ctl stop", &mut command).await?;
        tracing::info!("the embedded Postgres has stopped");
        Ok(())
    }

    /// Whether a postmaster runs here. `pg_ctl` only knows that some process has its pid.
    async fn is_running(&self) -> Result<bool, Error> {
        let status = programs::output("pg_ctl status", self.pg_ctl().arg("status")).await?;
        Ok(status.status.success() && (self.answers() || self.pid_file().is_of_postmaster()))
    }

    fn answers(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }

    fn pid_file(&self) -> PidFile {
        PidFile::of(&self.file("data"))
    }

    /// Removes what would keep Postgres from starting although none runs.
    fn clear_after_crash(&self) -> Result<(), Error> {
        self.pid_file().disown()?;
        let socket = self.socket();
        for path in [socket.with_extension("5432.lock"), socket] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("cannot remove a stale socket")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits for an adopted postmaster that may still be recovering.
    async fn wait_until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        while !self.pid_file().is_ready() || !self.answers() {
            if Instant::now() > deadline {
                let output = "the running Postgres does not become ready".to_owned();
                let program = "postgres";
                return Err(self.with_log(Error::Program { program, output }));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.file("socket/.s.PGSQL.5432")
    }

    fn pg_ctl(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.file("data"));
        command
    }

    fn command(&self, program: &str) -> Command {
        let program = self.binaries.folder.join(program);
        let mut command = self.account.command(&program, &self.root);
        // Variables such as PGPORT or PGDATA are meant for another server.
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        command
    }

    /// Makes a folder that only the account can enter.
    fn private_folder(&self, name: &str) -> Result<(), Error> {
        let folder = self.file(name);
        create_folder(&folder)?;
        let private = fs::set_permissions(&folder, Permissions::from_mode(0o700));
        private.map_err(Error::io(format!("cannot protect {}", folder.display())))?;
        self.account.own(&folder)
    }

    fn with_log(&self, error: Error) -> Error {
        match error {
            Error::Program { program, output } => {
                let log = fs::read_to_string(self.file("postgres.log")).unwrap_or_default();
                let output = format!("{output}\n{}", programs::end_of(&log));
                Error::Program { program, output }
            }
            other => other,
        }
    }
}

fn include_settings(data: &Path) -> io::Result<()> {
    let mut file = File::options()
        .append(true)
        .open(data.join("postgresql.conf"))?;
    writeln!(file, "include_if_exists '{SETTINGS_FILE}'")
}
