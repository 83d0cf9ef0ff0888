//! `GET /ws`, over a real socket and a real Postgres.

mod at_hand;
pub(crate) mod client;
mod closes;
mod frames;
mod handshake;
mod limits;
mod prune;
mod resume;
mod sessions;
mod tokens;

use crate::support::{self, live as world};

const ALICE: &str = "user_alice";
const ALICE_MATRIX: &str = "@alice:lab.local";
const BOB: &str = "user_bob";
const BOB_MATRIX: &str = "@bob:lab.local";
const FRIEND: &str = "@facebook_1:lab.local";
