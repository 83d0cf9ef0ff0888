//! End to end, on real peers: Synapse, a bridgev2 bridge, Postgres.

#![cfg(test)]

mod backfill;
mod bridge;
mod companion;
mod discretion;
mod doctor;
mod folding;
mod homeserver;
mod journeys;
mod latency;
mod media;
mod people;
mod restore;
mod socket;
mod stack;
