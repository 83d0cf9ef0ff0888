//! Where thumbnails are made: few at a time, since each may take a hundred megabytes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Bounds, NotDrawn, draw::draw};

/// How many are made at once.
const PLACES: usize = 2;

/// Gives out places to draw at.
#[derive(Debug, Clone)]
pub struct Studio(Arc<Semaphore>);

/// A place, for one thumbnail. Taken before the picture is read: those who wait hold nothing.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Studio {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl Studio {
    /// With all its places free.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for a place.
    pub async fn place(&self) -> Place {
        // It is never closed.
        Place {
            _permit: Arc::clone(&self.0).acquire_owned().await.ok(),
        }
    }
}

impl Place {
    /// Draws a picture, beside the tasks that must not wait for it. Whoever gives up
    /// waiting leaves the place taken until it is drawn.
    ///
    /// # Errors
    ///
    /// [`NotDrawn`] says why there is none; a decoder that panicked has read none.
    pub async fn draw(self, picture: Bytes, bounds: Bounds) -> Result<Bytes, NotDrawn> {
        let drawing = tokio::task::spawn_blocking(move || {
            let drawn = draw(&picture, bounds);
            drop(self);
            drawn
        });
        let drawn = drawing.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a decoder of pictures panicked");
            Err(NotDrawn::Panicked)
        });
        drawn.map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn there_are_few_places_and_each_is_free_again() {
        let studio = Studio::new();
        let mut taken = Vec::new();
        for _ in 0..PLACES {
            taken.push(studio.place().await);
        }
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, studio.place()).await.is_err());
        let bounds = Bounds::parse("32x32").unwrap();
        let first = taken.pop().unwrap();
        assert!(first.draw(Bytes::from_static(b"x"), bounds).await.is_err());
        assert!(timeout(soon, studio.place()).await.is_ok());
    }
}
