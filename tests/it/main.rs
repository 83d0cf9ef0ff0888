//! Everything that needs a Postgres and nothing else. One program, so that it is
//! linked once; a module for each room of the house, and the endpoints' modules
//! mirror their paths.

#![cfg(test)]

mod accounts;
mod api;
mod backup;
mod backup_script;
mod commands;
mod delivery;
mod doctor;
mod fixtures;
mod folding;
mod former;
mod hostile;
mod ingest;
mod isolation;
mod jobs;
mod logs;
mod media;
mod migrations;
mod order;
mod outage;
mod partition;
mod pooler;
mod roles;
mod server;
mod start;
mod statements;
mod support;
mod tls;
mod tokens;
mod upgrade;
mod ws;
