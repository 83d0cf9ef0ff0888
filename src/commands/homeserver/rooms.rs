//! `homeserver create-room` and `homeserver send`.

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{
    actor::Who,
    secret::{all_of, one_stdin},
};
use crate::{commands::output, config::Config, matrix::client::NewRoom, model::new_id};

#[derive(Debug, clap::Args)]
pub(super) struct CreateRoom {
    #[command(flatten)]
    who: Who,
    /// Its name.
    #[arg(long)]
    name: Option<String>,
    /// Its topic.
    #[arg(long)]
    topic: Option<String>,
    /// Who is invited; may be given again.
    #[arg(long, value_name = "USER")]
    invite: Vec<String>,
    /// Make it a direct chat.
    #[arg(long)]
    direct: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Send {
    /// The room's Matrix id.
    room: String,
    /// The message; from stdin unless given. What nobody else may read, such as the cookies
    /// of a login, belongs there.
    text: Option<String>,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn create(
    arguments: &CreateRoom,
    config: &Config,
    json: bool,
) -> anyhow::Result<()> {
    let actor = arguments.who.actor(config).await?;
    let room = NewRoom {
        name: arguments.name.as_deref(),
        topic: arguments.topic.as_deref(),
        invite: &arguments.invite,
        is_direct: arguments.direct,
    };
    let room = actor.client.create_room(&room, actor.as_user()).await;
    let room = room.map_err(|error| actor.explain(&error))?;
    if json {
        output::line(json!({"roomId": room, "userId": actor.user_id}))?;
    } else {
        output::line(room)?;
    }
    Ok(())
}

pub(super) async fn send(arguments: Send, config: &Config, json: bool) -> anyhow::Result<()> {
    let Send { room, text, who } = arguments;
    one_stdin(&[text.is_none(), who.is_on_stdin()])?;
    let text = match text {
        Some(text) => text,
        None => all_of(std::io::stdin().lock()).context("cannot read the message from stdin")?,
    };
    let text = text.trim_end();
    if text.is_empty() {
        bail!("there is no message to send");
    }
    let actor = who.actor(config).await?;
    let id = new_id().to_string();
    let sent = actor.client.send_text(&room, &id, text, actor.as_user());
    let event = sent.await.map_err(|error| actor.explain(&error))?;
    if json {
        output::line(json!({"eventId": event, "roomId": room, "userId": actor.user_id}))?;
    } else {
        output::line(event)?;
    }
    Ok(())
}
