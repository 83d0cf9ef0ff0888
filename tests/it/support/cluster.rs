//! A Postgres of a test's own, on loopback, with passwords and, if it is given certificates,
//! TLS; run by an unprivileged user when the tests are root's.

use std::{
    fs::{self, File},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use secrecy::SecretString;
use tempfile::TempDir;

use super::{eventually, free_address};

/// The superuser's.
pub(crate) const PASSWORD: &str = "the-superusers-password";

/// A cluster that ends with this value.
pub(crate) struct Cluster {
    folder: TempDir,
    pub(crate) port: u16,
    server: Option<Child>,
}

impl Cluster {
    /// A cluster of which `prepare` has put the files that it needs into its folder.
    pub(crate) async fn start(prepare: impl FnOnce(&Path), settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        fs::write(folder.path().join("password"), PASSWORD).unwrap();
        give_to_the_server(folder.path());
        let made = as_server(&programs().join("initdb"), folder.path())
            .args(["-D", "data", "-U", "postgres", "-A", "scram-sha-256"])
            .args([
                "--pwfile=password",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut cluster = Self {
            folder,
            port: free_address().port(),
            server: None,
        };
        cluster.restart(settings).await;
        cluster
    }

    /// Stops it, and starts it with other settings.
    pub(crate) async fn restart(&mut self, settings: &[&str]) {
        self.stop();
        let log = File::create(self.path("log")).unwrap();
        let server = as_server(&programs().join("postgres"), self.folder.path())
            .args(["-D", "data", "-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories="])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stderr(log)
            .spawn();
        self.server = Some(server.unwrap());
        eventually("Postgres has started", async || {
            let url = format!("{}?sslmode=disable", self.admin("localhost", "postgres"));
            AsyncPgConnection::establish(&url).await.ok()
        })
        .await;
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The superuser's URL, without parameters.
    pub(crate) fn admin(&self, host: &str, database: &str) -> String {
        let port = self.port;
        format!("postgres://postgres:{PASSWORD}@{host}:{port}/{database}")
    }

    /// The superuser's URL with parameters, by the name that a certificate is for.
    pub(crate) fn url(&self, parameters: &str) -> SecretString {
        format!("{}?{parameters}", self.admin("localhost", "postgres")).into()
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Immediately: nobody wants what is in it.
            let pid = server.id().to_string();
            let told = Command::new("kill").args(["-QUIT", &pid]).status();
            told.unwrap();
            server.wait().unwrap();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs openssl in a folder.
pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' '));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{arguments}: {done:?}");
}

/// A program in `folder`, as a user whom Postgres and its pooler accept.
pub(crate) fn as_server(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Makes a folder and what is in it the server's.
pub(crate) fn give_to_the_server(folder: &Path) {
    let Some((user, group)) = server_user() else {
        return;
    };
    chown(folder, Some(user), Some(group)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        chown(entry.unwrap().path(), Some(user), Some(group)).unwrap();
    }
}

/// Postgres does not run as root.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let said = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(said.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let mut users = ["postgres", "nobody"].into_iter();
    users.find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

/// Where Debian keeps the server's programs, or the first folder of the path that has them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    folders.extend(debian.map(|entry| entry.unwrap().path().join("bin")));
    let found = folders.into_iter().find(|f| f.join("initdb").exists());
    found.expect("Postgres's server is not installed")
}
