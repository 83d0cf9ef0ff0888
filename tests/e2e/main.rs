//! End to end, on real peers: Synapse, a bridgev2 bridge, Postgres.

#![cfg(test)]

mod journeys;
mod socket;
mod stack;
