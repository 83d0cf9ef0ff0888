//! A folder or a bucket, as the configuration names it, and what differs between them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};
use secrecy::ExposeSecret as _;
use url::Url;

use super::{StoreError, error::reason};
use crate::config;

/// To a store that does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Without a byte.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// For the repetitions of one request. Far below the quarter of an hour for which a
/// signature counts: what is sent later than that has no effect.
const RETRY_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_RETRIES: usize = 4;

/// Where objects are, and how they are reached.
#[derive(Debug)]
pub(super) struct Place {
    /// Under the configured folder or prefix.
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) kind: Kind,
}

/// What only one of the two can do.
#[derive(Debug)]
pub(super) enum Kind {
    /// Files that a crash left half written have to be looked for.
    Folder(PathBuf),
    /// Uploads in parts have an id by which they are taken back, and reads can be signed.
    Bucket { s3: Arc<AmazonS3>, prefix: Path },
}

impl Place {
    /// Nothing is made or asked yet, so neither a folder nor a bucket has to be there.
    pub(super) fn open(config: &config::Media) -> Result<Self, StoreError> {
        match config.store.strip_prefix("file:") {
            Some(folder) => Self::folder(folder.strip_prefix("//").unwrap_or(folder)),
            None => Self::bucket(config),
        }
    }

    fn folder(folder: &str) -> Result<Self, StoreError> {
        let root = std::path::absolute(folder)?;
        let prefix = Path::from_absolute_path(&root).map_err(|e| unusable(&e))?;
        // What is called stored has to survive the machine's crash.
        let files = LocalFileSystem::new().with_fsync(true);
        Ok(Self {
            objects: Arc::new(PrefixStore::new(files, prefix)),
            kind: Kind::Folder(root),
        })
    }

    fn bucket(config: &config::Media) -> Result<Self, StoreError> {
        let url = Url::parse(&config.store).map_err(|e| unusable(&e))?;
        let prefix = Path::from_url_path(url.path()).map_err(|e| unusable(&e))?;
        let s3 = Arc::new(builder(config, &url).build().map_err(|e| unusable(&e))?);
        Ok(Self {
            objects: Arc::new(PrefixStore::new(Arc::clone(&s3), prefix.clone())),
            kind: Kind::Bucket { s3, prefix },
        })
    }
}

/// Over what the usual variables of AWS say.
fn builder(config: &config::Media, url: &Url) -> AmazonS3Builder {
    let parameter = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(url.host_str().unwrap_or_default())
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(parameter("endpoint").is_some_and(|e| e.starts_with("http://")))
                .with_timeout_disabled()
                .with_connect_timeout(CONNECT_TIMEOUT)
                .with_read_timeout(READ_TIMEOUT),
        )
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: MAX_RETRIES,
            retry_timeout: RETRY_TIMEOUT,
        });
    // AWS gives each bucket a host of its own; the others seldom do.
    let path_style = match parameter("path_style") {
        Some(said) => said != "false",
        None => parameter("endpoint").is_some(),
    };
    builder = builder.with_virtual_hosted_style_request(!path_style);
    if let Some(endpoint) = parameter("endpoint") {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if let Some(region) = parameter("region") {
        builder = builder.with_region(region);
    }
    if let Some(id) = &config.access_key_id {
        builder = builder.with_access_key_id(id.expose_secret());
    }
    if let Some(key) = &config.secret_access_key {
        builder = builder.with_secret_access_key(key.expose_secret());
    }
    builder
}

fn unusable(error: &(dyn std::error::Error + 'static)) -> StoreError {
    StoreError::Unusable(reason(error))
}
