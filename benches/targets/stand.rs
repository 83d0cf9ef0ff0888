//! Tributary and `barepg` side by side, on one database.

use std::net::SocketAddr;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::{
    homeserver::Homeserver,
    limits::child::Bare,
    machine::Postgres,
    server::{self, RAISED_LIMITS, Serving},
    shared::{
        events::{Events, Shape},
        scratch::{Scratch, connect},
    },
    stored::Side,
};

/// Pictures are not fetched: what the homeserver does for them is no part of this.
const WITHOUT_MEDIA: (&str, &str) = ("TRIBUTARY__MEDIA__ON", "false");

/// The homeserver that does not answer is no news here.
const QUIET: (&str, &str) = ("TRIBUTARY__LOG__FILTER", "error");

/// Both, with customers and rooms, and no messages.
pub(crate) struct Stand {
    pub(crate) scratch: Scratch,
    pub(crate) database: Client,
    pub(crate) postgres: Postgres,
    pub(crate) tributary: Serving,
    pub(crate) bare: Bare,
}

/// One of them, and the homeserver that pushes to it.
pub(crate) struct Pushed {
    pub(crate) side: Side,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    pub(crate) homeserver: Homeserver,
    pub(crate) events: Events,
}

/// The settings of the program in all benches of this table.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    RAISED_LIMITS[0],
    RAISED_LIMITS[1],
    RAISED_LIMITS[2],
    WITHOUT_MEDIA,
    QUIET,
];

impl Stand {
    pub(crate) fn start(runtime: &Runtime) -> anyhow::Result<Self> {
        let scratch = runtime.block_on(Scratch::create())?;
        let database = runtime.block_on(connect(scratch.url().expose_secret()))?;
        let tributary = runtime
            .block_on(server::start_empty(scratch.url(), SETTINGS))
            .context("Tributary did not start")?;
        Ok(Self {
            postgres: Postgres::of(runtime, &database)?,
            bare: Bare::start(Some(scratch.url()))?,
            scratch,
            database,
            tributary,
        })
    }

    /// Both sides; they get the same events.
    pub(crate) fn sides(&self) -> anyhow::Result<[Pushed; 2]> {
        let pushed = |side, pid, address| {
            anyhow::Ok(Pushed {
                side,
                pid,
                address,
                homeserver: Homeserver::connect(address, self.tributary.token())?,
                events: Events::new(Shape::default()),
            })
        };
        Ok([
            pushed(
                Side::Tributary,
                self.tributary.process.id(),
                self.tributary.address(),
            )?,
            pushed(Side::BarePg, self.bare.pid(), self.bare.address())?,
        ])
    }

    pub(crate) fn stop(self, runtime: &Runtime) -> anyhow::Result<()> {
        let Self {
            scratch,
            tributary,
            bare,
            ..
        } = self;
        tributary.stop()?;
        drop(bare);
        runtime.block_on(scratch.remove())
    }
}
