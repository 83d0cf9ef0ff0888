//! The homeserver: whether it is there, knows us, reaches us, and lets us be the bridges' bots.

use chrono::TimeDelta;

use super::{
    ANSWER, Chart, Name, Problem, clocks, ping,
    registration::{covers, homeserver_lines, namespace_lines},
};
use crate::{
    clock::Clock,
    config::{Bridge, Config},
    matrix::{
        client::{CallLimits, ClientError, Homeserver},
        registration::Registration,
    },
};

type Found<T> = Result<(T, String), Problem>;

/// What one call may cost.
pub(super) fn limits() -> CallLimits {
    CallLimits {
        connect_timeout: ANSWER,
        call_timeout: ANSWER,
        ..CallLimits::default()
    }
}

/// Answers a client for the homeserver if that is there.
pub(super) async fn examine(
    chart: &mut Chart<'_>,
    config: &Config,
    registration: Option<&Registration>,
    clock: &Clock,
) -> Option<Homeserver> {
    // Without a registration there is no token; whether the homeserver is there needs none.
    let token = registration.map_or_else(|| "none".into(), |file| file.as_token.clone());
    let client = async {
        let client = Homeserver::new(&config.homeserver, token, &limits());
        let client = client.map_err(|error| {
            let fix = "homeserver.url is the base address of its client API, such as `http://127.0.0.1:8008`";
            Problem::new("homeserver_url", error.to_string(), fix)
        })?;
        reach(&client).await.map(|seen| (client, seen))
    };
    let client = chart.look(Name::HomeserverReachable, client).await;
    let Some(client) = client else {
        chart.needs(Name::HomeserverClock, None, Name::HomeserverReachable);
        needs_token(chart, config, Name::HomeserverReachable);
        return None;
    };
    chart
        .look(Name::HomeserverClock, its_clock(&client, clock))
        .await;
    let Some(registration) = registration else {
        needs_token(chart, config, Name::Registration);
        return Some(client);
    };
    let known = chart.look(
        Name::HomeserverAsToken,
        as_token(&client, config, registration),
    );
    if known.await.is_none() {
        for (name, bridge) in on_token(config).skip(1) {
            chart.needs(name, bridge, Name::HomeserverAsToken);
        }
        return Some(client);
    }
    let pinged = ping::ping(&client, config, registration);
    chart.look(Name::HomeserverPing, pinged).await;
    for bridge in &config.bridges {
        let looked = namespace(&client, config, registration, bridge);
        chart
            .look_at_bridge(Name::HomeserverNamespace, Some(&bridge.id), looked)
            .await;
    }
    Some(client)
}

/// What is asked with the `as_token`.
fn on_token(config: &Config) -> impl Iterator<Item = (Name, Option<&str>)> {
    let bridges = config.bridges.iter();
    [
        (Name::HomeserverAsToken, None),
        (Name::HomeserverPing, None),
    ]
    .into_iter()
    .chain(bridges.map(|bridge| (Name::HomeserverNamespace, Some(bridge.id.as_str()))))
}

fn needs_token(chart: &mut Chart<'_>, config: &Config, needed: Name) {
    for (name, bridge) in on_token(config) {
        chart.needs(name, bridge, needed);
    }
}

async fn reach(client: &Homeserver) -> Result<String, Problem> {
    const FIX: &str = "start the homeserver, and have homeserver.url name where its client API is, as this machine\n\
                       reaches it: `curl <homeserver.url>/_matrix/client/versions` has to answer JSON";
    match client.versions().await {
        Ok(versions) => Ok(versions.last().map_or_else(
            || "it answers".to_owned(),
            |newest| format!("Matrix {newest}"),
        )),
        Err(error @ ClientError::Unreachable(_)) => Err(Problem::new(
            "homeserver_unreachable",
            error.to_string(),
            FIX,
        )),
        Err(error) => Err(Problem::new(
            "homeserver_strange",
            format!("no homeserver answers there: {error}"),
            FIX,
        )),
    }
}

async fn its_clock(client: &Homeserver, clock: &Clock) -> Found<()> {
    let before = clock.now();
    let told = client.date().await.map_err(|error| other(&error))?;
    let Some(told) = told else {
        return Ok(((), "it does not say what time it is".to_owned()));
    };
    let asked = (before, clock.now());
    clocks::compare("the homeserver", told, asked, TimeDelta::seconds(1))
}

async fn as_token(client: &Homeserver, config: &Config, registration: &Registration) -> Found<()> {
    let path = &config.appservice.registration;
    let user = client.whoami(None).await.map_err(|error| match error {
        ClientError::UnknownToken => Problem::new(
            "as_token_unknown",
            "the homeserver does not know the as_token of the registration",
            homeserver_lines(path),
        ),
        error => other(&error),
    })?;
    let (localpart, server) = (
        &registration.sender_localpart,
        &config.homeserver.server_name,
    );
    let ours = format!("@{localpart}:{server}");
    if user.as_str() == ours {
        return Ok(((), format!("it is {user}'s")));
    }
    if user.server_name().as_str() != server.as_str() {
        return Err(Problem::new(
            "server_name_wrong",
            format!("the homeserver calls itself {}", user.server_name()),
            format!("homeserver:\n  server_name: {}", user.server_name()),
        ));
    }
    Err(Problem::new(
        "as_token_anothers",
        format!("the as_token is {user}'s, and not {ours}'s"),
        format!(
            "the token is another application service's, or Synapse has an older file:\n{}",
            homeserver_lines(path)
        ),
    ))
}

async fn namespace(
    client: &Homeserver,
    config: &Config,
    registration: &Registration,
    bridge: &Bridge,
) -> Found<()> {
    let bot = &bridge.bot;
    match client.whoami(Some(bot)).await {
        Ok(_) => Ok(((), format!("Tributary may be {bot}"))),
        Err(ClientError::Forbidden) if client.is_registered(bot).await.is_ok_and(|is| !is) => {
            Err(Problem::new(
                "bot_unregistered",
                format!("there is no user {bot} on the homeserver"),
                "start the bridge: it makes its bot when it starts. If it is called otherwise, put the\n\
                 right name into the bot of that bridge (appservice.bot.username of its config.yaml)",
            ))
        }
        Err(ClientError::Forbidden) => Err(outside(config, registration, bridge)),
        Err(error) => Err(other(&error)),
    }
}

fn outside(config: &Config, registration: &Registration, bridge: &Bridge) -> Problem {
    let (bot, path) = (&bridge.bot, &config.appservice.registration);
    let cause = format!("the homeserver does not let Tributary be {bot}: not in its namespace");
    let fix = if covers(registration, bot) {
        format!(
            "the file has it, so the homeserver has an older one:\n{}",
            homeserver_lines(path)
        )
    } else {
        format!(
            "have in the registration\n\n{}\nand {}",
            namespace_lines(bridge),
            homeserver_lines(path)
        )
    };
    Problem::new("namespace_without_bot", cause, fix)
}

/// What is nobody's fault in particular.
pub(super) fn other(error: &ClientError) -> Problem {
    Problem::new(
        "homeserver_failed",
        error.to_string(),
        "see the homeserver's log, then run doctor again",
    )
}
