//! A burst of messages in a group, to everybody who is in it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
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
const FRAMES: usize = MESSAGES * SOCKETS;
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
    let mut bursts = HashMap::<_, Vec<Burst>>::new();
    // A burst is short: more of them than rounds of anything else.
    for number in 0..=bench.rounds() * 4 {
        sides.reverse();
        for side in &mut sides {
            let burst = burst(bench, side, number)?;
            side.crowd.are_open()?;
            if number > 0 {
                bursts.entry(side.name).or_default().push(burst);
            }
        }
    }
    let middle = |name, figure: fn(&Burst) -> f64| {
        median(bursts.get(name).into_iter().flatten().map(figure))
    };
    let of = |name| middle(name, |burst| rate(FRAMES, burst.last));
    let milliseconds = |figure| {
        let of = |name| (name, middle(name, figure));
        HashMap::from(["tributary", "axum"].map(of))
    };
    Ok(Row {
        what: format!("a burst of {MESSAGES} to {SOCKETS} sockets of {USERS} users"),
        unit: "frames/s",
        figure: of("tributary"),
        beside: Some(("axum", of("axum"))),
        target: Target::AtLeast(0.4),
        details: json!({
            "answeredMs": milliseconds(|burst| burst.answered.as_secs_f64() * 1000.0),
            "firstMs": milliseconds(|burst| burst.first.as_secs_f64() * 1000.0),
            "lastMs": milliseconds(|burst| burst.last.as_secs_f64() * 1000.0),
        }),
    })
}

/// How long it takes from before the PUT.
struct Burst {
    /// Until that is answered,
    answered: Duration,
    /// the first frame is read on any socket,
    first: Duration,
    /// and the last one on the last.
    last: Duration,
}

fn burst(bench: &Bench, side: &mut Side, number: usize) -> anyhow::Result<Burst> {
    let body = messages(number);
    let begun = Instant::now();
    side.homeserver.push(&body)?;
    let answered = begun.elapsed();
    let mut first = PATIENCE;
    let mut last = Duration::ZERO;
    let mut frames = Vec::with_capacity(FRAMES);
    bench.runtime.block_on(async {
        while frames.len() < FRAMES {
            let left = FRAMES - frames.len();
            let more = timeout(PATIENCE, side.frames.recv_many(&mut frames, left)).await;
            ensure!(
                more.context("a frame did not come")? > 0,
                "no socket is read"
            );
        }
        anyhow::Ok(())
    })?;
    for frame in frames {
        let at = frame.at - begun;
        first = first.min(at);
        last = last.max(at);
    }
    Ok(Burst {
        answered,
        first,
        last,
    })
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
