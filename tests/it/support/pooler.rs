//! `PgBouncer` in transaction mode, on loopback, before a cluster of a test's own.

use std::{fs, process::Child};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    cluster::{Cluster, as_server, give_to_the_server},
    eventually, free_address,
};

/// A pooler that ends with this value.
pub(crate) struct Pooler {
    // What it has its configuration in.
    _folder: TempDir,
    pub(crate) port: u16,
    process: Child,
}

impl Pooler {
    /// With so few sessions of the server's that clients have to share them.
    pub(crate) async fn before(cluster: &Cluster, roles: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_address().port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = users.txt\npool_mode = transaction\ndefault_pool_size = 3\n",
            cluster.port
        );
        let users = roles.iter();
        let users = users.map(|(role, password)| format!("\"{role}\" \"{password}\"\n"));
        let users = users.collect::<Vec<_>>().concat();
        fs::write(folder.path().join("pgbouncer.ini"), settings).unwrap();
        fs::write(folder.path().join("users.txt"), users).unwrap();
        give_to_the_server(folder.path());
        let process = as_server("/usr/sbin/pgbouncer".as_ref(), folder.path())
            .args(["--quiet", "pgbouncer.ini"])
            .spawn()
            .expect("PgBouncer is not installed");
        eventually("PgBouncer has started", async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self {
            _folder: folder,
            port,
            process,
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
