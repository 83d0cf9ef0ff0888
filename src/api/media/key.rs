//! What tickets are signed with.

use crate::{
    api::ApiError,
    app::App,
    auth::tickets::TicketKey,
    db::{self, secrets},
};

/// The key, which all replicas share: it is read once.
pub(super) async fn ticket_key(app: &App) -> Result<&TicketKey, ApiError> {
    let read = async || {
        let secret = secrets::get(&*app.db.get().await?, secrets::MEDIA_TICKETS).await?;
        Ok::<_, db::Error>(TicketKey::new(secret))
    };
    Ok(app.ticket_key.get_or_try_init(read).await?)
}
