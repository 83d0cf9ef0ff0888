//! The words that a text of the API may be, for its description.

use serde_json::Value;
use utoipa::openapi::{
    Object,
    schema::{ObjectBuilder, SchemaType, Type},
};

fn any_of(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new()
        .description(Some(description))
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .build()
}

fn any_of_or_null(description: &str, words: &[&str]) -> Object {
    let words = words.iter().map(|&word| Value::from(word));
    ObjectBuilder::new()
        .description(Some(description))
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.chain([Value::Null])))
        .build()
}

const JOB_STATES: [&str; 6] = [
    "queued",
    "running",
    "waiting",
    "done",
    "failed",
    "cancelled",
];

/// What a file is.
pub(crate) fn attachment_kind() -> Object {
    any_of(
        "What it is.",
        &["image", "video", "audio", "voice", "file", "sticker"],
    )
}

/// How far the archive is with a file.
pub(crate) fn media_state() -> Object {
    let states = [
        "pending",
        "stored",
        "too_large",
        "forbidden",
        "missing",
        "failed",
    ];
    any_of("How far the archive is with it.", &states)
}

/// The state of a job.
pub(crate) fn job_state() -> Object {
    any_of("Its state; what is `waiting` is tried again.", &JOB_STATES)
}

/// The state of a job, if there is one.
pub(crate) fn job_state_or_null() -> Object {
    any_of_or_null(
        "The state of its latest backfill; null if there never was one.",
        &JOB_STATES,
    )
}

/// How a connection's history is coming in.
pub(crate) fn history_state() -> Object {
    any_of(
        "Whether it is coming in, or is in.",
        &["idle", "running", "done"],
    )
}

/// What a room is.
pub(crate) fn room_kind() -> Object {
    any_of(
        "What it is; `unknown` was not looked at yet.",
        &["unknown", "portal", "other"],
    )
}

/// What is wrong with the database.
pub(crate) fn database_error() -> Object {
    any_of(
        "What is wrong with the database.",
        &["unreachable", "timeout", "failing"],
    )
}

/// Why nothing is to be sent here.
pub(crate) fn unready() -> Object {
    any_of(
        "Why not.",
        &["draining", "database", "migrations", "starting"],
    )
}
