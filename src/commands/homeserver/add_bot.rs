//! `homeserver add-bot`: a room with a bridge's bot, in which commands such as `login` work.
//!
//! A mautrix bridge's bot comes when somebody invites it who may use the bridge. The first
//! room that it shares with that person alone becomes their management room, in which
//! commands need no prefix.

use std::time::Duration;

use anyhow::bail;
use ruma::OwnedRoomId;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::actor::{Actor, Who};
use crate::{
    commands::{Usage, output},
    config::{Bridge, Config},
    matrix::{
        client::{ClientError, NewRoom},
        provisioning::{Provisioning, Whoami},
    },
};

/// Between two looks whether the bot has come.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    who: Who,
    /// The bridge, by its id; need not be given if there is only one.
    #[arg(long, value_name = "ID")]
    bridge: Option<String>,
    /// Invite the bot to this room, instead of to a new one.
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// How long to wait for the bot, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    wait: u64,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, json: bool) -> anyhow::Result<()> {
    let bridge = bridge(config, arguments.bridge.as_deref())?;
    let actor = arguments.who.actor(config).await?;
    let known = known(bridge, &actor.user_id).await;
    let existing = known
        .as_ref()
        .and_then(|known| known.management_room.clone());
    let room = match (&arguments.room, existing) {
        (Some(room), _) => {
            invite(&actor, room, &bridge.bot).await?;
            room.clone()
        }
        (None, Some(room)) if is_in(&actor, &room, &bridge.bot).await.is_ok_and(|is| is) => room,
        _ => direct_chat(&actor, &bridge.bot).await?.into(),
    };
    wait_for(&actor, &room, &bridge.bot, arguments.wait).await?;
    let prefix = known.map(|known| known.command_prefix);
    if json {
        output::line(json!({
            "roomId": room, "bot": bridge.bot, "userId": actor.user_id, "commandPrefix": prefix,
        }))?;
    } else {
        output::line(&room)?;
        output::note(format_args!(
            "{} is in it. Send `help` there, as {}, to see what it can do",
            bridge.bot, actor.user_id
        ));
    }
    Ok(())
}

fn bridge<'a>(config: &'a Config, id: Option<&str>) -> Result<&'a Bridge, Usage> {
    match (id, config.bridges.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Usage("there are several bridges: say which with --bridge")),
        (Some(id), bridges) => bridges
            .iter()
            .find(|bridge| bridge.id == id)
            .ok_or(Usage("no bridge of that id is configured")),
    }
}

/// What the bridge knows of the user, if it can be asked: without that it works as well.
async fn known(bridge: &Bridge, user_id: &str) -> Option<Whoami> {
    let provisioning = Provisioning::new(std::slice::from_ref(bridge)).ok()?;
    provisioning.whoami(&bridge.id, user_id).await.ok()
}

async fn direct_chat(actor: &Actor<'_>, bot: &str) -> anyhow::Result<OwnedRoomId> {
    let room = NewRoom {
        invite: &[bot.to_owned()],
        is_direct: true,
        ..NewRoom::default()
    };
    let made = actor.client.create_room(&room, actor.as_user()).await;
    made.map_err(|error| actor.explain(&error))
}

async fn invite(actor: &Actor<'_>, room: &str, bot: &str) -> anyhow::Result<()> {
    let is_in = is_in(actor, room, bot).await;
    if is_in.map_err(|error| actor.explain(&error))? {
        return Ok(());
    }
    let invited = actor.client.invite(room, bot, actor.as_user()).await;
    invited.map_err(|error| actor.explain(&error))
}

async fn is_in(actor: &Actor<'_>, room: &str, bot: &str) -> Result<bool, ClientError> {
    let members = actor.client.joined_members(room, actor.as_user()).await?;
    Ok(members.iter().any(|member| member == bot))
}

async fn wait_for(actor: &Actor<'_>, room: &str, bot: &str, seconds: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let is_in = is_in(actor, room, bot).await;
        if is_in.map_err(|error| actor.explain(&error))? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!(
                "{bot} is invited to {room}, and has not come within {seconds} seconds: does the \
                 bridge run, and may {} use it (bridge.permissions of its config.yaml)?",
                actor.user_id
            );
        }
        sleep(PAUSE).await;
    }
}
