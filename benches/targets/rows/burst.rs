//! A burst of messages in a group, to everybody who is in it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::json;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use tributary::{clock::Clock, db::Database};

use crate::{
    Bench,
    crowd::{Arrived, Crowd},
    figures::{median, rate},
    group::{GROUP, GROUP_GHOST, populate_group},
    homeserver::Homeserver,
    limits::child::Bare,
    report::{Row, Target},
    server::{self, Serving},
    shared::scratch::Scratch,
    stand::SETTINGS,
};

const USERS: usize = 50;
const SOCKETS: usize = 500;
const MESSAGES: usize = 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody's sockets, and who pushes.
struct Side {
    name: &'static str,
    homeserver: Homeserver,
    crowd: Crowd,
    frames: UnboundedReceiver<Arrived>,
}

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.runtime.block_on(Scratch::create())?;
    let row = bench
        .runtime
        .block_on(serve(&scratch))
        .and_then(|tributary| {
            let bare = Bare::start(None)?;
            let row = measure_at(bench, &tributary, &bare);
            tributary.stop()?;
            row
        });
    bench.runtime.block_on(scratch.remove())?;
    Ok(vec![row?])
}

async fn serve(scratch: &Scratch) -> anyhow::Result<Serving> {
    let tributary = server::start_empty(scratch.url(), SETTINGS).await?;
    let database = Database::new(scratch.url(), 1)?;
    populate_group(&database, &tributary.bridges, USERS).await?;
    Ok(tributary)
}

fn measure_at(bench: &Bench, tributary: &Serving, bare: &Bare) -> anyhow::Result<Row> {
    let addresses = [("tributary", tributary.address()), ("axum", bare.address())];
    let mut sides = Vec::new();
    for (name, address) in addresses {
        let users = (0..SOCKETS).map(|socket| socket % USERS);
        let (crowd, frames) = bench.runtime.block_on(Crowd::open(address, users))?;
        sides.push(Side {
            name,
            homeserver: Homeserver::connect(address, tributary.token())?,
            crowd,
            frames,
        });
    }
    let mut rates = HashMap::<_, Vec<f64>>::new();
    // A burst is short: more of them than rounds of anything else.
    for number in 0..=bench.rounds() * 4 {
        sides.reverse();
        for side in &mut sides {
            let rate = burst(bench, side, number)?;
            side.crowd.are_open()?;
            if number > 0 {
                rates.entry(side.name).or_default().push(rate);
            }
        }
    }
    let of = |name| median(rates.get(name).into_iter().flatten().copied());
    Ok(Row {
        what: format!("a burst of {MESSAGES} to {SOCKETS} sockets of {USERS} users"),
        unit: "frames/s",
        figure: of("tributary"),
        beside: Some(("axum", of("axum"))),
        target: Target::AtLeast(0.4),
        details: json!({ "rounds": rates }),
    })
}

/// From before the PUT until the last frame is read, on the last socket.
fn burst(bench: &Bench, side: &mut Side, number: usize) -> anyhow::Result<f64> {
    let body = messages(number);
    let begun = Instant::now();
    side.homeserver.push(&body)?;
    let mut last = begun;
    bench.runtime.block_on(async {
        for _ in 0..MESSAGES * SOCKETS {
            let frame = timeout(PATIENCE, side.frames.recv()).await;
            let frame = frame.context("a frame did not come")?;
            last = last.max(frame.context("no socket is read")?.at);
        }
        anyhow::Ok(())
    })?;
    Ok(rate(MESSAGES * SOCKETS, last - begun))
}

fn messages(number: usize) -> Bytes {
    let message = |nth| {
        let body = "see you tomorrow at the station, did they answer about the flat?";
        json!({
            "type": "m.room.message", "event_id": format!("$burst{:037}", number * MESSAGES + nth),
            "room_id": GROUP, "sender": GROUP_GHOST, "user_id": GROUP_GHOST,
            "origin_server_ts": Clock::system().now().timestamp_millis(),
            "age": 5, "unsigned": { "age": 5 },
            "content": { "msgtype": "m.text", "body": body, "m.mentions": {} },
        })
    };
    let events: Vec<_> = (0..MESSAGES).map(message).collect();
    Bytes::from(json!({ "events": events }).to_string())
}
