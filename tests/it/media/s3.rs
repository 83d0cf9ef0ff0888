//! A real S3 server in this process, which keeps objects as files.

use std::net::SocketAddr;

use hyper_util::rt::TokioIo;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tributary::config;

const KEY: &str = "the-access-key";
const SECRET: &str = "the-secret-key";

/// Serves until the test's runtime ends.
pub(super) struct S3 {
    pub(super) root: TempDir,
    address: SocketAddr,
}

impl S3 {
    pub(super) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bucket")).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service.clone()));
            }
        });
        Self { root, address }
    }

    /// Its bucket.
    pub(super) fn config(&self) -> config::Media {
        self.config_with(SECRET)
    }

    /// The same with another secret.
    pub(super) fn config_with(&self, secret: &str) -> config::Media {
        config::Media {
            store: format!(
                "s3://bucket/an/archive?endpoint=http://{}&region=eu-central-1",
                self.address
            ),
            access_key_id: Some(KEY.into()),
            secret_access_key: Some(secret.into()),
            ..config::Media::default()
        }
    }
}
