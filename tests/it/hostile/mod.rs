//! A real Tributary, attacked: from the network, over sockets, and by its own homeserver.
//!
//! Each test says how much memory the process may take at most ([`house::House::took`]),
//! that others are served meanwhile ([`house::House::serves`]: a push, its frame and its
//! message on a page, each in time), that the log stays short and tells nothing of what
//! was sent, and that all descriptors come back ([`house::House::is_well`]).
//!
//! | who | does what | in |
//! | --- | --- | --- |
//! | strangers | open connections and say nothing, or little, or slowly | [`connections`] |
//! | strangers | send requests that are too long, broken, or too many at once | [`requests`] |
//! | customers | break the WebSocket protocol: the cases of the Autobahn test suite that apply | [`frames`] |
//! | customers | flood sockets | [`floods`] |
//! | the homeserver | answers garbage, endlessly, or from elsewhere | [`garbage`] |
//! | the homeserver | pushes it | [`pushes`] |
//!
//! 20,000 half-open connections, where each run has 2,000, take a hard limit of 16,640
//! descriptors and
//! `TRIBUTARY_TEST_POSTGRES=postgres://... TRIBUTARY_TEST_HALF_OPEN=20000 cargo test --test it hostile::connections::a_crowd -- --nocapture`.
//!
//! What does not need a process is elsewhere: limits in time with short timeouts in
//! `server`, the client's answers in `src/matrix/client/tests.rs`, files in
//! `media::faults`, events in `order::hostile` and `fuzz/`, rates in `api::limits` and
//! `ws::limits`.

mod connections;
mod crowd;
mod floods;
mod frames;
mod garbage;
mod homeserver;
mod house;
mod pushes;
mod requests;
mod socket;
mod wire;
