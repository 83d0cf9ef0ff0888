//! The bridges: whether their tokens and their provisioning APIs are as configured.

use super::{
    Chart, Name, Outcome, Problem,
    homeserver::{limits, other},
};
use crate::{
    config::{Bridge, Config},
    matrix::{
        client::{ClientError, Homeserver},
        provisioning::{Provisioning, Unanswered, Whoami},
        registration::Registration,
    },
};

type Found<T> = Result<(T, String), Problem>;

/// Looks at each bridge; `homeserver` is there if it is.
pub(super) async fn examine(
    chart: &mut Chart<'_>,
    config: &Config,
    registration: Option<&Registration>,
    homeserver: Option<&Homeserver>,
) {
    let localpart = registration.map_or("tributary", |file| file.sender_localpart.as_str());
    let sender = format!("@{localpart}:{}", config.homeserver.server_name);
    for (index, bridge) in config.bridges.iter().enumerate() {
        let id = Some(bridge.id.as_str());
        if bridge.as_token.is_none() {
            let what =
                format!("bridges[{index}].as_token, without which no status is taken from it");
            chart.add(Name::BridgeAsToken, id, Outcome::Unused(what));
        } else if homeserver.is_none() {
            chart.needs(Name::BridgeAsToken, id, Name::HomeserverReachable);
        } else {
            let looked = as_token(config, index, bridge);
            chart.look_at_bridge(Name::BridgeAsToken, id, looked).await;
        }
        if bridge.provisioning().is_some() {
            let looked = provisioning(config, index, bridge, &sender);
            chart
                .look_at_bridge(Name::BridgeProvisioning, id, looked)
                .await;
        } else {
            let what = format!("bridges[{index}].provisioning_url and .provisioning_secret");
            chart.add(Name::BridgeProvisioning, id, Outcome::Unused(what));
        }
    }
}

/// It is how the bridge is known that pushes its status.
async fn as_token(config: &Config, index: usize, bridge: &Bridge) -> Found<()> {
    let wrong = |cause: String| {
        Problem::new(
            "bridge_token_wrong",
            cause,
            format!(
                "bridges[{index}].as_token has to be the as_token of the bridge's own registration\n\
                 (appservice.as_token of its config.yaml). Its status comes here when its config.yaml has\n\n  \
                 homeserver:\n    status_endpoint: {}/api/bridge/{}/status",
                config.server.public_url.as_str().trim_end_matches('/'),
                bridge.id
            ),
        )
    };
    let token = bridge.as_token.clone().unwrap_or_default();
    let client = Homeserver::new(&config.homeserver, token, &limits());
    let client = client.map_err(|error| wrong(error.to_string()))?;
    match client.whoami(Some(&bridge.bot)).await {
        Ok(_) => Ok(((), format!("it is of who may be {}", bridge.bot))),
        Err(ClientError::UnknownToken) => {
            let cause = "the homeserver does not know the bridge's as_token";
            Err(wrong(cause.to_owned()))
        }
        Err(ClientError::Forbidden) => Err(wrong(format!(
            "the as_token is of somebody who may not be {}",
            bridge.bot
        ))),
        Err(error) => Err(other(&error)),
    }
}

async fn provisioning(config: &Config, index: usize, bridge: &Bridge, sender: &str) -> Found<()> {
    let asked = Provisioning::new(std::slice::from_ref(bridge)).map_err(|error| {
        let fix = format!("put right bridges[{index}].provisioning_secret");
        Problem::new("provisioning_refused", error.to_string(), fix)
    })?;
    // It only answers about who may log in; that Tributary's own user may says that
    // everybody of the server may.
    let answer = asked.whoami(&bridge.id, sender).await;
    let whoami = answer.map_err(|error| unanswered(&error, config, index))?;
    same(&whoami, config, index, bridge)?;
    Ok(((), format!("it answers for {}", whoami.bridge_bot)))
}

fn unanswered(error: &Unanswered, config: &Config, index: usize) -> Problem {
    let (code, fix) = match error {
        Unanswered::Silent(_) => (
            "provisioning_unreachable",
            format!(
                "start the bridge, and have bridges[{index}].provisioning_url name where it listens, as this\n\
                 machine reaches it: appservice.hostname and appservice.port of its config.yaml"
            ),
        ),
        Unanswered::Refused(_) => (
            "provisioning_refused",
            format!(
                "bridges[{index}].provisioning_secret has to be what the bridge's config.yaml has, 16 characters\n\
                 or more; and people of the server have to be allowed to log in:\n\n  \
                 provisioning:\n    shared_secret: <the same>\n  \
                 bridge:\n    permissions:\n      {}: user",
                config.homeserver.server_name
            ),
        ),
    };
    Problem::new(code, error.to_string(), fix)
}

/// Whether it is the bridge that is meant.
fn same(whoami: &Whoami, config: &Config, index: usize, bridge: &Bridge) -> Result<(), Problem> {
    let (server, bot) = (&config.homeserver.server_name, &bridge.bot);
    let fix = format!(
        "bridges[{index}].provisioning_url leads to another bridge, or bridges[{index}].bot is not its bot"
    );
    let cause = if whoami.homeserver != *server {
        format!(
            "it is a bridge of {}, and not of {server}",
            whoami.homeserver
        )
    } else if whoami.bridge_bot != *bot {
        format!("its bot is {}, and not {bot}", whoami.bridge_bot)
    } else {
        return Ok(());
    };
    Err(Problem::new("provisioning_other_bridge", cause, fix))
}
