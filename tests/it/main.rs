//! Everything that needs a Postgres and nothing else. One program, so that it is
//! linked once; a module for each room of the house, and the endpoints' modules
//! mirror their paths.

#![cfg(test)]

mod accounts;
mod api;
mod commands;
mod delivery;
mod fixtures;
mod folding;
mod ingest;
mod isolation;
mod jobs;
mod media;
mod migrations;
mod order;
mod outage;
mod roles;
mod server;
mod statements;
mod support;
mod tokens;
mod ws;
