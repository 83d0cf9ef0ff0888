//! End to end, on real peers: Synapse, a bridgev2 bridge, Postgres.

#![cfg(test)]

mod backfill;
mod bridge;
mod companion;
mod discretion;
mod folding;
mod journeys;
mod latency;
mod media;
mod people;
mod socket;
mod stack;
