//! The media store: whether a small object can be put, read and deleted.

use super::{Chart, Name, Outcome, Problem};
use crate::{
    config::{self, Config},
    media::{Store, StoreError},
};

pub(super) async fn examine(chart: &mut Chart<'_>, config: &Config) {
    if config.media.on {
        chart.look(Name::MediaStore, store(&config.media)).await;
    } else {
        let outcome = Outcome::Unused("media.on is false".to_owned());
        chart.add(Name::MediaStore, None, outcome);
    }
}

async fn store(config: &config::Media) -> Result<((), String), Problem> {
    let store = Store::open(config).map_err(|error| refused(&error, config))?;
    let checked = tokio::time::timeout(super::ANSWER, store.check()).await;
    let checked =
        checked.unwrap_or_else(|_| Err(StoreError::Failed("no answer in time".to_owned())));
    checked.map_err(|error| refused(&error, config))?;
    Ok(((), "an object was put, read and deleted".to_owned()))
}

fn refused(error: &StoreError, config: &config::Media) -> Problem {
    let is_denied = matches!(error, StoreError::Denied);
    let (code, fix) = match config.store.strip_prefix("file:") {
        Some(folder) => (
            "media_folder",
            format!(
                "media.store has to be a folder that this user can write to, on a disk with room:\n\
                 mkdir -p {folder} && chown <the user that runs Tributary> {folder}"
            ),
        ),
        None if is_denied => (
            "media_denied",
            "media.access_key_id and media.secret_access_key have to be of a user who may put, get,\n\
             list and delete objects in the bucket of media.store"
                .to_owned(),
        ),
        None => (
            "media_bucket",
            "see that the bucket, the endpoint and the region of media.store are those of your storage\n\
             (MinIO and the like need path_style=true), and that this machine reaches it"
                .to_owned(),
        ),
    };
    Problem::new(code, error.to_string(), fix)
}
